/* The threads that run the jobs when they are due: one for those in the database, one for those
 * that wait for others. */
#include "controlplane/jobs/schedule.h"

#include <assert.h>
#include <pthread.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/store/db_upkeep.h"

/* A thread with its jobs. */
struct lane {
    struct schedule *schedule;
    pthread_t thread;
    size_t n;
    uint64_t *due_ms; /* by job, on the monotonic clock */
    void (*run)(struct lane *l, size_t i);
};

struct schedule {
    struct db_pool *pool;
    struct job_settings settings;
    struct identity *identity; /* NULL: no second lane */
    struct lane inside, outside;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop;
};

bool job_run(struct db_pool *pool, const struct job *job, const struct job_settings *settings,
             bool *ret_ran, size_t *ret_n, struct error *err)
{
    bool mine = false;
    size_t n = 0;
    struct tx *t = tx_begin(pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!upkeep_lock(t, job->name, &mine, err) || (mine && !job->run(t, settings, &n, err))) {
        tx_rollback(t);
        return false;
    }
    if (!tx_commit(t, NULL, err)) {
        return false;
    }
    *ret_ran = mine;
    *ret_n = n;
    return true;
}

static void log_end(const char *name, bool ok, size_t n, const struct error *err)
{
    if (!ok) {
        log_write(LOG_WARN, "job_failed", "job failed and is tried again at its next turn",
                  LOG_Z("job", name), LOG_Z("error", error_text(err)));
    } else if (n > 0) {
        log_write(LOG_INFO, "job_done", "job done", LOG_Z("job", name), LOG_U("n", n));
    }
}

static void run_inside(struct lane *l, size_t i)
{
    struct error err = ERROR_INIT;
    bool ran = false;
    size_t n = 0;
    bool ok = job_run(l->schedule->pool, &jobs[i], &l->schedule->settings, &ran, &n, &err);
    log_end(jobs[i].name, ok, ran ? n : 0, &err);
    l->due_ms[i] = clock_mono_ms() + jobs[i].every_ms;
}

static void run_outside(struct lane *l, size_t i)
{
    struct error err = ERROR_INIT;
    size_t n = 0;
    bool ok = outside_jobs[i].run(l->schedule->identity, &n, &err);
    log_end(outside_jobs[i].name, ok, n, &err);
    l->due_ms[i] = clock_mono_ms() + outside_jobs[i].every_ms;
}

static uint64_t next_due(const struct lane *l)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < l->n; i++) {
        if (l->due_ms[i] < first) {
            first = l->due_ms[i];
        }
    }
    return first;
}

/* True when it is time to stop. */
static bool sleep_until_due(struct lane *l)
{
    struct schedule *s = l->schedule;
    uint64_t due = next_due(l);
    struct timespec until = {.tv_sec = (time_t)(due / 1000),
                             .tv_nsec = (long)(due % 1000) * 1000000};
    pthread_mutex_lock(&s->lock);
    while (!s->stop && clock_mono_ms() < due) {
        (void)pthread_cond_timedwait(&s->stopped, &s->lock, &until);
    }
    bool stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return stop;
}

static void *lane_thread(void *arg)
{
    struct lane *l = arg;
    while (!sleep_until_due(l)) {
        uint64_t now = clock_mono_ms();
        for (size_t i = 0; i < l->n; i++) {
            if (l->due_ms[i] <= now) {
                l->run(l, i);
            }
        }
    }
    return NULL;
}

static void lane_init(struct lane *l, struct schedule *s, size_t n,
                      void (*run)(struct lane *, size_t))
{
    l->schedule = s;
    l->n = n;
    l->due_ms = mem_alloc((n + 1) * sizeof *l->due_ms);
    l->run = run;
}

static void lane_start(struct lane *l)
{
    int rc = pthread_create(&l->thread, NULL, lane_thread, l);
    assert(rc == 0);
    (void)rc;
}

struct schedule *schedule_start(struct db_pool *pool, const struct job_settings *settings,
                                struct identity *identity)
{
    struct schedule *s = mem_alloc(sizeof *s);
    pthread_condattr_t attr;
    s->pool = pool;
    s->settings = *settings;
    s->identity = identity;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->stopped, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    lane_init(&s->inside, s, jobs_count, run_inside);
    lane_init(&s->outside, s, identity ? outside_jobs_count : 0, run_outside);
    for (size_t i = 0; i < jobs_count; i++) {
        run_inside(&s->inside, i);
    }
    lane_start(&s->inside);
    if (identity) {
        lane_start(&s->outside);
    }
    return s;
}

void schedule_stop(struct schedule *s)
{
    if (!s) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->stopped);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->inside.thread, NULL);
    if (s->identity) {
        pthread_join(s->outside.thread, NULL);
    }
    pthread_cond_destroy(&s->stopped);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->inside.due_ms);
    mem_free(s->outside.due_ms);
    mem_free(s);
}
