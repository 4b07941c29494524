/* routing/target_state_breaker.c and _window.c: when a target is left alone, and when it is asked
 * again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/routing/target_state.h"

#define T0 UINT64_C(1000000)

static struct target_table *table;
static struct target_state *target;
static const struct route_breaker by_count = {
    .set = true, .threshold = 3, .window_ms = 10000, .cooldown_ms = 5000, .probes = 2};
static const struct route_breaker by_rate = {.set = true,
                                             .percent = 50,
                                             .minimum_requests = 10,
                                             .window_ms = 60000,
                                             .cooldown_ms = 30000,
                                             .probes = 2};

static int set_up(void **state)
{
    static const struct uuid provider = {{9}};
    (void)state;
    table = target_table_new(0);
    target = target_state_of(table, &provider, STR_LIT("p"), STR_LIT("m"), 0, T0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    target_table_free(table);
    return 0;
}

static void end(const struct route_breaker *b, int status, uint64_t cooldown_ms, uint64_t now_ms,
                bool probe)
{
    struct target_outcome o = {.success = status == 200,
                               .counts = true,
                               .status = status,
                               .cooldown_ms = cooldown_ms,
                               .now_ms = now_ms};
    target_started(target, now_ms);
    target_finished(target, b, &o, probe);
}

static void end_times(const struct route_breaker *b, int status, unsigned n, uint64_t now_ms)
{
    for (unsigned i = 0; i < n; i++) {
        end(b, status, 0, now_ms, false);
    }
}

static bool admits(const struct route_breaker *b, uint64_t now_ms)
{
    bool probe;
    return target_admits(target, b, now_ms, &probe) && !probe;
}

static bool admits_probe(const struct route_breaker *b, uint64_t now_ms)
{
    bool probe;
    return target_admits(target, b, now_ms, &probe) && probe;
}

static enum breaker_state state_at(uint64_t now_ms)
{
    return target_breaker(target, now_ms);
}

/* ---- opening ---- */

static void count_opens_at_the_threshold_and_not_before(void **state)
{
    (void)state;
    end_times(&by_count, 200, 50, T0);
    end_times(&by_count, 500, 2, T0);
    assert_int_equal(state_at(T0), BREAKER_CLOSED);
    assert_true(admits(&by_count, T0));
    end(&by_count, 500, 0, T0 + 1, false);
    assert_int_equal(state_at(T0 + 1), BREAKER_OPEN);
    assert_false(admits(&by_count, T0 + 1));
    assert_int_equal(target_reopens_ms(target), T0 + 5001);
}

static void rate_waits_for_the_minimum_of_requests(void **state)
{
    (void)state;
    end_times(&by_rate, 500, 9, T0);
    assert_int_equal(state_at(T0), BREAKER_CLOSED);
    end(&by_rate, 500, 0, T0, false);
    assert_int_equal(state_at(T0), BREAKER_OPEN);
}

static void rate_below_the_percentage_stays_quiet(void **state)
{
    (void)state;
    end_times(&by_rate, 200, 11, T0);
    end_times(&by_rate, 500, 10, T0);
    assert_int_equal(state_at(T0), BREAKER_CLOSED);
    end(&by_rate, 500, 0, T0, false); /* 11 of 22 */
    assert_int_equal(state_at(T0), BREAKER_OPEN);
}

static void either_rule_is_enough(void **state)
{
    (void)state;
    struct route_breaker both = by_count;
    both.percent = 90;
    both.minimum_requests = 100;
    end_times(&both, 500, 3, T0);
    assert_int_equal(state_at(T0), BREAKER_OPEN);
}

static void rules_of_nothing_never_open(void **state)
{
    (void)state;
    struct route_breaker none = {.set = true};
    end_times(&none, 500, 100, T0);
    assert_int_equal(state_at(T0), BREAKER_CLOSED);
}

