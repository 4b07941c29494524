/* routing/target_state_{latency,limits,budget}.c: what choices among targets look at, and whether a
 * retry may be made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/routing/target_state.h"

#define T0 UINT64_C(1000000)

static struct target_table *table;
static struct target_state *target;

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

/* ---- time to first token ---- */

static void sample(uint64_t us, uint64_t now_ms)
{
    struct target_outcome o = {
        .success = true, .counts = true, .status = 200, .first_token_us = us, .now_ms = now_ms};
    target_started(target, now_ms);
    target_finished(target, NULL, &o, false);
}

static void the_average_moves_by_three_tenths(void **state)
{
    (void)state;
    assert_int_equal(target_latency_us(target, T0), 0);
    sample(1000, T0);
    assert_int_equal(target_latency_us(target, T0), 1000);
    sample(2000, T0);
    assert_int_equal(target_latency_us(target, T0), 1300);
    sample(0, T0); /* not measured */
    assert_int_equal(target_latency_us(target, T0), 1300);
    sample(1300, T0);
    assert_int_equal(target_latency_us(target, T0), 1300);
}

static void only_successes_are_measured(void **state)
{
    (void)state;
    struct target_outcome o = {.counts = true, .status = 429, .first_token_us = 10, .now_ms = T0};
    target_started(target, T0);
    target_finished(target, NULL, &o, false); /* quick to refuse is not quick */
    o.counts = false;
    o.success = true;
    target_started(target, T0);
    target_finished(target, NULL, &o, false);
    assert_int_equal(target_latency_us(target, T0), 0);
}

static void after_ten_minutes_an_average_is_forgotten(void **state)
{
    (void)state;
    sample(1000, T0);
    assert_int_equal(target_latency_us(target, T0 + 600000), 1000);
    assert_int_equal(target_latency_us(target, T0 + 600001), 0);
    sample(50000, T0 + 700000);
    assert_int_equal(target_latency_us(target, T0 + 700000), 50000); /* not mixed with the old */
    assert_int_equal(target_latency_us(target, T0 + 699990), 50000);
}

static void huge_samples_do_not_overflow(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        sample(UINT64_MAX, T0);
    }
    assert_int_equal(target_latency_us(target, T0), UINT64_C(1) << 40);
    assert_true(target_p95_us(target) > 60000000 && target_p95_us(target) < 70000000);
}

static void p95_needs_twenty_samples(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 19; i++) {
        sample(10000, T0);
    }
    assert_int_equal(target_p95_us(target), 0);
    sample(10000, T0);
    assert_true(target_p95_us(target) >= 10000 && target_p95_us(target) <= 11900);
}

static void p95_is_within_a_bucket_of_the_truth(void **state)
{
    (void)state;
    for (uint64_t scale = 2000; scale <= 32000000; scale *= 2) {
        assert_int_equal(tear_down(NULL), 0);
        assert_int_equal(set_up(NULL), 0);
        for (unsigned i = 1; i <= 100; i++) {
            sample(scale * i / 100, T0);
        }
        uint64_t truth = scale * 95 / 100;
        uint64_t p95 = target_p95_us(target);
        assert_true(p95 >= truth && p95 <= truth * 119 / 100 + 1);
    }
}

static void p95_follows_what_is_recent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        sample(1000000, T0);
    }
    assert_true(target_p95_us(target) >= 1000000);
    for (unsigned i = 0; i < 2000; i++) {
        sample(10000, T0);
    }
    assert_true(target_p95_us(target) < 12000);
}

static void in_flight_counts_up_and_down(void **state)
{
    (void)state;
    struct target_outcome o = {.success = true, .counts = true, .status = 200, .now_ms = T0};
    target_started(target, T0);
    target_started(target, T0);
    assert_int_equal(target_in_flight(target), 2);
    target_finished(target, NULL, &o, false);
    assert_int_equal(target_in_flight(target), 1);
    target_finished(target, NULL, &o, false);
    assert_int_equal(target_in_flight(target), 0);
}

