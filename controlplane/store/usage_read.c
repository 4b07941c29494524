/* Statements over usage. Each is held to the days that its ids (UUIDv7) or its times allow, so that
 * only those partitions are read; a day more at either end covers clocks that differ. */
#include "controlplane/store/usage_read.h"

#include "controlplane/store/object.h"

#define DAY_MS 86400000ull
#define DAY_OF(n) "(to_timestamp(" n "::bigint / 1000.0) AT TIME ZONE 'UTC')::date"

/* $1..$17, filled by FILTER_PARAMS. */
#define FILTER                                                                                    \
    "WHERE e.organization_id = $1 AND ($2::uuid IS NULL OR e.id = $2::uuid) "                     \
    "AND ($3::uuid IS NULL OR e.id < $3::uuid) "                                                  \
    "AND (NOT $4 OR e.workspace_id = ANY($5::text[]::uuid[])) "                                   \
    "AND ($6::uuid IS NULL OR e.key_id = $6::uuid) AND ($7::text IS NULL OR e.model = $7::text) " \
    "AND ($8::text IS NULL OR e.outcome = $8::text) "                                             \
    "AND ($9 = 0 OR e.status = $9 OR ($9 < 10 AND e.status / 100 = $9)) "                         \
    "AND ($10::timestamptz IS NULL OR e.started_at >= $10::timestamptz) "                         \
    "AND ($11::timestamptz IS NULL OR e.started_at < $11::timestamptz) "                          \
    "AND e.day >= " DAY_OF("$12") " AND e.day <= " DAY_OF(                                        \
        "$13") " "                                                                                \
               "AND ($14::uuid IS NULL OR e.config_id = $14::uuid) "                              \
               "AND ($15::uuid IS NULL OR e.prompt_id = $15::uuid) "                              \
               "AND ($16::text IS NULL OR e.cache_status = $16::text) "                           \
               "AND ($17::text IS NULL OR e.assignment = $17::text) "
#define OPTIONAL_ID(p) ((p) ? DB_UUID(p) : DB_NULL)
#define FILTER_PARAMS(q, before, workspaces, first_ms, last_ms)                               \
    DB_UUID((q)->organization), OPTIONAL_ID((q)->id), OPTIONAL_ID(before),                    \
        DB_BOOL((q)->only_workspaces), DB_TEXTS(workspaces, (q)->n_workspaces),               \
        OPTIONAL_ID((q)->key), DB_STR((q)->model), DB_STR((q)->outcome), DB_I64((q)->status), \
        DB_TIME_MS((q)->from_ms), DB_TIME_MS((q)->to_ms), DB_I64(first_ms), DB_I64(last_ms),  \
        OPTIONAL_ID((q)->config), OPTIONAL_ID((q)->prompt), DB_STR((q)->cache_status),        \
        DB_STR((q)->assignment)

/* As people know budgets and times. */
#define CHARGES                                                                              \
    "CASE WHEN e.charges = '[]' THEN '[]' ELSE (SELECT jsonb_agg(jsonb_build_object("        \
    "'budget_id', 'bud_' || replace(c->>'quota', '-', ''), 'bucket', c->'bucket', "          \
    "'window_start', CASE WHEN (c->>'window')::bigint > 0 THEN to_char(timestamp 'epoch' + " \
    "(c->>'window')::bigint * interval '1 second', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') END, "  \
    "'amount', c->'amount', 'overrun', coalesce(c->'overrun', 'false'))) FROM "              \
    "jsonb_array_elements(e.charges) c)::text END"

