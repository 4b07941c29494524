/* The table of providers keeps to its own rules, and the look-ups find what clients call things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/base/map.h"
#include "common/rules/provider.h"

static struct str s(const char *z)
{
    return str_of(z);
}

static bool next_word(const char **list, struct str *ret)
{
    const char *p = *list ? *list + strspn(*list, " ") : "";
    size_t n = strcspn(p, " ");
    *ret = (struct str){p, n};
    *list = p + n;
    return n > 0;
}

static void url_is_well_formed(const struct provider_row *row)
{
    struct str url = s(row->base_url);
    if (url.len == 0) {
        return;
    }
    bool local = str_starts(url, STR_LIT("http://127.0.0.1:"));
    if (!local && !str_starts(url, STR_LIT("https://"))) {
        fail_msg("%s: %s", row->name, row->base_url);
    }
    assert_false(str_ends(url, STR_LIT("/")));
    for (size_t i = 0; i < url.len; i++) {
        assert_true(url.ptr[i] > ' ' && url.ptr[i] < 0x7f && !strchr("?#@\"\\", url.ptr[i]));
    }
    /* what is filled in are settings that the row knows */
    for (const char *p = strchr(row->base_url, '{'); p; p = strchr(p + 1, '{')) {
        struct str name = {p + 1, strcspn(p + 1, "}")};
        const struct provider_setting *set = provider_setting_named(name);
        if (!set || !provider_setting_applies(set, row)) {
            fail_msg("%s: no setting %.*s", row->name, STR_ARG(name));
        }
    }
}

static void template_is_known(const struct provider_row *row, const char *path)
{
    assert_int_equal(path[0], '/');
    for (const char *p = strchr(path, '{'); p; p = strchr(p + 1, '{')) {
        struct str name = {p + 1, strcspn(p + 1, "}")};
        const struct provider_setting *set = provider_setting_named(name);
        if (!str_eqz(name, "model") && !str_eqz(name, "verb") &&
            (!set || !provider_setting_applies(set, row))) {
            fail_msg("%s: %s", row->name, path);
        }
    }
}

static void params_are_well_formed(const struct provider_row *row)
{
    const char *list = row->params;
    struct str word;
    while (next_word(&list, &word)) {
        const char *equals = memchr(word.ptr, '=', word.len);
        bool drops = word.ptr[0] == '-' && word.len > 1 && !equals;
        bool renames = equals && equals > word.ptr && equals < word.ptr + word.len - 1;
        if (!drops && !renames) {
            fail_msg("%s: %.*s", row->name, STR_ARG(word));
        }
    }
}

static void every_row_is_well_formed(void **state)
{
    (void)state;
    size_t n;
    const struct provider_row *rows = provider_rows(&n);
    assert_true(n >= 90);
    for (size_t i = 0; i < n; i++) {
        const struct provider_row *row = &rows[i];
        assert_true(row->name[0] && row->title[0]);
        assert_true(str_starts(s(row->docs), STR_LIT("https://")));
        assert_true(row->auth < AUTH_COUNT);
        assert_int_equal((row->auth == AUTH_HEADER || row->auth == AUTH_QUERY) && !row->auth_name,
                         false);
        url_is_well_formed(row);
        params_are_well_formed(row);
        for (const struct provider_row *r = row; r; r = r->dated) {
            for (size_t k = 0; k < r->n_endpoints; k++) {
                assert_true(r->endpoints[k].api > API_NONE && r->endpoints[k].api < API_COUNT);
                template_is_known(row, r->endpoints[k].path);
                if (r->endpoints[k].stream_path) {
                    template_is_known(row, r->endpoints[k].stream_path);
                }
            }
        }
    }
}

