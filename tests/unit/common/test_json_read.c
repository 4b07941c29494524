/* Walking containers, decoding strings, reading numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "common/json.h"

static struct json_value value_of(struct str text)
{
    struct json_value v;
    struct error err = ERROR_INIT;

    if (!json_validate(text, 0, &v, &err))
        fail_msg("'%.*s': %s", STR_ARG(text), err.text);
    return v;
}

static void test_walk_an_array(void **state)
{
    struct json_value a =
        value_of(STR_LIT(" [ 1, \"a\\\"]\" ,[2,[3]],{\"x\":\"]}\"} , true,null ] "));
    static const char *const want[] = {"1",    "\"a\\\"]\"", "[2,[3]]", "{\"x\":\"]}\"}",
                                       "true", "null"};
    static const enum json_type types[] = {JSON_NUMBER, JSON_STRING, JSON_ARRAY,
                                           JSON_OBJECT, JSON_TRUE,   JSON_NULL};
    struct json_value v;
    size_t pos = 0, n = 0;

    (void)state;
    while (json_next(a, &pos, NULL, &v)) {
        assert_true(n < 6);
        assert_true(str_eqz(v.raw, want[n]));
        assert_int_equal(v.type, types[n]);
        assert_int_equal(v.escaped, n == 1);
        n++;
    }
    assert_int_equal(n, 6);
    assert_false(json_next(a, &pos, NULL, &v));
}

static void test_walk_an_object(void **state)
{
    struct json_value o = value_of(STR_LIT("{\"a\":1,\"\\u0062\" : {\"c\":[]} , \"\":\"\"}"));
    struct json_value name, v;
    size_t pos = 0;

    (void)state;
    assert_true(json_next(o, &pos, &name, &v));
    assert_true(str_eqz(json_text(name), "a") && str_eqz(v.raw, "1") && !name.escaped);
    assert_true(json_next(o, &pos, &name, &v));
    assert_true(name.escaped && json_text_eq(name, STR_LIT("b")) && str_eqz(v.raw, "{\"c\":[]}"));
    assert_true(json_next(o, &pos, &name, &v));
    assert_true(json_text_eq(name, STR_LIT("")) && json_text_eq(v, STR_LIT("")));
    assert_false(json_next(o, &pos, &name, &v));
}

static void test_nothing_to_walk(void **state)
{
    struct json_value v, name;
    size_t pos = 0;

    (void)state;
    assert_false(json_next(value_of(STR_LIT("[ ]")), &pos, &name, &v));
    assert_false(json_next(value_of(STR_LIT("{\n}")), &pos, &name, &v));
    assert_false(json_next(value_of(STR_LIT("\"[1]\"")), &pos, &name, &v));
    assert_false(json_next(value_of(STR_LIT("12")), &pos, &name, &v));
    assert_false(json_next((struct json_value){.type = JSON_ARRAY}, &pos, &name, &v));
}

/* A long array of every kind of value gives back the bytes it was made of. */
static void test_walk_long_values(void **state)
{
    static char text[80000];
    struct json_value a, v;
    size_t n = 0, pos = 0, count = 0;

    (void)state;
    text[n++] = '[';
    for (size_t len = 0; len < 200; len++) {
        if (len > 0)
            text[n++] = ',';
        n += (size_t)snprintf(text + n, 64, "{\"n\":[");
        text[n++] = '"';
        memset(text + n, len % 3 == 0 ? '[' : 'x', len);
        n += len;
        n += (size_t)snprintf(text + n, 64, "\\\\\"],\"m\":%zu}", len);
    }
    text[n++] = ']';
    a = value_of((struct str){text, n});
    while (json_next(a, &pos, NULL, &v)) {
        struct json_member m = {.name = STR_LIT("m")};
        uint64_t got = 0;

        assert_true(json_members(v, &m, 1, NULL));
        assert_true(m.found && json_u64(m.value, &got));
        assert_int_equal(got, count);
        count++;
    }
    assert_int_equal(count, 200);
}

