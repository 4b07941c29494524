/* Bodies: the tree, and readers that name the field. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/http/body.h"

static struct arena *a;

static bool parse(const char *text, struct body_value *ret, struct error *err)
{
    *err = (struct error)ERROR_INIT;
    return body_parse(str_of(text), a, ret, err);
}

static void tells_absent_null_zero_and_empty_apart(void **state)
{
    struct body_value v;
    struct error err;
    (void)state;
    assert_true(parse(
        "{\"n\":null,\"z\":0,\"e\":\"\",\"f\":false,\"l\":[],\"o\":{\"b\":2, \"a\":\"\\u00fc\"}}",
        &v, &err));
    assert_null(body_get(&v, "absent"));
    assert_int_equal(body_get(&v, "n")->type, BODY_NULL);
    assert_int_equal(body_get(&v, "z")->type, BODY_INTEGER);
    assert_int_equal(body_get(&v, "z")->integer, 0);
    assert_int_equal(body_get(&v, "e")->type, BODY_TEXT);
    assert_int_equal(body_get(&v, "e")->text.len, 0);
    assert_int_equal(body_get(&v, "f")->type, BODY_BOOL);
    assert_int_equal(body_get(&v, "l")->n, 0);
    assert_true(str_eqz(body_get(&v, "o")->text, "{\"a\":\"\xc3\xbc\",\"b\":2}"));
}

static void refuses_what_is_not_one_plain_object(void **state)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{",
                                        "{\"a\":1}x",
                                        "{\"a\":1,\"a\":2}",
                                        "{\"a\":}",
                                        "{\"a\":01}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"a\":\"\xff\"}",
                                        "nul",
                                        "{\"a\":{\"b\":1,\"b\":1}}",
                                        "{\"a\":99999999999999999999}"};
    struct body_value v;
    struct error err;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(parse(texts[i], &v, &err));
        assert_int_equal(err.code, ERR_INVALID_JSON);
    }
    assert_false(parse("{\"a\":1,\n\"b\" 2}", &v, &err));
    assert_int_equal(err.line, 2);
    assert_true(err.offset > 0);
    assert_false(parse("{\"key\": \"top-secret-thing\" x}", &v, &err));
    assert_null(strstr(err.text, "top-secret"));
}

static void bounds_depth(void **state)
{
    char text[256] = "{\"a\":";
    struct body_value v;
    struct error err;
    size_t n = strlen(text);
    (void)state;
    memset(text + n, '[', 96);
    memset(text + n + 96, ']', 96);
    memcpy(text + n + 192, "}", 2);
    assert_false(parse(text, &v, &err));
    assert_int_equal(err.code, ERR_INVALID_JSON);
    assert_true(parse("{\"a\":[[[[[[1]]]]]]}", &v, &err));
}

static void tells_the_bytes_of_each_value(void **state)
{
    struct body_value v;
    struct error err;
    (void)state;
    assert_true(parse("{\"b\": { \"z\" :1, \"a\":[ 1.50 ,\"\\u00e9\"] } , \"c\":null}", &v, &err));
    const struct body_value *b = body_get(&v, "b"), *list = body_get(b, "a");
    assert_true(str_eqz(b->raw, "{ \"z\" :1, \"a\":[ 1.50 ,\"\\u00e9\"] }"));
    assert_true(str_eqz(list->items[0].raw, "1.50"));
    assert_true(str_eqz(list->items[1].raw, "\"\\u00e9\""));
    assert_true(str_eqz(body_get(&v, "c")->raw, "null"));
    assert_true(body_same_json(STR_LIT("{\"a\":1,\"b\":[2]}"), STR_LIT("{ \"b\":[2], \"a\":1}")));
    assert_false(body_same_json(STR_LIT("[1,2]"), STR_LIT("[2,1]")));
    assert_true(body_same_json(STR_LIT("\"x\""), STR_LIT("\"\\u0078\"")));
}

static void names_the_field_at_fault(void **state)
{
    static const char *const known[] = {"a", "b", NULL};
    struct body_value v;
    struct error err;
    struct body_path list = {NULL, "targets", 0}, item = {&list, NULL, 3};
    struct str s;
    int64_t i;
    uint64_t ms = 7;
    (void)state;
    assert_true(parse("{\"a\":5,\"b\":\"x\",\"c\":1}", &v, &err));
    assert_false(body_known(&v, known, &item, &err));
    assert_string_equal(err.param, "targets[3].c");
    assert_false(body_text(body_get(&v, "a"), 0, 9, &item, "a", &s, &err));
    assert_string_equal(err.param, "targets[3].a");
    assert_false(body_text(body_get(&v, "b"), 2, 9, NULL, "b", &s, &err));
    assert_string_equal(err.param, "b");
    assert_true(body_text(body_get(&v, "b"), 1, 1, NULL, "b", &s, &err));
    assert_false(body_integer(body_get(&v, "a"), 6, 9, NULL, "a", &i, &err));
    assert_true(body_integer(body_get(&v, "a"), 5, 5, NULL, "a", &i, &err));
    assert_int_equal(i, 5);
    assert_false(body_time(body_get(&v, "b"), NULL, "b", &ms, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_true(parse("{\"l\":[\"x\",2]}", &v, &err));
    struct str *texts;
    size_t n;
    assert_false(body_texts(body_get(&v, "l"), 9, 9, NULL, "l", a, &texts, &n, &err));
    assert_string_equal(err.param, "l[1]");
    assert_false(body_texts(body_get(&v, "l"), 1, 9, NULL, "l", a, &texts, &n, &err));
    assert_string_equal(err.param, "l");
}

static int setup(void **state)
{
    (void)state;
    a = arena_new(0);
    return a ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_absent_null_zero_and_empty_apart),
        cmocka_unit_test(refuses_what_is_not_one_plain_object),
        cmocka_unit_test(bounds_depth),
        cmocka_unit_test(tells_the_bytes_of_each_value),
        cmocka_unit_test(names_the_field_at_fault),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
