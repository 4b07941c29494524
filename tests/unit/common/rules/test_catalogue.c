/* Promises of common/rules/catalogue.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/rules/catalogue.h"

static const char text[] =
    "{\"format\":1,\"version\":\"2026-09-23 test\",\"later\":{},"
    "\"aliases\":{\"aws\":\"bedrock\",\"amazon-bedrock\":\"bedrock\",\"google\":\"gemini\"},"
    "\"models\":[\n"
    "{\"provider\":\"anthropic\",\"model\":\"claude-sonnet-4-5\",\"title\":\"Claude \\\"S\\\"\","
    "\"context\":200000,\"max_output\":64000,\"capabilities\":[\"tools\",\"reason\",\"telepathy\"],"
    "\"input\":[\"text\",\"image\"],\"output\":[\"text\"],\"price\":{\"token_in\":3000000},"
    "\"match\":{\"or\":[{\"starts_with\":\"claude-sonnet-4-5\"},{\"equals\":\"claude-best\"}]},"
    "\"source\":\"genai-prices pi-catalog\",\"unknown\":[1,{}]},\n"
    "{\"provider\":\"bedrock\",\"model\":\"anthropic.claude-sonnet-4-5-20250929-v1:0\","
    "\"price\":{\"token_in\":3300000}},\n"
    "{\"provider\":\"bedrock\",\"model\":\"global.anthropic.claude-sonnet-4-5-20250929-v1:0\","
    "\"price\":{\"token_in\":3000000}},\n"
    "{\"provider\":\"bedrock\",\"model\":\"amazon.nova-pro\",\"price\":{\"token_in\":800000}},\n"
    "{\"provider\":\"bedrock\",\"model\":\"amazon.titan-text\",\"deprecated\":\"\"},\n"
    "{\"provider\":\"gemini\",\"model\":\"gemini-2.5-pro\",\"price\":{\"token_in\":1250000},"
    "\"match\":{\"and\":[{\"starts_with\":\"gemini-2.5-pro\"},{\"not\":{\"or\":[{\"ends_with\":"
    "\"-tts\"},{\"contains\":\"-tts-\"}]}}]}},\n"
    "{\"provider\":\"gemini\",\"model\":\"gemini-3.5-flash\",\"match\":{\"digits_start\":"
    "\"gemini-3.5-flash-#\"}},\n"
    "{\"provider\":\"openai\",\"model\":\"GPT-X\"},\n"
    "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"deprecated\":\"2026-03-01\",\"max_output\":"
    "16384,"
    "\"price\":{\"token_in\":2500000},\"input\":[\"text\"],\"output\":[\"text\"]},\n"
    "{\"provider\":\"openai\",\"model\":\"gpt-6\",\"match\":{\"digits\":\"gpt-6-turbo-####\"}},\n"
    "{\"provider\":\"openai\",\"model\":\"gpt-x\"},\n"
    "{\"provider\":\"openrouter\",\"model\":\"openai/gpt-4o\",\"price\":{\"token_in\":2500000}},\n"
    "{\"provider\":\"vertex\",\"model\":\"claude-sonnet-4-5@20250929\"}\n"
    "]}";

static struct catalogue *load(void)
{
    struct error err = ERROR_INIT;
    struct catalogue *c = catalogue_parse(str_of(text), &err);
    if (!c) {
        fail_msg("%s", error_text(&err));
    }
    return c;
}

static void entries_are_read_whole(void **state)
{
    (void)state;
    struct catalogue *c = load();
    assert_int_equal(catalogue_count(c), 13);
    assert_true(str_eqz(catalogue_version(c), "2026-09-23 test"));
    const struct catalogue_model *m =
        catalogue_get(c, STR_LIT("anthropic"), STR_LIT("claude-sonnet-4-5"));
    assert_non_null(m);
    assert_true(str_eqz(m->title, "Claude \"S\""));
    assert_int_equal(m->context, 200000);
    assert_int_equal(m->max_output, 64000);
    assert_int_equal(m->can, CAN_TOOLS | CAN_REASON | IN_TEXT | IN_IMAGE | OUT_TEXT);
    assert_true(m->priced);
    assert_int_equal(m->prices.units[PRICE_TOKEN_IN].picousd, 3000000);
    assert_null(m->deprecated.ptr);
    assert_true(str_eqz(m->source, "genai-prices pi-catalog"));
    assert_true(str_starts(catalogue_raw(c, m), STR_LIT("{\"provider\":\"anthropic\"")));
    m = catalogue_get(c, STR_LIT("openai"), STR_LIT("gpt-4o"));
    assert_true(str_eqz(m->deprecated, "2026-03-01"));
    m = catalogue_get(c, STR_LIT("aws"), STR_LIT("amazon.titan-text"));
    assert_true(m && m->deprecated.ptr && m->deprecated.len == 0 && !m->priced);
    assert_null(catalogue_get(c, STR_LIT("openai"), STR_LIT("GPT-4O")));
    for (size_t i = 1; i < catalogue_count(c); i++) {
        const struct catalogue_model *a = catalogue_at(c, i - 1), *b = catalogue_at(c, i);
        int order = str_cmp(a->provider, b->provider);
        assert_true(order < 0 || (order == 0 && str_cmp(a->model, b->model) < 0));
    }
    assert_null(catalogue_at(c, 13));
    catalogue_free(c);
}

static void models_are_found_by_the_names_they_go_by(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *name, *want; /* NULL: none */
    } cases[] = {
        {"openai", "gpt-4o", "gpt-4o"},
        {"openai", "gpt-4o-2024-11-20", "gpt-4o"},
        {"openai", "GPT-4o-2024-11-20", "gpt-4o"},
        {"openai", "gpt-4o-20241120", "gpt-4o"},
        {"openai", "gpt-4o-1999-11-20", NULL},
        {"openai", "gpt-4o-2024-11", NULL},
        {"openai", "gpt-4o-mini", NULL},
        {"openai", "ft:gpt-4o:acme::abc", NULL},
        {"openai", "gpt-x", "gpt-x"},
        {"openai", "GPT-X", "GPT-X"},
        {"openai", "Gpt-x", "GPT-X"},
        {"openai", "gpt-6-turbo-0613", "gpt-6"},
        {"openai", "gpt-6-turbo-061", NULL},
        {"openai", "gpt-6-turbo-06133", NULL},
        {"openai", "", NULL},
        {"anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"},
        {"anthropic", "claude-best", "claude-sonnet-4-5"},
        {"anthropic", "claude-best-20250101", "claude-sonnet-4-5"},
        {"anthropic", "claude-worst", NULL},
        {"bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0",
         "anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {"bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
         "anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {"bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
         "global.anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {"bedrock",
         "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
         "apac.anthropic.claude-sonnet-4-5-20250929-v1:0",
         "anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {"bedrock", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
         "amazon.nova-pro"},
        {"bedrock", "amazon.nova-pro-v1:0", "amazon.nova-pro"},
        {"bedrock", "us.amazon.nova-pro-v1:0", "amazon.nova-pro"},
        {"bedrock", "amazon.titan-text-v1:0:8k", "amazon.titan-text"},
        {"bedrock", "arn:aws:bedrock:us-east-1:1:provisioned-model/abc123", NULL},
        {"vertex", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5@20250929"},
        {"vertex", "publishers/anthropic/models/claude-sonnet-4-5@20250929",
         "claude-sonnet-4-5@20250929"},
        {"vertex", "claude-sonnet-4-5@default", "claude-sonnet-4-5"},
        {"gemini", "models/gemini-2.5-pro", "gemini-2.5-pro"},
        {"gemini", "gemini-2.5-pro-preview-06-05", "gemini-2.5-pro"},
        {"gemini", "gemini-2.5-pro-preview-tts", NULL},
        {"gemini", "gemini-2.5-pro-tts-1", NULL},
        {"gemini", "gemini-3.5-flash-001", "gemini-3.5-flash"},
        {"gemini", "gemini-3.5-flash-lite", NULL},
        {"openrouter", "openai/gpt-4o", "openai/gpt-4o"},
        {"openrouter", "openai/gpt-4o:free", "openai/gpt-4o"},
        {"openrouter", "openai/gpt-4o-2024-11-20:online", "openai/gpt-4o"},
        {"azure-openai", "our-deployment", NULL},
        {"nobody", "gpt-4o", NULL},
    };
    struct catalogue *c = load();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct catalogue_model *m =
            catalogue_find(c, str_of(cases[i].kind), str_of(cases[i].name));
        if (!m != !cases[i].want || (m && !str_eqz(m->model, cases[i].want))) {
            fail_msg("%s %s: %.*s", cases[i].kind, cases[i].name,
                     STR_ARG(m ? m->model : STR_LIT("none")));
        }
    }
    char longest[2000];
    memset(longest, 'x', sizeof(longest));
    assert_null(catalogue_find(c, STR_LIT("openai"), (struct str){longest, sizeof(longest)}));
    assert_null(catalogue_find(NULL, STR_LIT("openai"), STR_LIT("gpt-4o")));
    catalogue_free(c);
}

