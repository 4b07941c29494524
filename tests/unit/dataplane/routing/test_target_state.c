/* routing/target_state.c: whom a slot is about, what is forgotten when, and what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "dataplane/routing/target_state.h"

#define HOUR 3600000u

static struct target_table *table;
static const struct uuid provider = {{1, 2, 3}};
static const struct uuid other_provider = {{1, 2, 4}};

static int set_up(void **state)
{
    (void)state;
    table = target_table_new(4);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    target_table_free(table);
    target_table_free(NULL);
    return 0;
}

static struct target_state *model_slot(const char *model, uint64_t now_ms)
{
    return target_state_of(table, &provider, STR_LIT("openai"), str_of(model), 0, now_ms);
}

/* ---- whom ---- */

static void equal_subjects_share_a_slot(void **state)
{
    (void)state;
    char copy[] = "gpt";
    struct target_state *s = model_slot("gpt", 1);
    assert_ptr_equal(model_slot(copy, 2), s);
    /* the name is for display only */
    assert_ptr_equal(target_state_of(table, &provider, STR_LIT("renamed"), STR_LIT("gpt"), 0, 3),
                     s);
    assert_int_equal((uintptr_t)s % 64, 0);
}

static void each_part_of_the_subject_tells_apart(void **state)
{
    (void)state;
    struct target_state *s = model_slot("gpt", 1);
    struct target_state *others[] = {
        model_slot("gp", 1),
        target_state_of(table, &provider, STR_LIT("openai"), STR_LIT("gpt"), 1, 1),
        target_state_of(table, &other_provider, STR_LIT("openai"), STR_LIT("gpt"), 0, 1)};
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_not_equal(others[i], s);
        assert_ptr_not_equal(others[i], others[(i + 1) % 3]);
    }
    /* no model: the provider as a whole */
    struct target_state *whole =
        target_state_of(table, &provider, STR_LIT("openai"), STR_NONE, 0, 1);
    assert_ptr_equal(model_slot("", 1), whole);
    assert_ptr_not_equal(whole, s);
}

/* ---- what is forgotten ---- */

static bool remembers(struct target_state *s)
{
    uint32_t requests, failures;
    target_window(s, 60000, 0, &requests, &failures);
    return requests > 0;
}

/* Lets the slot's window at time 0 have one request. */
static void mark(const char *model, uint64_t now_ms)
{
    struct target_state *s = model_slot(model, now_ms);
    struct target_outcome o = {.success = true, .counts = true, .status = 200, .now_ms = 0};
    target_started(s, 0);
    target_finished(s, NULL, &o, false);
}

static void answer_well(struct target_state *s, uint64_t now_ms)
{
    struct target_outcome o = {
        .success = true, .counts = true, .status = 200, .first_token_us = 9000, .now_ms = now_ms};
    target_started(s, now_ms);
    target_finished(s, NULL, &o, false);
}

/* A caller that names models which are not there pushes out no target that is. */
static void those_that_never_answered_go_first(void **state)
{
    (void)state;
    struct target_state *real[] = {model_slot("a", 1), model_slot("b", 2), model_slot("c", 3)};
    for (uint64_t i = 0; i < 3; i++) {
        answer_well(real[i], 10 + i);
    }
    for (uint64_t i = 0; i < 100; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "made-up-%u", (unsigned)i);
        struct target_outcome o = {.counts = false, .status = 404, .now_ms = 100 + i};
        struct target_state *s = model_slot(name, 100 + i);
        target_started(s, 100 + i);
        target_finished(s, NULL, &o, false);
    }
    assert_int_equal(target_latency_us(model_slot("a", 300), 300), 9000);
    assert_int_equal(target_latency_us(model_slot("b", 301), 301), 9000);
    assert_int_equal(target_latency_us(model_slot("c", 302), 302), 9000);
    /* when all have answered, the longest unused goes all the same */
    answer_well(model_slot("d", 303), 303);
    answer_well(model_slot("e", 304), 304);
    assert_int_equal(target_latency_us(model_slot("e", 305), 305), 9000);
    assert_int_equal(target_latency_us(model_slot("a", 306), 306), 0);
}