/* Text that nobody validated may disappoint, but is never read past its end. */
static void test_broken_text_is_walked_safely(void **state)
{
    static const char whole[] = "{\"a\":[1,{\"b\":\"c\\u0041\\\"\"}],\"d\":-1.5,\"e\":null}";

    (void)state;
    for (size_t len = 0; len < sizeof(whole); len++) {
        char *copy = len == 0 ? mem_alloc(1) : mem_dup(whole, len);
        struct json_value o = {JSON_OBJECT, false, {copy, len}}, name, v;
        size_t pos = 0, count = 0;

        while (json_next(o, &pos, &name, &v)) {
            assert_true(v.raw.ptr >= copy && v.raw.ptr + v.raw.len <= copy + len);
            count++;
        }
        assert_true(count <= 3);
        mem_free(copy);
    }
}

static void test_members_of_another_type(void **state)
{
    struct json_member m = {.name = STR_LIT("a")};
    struct error err = ERROR_INIT;

    (void)state;
    assert_false(json_members(value_of(STR_LIT("[1]")), &m, 1, &err));
    assert_int_equal(err.code, ERR_INVALID_JSON);
    assert_false(m.found);
    assert_true(json_members(value_of(STR_LIT("{\"b\":1}")), &m, 1, NULL));
    assert_false(m.found);
}

static void unescape_check(const char *json, struct str want)
{
    struct json_value v = value_of(str_of(json));
    size_t cap = v.raw.len - 2, len = 12345;
    char *buf = mem_alloc(cap + 1);

    assert_true(json_unescape(v, buf, cap, &len));
    assert_int_equal(len, want.len);
    assert_memory_equal(buf, want.ptr, len);
    assert_true(json_text_eq(v, want));
    assert_false(json_text_eq(v, STR_LIT("something else altogether, and longer")));
    if (want.len > 0) {
        size_t unused = 777;

        assert_false(json_text_eq(v, (struct str){want.ptr, want.len - 1}));
        assert_true(json_unescape(v, buf, want.len, &len));
        assert_false(json_unescape(v, buf, want.len - 1, &unused));
        assert_int_equal(unused, 777);
    }
    mem_free(buf);
}

