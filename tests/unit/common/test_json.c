/* The verdicts of the JSON scanner on a list of hard cases, each by every path that this machine
 * has: accepted or refused, and if refused, at which byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json_kernel.h"

#define CASE(t, at)    \
    {                  \
        STR_LIT(t), at \
    }
#define GOOD (-1)
#define REPLACEMENT "\xef\xbf\xbd"

struct text_case {
    struct str text;
    int64_t offset; /* of the first bad byte, GOOD for none */
};

static const struct text_case cases[] = {
    /* top level */
    CASE("null", GOOD),
    CASE("true", GOOD),
    CASE("false", GOOD),
    CASE("0", GOOD),
    CASE("\"\"", GOOD),
    CASE("[]", GOOD),
    CASE("{}", GOOD),
    CASE(" \t\r\n[] \t\r\n", GOOD),
    CASE("                                        [                                        ]",
         GOOD),
    CASE("", 0),
    CASE("   ", 3),
    CASE("\xef\xbb\xbf{}", 0),
    CASE("{}\xef\xbb\xbf", 2),
    CASE("\f{}", 0),
    CASE("\v{}", 0),
    CASE("\xc2\xa0{}", 0),
    CASE("{}\0", 2),
    CASE("\0", 0),
    CASE("{} x", 3),
    CASE("{}{}", 2),
    CASE("[][]", 2),
    CASE("1 2", 2),
    CASE("null,", 4),
    CASE("{}}", 2),
    CASE("[]]", 2),
    CASE("{} // no", 3),
    CASE("/* no */ {}", 0),
    CASE("undefined", 0),
    CASE("NaN", 0),
    CASE("Infinity", 0),
    CASE("-Infinity", 1),
    CASE("'a'", 0),
    CASE("a", 0),
    /* words */
    CASE("nul", 3),
    CASE("nulL", 3),
    CASE("nulll", 4),
    CASE("True", 0),
    CASE("tru", 3),
    CASE("truE", 3),
    CASE("fals", 4),
    CASE("falsee", 5),
    CASE("[nu]", 3),
    /* numbers */
    CASE("-0", GOOD),
    CASE("-1", GOOD),
    CASE("10", GOOD),
    CASE("0.0", GOOD),
    CASE("0e0", GOOD),
    CASE("0E+0", GOOD),
    CASE("1e-2", GOOD),
    CASE("1.5e+300", GOOD),
    CASE("-0.000000000000000000000000000000000000000000000000000000000000000000000001", GOOD),
    CASE("123456789012345678901234567890123456789012345678901234567890", GOOD),
    CASE("1e99999999999999999999", GOOD),
    CASE("[1,2 ,3\n]", GOOD),
    CASE("00", 1),
    CASE("01", 1),
    CASE("-01", 2),
    CASE("-", 1),
    CASE("--1", 1),
    CASE("+1", 0),
    CASE(".5", 0),
    CASE("-.5", 1),
    CASE("1.", 2),
    CASE("1.e1", 2),
    CASE("1.5.", 3),
    CASE("1e", 2),
    CASE("1e+", 3),
    CASE("1e+-1", 3),
    CASE("1ee1", 2),
    CASE("1e1.5", 3),
    CASE("0x10", 1),
    CASE("1_000", 1),
    CASE("1a", 1),
    CASE("[1 2]", 3),
    CASE("- 1", 1),
    CASE("1\xc2\xb2", 1),
    /* arrays */
    CASE("[1]", GOOD),
    CASE("[[],[[]],{}]", GOOD),
    CASE("[null,true,false,\"a\",1,{}]", GOOD),
    CASE("[", 1),
    CASE("[1", 2),
    CASE("[1,", 3),
    CASE("[1,]", 3),
    CASE("[,1]", 1),
    CASE("[,]", 1),
    CASE("[1,,2]", 3),
    CASE("[1}", 2),
    CASE("[}", 1),
    CASE("]", 0),
    CASE("[1:2]", 2),
    CASE("[\"a\":1]", 4),
    CASE("[[]", 3),
    CASE("[\"a\"\"b\"]", 4),
    /* objects */
    CASE("{\"a\":1}", GOOD),
    CASE("{\"\":0}", GOOD),
    CASE("{\"a\":{\"b\":[{\"c\":null}]}}", GOOD),
    CASE("{ \"a\" : 1 , \"b\" : 2 }", GOOD),
    CASE("{\"a\":1,\"a\":2}", GOOD), /* nobody looks it up */
    CASE("{", 1),
    CASE("{\"a\"", 4),
    CASE("{\"a\":", 5),
    CASE("{\"a\":1", 6),
    CASE("{\"a\":1,", 7),
    CASE("{\"a\":1,}", 7),
    CASE("{,}", 1),
    CASE("{a:1}", 1),
    CASE("{'a':1}", 1),
    CASE("{1:1}", 1),
    CASE("{null:1}", 1),
    CASE("{\"a\" 1}", 5),
    CASE("{\"a\"}", 4),
    CASE("{\"a\":}", 5),
    CASE("{\"a\"::1}", 5),
    CASE("{\"a\":1 \"b\":2}", 7),
    CASE("{\"a\":1,,\"b\":2}", 7),
    CASE("{\"a\",1}", 4),
    CASE("{\"a\":1]", 6),
    CASE("{[]:1}", 1),
    CASE("{\"a\":1;\"b\":2}", 6),
    /* strings */
    CASE("\"a\"", GOOD),
    CASE("\"\x7f\"", GOOD),
    CASE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", GOOD),
    CASE("\"\\u0000\\u001f\\uFFFF\\uabCD\"", GOOD),
    CASE("\"/\"", GOOD),
    CASE("\"\\\\\\\\\"", GOOD),
    CASE("\"\\ud83d\\ude00\"", GOOD),
    CASE("\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", GOOD),
    CASE("\"\\ud83d\\ude00\\ud83d\\ude00\"", GOOD),
    CASE("\"", 1),
    CASE("\"abc", 4),
    CASE("\"\\\"", 3),
    CASE("\"\\", 2),
    CASE("\"\\\\\\\"", 5),
    CASE("\"\\x41\"", 2),
    CASE("\"\\a\"", 2),
    CASE("\"\\'\"", 2),
    CASE("\"\\0\"", 2),
    CASE("\"\\U0041\"", 2),
    CASE("\"\\\n\"", 2),
    CASE("\"\\\xc3\xa9\"", 2),
    CASE("\"\\\0\"", 2),
    CASE("\"\\ \"", 2),
    CASE("\"\\u\"", 3),
    CASE("\"\\u12\"", 5),
    CASE("\"\\u123\"", 6),
    CASE("\"\\u12G4\"", 5),
    CASE("\"\\u 123\"", 3),
    CASE("\"\\u+123\"", 3),
    CASE("\"\\u0x12\"", 4),
    CASE("\"\\u123", 6),
    CASE("\"\n\"", 1),
    CASE("\"\t\"", 1),
    CASE("\"a\rb\"", 2),
    CASE("\"a\0b\"", 2),
    CASE("\"\x1f\"", 1),
    CASE("\"\x01\"", 1),
    /* surrogates in escapes */
    CASE("\"\\ud83d\"", 1),
    CASE("\"\\ude00\"", 1),
    CASE("\"\\ude00\\ud83d\"", 1),
    CASE("\"\\ud83dx\"", 1),
    CASE("\"\\ud83d\\n\"", 1),
    CASE("\"\\ud83d\\\\ude00\"", 1),
    CASE("\"\\ud83d\\ud83d\"", 1),
    CASE("\"\\ud83d\\u0041\"", 1),
    CASE("\"\\ud83d\\ude00\\ude00\"", 13),
    CASE("\"\\ud83d\\ude0\"", 12),
    CASE("\"ab\\udbff\"", 3),
    /* UTF-8, Unicode's table 3-7 */
    CASE("\"\xc2\x80\xdf\xbf\"", GOOD),
    CASE("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"", GOOD),
    CASE("\"\xf0\x90\x80\x80\xf1\x80\x80\x80\xf4\x8f\xbf\xbf\"", GOOD),
    CASE("\"" REPLACEMENT "\xe2\x80\xa8\xef\xbb\xbf\"", GOOD),
    CASE("\"\x80\"", 1),
    CASE("\"\xbf\"", 1),
    CASE("\"a\xff\"", 2),
    CASE("\"a\xfe\"", 2),
    CASE("\"\xc0\x80\"", 1),
    CASE("\"\xc0\xaf\"", 1),
    CASE("\"\xc1\xbf\"", 1),
    CASE("\"\xc2\"", 1),
    CASE("\"\xc2\xc2\x80\"", 1),
    CASE("\"\xe0\x80\xaf\"", 1),
    CASE("\"\xe0\x9f\xbf\"", 1),
    CASE("\"\xe4\xb8\"", 1),
    CASE("\"\xe4\"", 1),
    CASE("\"\xe4\xb8z\"", 1),
    CASE("\"\xed\xa0\x80\"", 1),
    CASE("\"\xed\xbf\xbf\"", 1),
    CASE("\"\xf0\x80\x80\xaf\"", 1),
    CASE("\"\xf0\x8f\xbf\xbf\"", 1),
    CASE("\"\xf0\x9f\x98\"", 1),
    CASE("\"\xf4\x90\x80\x80\"", 1),
    CASE("\"\xf5\x80\x80\x80\"", 1),
    CASE("\"\xf8\x88\x80\x80\x80\"", 1),
    CASE("\"\xfc\x84\x80\x80\x80\x80\"", 1),
    CASE("\"\xc3\xa9\xa9\"", 3),
    CASE("\"\xe4\xb8\xad\x80\"", 4),
    CASE("\"\xf0\x9f\x98\x80\x80\"", 5),
    CASE("\"\xe4\xb8\xad\xe4\xb8", 4),
    CASE("{\"\xc3\":1}", 2),
    CASE("{\"\xc3\xa9\":1}", GOOD),
    CASE("[\"\xe4\xb8\xad\", \"\xe6\x96\x87\", \xe6]", 15),
};

/* The case in heap memory of its very length, so that a sanitizer sees a read past its end. */
static void case_check(const struct text_case *c, json_string_fn fn, unsigned pad)
{
    size_t len = c->text.len + pad;
    char *text = mem_alloc(len == 0 ? 1 : len);
    struct error err = ERROR_INIT;
    bool ok;

    memset(text, ' ', pad);
    memcpy(text + pad, c->text.ptr, c->text.len);
    ok = json_validate_by(fn, (struct str){text, len}, 0, NULL, &err);
    if (ok != (c->offset == GOOD))
        fail_msg("'%.*s' is %s", STR_ARG(c->text), ok ? "accepted" : "refused");
    if (!ok) {
        if (err.offset != c->offset + (int64_t)pad)
            fail_msg("'%.*s' is refused at %d, not %d", STR_ARG(c->text),
                     (int)err.offset - (int)pad, (int)c->offset);
        assert_int_equal(err.code, ERR_INVALID_JSON);
        assert_true(err.line >= 1 && err.column >= 1);
        assert_true(err.text[0] != '\0');
    } else {
        assert_int_equal(err.code, ERR_NONE);
    }
    mem_free(text);
}

static void test_cases(void **state)
{
    (void)state;
    assert_true(sizeof(cases) / sizeof(cases[0]) >= 120);
    for (int path = 0; path < JSON_PATH_COUNT; path++) {
        if (!json_path_present((enum json_path)path))
            continue;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            for (unsigned pad = 0; pad < 3; pad++)
                case_check(&cases[i], json_string_by((enum json_path)path), pad * 7);
        }
    }
}

