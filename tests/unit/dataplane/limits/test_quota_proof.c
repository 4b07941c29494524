/* Four proxies share one hard budget of a dollar, 2,000 clients try until they are refused for
 * good, in a time of the test's own: round trips to the ledger, batches of events, a proxy that is
 * cut off, one that is killed. Whatever happens settled + held never passes the dollar, and almost
 * all of it is spent in the end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "dataplane/limits/quota_rig.h"

#define PLANES 4
#define CLIENTS 500 /* of each */
#define DOLLAR 1000000000u
#define COST 1000000u
#define TRIP_MS 3
#define REPORT_MS 50

static int64_t now_ms;
static uint64_t seed;
static const struct uuid quota_id = {{7}};

static int64_t test_now(void *arg)
{
    (void)arg;
    return now_ms;
}

static uint64_t draw(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

enum client_state { WANTS = 0, PARKED, FLIES, REFUSED };

struct client {
    struct quota_waiter w;
    struct plane *plane;
    enum client_state state;
    int64_t until_ms; /* WANTS: tries again then; FLIES: is answered then */
};

struct plane {
    struct quota_table *t;
    struct quota_account *a;
    struct loop *loop;
    unsigned holder;
    struct client clients[CLIENTS];
    struct lease_ask asks[RIG_ASKS];
    struct lease_answer answers[RIG_ASKS];
    size_t n_asks;
    int64_t arrives_ms, answered_ms, lost_ms; /* of the message under way; 0: not */
    uint64_t unreported;
    int64_t report_ms;
    int64_t cut_from_ms, cut_to_ms;
    uint64_t spent;
};

struct world {
    struct rig_ledger g;
    struct plane *planes;
    uint64_t reserve;
    int64_t latency_ms;
    unsigned refused, occupied;
};

static struct world *world;

static void on_answer(void *arg, enum quota_answer answer);

static void client_try(struct client *c)
{
    c->w = (struct quota_waiter){.loop = c->plane->loop, .on_answer = on_answer, .arg = c};
    enum quota_answer answer = quota_take(c->plane->a, world->reserve, &c->w);
    c->state = PARKED;
    if (answer != QUOTA_PARKED) {
        on_answer(c, answer);
    }
}

static void on_answer(void *arg, enum quota_answer answer)
{
    struct client *c = arg;
    assert_int_equal(c->state, PARKED);
    switch (answer) {
    case QUOTA_TAKEN:
        c->state = FLIES;
        c->until_ms = now_ms + world->latency_ms + (int64_t)draw(20);
        break;
    case QUOTA_OVER:
        c->state = REFUSED;
        world->refused++;
        break;
    default:
        world->occupied++;
        c->state = WANTS;
        c->until_ms = now_ms + 100;
        break;
    }
}

static void plane_start(struct plane *p, unsigned holder)
{
    struct quota_table_config c = {.now_ms = test_now, .holder = {{(uint8_t)(holder + 1)}}};
    p->t = quota_table_new(&c);
    p->loop = loop_new();
    p->holder = holder;
    p->n_asks = 0;
    p->arrives_ms = p->answered_ms = p->lost_ms = 0;
    quota_reachable(p->t, true);
    p->a = quota_account(p->t, &quota_id, &world->g.rule, STR_LIT(""), 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        p->clients[i].plane = p;
        if (p->clients[i].state != REFUSED) {
            p->clients[i].state = WANTS;
            p->clients[i].until_ms = now_ms;
        }
    }
}

static bool is_cut(const struct plane *p)
{
    return now_ms >= p->cut_from_ms && now_ms < p->cut_to_ms;
}

/* What the bridge does: one message under way, lost after two seconds. */
static void plane_lease(struct plane *p)
{
    if (p->arrives_ms && now_ms >= p->arrives_ms && !p->answered_ms) {
        if (!is_cut(p)) {
            for (size_t i = 0; i < p->n_asks; i++) {
                rig_ask(&world->g, &p->asks[i], p->holder, now_ms, &p->answers[i]);
            }
            p->answered_ms = now_ms + TRIP_MS;
        }
        p->arrives_ms = 0;
    }
    if (p->answered_ms && now_ms >= p->answered_ms) {
        p->answered_ms = 0;
        if (!is_cut(p)) {
            assert_true(quota_answered_list(p->t, p->answers, p->n_asks, PLANES));
            p->n_asks = 0;
            quota_reachable(p->t, true);
        }
    }
    if (p->n_asks && now_ms >= p->lost_ms) {
        quota_lost(p->t);
        quota_reachable(p->t, false);
        p->n_asks = 0;
        p->arrives_ms = p->answered_ms = 0;
    }
    if (!is_cut(p) && now_ms == p->cut_to_ms) {
        quota_reachable(p->t, true);
    }
    if (p->n_asks == 0 && quota_due_ms(p->t) == 0) {
        p->n_asks = quota_gather_asks(p->t, RIG_ASKS, p->asks);
        p->arrives_ms = p->n_asks ? now_ms + TRIP_MS : 0;
        p->lost_ms = now_ms + 2000;
    }
}

static void plane_report(struct plane *p)
{
    if (now_ms < p->report_ms || is_cut(p)) {
        return;
    }
    p->report_ms = now_ms + REPORT_MS;
    if (p->unreported) {
        rig_event(&world->g, STR_LIT(""), 0, p->holder, p->unreported, now_ms);
        p->unreported = 0;
    }
}

static unsigned plane_turn(struct plane *p)
{
    unsigned open = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &p->clients[i];
        if (c->state == FLIES && now_ms >= c->until_ms) {
            uint64_t used = COST - COST / 10 + draw(COST / 10);
            quota_settle(p->a, world->reserve, used);
            p->unreported += used;
            p->spent += used;
            c->state = WANTS;
            c->until_ms = now_ms;
        }
        if (c->state == WANTS && now_ms >= c->until_ms) {
            client_try(c);
        }
        open += c->state != REFUSED;
    }
    plane_lease(p);
    plane_report(p);
    loop_turn(p->loop, 0);
    return open;
}

