/* dialects/anthropic_error.c: shape, types, statuses, and the original beside them. */
#include "messages_test.h"

#include "dataplane/dialects/anthropic_error.h"

static void own_refusals(void **state)
{
    struct error err = ERROR_INIT;
    struct failure f = {.error = &err, .request_id = STR_LIT("req_9")};
    (void)state;
    (void)error_set_param(&err, ERR_INVALID_FIELD, "max_tokens", "field \"x\" required");
    assert_str(anthropic_error_body(arena, &f),
               "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
               "\"max_tokens: field \\\"x\\\" required\"},\"request_id\":\"req_9\",\"weir\":{"
               "\"code\":\"invalid_field\",\"param\":\"max_tokens\"}}\n");
    assert_int_equal(anthropic_error_status(&f), 400);
    (void)error_set(&err, ERR_INVALID_JSON, "unexpected byte");
    err.line = 2;
    err.column = 7;
    err.offset = 30;
    assert_non_null(strstr(text_of(anthropic_error_body(arena, &f)),
                           "unexpected byte (line 2, column 7, offset 30)"));
    (void)error_set(&err, ERR_MODEL_NOT_FOUND, "no \"x\"");
    assert_string_equal(anthropic_error_type(&f), "not_found_error");
    (void)error_set(&err, ERR_INVALID_KEY, "bad");
    assert_string_equal(anthropic_error_type(&f), "authentication_error");
    (void)error_set(&err, ERR_RATE_LIMITED, "slow");
    assert_string_equal(anthropic_error_type(&f), "rate_limit_error");
    (void)error_set(&err, ERR_UPSTREAM_TIMEOUT, "late");
    assert_string_equal(anthropic_error_type(&f), "timeout_error");
    (void)error_set(&err, ERR_UPSTREAM_CLOSED, "gone");
    assert_string_equal(anthropic_error_type(&f), "api_error");
    assert_int_equal(anthropic_error_status(&f), 502);
}

static void providers_failures(void **state)
{
    static const struct {
        enum failure_class class;
        int status;
        const char *type;
    } cases[] = {
        {FAILURE_INVALID, 400, "invalid_request_error"},
        {FAILURE_CONTEXT_LENGTH, 400, "invalid_request_error"},
        {FAILURE_AUTHENTICATION, 401, "authentication_error"},
        {FAILURE_BILLING, 402, "billing_error"},
        {FAILURE_PERMISSION, 403, "permission_error"},
        {FAILURE_NOT_FOUND, 404, "not_found_error"},
        {FAILURE_CONFLICT, 409, "invalid_request_error"},
        {FAILURE_TOO_LARGE, 413, "request_too_large"},
        {FAILURE_UNPROCESSABLE, 422, "invalid_request_error"},
        {FAILURE_RATE_LIMIT, 429, "rate_limit_error"},
        {FAILURE_QUOTA, 429, "rate_limit_error"},
        {FAILURE_SERVER, 500, "api_error"},
        {FAILURE_TIMEOUT, 504, "timeout_error"},
        {FAILURE_OVERLOADED, 529, "overloaded_error"},
    };
    struct error err = ERROR_INIT;
    struct provider_error p = {.status = 418,
                               .message = STR_LIT("m"),
                               .raw = STR_LIT("no \"json\""),
                               .provider = STR_LIT("groq")};
    struct failure f = {.error = &err, .provider = &p};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        p.class = cases[i].class;
        assert_int_equal(anthropic_error_status(&f), cases[i].status);
        assert_string_equal(anthropic_error_type(&f), cases[i].type);
    }
    const char *body = text_of(anthropic_error_body(arena, &f));
    assert_non_null(strstr(body,
                           "\"weir\":{\"provider\":\"groq\",\"status\":418,\"provider_error\":"
                           "\"no \\\"json\\\"\"}"));
    assert_non_null(strstr(body, "\"request_id\":null"));
    p.raw = STR_LIT("{\"error\":\n{\"x\":1}}");
    p.raw_is_json = true;
    struct str event = anthropic_error_event(arena, &f, FRAMING_SSE);
    assert_true(str_starts(event, STR_LIT("event: error\ndata: {\"type\":\"error\",")));
    assert_true(str_ends(event, STR_LIT("}}\n\n")));
    assert_non_null(strstr(text_of(event), "\"provider_error\":{\"error\": {\"x\":1}}"));
}

static void without_room_there_is_still_an_answer(void **state)
{
    struct error err = ERROR_INIT;
    struct failure f = {.error = &err};
    (void)state;
    (void)error_set(&err, ERR_INTERNAL, "x");
    assert_true(anthropic_error_is_own(anthropic_error_body(NULL, &f)));
    assert_true(
        str_starts(anthropic_error_event(NULL, &f, FRAMING_SSE), STR_LIT("event: error\n")));
}

static void own_shape_is_told(void **state)
{
    (void)state;
    assert_true(anthropic_error_is_own(STR_LIT("{\"type\":\"error\",\"error\":{\"type\":\"a\","
                                               "\"message\":\"m\"},\"request_id\":\"r\"}")));
    assert_false(anthropic_error_is_own(
        STR_LIT("{\"error\":{\"type\":\"a\",\"message\":\"m\",\"code\":null}}")));
    assert_false(anthropic_error_is_own(STR_LIT("{\"type\":\"error\",\"error\":\"x\"}")));
    assert_false(anthropic_error_is_own(STR_LIT("<html>")));
    assert_false(anthropic_error_is_own(STR_LIT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(own_refusals),
        TEST(providers_failures),
        TEST(without_room_there_is_still_an_answer),
        TEST(own_shape_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