static void the_longest_unused_is_taken_over_when_full(void **state)
{
    (void)state;
    mark("a", 1000);
    mark("b", 2000);
    mark("c", 3000);
    mark("d", 4000);
    (void)model_slot("a", 5000); /* used again: b is now the longest unused */
    assert_false(remembers(model_slot("e", 6000)));
    assert_true(remembers(model_slot("a", 6001)));
    assert_true(remembers(model_slot("c", 6002)));
    assert_true(remembers(model_slot("d", 6003)));
    assert_false(remembers(model_slot("b", 6004)));
}

static void nothing_is_forgotten_while_there_is_room(void **state)
{
    (void)state;
    mark("a", 0);
    mark("b", 100 * HOUR);
    mark("c", 200 * HOUR);
    mark("d", 300 * HOUR);
    assert_true(remembers(model_slot("a", 400 * HOUR)));
}

static void requests_in_flight_keep_a_slot(void **state)
{
    (void)state;
    mark("a", 1);
    target_started(model_slot("a", 1), 1);
    mark("b", 2 * HOUR);
    mark("c", 2 * HOUR);
    mark("d", 2 * HOUR);
    (void)model_slot("e", 3 * HOUR);
    assert_true(remembers(model_slot("a", 3 * HOUR)));
}

static void a_slot_taken_over_still_counts_its_old_requests_down(void **state)
{
    (void)state;
    const char *models[] = {"a", "b", "c", "d"};
    struct target_state *old = NULL;
    struct target_outcome gone = {.counts = false};
    for (size_t i = 0; i < 4; i++) {
        struct target_state *s = model_slot(models[i], i);
        old = i == 0 ? s : old;
        target_started(s, i);
    }
    mark("e", 10); /* all are in use: the longest unused goes all the same */
    target_finished(old, NULL, &gone, false);
    assert_int_equal(target_in_flight(old), 0);
    target_finished(old, NULL, &gone, false); /* one too many does no harm */
    assert_int_equal(target_in_flight(old), 0);
}

static void names_without_end_never_fill_it(void **state)
{
    (void)state;
    mark("kept", 1);
    for (unsigned i = 0; i < 5000; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "made-up-%u", i);
        struct target_state *s = target_state_of(table, &provider, STR_LIT("p"),
                                                 (struct str){name, (size_t)len}, 0, i + 1);
        assert_non_null(s);
        assert_false(remembers(s));
        assert_true(remembers(model_slot("kept", i + 2)));
    }
}

/* ---- what is shown ---- */

struct shown {
    size_t n, stop_after;
    struct target_view last;
};

static bool on_view(void *arg, const struct target_view *v)
{
    struct shown *x = arg;
    x->last = *v;
    return ++x->n != x->stop_after;
}

static void a_fresh_slot_shows_whom_it_is_about_and_nothing_else(void **state)
{
    (void)state;
    struct shown x = {0};
    (void)target_state_of(table, &provider, STR_LIT("openai"), STR_LIT("gpt-4o"), 7, 1000);
    target_table_each(table, 1500, on_view, &x);
    assert_int_equal(x.n, 1);
    assert_true(uuid_eq(&x.last.provider_id, &provider));
    assert_string_equal(x.last.provider, "openai");
    assert_string_equal(x.last.model, "gpt-4o");
    assert_int_equal(x.last.credential, 7);
    assert_int_equal(x.last.breaker, BREAKER_CLOSED);
    assert_int_equal(x.last.last_used_ms_ago, 500);
    assert_int_equal(x.last.reopens_in_ms + x.last.latency_us + x.last.p95_us + x.last.in_flight,
                     0);
    assert_int_equal(x.last.requests + x.last.failures + x.last.total_requests, 0);
    assert_false(x.last.limits_known);
    assert_true(x.last.requests_left == UINT64_MAX && x.last.tokens_left == UINT64_MAX);
    assert_true(x.last.limits_reset_in_ms == UINT64_MAX);
}

