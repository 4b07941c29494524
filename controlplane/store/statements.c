/* One statement: events, their attempts, and what those used, summed by line; and beside them the
 * total of the events themselves. Held to the days that the span allows; a day more at either end
 * covers clocks that differ (an event's day is its id's, its time its own). */
#include "controlplane/store/statements.h"

#include "controlplane/store/object.h"

#define DAY_MS 86400000ull
#define DAY_OF(n) "(to_timestamp(" n "::bigint / 1000.0) AT TIME ZONE 'UTC')::date"
#define NO_ID "'00000000-0000-0000-0000-000000000000'::uuid"

static const char sql[] =
    "WITH e AS MATERIALIZED ("
    "SELECT e.day, e.id, coalesce(e.team_id, " NO_ID ") AS team, "
    "coalesce(e.workspace_id, " NO_ID ") AS workspace, "
    "CASE WHEN $8 THEN coalesce(e.key_id, " NO_ID ") ELSE " NO_ID " END AS key, e.model, "
    "e.cost_nanousd AS cost, e.list_nanousd AS list FROM usage_events e "
    "WHERE e.organization_id = $1 AND (NOT $2 OR e.workspace_id = ANY($3::text[]::uuid[])) "
    "AND ($4::uuid IS NULL OR e.team_id = $4::uuid) "
    "AND e.started_at >= $5::timestamptz AND e.started_at < $6::timestamptz "
    "AND e.day >= " DAY_OF("$7") " AND e.day <= " DAY_OF(
        "$9") "), "
              /* each attempt, or the event alone where there was none; the last bears what its
               * event differs by */
              "a AS ("
              "SELECT e.day, e.id, e.team, e.workspace, e.key, t.attempt, coalesce(t.provider, '') "
              "AS "
              "provider, coalesce(nullif(t.model, ''), e.model) AS model, "
              "row_number() OVER w = 1 AS last, "
              "coalesce(t.cost_nanousd, 0)::numeric + CASE WHEN row_number() OVER w = 1 THEN "
              "e.cost - "
              "coalesce(sum(t.cost_nanousd) OVER s, 0) ELSE 0 END AS cost, "
              "coalesce(t.list_nanousd, 0)::numeric + CASE WHEN row_number() OVER w = 1 THEN "
              "e.list - "
              "coalesce(sum(t.list_nanousd) OVER s, 0) ELSE 0 END AS list "
              "FROM e LEFT JOIN usage_attempts t ON t.day = e.day AND t.event_id = e.id "
              "AND t.organization_id = $1 AND t.day >= " DAY_OF("$7") " AND t.day <= " DAY_OF(
                  "$9") " "
                        "WINDOW w AS (PARTITION BY e.day, e.id ORDER BY t.attempt DESC NULLS "
                        "LAST), "
                        "s AS (PARTITION BY e.day, e.id)), "
                        "l AS (SELECT team, workspace, key, provider, model, count(*) FILTER "
                        "(WHERE last) AS events, "
                        "count(attempt) AS attempts, sum(list) AS list, sum(cost) AS cost FROM a "
                        "GROUP BY team, workspace, key, provider, model), "
                        "u AS (SELECT a.team, a.workspace, a.key, a.provider, a.model, q.unit, "
                        "sum(q.quantity) AS n "
                        "FROM a JOIN usage_quantities q ON q.day = a.day AND q.event_id = a.id AND "
                        "q.attempt = "
                        "a.attempt AND q.organization_id = $1 AND q.day >= " DAY_OF(
                            "$7") " AND q.day <= " DAY_OF("$9") " GROUP BY a.team, a.workspace, "
                                                                "a.key, a.provider, a.model, "
                                                                "q.unit), "
                                                                "j AS (SELECT team, workspace, "
                                                                "key, provider, model, "
                                                                "json_object_agg(unit, n ORDER BY "
                                                                "unit) "
                                                                "AS quantities FROM u GROUP BY "
                                                                "team, workspace, key, provider, "
                                                                "model), "
                                                                "total AS (SELECT count(*) AS "
                                                                "events, coalesce(sum(list), 0) AS "
                                                                "list, coalesce(sum(cost), 0) "
                                                                "AS cost FROM e), "
                                                                "tries AS (SELECT count(attempt) "
                                                                "AS n FROM a) "
                                                                "SELECT l.team, l.workspace, "
                                                                "l.key, t.name, w.name, k.name, "
                                                                "l.provider, l.model, l.events, "
                                                                "l.attempts, l.list, l.cost, "
                                                                "coalesce(j.quantities::text, "
                                                                "'{}'), total.events, tries.n, "
                                                                "total.list, total.cost "
                                                                "FROM total CROSS JOIN tries LEFT "
                                                                "JOIN l ON true LEFT JOIN j USING "
                                                                "(team, workspace, key, "
                                                                "provider, model) LEFT JOIN teams "
                                                                "t ON t.id = l.team LEFT JOIN "
                                                                "workspaces w ON w.id = "
                                                                "l.workspace LEFT JOIN "
                                                                "virtual_keys k ON k.id = l.key "
                                                                "ORDER BY lower(t.name) NULLS "
                                                                "FIRST, l.team, lower(w.name), "
                                                                "l.workspace, lower(k.name), "
                                                                "l.key, "
                                                                "l.provider COLLATE \"C\", l.model "
                                                                "COLLATE \"C\" LIMIT $10";