static void test_null_text_is_refused(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_false(json_validate(STR_NONE, 0, NULL, &err));
    assert_int_equal(err.offset, 0);
    assert_false(json_scan(STR_NONE, NULL, 0, 0, NULL));
}

static void test_line_and_column(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_false(json_validate(STR_LIT("{\n  \"a\": 1,\n  \"b\": x\n}"), 0, NULL, &err));
    assert_int_equal(err.offset, 19);
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 8);
    err = (struct error)ERROR_INIT;
    assert_false(json_validate(STR_LIT("[1,\n"), 0, NULL, &err));
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 1);
    assert_int_equal(err.offset, 4);
}

static void test_error_keeps_the_body_to_itself(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_false(json_validate(STR_LIT("{\"k\":\"topsecret\" \"topsecret\"}"), 0, NULL, &err));
    assert_null(strstr(err.text, "topsecret"));
}

static void nest(char *buf, unsigned depth, const char *open, const char *close, const char *inner)
{
    char *p = buf;

    for (unsigned i = 0; i < depth; i++)
        p = stpcpy(p, open);
    p = stpcpy(p, inner);
    for (unsigned i = 0; i < depth; i++)
        p = stpcpy(p, close);
}

static void test_depth(void **state)
{
    static char buf[4096];
    struct error err = ERROR_INIT;

    (void)state;
    for (unsigned limit = 1; limit <= JSON_MAX_DEPTH; limit++) {
        nest(buf, limit, "[", "]", "");
        assert_true(json_validate(str_of(buf), limit, NULL, &err));
        nest(buf, limit, "{\"a\":", "}", "1");
        assert_true(json_validate(str_of(buf), limit, NULL, &err));
        nest(buf, limit + 1, "[", "]", "");
        assert_false(json_validate(str_of(buf), limit, NULL, &err));
        assert_int_equal(err.offset, limit);
    }
    nest(buf, JSON_MAX_DEPTH + 1, "[", "]", "");
    assert_false(json_validate(str_of(buf), 0, NULL, &err));
    assert_false(json_validate(str_of(buf), 100000, NULL, &err));
    nest(buf, JSON_MAX_DEPTH / 2, "{\"a\":[", "]}", "{}");
    assert_false(json_validate(str_of(buf), 0, NULL, &err));
    nest(buf, JSON_MAX_DEPTH / 2 - 1, "{\"a\":[", "]}", "{}");
    assert_true(json_validate(str_of(buf), 0, NULL, &err));
    /* each closing bracket must fit the one that opened, at any depth */
    nest(buf, 60, "[{\"a\":", "}]", "1");
    buf[60 * 6 + 1 + 61] = buf[60 * 6 + 1 + 61] == ']' ? '}' : ']';
    assert_false(json_validate(str_of(buf), 0, NULL, &err));
    assert_int_equal(err.offset, 60 * 6 + 1 + 61);
}