static void names_and_aliases_are_unique(void **state)
{
    (void)state;
    size_t n;
    const struct provider_row *rows = provider_rows(&n);
    struct map *seen = map_new();
    for (size_t i = 0; i < n; i++) {
        const char *list = rows[i].aliases;
        struct str word = s(rows[i].name);
        do {
            for (size_t c = 0; c < word.len; c++) {
                assert_false(word.ptr[c] >= 'A' && word.ptr[c] <= 'Z');
            }
            const struct provider_row *other = map_put(seen, word, (void *)(uintptr_t)&rows[i]);
            if (other) {
                fail_msg("%.*s: %s and %s", STR_ARG(word), other->name, rows[i].name);
            }
            assert_ptr_equal(provider_row_named(word), &rows[i]);
        } while (next_word(&list, &word));
    }
    map_free(seen);
    assert_ptr_equal(provider_row_named(s("OpenAI")), provider_row_named(s("openai")));
    assert_null(provider_row_named(s("quantum")));
    assert_null(provider_row_named(s("")));
}

static void all_resolve(const char *list)
{
    struct str word;
    while (next_word(&list, &word)) {
        if (!provider_row_named(word)) {
            fail_msg("no row for %.*s", STR_ARG(word));
        }
    }
}

static void what_others_list_is_here(void **state)
{
    (void)state;
    /* Portkey's ids */
    all_resolve(
        "anthropic anyscale azure-openai cohere google vertex-ai mistral-ai openai palm "
        "perplexity-ai reka-ai together-ai deepinfra ncompass stability-ai nomic ollama ai21 "
        "bedrock groq segmind jina fireworks-ai workers-ai moonshot openrouter lingyi zhipu "
        "novita-ai monsterapi deepseek predibase triton voyage azure-ai github deepbricks "
        "siliconflow huggingface cerebras inference-net sambanova lemonfox-ai upstage lambda "
        "dashscope x-ai cortex sagemaker nebius recraft-ai milvus replicate portkey lepton "
        "kluster-ai nscale hyperbolic bytez featherless-ai krutrim qdrant 302ai cometapi matterai "
        "meshy tripo3d nextbit modal z-ai oracle iointelligence aibadgr ovhcloud databricks "
        "latitude pinecone minimax lightning scenario bedrock-mantle");
    /* Cloudflare's */
    all_resolve("anthropic aws-bedrock azure-openai baseten cartesia cerebras cohere deepseek "
                "elevenlabs google-ai-studio google-vertex-ai grok groq huggingface ideogram "
                "mistral openai openrouter perplexity-ai replicate workers-ai");
    /* reached by base URL and key */
    all_resolve(
        "openai groq together fireworks deepseek mistral codestral openrouter perplexity xai "
        "cerebras nvidia sambanova hyperbolic novita deepinfra moonshot moonshot-cn zhipu z.ai "
        "dashscope qwen siliconflow volcengine qianfan tencent minimax minimax-anthropic "
        "kimi-coding stepfun xiaomi hunyuan lingyi modelscope qiniu iflow gemini-openai "
        "cohere-openai meta-llama amazon-nova github-models huggingface baseten ai21 friendli "
        "nebius nscale featherless lambda wandb vercel helicone requesty v0 morph clarifai "
        "cometapi aihubmix 302ai venice poe chutes nano-gpt synthetic abliteration publicai gmi "
        "io.net inference.net kluster monsterapi lemonfox upstage voyage jina scaleway ovhcloud "
        "stackit sarvam krutrim crusoe ionos reka avian anyscale assemblyai salad apertis "
        "digitalocean vultr inception poolside opencode ollama-cloud cloudflare databricks "
        "snowflake recraft vllm sglang llama.cpp lm-studio ollama tgi triton");
}

static void names_of_tables_go_both_ways(void **state)
{
    (void)state;
    for (unsigned i = API_NONE + 1; i < API_COUNT; i++) {
        const char *name = provider_api_name((enum provider_api)i);
        assert_true(name[0]);
        assert_int_equal(provider_api_named(s(name)), i);
        assert_int_not_equal(provider_api_kind((enum provider_api)i), API_KIND_NONE);
    }
    assert_int_equal(provider_api_named(s("")), API_NONE);
    assert_int_equal(provider_api_named(s("telepathy")), API_NONE);
    for (unsigned i = 0; i < AUTH_COUNT; i++) {
        assert_true(provider_auth_name((enum provider_auth)i)[0]);
    }
    size_t n;
    const struct provider_setting *list = provider_settings(&n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(provider_setting_named(s(list[i].name)), &list[i]);
        assert_true(list[i].about[0]);
        const char *kinds = list[i].kinds;
        struct str word;
        while (next_word(&kinds, &word)) {
            const struct provider_row *row = provider_row_named(word);
            assert_true(row && str_eqz(word, row->name));
        }
    }
}