static struct str text_of(const struct db_rows *rows, size_t i, int column, struct arena *a)
{
    return db_is_null(rows, i, column) ? STR_NONE : arena_str(a, db_text(rows, i, column));
}

static void read_line(const struct db_rows *rows, size_t i, struct arena *a,
                      struct statement_line *l)
{
    struct str *texts[] = {&l->team_name,    &l->workspace_name, &l->key_name, &l->provider,
                           &l->model,        &l->events,         &l->attempts, &l->list_nanousd,
                           &l->cost_nanousd, &l->quantities_json};
    l->team = db_uuid(rows, i, 0);
    l->workspace = db_uuid(rows, i, 1);
    l->key = db_uuid(rows, i, 2);
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        *texts[k] = text_of(rows, i, 3 + (int)k, a);
    }
}

bool statement_read(struct tx *t, const struct statement_query *q, struct arena *a,
                    struct statement_line **ret, size_t *ret_n, struct statement_total *ret_total,
                    struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *workspaces = object_id_texts(q->workspaces, q->n_workspaces, a);
    if (!tx_exec(t, &rows, err, sql, DB_UUID(q->organization), DB_BOOL(q->only_workspaces),
                 DB_TEXTS(workspaces, q->n_workspaces), q->team ? DB_UUID(q->team) : DB_NULL,
                 DB_TIME_MS(q->from_ms), DB_TIME_MS(q->to_ms),
                 DB_I64(q->from_ms > DAY_MS ? q->from_ms - DAY_MS : 0), DB_BOOL(q->by_key),
                 DB_I64(q->to_ms + DAY_MS), DB_I64(q->limit + 1))) {
        return false;
    }
    size_t n = db_count(rows);
    bool none = n == 0 || db_is_null(rows, 0, 0); /* the total alone */
    struct statement_line *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && !none && i < n; i++) {
        read_line(rows, i, a, &list[i]);
    }
    *ret_total = (struct statement_total){
        .events = text_of(rows, 0, 13, a),
        .attempts = text_of(rows, 0, 14, a),
        .list_nanousd = text_of(rows, 0, 15, a),
        .cost_nanousd = text_of(rows, 0, 16, a),
    };
    db_rows_free(rows);
    *ret = list;
    *ret_n = none ? 0 : n;
    return list != NULL || error_set(err, ERR_OVERLOADED, "the statement is too large");
}

bool statement_team(struct tx *t, const struct statement_query *q, struct str name, struct arena *a,
                    struct uuid *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *workspaces = object_id_texts(q->workspaces, q->n_workspaces, a);
    return tx_exec(t, &rows, err,
                   "SELECT id FROM teams WHERE organization_id = $1 AND lower(name) = lower($2) "
                   "AND (NOT $3 OR workspace_id IS NULL OR workspace_id = "
                   "ANY($4::text[]::uuid[])) ORDER BY workspace_id IS NOT NULL, id LIMIT 1",
                   DB_UUID(q->organization), DB_STR(name), DB_BOOL(q->only_workspaces),
                   DB_TEXTS(workspaces, q->n_workspaces)) &&
           object_take_id(rows, ret, err);
}
