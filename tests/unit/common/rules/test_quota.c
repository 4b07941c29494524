#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

#include "common/rules/quota.h"

static struct arena *arena;

static const struct zone *zone(const char *name)
{
    const struct zone *z = NULL;
    struct error err = ERROR_INIT;
    if (!zone_load(str_of(name), arena, &z, &err)) {
        fail_msg("%s: %s", name, error_text(&err));
    }
    return z;
}

/* ---- names ---- */

static void test_names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 1; i < SCOPE_COUNT; i++) {
        const char *name = quota_scope_name((enum quota_scope)i);
        assert_true(*name);
        assert_int_equal(quota_scope_named(str_of(name)), i);
    }
    for (int i = 1; i < METRIC_COUNT; i++) {
        assert_int_equal(quota_metric_named(str_of(quota_metric_name((enum quota_metric)i))), i);
    }
    for (int i = 1; i < WINDOW_COUNT; i++) {
        assert_int_equal(quota_window_named(str_of(quota_window_name((enum quota_window)i))), i);
    }
    enum quota_algorithm a = ALGORITHM_COUNT;
    enum quota_mode m = MODE_COUNT;
    enum quota_absent p = ABSENT_COUNT;
    for (int i = 0; i < ALGORITHM_COUNT; i++) {
        assert_true(
            quota_algorithm_named(str_of(quota_algorithm_name((enum quota_algorithm)i)), &a));
        assert_int_equal(a, i);
    }
    for (int i = 0; i < MODE_COUNT; i++) {
        assert_true(quota_mode_named(str_of(quota_mode_name((enum quota_mode)i)), &m));
        assert_int_equal(m, i);
    }
    for (int i = 0; i < ABSENT_COUNT; i++) {
        assert_true(quota_absent_named(str_of(quota_absent_name((enum quota_absent)i)), &p));
        assert_int_equal(p, i);
    }
    assert_true(quota_algorithm_named(STR_LIT(""), &a) && a == ALGORITHM_FIXED);
    assert_true(quota_mode_named(STR_LIT(""), &m) && m == MODE_HARD);
    assert_true(quota_absent_named(STR_LIT(""), &p) && p == ABSENT_REFUSE);
    assert_false(quota_mode_named(STR_LIT("Hard"), &m));
    assert_false(quota_algorithm_named(STR_LIT("bucket"), &a));
    assert_false(quota_absent_named(STR_LIT("x"), &p));
    assert_int_equal(quota_scope_named(STR_LIT("")), SCOPE_NONE);
    assert_int_equal(quota_metric_named(STR_LIT("dollars")), METRIC_NONE);
    assert_int_equal(quota_window_named(STR_LIT("year")), WINDOW_NONE);
    assert_string_equal(quota_scope_name(SCOPE_NONE), "");
    assert_true(quota_scope_by_id(SCOPE_KEY) && quota_scope_by_id(SCOPE_WORKSPACE));
    assert_false(quota_scope_by_id(SCOPE_MODEL) || quota_scope_by_id(SCOPE_END_USER));
}

/* ---- windows ---- */

static int64_t at(const struct zone *z, int year, int month, int day, int hour)
{
    const struct civil_time c = {.year = year, .month = month, .day = day, .hour = hour};
    return zone_unix(z, &c);
}

static void assert_span(const struct quota_rule *r, int64_t now, int64_t start, int64_t end)
{
    struct quota_span s = quota_span_of(r, now);
    assert_int_equal(s.start_s, start);
    assert_int_equal(s.end_s, end);
}