static void failures_leave_the_window(void **state)
{
    (void)state;
    end_times(&by_count, 500, 2, T0);
    end_times(&by_count, 500, 2, T0 + 11000);
    assert_int_equal(state_at(T0 + 11000), BREAKER_CLOSED);
    end(&by_count, 500, 0, T0 + 12000, false);
    assert_int_equal(state_at(T0 + 12000), BREAKER_OPEN);
}

static void without_settings_half_of_ten_opens_for_thirty_seconds(void **state)
{
    (void)state;
    static const struct route_breaker unset = {.set = false};
    end_times(NULL, 200, 5, T0);
    end_times(NULL, 500, 4, T0);
    assert_int_equal(state_at(T0), BREAKER_CLOSED);
    end(&unset, 500, 0, T0, false);
    assert_int_equal(state_at(T0), BREAKER_OPEN);
    assert_int_equal(target_reopens_ms(target), T0 + 30000);
    assert_false(admits(NULL, T0));
}

static void default_statuses(void **state)
{
    (void)state;
    static const struct {
        int status;
        bool counts;
    } cases[] = {{500, true},  {502, true},  {529, true},  {599, true},  {408, true},
                 {429, true},  {401, true},  {403, true},  {0, true},    {400, false},
                 {402, false}, {404, false}, {413, false}, {422, false}, {600, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t now_ms = T0 + i * 100000;
        uint32_t requests, failures;
        end(&by_rate, cases[i].status, 0, now_ms, false);
        target_window(target, 60000, now_ms, &requests, &failures);
        assert_int_equal(requests, 1);
        assert_int_equal(failures, cases[i].counts);
    }
}

static void a_list_of_statuses_replaces_them(void **state)
{
    (void)state;
    static const uint16_t list[] = {418, 404};
    struct route_breaker b = by_count;
    b.statuses.list = list;
    b.statuses.n = 2;
    end_times(&b, 500, 10, T0);
    end_times(&b, 404, 2, T0);
    assert_int_equal(state_at(T0), BREAKER_CLOSED);
    end(&b, 0, 0, T0, false); /* no answer counts with any list */
    assert_int_equal(state_at(T0), BREAKER_OPEN);
}

static void what_does_not_count_counts_not(void **state)
{
    (void)state;
    struct target_outcome o = {.counts = false, .status = 500, .cooldown_ms = 9000, .now_ms = T0};
    uint32_t requests, failures;
    for (unsigned i = 0; i < 20; i++) {
        o.status = i % 2 ? 500 : 429;
        target_started(target, T0);
        target_finished(target, &by_count, &o, false);
    }
    target_window(target, 10000, T0, &requests, &failures);
    assert_int_equal(requests + failures, 0);
    assert_true(admits(&by_count, T0));
    assert_int_equal(target_reopens_ms(target), 0);
    assert_int_equal(target_in_flight(target), 0);
}

static void switched_off_it_stays_closed_and_admits_where_others_opened_it(void **state)
{
    (void)state;
    struct route_breaker off = by_count;
    off.off = true;
    end_times(&off, 500, 20, T0);
    assert_int_equal(state_at(T0), BREAKER_CLOSED);
    end(&by_count, 500, 0, T0, false);
    assert_int_equal(state_at(T0), BREAKER_OPEN);
    assert_false(admits(&by_count, T0));
    assert_true(admits(&off, T0));
}

/* ---- cooldown ---- */

static uint64_t open_for(uint64_t own_ms, uint64_t told_ms)
{
    struct route_breaker b = {.set = true, .threshold = 1, .cooldown_ms = own_ms};
    assert_int_equal(set_up(NULL), 0);
    end(&b, 500, told_ms, T0, false);
    uint64_t ms = target_reopens_ms(target) - T0;
    assert_int_equal(tear_down(NULL), 0);
    return ms;
}

static void the_longer_cooldown_counts_within_ten_minutes(void **state)
{
    (void)state;
    assert_int_equal(tear_down(NULL), 0);
    assert_int_equal(open_for(5000, 0), 5000);
    assert_int_equal(open_for(5000, 4000), 5000);
    assert_int_equal(open_for(5000, 6000), 6000);
    assert_int_equal(open_for(5000, UINT64_MAX), 600000);
    assert_int_equal(open_for(3600000, 0), 3600000); /* the operator's own is not cut */
    assert_int_equal(set_up(NULL), 0);
}

static void a_limited_or_refused_key_cools_down_while_the_breaker_is_closed(void **state)
{
    (void)state;
    static const int cooling[] = {429, 401, 402, 403, 503, 529};
    struct route_breaker off = {.set = true, .off = true};
    for (size_t i = 0; i < sizeof(cooling) / sizeof(cooling[0]); i++) {
        uint64_t now_ms = T0 + i * 1000000;
        assert_true(admits(&by_rate, now_ms));
        end(&by_rate, cooling[i], 7000, now_ms, false);
        assert_int_equal(state_at(now_ms), BREAKER_CLOSED);
        assert_int_equal(target_reopens_ms(target), now_ms + 7000);
        assert_false(admits(&by_rate, now_ms + 6999));
        assert_false(admits(&off, now_ms + 6999)); /* no matter of the breaker's */
        assert_true(admits(&by_rate, now_ms + 7000));
    }
}

static void others_do_not_cool_down(void **state)
{
    (void)state;
    end(&by_rate, 429, 0, T0, false); /* without a time */
    end(&by_rate, 500, 7000, T0, false);
    end(&by_rate, 400, 7000, T0, false);
    end(&by_rate, 200, 7000, T0, false);
    assert_int_equal(target_reopens_ms(target), 0);
    assert_true(admits(&by_rate, T0));
}

static void cooling_is_never_shortened_and_at_most_ten_minutes(void **state)
{
    (void)state;
    end(&by_rate, 429, UINT64_MAX, T0, false);
    end(&by_rate, 429, 1, T0 + 5, false);
    assert_int_equal(target_reopens_ms(target), T0 + 600000);
}

/* ---- half-open ---- */

static void open_it(uint64_t now_ms)
{
    end_times(&by_count, 500, 3, now_ms);
    assert_int_equal(state_at(now_ms), BREAKER_OPEN);
}

static void one_probe_at_a_time_after_the_cooldown(void **state)
{
    (void)state;
    open_it(T0);
    assert_false(admits_probe(&by_count, T0 + 4999));
    assert_int_equal(state_at(T0 + 5000), BREAKER_HALF_OPEN);
    assert_int_equal(state_at(T0 + 5000), BREAKER_HALF_OPEN); /* looking takes no probe */
    assert_true(admits_probe(&by_count, T0 + 5000));
    assert_false(admits_probe(&by_count, T0 + 5001));
    assert_false(admits(&by_count, T0 + 5001));
}

static void enough_successful_probes_close_it_with_an_empty_window(void **state)
{
    (void)state;
    open_it(T0);
    assert_true(admits_probe(&by_count, T0 + 5000));
    end(&by_count, 200, 0, T0 + 5100, true);
    assert_int_equal(state_at(T0 + 5100), BREAKER_HALF_OPEN);
    assert_true(admits_probe(&by_count, T0 + 5100));
    end(&by_count, 200, 0, T0 + 5200, true);
    assert_int_equal(state_at(T0 + 5200), BREAKER_CLOSED);
    assert_true(admits(&by_count, T0 + 5200));
    assert_int_equal(target_reopens_ms(target), 0);
    /* the three failures are still within ten seconds, but are forgotten */
    end_times(&by_count, 500, 2, T0 + 5300);
    assert_int_equal(state_at(T0 + 5300), BREAKER_CLOSED);
}

static void an_answer_that_is_no_failure_to_the_breaker_is_a_good_probe(void **state)
{
    (void)state;
    open_it(T0);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(admits_probe(&by_count, T0 + 5000));
        end(&by_count, 404, 0, T0 + 5000, true);
    }
    assert_int_equal(state_at(T0 + 5000), BREAKER_CLOSED);
}

