/* A quota table with the rig's ledger behind it and a clock of the test's own. */
#ifndef TESTS_UNIT_DATAPLANE_LIMITS_QUOTA_BENCH_H
#define TESTS_UNIT_DATAPLANE_LIMITS_QUOTA_BENCH_H

#include "dataplane/limits/quota_rig.h"

static int64_t now_ms;
static unsigned wakes;
static const struct uuid quota_id = {{1, 2, 3}};

static inline int64_t test_now(void *arg)
{
    (void)arg;
    return now_ms;
}

static inline void on_wake(void *arg)
{
    (void)arg;
    wakes++;
}

struct bench {
    struct quota_table *t;
    struct rig_ledger g;
    struct loop *loop;
};

static inline struct bench bench_open(struct quota_rule rule)
{
    struct quota_table_config c = {
        .wake = on_wake, .now_ms = test_now, .reserve_wait_ms = 2000, .holder = {{9}}};
    struct bench b = {.g = {.rule = rule, .planes = 1}};
    now_ms = 1000000000000;
    wakes = 0;
    b.t = quota_table_new(&c);
    b.loop = loop_new();
    quota_reachable(b.t, true);
    return b;
}

static inline void bench_close(struct bench *b)
{
    loop_free(b->loop);
    quota_table_free(b->t);
    rig_free(&b->g);
}

static inline struct quota_account *account(struct bench *b)
{
    struct quota_account *a = quota_account(b->t, &quota_id, &b->g.rule, STR_LIT("x"), 0);
    assert_non_null(a);
    return a;
}

/* Everything that can be said now is said, and heard. */
static inline size_t talk(struct bench *b)
{
    size_t n = 0, once;
    while ((once = rig_exchange(&b->g, b->t, 0, now_ms)) > 0 && n < 100) {
        n += once;
    }
    loop_turn(b->loop, 0);
    return n;
}

static inline void pass(struct bench *b, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 10) {
        now_ms += 10;
        (void)talk(b);
    }
}

struct client {
    struct quota_waiter w;
    enum quota_answer answer;
    unsigned told;
};

static inline void on_answer(void *arg, enum quota_answer answer)
{
    struct client *c = arg;
    c->answer = answer;
    c->told++;
}

static inline enum quota_answer take(struct bench *b, struct quota_account *a, uint64_t amount,
                                     struct client *c)
{
    *c = (struct client){.w = {.loop = b->loop, .on_answer = on_answer, .arg = c}};
    return c->answer = quota_take(a, amount, &c->w);
}

static inline struct rig_lease *lease(struct bench *b, struct quota_account *a)
{
    return &rig_find(&b->g, quota_bucket(a), quota_window_start(a))->leases[0];
}

#define BUDGET(n) \
    ((struct quota_rule){.metric = METRIC_COST, .window = WINDOW_TOTAL, .amount = (n)})
#define LIMIT(n, w) \
    ((struct quota_rule){.limit = true, .metric = METRIC_REQUESTS, .window = (w), .amount = (n)})

#endif
