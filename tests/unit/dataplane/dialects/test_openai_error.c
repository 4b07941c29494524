/* dialects/openai_error.c: every code in OpenAI's shape, whatever its text holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/json.h"
#include "dataplane/dialects/openai_error.h"

static void member_is(struct json_value object, const char *name, const char *want)
{
    struct json_member m = {.name = str_of(name)};
    assert_true(json_members(object, &m, 1, NULL));
    assert_true(m.found);
    if (want) {
        assert_true(json_text_eq(m.value, str_of(want)));
    } else {
        assert_int_equal(m.value.type, JSON_NULL);
    }
}

static struct json_value error_object(struct str body)
{
    struct json_member m = {.name = STR_LIT("error")};
    struct error err = ERROR_INIT;
    assert_true(json_scan(body, &m, 1, 0, &err));
    assert_true(m.found);
    return m.value;
}

static void every_code_has_the_shape(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    for (int code = 1; code < ERR_COUNT; code++) {
        struct error e = {.code = (enum error_code)code, .offset = -1};
        struct json_value o = error_object(
            openai_error_body(a, &(struct failure){.error = &e, .request_id = STR_LIT("req_1")}));
        member_is(o, "code", error_code_name(e.code));
        member_is(o, "type", error_type(e.code));
        member_is(o, "message", error_text(&e));
        member_is(o, "param", NULL);
        member_is(o, "request_id", "req_1");
    }
    arena_free(a);
}

static void hostile_text_is_escaped(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error e = ERROR_INIT;
    (void)error_set_param(&e, ERR_INVALID_FIELD, "a\"b", "quote \" back \\ line \n end");
    struct json_value o = error_object(
        openai_error_body(a, &(struct failure){.error = &e, .request_id = STR_LIT("req_2")}));
    member_is(o, "message", "quote \" back \\ line \n end");
    member_is(o, "param", "a\"b");
    arena_free(a);
}

static void position_is_told(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error e = {.code = ERR_INVALID_JSON, .offset = 17, .line = 2, .column = 5};
    struct str body =
        openai_error_body(a, &(struct failure){.error = &e, .request_id = STR_LIT("req_3")});
    assert_non_null(memmem(body.ptr, body.len, "line 2, column 5, offset 17", 27));
    (void)error_set(&e, ERR_INVALID_JSON, "invalid JSON at line 2 column 5");
    e.line = 2;
    e.offset = 17;
    body = openai_error_body(a, &(struct failure){.error = &e, .request_id = STR_LIT("req_3")});
    assert_non_null(memmem(body.ptr, body.len, "at line 2 column 5 (offset 17)\"", 31));
    arena_free(a);
}

static void event_is_one_event(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error e = {.code = ERR_UPSTREAM_CLOSED, .offset = -1};
    struct str event = openai_error_event(
        a, &(struct failure){.error = &e, .request_id = STR_LIT("req_4")}, FRAMING_SSE);
    assert_true(str_starts(event, STR_LIT("data: ")));
    assert_true(str_ends(event, STR_LIT("\n\n")));
    struct json_value o = error_object(str_slice(event, 6, event.len - 8));
    member_is(o, "code", "upstream_closed");
    arena_free(a);
}

static void out_of_room_is_still_an_error(void **state)
{
    (void)state;
    struct arena *tiny = arena_new(16);
    struct error e = {.code = ERR_BAD_REQUEST, .offset = -1};
    member_is(error_object(openai_error_body(
                  tiny, &(struct failure){.error = &e, .request_id = STR_LIT("r")})),
              "code", "internal_error");
    assert_true(str_starts(
        openai_error_event(tiny, &(struct failure){.error = &e, .request_id = STR_LIT("r")},
                           FRAMING_SSE),
        STR_LIT("data: {")));
    assert_true(str_starts(
        openai_error_body(NULL, &(struct failure){.error = &e, .request_id = STR_LIT("r")}),
        STR_LIT("{")));
    arena_free(tiny);
}

/* ---- a provider's ---- */

static struct str failure_body(struct arena *a, struct provider_error *e, int status)
{
    struct error own = {.code = ERR_UPSTREAM_REFUSED, .offset = -1};
    return openai_error_body(
        a, &(struct failure){
               .error = &own, .provider = e, .request_id = STR_LIT("req_5"), .status = status});
}

static struct json_value member_of(struct json_value object, const char *name)
{
    struct json_member m = {.name = str_of(name)};
    assert_true(json_members(object, &m, 1, NULL));
    assert_true(m.found);
    return m.value;
}

