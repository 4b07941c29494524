/* The control plane's upkeep: one thread, one table of jobs with their intervals. Any number of
 * instances may run it on one database: an advisory lock lets only one do a job at a time, and
 * doing one twice is harmless. */
#ifndef CONTROLPLANE_JOBS_SCHEDULE_H
#define CONTROLPLANE_JOBS_SCHEDULE_H

#include "common/base/error.h"

struct db_pool;
struct schedule;
struct tx;

struct job {
    const char *name;
    uint64_t every_ms;
    /* In a TX_SYSTEM transaction under the job's lock. *ret_n: what it did, for the log; 0 is not
     * logged. */
    bool (*run)(struct tx *t, size_t *ret_n, struct error *err);
};
extern const struct job jobs[];
extern const size_t jobs_count;

/* Runs one job now, in its own transaction. *ret_ran false: another instance was at it. Blocks. */
bool job_run(struct db_pool *pool, const struct job *job, bool *ret_ran, size_t *ret_n,
             struct error *err);

/* Runs each job once in the caller's thread (a failure is logged and tried again at its next turn),
 * then starts the thread. Blocks meanwhile. */
struct schedule *schedule_start(struct db_pool *pool);
/* Waits for a running job to end. Accepts NULL. */
void schedule_stop(struct schedule *s);

#endif