/* ---- the provider's limits ---- */

static void a_target_nobody_told_of_is_not_saturated(void **state)
{
    (void)state;
    assert_false(target_saturated(target, UINT64_MAX, T0));
    target_spend(target, 1000);
    assert_false(target_saturated(target, UINT64_MAX, T0));
}

static void no_requests_left_saturates_until_the_reset(void **state)
{
    (void)state;
    struct limit_news news = {.has_requests = true, .requests_left = 1, .requests_reset_ms = 5000};
    target_learn(target, &news, T0);
    assert_false(target_saturated(target, 1, T0));
    news.requests_left = 0;
    target_learn(target, &news, T0);
    assert_true(target_saturated(target, 0, T0));
    assert_true(target_saturated(target, 0, T0 + 4999));
    assert_false(target_saturated(target, 0, T0 + 5000));
}

static void too_few_tokens_saturate_for_larger_requests_only(void **state)
{
    (void)state;
    struct limit_news news = {.has_tokens = true, .tokens_left = 500, .tokens_reset_ms = 5000};
    target_learn(target, &news, T0);
    assert_false(target_saturated(target, 500, T0));
    assert_true(target_saturated(target, 501, T0));
    assert_false(target_saturated(target, 501, T0 + 5000));
    news.tokens_left = 0;
    target_learn(target, &news, T0);
    assert_true(target_saturated(target, 0, T0)); /* however small */
}

static void what_is_sent_is_spent_until_the_next_word(void **state)
{
    (void)state;
    struct limit_news news = {.has_requests = true,
                              .requests_left = 3,
                              .requests_reset_ms = 5000,
                              .has_tokens = true,
                              .tokens_left = 1000,
                              .tokens_reset_ms = 5000};
    target_learn(target, &news, T0);
    target_spend(target, 600);
    assert_true(target_saturated(target, 401, T0));
    assert_false(target_saturated(target, 400, T0));
    target_spend(target, UINT64_MAX);
    assert_true(target_saturated(target, 1, T0));
    target_learn(target, &news, T0 + 1);
    assert_false(target_saturated(target, 1000, T0 + 1));
    for (unsigned i = 0; i < 3; i++) {
        assert_false(target_saturated(target, 1, T0 + 1));
        target_spend(target, 1);
    }
    assert_true(target_saturated(target, 1, T0 + 1));
    target_spend(target, 1); /* below nothing there is nothing */
    assert_true(target_saturated(target, 1, T0 + 1));
}

static void half_a_word_leaves_the_other_half(void **state)
{
    (void)state;
    struct limit_news requests = {.has_requests = true, .requests_reset_ms = 60000};
    struct limit_news tokens = {.has_tokens = true, .tokens_left = 9, .tokens_reset_ms = 60000};
    struct limit_news nothing = {.has_requests = false};
    target_learn(target, &requests, T0);
    target_learn(target, &tokens, T0);
    target_learn(target, &nothing, T0);
    assert_true(target_saturated(target, 1, T0 + 59999));
}

static void a_word_without_a_reset_holds_ten_seconds_and_any_at_most_ten_minutes(void **state)
{
    (void)state;
    struct limit_news news = {.has_requests = true};
    target_learn(target, &news, T0);
    assert_true(target_saturated(target, 0, T0 + 9999));
    assert_false(target_saturated(target, 0, T0 + 10000));
    news.requests_reset_ms = UINT64_MAX;
    target_learn(target, &news, T0);
    assert_true(target_saturated(target, 0, T0 + 599999));
    assert_false(target_saturated(target, 0, T0 + 600000));
}