static void counters_are_shown(void **state)
{
    (void)state;
    struct shown x = {0};
    struct target_state *s = model_slot("gpt", 1000);
    struct target_outcome bad = {.counts = true, .status = 404, .now_ms = 2000};
    struct target_outcome good = {
        .success = true, .counts = true, .status = 200, .first_token_us = 5000, .now_ms = 3000};
    struct limit_news news = {.has_tokens = true, .tokens_left = 70, .tokens_reset_ms = 9000};
    for (unsigned i = 0; i < 3; i++) {
        target_started(s, 1000);
    }
    target_finished(s, NULL, &bad, false);
    target_finished(s, NULL, &good, false);
    target_learn(s, &news, 3000);
    assert_false(target_may_retry(s, 0, 0, 3000));
    target_table_each(table, 4000, on_view, &x);
    assert_int_equal(x.last.in_flight, 1);
    assert_int_equal(x.last.requests, 2);
    assert_int_equal(x.last.failures, 1); /* though no failure to the breaker */
    assert_int_equal(x.last.total_requests, 3);
    assert_int_equal(x.last.total_failures, 1);
    assert_int_equal(x.last.total_retries_refused, 1);
    assert_int_equal(x.last.latency_us, 5000);
    assert_int_equal(x.last.last_used_ms_ago, 1000);
    assert_true(x.last.limits_known);
    assert_int_equal(x.last.tokens_left, 70);
    assert_true(x.last.requests_left == UINT64_MAX);
    assert_int_equal(x.last.limits_reset_in_ms, 8000);
    /* a minute later the window is empty, the totals stay, the limits are not known any more */
    target_table_each(table, 70000, on_view, &x);
    assert_int_equal(x.last.requests + x.last.failures, 0);
    assert_int_equal(x.last.total_failures, 1);
    assert_false(x.last.limits_known);
}

static void long_names_are_cut_between_characters(void **state)
{
    (void)state;
    char model[200], name[80];
    struct shown x = {0};
    memset(name, 'n', sizeof(name));
    for (size_t i = 0; i < sizeof(model); i += 2) {
        memcpy(model + i, "\xc3\xa9", 2);
    }
    (void)target_state_of(table, &provider, (struct str){name, sizeof(name)},
                          (struct str){model, sizeof(model)}, 0, 1);
    target_table_each(table, 1, on_view, &x);
    assert_int_equal(strlen(x.last.provider), 63);
    assert_int_equal(strlen(x.last.model), 126);
    assert_memory_equal(x.last.model, model, 126);
}

static void showing_ends_when_told(void **state)
{
    (void)state;
    struct shown all = {0}, one = {.stop_after = 1};
    (void)model_slot("a", 1);
    (void)model_slot("b", 1);
    target_table_each(table, 1, on_view, &all);
    target_table_each(table, 1, on_view, &one);
    assert_int_equal(all.n, 2);
    assert_int_equal(one.n, 1);
}

static void the_default_size_holds_four_thousand(void **state)
{
    (void)state;
    struct shown x = {0};
    struct target_table *t = target_table_new(0);
    for (unsigned i = 0; i < 5000; i++) {
        (void)target_state_of(t, &provider, STR_LIT("p"), STR_LIT("m"), i, i);
    }
    target_table_each(t, 1, on_view, &x);
    assert_int_equal(x.n, 4096);
    target_table_free(t);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(equal_subjects_share_a_slot),
        CASE(each_part_of_the_subject_tells_apart),
        CASE(the_longest_unused_is_taken_over_when_full),
        CASE(those_that_never_answered_go_first),
        CASE(nothing_is_forgotten_while_there_is_room),
        CASE(requests_in_flight_keep_a_slot),
        CASE(a_slot_taken_over_still_counts_its_old_requests_down),
        CASE(names_without_end_never_fill_it),
        CASE(a_fresh_slot_shows_whom_it_is_about_and_nothing_else),
        CASE(counters_are_shown),
        CASE(long_names_are_cut_between_characters),
        CASE(showing_ends_when_told),
        CASE(the_default_size_holds_four_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