static enum provider_api choose(const char *kind, enum api_kind k, enum provider_api wanted,
                                enum provider_api forced, const char *model)
{
    const struct provider_endpoint *e =
        provider_endpoint_for(provider_row_named(s(kind)), k, wanted, forced, s(model));
    return e ? e->api : API_NONE;
}

static void the_endpoint_follows_client_and_model(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        enum api_kind k;
        enum provider_api wanted, forced;
        const char *model;
        enum provider_api want;
    } cases[] = {
        {"openai", API_KIND_CHAT, API_CHAT, API_NONE, "gpt-4o", API_CHAT},
        {"openai", API_KIND_CHAT, API_RESPONSES, API_NONE, "gpt-4o", API_RESPONSES},
        {"openai", API_KIND_CHAT, API_MESSAGES, API_NONE, "gpt-4o", API_CHAT},
        {"openai", API_KIND_CHAT, API_CHAT, API_RESPONSES, "gpt-4o", API_RESPONSES},
        {"openai", API_KIND_CHAT, API_CHAT, API_NONE, "o1-pro", API_RESPONSES},
        {"openai", API_KIND_CHAT, API_CHAT, API_NONE, "gpt-5.1-codex-max", API_RESPONSES},
        {"openai", API_KIND_CHAT, API_CHAT, API_CHAT, "o1-pro", API_CHAT},
        {"openai", API_KIND_RERANK, API_RERANK, API_NONE, "x", API_NONE},
        {"anthropic", API_KIND_CHAT, API_CHAT, API_NONE, "claude-sonnet-4-5", API_MESSAGES},
        {"anthropic", API_KIND_COUNT_TOKENS, API_GEMINI_COUNT, API_NONE, "c", API_MESSAGES_COUNT},
        {"vertex", API_KIND_CHAT, API_MESSAGES, API_NONE, "claude-sonnet-4-5@20250929",
         API_VERTEX_MESSAGES},
        {"vertex", API_KIND_CHAT, API_GENERATE, API_NONE, "claude-sonnet-4-5", API_VERTEX_MESSAGES},
        {"vertex", API_KIND_CHAT, API_CHAT, API_NONE, "gemini-2.5-pro", API_GENERATE},
        {"vertex", API_KIND_CHAT, API_MESSAGES, API_NONE, "meta/llama-4-maas", API_CHAT},
        {"bedrock", API_KIND_CHAT, API_CHAT, API_NONE, "anthropic.claude-v2", API_CONVERSE},
        {"bedrock", API_KIND_CHAT, API_INVOKE_MESSAGES, API_NONE, "anthropic.claude-v2",
         API_INVOKE_MESSAGES},
        {"bedrock", API_KIND_EMBED, API_EMBEDDINGS, API_NONE, "amazon.titan-embed-text-v2:0",
         API_TITAN_EMBED},
        {"bedrock", API_KIND_EMBED, API_EMBEDDINGS, API_NONE, "us.cohere.embed-v4:0",
         API_BEDROCK_COHERE_EMBED},
        {"bedrock", API_KIND_EMBED, API_EMBEDDINGS, API_NONE, "meta.llama3", API_NONE},
        {"bedrock", API_KIND_RERANK, API_RERANK, API_NONE, "amazon.rerank-v1:0",
         API_BEDROCK_RERANK},
        {"custom", API_KIND_CHAT, API_RESPONSES, API_NONE, "m", API_CHAT},
        {"custom", API_KIND_CHAT, API_CHAT, API_RESPONSES, "m", API_RESPONSES},
        {"replicate", API_KIND_CHAT, API_CHAT, API_NONE, "m", API_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum provider_api got =
            choose(cases[i].kind, cases[i].k, cases[i].wanted, cases[i].forced, cases[i].model);
        if (got != cases[i].want) {
            fail_msg("%s %s: %s, not %s", cases[i].kind, cases[i].model, provider_api_name(got),
                     provider_api_name(cases[i].want));
        }
    }
}