static void an_override_replaces_what_it_names(void **state)
{
    (void)state;
    struct catalogue *c = load();
    struct arena *a = arena_new(0);
    struct error err = ERROR_INIT;
    struct catalogue_model m = *catalogue_get(c, STR_LIT("openai"), STR_LIT("gpt-4o"));
    assert_true(catalogue_entry_read(
        STR_LIT("{\"price\":{\"token_out\":7},\"capabilities\":[\"tools\"],\"deprecated\":null}"),
        a, &m, &err));
    assert_false(m.prices.units[PRICE_TOKEN_IN].known); /* as a whole */
    assert_int_equal(m.prices.units[PRICE_TOKEN_OUT].picousd, 7);
    assert_int_equal(m.can, CAN_TOOLS | IN_TEXT | OUT_TEXT);
    assert_int_equal(m.max_output, 16384);
    assert_null(m.deprecated.ptr);
    assert_true(catalogue_entry_read(STR_LIT("{\"price\":null,\"context\":5}"), a, &m, &err));
    assert_false(m.priced);
    assert_int_equal(m.context, 5);
    assert_int_equal(catalogue_raw(c, &m).len, 0);
    static const char *const bad[] = {"[]",
                                      "{",
                                      "{\"context\":\"much\"}",
                                      "{\"context\":1.5}",
                                      "{\"title\":3}",
                                      "{\"input\":\"text\"}",
                                      "{\"input\":[3]}",
                                      "{\"price\":{\"token_in\":0.5}}",
                                      "{\"price\":[]}",
                                      "{\"match\":{\"sounds_like\":\"x\"}}",
                                      "{\"match\":{\"or\":[]}}",
                                      "{\"match\":{\"equals\":\"\"}}",
                                      "{\"match\":3}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err = (struct error)ERROR_INIT;
        m.context = 77;
        if (catalogue_entry_read(str_of(bad[i]), a, &m, &err) || err.code == ERR_NONE) {
            fail_msg("%s is taken", bad[i]);
        }
        assert_int_equal(m.context, 77);
    }
    arena_free(a);
    catalogue_free(c);
}