static void test_scan_finds_members(void **state)
{
    struct str text = STR_LIT(" {\"x\":{\"model\":1}, \"model\" : \"gpt\\n4\" ,\"stream\":true,"
                              "\"messages\":[{\"role\":\"user\"}],\"n\":-1.5e3,\"z\":null} ");
    struct json_member m[] = {{.name = STR_LIT("model")},  {.name = STR_LIT("stream")},
                              {.name = STR_LIT("absent")}, {.name = STR_LIT("messages")},
                              {.name = STR_LIT("n")},      {.name = STR_LIT("z")}};
    struct error err = ERROR_INIT;

    (void)state;
    assert_true(json_scan(text, m, 6, 0, &err));
    assert_true(m[0].found && m[1].found && !m[2].found && m[3].found && m[4].found && m[5].found);
    assert_true(str_eqz(m[0].value.raw, "\"gpt\\n4\""));
    assert_true(m[0].value.escaped);
    assert_int_equal(m[0].value.type, JSON_STRING);
    assert_true(str_eqz(m[0].whole, "\"model\" : \"gpt\\n4\""));
    assert_true(m[0].whole.ptr == text.ptr + 19);
    assert_int_equal(m[1].value.type, JSON_TRUE);
    assert_true(str_eqz(m[1].whole, "\"stream\":true"));
    assert_false(m[1].value.escaped);
    assert_true(str_eqz(m[3].value.raw, "[{\"role\":\"user\"}]"));
    assert_false(m[3].value.escaped);
    assert_true(str_eqz(m[4].value.raw, "-1.5e3"));
    assert_int_equal(m[5].value.type, JSON_NULL);
}

