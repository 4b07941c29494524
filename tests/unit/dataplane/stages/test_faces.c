/* Each SDK's paths lead to the right operation, model and provider. Seen from outside: what a
 * provider that speaks the same dialect is asked, which passes bytes through. */
#include "dataplane/fake_world.h"

#define YAML                                                                                   \
    "version: 1\n"                                                                             \
    "providers:\n"                                                                             \
    "  - {name: oa, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: sk-oa}\n"   \
    "  - {name: ant, kind: anthropic, base_url: \"http://127.0.0.1:9002\", api_key: sk-ant}\n" \
    "  - {name: gem, kind: gemini, base_url: \"http://127.0.0.1:9003\", api_key: sk-gem}\n"    \
    "  - {name: bed, kind: bedrock, base_url: \"http://127.0.0.1:9004\", region: eu-west-1, "  \
    "api_key: sk-bed}\n"                                                                       \
    "  - {name: az, kind: azure, base_url: \"http://127.0.0.1:9005\", api_version: "           \
    "2024-10-21, api_key: sk-az}\n"                                                            \
    "  - {name: co, kind: cohere, base_url: \"http://127.0.0.1:9006\", api_key: sk-co}\n"      \
    "models:\n"                                                                                \
    "  - {name: fast, targets: [{provider: oa, model: gpt-4o-mini}]}\n"                        \
    "  - {name: \"gpt-*\", targets: [{provider: oa, model: \"gpt-*\"}]}\n"                     \
    "  - {name: \"router/*\", targets: [{provider: oa, model: \"*\"}]}\n"                      \
    "  - {name: resp, targets: [{provider: oa, model: m, endpoint: responses}]}\n"             \
    "keys:\n"                                                                                  \
    "  - {name: dev, secret: dev-secret}\n"                                                    \
    "  - {name: bound, secret: bound-secret, models: [\"gem/gemini-2.5-*\", \"bed/a*\"]}\n"

#define DEV "Authorization: Bearer dev-secret"
#define CHAT "/v1/chat/completions"

static int set_up(void **state)
{
    (void)state;
    world_begin(YAML);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    return 0;
}

static void give_up(void)
{
    if (world.call->live && !world.x.ended) {
        upstream_fail(ERR_UPSTREAM_REFUSED);
    }
}

struct passing {
    const char *path, *headers, *body, *want;
};

static void all_pass(const struct passing *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        world_request("POST", list[i].path, list[i].headers, list[i].body);
        if (world.calls != 1 || !upstream_got(list[i].want)) {
            fail_msg("%s: not \"%s\" but %.*s %.*s", list[i].path, list[i].want,
                     (int)world.x.sent.len, world.x.sent.ptr, (int)world.call->head.len,
                     world.call->head.ptr);
        }
        give_up();
    }
}

#define PASS(list) all_pass(list, sizeof(list) / sizeof((list)[0]))

static void every_dialects_paths_are_known(void **state)
{
    (void)state;
    static const struct passing list[] = {
        {"/chat/completions", DEV, "{\"model\":\"fast\"}", "POST /v1/chat/completions HTTP"},
        {"/v1/responses", DEV, "{\"model\":\"fast\"}", "POST /v1/responses HTTP"},
        {"/responses", DEV, "{\"model\":\"fast\"}", "POST /v1/responses HTTP"},
        {"/v1/embeddings", DEV, "{\"model\":\"fast\",\"input\":\"a\"}", "POST /v1/embeddings HTTP"},
        {"/compat/chat/completions", DEV, "{\"model\":\"fast\"}", "POST /v1/chat/completions HTTP"},
        {"/v1/messages", "x-api-key: dev-secret", "{\"model\":\"ant/claude\",\"messages\":[]}",
         "POST /v1/messages HTTP"},
        {"/v1/messages/count_tokens", DEV, "{\"model\":\"ant/claude\",\"messages\":[]}",
         "POST /v1/messages/count_tokens HTTP"},
        {"/v1beta/models/gem%2Fgemini-2.5-pro:generateContent", "x-goog-api-key: dev-secret",
         "{\"contents\":[]}", "POST /v1beta/models/gemini-2.5-pro:generateContent HTTP"},
        {"/v1/models/gem/gemini-2.5-pro:generateContent?key=dev-secret", NULL, "{\"contents\":[]}",
         "POST /v1beta/models/gemini-2.5-pro:generateContent HTTP"},
        {"/v1beta/models/models/@gem/gemini-2.5-pro:streamGenerateContent?alt=sse",
         "x-goog-api-key: dev-secret", "{\"contents\":[]}",
         "POST /v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse HTTP"},
        {"/v1beta/models/gem%2Fg:countTokens", "x-goog-api-key: dev-secret", "{\"contents\":[]}",
         "POST /v1beta/models/g:countTokens HTTP"},
        {"/v1beta1/projects/p/locations/l/publishers/gem/models/g:generateContent", DEV,
         "{\"contents\":[]}", "POST /v1beta/models/g:generateContent HTTP"},
        {"/model/bed%2Fanthropic.claude-v2%3A1/converse", DEV, "{\"messages\":[]}",
         "POST /model/anthropic.claude-v2%3A1/converse HTTP"},
        {"/model/bed/amazon.nova/converse-stream", DEV, "{\"messages\":[]}",
         "POST /model/amazon.nova/converse-stream HTTP"},
        {"/openai/deployments/az%2Fd/chat/completions?api-version=x", "api-key: dev-secret",
         "{\"messages\":[]}",
         "POST /openai/deployments/d/chat/completions?api-version=2024-10-21 HTTP"},
        {"/openai/deployments/fast/chat/completions", "api-key: dev-secret",
         "{\"messages\":[],\"model\":\"other\"}", "{\"messages\":[],\"model\":\"gpt-4o-mini\"}"},
        {"/engines/fast/embeddings", "api-key: dev-secret", " { } ",
         "{\"model\":\"gpt-4o-mini\" } "},
        {"/openai/v1/chat/completions", "api-key: dev-secret", "{\"model\":\"fast\"}",
         "POST /v1/chat/completions HTTP"},
        {"/v2/rerank", DEV, "{\"model\":\"co/rerank-v3\",\"query\":\"q\",\"documents\":[\"a\"]}",
         "POST /v2/rerank HTTP"},
        {"/v2/embed", DEV, "{\"model\":\"co/e\",\"texts\":[\"a\"],\"input_type\":\"x\"}",
         "POST /v2/embed HTTP"},
    };
    PASS(list);
}