static void bad_files_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"", "JSON"},
        {"[]", ""},
        {"{\"format\":1,\n\"version\":}", ""},
        {"{\"version\":\"x\",\"models\":[]}", "format"},
        {"{\"format\":2,\"version\":\"x\",\"models\":[]}", "format"},
        {"{\"format\":1,\"models\":[]}", "version"},
        {"{\"format\":1,\"version\":\"x\"}", "models"},
        {"{\"format\":1,\"version\":\"x\",\"models\":{}}", "models"},
        {"{\"format\":1,\"version\":\"x\",\"aliases\":[\"a\"],\"models\":[]}", "aliases"},
        {"{\"format\":1,\"version\":\"x\",\"aliases\":{\"a\":null},\"models\":[]}", "aliases"},
        {"{\"format\":1,\"version\":\"x\",\"models\":[{\"provider\":\"a\"}]}", "model 1"},
        {"{\"format\":1,\"version\":\"x\",\"models\":[{\"provider\":\"a\",\"model\":\"b\"},"
         "{\"provider\":\"a\",\"model\":\"b\"}]}",
         "a/b"},
        {"{\"format\":1,\"version\":\"x\",\"models\":[{\"provider\":\"a\",\"model\":\"b\","
         "\"price\":"
         "{\"token_in\":2.5}}]}",
         "token_in"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = ERROR_INIT;
        assert_null(catalogue_parse(str_of(cases[i].json), &err));
        assert_int_not_equal(err.code, ERR_NONE);
        if (!strstr(error_text(&err), cases[i].want)) {
            fail_msg("%s: %s", cases[i].json, error_text(&err));
        }
    }
    struct error err = ERROR_INIT;
    assert_null(catalogue_parse(STR_LIT("{\"format\":1,\n\"version\":}"), &err));
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 11);
}

static void a_file_that_is_not_sorted_is_sorted(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct catalogue *c = catalogue_parse(
        STR_LIT("{\"format\":1,\"version\":\"x\",\"models\":[{\"provider\":\"b\",\"model\":\"1\"},"
                "{\"provider\":\"a\",\"model\":\"2\"},{\"provider\":\"a\",\"model\":\"1\"}]}"),
        &err);
    assert_non_null(c);
    assert_true(str_eqz(catalogue_at(c, 0)->model, "1") &&
                str_eqz(catalogue_at(c, 2)->provider, "b"));
    assert_non_null(catalogue_get(c, STR_LIT("a"), STR_LIT("2")));
    catalogue_free(c);
}

static void a_file_is_loaded(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-catalogue.XXXXXX";
    struct error err = ERROR_INIT;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    struct catalogue *c = catalogue_load(path, &err);
    assert_non_null(c);
    assert_int_equal(catalogue_count(c), 13);
    catalogue_free(c);
    unlink(path);
    assert_null(catalogue_load(path, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    catalogue_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read_whole),
        cmocka_unit_test(models_are_found_by_the_names_they_go_by),
        cmocka_unit_test(an_override_replaces_what_it_names),
        cmocka_unit_test(bad_files_say_what_is_wrong),
        cmocka_unit_test(a_file_that_is_not_sorted_is_sorted),
        cmocka_unit_test(a_file_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
