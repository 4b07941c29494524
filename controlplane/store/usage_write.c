/* Usage into PostgreSQL: see usage_write.h. Arrays go in libpq's binary form: no text is made,
 * quoted or parsed, which is what lets one connection take many thousand events a second. */
#include "controlplane/store/usage_write.h"

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/crypto.h"
#include "common/json.h"
#include "controlplane/store/db_internal.h"

enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_DATE = 1082,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950
};
enum {
    OID_BOOLS = 1000,
    OID_INT2S = 1005,
    OID_INT4S = 1007,
    OID_TEXTS = 1009,
    OID_INT8S = 1016,
    OID_DATES = 1182,
    OID_TIMESTAMPTZS = 1185,
    OID_UUIDS = 2951
};

#define COLUMNS_MAX 48
#define COLUMN_BYTES_MAX ((size_t)64 << 20)
#define EPOCH_DAYS 10957 /* 2000-01-01 after 1970-01-01 */
#define EPOCH_US (EPOCH_DAYS * 86400000000LL)
#define DAY_MS 86400000

/* One array parameter under construction. */
struct column {
    struct buffer b;
    Oid element, array;
};

struct table {
    struct column columns[COLUMNS_MAX];
    unsigned n, at;
    uint32_t rows;
};

static void put_be(struct buffer *b, uint64_t v, unsigned bytes)
{
    uint8_t out[8];
    for (unsigned i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    }
    (void)buffer_append(b, out, bytes);
}

static Oid array_of(Oid element)
{
    switch (element) {
    case OID_BOOL:
        return OID_BOOLS;
    case OID_INT2:
        return OID_INT2S;
    case OID_INT4:
        return OID_INT4S;
    case OID_INT8:
        return OID_INT8S;
    case OID_DATE:
        return OID_DATES;
    case OID_TIMESTAMPTZ:
        return OID_TIMESTAMPTZS;
    case OID_UUID:
        return OID_UUIDS;
    default:
        return OID_TEXTS;
    }
}

static void table_init(struct table *t, const Oid *elements, unsigned n, uint32_t rows)
{
    t->n = n;
    t->at = 0;
    t->rows = rows;
    for (unsigned i = 0; i < n; i++) {
        struct column *c = &t->columns[i];
        c->element = elements[i];
        c->array = array_of(elements[i]);
        buffer_init(&c->b, COLUMN_BYTES_MAX);
        put_be(&c->b, 1, 4); /* dimensions */
        put_be(&c->b, 1, 4); /* may hold nulls */
        put_be(&c->b, c->element, 4);
        put_be(&c->b, rows, 4);
        put_be(&c->b, 1, 4); /* lower bound */
    }
}

static void table_release(struct table *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        buffer_release(&t->columns[i].b);
    }
}

/* The next column of the row; wraps at the end. */
static struct buffer *next(struct table *t)
{
    struct buffer *b = &t->columns[t->at].b;
    t->at = (t->at + 1) % t->n;
    return b;
}

static void put_int(struct table *t, int64_t v)
{
    Oid e = t->columns[t->at].element;
    unsigned bytes = e == OID_BOOL ? 1 : e == OID_INT2 ? 2 : e == OID_INT4 || e == OID_DATE ? 4 : 8;
    struct buffer *b = next(t);
    put_be(b, bytes, 4);
    put_be(b, (uint64_t)v, bytes);
}

static void put_null(struct table *t)
{
    put_be(next(t), 0xffffffffu, 4);
}

static void put_int_or_null(struct table *t, int64_t v)
{
    if (v == 0) {
        put_null(t);
    } else {
        put_int(t, v);
    }
}

static void put_text(struct table *t, struct str s)
{
    struct buffer *b = next(t);
    put_be(b, s.len, 4);
    if (s.len > 0) {
        (void)buffer_append(b, s.ptr, s.len);
    }
}

static void put_uuid(struct table *t, const struct uuid *u)
{
    if (uuid_is_nil(u)) {
        put_null(t);
        return;
    }
    struct buffer *b = next(t);
    put_be(b, 16, 4);
    (void)buffer_append(b, u->b, 16);
}