static void a_failing_probe_doubles_the_cooldown_up_to_eight_times(void **state)
{
    (void)state;
    static const uint64_t cooldowns[] = {10000, 20000, 40000, 40000};
    uint64_t now_ms = T0;
    open_it(now_ms);
    for (size_t i = 0; i < 4; i++) {
        now_ms = target_reopens_ms(target);
        assert_true(admits_probe(&by_count, now_ms));
        end(&by_count, 500, 0, now_ms, true);
        assert_int_equal(state_at(now_ms), BREAKER_OPEN);
        assert_int_equal(target_reopens_ms(target), now_ms + cooldowns[i]);
    }
    /* one success does not make up for it: a failure after it starts over */
    now_ms = target_reopens_ms(target);
    assert_true(admits_probe(&by_count, now_ms));
    end(&by_count, 200, 0, now_ms, true);
    assert_true(admits_probe(&by_count, now_ms));
    end(&by_count, 500, 0, now_ms, true);
    now_ms = target_reopens_ms(target);
    assert_true(admits_probe(&by_count, now_ms));
    end(&by_count, 200, 0, now_ms, true);
    assert_int_equal(state_at(now_ms), BREAKER_HALF_OPEN);
    /* closed, it begins with the plain cooldown again */
    assert_true(admits_probe(&by_count, now_ms));
    end(&by_count, 200, 0, now_ms, true);
    open_it(now_ms);
    assert_int_equal(target_reopens_ms(target), now_ms + 5000);
}

