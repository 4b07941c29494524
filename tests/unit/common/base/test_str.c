/* Promises of common/base/str.h. */
#include <stdarg.h>
#include <stddef.h>
#include <limits.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/base/str.h"

static void compares_by_bytes(void **state)
{
    (void)state;
    assert_true(str_eq(STR_LIT("a"), STR_LIT("a")));
    assert_true(str_eq(STR_NONE, STR_LIT("")));
    assert_false(str_eq(STR_LIT("a"), STR_LIT("A")));
    assert_false(str_eq(STR_LIT("a"), STR_LIT("ab")));
    assert_true(str_eq_nocase(STR_LIT("Content-TYPE"), STR_LIT("content-type")));
    assert_false(str_eq_nocase(STR_LIT("content-type"), STR_LIT("content_type")));
    assert_false(str_eq_nocase(STR_LIT("@"), STR_LIT("`"))); /* only letters fold */
    assert_true(str_cmp(STR_LIT("a"), STR_LIT("ab")) < 0);
    assert_true(str_cmp(STR_LIT("b"), STR_LIT("ab")) > 0);
    assert_true(str_cmp(STR_LIT("\xff"), STR_LIT("a")) > 0);
    assert_int_equal(str_cmp(STR_NONE, STR_LIT("")), 0);
}

static void finds_both_ends(void **state)
{
    (void)state;
    assert_true(str_starts(STR_LIT("wr_live_x"), STR_LIT("wr_")));
    assert_true(str_starts(STR_LIT("x"), STR_NONE));
    assert_false(str_starts(STR_LIT("wr"), STR_LIT("wr_")));
    assert_true(str_ends(STR_LIT("a.pem"), STR_LIT(".pem")));
    assert_false(str_ends(STR_LIT("pem"), STR_LIT(".pem")));
}

static void slices_within_bounds(void **state)
{
    (void)state;
    assert_true(str_eqz(str_slice(STR_LIT("abcdef"), 2, 3), "cde"));
    assert_true(str_eqz(str_slice(STR_LIT("abc"), 2, SIZE_MAX), "c"));
    assert_int_equal(str_slice(STR_LIT("abc"), 9, 1).len, 0);
    assert_null(str_slice(STR_NONE, 1, 1).ptr);
    assert_true(str_eqz(str_trim(STR_LIT(" \t a b \r\n")), "a b"));
    assert_int_equal(str_trim(STR_LIT("  ")).len, 0);
}

static void cuts_at_the_first_separator(void **state)
{
    (void)state;
    struct str head = STR_LIT("kept"), tail = STR_LIT("kept");
    assert_false(str_cut(STR_LIT("abc"), '/', &head, &tail));
    assert_true(str_eqz(head, "kept") && str_eqz(tail, "kept"));
    assert_true(str_cut(STR_LIT("a/b/c"), '/', &head, &tail));
    assert_true(str_eqz(head, "a") && str_eqz(tail, "b/c"));
    assert_true(str_cut(STR_LIT("/"), '/', &head, &tail));
    assert_int_equal(head.len + tail.len, 0);
    assert_false(str_cut(STR_NONE, '/', &head, &tail));
}

static void reads_numbers_strictly(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_true(str_to_u64(STR_LIT("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    const char *junk[] = {"", "+1", "-1", " 1", "1 ", "1e3", "0x1", "18446744073709551616", "1."};
    for (size_t k = 0; k < sizeof(junk) / sizeof(junk[0]); k++) {
        u = 7;
        assert_false(str_to_u64(str_of(junk[k]), &u));
        assert_int_equal(u, 7);
    }
    assert_true(str_to_i64(STR_LIT("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(str_to_i64(STR_LIT("9223372036854775807"), &i) && i == INT64_MAX);
    assert_false(str_to_i64(STR_LIT("9223372036854775808"), &i));
    assert_false(str_to_i64(STR_LIT("-9223372036854775809"), &i));
    assert_false(str_to_i64(STR_LIT("-"), &i));
    assert_false(str_to_i64(STR_LIT("--1"), &i));
}

static void copies_end_in_nul(void **state)
{
    (void)state;
    char *copy = str_dup(str_slice(STR_LIT("abcdef"), 1, 2));
    assert_string_equal(copy, "bc");
    mem_free(copy);
    copy = str_dup(STR_NONE);
    assert_string_equal(copy, "");
    mem_free(copy);
}

static void distance_counts_changes(void **state)
{
    (void)state;
    char longest[STR_DISTANCE_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(str_distance(STR_LIT(""), STR_LIT("")), 0);
    assert_int_equal(str_distance(STR_LIT("keys"), STR_LIT("keys")), 0);
    assert_int_equal(str_distance(STR_LIT("kyes"), STR_LIT("keys")), 2);
    assert_int_equal(str_distance(STR_LIT("base_ulr"), STR_LIT("base_url")), 2);
    assert_int_equal(str_distance(STR_LIT("key"), STR_LIT("keys")), 1);
    assert_int_equal(str_distance(STR_LIT(""), STR_LIT("abc")), 3);
    struct str fits = {longest, STR_DISTANCE_MAX}, over = {longest, STR_DISTANCE_MAX + 1};
    assert_int_equal(str_distance(fits, fits), 0);
    assert_true(str_distance(over, STR_LIT("x")) == UINT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_by_bytes),       cmocka_unit_test(finds_both_ends),
        cmocka_unit_test(slices_within_bounds),    cmocka_unit_test(cuts_at_the_first_separator),
        cmocka_unit_test(reads_numbers_strictly),  cmocka_unit_test(copies_end_in_nul),
        cmocka_unit_test(distance_counts_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