static void retry_after_saturates(void **state)
{
    (void)state;
    struct limit_news news = {.has_retry_after = true, .retry_after_ms = 0};
    target_learn(target, &news, T0);
    assert_false(target_saturated(target, 0, T0));
    news.retry_after_ms = 2000;
    target_learn(target, &news, T0);
    assert_true(target_saturated(target, 0, T0 + 1999));
    assert_false(target_saturated(target, 0, T0 + 2000));
    news.retry_after_ms = UINT64_MAX;
    target_learn(target, &news, T0);
    assert_false(target_saturated(target, 0, T0 + 600000));
}

/* ---- retry budget ---- */

static void start(unsigned n, uint64_t now_ms)
{
    for (unsigned i = 0; i < n; i++) {
        target_started(target, now_ms);
    }
}

static unsigned retries_granted(unsigned percent, unsigned minimum, uint64_t now_ms)
{
    unsigned n = 0;
    while (n < 1000 && target_may_retry(target, percent, minimum, now_ms)) {
        n++;
    }
    return n;
}

static void retries_are_a_share_of_the_requests(void **state)
{
    (void)state;
    start(100, T0);
    assert_int_equal(retries_granted(20, 0, T0), 20);
    assert_int_equal(retries_granted(20, 0, T0 + 5000), 0);
    start(50, T0 + 5000);
    assert_int_equal(retries_granted(20, 0, T0 + 5000), 10);
}

static void without_requests_and_minimum_there_is_none(void **state)
{
    (void)state;
    assert_int_equal(retries_granted(20, 0, T0), 0);
    assert_int_equal(retries_granted(0, 0, T0), 0);
}

static void the_minimum_is_granted_each_second(void **state)
{
    (void)state;
    assert_int_equal(retries_granted(20, 3, T0), 3);
    assert_int_equal(retries_granted(20, 3, T0 + 999), 0);
    assert_int_equal(retries_granted(20, 3, T0 + 1000), 3);
    assert_int_equal(retries_granted(0, 2, T0 + 2000), 2);
}

static void after_ten_seconds_the_budget_is_new(void **state)
{
    (void)state;
    start(100, T0);
    assert_int_equal(retries_granted(20, 0, T0), 20);
    assert_int_equal(retries_granted(20, 0, T0 + 9999), 0);
    assert_int_equal(retries_granted(20, 0, T0 + 10000), 0); /* the requests are gone as well */
    start(10, T0 + 10000);
    assert_int_equal(retries_granted(20, 0, T0 + 10000), 2);
}

static void a_clock_behind_gains_no_retries(void **state)
{
    (void)state;
    assert_int_equal(retries_granted(0, 3, T0 + 10000), 3);
    assert_int_equal(retries_granted(0, 3, T0 + 9995), 3); /* of the second before */
    /* ten seconds back meets the newer slice: nothing is begun anew */
    assert_int_equal(retries_granted(0, 3, T0), 0);
    assert_int_equal(retries_granted(0, 3, T0 + 10000), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_average_moves_by_three_tenths),
        CASE(only_successes_are_measured),
        CASE(after_ten_minutes_an_average_is_forgotten),
        CASE(huge_samples_do_not_overflow),
        CASE(p95_needs_twenty_samples),
        CASE(p95_is_within_a_bucket_of_the_truth),
        CASE(p95_follows_what_is_recent),
        CASE(in_flight_counts_up_and_down),
        CASE(a_target_nobody_told_of_is_not_saturated),
        CASE(no_requests_left_saturates_until_the_reset),
        CASE(too_few_tokens_saturate_for_larger_requests_only),
        CASE(what_is_sent_is_spent_until_the_next_word),
        CASE(half_a_word_leaves_the_other_half),
        CASE(a_word_without_a_reset_holds_ten_seconds_and_any_at_most_ten_minutes),
        CASE(retry_after_saturates),
        CASE(retries_are_a_share_of_the_requests),
        CASE(without_requests_and_minimum_there_is_none),
        CASE(the_minimum_is_granted_each_second),
        CASE(after_ten_seconds_the_budget_is_new),
        CASE(a_clock_behind_gains_no_retries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