static void doubling_ends_at_ten_minutes(void **state)
{
    (void)state;
    struct route_breaker b = {.set = true, .threshold = 1, .cooldown_ms = 400000};
    struct route_breaker hour = {.set = true, .threshold = 1, .cooldown_ms = 3600000};
    end(&b, 500, 0, T0, false);
    assert_true(admits_probe(&b, T0 + 400000));
    end(&b, 500, 0, T0 + 400000, true);
    assert_int_equal(target_reopens_ms(target), T0 + 1000000);
    assert_true(admits_probe(&b, T0 + 1000000));
    end(&hour, 500, 0, T0 + 1000000, true);
    assert_int_equal(target_reopens_ms(target), T0 + 4600000);
}

static void a_probe_that_never_reports_is_given_up(void **state)
{
    (void)state;
    open_it(T0);
    assert_true(admits_probe(&by_count, T0 + 5000));
    assert_false(admits_probe(&by_count, T0 + 64999));
    assert_true(admits_probe(&by_count, T0 + 65000));
    /* the second decides; what the first says later finds it open and moves nothing */
    end(&by_count, 500, 0, T0 + 65100, true);
    end(&by_count, 200, 0, T0 + 65200, true);
    assert_int_equal(state_at(T0 + 65200), BREAKER_OPEN);
    assert_int_equal(target_reopens_ms(target), T0 + 75100);
}

static void a_probe_that_says_nothing_lets_another_go(void **state)
{
    (void)state;
    struct target_outcome gone = {.counts = false, .now_ms = T0 + 5100};
    open_it(T0);
    assert_true(admits_probe(&by_count, T0 + 5000));
    target_started(target, T0 + 5000);
    target_finished(target, &by_count, &gone, true);
    assert_int_equal(state_at(T0 + 5100), BREAKER_HALF_OPEN);
    assert_true(admits_probe(&by_count, T0 + 5100));
    target_probe_dropped(target);
    assert_true(admits_probe(&by_count, T0 + 5101));
    assert_false(admits_probe(&by_count, T0 + 5102));
    assert_int_equal(target_in_flight(target), 0);
}

static void stragglers_do_not_move_an_open_breaker(void **state)
{
    (void)state;
    open_it(T0);
    end_times(&by_count, 200, 20, T0 + 1);
    end_times(&by_count, 500, 20, T0 + 2);
    assert_int_equal(target_reopens_ms(target), T0 + 5000);
    assert_true(admits_probe(&by_count, T0 + 5000));
    end_times(&by_count, 200, 5, T0 + 5001);
    end_times(&by_count, 500, 5, T0 + 5002);
    assert_int_equal(state_at(T0 + 5003), BREAKER_HALF_OPEN);
    target_probe_dropped(target);
    assert_int_equal(state_at(T0 + 5003), BREAKER_HALF_OPEN);
}

