/* SQL of the jobs. */
#include "controlplane/store/db_upkeep.h"

bool upkeep_lock(struct tx *t, const char *job, bool *ret_mine, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, NULL, err, "SET LOCAL lock_timeout = '5s'") ||
        !tx_exec(t, &rows, err,
                 "SELECT pg_try_advisory_xact_lock(hashtext('weir job'), hashtext($1))",
                 DB_Z(job))) {
        return false;
    }
    *ret_mine = db_bool(rows, 0, 0);
    db_rows_free(rows);
    return true;
}

static bool first_number(struct tx *t, const char *sql, int64_t param, size_t *ret_n,
                         struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, sql, DB_I64(param))) {
        return false;
    }
    *ret_n = (size_t)db_i64(rows, 0, 0);
    db_rows_free(rows);
    return true;
}

static bool count_deleted(struct tx *t, const char *sql, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, sql)) {
        return false;
    }
    *ret_n = db_affected(rows);
    db_rows_free(rows);
    return true;
}

bool upkeep_partitions(struct tx *t, unsigned days_ahead, size_t *ret_n, struct error *err)
{
    return first_number(
        t, "SELECT ensure_usage_partitions(current_date - 1, current_date + $1::integer)",
        days_ahead, ret_n, err);
}

bool upkeep_sessions(struct tx *t, size_t *ret_n, struct error *err)
{
    return count_deleted(t, "DELETE FROM sessions WHERE expires_at < now()", ret_n, err);
}

bool upkeep_idempotency(struct tx *t, size_t *ret_n, struct error *err)
{
    return count_deleted(
        t, "DELETE FROM idempotency_keys WHERE created_at < now() - interval '1 day'", ret_n, err);
}

bool upkeep_enrolment(struct tx *t, size_t *ret_n, struct error *err)
{
    return count_deleted(
        t, "DELETE FROM enrolment_tokens WHERE expires_at < now() - interval '1 day'", ret_n, err);
}

bool upkeep_throttle(struct tx *t, size_t *ret_n, struct error *err)
{
    return count_deleted(t,
                         "DELETE FROM login_throttle WHERE window_start < now() - interval '1 day'"
                         " AND (locked_until IS NULL OR locked_until < now())",
                         ret_n, err);
}

bool upkeep_changes(struct tx *t, unsigned keep_days, size_t *ret_n, struct error *err)
{
    return first_number(t, "SELECT trim_changes($1 * interval '1 day')", keep_days, ret_n, err);
}
