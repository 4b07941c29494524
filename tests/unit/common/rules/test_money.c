/* Decimal text and integers agree exactly, and what is not exact is refused. */
#include "common/rules/money.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_parses(const char *text, unsigned decimals, uint64_t expected)
{
    uint64_t v = 77;
    if (!money_parse(str_of(text), decimals, &v) || v != expected) {
        fail_msg("\"%s\" with %u decimals gives %llu", text, decimals, (unsigned long long)v);
    }
}

static void assert_refused(const char *text, unsigned decimals)
{
    uint64_t v = 77;
    if (money_parse(str_of(text), decimals, &v) || v != 77) {
        fail_msg("\"%s\" with %u decimals gives %llu", text, decimals, (unsigned long long)v);
    }
}

static void assert_shown(uint64_t v, unsigned decimals, const char *expected)
{
    char out[MONEY_TEXT_MAX];
    size_t n = money_format(v, decimals, out, sizeof out);
    assert_string_equal(out, expected);
    assert_int_equal(n, strlen(expected));
}

static void test_reads_what_is_exact(void **state)
{
    (void)state;
    assert_parses("0", 9, 0);
    assert_parses("1.00", 9, 1000000000);
    assert_parses("0.000000001", 9, 1);
    assert_parses("0.1", 9, 100000000);
    assert_parses(".5", 6, 500000);
    assert_parses("5.", 0, 5);
    assert_parses("1.50000000000000000000", 9, 1500000000);
    assert_parses("00012", 0, 12);
    assert_parses("1e3", 0, 1000);
    assert_parses("1E-9", 9, 1);
    assert_parses("12.5e+1", 0, 125);
    assert_parses("0e400", 9, 0);
    assert_parses("18446744073709551615", 0, UINT64_MAX);
    assert_parses("18446744073.709551615", 9, UINT64_MAX);
}

static void test_refuses_the_rest(void **state)
{
    (void)state;
    static const char *const junk[] = {"",      ".",     "-1",     "+1",  " 1",      "1 ",   "1,5",
                                       "1.2.3", "e5",    "1e",     "1e+", "1e-+1",   "0x10", "nan",
                                       "inf",   "1_000", "1e1001", "$1",  "\xd9\xa1"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        assert_refused(junk[i], 9);
    }
    assert_refused("0.0000000001", 9);
    assert_refused("1.5", 0);
    assert_refused("1e-10", 9);
    assert_refused("18446744073709551616", 0);
    assert_refused("18446744073.709551616", 9);
    assert_refused("1e20", 0);
    assert_refused("1", 19);
    assert_refused("0.00000000000000000000000000000000000000000000000000000000000000000", 9);
    uint64_t v;
    assert_false(money_parse(STR_NONE, 9, &v));
}

static void test_shows_the_shortest(void **state)
{
    (void)state;
    assert_shown(0, 0, "0");
    assert_shown(0, 6, "0");
    assert_shown(800000, 6, "0.8");
    assert_shown(1000000, 6, "1");
    assert_shown(0, 9, "0.00");
    assert_shown(1000000000, 9, "1.00");
    assert_shown(1500000000, 9, "1.50");
    assert_shown(1, 9, "0.000000001");
    assert_shown(UINT64_MAX, 9, "18446744073.709551615");
    assert_shown(UINT64_MAX, 0, "18446744073709551615");
}

static void test_keeps_within_its_room(void **state)
{
    (void)state;
    char out[5] = "keep";
    assert_int_equal(money_format(1234567, 6, out, sizeof out), 0);
    assert_string_equal(out, "keep");
    assert_int_equal(money_format(1, 19, out, sizeof out), 0);
    assert_int_equal(money_format(1234, 0, out, sizeof out), 4);
    assert_string_equal(out, "1234");
}

static void test_what_is_shown_reads_back(void **state)
{
    (void)state;
    uint64_t v = 1;
    for (unsigned i = 0; i < 300; i++, v = v * 6364136223846793005u + 1442695040888963407u) {
        char out[MONEY_TEXT_MAX];
        uint64_t back, amount = v >> (i % 64);
        for (unsigned decimals = 0; decimals <= 18; decimals += 3) {
            size_t n = money_format(amount, decimals, out, sizeof out);
            assert_true(money_parse((struct str){out, n}, decimals, &back));
            assert_true(back == amount);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_is_exact),
        cmocka_unit_test(test_refuses_the_rest),
        cmocka_unit_test(test_shows_the_shortest),
        cmocka_unit_test(test_keeps_within_its_room),
        cmocka_unit_test(test_what_is_shown_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