/* ---- health checks ---- */

static void checks_open_after_so_many_in_a_row_and_one_success_closes(void **state)
{
    (void)state;
    target_checked(target, false, 3, 5000, T0);
    target_checked(target, false, 3, 5000, T0);
    target_checked(target, true, 3, 5000, T0);
    target_checked(target, false, 3, 5000, T0);
    target_checked(target, false, 3, 5000, T0);
    assert_int_equal(state_at(T0), BREAKER_CLOSED);
    target_checked(target, false, 3, 5000, T0);
    assert_int_equal(state_at(T0), BREAKER_OPEN);
    assert_int_equal(target_reopens_ms(target), T0 + 5000);
    target_checked(target, false, 3, 5000, T0 + 3000); /* still ill: stays open */
    assert_int_equal(target_reopens_ms(target), T0 + 8000);
    target_checked(target, true, 3, 5000, T0 + 3001);
    assert_int_equal(state_at(T0 + 3001), BREAKER_CLOSED);
    assert_true(admits(&by_count, T0 + 3001));
}

static void a_good_check_closes_what_requests_opened(void **state)
{
    (void)state;
    open_it(T0);
    target_checked(target, true, 3, 5000, T0 + 1);
    assert_int_equal(state_at(T0 + 1), BREAKER_CLOSED);
    end_times(&by_count, 500, 2, T0 + 2);
    assert_int_equal(state_at(T0 + 2), BREAKER_CLOSED);
    end(&by_count, 500, 0, T0 + 2, false);
    assert_int_equal(state_at(T0 + 2), BREAKER_OPEN);
}

/* ---- windows ---- */

static void windows_of_several_lengths_are_kept_side_by_side(void **state)
{
    (void)state;
    struct route_breaker second = {.set = true, .threshold = 100, .window_ms = 1000};
    struct route_breaker hour = {.set = true, .threshold = 100, .window_ms = 3600000};
    uint32_t requests, failures;
    end(&second, 500, 0, T0, false);
    end(&hour, 500, 0, T0, false);
    end(&second, 200, 0, T0 + 30000, false);
    end(&second, 500, 0, T0 + 100000, false);
    target_window(target, 1000, T0 + 100000, &requests, &failures);
    assert_int_equal(requests, 1);
    assert_int_equal(failures, 1);
    target_window(target, 3600000, T0 + 100000, &requests, &failures);
    assert_int_equal(requests, 3); /* its window was begun with the second request */
    assert_int_equal(failures, 2);
    target_window(target, 60000, T0 + 30000, &requests, &failures);
    assert_int_equal(requests, 3);
    assert_int_equal(failures, 2);
}

static void one_length_too_many_uses_the_nearest(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {1000, 10000, 600000, 550000};
    for (size_t i = 0; i < 4; i++) {
        struct route_breaker b = {.set = true, .threshold = 2, .window_ms = lengths[i]};
        uint64_t now_ms = T0 + i * 100000;
        end(&b, 500, 0, now_ms, false);
        if (i < 3) {
            assert_int_equal(state_at(now_ms), BREAKER_CLOSED);
        }
    }
    /* 600 s holds the third's failure too */
    assert_int_equal(state_at(T0 + 300000), BREAKER_OPEN);
}

static void the_window_slides_by_its_slices(void **state)
{
    (void)state;
    uint32_t requests, failures;
    for (unsigned i = 0; i < 20; i++) {
        end(&by_rate, i % 4 ? 200 : 500, 0, T0 + i * 6000, false);
    }
    target_window(target, 60000, T0 + 19 * 6000, &requests, &failures);
    assert_int_equal(requests, 10);
    assert_int_equal(failures, 2); /* the 13th and 17th */
    target_window(target, 60000, T0 + 24 * 6000, &requests, &failures);
    assert_int_equal(requests, 5);
    target_window(target, 60000, T0 + 10000000, &requests, &failures);
    assert_int_equal(requests, 0);
}