static void test_calendar_windows(void **state)
{
    (void)state;
    const struct zone *berlin = zone("Europe/Berlin");
    struct quota_rule r = {.window = WINDOW_DAY, .zone = berlin};
    /* summer time begins on 2026-03-29: the day has 23 hours; on 2026-10-25 it has 25 */
    int64_t spring = at(berlin, 2026, 3, 29, 0), autumn = at(berlin, 2026, 10, 25, 0);
    assert_span(&r, spring + 3 * 3600, spring, spring + 23 * 3600);
    assert_span(&r, autumn + 24 * 3600, autumn, autumn + 25 * 3600);
    r.window = WINDOW_WEEK; /* 2026-03-23 was a monday; this week is an hour short */
    assert_span(&r, spring, at(berlin, 2026, 3, 23, 0), at(berlin, 2026, 3, 30, 0));
    assert_int_equal(at(berlin, 2026, 3, 30, 0) - at(berlin, 2026, 3, 23, 0), 7 * 86400 - 3600);
    r.window = WINDOW_MONTH;
    assert_span(&r, spring, at(berlin, 2026, 3, 1, 0), at(berlin, 2026, 4, 1, 0));
    assert_span(&r, at(berlin, 2026, 12, 31, 23), at(berlin, 2026, 12, 1, 0),
                at(berlin, 2027, 1, 1, 0));
    r.zone = NULL;
    assert_span(&r, at(NULL, 2028, 2, 29, 12), at(NULL, 2028, 2, 1, 0), at(NULL, 2028, 3, 1, 0));
    r.window = WINDOW_WEEK; /* across the turn of a year */
    assert_span(&r, at(NULL, 2027, 1, 1, 0), at(NULL, 2026, 12, 28, 0), at(NULL, 2027, 1, 4, 0));
    struct quota_span s = quota_span_of(&r, at(NULL, 2027, 1, 1, 0));
    struct quota_span before = quota_span_before(&r, &s);
    assert_int_equal(before.start_s, at(NULL, 2026, 12, 21, 0));
    assert_int_equal(before.end_s, s.start_s);
}

static void test_short_windows_and_endless_ones(void **state)
{
    (void)state;
    struct quota_rule r = {.window = WINDOW_SECOND, .limit = true};
    assert_span(&r, 1000, 1000, 1001);
    r.window = WINDOW_MINUTE;
    assert_span(&r, 119, 60, 120);
    r.window = WINDOW_HOUR;
    r.zone = zone("Asia/Kathmandu"); /* five and three quarters ahead: hours begin at :15 UTC */
    assert_span(&r, 1767226500, 1767226500, 1767230100);
    assert_span(&r, 1767226499, 1767222900, 1767226500);
    const enum quota_window endless[] = {WINDOW_TOTAL, WINDOW_NONE};
    for (int i = 0; i < 2; i++) {
        r.window = endless[i];
        assert_span(&r, 12345, 0, INT64_MAX);
    }
    r.window = WINDOW_MINUTE;
    r.algorithm = ALGORITHM_BUCKET;
    assert_span(&r, 12345, 0, INT64_MAX);
}

/* Whatever the zone does, windows of a rule neither overlap nor leave a gap. */
static void test_windows_are_a_partition(void **state)
{
    (void)state;
    static const char *const names[] = {"UTC",
                                        "Europe/Berlin",
                                        "America/New_York",
                                        "Asia/Kolkata",
                                        "America/Havana",
                                        "Australia/Lord_Howe",
                                        "America/Sao_Paulo",
                                        "Africa/Cairo",
                                        "Pacific/Apia",
                                        "Asia/Gaza",
                                        "America/Asuncion"};
    static const enum quota_window windows[] = {WINDOW_HOUR, WINDOW_DAY, WINDOW_WEEK, WINDOW_MONTH};
    srand(7);
    for (size_t z = 0; z < sizeof names / sizeof names[0]; z++) {
        for (size_t w = 0; w < 4; w++) {
            struct quota_rule r = {.window = windows[w], .zone = zone(names[z])};
            for (int i = 0; i < 1500; i++) {
                int64_t t = 946684800 + (int64_t)i * 655360 + rand() % 655360; /* 2000 to 2031 */
                struct quota_span s = quota_span_of(&r, t);
                struct quota_span first = quota_span_of(&r, s.start_s),
                                  last = quota_span_of(&r, s.end_s - 1),
                                  next = quota_span_of(&r, s.end_s),
                                  before = quota_span_before(&r, &s);
                if (t < s.start_s || t >= s.end_s || first.start_s != s.start_s ||
                    first.end_s != s.end_s || last.start_s != s.start_s ||
                    next.start_s != s.end_s || before.end_s != s.start_s) {
                    fail_msg("%s, %s at %lld", names[z], quota_window_name(windows[w]),
                             (long long)t);
                }
            }
        }
    }
}