static const char list_sql[] =
    "SELECT e.id, e.organization_id, e.workspace_id, e.key_id, e.user_id, e.data_plane_id, k.name, "
    "e.started_at, e.received_at, e.duration_us, e.first_byte_us, e.status, e.cost_nanousd, "
    "e.config_version, "
    "e.price_version, e.endpoint, e.dialect, e.model, e.outcome, e.error_code, e.metadata::text, "
    "e.trace_id, e.stream, e.cache_status, e.saved_nanousd, e.saved_us, e.config_id, "
    "e.config_number, e.assignment, e.prompt_id, e.prompt_version, e.mirror_of, e.team_id, "
    "e.service_account_id, e.price_book_id, e.end_user, e.price_group, e.downgraded_from, " CHARGES
    ", e.list_nanousd, e.custom_nanousd, e.tags "
    "FROM usage_events e LEFT JOIN virtual_keys k ON k.id = e.key_id " FILTER
    "ORDER BY e.id DESC LIMIT $18";

/* The days that can hold what is asked for. */
static void day_bounds(const struct usage_query *q, uint64_t *ret_first_ms, uint64_t *ret_last_ms)
{
    uint64_t first = q->from_ms > DAY_MS ? q->from_ms - DAY_MS : 0;
    uint64_t last = q->to_ms ? q->to_ms + DAY_MS : 4102444800000ull;
    if (q->before && uuid_time_ms(q->before) + DAY_MS < last) {
        last = uuid_time_ms(q->before) + DAY_MS;
    }
    if (q->id) {
        first = last = uuid_time_ms(q->id);
    }
    *ret_first_ms = first;
    *ret_last_ms = last;
}

static void read_event(const struct db_rows *rows, size_t i, struct arena *a, struct usage_event *e)
{
    e->id = db_uuid(rows, i, 0);
    e->organization = db_uuid(rows, i, 1);
    e->workspace = db_uuid(rows, i, 2);
    e->key = db_uuid(rows, i, 3);
    e->user = db_uuid(rows, i, 4);
    e->data_plane = db_uuid(rows, i, 5);
    e->key_name = db_is_null(rows, i, 6) ? STR_NONE : arena_str(a, db_text(rows, i, 6));
    e->started_ms = db_time_ms(rows, i, 7);
    e->received_ms = db_time_ms(rows, i, 8);
    e->duration_us = db_i64(rows, i, 9);
    e->first_byte_us = db_is_null(rows, i, 10) ? -1 : db_i64(rows, i, 10);
    e->status = db_i64(rows, i, 11);
    e->cost_nanousd = db_i64(rows, i, 12);
    e->config_version = db_i64(rows, i, 13);
    e->price_version = db_i64(rows, i, 14);
    e->endpoint = arena_str(a, db_text(rows, i, 15));
    e->dialect = arena_str(a, db_text(rows, i, 16));
    e->model = arena_str(a, db_text(rows, i, 17));
    e->outcome = arena_str(a, db_text(rows, i, 18));
    e->error_code = arena_str(a, db_text(rows, i, 19));
    e->metadata_json = arena_str(a, db_text(rows, i, 20));
    e->trace_id = arena_str(a, db_text(rows, i, 21));
    e->stream = db_bool(rows, i, 22);
    e->cache_status = arena_str(a, db_text(rows, i, 23));
    e->saved_nanousd = db_i64(rows, i, 24);
    e->saved_us = db_i64(rows, i, 25);
    e->config_id = db_uuid(rows, i, 26);
    e->config_number = db_i64(rows, i, 27);
    e->assignment = arena_str(a, db_text(rows, i, 28));
    e->prompt_id = db_uuid(rows, i, 29);
    e->prompt_version = db_i64(rows, i, 30);
    e->mirror_of = db_uuid(rows, i, 31);
    e->team = db_uuid(rows, i, 32);
    e->service_account = db_uuid(rows, i, 33);
    e->price_book = db_uuid(rows, i, 34);
    e->end_user = arena_str(a, db_text(rows, i, 35));
    e->price_group = arena_str(a, db_text(rows, i, 36));
    e->downgraded_from = arena_str(a, db_text(rows, i, 37));
    e->charges_json = arena_str(a, db_text(rows, i, 38));
    e->list_nanousd = db_i64(rows, i, 39);
    e->custom_nanousd = db_i64(rows, i, 40);
    struct str *tags = NULL;
    e->n_tags = db_texts(rows, i, 41, a, &tags);
    e->tags = tags;
}