/* ---- clocks that differ ---- */

static void a_clock_some_milliseconds_behind_misleads_nobody(void **state)
{
    (void)state;
    uint32_t requests, failures;
    uint64_t edge = T0 - T0 % 6000 + 6000;
    end(&by_rate, 500, 0, edge, false);     /* begins a slice */
    end(&by_rate, 500, 0, edge - 5, false); /* another worker is still in the one before */
    end(&by_rate, 500, 0, edge + 1, false);
    target_window(target, 60000, edge - 5, &requests, &failures);
    assert_int_equal(requests, 3);
    target_window(target, 60000, edge + 1, &requests, &failures);
    assert_int_equal(failures, 3);

    open_it(edge + 10);
    uint64_t reopens = target_reopens_ms(target);
    assert_true(admits_probe(&by_count, reopens));
    assert_false(admits_probe(&by_count, reopens - 5)); /* already half-open, its probe out */
    end(&by_count, 200, 0, reopens - 3, true);
    assert_true(admits_probe(&by_count, reopens - 5));
    end(&by_count, 200, 0, reopens - 5, true);
    assert_int_equal(state_at(reopens - 5), BREAKER_CLOSED);
}

static void a_whole_window_behind_still_adds_up(void **state)
{
    (void)state;
    struct route_breaker fine = {.set = true, .threshold = 100, .window_ms = 100};
    uint32_t requests, failures;
    end(&fine, 500, 0, T0 + 100, false);
    end(&fine, 500, 0, T0, false); /* ten slices back: where the newer one stands */
    target_window(target, 100, T0 + 100, &requests, &failures);
    assert_int_equal(requests, 2);
}

static void names_of_states(void **state)
{
    (void)state;
    assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
    assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
    assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
    assert_string_equal(breaker_state_name(BREAKER_STATE_COUNT), "unknown");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(count_opens_at_the_threshold_and_not_before),
        CASE(rate_waits_for_the_minimum_of_requests),
        CASE(rate_below_the_percentage_stays_quiet),
        CASE(either_rule_is_enough),
        CASE(rules_of_nothing_never_open),
        CASE(failures_leave_the_window),
        CASE(without_settings_half_of_ten_opens_for_thirty_seconds),
        CASE(default_statuses),
        CASE(a_list_of_statuses_replaces_them),
        CASE(what_does_not_count_counts_not),
        CASE(switched_off_it_stays_closed_and_admits_where_others_opened_it),
        CASE(the_longer_cooldown_counts_within_ten_minutes),
        CASE(a_limited_or_refused_key_cools_down_while_the_breaker_is_closed),
        CASE(others_do_not_cool_down),
        CASE(cooling_is_never_shortened_and_at_most_ten_minutes),
        CASE(one_probe_at_a_time_after_the_cooldown),
        CASE(enough_successful_probes_close_it_with_an_empty_window),
        CASE(an_answer_that_is_no_failure_to_the_breaker_is_a_good_probe),
        CASE(a_failing_probe_doubles_the_cooldown_up_to_eight_times),
        CASE(doubling_ends_at_ten_minutes),
        CASE(a_probe_that_never_reports_is_given_up),
        CASE(a_probe_that_says_nothing_lets_another_go),
        CASE(stragglers_do_not_move_an_open_breaker),
        CASE(checks_open_after_so_many_in_a_row_and_one_success_closes),
        CASE(a_good_check_closes_what_requests_opened),
        CASE(windows_of_several_lengths_are_kept_side_by_side),
        CASE(one_length_too_many_uses_the_nearest),
        CASE(the_window_slides_by_its_slices),
        CASE(a_clock_some_milliseconds_behind_misleads_nobody),
        CASE(a_whole_window_behind_still_adds_up),
        CASE(names_of_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
