/* Statements over the audit log and its chains. */
#include "controlplane/store/audit_read.h"

bool audit_list(struct tx *t, const struct audit_query *q, struct arena *a, struct audit_row **ret,
                size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(
            t, &rows, err,
            "SELECT id, organization_id, actor_id, object_id, at, actor_kind, actor_name, "
            "action, object_kind, "
            "object_name, address, request_id, before::text, after::text, encode(hash, 'hex'), "
            "seq FROM audit_log "
            "WHERE ($1::uuid IS NULL OR organization_id = $1::uuid) AND ($2::uuid IS NULL OR "
            "object_id = $2::uuid) "
            "AND ($3::text IS NULL OR action = $3::text) AND ($4::text IS NULL OR object_kind "
            "= $4::text) "
            "AND ($5::timestamptz IS NULL OR at >= $5::timestamptz) "
            "AND ($6::timestamptz IS NULL OR at < $6::timestamptz) "
            "AND ($7::uuid IS NULL OR id < $7::uuid) ORDER BY id DESC LIMIT $8",
            q->organization ? DB_UUID(q->organization) : DB_NULL,
            q->object ? DB_UUID(q->object) : DB_NULL, DB_STR(q->action), DB_STR(q->object_kind),
            DB_TIME_MS(q->from_ms), DB_TIME_MS(q->to_ms), q->before ? DB_UUID(q->before) : DB_NULL,
            DB_I64(q->limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct audit_row *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        struct audit_row *r = &list[i];
        r->id = db_uuid(rows, i, 0);
        r->organization = db_uuid(rows, i, 1);
        r->actor = db_uuid(rows, i, 2);
        r->object = db_uuid(rows, i, 3);
        r->at_ms = db_time_ms(rows, i, 4);
        struct str *texts[] = {&r->actor_kind,  &r->actor_name, &r->action,     &r->object_kind,
                               &r->object_name, &r->address,    &r->request_id, &r->before_json,
                               &r->after_json,  &r->hash};
        r->seq = (uint64_t)db_i64(rows, i, 15);
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            int column = 5 + (int)k;
            *texts[k] =
                db_is_null(rows, i, column) ? STR_NONE : arena_str(a, db_text(rows, i, column));
        }
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool audit_heads(struct tx *t, const struct uuid *organization, struct arena *a,
                 struct audit_head **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT organization_id, seq, encode(hash, 'hex') FROM audit_heads WHERE $1::uuid "
                 "IS NULL OR chain = $1::uuid ORDER BY chain",
                 organization ? DB_UUID(organization) : DB_NULL)) {
        return false;
    }
    size_t n = db_count(rows);
    struct audit_head *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i].organization = db_uuid(rows, i, 0);
        list[i].seq = (uint64_t)db_i64(rows, i, 1);
        list[i].hash = arena_str(a, db_text(rows, i, 2));
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool audit_links(struct tx *t, const struct uuid *chain, uint64_t after, uint64_t last,
                 unsigned limit, struct arena *a, struct audit_link **ret, size_t *ret_n,
                 struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT seq, encode(hash, 'hex'), audit_text(a) FROM audit_log a WHERE "
                 "audit_chain(organization_id) = $1 AND seq > $2 AND seq <= $3 ORDER BY "
                 "audit_chain(organization_id), seq LIMIT $4",
                 DB_UUID(chain), DB_I64(after), DB_I64(last), DB_I64(limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct audit_link *list = arena_zalloc(a, (n + 1) * sizeof *list);
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        list[i].seq = (uint64_t)db_i64(rows, i, 0);
        list[i].hash = arena_str(a, db_text(rows, i, 1));
        list[i].text = arena_str(a, db_text(rows, i, 2));
        ok = list[i].hash.ptr && list[i].text.ptr;
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = ok ? n : 0;
    return ok || error_set(err, ERR_OVERLOADED, "%s", "");
}