static void own_shape_keeps_its_words(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct provider_error e = {
        .status = 429,
        .class = FAILURE_RATE_LIMIT,
        .message = STR_LIT("slow \"down\""),
        .type = STR_LIT("tokens"),
        .code = STR_LIT("rate_limit_exceeded"),
        .raw = STR_LIT("{\"error\":{\"message\":\"slow\",\n\"type\":\"tokens\"}}"),
        .raw_is_json = true,
        .provider = STR_LIT("openai")};
    struct json_value o = error_object(failure_body(a, &e, 429));
    member_is(o, "message", "slow \"down\"");
    member_is(o, "type", "tokens");
    member_is(o, "code", "rate_limit_exceeded");
    member_is(o, "param", NULL);
    member_is(o, "request_id", "req_5");
    arena_free(a);
}

static void other_shapes_get_this_dialects_words(void **state)
{
    (void)state;
    static const struct {
        enum failure_class class;
        const char *type, *code;
    } cases[] = {
        {FAILURE_INVALID, "invalid_request_error", NULL},
        {FAILURE_CONTEXT_LENGTH, "invalid_request_error", "context_length_exceeded"},
        {FAILURE_CONTENT_POLICY, "invalid_request_error", "content_filter"},
        {FAILURE_AUTHENTICATION, "invalid_request_error", "invalid_api_key"},
        {FAILURE_NOT_FOUND, "invalid_request_error", "model_not_found"},
        {FAILURE_RATE_LIMIT, "requests", "rate_limit_exceeded"},
        {FAILURE_QUOTA, "insufficient_quota", "insufficient_quota"},
        {FAILURE_SERVER, "server_error", "server_error"},
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct provider_error e = {
            .status = 400,
            .class = cases[i].class,
            .message = STR_LIT("m"),
            .type = STR_LIT("overloaded_error"),
            .raw = STR_LIT("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                           "\"message\":\"m\"}}"),
            .raw_is_json = true,
            .provider = STR_LIT("anthropic")};
        struct str body = failure_body(a, &e, 400);
        struct json_value o = error_object(body);
        member_is(o, "type", cases[i].type);
        member_is(o, "code", cases[i].code);
        struct json_value top;
        assert_true(json_validate(str_trim(body), 0, &top, NULL));
        struct json_value weir = member_of(top, "weir");
        member_is(weir, "provider", "anthropic");
        assert_true(str_eqz(member_of(weir, "status").raw, "400"));
        member_is(member_of(member_of(weir, "provider_error"), "error"), "message", "m");
    }
    arena_free(a);
}

static void text_and_line_breaks_stay_one_event(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error own = {.code = ERR_UPSTREAM_REFUSED, .offset = -1};
    struct provider_error e = {.class = FAILURE_SERVER,
                               .message = STR_LIT("bad gateway"),
                               .raw = STR_LIT("<html>\nbad</html>"),
                               .provider = STR_LIT("p")};
    struct failure f = {
        .error = &own, .provider = &e, .request_id = STR_LIT("req_6"), .status = 502};
    struct str event = openai_error_event(a, &f, FRAMING_SSE);
    assert_ptr_equal(memchr(event.ptr, '\n', event.len), event.ptr + event.len - 2);
    member_is(error_object(str_slice(event, 6, event.len - 8)), "message", "bad gateway");
    assert_true(str_starts(openai_error_body(NULL, &f), STR_LIT("{")));
    arena_free(a);
}

static void own_shape_is_known(void **state)
{
    (void)state;
    assert_true(openai_error_is_own(
        STR_LIT("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":null}}")));
    static const char *const others[] = {
        "{\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"m\"}}",
        "{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\"}}",
        "{\"error\":\"m\"}",
        "{\"message\":\"m\"}",
        "[]",
        "",
        "<html>"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(openai_error_is_own(str_of(others[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_the_shape),
        cmocka_unit_test(hostile_text_is_escaped),
        cmocka_unit_test(position_is_told),
        cmocka_unit_test(event_is_one_event),
        cmocka_unit_test(out_of_room_is_still_an_error),
        cmocka_unit_test(own_shape_keeps_its_words),
        cmocka_unit_test(other_shapes_get_this_dialects_words),
        cmocka_unit_test(text_and_line_breaks_stay_one_event),
        cmocka_unit_test(own_shape_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