static const Oid event_columns[] = {
    OID_DATE, OID_UUID, OID_UUID, OID_UUID, OID_UUID, OID_UUID, OID_TIMESTAMPTZ, OID_INT8,
    OID_INT8, OID_TEXT, OID_TEXT, OID_TEXT, OID_BOOL, OID_INT4, OID_TEXT,        OID_TEXT,
    OID_INT8, OID_INT8, OID_INT8, OID_TEXT, OID_TEXT, OID_TEXT, OID_INT8,        OID_INT8,
    OID_UUID, OID_INT8, OID_TEXT, OID_UUID, OID_INT8, OID_UUID, OID_UUID,        OID_UUID,
    OID_TEXT, OID_TEXT, OID_INT8, OID_TEXT, OID_TEXT, OID_UUID, OID_INT8,        OID_TEXT};
static const Oid attempt_columns[] = {OID_UUID, OID_INT2, OID_UUID, OID_TEXT, OID_TEXT, OID_TEXT,
                                      OID_INT4, OID_TEXT, OID_TEXT, OID_TEXT, OID_INT8, OID_INT8,
                                      OID_INT8, OID_INT8, OID_INT8, OID_TEXT, OID_TEXT, OID_TEXT,
                                      OID_INT4, OID_INT8, OID_INT8, OID_TEXT};
static const Oid quantity_columns[] = {OID_UUID, OID_INT2, OID_TEXT, OID_INT8, OID_INT8, OID_TEXT};
#define COUNT(x) (sizeof(x) / sizeof((x)[0]))

/* $1 plane; $2..$41 events; $42..$63 attempts; $64..$69 quantities. What hangs on an event is added
 * only where the event itself was new. */
static const char insert_sql[] =
    "WITH e AS (INSERT INTO usage_events (day, id, organization_id, workspace_id, key_id, "
    "user_id, started_at, duration_us, first_byte_us, endpoint, dialect, model, stream, "
    "status, outcome, error_code, cost_nanousd, config_version, price_version, metadata, "
    "trace_id, cache_status, saved_nanousd, saved_us, config_id, config_number, assignment, "
    "prompt_id, prompt_version, mirror_of, team_id, service_account_id, end_user, price_group, "
    "list_nanousd, tags, downgraded_from, price_book_id, custom_nanousd, charges, data_plane_id) "
    "SELECT v.day, v.id, v.org, v.ws, v.key, v.usr, v.started, v.dur, v.first, v.endpoint, "
    "v.dialect, v.model, v.stream, v.status, v.outcome, v.code, v.cost, v.cv, v.pv, "
    "v.meta::jsonb, v.trace, v.cache, v.saved, v.saved_us, v.config, v.cn, v.arm, v.prompt, "
    "v.pn, v.mirror, v.team, v.sa, v.end_user, v.pgroup, v.list, v.tags::text[], v.down, v.book, "
    "v.custom, v.charges::jsonb, $1 "
    "FROM unnest($2::date[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], "
    "$8::timestamptz[], $9::int8[], $10::int8[], $11::text[], $12::text[], $13::text[], "
    "$14::bool[], $15::int4[], $16::text[], $17::text[], $18::int8[], $19::int8[], "
    "$20::int8[], $21::text[], $22::text[], $23::text[], $24::int8[], $25::int8[], "
    "$26::uuid[], $27::int8[], $28::text[], $29::uuid[], $30::int8[], $31::uuid[], $32::uuid[], "
    "$33::uuid[], $34::text[], $35::text[], $36::int8[], $37::text[], $38::text[], $39::uuid[], "
    "$40::int8[], $41::text[]) AS v (day, "
    "id, org, ws, key, usr, started, dur, first, endpoint, dialect, model, stream, status, "
    "outcome, code, cost, cv, pv, meta, trace, cache, saved, saved_us, config, cn, arm, "
    "prompt, pn, mirror, team, sa, end_user, pgroup, list, tags, down, book, custom, charges) "
    "ON CONFLICT DO NOTHING RETURNING day, id, organization_id), "
    "a AS (INSERT INTO usage_attempts (day, event_id, organization_id, attempt, provider_id, "
    "provider, model, answered_model, status, outcome, error_code, finish_reason, started_us, "
    "duration_us, first_byte_us, bound_nanousd, cost_nanousd, upstream_request_id, kind, "
    "option, credential, list_nanousd, ratio_ppm, service_tier) "
    "SELECT e.day, e.id, e.organization_id, v.n, v.pid, v.provider, v.model, v.answered, "
    "v.status, v.outcome, v.code, v.finish, v.started, v.dur, v.first, v.bound, v.cost, v.rid, "
    "v.kind, v.option, v.credential, v.list, v.ratio, v.tier "
    "FROM unnest($42::uuid[], $43::int2[], $44::uuid[], $45::text[], $46::text[], $47::text[], "
    "$48::int4[], $49::text[], $50::text[], $51::text[], $52::int8[], $53::int8[], "
    "$54::int8[], $55::int8[], $56::int8[], $57::text[], $58::text[], $59::text[], "
    "$60::int4[], $61::int8[], $62::int8[], $63::text[]) AS v (id, n, pid, provider, model, "
    "answered, status, outcome, code, finish, started, dur, first, bound, cost, rid, kind, "
    "option, credential, list, ratio, tier) JOIN e ON e.id = v.id), "
    "q AS (INSERT INTO usage_quantities (day, event_id, organization_id, attempt, unit, "
    "quantity, price_picousd, source) "
    "SELECT e.day, e.id, e.organization_id, v.n, v.unit, v.quantity, v.price, v.source "
    "FROM unnest($64::uuid[], $65::int2[], $66::text[], $67::int8[], $68::int8[], $69::text[]) "
    "AS v (id, n, unit, quantity, price, source) JOIN e ON e.id = v.id) "
    "SELECT id FROM e";

