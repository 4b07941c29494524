/* Lists of the ledger: see ledger_read.h. */
#include "controlplane/store/ledger_read.h"

#include "controlplane/store/object.h"

#define OPTIONAL_ID(p) ((p) ? DB_UUID(p) : DB_NULL)

static struct str optional_text(const struct db_rows *rows, size_t i, int col, struct arena *a)
{
    return db_is_null(rows, i, col) ? STR_NONE : arena_str(a, db_text(rows, i, col));
}

static bool end(struct db_rows *rows, size_t n, const void *list, size_t *ret_n, struct error *err)
{
    db_rows_free(rows);
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

#define ACCOUNTS_SQL(book)                                                                        \
    "SELECT id, window_start, window_end, bucket, amount, settled, held, overrun, presumed, "     \
    "level_milli, level_ms "                                                                      \
    "FROM " book "_accounts WHERE quota_id = $1 AND ($2::text IS NULL OR bucket = $2::text) AND " \
    "($4 = 0 OR (window_start, id) < ($3, $4)) ORDER BY window_start DESC, id DESC LIMIT $5"
static const char *const accounts_sql[LEDGER_BOOKS] = {ACCOUNTS_SQL("ledger"),
                                                       ACCOUNTS_SQL("limit")};

bool ledger_account_list(struct tx *t, const struct ledger_account_query *q, struct arena *a,
                         struct ledger_account_row **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, accounts_sql[q->book], DB_UUID(q->quota), DB_STR(q->bucket),
                 DB_I64(q->after_window_s), DB_I64(q->after_id), DB_I64(q->limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct ledger_account_row *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct ledger_account_row){.id = db_i64(rows, i, 0),
                                              .window_start_s = db_i64(rows, i, 1),
                                              .window_end_s = db_i64(rows, i, 2),
                                              .bucket = arena_str(a, db_text(rows, i, 3)),
                                              .amount = db_i64(rows, i, 4),
                                              .settled = db_i64(rows, i, 5),
                                              .held = db_i64(rows, i, 6),
                                              .overrun = db_i64(rows, i, 7),
                                              .presumed = db_i64(rows, i, 8),
                                              .level_milli = db_i64(rows, i, 9),
                                              .level_ms = db_i64(rows, i, 10)};
    }
    *ret = list;
    return end(rows, n, list, ret_n, err);
}

static const char leases_sql[] =
    "SELECT l.account_id, l.holder, l.data_plane_id, a.quota_id, b.workspace_id, p.name, b.name, "
    "b.metric, a.bucket, a.window_start, greatest(l.granted - l.returned - l.settled::numeric - "
    "l.presumed, 0), l.presumed, p.last_seen_at, l.created_at FROM ledger_leases l JOIN "
    "ledger_accounts a ON a.id = l.account_id LEFT JOIN data_planes p ON p.id = l.data_plane_id "
    "LEFT JOIN budgets b ON b.id = a.quota_id WHERE l.organization_id = $1 AND NOT l.closed AND "
    "(l.presumed > 0 OR l.granted - l.returned > l.settled) AND (p.id IS NULL OR p.revoked_at IS "
    "NOT NULL OR p.last_seen_at IS NULL OR p.last_seen_at < now() - $2 * interval '1 "
    "millisecond') AND (NOT $3 OR b.workspace_id = ANY($4::text[]::uuid[])) AND ($5 = 0 OR "
    "(l.account_id, l.holder) > ($5, $6)) ORDER BY l.account_id, l.holder LIMIT $7";

bool ledger_lease_list(struct tx *t, const struct ledger_lease_query *q, struct arena *a,
                       struct ledger_lease_row **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *workspaces = object_id_texts(q->workspaces, q->n_workspaces, a);
    if (!tx_exec(t, &rows, err, leases_sql, DB_UUID(q->organization), DB_I64(q->silent_ms),
                 DB_BOOL(q->only_workspaces), DB_TEXTS(workspaces, q->n_workspaces),
                 DB_I64(q->after_account), DB_UUID(&q->after_holder), DB_I64(q->limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct ledger_lease_row *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct ledger_lease_row){.account = db_i64(rows, i, 0),
                                            .holder = db_uuid(rows, i, 1),
                                            .plane = db_uuid(rows, i, 2),
                                            .budget = db_uuid(rows, i, 3),
                                            .workspace = db_uuid(rows, i, 4),
                                            .plane_name = optional_text(rows, i, 5, a),
                                            .budget_name = optional_text(rows, i, 6, a),
                                            .metric = optional_text(rows, i, 7, a),
                                            .bucket = arena_str(a, db_text(rows, i, 8)),
                                            .window_start_s = db_i64(rows, i, 9),
                                            .held = db_i64(rows, i, 10),
                                            .presumed = db_i64(rows, i, 11),
                                            .last_seen_ms = db_time_ms(rows, i, 12),
                                            .since_ms = db_time_ms(rows, i, 13)};
    }
    *ret = list;
    return end(rows, n, list, ret_n, err);
}

static const char alerts_sql[] =
    "SELECT id, organization_id, workspace_id, budget_id, kind, metric, bucket, window_start, "
    "percent, settled, amount, at FROM alert_events WHERE organization_id = $1 AND ($2::uuid IS "
    "NULL OR budget_id = $2::uuid) AND ($3::uuid IS NULL OR id < $3::uuid) AND (NOT $4 OR "
    "workspace_id = ANY($5::text[]::uuid[])) AND ($6::timestamptz IS NULL OR at >= "
    "$6::timestamptz) AND ($7::timestamptz IS NULL OR at < $7::timestamptz) ORDER BY id DESC "
    "LIMIT $8";

bool alert_list(struct tx *t, const struct alert_query *q, struct arena *a, struct alert_row **ret,
                size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *workspaces = object_id_texts(q->workspaces, q->n_workspaces, a);
    if (!tx_exec(t, &rows, err, alerts_sql, DB_UUID(q->organization), OPTIONAL_ID(q->budget),
                 OPTIONAL_ID(q->before), DB_BOOL(q->only_workspaces),
                 DB_TEXTS(workspaces, q->n_workspaces), DB_TIME_MS(q->from_ms),
                 DB_TIME_MS(q->to_ms), DB_I64(q->limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct alert_row *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct alert_row){.id = db_uuid(rows, i, 0),
                                     .organization = db_uuid(rows, i, 1),
                                     .workspace = db_uuid(rows, i, 2),
                                     .budget = db_uuid(rows, i, 3),
                                     .kind = arena_str(a, db_text(rows, i, 4)),
                                     .metric = arena_str(a, db_text(rows, i, 5)),
                                     .bucket = arena_str(a, db_text(rows, i, 6)),
                                     .window_start_s = db_i64(rows, i, 7),
                                     .percent = db_i64(rows, i, 8),
                                     .settled = db_i64(rows, i, 9),
                                     .amount = db_i64(rows, i, 10),
                                     .at_ms = db_time_ms(rows, i, 11)};
    }
    *ret = list;
    return end(rows, n, list, ret_n, err);
}
