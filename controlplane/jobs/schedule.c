/* The thread that runs the jobs when they are due. */
#include "controlplane/jobs/schedule.h"

#include <assert.h>
#include <pthread.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/store/db_upkeep.h"

struct schedule {
    struct db_pool *pool;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop;
    uint64_t *due_ms; /* by job, on the monotonic clock */
};

bool job_run(struct db_pool *pool, const struct job *job, bool *ret_ran, size_t *ret_n,
             struct error *err)
{
    bool mine = false;
    size_t n = 0;
    struct tx *t = tx_begin(pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!upkeep_lock(t, job->name, &mine, err) || (mine && !job->run(t, &n, err))) {
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

static void run_and_log(struct schedule *s, size_t i)
{
    struct error err = ERROR_INIT;
    bool ran = false;
    size_t n = 0;
    if (!job_run(s->pool, &jobs[i], &ran, &n, &err)) {
        log_write(LOG_WARN, "job_failed", "job failed and is tried again at its next turn",
                  LOG_Z("job", jobs[i].name), LOG_Z("error", error_text(&err)));
    } else if (ran && n > 0) {
        log_write(LOG_INFO, "job_done", "job done", LOG_Z("job", jobs[i].name), LOG_U("n", n));
    }
    s->due_ms[i] = clock_mono_ms() + jobs[i].every_ms;
}

static uint64_t next_due(const struct schedule *s)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < jobs_count; i++) {
        if (s->due_ms[i] < first) {
            first = s->due_ms[i];
        }
    }
    return first;
}

/* True when it is time to stop. */
static bool sleep_until_due(struct schedule *s)
{
    uint64_t due = next_due(s);
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

static void *schedule_thread(void *arg)
{
    struct schedule *s = arg;
    while (!sleep_until_due(s)) {
        uint64_t now = clock_mono_ms();
        for (size_t i = 0; i < jobs_count; i++) {
            if (s->due_ms[i] <= now) {
                run_and_log(s, i);
            }
        }
    }
    return NULL;
}

struct schedule *schedule_start(struct db_pool *pool)
{
    struct schedule *s = mem_alloc(sizeof *s);
    s->pool = pool;
    s->due_ms = mem_alloc(jobs_count * sizeof *s->due_ms);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->stopped, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    for (size_t i = 0; i < jobs_count; i++) {
        run_and_log(s, i);
    }
    int rc = pthread_create(&s->thread, NULL, schedule_thread, s);
    assert(rc == 0);
    (void)rc;
    return s;
}

void schedule_stop(struct schedule *s)
{
    if (!s) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->stopped);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->stopped);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->due_ms);
    mem_free(s);
}
