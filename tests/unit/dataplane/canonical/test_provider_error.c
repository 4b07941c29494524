/* Refusals of providers as they come over the wire: message, words and class of each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/canonical/provider_error.h"

static const struct {
    const char *body;
    int status;
    const char *errortype;
    enum failure_class class;
    const char *message, *type, *code;
} cases[] = {
    {"{\"error\":{\"message\":\"Incorrect API key "
     "provided\",\"type\":\"invalid_request_error\",\"param\":null,"
     "\"code\":\"invalid_api_key\"}}",
     401, NULL, FAILURE_AUTHENTICATION, "Incorrect API key provided", "invalid_request_error",
     "invalid_api_key"},
    {"{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens\",\"type\":"
     "\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}",
     400, NULL, FAILURE_CONTEXT_LENGTH, "This model's maximum context length is 8192 tokens",
     "invalid_request_error", "context_length_exceeded"},
    {"{\"error\":{\"message\":\"You exceeded your current "
     "quota\",\"type\":\"insufficient_quota\",\"param\":null,"
     "\"code\":\"insufficient_quota\"}}",
     429, NULL, FAILURE_QUOTA, "You exceeded your current quota", "insufficient_quota",
     "insufficient_quota"},
    {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
     529, NULL, FAILURE_OVERLOADED, "Overloaded", "overloaded_error", ""},
    {"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is "
     "too long: 210000 "
     "tokens > 200000 maximum\"}}",
     400, NULL, FAILURE_CONTEXT_LENGTH, "prompt is too long: 210000 tokens > 200000 maximum",
     "invalid_request_error", ""},
    {"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow down\"}}",
     429, NULL, FAILURE_RATE_LIMIT, "slow down", "rate_limit_error", ""},
    {"[{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API "
     "key.\",\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"@type\":\"type.googleapis.com/"
     "google.rpc.ErrorInfo\","
     "\"reason\":\"API_KEY_INVALID\"}]}}]",
     400, NULL, FAILURE_AUTHENTICATION, "API key not valid. Please pass a valid API key.",
     "INVALID_ARGUMENT", "API_KEY_INVALID"},
    {"{\"error\":{\"code\":429,\"message\":\"Resource has been "
     "exhausted\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
     429, NULL, FAILURE_RATE_LIMIT, "Resource has been exhausted", "RESOURCE_EXHAUSTED", "429"},
    {"{\"message\":\"Too many requests\"}", 429,
     "ThrottlingException:http://internal.amazon.com/coral/", FAILURE_RATE_LIMIT,
     "Too many requests", "ThrottlingException", ""},
    {"{\"Message\":\"User is not authorized\"}", 403, "AccessDeniedException", FAILURE_PERMISSION,
     "User is not authorized", "AccessDeniedException", ""},
    {"{\"message\":\"The model timed out\"}", 408, "ModelTimeoutException", FAILURE_TIMEOUT,
     "The model timed out", "ModelTimeoutException", ""},
    {"{\"error\":\"model 'x' not found\"}", 404, NULL, FAILURE_NOT_FOUND, "model 'x' not found", "",
     ""},
    {"{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field "
     "required\",\"type\":\"value_error.missing\"}]}",
     422, NULL, FAILURE_UNPROCESSABLE, "field required", "value_error.missing", ""},
    {"{\"detail\":\"Unauthorized\"}", 401, NULL, FAILURE_AUTHENTICATION, "Unauthorized", "", ""},
    {"{\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequestError\",\"param\":null,"
     "\"code\":400}",
     400, NULL, FAILURE_INVALID, "bad", "BadRequestError", "400"},
    {"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", 502, NULL,
     FAILURE_SERVER, "502 Bad Gateway", "", ""},
    {"upstream connect error", 503, NULL, FAILURE_UNAVAILABLE, "upstream connect error", "", ""},
    {"", 500, NULL, FAILURE_SERVER, "the provider answered with status 500", "", ""},
    {"{}", 418, NULL, FAILURE_INVALID, "the provider answered with status 418", "", ""},
    {"{\"error\":{\"message\":\"The response was filtered due to the prompt triggering Azure "
     "OpenAI's content "
     "management policy.\",\"code\":\"content_filter\",\"status\":400}}",
     400, NULL, FAILURE_CONTENT_POLICY,
     "The response was filtered due to the prompt triggering Azure OpenAI's content management "
     "policy.",
     "400", "content_filter"},
    /* inside a stream: no status */
    {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", 0,
     NULL, FAILURE_OVERLOADED, "Overloaded", "overloaded_error", ""},
    {"{\"error\":{\"message\":\"boom\"}}", 0, NULL, FAILURE_SERVER, "boom", "", ""},
    {"{\"error\":{\"message\":\"busy\",\"code\":429}}", 0, NULL, FAILURE_RATE_LIMIT, "busy", "",
     "429"},
};

static void every_shape_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *a = arena_new(0);
        struct provider_error e;
        provider_error_read(str_of(cases[i].body), cases[i].status,
                            cases[i].errortype ? str_of(cases[i].errortype) : STR_NONE, a, &e);
        if (e.class != cases[i].class || !str_eqz(e.message, cases[i].message) ||
            !str_eqz(e.type, cases[i].type) || !str_eqz(e.code, cases[i].code)) {
            fail_msg("case %zu: class %d, message '%.*s', type '%.*s', code '%.*s'", i, e.class,
                     STR_ARG(e.message), STR_ARG(e.type), STR_ARG(e.code));
        }
        arena_free(a);
    }
}

static void a_word_in_the_message_counts_only_where_it_fits(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct provider_error e;
    provider_error_read(
        STR_LIT("{\"error\":{\"message\":\"tool said: content policy, overloaded, prompt is too "
                "long\",\"type\":\"server_error\"}}"),
        500, STR_NONE, a, &e);
    assert_int_equal(e.class, FAILURE_SERVER);
    arena_free(a);
}

static void status_and_class_agree(void **state)
{
    (void)state;
    for (unsigned c = FAILURE_INVALID; c < FAILURE_CLASS_COUNT; c++) {
        int status = failure_status((enum failure_class)c);
        assert_int_equal(failure_status(failure_of_status(status)), status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_read),
        cmocka_unit_test(a_word_in_the_message_counts_only_where_it_fits),
        cmocka_unit_test(status_and_class_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