static void azures_date_picks_the_older_paths(void **state)
{
    (void)state;
    const struct provider_row *row = provider_row_named(s("azure-openai"));
    static const char *const newer[] = {"", "v1", "preview", "latest"};
    for (size_t i = 0; i < 4; i++) {
        assert_ptr_equal(provider_row_at(row, s(newer[i])), row);
    }
    assert_ptr_equal(provider_row_at(row, s("2024-10-21")), row->dated);
    assert_ptr_equal(provider_row_at(row, s("2025-04-01-preview")), row->dated);
    row = provider_row_named(s("openai"));
    assert_ptr_equal(provider_row_at(row, s("2024-10-21")), row);
}

static struct str get_some(void *arg, struct str name)
{
    const char *const *pairs = arg;
    for (; pairs && *pairs; pairs += 2) {
        if (str_eqz(name, pairs[0])) {
            return s(pairs[1]);
        }
    }
    return STR_NONE;
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    static const char *region[] = {"region", "eu-west-1", NULL},
                      *project[] = {"project", "p", NULL};
    assert_null(provider_missing(provider_row_named(s("openai")), s(""), get_some, NULL));
    assert_string_equal(provider_missing(provider_row_named(s("custom")), s(""), get_some, NULL),
                        "base_url");
    assert_null(provider_missing(provider_row_named(s("custom")), s("http://h"), get_some, NULL));
    assert_string_equal(provider_missing(provider_row_named(s("bedrock")), s(""), get_some, NULL),
                        "region");
    assert_null(provider_missing(provider_row_named(s("bedrock")), s(""), get_some, region));
    assert_null(provider_missing(provider_row_named(s("bedrock")), s("http://h"), get_some, NULL));
    assert_string_equal(provider_missing(provider_row_named(s("vertex")), s(""), get_some, NULL),
                        "project");
    assert_null(provider_missing(provider_row_named(s("vertex")), s(""), get_some, project));
}

static void custom_dialects_and_keys(void **state)
{
    (void)state;
    struct provider_endpoint list[API_COUNT];
    struct str unknown;
    size_t n = provider_dialect_endpoints(s("messages"), list, &unknown);
    assert_int_equal(n, 2);
    assert_int_equal(list[0].api, API_MESSAGES);
    assert_string_equal(list[0].path, "/v1/messages");
    n = provider_dialect_endpoints(s("chat, responses chat"), list, &unknown);
    assert_int_equal(n, 4);
    assert_int_equal(list[0].api, API_CHAT);
    assert_int_equal(list[3].api, API_RESPONSES);
    assert_null(list[0].models);
    assert_int_equal(provider_dialect_endpoints(s("Bedrock"), list, &unknown), 6);
    assert_int_equal(list[0].api, API_CONVERSE);
    assert_int_equal(provider_dialect_endpoints(s("chat morse"), list, &unknown), 0);
    assert_true(str_eqz(unknown, "morse"));
    assert_int_equal(provider_dialect_endpoints(s(" , "), list, &unknown), 0);

    enum provider_auth auth;
    struct str name;
    assert_true(provider_auth_parse(s(""), &auth, &name) && auth == AUTH_BEARER);
    assert_true(provider_auth_parse(s("none"), &auth, &name) && auth == AUTH_NONE);
    assert_true(provider_auth_parse(s("header:X-Key"), &auth, &name) && auth == AUTH_HEADER &&
                str_eqz(name, "X-Key"));
    assert_true(provider_auth_parse(s("query:key"), &auth, &name) && auth == AUTH_QUERY);
    static const char *const bad[] = {"header:", "header:a b", "basic", "header:a:b", "cookie:x"};
    for (size_t i = 0; i < 5; i++) {
        assert_false(provider_auth_parse(s(bad[i]), &auth, &name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_well_formed),
        cmocka_unit_test(names_and_aliases_are_unique),
        cmocka_unit_test(what_others_list_is_here),
        cmocka_unit_test(names_of_tables_go_both_ways),
        cmocka_unit_test(the_endpoint_follows_client_and_model),
        cmocka_unit_test(azures_date_picks_the_older_paths),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(custom_dialects_and_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