static void plane_free(struct plane *p)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (p->clients[i].state == PARKED) {
            quota_cancel(&p->clients[i].w);
        }
    }
    quota_account_unref(p->a);
    loop_free(p->loop);
    quota_table_free(p->t);
}

/* Its requests under way are told later, at their bound; then what its run held is free again. */
static uint64_t plane_kill(struct plane *p, unsigned next_holder)
{
    uint64_t bound = p->unreported;
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (p->clients[i].state == FLIES) {
            bound += world->reserve;
            p->spent += world->reserve;
        }
    }
    p->unreported = 0;
    plane_free(p);
    plane_start(p, next_holder);
    return bound;
}

struct trial {
    unsigned reserve; /* times the true cost */
    int64_t latency_ms;
    bool cut, kill;
};

static void run(struct trial trial)
{
    struct world w = {
        .g = {.rule = {.metric = METRIC_COST, .window = WINDOW_TOTAL, .amount = DOLLAR},
              .planes = PLANES},
        .planes = mem_alloc(PLANES * sizeof(struct plane)),
        .reserve = (uint64_t)COST * trial.reserve,
        .latency_ms = trial.latency_ms};
    uint64_t spent = 0, orphaned = 0;
    int64_t begin = 1000000000000, limit = begin + 90000;
    world = &w;
    now_ms = begin;
    seed = 88172645463325252u + trial.reserve;
    for (unsigned i = 0; i < PLANES; i++) {
        plane_start(&w.planes[i], i);
        w.planes[i].report_ms = now_ms + i * 7;
    }
    if (trial.cut) {
        w.planes[1].cut_from_ms = now_ms + 150;
        w.planes[1].cut_to_ms = now_ms + 10150;
    }
    for (unsigned open = 1; open && now_ms < limit; now_ms++) {
        open = 0;
        if (trial.kill && now_ms == begin + 200) {
            orphaned = plane_kill(&w.planes[2], 5);
        }
        if (trial.kill && now_ms == begin + 700) {
            rig_event(&w.g, STR_LIT(""), 0, 2, orphaned, now_ms);
            struct rig_lease *dead = &rig_find(&w.g, STR_LIT(""), 0)->leases[2];
            dead->returned = dead->granted - dead->used;
        }
        for (unsigned i = 0; i < PLANES; i++) {
            open += plane_turn(&w.planes[i]);
        }
    }
    int64_t took = now_ms - begin;
    for (int64_t end = now_ms + 2000; now_ms < end; now_ms++) {
        for (unsigned i = 0; i < PLANES; i++) {
            (void)plane_turn(&w.planes[i]);
        }
    }
    struct quota_state s;
    rig_state(rig_find(&w.g, STR_LIT(""), 0), &s);
    for (unsigned i = 0; i < PLANES; i++) {
        spent += w.planes[i].spent;
        plane_free(&w.planes[i]);
    }
    print_message("%ux%s%s: %u.%02u %% settled after %u ms, %u refused, %u times occupied, %u "
                  "asks\n",
                  trial.reserve, trial.cut ? " cut" : "", trial.kill ? " killed" : "",
                  (unsigned)(s.settled / (DOLLAR / 100)),
                  (unsigned)(s.settled / (DOLLAR / 10000) % 100), (unsigned)took, w.refused,
                  w.occupied, (unsigned)w.g.asks);
    assert_int_equal(w.g.overspent, 0);
    assert_int_equal(s.settled, spent); /* the ledger is the sum of what was spent */
    assert_true(s.settled >= DOLLAR / 100 * 95 && s.settled <= DOLLAR);
    assert_int_equal(s.held, 0);
    assert_int_equal(w.refused, PLANES * CLIENTS);
    assert_true(took < 90000);
    assert_true(w.g.asks < 5000);
    mem_free(w.planes);
    rig_free(&w.g);
}

static void test_reserved_at_the_cost(void **state)
{
    (void)state;
    run((struct trial){.reserve = 1, .latency_ms = 100});
}

static void test_reserved_at_four_times_the_cost(void **state)
{
    (void)state;
    run((struct trial){.reserve = 4, .latency_ms = 100});
    run((struct trial){.reserve = 4, .latency_ms = 400});
}

static void test_cut_off_for_ten_seconds(void **state)
{
    (void)state;
    run((struct trial){.reserve = 1, .latency_ms = 100, .cut = true});
    run((struct trial){.reserve = 4, .latency_ms = 100, .cut = true});
}

static void test_killed(void **state)
{
    (void)state;
    run((struct trial){.reserve = 1, .latency_ms = 100, .kill = true});
    run((struct trial){.reserve = 4, .latency_ms = 100, .kill = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserved_at_the_cost),
        cmocka_unit_test(test_reserved_at_four_times_the_cost),
        cmocka_unit_test(test_cut_off_for_ten_seconds),
        cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