/* An array of texts as PostgreSQL writes it. */
static void put_texts(struct table *t, const struct str *list, size_t n)
{
    struct buffer b;
    buffer_init(&b, COLUMN_BYTES_MAX);
    (void)buffer_append(&b, "{", 1);
    for (size_t i = 0; i < n; i++) {
        (void)buffer_append_str(&b, i > 0 ? STR_LIT(",\"") : STR_LIT("\""));
        for (size_t k = 0; k < list[i].len; k++) {
            if (list[i].ptr[k] == '"' || list[i].ptr[k] == '\\') {
                (void)buffer_append(&b, "\\", 1);
            }
            (void)buffer_append(&b, list[i].ptr + k, 1);
        }
        (void)buffer_append(&b, "\"", 1);
    }
    (void)buffer_append(&b, "}", 1);
    put_text(t, buffer_str(&b));
    buffer_release(&b);
}

static void put_charges(struct table *t, const struct usage_event *e)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, COLUMN_BYTES_MAX);
    json_writer_init(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < e->n_charges; i++) {
        const struct usage_charge *c = &e->charges[i];
        char quota[37];
        uuid_format(&c->quota, quota);
        json_object_begin(&w);
        json_field_z(&w, "quota", quota);
        json_field_str(&w, "bucket", c->bucket);
        json_field_i64(&w, "window", c->window_start_s);
        json_field_i64(&w, "amount", c->amount);
        if (c->overrun) {
            json_field_bool(&w, "overrun", true);
        }
        json_object_end(&w);
    }
    json_array_end(&w);
    put_text(t, buffer_str(&b));
    buffer_release(&b);
}

static void put_governance(struct table *t, const struct usage_event *e)
{
    put_uuid(t, &e->team_id);
    put_uuid(t, &e->service_account_id);
    put_text(t, e->end_user);
    put_text(t, e->price_group);
    put_int(t, e->list_nanousd);
    put_texts(t, e->tags, e->n_tags);
    put_text(t, e->downgraded_from);
    put_uuid(t, &e->price_book_id);
    put_int(t, e->custom_nanousd);
    put_charges(t, e);
}

static void put_event(struct table *t, const struct usage_event *e)
{
    put_int(t, (int64_t)(uuid_time_ms(&e->id) / DAY_MS) - EPOCH_DAYS);
    put_uuid(t, &e->id);
    put_uuid(t, &e->organization_id);
    put_uuid(t, &e->workspace_id);
    put_uuid(t, &e->key_id);
    put_uuid(t, &e->user_id);
    put_int(t, e->started_us - EPOCH_US);
    put_int(t, e->duration_us);
    put_int_or_null(t, e->first_byte_us);
    put_text(t, e->endpoint);
    put_text(t, e->dialect);
    put_text(t, e->model);
    put_int(t, e->stream);
    put_int(t, e->status);
    put_text(t, str_of(e->outcome));
    put_text(t, e->error_code);
    put_int(t, e->cost_nanousd);
    put_int(t, e->config_version);
    put_int(t, e->price_version);
    put_text(t, e->metadata_json.len ? e->metadata_json : STR_LIT("{}"));
    put_text(t, e->trace_id);
    put_text(t, e->cache_status);
    put_int(t, e->saved_nanousd);
    put_int(t, e->saved_us);
    put_uuid(t, &e->config_id);
    put_int(t, e->config_number);
    put_text(t, e->assignment);
    put_uuid(t, &e->prompt_id);
    put_int(t, e->prompt_version);
    put_uuid(t, &e->mirror_of);
    put_governance(t, e);
}