static void test_scan_wants_an_object(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_false(json_scan(STR_LIT("[1]"), NULL, 0, 0, &err));
    assert_int_equal(err.offset, 0);
    assert_false(json_scan(STR_LIT("  1"), NULL, 0, 0, &err));
    assert_int_equal(err.offset, 2);
    assert_true(json_scan(STR_LIT("{}"), NULL, 0, 0, &err));
}

static void test_escaped_names_match(void **state)
{
    struct json_member m[] = {{.name = STR_LIT("model")}, {.name = STR_LIT("\xf0\x9f\x98\x80/")}};
    struct error err = ERROR_INIT;

    (void)state;
    assert_true(json_scan(STR_LIT("{\"mod\\u0065l\":1,\"\\ud83d\\ude00\\/\":2}"), m, 2, 0, &err));
    assert_true(m[0].found && m[1].found);
    assert_true(str_eqz(m[0].value.raw, "1") && str_eqz(m[1].value.raw, "2"));
    assert_true(
        json_scan(STR_LIT("{\"mod\\u0065\":1,\"model \":2,\"\":3,\"models\":4}"), m, 2, 0, &err));
    assert_false(m[0].found || m[1].found);
}

static void test_duplicates_of_wanted_names(void **state)
{
    static const struct text_case dup[] = {
        CASE("{\"model\":1,\"model\":2}", 11),
        CASE("{\"model\":1,\"mod\\u0065l\":2}", 11),
        CASE("{\"mod\\u0065l\":1,\"\\u006dodel\":2}", 16),
        CASE("{\"model\":[{}],\"a\":1, \"model\":1}", 21),
        CASE("{\"model\":{\"model\":1,\"model\":2}}", GOOD),
        CASE("{\"a\":1,\"a\":2,\"model\":1}", GOOD),
        CASE("{\"model\":1,\"Model\":2}", GOOD),
    };
    struct json_member m = {.name = STR_LIT("model")};

    (void)state;
    for (size_t i = 0; i < sizeof(dup) / sizeof(dup[0]); i++) {
        struct error err = ERROR_INIT;
        bool ok = json_scan(dup[i].text, &m, 1, 0, &err);
        struct json_value root;

        assert_int_equal(ok, dup[i].offset == GOOD);
        assert_int_equal(m.found, ok);
        assert_int_equal(err.offset, dup[i].offset);
        /* and the same when the object was validated before */
        assert_true(json_validate(dup[i].text, 0, &root, NULL));
        err = (struct error)ERROR_INIT;
        assert_int_equal(json_members(root, &m, 1, &err), ok);
        assert_int_equal(m.found, ok);
        assert_int_equal(err.offset, dup[i].offset);
    }
}

