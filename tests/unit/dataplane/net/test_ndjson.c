/* net/ndjson.c: items of lines and arrays, whatever the pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/base/mem.h"
#include "dataplane/net/ndjson.h"

struct log {
    char text[4096];
    size_t len;
};

static void on_item(void *arg, const struct ndjson_item *item)
{
    struct log *l = arg;
    int n = snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%s<%.*s>",
                     item->too_large ? "large" : "", item->cut ? "cut" : "", STR_ARG(item->text));
    assert_true(n > 0 && (size_t)n < sizeof(l->text) - l->len);
    l->len += (size_t)n;
}

/* Cut behind the bytes `first` and `second`; each piece is a heap copy, so that reading past it
 * shows. */
static const char *read_in(enum ndjson_mode mode, size_t max, const char *text, size_t first,
                           size_t second, bool *ret_ended)
{
    static struct log log;
    struct ndjson_reader r;
    size_t len = strlen(text), cuts[] = {0, first, second, len};
    log = (struct log){.len = 0};
    ndjson_reader_init(&r, mode, max, on_item, &log);
    for (size_t i = 0; i < 3; i++) {
        char *copy = mem_dup(text + cuts[i], cuts[i + 1] - cuts[i] + 1);
        ndjson_feed(&r, (struct str){copy, cuts[i + 1] - cuts[i]});
        mem_free(copy);
        assert_true(r.held.cap <= max);
    }
    *ret_ended = ndjson_ended(&r);
    ndjson_finish(&r);
    assert_false(ndjson_mid_item(&r));
    ndjson_reader_release(&r);
    return log.text;
}

static void one_byte_at_a_time(enum ndjson_mode mode, size_t max, const char *text,
                               const char *wanted, bool ended)
{
    struct ndjson_reader r;
    struct log log = {.len = 0};
    ndjson_reader_init(&r, mode, max, on_item, &log);
    for (const char *c = text; *c; c++) {
        ndjson_feed(&r, (struct str){c, 1});
    }
    assert_int_equal(ndjson_ended(&r), ended);
    ndjson_finish(&r);
    ndjson_reader_release(&r);
    assert_string_equal(log.text, wanted);
}

/* Any two cuts, and every byte alone. */
static void every_split(enum ndjson_mode mode, size_t max, const char *text, const char *wanted,
                        bool ended)
{
    size_t len = strlen(text);
    for (size_t i = 0; i <= len; i++) {
        for (size_t k = i; k <= len; k++) {
            bool was_ended;
            assert_string_equal(read_in(mode, max, text, i, k, &was_ended), wanted);
            assert_int_equal(was_ended, ended);
        }
    }
    one_byte_at_a_time(mode, max, text, wanted, ended);
}

static void lines(void **state)
{
    (void)state;
    every_split(NDJSON_LINES, 64, "{\"a\":1}\n\r\n  \n{\"b\":\"x\\ny\"}\r\n[2]\n",
                "<{\"a\":1}><{\"b\":\"x\\ny\"}><[2]>", false);
}

static void a_last_line_without_its_end_is_cut(void **state)
{
    (void)state;
    every_split(NDJSON_LINES, 64, "{}\n{\"a\":", "<{}>cut<{\"a\":>", false);
    every_split(NDJSON_LINES, 64, "{}\n  ", "<{}>", false);
}

static void a_line_that_is_too_large_is_skipped(void **state)
{
    (void)state;
    every_split(NDJSON_LINES, 8, "{\"a\":12345}\n{\"b\":1}\n12345678\n123456789",
                "large<><{\"b\":1}><12345678>largecut<>", false);
}

static void elements_of_an_array(void **state)
{
    (void)state;
    every_split(NDJSON_ARRAY, 64,
                " [{\"a\":\"]},{\\\"[\"}\n,\r\n{\"b\":[1,{\"c\":2}]},3, \"x\" ,[4]] trailing",
                "<{\"a\":\"]},{\\\"[\"}><{\"b\":[1,{\"c\":2}]}><3><\"x\"><[4]>", true);
    every_split(NDJSON_ARRAY, 64, "[]", "", true);
}

static void an_array_without_its_end(void **state)
{
    (void)state;
    every_split(NDJSON_ARRAY, 64, "[{\"a\":1},{\"b\"", "<{\"a\":1}>cut<{\"b\">", false);
    every_split(NDJSON_ARRAY, 64, "[{\"a\":1}\n,", "<{\"a\":1}>", false);
    every_split(NDJSON_ARRAY, 64, "", "", false);
}

static void one_object_instead_of_an_array(void **state)
{
    (void)state;
    every_split(NDJSON_ARRAY, 64, "{\"error\":{\"code\":400}}\n", "<{\"error\":{\"code\":400}}>",
                true);
}

static void an_element_that_is_too_large_is_skipped(void **state)
{
    (void)state;
    every_split(NDJSON_ARRAY, 8, "[{\"a\":12345},{\"b\":1}]", "large<><{\"b\":1}>", true);
}

static void what_is_no_json_is_handed_on(void **state)
{
    (void)state;
    every_split(NDJSON_ARRAY, 64, "<html> oops", "<<html>>cut<oops>", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(a_last_line_without_its_end_is_cut),
        cmocka_unit_test(a_line_that_is_too_large_is_skipped),
        cmocka_unit_test(elements_of_an_array),
        cmocka_unit_test(an_array_without_its_end),
        cmocka_unit_test(one_object_instead_of_an_array),
        cmocka_unit_test(an_element_that_is_too_large_is_skipped),
        cmocka_unit_test(what_is_no_json_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
