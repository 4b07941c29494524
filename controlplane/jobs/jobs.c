/* THE table of jobs. */
#include "controlplane/jobs/schedule.h"

#include "controlplane/store/db_upkeep.h"

#define MINUTE_MS 60000u
#define HOUR_MS (60u * MINUTE_MS)
#define PARTITION_DAYS_AHEAD 3
#define CHANGE_LOG_DAYS 7

static bool run_partitions(struct tx *t, size_t *ret_n, struct error *err)
{
    return upkeep_partitions(t, PARTITION_DAYS_AHEAD, ret_n, err);
}

static bool run_changes(struct tx *t, size_t *ret_n, struct error *err)
{
    return upkeep_changes(t, CHANGE_LOG_DAYS, ret_n, err);
}

const struct job jobs[] = {
    {"usage_partitions", HOUR_MS, run_partitions},
    {"expire_sessions", 5 * MINUTE_MS, upkeep_sessions},
    {"expire_idempotency_keys", 15 * MINUTE_MS, upkeep_idempotency},
    {"expire_enrolment_tokens", HOUR_MS, upkeep_enrolment},
    {"expire_login_throttle", HOUR_MS, upkeep_throttle},
    {"trim_change_log", HOUR_MS, run_changes},
};
const size_t jobs_count = sizeof jobs / sizeof *jobs;
