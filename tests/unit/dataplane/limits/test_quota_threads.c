/* Many threads on one account: never more is taken than was granted, nobody who waits is lost or
 * told twice, and in the end everything comes back. Run under ThreadSanitizer too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>

#include "common/base/clock.h"
#include "dataplane/limits/quota_rig.h"

#define THREADS 4
#define ROUNDS 4000
#define AMOUNT 1000
#define PAIRS 1000000

static const struct uuid quota_id = {{3}};
static struct quota_table *table;
static struct rig_ledger ledger;
static const struct quota_rule rule = {
    .limit = true, .metric = METRIC_CONCURRENCY, .amount = AMOUNT};
static atomic_bool done;
static atomic_int in_use, most;
static pthread_mutex_t wake_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake_cond = PTHREAD_COND_INITIALIZER;
static bool woken;

static void on_wake(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&wake_lock);
    woken = true;
    (void)pthread_cond_signal(&wake_cond);
    (void)pthread_mutex_unlock(&wake_lock);
}

static void *authority(void *arg)
{
    (void)arg;
    unsigned turn = 0;
    while (!atomic_load(&done)) {
        (void)pthread_mutex_lock(&wake_lock);
        while (!woken && quota_due_ms(table) > 0 && !atomic_load(&done)) {
            struct timespec by;
            (void)clock_gettime(CLOCK_REALTIME, &by);
            by.tv_nsec += 2000000;
            by.tv_sec += by.tv_nsec / 1000000000;
            by.tv_nsec %= 1000000000;
            (void)pthread_cond_timedwait(&wake_cond, &wake_lock, &by);
        }
        woken = false;
        (void)pthread_mutex_unlock(&wake_lock);
        struct lease_ask asks[8];
        if (++turn % 7 == 0 && quota_gather_asks(table, 8, asks) > 0) {
            /* the answer gets lost, the grant does not */
            struct lease_answer lost;
            rig_ask(&ledger, &asks[0], 0, (int64_t)clock_wall_ms(), &lost);
            quota_lost(table);
        }
        (void)rig_exchange(&ledger, table, 0, (int64_t)clock_wall_ms());
    }
    return NULL;
}

struct worker {
    struct loop *loop;
    struct quota_account *a;
    uint64_t seed;
    pthread_t thread;
    unsigned taken, others, cancelled;
};

struct waiting {
    struct quota_waiter w;
    struct worker *worker;
    unsigned told;
    enum quota_answer answer;
};

static void on_answer(void *arg, enum quota_answer answer)
{
    struct waiting *x = arg;
    x->told++;
    x->answer = answer;
}

static void used(int n)
{
    int now = atomic_fetch_add(&in_use, n) + n, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
    }
}

static uint64_t draw(struct worker *w, uint64_t n)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed % n;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t amount = 1 + draw(w, 400);
        struct waiting x = {.worker = w};
        x.w = (struct quota_waiter){.loop = w->loop, .on_answer = on_answer, .arg = &x};
        enum quota_answer answer = quota_take(w->a, amount, &x.w);
        if (answer == QUOTA_PARKED && draw(w, 4) == 0) {
            if (draw(w, 2)) {
                loop_turn(w->loop, 1);
            }
            quota_cancel(&x.w);
            if (!x.told) {
                w->cancelled++;
                loop_turn(w->loop, 0);
                assert_int_equal(x.told, 0);
                continue;
            }
        }
        while (answer == QUOTA_PARKED && !x.told) {
            loop_turn(w->loop, 50);
        }
        answer = answer == QUOTA_PARKED ? x.answer : answer;
        if (answer != QUOTA_TAKEN) {
            w->others++;
            continue;
        }
        used((int)amount);
        if (draw(w, 3) == 0) {
            (void)sched_yield();
        }
        used(-(int)amount);
        quota_settle(w->a, amount, 0);
        w->taken++;
        loop_turn(w->loop, 0);
        assert_true(x.told <= 1);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct quota_table_config c = {.wake = on_wake, .holder = {{1}}};
    struct worker workers[THREADS];
    pthread_t thread;
    unsigned taken = 0, cancelled = 0, others = 0;
    ledger = (struct rig_ledger){.rule = rule, .planes = 1};
    table = quota_table_new(&c);
    quota_reachable(table, true);
    assert_int_equal(pthread_create(&thread, NULL, authority, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.loop = loop_new(), .seed = 88172645463325252u + i};
        workers[i].a = quota_account(table, &quota_id, &rule, STR_LIT("x"), 0);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        taken += workers[i].taken;
        cancelled += workers[i].cancelled;
        others += workers[i].others;
    }
    atomic_store(&done, true);
    on_wake(NULL);
    (void)pthread_join(thread, NULL);
    assert_int_equal(taken + cancelled + others, THREADS * ROUNDS);
    assert_int_equal(others, 0); /* everybody who waited got it */
    assert_true(atomic_load(&most) <= AMOUNT);
    struct quota_counts counts;
    quota_counts(table, &counts);
    assert_int_equal(counts.waiting, 0);
    quota_drain(table);
    while (rig_exchange(&ledger, table, 0, (int64_t)clock_wall_ms()) > 0) {
    }
    assert_int_equal(lease_open(&rig_find(&ledger, STR_LIT("x"), 0)->leases[0]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        quota_account_unref(workers[i].a);
        loop_free(workers[i].loop);
    }
    quota_table_free(table);
    rig_free(&ledger);
}

static void test_a_million_pairs(void **state)
{
    (void)state;
    struct quota_table_config c = {.holder = {{1}}};
    struct loop *loop = loop_new();
    struct waiting x = {0};
    ledger = (struct rig_ledger){.rule = rule, .planes = 1};
    table = quota_table_new(&c);
    quota_reachable(table, true);
    struct quota_account *a = quota_account(table, &quota_id, &rule, STR_LIT("x"), 0);
    x.w = (struct quota_waiter){.loop = loop, .on_answer = on_answer, .arg = &x};
    assert_int_equal(quota_take(a, 500, &x.w), QUOTA_PARKED);
    (void)rig_exchange(&ledger, table, 0, (int64_t)clock_wall_ms());
    loop_turn(loop, 0);
    assert_int_equal(x.answer, QUOTA_TAKEN);
    quota_settle(a, 500, 0);
    uint64_t from = clock_mono_ns();
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_true(quota_take(a, 10, NULL) == QUOTA_TAKEN);
        quota_settle(a, 10, 0);
    }
    uint64_t pairs_ns = clock_mono_ns() - from;
    from = clock_mono_ns();
    for (unsigned i = 0; i < PAIRS / 10; i++) {
        quota_account_unref(quota_account(table, &quota_id, &rule, STR_LIT("x"), 0));
    }
    print_message("take and settle: %u ns; finding the account: %u ns\n",
                  (unsigned)(pairs_ns / PAIRS),
                  (unsigned)((clock_mono_ns() - from) / (PAIRS / 10)));
    assert_true(pairs_ns / PAIRS < 20000); /* sanitizers included */
    quota_account_unref(a);
    loop_free(loop);
    quota_table_free(table);
    rig_free(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_a_million_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