static void put_attempt(struct table *t, const struct uuid *event, const struct usage_attempt *x)
{
    put_uuid(t, event);
    put_int(t, x->number);
    put_uuid(t, &x->provider_id);
    put_text(t, x->provider);
    put_text(t, x->model);
    put_text(t, x->answered_model);
    put_int(t, x->status);
    put_text(t, str_of(x->outcome));
    put_text(t, x->error_code);
    put_text(t, x->finish_reason);
    put_int(t, x->started_us);
    put_int(t, x->duration_us);
    put_int_or_null(t, x->first_byte_us);
    put_int(t, x->bound_nanousd);
    put_int(t, x->cost_nanousd);
    put_text(t, x->upstream_request_id);
    put_text(t, x->kind);
    put_text(t, x->option);
    put_int(t, x->credential);
    put_int(t, x->list_nanousd);
    put_int(t, x->ratio_ppm);
    put_text(t, x->service_tier);
}

static void put_quantity(struct table *t, const struct uuid *event, int32_t attempt,
                         const struct usage_quantity *q)
{
    put_uuid(t, event);
    put_int(t, attempt);
    put_text(t, str_of(q->unit));
    put_int(t, q->quantity);
    put_int(t, q->price_picousd);
    put_text(t, str_of(q->source));
}

static void fill(struct table tables[3], const struct usage_event *const *events, size_t n)
{
    uint32_t attempts = 0, quantities = 0;
    for (size_t i = 0; i < n; i++) {
        attempts += (uint32_t)events[i]->n_attempts;
        for (size_t k = 0; k < events[i]->n_attempts; k++) {
            quantities += (uint32_t)events[i]->attempts[k].n_quantities;
        }
    }
    table_init(&tables[0], event_columns, COUNT(event_columns), (uint32_t)n);
    table_init(&tables[1], attempt_columns, COUNT(attempt_columns), attempts);
    table_init(&tables[2], quantity_columns, COUNT(quantity_columns), quantities);
    for (size_t i = 0; i < n; i++) {
        put_event(&tables[0], events[i]);
        for (size_t k = 0; k < events[i]->n_attempts; k++) {
            const struct usage_attempt *x = &events[i]->attempts[k];
            put_attempt(&tables[1], &events[i]->id, x);
            for (size_t m = 0; m < x->n_quantities; m++) {
                put_quantity(&tables[2], &events[i]->id, x->number, &x->quantities[m]);
            }
        }
    }
}

/* Marks those whose ids the result names. */
static void mark_new(const PGresult *r, const struct usage_event *const *events, size_t n,
                     bool *ret_new)
{
    struct map *ids = map_new();
    for (size_t i = 0; i < n; i++) {
        ret_new[i] = false;
        (void)map_put(ids, (struct str){(const char *)events[i]->id.b, 16}, &ret_new[i]);
    }
    for (int i = 0; i < PQntuples(r); i++) {
        bool *is_new = map_get(ids, (struct str){PQgetvalue(r, i, 0), 16});
        if (is_new) {
            *is_new = true;
        }
    }
    map_free(ids);
}

static bool insert(PGconn *c, const struct uuid *plane, struct table tables[3],
                   const struct usage_event *const *events, size_t n_events, bool *ret_new,
                   struct error *err)
{
    enum { PARAMS = 1 + COUNT(event_columns) + COUNT(attempt_columns) + COUNT(quantity_columns) };
    const char *values[PARAMS] = {(const char *)plane->b};
    int lengths[PARAMS] = {16}, formats[PARAMS] = {1};
    Oid types[PARAMS] = {OID_UUID};
    int n = 1;
    for (int k = 0; k < 3; k++) {
        for (unsigned i = 0; i < tables[k].n; i++, n++) {
            struct column *x = &tables[k].columns[i];
            if (x->b.failed) {
                return error_set(err, ERR_INVALID_FIELD, "too much in one batch");
            }
            values[n] = x->b.ptr;
            lengths[n] = (int)x->b.len;
            formats[n] = 1;
            types[n] = x->array;
        }
    }
    PGresult *r = PQexecParams(c, insert_sql, n, types, values, lengths, formats, 1);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
    if (!ok) {
        (void)db_fail(err, c, r);
    } else {
        mark_new(r, events, n_events, ret_new);
    }
    PQclear(r);
    return ok;
}

