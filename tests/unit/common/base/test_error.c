/* Promises of common/base/error.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/error.h"

static void every_row_is_whole(void **state)
{
    (void)state;
    for (int i = 1; i < ERR_COUNT; i++) {
        enum error_code code = (enum error_code)i;
        struct error e = {.code = code};
        assert_true(error_status(code) >= 400 && error_status(code) <= 599);
        assert_true(error_code_name(code)[0] && error_type(code)[0] && error_text(&e)[0]);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(error_code_name(code), error_code_name((enum error_code)k));
        }
    }
    assert_string_equal(error_code_name(ERR_MODEL_NOT_FOUND), "model_not_found");
    assert_int_equal(error_status(ERR_MODEL_NOT_FOUND), 404);
}

static void sets_code_text_and_param(void **state)
{
    (void)state;
    struct error e = ERROR_INIT;
    e.line = 3;
    assert_false(error_set_param(&e, ERR_INVALID_FIELD, "models[0]", "value %d", 42));
    assert_int_equal(e.code, ERR_INVALID_FIELD);
    assert_string_equal(error_text(&e), "value 42");
    assert_string_equal(e.param, "models[0]");
    assert_int_equal(e.line, 0);
    assert_false(error_set(&e, ERR_CONFLICT, "%s", ""));
    assert_string_equal(error_text(&e), "conflict");
    assert_string_equal(e.param, "");
    assert_true(e.offset == -1);
    assert_false(error_set(NULL, ERR_CONFLICT, "x"));
}

static void may_wrap_itself(void **state)
{
    (void)state;
    struct error e = ERROR_INIT;
    error_set_param(&e, ERR_INVALID_FIELD, "p", "inner");
    error_set_param(&e, e.code, e.param, "outer: %s", e.text);
    assert_string_equal(e.text, "outer: inner");
    assert_string_equal(e.param, "p");
}

static void cuts_between_characters(void **state)
{
    (void)state;
    struct error e = ERROR_INIT;
    char text[400] = "a";
    for (size_t i = 1; i + 3 < sizeof(text); i += 3) {
        memcpy(text + i, "\xe2\x82\xac", 4);
    }
    error_set_param(&e, ERR_BAD_REQUEST, text, "%s", text);
    assert_int_equal(strlen(e.text), 238); /* 1 + 79 * 3 */
    assert_memory_equal(e.text + 235, "\xe2\x82\xac", 4);
    assert_int_equal(strlen(e.param), 61);
    error_set(&e, ERR_BAD_REQUEST,
              "a\xff"
              "b\xe2\x82"
              "c\xed\xa0\x80");
    assert_string_equal(e.text, "a?b??c???");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(sets_code_text_and_param),
        cmocka_unit_test(may_wrap_itself),
        cmocka_unit_test(cuts_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