/* The half hour that Lord Howe's clocks are moved by, second by second around it. */
static void test_an_hour_that_is_cut_by_a_change(void **state)
{
    (void)state;
    const struct zone *z = zone("Australia/Lord_Howe");
    struct quota_rule r = {.window = WINDOW_HOUR, .zone = z};
    int64_t change = at(z, 2026, 4, 5, 0) + 2 * 3600; /* 02:00 becomes 01:30 */
    for (int64_t t = change - 4000; t < change + 4000; t++) {
        struct quota_span s = quota_span_of(&r, t), first = quota_span_of(&r, s.start_s);
        assert_true(s.start_s <= t && t < s.end_s && s.end_s - s.start_s <= 3600);
        assert_true(first.start_s == s.start_s && first.end_s == s.end_s);
    }
    assert_int_equal(quota_span_of(&r, change).start_s, change);
    assert_int_equal(quota_span_of(&r, change).end_s, change + 1800);
}

/* ---- grants ---- */

static struct quota_grant decide(const struct quota_rule *r, const struct quota_state *s,
                                 uint64_t need, uint64_t want, unsigned planes, int64_t now_ms)
{
    struct quota_grant g;
    struct quota_span span = quota_span_of(r, now_ms / 1000);
    quota_decide(r, s, &span, need, want, planes, now_ms, &g);
    return g;
}

static void test_slices_shrink_to_what_is_needed(void **state)
{
    (void)state;
    struct quota_rule r = {.metric = METRIC_COST, .window = WINDOW_DAY, .amount = 1000000};
    struct quota_state s = {0};
    struct quota_grant g = decide(&r, &s, 10, 1000000, 4, 5000);
    assert_int_equal(g.verdict, QUOTA_GRANTED);
    assert_int_equal(g.granted, 1000000 / 4 / 8);
    assert_int_equal(g.free, 1000000 - g.granted);
    assert_int_equal(g.after.held, g.granted);
    assert_int_equal(g.reset_ms, 86400000);
    assert_false(g.scarce);
    assert_int_equal(decide(&r, &s, 10, 100, 4, 0).granted, 100);
    s.settled = 999900;
    g = decide(&r, &s, 10, 1000, 4, 0);
    assert_int_equal(g.granted, 10);
    assert_true(g.scarce);
    assert_int_equal(decide(&r, &s, 100, 100, 4, 0).granted, 100);
    assert_int_equal(decide(&r, &s, 0, 1000, 4, 0).granted, 3);
    assert_int_equal(decide(&r, &s, 0, 1000, 0, 0).granted, 12); /* nobody is one */
    g = decide(&r, &s, 0, 0, 4, 0);
    assert_int_equal(g.verdict, QUOTA_GRANTED);
    assert_int_equal(g.granted, 0);
}

static void test_held_and_exceeded(void **state)
{
    (void)state;
    struct quota_rule r = {.metric = METRIC_COST, .window = WINDOW_TOTAL, .amount = 100};
    struct quota_state s = {.settled = 50, .held = 40};
    assert_int_equal(decide(&r, &s, 10, 10, 1, 0).verdict, QUOTA_GRANTED);
    assert_int_equal(decide(&r, &s, 11, 11, 1, 0).verdict, QUOTA_HELD);
    assert_int_equal(decide(&r, &s, 50, 50, 1, 0).verdict, QUOTA_HELD);
    struct quota_grant g = decide(&r, &s, 51, 51, 1, 0);
    assert_int_equal(g.verdict, QUOTA_EXCEEDED);
    assert_int_equal(g.granted, 0);
    assert_int_equal(g.reset_ms, 0); /* a total is never reset */
    r.extra_amount = 50;
    r.extra_until_ms = 1000;
    assert_int_equal(decide(&r, &s, 60, 60, 1, 999).verdict, QUOTA_GRANTED);
    assert_int_equal(decide(&r, &s, 60, 60, 1, 1000).verdict, QUOTA_EXCEEDED);
    s.settled = 120; /* the amount was lowered, or something ran over */
    assert_int_equal(decide(&r, &s, 1, 1, 1, 1000).verdict, QUOTA_EXCEEDED);
    assert_int_equal(decide(&r, &s, 0, 9, 1, 1000).granted, 0);
    struct quota_rule slots = {.limit = true, .metric = METRIC_CONCURRENCY, .amount = 3};
    s = (struct quota_state){.held = 3};
    g = decide(&slots, &s, 1, 1, 1, 1000);
    assert_int_equal(g.verdict, QUOTA_HELD);
    assert_int_equal(g.reset_ms, 0);
}

