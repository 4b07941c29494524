/* THE tables of jobs. */
#include "controlplane/jobs/schedule.h"

#include <stdio.h>

#include "controlplane/identity/identity.h"
#include "controlplane/ledger/ledger.h"
#include "controlplane/store/db_upkeep.h"
#include "controlplane/store/ledger.h"
#include "controlplane/store/user_identities.h"

#define SECOND_MS 1000u
#define MINUTE_MS 60000u
#define HOUR_MS (60u * MINUTE_MS)
#define PARTITION_DAYS_AHEAD 3
#define CHANGE_LOG_DAYS 7

static bool run_partitions(struct tx *t, const struct job_settings *s, size_t *ret_n,
                           struct error *err)
{
    (void)s;
    return upkeep_partitions(t, PARTITION_DAYS_AHEAD, ret_n, err);
}

static bool run_changes(struct tx *t, const struct job_settings *s, size_t *ret_n,
                        struct error *err)
{
    (void)s;
    return upkeep_changes(t, CHANGE_LOG_DAYS, ret_n, err);
}

/* Those that need no settings. */
#define PLAIN(name)                                                                   \
    static bool run_##name(struct tx *t, const struct job_settings *s, size_t *ret_n, \
                           struct error *err)                                         \
    {                                                                                 \
        (void)s;                                                                      \
        return upkeep_##name(t, ret_n, err);                                          \
    }

static bool run_logins(struct tx *t, const struct job_settings *s, size_t *ret_n, struct error *err)
{
    (void)s;
    return login_flows_delete_ended(t, ret_n, err);
}

PLAIN(sessions)
PLAIN(idempotency)
PLAIN(enrolment)
PLAIN(throttle)

/* What proxies that are gone hold of limits is free again; windows that are over go. */
static bool run_limits(struct tx *t, const struct job_settings *s, size_t *ret_n, struct error *err)
{
    size_t pruned = 0;
    (void)s;
    return ledger_free_limits(t, LEDGER_PRESENT_MS, ret_n, err) &&
           ledger_prune_limits(t, &pruned, err);
}

static bool note_written_off(struct tx *t, const struct ledger_written_off *r, struct error *err)
{
    char after[200];
    (void)snprintf(after, sizeof after,
                   "{\"leases\":%zu,\"cost_nanousd\":%lld,\"tokens\":%lld,\"requests\":%lld}",
                   r->leases, (long long)r->cost_nanousd, (long long)r->tokens,
                   (long long)r->requests);
    return tx_audit(t, "ledger.write_off", "organization", &r->organization, &r->organization,
                    "leases of proxies that are gone", NULL, after, err);
}

static bool run_write_off(struct tx *t, const struct job_settings *s, size_t *ret_n,
                          struct error *err)
{
    struct ledger_written_off *list = NULL;
    size_t n = 0;
    if (s->lease_writeoff_ms == 0) {
        return true;
    }
    struct arena *a = arena_new(0);
    bool ok = ledger_write_off(t, NULL, NULL, s->lease_writeoff_ms, a, &list, &n, err);
    for (size_t i = 0; ok && i < n; i++) {
        *ret_n += list[i].leases;
        ok = note_written_off(t, &list[i], err);
    }
    arena_free(a);
    return ok;
}

static bool run_ledger(struct tx *t, const struct job_settings *s, size_t *ret_n, struct error *err)
{
    (void)s;
    return ledger_prune(t, LEDGER_KEEP_DAYS, ret_n, err);
}

const struct job jobs[] = {
    {"usage_partitions", HOUR_MS, run_partitions},
    {"expire_logins", 5 * MINUTE_MS, run_logins},
    {"expire_sessions", 5 * MINUTE_MS, run_sessions},
    {"expire_idempotency_keys", 15 * MINUTE_MS, run_idempotency},
    {"expire_enrolment_tokens", HOUR_MS, run_enrolment},
    {"expire_login_throttle", HOUR_MS, run_throttle},
    {"trim_change_log", HOUR_MS, run_changes},
    {"free_limit_leases", 5000, run_limits},
    {"write_off_leases", MINUTE_MS, run_write_off},
    {"trim_ledger", HOUR_MS, run_ledger},
};
const size_t jobs_count = sizeof jobs / sizeof *jobs;

const struct outside_job outside_jobs[] = {
    {"refresh_issuers", 5 * SECOND_MS, identity_refresh_due},
};
const size_t outside_jobs_count = sizeof outside_jobs / sizeof *outside_jobs;
