/* Base URLs and endpoint paths come together however both are written, and a native call's path is
 * recognised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/rules/provider.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static void bases_and_paths_join(void **state)
{
    (void)state;
    static const struct {
        const char *base, *path, *want;
    } cases[] = {
        {"/v1", "/chat/completions", "/v1/chat/completions"},
        {"/v1/", "/chat/completions", "/v1/chat/completions"},
        {"", "/chat/completions", "/chat/completions"},
        {"/", "/v1/messages", "/v1/messages"},
        {"", "/v1/messages", "/v1/messages"},
        {"/v1", "/v1/messages", "/v1/messages"},
        {"/v1/messages", "/v1/messages", "/v1/messages"},
        {"/v1/messages", "/v1/messages/count_tokens", "/v1/messages/count_tokens"},
        {"/anthropic", "/v1/messages", "/anthropic/v1/messages"},
        {"/anthropic/v1", "/v1/messages", "/anthropic/v1/messages"},
        {"/v1/chat/completions", "/chat/completions", "/v1/chat/completions"},
        {"/v1beta", "/v1beta/models/m:x", "/v1beta/models/m:x"},
        {"/v1", "/v1beta/models/m:x", "/v1/models/m:x"},
        {"/v1beta", "/v1/models/m", "/v1beta/models/m"},
        {"/v1beta1", "/v1/projects/p", "/v1beta1/projects/p"},
        {"/v1", "/v2/chat", "/v2/chat"},
        {"/v2", "/v2/chat", "/v2/chat"},
        {"/v1", "/v2", "/v2"},
        {"/v1", "/v1", "/v1"},
        {"/api", "/api/chat", "/api/chat"},
        {"/v1", "/api/chat", "/api/chat"},
        {"/x/v1", "/api/chat", "/x/api/chat"},
        {"/openai", "/openai/v1/responses", "/openai/v1/responses"},
        {"/openai/v1", "/openai/v1/responses", "/openai/v1/responses"},
        {"/openai/v1", "/openai/deployments/d/chat", "/openai/deployments/d/chat"},
        {"/openai/v1", "/chat/completions", "/openai/v1/chat/completions"},
        {"/openai/v1", "/v1/chat/completions", "/openai/v1/chat/completions"},
        {"/api/paas/v4", "/chat/completions", "/api/paas/v4/chat/completions"},
        {"/inference/v1", "/inference/v1/x", "/inference/v1/x"},
        {"/v1", "/v10/x", "/v10/x"},
        {"/v1", "/v1x/y", "/v1/v1x/y"},
        {"/voices", "/v1/x", "/voices/v1/x"},
        {"/models", "/models/chat", "/models/chat"},
        {"/v1", "", "/v1"},
        {"/v1", "/v1?a=b", "/v1?a=b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str got = provider_path_join(a, str_of(cases[i].base), str_of(cases[i].path));
        if (!str_eqz(got, cases[i].want)) {
            fail_msg("%s + %s: %.*s, not %s", cases[i].base, cases[i].path, STR_ARG(got),
                     cases[i].want);
        }
    }
}

static struct str get(void *arg, struct str name)
{
    (void)arg;
    return str_eqz(name, "project")      ? STR_LIT("my project")
           : str_eqz(name, "region")     ? STR_LIT("eu-west-1")
           : str_eqz(name, "account_id") ? STR_LIT("a/b")
                                         : STR_NONE;
}

static struct str europe(void *arg, struct str name)
{
    return str_eqz(name, "location") ? STR_LIT("europe-west4") : get(arg, name);
}

static void templates_are_filled_in(void **state)
{
    (void)state;
    struct str missing, got;
    static const struct {
        const char *template, *want;
    } cases[] = {
        {"/plain", "/plain"},
        {"/model/{model}/converse", "/model/arn%3Aaws%2Fx/converse"},
        {"/models/{model}:{verb}", "/models/arn%3Aaws%2Fx:go"},
        {"/p/{project}/l/{location}/x", "/p/my%20project/l/global/x"},
        {"https://{location}-aiplatform.googleapis.com", "https://aiplatform.googleapis.com"},
        {"https://b.{region}.amazonaws.com", "https://b.eu-west-1.amazonaws.com"},
        {"https://{account_id}.x", "https://a%2Fb.x"},
        {"/x{", "/x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        got = provider_fill(a, str_of(cases[i].template), STR_LIT("arn:aws/x"), STR_LIT("go"), get,
                            NULL, &missing);
        if (!str_eqz(got, cases[i].want)) {
            fail_msg("%s: %.*s", cases[i].template, STR_ARG(got));
        }
    }
    got = provider_fill(a, STR_LIT("https://{location}-aiplatform.googleapis.com"), STR_NONE,
                        STR_NONE, europe, NULL, &missing);
    assert_true(str_eqz(got, "https://europe-west4-aiplatform.googleapis.com"));
    got = provider_fill(a, STR_LIT("/x?api-version={api_version}"), STR_NONE, STR_NONE, get, NULL,
                        &missing);
    assert_null(got.ptr);
    assert_true(str_eqz(missing, "api_version"));
}

static void native_paths_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *path;
        enum provider_api api;
        bool stream;
        const char *model;
    } cases[] = {
        {"openai", "/chat/completions", API_CHAT, false, NULL},
        {"openai", "/v1/chat/completions", API_CHAT, false, NULL},
        {"openai", "/v1/responses", API_RESPONSES, false, NULL},
        {"openai", "/v1/responses/r1", API_NONE, false, NULL},
        {"openai", "/v1/files", API_NONE, false, NULL},
        {"anthropic", "/v1/messages", API_MESSAGES, false, NULL},
        {"anthropic", "/messages", API_MESSAGES, false, NULL},
        {"anthropic", "/v1/messages/count_tokens", API_MESSAGES_COUNT, false, NULL},
        {"anthropic", "/v1/messages/batches", API_NONE, false, NULL},
        {"gemini", "/v1beta/models/gemini-2.5-pro:generateContent", API_GENERATE, false,
         "gemini-2.5-pro"},
        {"gemini", "/v1/models/gemini-2.5-pro:streamGenerateContent", API_GENERATE, true,
         "gemini-2.5-pro"},
        {"gemini", "/v1beta/models/e:batchEmbedContents", API_GEMINI_EMBED, false, "e"},
        {"gemini", "/v1beta/models/e:predictLongRunning", API_NONE, false, NULL},
        {"gemini", "/v1beta/models/e", API_NONE, false, NULL},
        {"vertex", "/v1/projects/p/locations/l/publishers/anthropic/models/c@1:streamRawPredict",
         API_VERTEX_MESSAGES, true, "c@1"},
        {"vertex", "/v1beta1/projects/p/locations/l/publishers/google/models/g:generateContent",
         API_GENERATE, false, "g"},
        {"bedrock", "/model/anthropic.claude-v2%3A1/converse-stream", API_CONVERSE, true,
         "anthropic.claude-v2%3A1"},
        {"azure-openai", "/openai/deployments/d/chat/completions", API_CHAT, false, "d"},
        {"azure-openai", "/openai/v1/responses", API_RESPONSES, false, NULL},
        {"cohere", "/v2/chat", API_COHERE_CHAT, false, NULL},
        {"cohere", "/v1/chat", API_NONE, false, NULL},
        {"ollama", "/api/chat", API_OLLAMA_CHAT, false, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool stream = false;
        struct str model = STR_NONE;
        const struct provider_endpoint *e = provider_endpoint_at(
            provider_row_named(str_of(cases[i].kind)), str_of(cases[i].path), &stream, &model);
        enum provider_api api = e ? e->api : API_NONE;
        if (api != cases[i].api ||
            (e && (stream != cases[i].stream || !str_eq(model, str_of(cases[i].model))))) {
            fail_msg("%s %s: %s %d %.*s", cases[i].kind, cases[i].path, provider_api_name(api),
                     stream, STR_ARG(model));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bases_and_paths_join),
        cmocka_unit_test(templates_are_filled_in),
        cmocka_unit_test(native_paths_are_recognised),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
