/* routing/target_state*.c with four threads on one table that is far too small for what they ask
 * for: all counts come out even, and names are never read torn. A bounded number of steps, no
 * sleeps; the thread sanitizer's build of it finds races. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "dataplane/routing/target_state.h"

#define THREADS 4
#define STEPS 6000
#define OPEN 8 /* requests that a thread has in flight */

static struct target_table *table;
static struct target_state *steady; /* in a table of its own */
static _Atomic unsigned probes_out, probes_too_many, torn, views;
static _Atomic uint64_t clock_ms;

struct worker {
    pthread_t thread;
    uint32_t seed;
    unsigned models; /* that it asks for */
    uint64_t skew_ms;
    struct target_state *open[OPEN];
};

static uint32_t draw(struct worker *w, uint32_t n)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (w->seed >> 8) % n;
}

/* Provider, model and credential tell the same number, each in its own way. */
static struct target_state *subject(unsigned number, uint64_t now_ms)
{
    struct uuid id = {{0}};
    char provider[48], model[96];
    memset(id.b, (int)(number % 251), sizeof(id.b));
    int provider_len = snprintf(provider, sizeof(provider), "provider-%020u-%08u", number, number);
    int model_len = snprintf(model, sizeof(model), "%030u-%030u-%030u", number, number, number);
    return target_state_of(table, &id, (struct str){provider, (size_t)provider_len},
                           (struct str){model, (size_t)model_len}, number, now_ms);
}

static bool on_view(void *arg, const struct target_view *v)
{
    char provider[48], model[96];
    (void)arg;
    (void)snprintf(provider, sizeof(provider), "provider-%020u-%08u", v->credential, v->credential);
    (void)snprintf(model, sizeof(model), "%030u-%030u-%030u", v->credential, v->credential,
                   v->credential);
    bool whole = strcmp(v->provider, provider) == 0 && strcmp(v->model, model) == 0 &&
                 v->provider_id.b[0] == v->credential % 251 &&
                 v->provider_id.b[15] == v->credential % 251;
    (void)atomic_fetch_add(&torn, !whole);
    (void)atomic_fetch_add(&views, 1);
    return true;
}

static void end(struct worker *w, struct target_state *s, uint64_t now_ms, bool probe)
{
    static const int statuses[] = {200, 200, 500, 429, 404, 0};
    int status = statuses[draw(w, 6)];
    struct target_outcome o = {.success = status == 200,
                               .counts = draw(w, 5) != 0,
                               .status = status,
                               .first_token_us = draw(w, 2000000),
                               .cooldown_ms = draw(w, 20),
                               .now_ms = now_ms};
    struct route_breaker b = {.set = true,
                              .threshold = 1 + draw(w, 9),
                              .percent = 50,
                              .minimum_requests = 10,
                              .window_ms = 1000u << draw(w, 8),
                              .cooldown_ms = 1 + draw(w, 30),
                              .probes = 1 + draw(w, 3)};
    target_finished(s, &b, &o, probe);
}

/* One probe at a time: only this thread's own steps stand between, so the count of those out is
 * exact as long as none is given up (the clock runs far less than a minute) and the slot stays. */
static void try_steady(struct worker *w, uint64_t now_ms)
{
    bool probe;
    struct route_breaker b = {.set = true, .threshold = 3, .cooldown_ms = 2, .probes = 2};
    if (!target_admits(steady, &b, now_ms, &probe)) {
        return;
    }
    struct target_outcome o = {
        .success = draw(w, 3) != 0, .counts = true, .status = 500, .now_ms = now_ms};
    if (probe && atomic_fetch_add(&probes_out, 1) > 0) {
        (void)atomic_fetch_add(&probes_too_many, 1);
    }
    target_started(steady, now_ms);
    if (probe) {
        (void)atomic_fetch_sub(&probes_out, 1);
    }
    target_finished(steady, &b, &o, probe);
}

static void look(struct worker *w, struct target_state *s, uint64_t now_ms)
{
    struct limit_news news = {.has_requests = true,
                              .requests_left = draw(w, 100),
                              .requests_reset_ms = draw(w, 50),
                              .has_tokens = true,
                              .tokens_left = draw(w, 10000),
                              .tokens_reset_ms = draw(w, 50)};
    uint32_t requests, failures;
    target_learn(s, &news, now_ms);
    target_spend(s, draw(w, 100));
    (void)target_saturated(s, 50, now_ms);
    (void)target_may_retry(s, 20, 3, now_ms);
    (void)target_p95_us(s);
    (void)target_latency_us(s, now_ms);
    target_checked(s, draw(w, 2) == 0, 3, 5, now_ms);
    target_window(s, 60000, now_ms, &requests, &failures);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t now_ms = atomic_fetch_add(&clock_ms, i % 4 == 0) - w->skew_ms;
        struct target_state **open = &w->open[draw(w, OPEN)];
        struct target_state *s = subject(draw(w, w->models), now_ms);
        if (*open) {
            end(w, *open, now_ms, draw(w, 50) == 0);
            *open = NULL;
        } else {
            target_started(s, now_ms);
            *open = s;
        }
        if (i % 16 == 0) {
            look(w, s, now_ms);
        }
        try_steady(w, now_ms);
        if (i % 200 == 0) {
            target_table_each(table, now_ms, on_view, NULL);
        }
    }
    for (size_t i = 0; i < OPEN; i++) {
        if (w->open[i]) {
            end(w, w->open[i], atomic_load(&clock_ms), false);
        }
    }
    return NULL;
}

struct sums {
    uint64_t in_flight, n;
    uint32_t seen[1024];
};

static bool on_end(void *arg, const struct target_view *v)
{
    struct sums *x = arg;
    x->in_flight += v->in_flight;
    x->n++;
    x->seen[v->credential % 1024]++;
    return true;
}

static void run(size_t slots, unsigned models)
{
    struct worker workers[THREADS];
    memset(workers, 0, sizeof(workers));
    atomic_store(&clock_ms, 1000000);
    atomic_store(&probes_out, 0);
    table = target_table_new(slots);
    struct target_table *own = target_table_new(2); /* nobody takes over what is there */
    steady = target_state_of(own, &(struct uuid){{1}}, STR_LIT("s"), STR_LIT("s"), 0, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].seed = 12345 + i * 777;
        workers[i].models = models;
        workers[i].skew_ms = i * 3;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    assert_int_equal(target_in_flight(steady), 0);
    assert_int_equal(atomic_load(&probes_too_many), 0);
    target_table_free(own);
}

static void four_threads_on_a_table_with_room(void **state)
{
    (void)state;
    struct sums x = {0};
    run(1024, 300);
    target_table_each(table, atomic_load(&clock_ms), on_end, &x);
    assert_int_equal(x.in_flight, 0);
    for (size_t i = 0; i < 1024; i++) {
        assert_in_range(x.seen[i], 0, 1); /* no target twice */
    }
    assert_int_equal(x.n, 300);
    assert_true(atomic_load(&views) > 0);
    target_table_free(table);
}

static void four_threads_on_a_table_that_is_always_full(void **state)
{
    (void)state;
    struct sums x = {0};
    run(16, 300);
    target_table_each(table, atomic_load(&clock_ms), on_end, &x);
    assert_int_equal(x.in_flight, 0);
    assert_in_range(x.n, 1, 16 + THREADS);
    for (size_t i = 0; i < 1024; i++) {
        assert_in_range(x.seen[i], 0, 1);
    }
    assert_int_equal(atomic_load(&torn), 0);
    target_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_threads_on_a_table_with_room),
        cmocka_unit_test(four_threads_on_a_table_that_is_always_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