static void models_are_addressed_in_many_ways(void **state)
{
    (void)state;
    static const struct passing list[] = {
        {CHAT, DEV, "{\"model\":\"gpt-4o\"}", "{\"model\":\"gpt-4o\"}"},
        {CHAT, DEV, "{\"model\":\"router/a/b\"}", "{\"model\":\"a/b\"}"},
        {CHAT, DEV, "{\"model\":\"@oa/m\"}", "{\"model\":\"m\"}"},
        {CHAT, DEV, "{\"model\":\"openai/m\"}", "{\"model\":\"m\"}"}, /* a kind */
        {CHAT, DEV "\nx-weir-provider: oa", "{\"model\":\"m\"}", "{\"model\":\"m\"}"},
        {CHAT, DEV "\nx-portkey-provider: @oa", "{\"model\":\"m\"}", "{\"model\":\"m\"}"},
        {CHAT, DEV "\nx-portkey-provider: openai", "{\"model\":\"openai/m\"}", "{\"model\":\"m\"}"},
        {CHAT, DEV "\nx-portkey-provider: openai", "{\"model\":\"meta/m\"}",
         "{\"model\":\"meta/m\"}"},
        {"/v1/messages", DEV "\nx-weir-provider: anthropic", "{\"model\":\"c\"}",
         "Host: 127.0.0.1:9002\r\n"},
        {"/v1/acc/gw/compat/chat/completions", DEV, "{\"model\":\"openai/m\"}",
         "{\"model\":\"m\"}"},
        {"/v1/acc/gw/openai/chat/completions", DEV, "{\"model\":\"m\"}",
         "POST /v1/chat/completions HTTP"},
        {"/v1/acc/gw/anthropic/v1/messages", "cf-aig-authorization: Bearer dev-secret",
         "{\"model\":\"m\"}", "Host: 127.0.0.1:9002\r\n"},
        {"/v1/acc/gw/google-ai-studio/v1beta/models/g:generateContent", DEV, "{}",
         "POST /v1beta/models/g:generateContent HTTP"},
        {"/v1/acc/gw/azure-openai/res/dep/chat/completions?api-version=2024-06-01", DEV, "{}",
         "POST /openai/deployments/dep/chat/completions?api-version=2024-06-01 HTTP"},
        {"/v1/acc/gw/aws-bedrock/bedrock-runtime/us-east-1/model/m/converse", DEV, "{}",
         "POST /model/m/converse HTTP"},
        {"/v1/acc/gw", DEV,
         "[{\"provider\":\"nobody\",\"endpoint\":\"x\",\"query\":{}},{\"provider\":\"openai\","
         "\"endpoint\":\"chat/completions\",\"headers\":{\"x-a\":\"b\"},\"query\":{\"model\":"
         "\"m\"}}]",
         "POST /v1/chat/completions HTTP"},
    };
    PASS(list);
}

