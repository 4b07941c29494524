/* The control plane's upkeep: a thread (and one for what waits for others), one table of jobs with
 * their intervals. Any number of instances may run it on one database: an advisory lock lets only
 * one do a job at a time, and doing one twice is harmless. */
#ifndef CONTROLPLANE_JOBS_SCHEDULE_H
#define CONTROLPLANE_JOBS_SCHEDULE_H

#include "common/base/error.h"

struct db_pool;
struct identity;
struct schedule;
struct tx;

/* What the operator chose. */
struct job_settings {
    uint64_t lease_writeoff_ms; /* 0: leases of dead proxies are written off by hand only */
};

struct job {
    const char *name;
    uint64_t every_ms;
    /* In a TX_SYSTEM transaction under the job's lock. *ret_n: what it did, for the log; 0 is not
     * logged. */
    bool (*run)(struct tx *t, const struct job_settings *s, size_t *ret_n, struct error *err);
};
extern const struct job jobs[];
extern const size_t jobs_count;

/* A job that waits for others than the database: it opens its own transactions, has no lock, and
 * runs on a thread of its own, where it keeps no other job waiting. */
struct outside_job {
    const char *name;
    uint64_t every_ms;
    bool (*run)(struct identity *identity, size_t *ret_n, struct error *err);
};
extern const struct outside_job outside_jobs[];
extern const size_t outside_jobs_count;

/* Runs one job now, in its own transaction. *ret_ran false: another instance was at it. Blocks. */
bool job_run(struct db_pool *pool, const struct job *job, const struct job_settings *settings,
             bool *ret_ran, size_t *ret_n, struct error *err);

/* settings are copied. Runs each job once in the caller's thread (a failure is logged and tried
 * again at its next turn), then starts the threads; those that wait for others begin there. Blocks
 * meanwhile. identity NULL: without those. */
struct schedule *schedule_start(struct db_pool *pool, const struct job_settings *settings,
                                struct identity *identity);
/* Waits for a running job to end. Accepts NULL. */
void schedule_stop(struct schedule *s);

#endif