static bool quarantine(struct tx *t, const struct uuid *plane, const struct usage_refused *x,
                       struct error *err)
{
    struct uuid id = uuid_v7();
    uint8_t hash[32];
    crypto_sha256(x->payload.ptr, x->payload.len, hash);
    return tx_exec(
        t, NULL, err,
        "INSERT INTO usage_quarantine (id, data_plane_id, payload_hash, reason, payload) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        DB_UUID(&id), DB_UUID(plane), DB_BYTES(hash, 32), DB_Z(x->reason),
        DB_BYTES(x->payload.ptr ? x->payload.ptr : "", x->payload.len));
}

bool usage_write(struct tx *t, const struct uuid *plane, const struct usage_event *const *events,
                 size_t n, const struct usage_refused *refused, size_t n_refused, bool *ret_new,
                 struct error *err)
{
    bool ok = true;
    if (n > 0) {
        struct table tables[3];
        fill(tables, events, n);
        ok = insert(tx_connection(t), plane, tables, events, n, ret_new, err);
        for (int i = 0; i < 3; i++) {
            table_release(&tables[i]);
        }
    }
    for (size_t i = 0; ok && i < n_refused; i++) {
        ok = quarantine(t, plane, &refused[i], err);
    }
    return ok;
}

/* ---- keys ---- */

/* Each key once, with its latest event. */
static size_t latest_uses(const struct usage_event *const *events, size_t n,
                          const struct usage_event **ret)
{
    struct map *keys = map_new();
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct str key = {(const char *)events[i]->key_id.b, 16};
        const struct usage_event **seen = map_get(keys, key);
        if (uuid_is_nil(&events[i]->key_id)) {
            continue;
        }
        if (!seen) {
            ret[count] = events[i];
            (void)map_put(keys, key, &ret[count++]);
        } else if (events[i]->started_us > (*seen)->started_us) {
            *seen = events[i];
        }
    }
    map_free(keys);
    return count;
}

bool usage_touch_keys(struct tx *t, const struct usage_event *const *events, size_t n,
                      struct error *err)
{
    struct arena *a = arena_new(0);
    int64_t now_us = (int64_t)clock_wall_ms() * 1000;
    const struct usage_event **uses = arena_alloc(a, (n + 1) * sizeof *uses);
    size_t count = uses ? latest_uses(events, n, uses) : 0;
    struct str *texts = arena_zalloc(a, 3 * (count + 1) * sizeof *texts);
    bool ok = uses && texts;
    for (size_t i = 0; ok && i < count; i++) {
        char text[37];
        int64_t at = uses[i]->started_us < now_us ? uses[i]->started_us : now_us;
        uuid_format(&uses[i]->key_id, text);
        texts[3 * i] = arena_str(a, str_of(text));
        uuid_format(&uses[i]->organization_id, text);
        texts[3 * i + 1] = arena_str(a, str_of(text));
        texts[3 * i + 2] = arena_printf(a, "%lld", (long long)at);
    }
    /* what another instance is writing is as fresh as what would be written here */
    ok = !ok ? error_set(err, ERR_OVERLOADED, "%s", "")
             : count == 0 ||
                   tx_exec(t, NULL, err,
                           "WITH v AS (SELECT x[3 * i + 1]::uuid AS id, x[3 * i + 2]::uuid AS org, "
                           "timestamptz 'epoch' + x[3 * i + 3]::int8 * interval '1 microsecond' "
                           "AS at FROM (SELECT $1::text[] AS x) p, generate_series(0, $2 - 1) i), "
                           "s AS (SELECT k.id, v.at FROM v JOIN virtual_keys k ON k.id = v.id AND "
                           "k.organization_id = v.org WHERE k.last_used_at IS NULL OR "
                           "k.last_used_at < v.at - interval '1 minute' FOR NO KEY UPDATE OF k "
                           "SKIP LOCKED) "
                           "UPDATE virtual_keys k SET last_used_at = s.at FROM s WHERE k.id = s.id",
                           DB_TEXTS(texts, 3 * count), DB_I64(count));
    arena_free(a);
    return ok;
}

bool usage_prepare(struct db_pool *p, struct error *err)
{
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!tx_exec(t, NULL, err,
                 "SELECT ensure_usage_partitions((now() AT TIME ZONE 'UTC')::date - 1, "
                 "(now() AT TIME ZONE 'UTC')::date + 3)")) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}
