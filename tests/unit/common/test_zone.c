#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/zone.h"

static const struct zone *loaded(struct arena *a, const char *name)
{
    const struct zone *z = NULL;
    struct error err = ERROR_INIT;
    if (!zone_load(str_of(name), a, &z, &err)) {
        fail_msg("%s: %s", name, err.text);
    }
    return z;
}

static void shows(const struct zone *z, int64_t unix_s, const char *expected)
{
    static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    struct civil_time c;
    char text[64];
    zone_civil(z, unix_s, &c);
    (void)snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d %s", c.year, c.month, c.day,
                   c.hour, c.minute, c.second, days[c.weekday]);
    assert_string_equal(text, expected);
}

static void utc_without_a_zone(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    shows(NULL, 0, "1970-01-01 00:00:00 thu");
    shows(NULL, -1, "1969-12-31 23:59:59 wed");
    shows(NULL, 951782400, "2000-02-29 00:00:00 tue");
    shows(NULL, 4107542399, "2100-02-28 23:59:59 sun");
    shows(NULL, 4107542400, "2100-03-01 00:00:00 mon");
    shows(loaded(a, "UTC"), 1795305600, "2026-11-22 00:00:00 sun");
    shows(loaded(a, "Etc/UTC"), 1795305600, "2026-11-22 00:00:00 sun");
    arena_free(a);
}

static void changes_of_the_table(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct zone *berlin = loaded(a, "Europe/Berlin");
    shows(berlin, 1743296399, "2025-03-30 01:59:59 sun");
    shows(berlin, 1743296400, "2025-03-30 03:00:00 sun");
    shows(berlin, 1761440399, "2025-10-26 02:59:59 sun");
    shows(berlin, 1761440400, "2025-10-26 02:00:00 sun");
    shows(berlin, -1693706400, "1916-05-01 00:00:00 mon");
    shows(loaded(a, "Asia/Kolkata"), 1795305600, "2026-11-22 05:30:00 sun");
    shows(loaded(a, "Asia/Tokyo"), 1795305600, "2026-11-22 09:00:00 sun");
    arena_free(a);
}

static void the_rule_holds_beyond_the_table(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    /* 2090: last sundays of march and october; second of march, first of november; the south */
    shows(loaded(a, "Europe/Berlin"), 3794173199, "2090-03-26 01:59:59 sun");
    shows(loaded(a, "Europe/Berlin"), 3794173200, "2090-03-26 03:00:00 sun");
    shows(loaded(a, "Europe/Berlin"), 3812921999, "2090-10-29 02:59:59 sun");
    shows(loaded(a, "Europe/Berlin"), 3812922000, "2090-10-29 02:00:00 sun");
    shows(loaded(a, "America/New_York"), 3792985200, "2090-03-12 03:00:00 sun");
    shows(loaded(a, "America/New_York"), 3792985199, "2090-03-12 01:59:59 sun");
    shows(loaded(a, "Australia/Sydney"), 3802507200, "2090-06-30 22:00:00 fri");
    shows(loaded(a, "Australia/Sydney"), 3818448000, "2091-01-01 11:00:00 mon");
    shows(loaded(a, "America/Sao_Paulo"), 3818448000, "2090-12-31 21:00:00 sun");
    shows(loaded(a, "Asia/Kathmandu"), 3818448000, "2091-01-01 05:45:00 mon");
    arena_free(a);
}

static int64_t unix_of(const struct zone *z, int month, int day, int hour, int minute)
{
    struct civil_time c = {
        .year = 2025, .month = month, .day = day, .hour = hour, .minute = minute};
    return zone_unix(z, &c);
}

static void civil_times_become_unix_times(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct zone *berlin = loaded(a, "Europe/Berlin");
    assert_int_equal(unix_of(NULL, 1, 1, 0, 0), 1735689600);
    assert_int_equal(unix_of(berlin, 1, 1, 0, 0), 1735686000);
    assert_int_equal(unix_of(berlin, 7, 1, 0, 0), 1751320800);
    assert_int_equal(unix_of(berlin, 3, 30, 1, 59), 1743296340);
    assert_int_equal(unix_of(berlin, 3, 30, 2, 30), 1743298200); /* 03:30: left out */
    assert_int_equal(unix_of(berlin, 3, 30, 3, 0), 1743296400);
    assert_int_equal(unix_of(berlin, 10, 26, 2, 30), 1761438600); /* the first of two */
    assert_int_equal(unix_of(berlin, 10, 26, 3, 0), 1761444000);
    arena_free(a);
}

/* Over forty years, every nineteen hours: there and back, with the change's hour once excepted. */
static void there_and_back(void **state)
{
    static const char *const names[] = {"Europe/Berlin",       "America/New_York",
                                        "Australia/Lord_Howe", "Africa/Casablanca",
                                        "Pacific/Apia",        "Asia/Tehran"};
    struct arena *a = arena_new(0);
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct zone *z = loaded(a, names[i]);
        size_t later = 0;
        for (int64_t t = 1600000000; t < 2900000000; t += 19 * 3600) {
            struct civil_time c;
            zone_civil(z, t, &c);
            int64_t back = zone_unix(z, &c);
            assert_true(back == t || (back < t && t - back <= 3600));
            later += back != t;
        }
        assert_true(later < 60);
    }
    arena_free(a);
}

static void unknown_names_are_refused(void **state)
{
    static const char *const names[] = {
        "",
        "Europe/Nowhere",
        "../etc/passwd",
        "/etc/passwd",
        "Europe/../",
        "Europe",
        "zone.tab",
        "Europe/Berlin\n",
        "tzdata.zi",
        "a b",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAA",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct arena *a = arena_new(0);
        const struct zone *z = NULL;
        struct error err = ERROR_INIT;
        assert_false(zone_load(str_of(names[i]), a, &z, &err));
        assert_null(z);
        assert_int_equal(err.code, ERR_INVALID_FIELD);
        arena_free(a);
    }
}

static void far_away_times_do_not_overflow(void **state)
{
    struct arena *a = arena_new(0);
    struct civil_time c;
    (void)state;
    zone_civil(loaded(a, "Europe/Berlin"), INT64_MAX, &c);
    assert_true(c.year > 100000 && c.month >= 1 && c.month <= 12);
    zone_civil(NULL, INT64_MIN, &c);
    assert_true(c.year < -100000 && c.weekday >= 0 && c.weekday < 7);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utc_without_a_zone),
        cmocka_unit_test(changes_of_the_table),
        cmocka_unit_test(the_rule_holds_beyond_the_table),
        cmocka_unit_test(civil_times_become_unix_times),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(far_away_times_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
