/* See own_pump.h. */
#include "dataplane/limits/own_pump.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/base/mem.h"

#define BATCH 256
#define ROUNDS 64 /* without a look at whether it is to stop */
#define FAR_MS 3600000u

struct own_pump {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* on the monotonic clock */
    bool woken, stopping;
    struct quota_table *table;
    struct own_ledger *ledger;
};

struct own_pump *own_pump_new(void)
{
    struct own_pump *p = mem_alloc(sizeof(*p));
    pthread_condattr_t attr;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    return p;
}

void own_pump_wake(void *pump)
{
    struct own_pump *p = pump;
    (void)pthread_mutex_lock(&p->lock);
    p->woken = true;
    (void)pthread_cond_signal(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
}

static void ask_all(struct own_pump *p)
{
    struct lease_ask asks[BATCH];
    struct lease_answer answers[BATCH];
    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t n = quota_gather_asks(p->table, BATCH, asks);
        if (n == 0) {
            return;
        }
        own_ledger_answer(p->ledger, asks, n, answers);
        (void)quota_answered_list(p->table, answers, n, 1);
    }
    own_pump_wake(p);
}

static struct timespec after(uint64_t ms)
{
    struct timespec t;
    ms = ms < FAR_MS ? ms : FAR_MS;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static void *run(void *arg)
{
    struct own_pump *p = arg;
    bool stopping = false;
    (void)prctl(PR_SET_NAME, "ledger");
    while (!stopping) {
        ask_all(p);
        uint64_t due = quota_due_ms(p->table);
        struct timespec by = after(due ? due : 1);
        (void)pthread_mutex_lock(&p->lock);
        while (!p->woken && !p->stopping &&
               pthread_cond_timedwait(&p->changed, &p->lock, &by) == 0) {
        }
        p->woken = false;
        stopping = p->stopping;
        (void)pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

bool own_pump_start(struct own_pump *p, struct quota_table *t, struct own_ledger *l,
                    struct error *err)
{
    p->table = t;
    p->ledger = l;
    quota_reachable(t, true);
    p->started = pthread_create(&p->thread, NULL, run, p) == 0;
    return p->started || error_set(err, ERR_INTERNAL, "cannot start the ledger's thread");
}

void own_pump_stop(struct own_pump *p)
{
    if (!p || !p->started) {
        return;
    }
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_signal(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    p->started = false;
}

void own_pump_free(struct own_pump *p)
{
    if (!p) {
        return;
    }
    own_pump_stop(p);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    mem_free(p);
}