static void test_a_window_that_slides(void **state)
{
    (void)state;
    struct quota_rule r = {
        .limit = true, .window = WINDOW_MINUTE, .algorithm = ALGORITHM_SLIDING, .amount = 100};
    struct quota_state s = {.before = 90};
    uint64_t amount, used;
    struct quota_span span = quota_span_of(&r, 60);
    quota_stands(&r, &s, &span, 60000 + 20000, &amount, &used);
    assert_int_equal(amount, 100);
    assert_int_equal(used, 60); /* two thirds still count */
    assert_int_equal(decide(&r, &s, 40, 40, 1, 80000).verdict, QUOTA_GRANTED);
    struct quota_grant g = decide(&r, &s, 41, 41, 1, 80000);
    assert_int_equal(g.verdict, QUOTA_EXCEEDED);
    assert_true(g.reset_ms > 80000 && g.reset_ms <= 81000);
    assert_int_equal(decide(&r, &s, 41, 41, 1, g.reset_ms).verdict, QUOTA_GRANTED);
    s = (struct quota_state){.settled = 100}; /* only the next window lets it through */
    g = decide(&r, &s, 50, 50, 1, 80000);
    assert_int_equal(g.reset_ms, 150000);
    s = (struct quota_state){.before = 100};
    assert_int_equal(decide(&r, &s, 50, 50, 1, 150000).verdict, QUOTA_GRANTED);
    assert_int_equal(decide(&r, &s, 51, 51, 1, 150000).verdict, QUOTA_EXCEEDED);
}

static void test_a_bucket(void **state)
{
    (void)state;
    struct quota_rule r = {.limit = true,
                           .window = WINDOW_MINUTE,
                           .algorithm = ALGORITHM_BUCKET,
                           .amount = 60,
                           .burst = 10};
    struct quota_state s = {0};
    struct quota_grant g = decide(&r, &s, 11, 11, 1, 5000);
    assert_int_equal(g.verdict, QUOTA_EXCEEDED);
    assert_int_equal(g.reset_ms, 0); /* it never holds so many */
    g = decide(&r, &s, 10, 10, 1, 5000);
    assert_int_equal(g.verdict, QUOTA_GRANTED);
    s = g.after;
    assert_int_equal(decide(&r, &s, 3, 3, 1, 5000).verdict, QUOTA_HELD);
    quota_spend(&r, &s, 8);
    quota_give_back(&r, &s, 2);
    assert_int_equal(s.held, 0);
    assert_int_equal(s.settled, 8);
    assert_int_equal(s.level_milli, 2000);
    g = decide(&r, &s, 3, 3, 1, 5000);
    assert_int_equal(g.verdict, QUOTA_EXCEEDED);
    assert_int_equal(g.reset_ms, 6000);
    assert_int_equal(decide(&r, &s, 3, 3, 1, 5999).verdict, QUOTA_EXCEEDED);
    assert_int_equal(decide(&r, &s, 3, 3, 1, 6000).verdict, QUOTA_GRANTED);
    assert_int_equal(decide(&r, &s, 10, 10, 1, 1000).verdict, QUOTA_EXCEEDED); /* clocks go back */
    g = decide(&r, &s, 0, 0, 1, 1000000);
    assert_int_equal(g.free, 10);
    quota_spend(&r, &s, 5); /* more than was held: out of what stands in it */
    assert_int_equal(s.level_milli, 0);
    uint64_t amount, used;
    struct quota_span span = quota_span_of(&r, 5);
    quota_stands(&r, &s, &span, 9000, &amount, &used);
    assert_int_equal(amount, 10);
    assert_int_equal(used, 6);
}

/* However often it is looked at, a slow bucket is refilled as by its rate: seven a day. */
static void test_a_slow_bucket_loses_nothing(void **state)
{
    (void)state;
    struct quota_rule r = {
        .limit = true, .window = WINDOW_DAY, .algorithm = ALGORITHM_BUCKET, .amount = 7};
    struct quota_state s = decide(&r, &(struct quota_state){0}, 7, 7, 1, 1).after;
    quota_spend(&r, &s, 7);
    for (int64_t t = 1; t <= 86400001; t += 997) {
        s = decide(&r, &s, 0, 0, 1, t).after;
    }
    assert_int_equal(decide(&r, &s, 7, 7, 1, 86400001).verdict, QUOTA_GRANTED);
    assert_int_equal(decide(&r, &s, 7, 7, 1, 86400000 - 86400).verdict, QUOTA_EXCEEDED);
}

/* ---- properties ---- */

static uint64_t draw(uint64_t below)
{
    uint64_t v = ((uint64_t)rand() << 40) ^ ((uint64_t)rand() << 20) ^ (uint64_t)rand();
    return below ? v % below : 0;
}