bool usage_event_list(struct tx *t, const struct usage_query *q, struct arena *a,
                      struct usage_event **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    uint64_t first_ms, last_ms;
    day_bounds(q, &first_ms, &last_ms);
    struct str *workspaces = object_id_texts(q->workspaces, q->n_workspaces, a);
    if (!tx_exec(t, &rows, err, list_sql,
                 FILTER_PARAMS(q, q->before, workspaces, first_ms, last_ms), DB_I64(q->limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct usage_event *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        read_event(rows, i, a, &list[i]);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

/* ---- sums ---- */

static const struct {
    const char *by, *sql;
} groups[] = {
    {"day", "e.day::text"},
    {"model", "e.model"},
    {"key_id", "coalesce('key_' || replace(e.key_id::text, '-', ''), '')"},
    {"cache_status", "e.cache_status"},
    {"config_id", "coalesce('cfg_' || replace(e.config_id::text, '-', ''), '')"},
    {"prompt_id", "coalesce('prm_' || replace(e.prompt_id::text, '-', ''), '')"},
    {"assignment", "e.assignment"},
};

static const char *group_sql(struct str by)
{
    for (size_t i = 0; by.ptr && i < sizeof groups / sizeof groups[0]; i++) {
        if (str_eqz(by, groups[i].by)) {
            return groups[i].sql;
        }
    }
    return NULL;
}

bool usage_group_known(struct str by)
{
    return group_sql(by) != NULL;
}

static void read_sum(const struct db_rows *rows, size_t i, struct arena *a, bool grouped,
                     struct usage_sum *ret)
{
    struct str *texts[] = {&ret->requests, &ret->cache_hits, &ret->cost_nanousd,
                           &ret->saved_nanousd, &ret->saved_us};
    ret->group = grouped ? arena_str(a, db_text(rows, i, 0)) : STR_NONE;
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        *texts[k] = arena_str(a, db_text(rows, i, 1 + (int)k));
    }
}

bool usage_sum_list(struct tx *t, const struct usage_query *q, struct str by, struct arena *a,
                    struct usage_sum **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    uint64_t first_ms, last_ms;
    struct usage_query days = *q;
    const char *group = group_sql(by);
    days.id = days.before = NULL;
    day_bounds(&days, &first_ms, &last_ms);
    struct str *workspaces = object_id_texts(q->workspaces, q->n_workspaces, a);
    /* a hit is what cost nothing because another's answer was given: from the cache, or shared */
    struct str sql = arena_printf(
        a,
        "SELECT %s, count(*), count(*) FILTER (WHERE e.cache_status IN ('hit', 'coalesced')), "
        "coalesce(sum(e.cost_nanousd), 0), coalesce(sum(e.saved_nanousd), 0), "
        "coalesce(sum(e.saved_us), 0) FROM usage_events e " FILTER "%s LIMIT $18",
        group ? group : "NULL", group ? "GROUP BY 1 ORDER BY 2 DESC, 1" : "");
    if (!sql.ptr) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!tx_exec(t, &rows, err, sql.ptr,
                 FILTER_PARAMS(&days, days.before, workspaces, first_ms, last_ms),
                 DB_I64(q->limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct usage_sum *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        read_sum(rows, i, a, group != NULL, &list[i]);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

/* ---- attempts and quantities ---- */

/* Ids of the events and the first and last of their days. */
static struct str *event_ids(const struct usage_event *events, size_t n, struct arena *a,
                             uint64_t *ret_first_ms, uint64_t *ret_last_ms)
{
    struct uuid *ids = arena_alloc(a, (n + 1) * sizeof *ids);
    uint64_t first = UINT64_MAX, last = 0;
    for (size_t i = 0; ids && i < n; i++) {
        uint64_t ms = uuid_time_ms(&events[i].id);
        ids[i] = events[i].id;
        first = ms < first ? ms : first;
        last = ms > last ? ms : last;
    }
    *ret_first_ms = n > 0 ? first : 0;
    *ret_last_ms = last;
    return ids ? object_id_texts(ids, n, a) : NULL;
}

bool usage_attempt_list(struct tx *t, const struct usage_event *events, size_t n, struct arena *a,
                        struct usage_attempt **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    uint64_t first_ms, last_ms;
    struct str *ids = event_ids(events, n, a, &first_ms, &last_ms);
    if (!tx_exec(
            t, &rows, err,
            "SELECT event_id, provider_id, attempt, status, started_us, duration_us, "
            "first_byte_us, bound_nanousd, "
            "cost_nanousd, provider, model, answered_model, outcome, error_code, finish_reason, "
            "upstream_request_id, kind, option, credential, service_tier, list_nanousd, ratio_ppm "
            "FROM usage_attempts WHERE event_id = "
            "ANY($1::text[]::uuid[]) "
            "AND day >= " DAY_OF("$2") " AND day <= " DAY_OF(
                "$3") " ORDER BY event_id DESC, attempt",
            DB_TEXTS(ids, n), DB_I64(first_ms), DB_I64(last_ms))) {
        return false;
    }
    size_t count = db_count(rows);
    struct usage_attempt *list = arena_zalloc(a, (count + 1) * sizeof *list);
    for (size_t i = 0; list && i < count; i++) {
        struct usage_attempt *at = &list[i];
        at->event = db_uuid(rows, i, 0);
        at->provider_id = db_uuid(rows, i, 1);
        at->number = db_i64(rows, i, 2);
        at->status = db_i64(rows, i, 3);
        at->started_us = db_i64(rows, i, 4);
        at->duration_us = db_i64(rows, i, 5);
        at->first_byte_us = db_is_null(rows, i, 6) ? -1 : db_i64(rows, i, 6);
        at->bound_nanousd = db_i64(rows, i, 7);
        at->cost_nanousd = db_i64(rows, i, 8);
        struct str *texts[] = {
            &at->provider,   &at->model,         &at->answered_model,      &at->outcome,
            &at->error_code, &at->finish_reason, &at->upstream_request_id, &at->kind,
            &at->option};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            *texts[k] = arena_str(a, db_text(rows, i, 9 + (int)k));
        }
        at->credential = db_i64(rows, i, 18);
        at->service_tier = arena_str(a, db_text(rows, i, 19));
        at->list_nanousd = db_i64(rows, i, 20);
        at->ratio_ppm = db_i64(rows, i, 21);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? count : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool usage_quantity_list(struct tx *t, const struct usage_event *events, size_t n, struct arena *a,
                         struct usage_quantity **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    uint64_t first_ms, last_ms;
    struct str *ids = event_ids(events, n, a, &first_ms, &last_ms);
    if (!tx_exec(
            t, &rows, err,
            "SELECT event_id, attempt, unit, quantity, price_picousd, source FROM usage_quantities "
            "WHERE event_id = ANY($1::text[]::uuid[]) AND day >= " DAY_OF(
                "$2") " AND day <= " DAY_OF("$3") " ORDER BY event_id DESC, attempt, unit",
            DB_TEXTS(ids, n), DB_I64(first_ms), DB_I64(last_ms))) {
        return false;
    }
    size_t count = db_count(rows);
    struct usage_quantity *list = arena_zalloc(a, (count + 1) * sizeof *list);
    for (size_t i = 0; list && i < count; i++) {
        list[i] = (struct usage_quantity){.event = db_uuid(rows, i, 0),
                                          .attempt = db_i64(rows, i, 1),
                                          .unit = arena_str(a, db_text(rows, i, 2)),
                                          .quantity = db_i64(rows, i, 3),
                                          .price_picousd = db_i64(rows, i, 4),
                                          .source = arena_str(a, db_text(rows, i, 5))};
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? count : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}
