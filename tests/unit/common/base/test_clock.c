/* Promises of common/base/clock.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/clock.h"

static uint64_t fixed_mono(void)
{
    return 5000000123ull;
}

static uint64_t fixed_wall(void)
{
    return 1795301611123456789ull;
}

static void sources_can_be_replaced(void **state)
{
    (void)state;
    clock_set_source(fixed_mono, fixed_wall);
    assert_true(clock_mono_ns() == 5000000123ull);
    assert_true(clock_mono_ms() == 5000);
    assert_true(clock_wall_ms() == 1795301611123ull);
    assert_true(clock_wall_us() == 1795301611123456ull);
    clock_set_source(NULL, NULL);
    assert_true(clock_wall_ms() != 1795301611123ull);
    uint64_t before = clock_mono_ns();
    assert_true(clock_mono_ns() >= before);
}

static void writes_rfc3339(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {951782400000ull, "2000-02-29T00:00:00.000Z"},
                 {951868799999ull, "2000-02-29T23:59:59.999Z"},
                 {951868800000ull, "2000-03-01T00:00:00.000Z"},
                 {1795301611123ull, "2026-11-21T22:53:31.123Z"},
                 {4107542400000ull, "2100-03-01T00:00:00.000Z"},
                 {253402300799999ull, "9999-12-31T23:59:59.999Z"},
                 {UINT64_MAX, "9999-12-31T23:59:59.999Z"}};
    char buf[25];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t back = 1;
        clock_format_rfc3339(cases[i].ms, buf);
        assert_string_equal(buf, cases[i].text);
        assert_true(clock_parse_rfc3339(str_of(buf), &back));
        assert_true(back == cases[i].ms || cases[i].ms == UINT64_MAX);
    }
    /* every day of 140 years there and back */
    for (uint64_t day = 0; day < 51134; day++) {
        uint64_t back;
        clock_format_rfc3339(day * 86400000ull, buf);
        assert_true(clock_parse_rfc3339(str_of(buf), &back) && back == day * 86400000ull);
    }
}

static void reads_zones_and_fractions(void **state)
{
    (void)state;
    uint64_t ms;
    assert_true(clock_parse_rfc3339(STR_LIT("2026-11-21T23:53:31.123999+01:00"), &ms));
    assert_true(ms == 1795301611123ull);
    assert_true(clock_parse_rfc3339(STR_LIT("2026-11-21 20:53:31.1-02:00"), &ms));
    assert_true(ms == 1795301611100ull);
}

static void refuses_what_is_no_time(void **state)
{
    (void)state;
    static const char *const junk[] = {"",
                                       "2026-11-21",
                                       "2026-11-21T22:53:31",
                                       "2026-11-21T22:53Z",
                                       "2026-13-01T00:00:00Z",
                                       "2026-02-29T00:00:00Z",
                                       "2026-00-01T00:00:00Z",
                                       "2026-01-01T24:00:00Z",
                                       "2026-01-01T00:60:00Z",
                                       "2026-01-01T00:00:00.Z",
                                       "2026-01-01T00:00:00Zx",
                                       "2026-01-01T00:00:00+0100",
                                       "2026-01-01T00:00:00+24:00",
                                       "1969-12-31T23:59:59Z",
                                       "1970-01-01T00:00:00+01:00",
                                       "26-01-01T00:00:00Z",
                                       "2026-1-1T00:00:00Z"};
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        uint64_t ms = 7;
        assert_false(clock_parse_rfc3339(str_of(junk[i]), &ms));
        assert_int_equal(ms, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_can_be_replaced),
        cmocka_unit_test(writes_rfc3339),
        cmocka_unit_test(reads_zones_and_fractions),
        cmocka_unit_test(refuses_what_is_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