static uint64_t draw_amount(void)
{
    static const uint64_t ranges[] = {1, 10, 1000, 1000000000000u, UINT64_MAX};
    return draw(ranges[rand() % 5]);
}

static void test_never_more_than_fits(void **state)
{
    (void)state;
    static const enum quota_window windows[] = {WINDOW_SECOND, WINDOW_MINUTE, WINDOW_HOUR,
                                                WINDOW_DAY, WINDOW_TOTAL};
    srand(11);
    for (int i = 0; i < 200000; i++) {
        struct quota_rule r = {.limit = rand() % 2,
                               .window = windows[rand() % 5],
                               .algorithm = (enum quota_algorithm)(rand() % 3),
                               .amount = draw_amount(),
                               .burst = rand() % 2 ? draw_amount() : 0};
        int64_t now = 1700000000000 + (int64_t)draw(1000000000);
        struct quota_state s = {.settled = draw_amount(),
                                .held = draw_amount(),
                                .before = draw_amount(),
                                .level_milli = draw_amount(),
                                .level_ms = rand() % 3 ? now - (int64_t)draw(100000) : 0};
        bool bucket = r.limit && r.algorithm == ALGORITHM_BUCKET;
        uint64_t need = rand() % 3 ? draw_amount() : 0, want = draw_amount(), amount, used;
        struct quota_span span = quota_span_of(&r, now / 1000);
        struct quota_grant g;
        quota_decide(&r, &s, &span, need, want, (unsigned)rand() % 6, now, &g);
        quota_stands(&r, &s, &span, now, &amount, &used);
        if (g.granted > 0) { /* used + held + granted <= amount, without a sum that overflows */
            assert_true(g.verdict == QUOTA_GRANTED && used <= amount);
            assert_true(s.held <= amount - used && g.granted <= amount - used - s.held);
            assert_true(g.granted >= need && (g.granted <= want || g.granted == need));
            assert_int_equal(g.after.held, s.held + g.granted);
        }
        if (g.verdict == QUOTA_GRANTED) {
            assert_true(need <= g.granted);
        } else {
            assert_true(need > 0 && g.granted == 0 && g.after.held == s.held);
            bool could = used <= amount && need <= amount - used;
            assert_int_equal(g.verdict, could ? QUOTA_HELD : QUOTA_EXCEEDED);
        }
        assert_true(bucket || g.after.settled == s.settled);
    }
}

/* A keeper's life: whatever is granted, spent and given back, the sums hold. */
static void test_an_account_over_time(void **state)
{
    (void)state;
    srand(13);
    for (int n = 0; n < 200; n++) {
        struct quota_rule r = {.limit = true,
                               .window = WINDOW_MINUTE,
                               .algorithm = (enum quota_algorithm)(rand() % 3),
                               .amount = 1 + draw(500)};
        struct quota_state s = {0};
        int64_t now = 6000000000;
        uint64_t spent = 0;
        for (int i = 0; i < 300; i++) {
            if (r.algorithm == ALGORITHM_BUCKET) {
                now += rand() % 200;
            }
            struct quota_grant g = decide(&r, &s, draw(20), draw(200), 1 + draw(4) % 4, now);
            s = g.after;
            uint64_t used = draw(s.held + 1);
            quota_spend(&r, &s, used);
            quota_give_back(&r, &s, draw(s.held + 1));
            spent += used;
        }
        uint64_t most = r.amount;
        if (r.algorithm == ALGORITHM_BUCKET) {
            most += r.amount * (uint64_t)(now - 6000000000) / 60000;
        }
        assert_true(spent + s.held <= most);
        assert_int_equal(s.settled, spent);
    }
}

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_go_both_ways),
        cmocka_unit_test(test_calendar_windows),
        cmocka_unit_test(test_short_windows_and_endless_ones),
        cmocka_unit_test(test_windows_are_a_partition),
        cmocka_unit_test(test_an_hour_that_is_cut_by_a_change),
        cmocka_unit_test(test_slices_shrink_to_what_is_needed),
        cmocka_unit_test(test_held_and_exceeded),
        cmocka_unit_test(test_a_window_that_slides),
        cmocka_unit_test(test_a_bucket),
        cmocka_unit_test(test_a_slow_bucket_loses_nothing),
        cmocka_unit_test(test_never_more_than_fits),
        cmocka_unit_test(test_an_account_over_time),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