static void test_members_are_lost_on_refusal(void **state)
{
    struct json_member m = {.name = STR_LIT("a")};
    struct error err = ERROR_INIT;

    (void)state;
    assert_false(json_scan(STR_LIT("{\"a\":1,\"b\":}"), &m, 1, 0, &err));
    assert_false(m.found);
    assert_null(m.value.raw.ptr);
}

static void test_root_value(void **state)
{
    struct json_value v;

    (void)state;
    assert_true(json_validate(STR_LIT(" \"a\\tb\" "), 0, &v, NULL));
    assert_int_equal(v.type, JSON_STRING);
    assert_true(v.escaped && str_eqz(v.raw, "\"a\\tb\""));
    assert_true(json_validate(STR_LIT("[\"a\\tb\"]"), 0, &v, NULL));
    assert_int_equal(v.type, JSON_ARRAY);
    assert_false(v.escaped);
    assert_true(json_validate(STR_LIT(" -7\n"), 0, &v, NULL));
    assert_true(v.type == JSON_NUMBER && str_eqz(v.raw, "-7"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_null_text_is_refused),
        cmocka_unit_test(test_line_and_column),
        cmocka_unit_test(test_error_keeps_the_body_to_itself),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_scan_finds_members),
        cmocka_unit_test(test_scan_wants_an_object),
        cmocka_unit_test(test_escaped_names_match),
        cmocka_unit_test(test_duplicates_of_wanted_names),
        cmocka_unit_test(test_members_are_lost_on_refusal),
        cmocka_unit_test(test_root_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
