/* Around the ledger's accounts: the rules that hold for them, alerts, and clearing away. */
#include "controlplane/store/ledger.h"
#include "controlplane/store/object.h"

#define PRUNE_MAX 20000

/* Both tables in one shape; a missing member is "" or 0. */
static const char rules_sql[] =
    "SELECT id, organization_id, workspace_id, false, disabled, name, metric, time_window, zone, "
    "mode, '', amount, 0, extra_amount, extra_until, alert_percents::text[] FROM budgets "
    "WHERE id = ANY($1::text[]::uuid[]) UNION ALL "
    "SELECT id, organization_id, workspace_id, true, disabled, name, metric, time_window, '', "
    "'', algorithm, amount, burst, 0, NULL, '{}' FROM limits WHERE id = ANY($1::text[]::uuid[])";

static bool read_percents(const struct db_rows *rows, size_t i, struct arena *a,
                          struct ledger_rule_row *ret)
{
    struct str *texts = NULL;
    size_t n = db_texts(rows, i, 15, a, &texts);
    int32_t *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t k = 0; list && k < n; k++) {
        int64_t v = 0;
        (void)str_to_i64(texts[k], &v);
        list[k] = (int32_t)v;
    }
    ret->alert_percents = list;
    ret->n_alert_percents = list ? n : 0;
    return list != NULL;
}

static bool read_rule(const struct db_rows *rows, size_t i, struct arena *a,
                      struct ledger_rule_row *ret)
{
    *ret = (struct ledger_rule_row){.id = db_uuid(rows, i, 0),
                                    .organization = db_uuid(rows, i, 1),
                                    .workspace = db_uuid(rows, i, 2),
                                    .limit = db_bool(rows, i, 3),
                                    .disabled = db_bool(rows, i, 4),
                                    .name = arena_str(a, db_text(rows, i, 5)),
                                    .metric = arena_str(a, db_text(rows, i, 6)),
                                    .window = arena_str(a, db_text(rows, i, 7)),
                                    .zone = arena_str(a, db_text(rows, i, 8)),
                                    .mode = arena_str(a, db_text(rows, i, 9)),
                                    .algorithm = arena_str(a, db_text(rows, i, 10)),
                                    .amount = db_i64(rows, i, 11),
                                    .burst = db_i64(rows, i, 12),
                                    .extra_amount = db_i64(rows, i, 13),
                                    .extra_until_ms = db_time_ms(rows, i, 14)};
    return read_percents(rows, i, a, ret);
}

bool ledger_rules_read(struct tx *t, const struct uuid *ids, size_t n, struct arena *a,
                       struct ledger_rule_row **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *texts = object_id_texts(ids, n, a);
    if (!texts) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!tx_exec(t, &rows, err, rules_sql, DB_TEXTS(texts, n))) {
        return false;
    }
    size_t count = db_count(rows);
    struct ledger_rule_row *list = arena_zalloc(a, (count + 1) * sizeof *list);
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        ok = read_rule(rows, i, a, &list[i]);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = count;
    return ok || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool ledger_alerts_add(struct tx *t, const struct ledger_alert *list, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct ledger_account *x = list[i].account;
        struct uuid id = uuid_v7();
        if (!tx_exec(t, NULL, err,
                     "INSERT INTO alert_events (id, organization_id, workspace_id, kind, "
                     "budget_id, bucket, window_start, percent, settled, amount, metric) VALUES "
                     "($1, $2, "
                     "$3, 'budget_threshold', $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
                     DB_UUID(&id), DB_UUID(&x->organization), DB_UUID_OR_NULL(&list[i].workspace),
                     DB_UUID(&x->key.quota), DB_STR(x->key.bucket), DB_I64(x->key.window_start_s),
                     DB_I64(list[i].percent), DB_I64(x->settled), DB_I64(x->amount),
                     DB_STR(list[i].metric))) {
            return false;
        }
    }
    return true;
}

static bool pruned(struct tx *t, const char *sql, int64_t param, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, sql, DB_I64(param))) {
        return false;
    }
    *ret_n += db_affected(rows);
    db_rows_free(rows);
    return true;
}

bool ledger_prune_limits(struct tx *t, size_t *ret_n, struct error *err)
{
    *ret_n = 0;
    /* Ten minutes are left for clocks that differ. Buckets and slots that nobody holds are as good
     * as new after two days, unless more fits in than two days refill. */
    return pruned(t,
                  "DELETE FROM limit_accounts WHERE ctid = ANY(ARRAY(SELECT ctid FROM "
                  "limit_accounts WHERE window_end > 0 AND 2 * window_end - window_start < "
                  "extract(epoch FROM now())::bigint - 600 LIMIT $1 FOR NO KEY UPDATE SKIP "
                  "LOCKED))",
                  PRUNE_MAX, ret_n, err) &&
           pruned(t,
                  "DELETE FROM limit_accounts WHERE ctid = ANY(ARRAY(SELECT ctid FROM "
                  "limit_accounts a WHERE window_end = 0 AND held = 0 AND updated_at < now() - "
                  "interval '2 days' AND (updated_at < now() - interval '400 days' OR NOT EXISTS "
                  "(SELECT 1 FROM limits l WHERE l.id = a.quota_id AND l.time_window = 'day' AND "
                  "l.burst > l.amount)) LIMIT $1 FOR NO KEY UPDATE OF a SKIP LOCKED))",
                  PRUNE_MAX, ret_n, err);
}

bool ledger_prune(struct tx *t, unsigned keep_days, size_t *ret_n, struct error *err)
{
    *ret_n = 0;
    return pruned(t,
                  "DELETE FROM ledger_accounts WHERE ctid = ANY(ARRAY(SELECT ctid FROM "
                  "ledger_accounts a WHERE updated_at < now() - $1 * interval '1 day' AND "
                  "(window_end > 0 OR NOT EXISTS (SELECT 1 FROM budgets b WHERE b.id = "
                  "a.quota_id)) AND window_end < extract(epoch FROM now())::bigint - $1 * 86400 "
                  "LIMIT 20000 FOR NO KEY UPDATE SKIP LOCKED))",
                  keep_days, ret_n, err) &&
           pruned(t, "DELETE FROM alert_events WHERE at < now() - $1 * interval '1 day'", keep_days,
                  ret_n, err);
}
