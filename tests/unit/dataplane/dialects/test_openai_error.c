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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_the_shape),
        cmocka_unit_test(hostile_text_is_escaped),
        cmocka_unit_test(position_is_told),
        cmocka_unit_test(event_is_one_event),
        cmocka_unit_test(out_of_room_is_still_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