static void test_unescape(void **state)
{
    (void)state;
    unescape_check("\"\"", STR_LIT(""));
    unescape_check("\"plain\"", STR_LIT("plain"));
    unescape_check("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", STR_LIT("\"\\/\b\f\n\r\t"));
    unescape_check("\"a\\u0000b\"", STR_LIT("a\0b"));
    unescape_check("\"\\u00e9\\u07ff\\u0800\\uffff\"",
                   STR_LIT("\xc3\xa9\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"));
    unescape_check("\"\\ud83d\\ude00\"", STR_LIT("\xf0\x9f\x98\x80"));
    unescape_check("\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", STR_LIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    unescape_check("\"\\\\u0041\"", STR_LIT("\\u0041"));
    unescape_check("\"0123456789abcdef0123456789\\nabcdef0123456789abcdef0123456789\"",
                   STR_LIT("0123456789abcdef0123456789\nabcdef0123456789abcdef0123456789"));
    unescape_check("\"0123456789abcde\\t0123456789abcdef\"",
                   STR_LIT("0123456789abcde\t0123456789abcdef"));
}

static void test_unescape_refuses(void **state)
{
    char buf[64];
    size_t len;

    (void)state;
    assert_false(json_unescape(value_of(STR_LIT("12")), buf, sizeof(buf), &len));
    assert_false(json_unescape((struct json_value){0}, buf, sizeof(buf), &len));
    assert_false(json_unescape((struct json_value){JSON_STRING, true, STR_LIT("\"\\ud83d\"")}, buf,
                               sizeof(buf), &len));
    assert_false(json_unescape((struct json_value){JSON_STRING, true, STR_LIT("\"\\\"")}, buf,
                               sizeof(buf), &len));
    assert_null(json_text(value_of(STR_LIT("null"))).ptr);
    assert_false(json_text_eq(value_of(STR_LIT("1")), STR_LIT("1")));
}

static void test_integers(void **state)
{
    uint64_t u = 99;
    int64_t i = 99;

    (void)state;
    assert_true(json_u64(value_of(STR_LIT("0")), &u) && u == 0);
    assert_true(json_u64(value_of(STR_LIT("18446744073709551615")), &u) && u == UINT64_MAX);
    u = 99;
    assert_false(json_u64(value_of(STR_LIT("18446744073709551616")), &u));
    assert_false(json_u64(value_of(STR_LIT("184467440737095516150")), &u));
    assert_false(json_u64(value_of(STR_LIT("-1")), &u));
    assert_false(json_u64(value_of(STR_LIT("1.0")), &u));
    assert_false(json_u64(value_of(STR_LIT("1e3")), &u));
    assert_false(json_u64(value_of(STR_LIT("\"1\"")), &u));
    assert_false(json_u64(value_of(STR_LIT("null")), &u));
    assert_int_equal(u, 99);
    assert_true(json_i64(value_of(STR_LIT("-9223372036854775808")), &i) && i == INT64_MIN);
    assert_true(json_i64(value_of(STR_LIT("9223372036854775807")), &i) && i == INT64_MAX);
    assert_true(json_i64(value_of(STR_LIT("-0")), &i) && i == 0);
    i = 99;
    assert_false(json_i64(value_of(STR_LIT("9223372036854775808")), &i));
    assert_false(json_i64(value_of(STR_LIT("-9223372036854775809")), &i));
    assert_false(json_i64(value_of(STR_LIT("-1.5")), &i));
    assert_int_equal(i, 99);
}

struct decimal_case {
    const char *text;
    unsigned scale;
    bool ok;
    int64_t want;
};

static const struct decimal_case decimals[] = {
    {"0", 0, true, 0},
    {"-0", 3, true, 0},
    {"1", 0, true, 1},
    {"1", 9, true, 1000000000},
    {"0.15", 9, true, 150000000},
    {"2.50", 2, true, 250},
    {"12.345", 2, true, 1235},
    {"12.344999", 2, true, 1234},
    {"0.5", 0, true, 1},
    {"0.4999999999999999999999999999", 0, true, 0},
    {"-0.5", 0, true, 0},
    {"-0.50001", 0, true, -1},
    {"-0.6", 0, true, -1},
    {"-1.5", 0, true, -1},
    {"-2.5", 0, true, -2},
    {"1.5", 0, true, 2},
    {"2.5", 0, true, 3},
    {"1e3", 0, true, 1000},
    {"1E+3", 2, true, 100000},
    {"1.25e1", 0, true, 13},
    {"125e-2", 1, true, 13},
    {"125e-2", 2, true, 125},
    {"5e-1", 0, true, 1},
    {"5e-2", 0, true, 0},
    {"15e-7", 6, true, 2},
    {"0.00000000000000000000000000001e30", 0, true, 10},
    {"10000000000000000000000000000e-27", 0, true, 10},
    {"0e999999999999999999999999999999", 9, true, 0},
    {"0.000e999999999999999999999999999999", 9, true, 0},
    {"1e-999999999999999999999999999999", 9, true, 0},
    {"1e999999999999999999999999999999", 0, false, 0},
    {"9223372036854775807", 0, true, INT64_MAX},
    {"9223372036854775807.4", 0, true, INT64_MAX},
    {"9223372036854775807.5", 0, false, 0},
    {"9223372036854775808", 0, false, 0},
    {"-9223372036854775808", 0, true, INT64_MIN},
    {"-9223372036854775808.5", 0, true, INT64_MIN},
    {"-9223372036854775808.6", 0, false, 0},
    {"18446744073709551615.5", 0, false, 0},
    {"9223372036.854775807", 9, true, INT64_MAX},
    {"9223372037", 9, false, 0},
    {"99999999999999999999999", 0, false, 0},
};

static void test_decimals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(decimals) / sizeof(decimals[0]); i++) {
        const struct decimal_case *c = &decimals[i];
        int64_t got = 4711;
        bool ok = json_decimal(value_of(str_of(c->text)), c->scale, &got);

        if (ok != c->ok || got != (c->ok ? c->want : 4711))
            fail_msg("%s at scale %u: %d, %lld", c->text, c->scale, ok, (long long)got);
    }
}

static void test_decimal_of_other_types(void **state)
{
    int64_t got = 4711;

    (void)state;
    assert_false(json_decimal(value_of(STR_LIT("\"1\"")), 0, &got));
    assert_false(json_decimal(value_of(STR_LIT("true")), 0, &got));
    assert_false(json_decimal((struct json_value){.type = JSON_NUMBER}, 0, &got));
    assert_int_equal(got, 4711);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk_an_array),
        cmocka_unit_test(test_walk_an_object),
        cmocka_unit_test(test_nothing_to_walk),
        cmocka_unit_test(test_walk_long_values),
        cmocka_unit_test(test_broken_text_is_walked_safely),
        cmocka_unit_test(test_members_of_another_type),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_unescape_refuses),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_decimal_of_other_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
