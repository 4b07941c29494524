/* Sixty requests a minute over four proxies, by leased shares: never more than sixty in a window,
 * and hardly fewer where at least as many were wanted. In a time of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/limits/quota_rig.h"

#define PLANES 4
#define TRIP_MS 4
#define UNDER_WAY 64 /* requests of a proxy that wait or are answered later */
#define WINDOWS 5

static int64_t now_ms, begin_ms;
static uint64_t seed = 88172645463325252u;
static const struct uuid quota_id = {{7}};

static int64_t test_now(void *arg)
{
    (void)arg;
    return now_ms;
}

struct caller {
    struct quota_waiter w;
    struct plane *plane;
    struct quota_account *a;
    bool busy;
    int64_t ends_ms; /* 0: parked */
};

struct plane {
    struct quota_table *t;
    struct loop *loop;
    struct rig_ledger *g;
    unsigned holder;
    unsigned per_second; /* requests that come */
    struct caller callers[UNDER_WAY];
    struct lease_ask asks[RIG_ASKS];
    struct lease_answer answers[RIG_ASKS];
    size_t n_asks;
    int64_t arrives_ms, answered_ms;
    unsigned passed[WINDOWS + 2];
    unsigned refused;
};

static void on_answer(void *arg, enum quota_answer answer)
{
    struct caller *c = arg;
    if (answer == QUOTA_TAKEN) {
        c->plane->passed[(quota_window_start(c->a) * 1000 - begin_ms) / 60000]++;
        c->ends_ms = now_ms + 100;
        return;
    }
    c->plane->refused++;
    quota_account_unref(c->a);
    c->busy = false;
}

static void call(struct plane *p)
{
    struct caller *c = p->callers;
    while (c < p->callers + UNDER_WAY && c->busy) {
        c++;
    }
    if (c == p->callers + UNDER_WAY) {
        p->refused++;
        return;
    }
    *c = (struct caller){.plane = p, .busy = true};
    c->w = (struct quota_waiter){.loop = p->loop, .on_answer = on_answer, .arg = c};
    c->a = quota_account(p->t, &quota_id, &p->g->rule, STR_LIT(""), 0);
    enum quota_answer answer = quota_take(c->a, 1, &c->w);
    if (answer != QUOTA_PARKED) {
        on_answer(c, answer);
    }
}

static void turn(struct plane *p)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    if (seed % 1000 < p->per_second) {
        call(p);
    }
    for (struct caller *c = p->callers; c < p->callers + UNDER_WAY; c++) {
        if (c->busy && c->ends_ms && now_ms >= c->ends_ms) {
            quota_settle(c->a, 1, 1);
            quota_account_unref(c->a);
            c->busy = false;
        }
    }
    if (p->arrives_ms && now_ms >= p->arrives_ms) {
        for (size_t i = 0; i < p->n_asks; i++) {
            rig_ask(p->g, &p->asks[i], p->holder, now_ms, &p->answers[i]);
        }
        p->arrives_ms = 0;
        p->answered_ms = now_ms + TRIP_MS;
    }
    if (p->answered_ms && now_ms >= p->answered_ms) {
        p->answered_ms = 0;
        assert_true(quota_answered_list(p->t, p->answers, p->n_asks, PLANES));
        p->n_asks = 0;
    }
    if (p->n_asks == 0 && quota_due_ms(p->t) == 0) {
        p->n_asks = quota_gather_asks(p->t, RIG_ASKS, p->asks);
        p->arrives_ms = p->n_asks ? now_ms + TRIP_MS : 0;
    }
    loop_turn(p->loop, 0);
}

static void run(const unsigned per_second[PLANES])
{
    struct rig_ledger g = {
        .rule = {.limit = true, .metric = METRIC_REQUESTS, .window = WINDOW_MINUTE, .amount = 60},
        .planes = PLANES};
    struct plane *planes = mem_alloc(PLANES * sizeof(*planes));
    now_ms = begin_ms = 1000000020000; /* a minute begins */
    for (unsigned i = 0; i < PLANES; i++) {
        struct quota_table_config c = {
            .now_ms = test_now, .holder = {{(uint8_t)(i + 1)}}, .reserve_wait_ms = 1000};
        planes[i].t = quota_table_new(&c);
        planes[i].loop = loop_new();
        planes[i].g = &g;
        planes[i].holder = i;
        planes[i].per_second = per_second[i];
        quota_reachable(planes[i].t, true);
    }
    for (; now_ms < begin_ms + WINDOWS * 60000; now_ms++) {
        for (unsigned i = 0; i < PLANES; i++) {
            turn(&planes[i]);
        }
    }
    for (unsigned w = 0; w < WINDOWS; w++) {
        unsigned passed = 0;
        for (unsigned i = 0; i < PLANES; i++) {
            passed += planes[i].passed[w];
        }
        if (passed < 54 || passed > 60) {
            fail_msg("%u in window %u", passed, w);
        }
    }
    assert_int_equal(g.overspent, 0);
    assert_true(g.asks < WINDOWS * 60000 / 10);
    for (unsigned i = 0; i < PLANES; i++) {
        for (struct caller *c = planes[i].callers; c < planes[i].callers + UNDER_WAY; c++) {
            if (c->busy && !c->ends_ms) {
                quota_cancel(&c->w);
            }
        }
        loop_free(planes[i].loop);
        quota_table_free(planes[i].t);
    }
    mem_free(planes);
    rig_free(&g);
}

static void test_sixty_a_minute(void **state)
{
    (void)state;
    run((const unsigned[PLANES]){20, 20, 20, 20});
    run((const unsigned[PLANES]){50, 1, 1, 1});
    run((const unsigned[PLANES]){1, 1, 0, 0}); /* hardly more than is allowed */
    run((const unsigned[PLANES]){100, 0, 0, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sixty_a_minute)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