static void refused(const char *method, const char *path, const char *headers, const char *body,
                    int status, const char *text)
{
    world_request(method, path, headers, body);
    if (world.x.status != status || world.calls || !answer_has(text)) {
        fail_msg("%s: %d %.*s", path, world.x.status, (int)world.x.sent.len, world.x.sent.ptr);
    }
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    refused("POST", "/v1/embeddings", DEV, "{\"model\":\"ant/c\"}", 400, "has no embeddings");
    refused("POST", "/v1/rerank", DEV, "{\"model\":\"oa/c\"}", 400, "has no rerank");
    refused("POST", CHAT, DEV "\nx-weir-provider: nobody", "{\"model\":\"c\"}", 404,
            "no provider 'nobody'");
    refused("POST", CHAT, DEV, "{\"model\":\"nobody/m\"}", 404, "nobody/m");
    refused("GET", "/v1beta/models/g:generateContent", DEV, NULL, 405, "not allowed");
    refused("POST", "/v1beta/models/g:teleport", DEV, "{}", 405, "not allowed");
    refused("POST", "/v1beta/tunedModels/x:generateContent", DEV, "{}", 404, "no endpoint");
    refused("POST", "/v1/acc/gw", DEV, "{}", 400, "array of steps");
    refused("POST", "/v1/acc/gw", DEV, "[]", 400, "at least one step");
    refused("POST", "/v1/acc/gw", DEV, "[{\"provider\":\"oa\",\"query\":{}}]", 400, "endpoint");
    refused("POST", "/v1/acc/gw", DEV, "[{\"provider\":\"oa\",\"endpoint\":\"../x\",\"query\":{}}]",
            400, "dot segments");
    refused("POST", "/v1/audio/speech", DEV, "{}", 404, "no endpoint");
    refused("POST", "/model/m/converse", DEV, "", 400, "");
}

static void a_bound_key_keeps_to_its_models_on_new_paths(void **state)
{
    (void)state;
#define BOUND "Authorization: Bearer bound-secret"
    static const struct passing list[] = {
        {"/v1beta/models/gem%2Fgemini-2.5-pro:generateContent", BOUND, "{}", "gemini-2.5-pro"},
        {"/gem/v1beta/models/gemini-2.5-pro:generateContent", BOUND, "{}", "gemini-2.5-pro"},
        {"/bed/model/anthropic.c/converse", BOUND, "{}", "anthropic.c"},
    };
    PASS(list);
    refused("POST", "/v1beta/models/gem%2Fgemini-1.5-pro:generateContent", BOUND, "{}", 403, "");
    refused("POST", "/gem/v1beta/models/gemini-1.5-pro:generateContent", BOUND, "{}", 403, "");
    refused("POST", "/gem/v1beta/models/gemini-1.5-pro:generateContent", BOUND,
            "{\"model\":\"gemini-2.5-pro\"}", 403, "");
    refused("POST", "/bed/model/meta.l/converse", BOUND, "{}", 403, "");
    refused("POST", CHAT, BOUND "\nx-weir-provider: oa", "{\"model\":\"gem/gemini-2.5-pro\"}", 403,
            "");
    refused("POST", "/v1/a/b", BOUND,
            "[{\"provider\":\"oa\",\"endpoint\":\"chat/completions\",\"query\":{\"model\":\"m\"}}]",
            403, "");
}

static void models_are_listed_as_the_sdk_lists_them(void **state)
{
    (void)state;
    world_request("GET", "/v1/models", DEV, NULL);
    assert_true(answer_has("{\"object\":\"list\",\"data\":[{\"id\":\"fast\""));
    assert_false(answer_has("*"));
    world_request("GET", "/v1/models", "x-api-key: dev-secret\nanthropic-version: 2023-06-01",
                  NULL);
    assert_true(answer_has("{\"type\":\"model\",\"id\":\"fast\""));
    assert_true(answer_has("\"has_more\":false,\"first_id\":\"fast\",\"last_id\":\"resp\""));
    world_request("GET", "/v1/models", "x-goog-api-key: dev-secret", NULL);
    assert_true(answer_has("{\"models\":[{\"name\":\"models/fast\""));
    world_request("GET", "/v1beta/models/fast?key=dev-secret", NULL, NULL);
    assert_true(answer_has("{\"name\":\"models/fast\""));
    assert_int_equal(world.x.status, 200);
}

static void a_signature_carries_a_key(void **state)
{
    (void)state;
#define SIGNED                                                                                \
    "Authorization: AWS4-HMAC-SHA256 Credential=%s/20260101/eu-west-1/bedrock/aws4_request, " \
    "SignedHeaders=host, Signature=00"
    char headers[300];
    (void)snprintf(headers, sizeof(headers), SIGNED, "dev-secret");
    world_request("POST", "/model/bed%2Fm/converse", headers, "{\"messages\":[]}");
    assert_int_equal(world.calls, 1);
    assert_false(upstream_got("dev-secret"));
    give_up();
    (void)snprintf(headers, sizeof(headers), SIGNED, "AKIAOTHER");
    refused("POST", "/model/bed%2Fm/converse", headers, "{}", 401, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_dialects_paths_are_known),
        TEST(models_are_addressed_in_many_ways),
        TEST(what_cannot_be_is_refused),
        TEST(a_bound_key_keeps_to_its_models_on_new_paths),
        TEST(models_are_listed_as_the_sdk_lists_them),
        TEST(a_signature_carries_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
