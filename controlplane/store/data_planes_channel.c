/* Data planes as the channel knows them: see data_planes_channel.h. */
#include "controlplane/store/data_planes_channel.h"

#include "common/base/mem.h"
#include "controlplane/secrets/seal.h"

/* One statement in a transaction of its own. */
static bool run_one(struct db_pool *p, struct db_rows **ret, struct error *err, const char *sql,
                    const struct db_param *params)
{
    struct db_rows *r = NULL;
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!tx_query(t, &r, err, sql, params)) {
        tx_rollback(t);
        return false;
    }
    if (!tx_commit(t, NULL, err)) {
        db_rows_free(r);
        return false;
    }
    if (ret) {
        *ret = r;
    } else {
        db_rows_free(r);
    }
    return true;
}
#define RUN(p, ret, err, sql, ...) \
    run_one((p), (ret), (err), (sql), (struct db_param[]){__VA_ARGS__, DB_END})

static struct str id_texts(const struct uuid *ids, size_t n, struct arena *a, struct str **ret)
{
    struct str *list = arena_alloc(a, (n + 1) * sizeof(*list));
    char *text = arena_alloc(a, n * 37 + 1);
    for (size_t i = 0; list && text && i < n; i++) {
        uuid_format(&ids[i], text + i * 37);
        list[i] = (struct str){text + i * 37, 36};
    }
    *ret = text ? list : NULL;
    return (struct str){text, n * 37};
}

bool planes_secret(struct db_pool *p, const struct seal_keys *keys, const struct uuid *plane,
                   struct plane_secret *ret, struct error *err)
{
    struct db_rows *r;
    if (!RUN(p, &r, err,
             "SELECT group_id, secret, secret_kek FROM data_planes "
             "WHERE id = $1 AND revoked_at IS NULL AND secret IS NOT NULL",
             DB_UUID(plane))) {
        return false;
    }
    struct arena *a = arena_new(0);
    struct str secret;
    bool ok = false;
    if (db_count(r) == 1) {
        struct str kek = arena_str(a, db_text(r, 0, 2));
        if (kek.ptr && seal_open(keys, kek.ptr, "data_planes", plane, "secret",
                                 db_bytes(r, 0, 1, a), a, &secret, err)) {
            ok = secret.len == 32;
            if (ok) {
                memcpy(ret->secret, secret.ptr, 32);
                ret->group_id = db_uuid(r, 0, 0);
            }
            memset((void *)(uintptr_t)secret.ptr, 0, secret.len);
        }
    }
    db_rows_free(r);
    arena_free(a);
    return ok || error_set(err, ERR_NOT_FOUND, "unknown data plane");
}

bool planes_seen(struct db_pool *p, const struct uuid *instance, const struct plane_seen *rows,
                 size_t n, struct error *err)
{
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct plane_seen *s = &rows[i];
        bool refused = s->refused_version > 0;
        if (!tx_exec(t, NULL, err,
                     "UPDATE data_planes SET last_seen_at = now(), instance_id = $2, "
                     "config_version = $3, root_hash = $4, refused_version = $5, "
                     "refused_reason = $6, state = $7, software_version = $8, features = $9 "
                     "WHERE id = $1 AND revoked_at IS NULL",
                     DB_UUID(&s->id), DB_UUID(instance), DB_I64(s->version),
                     s->has_root ? DB_BYTES(s->root_hash, 32) : DB_NULL,
                     refused ? DB_I64(s->refused_version) : DB_NULL,
                     refused ? DB_STR(s->refused_reason) : DB_NULL, DB_STR(s->state_json),
                     DB_STR(s->software_version), DB_TEXTS(s->features, s->n_features))) {
            tx_rollback(t);
            return false;
        }
    }
    return tx_commit(t, NULL, err);
}

bool planes_alive(struct db_pool *p, const struct uuid *ids, size_t n, struct plane_alive *ret,
                  size_t *ret_n, struct error *err)
{
    struct arena *a = arena_new(0);
    struct str *list;
    struct db_rows *r;
    (void)id_texts(ids, n, a, &list);
    bool ok = list ? RUN(p, &r, err,
                         "SELECT id, group_id FROM data_planes "
                         "WHERE id = ANY (($1::text[])::uuid[]) AND revoked_at IS NULL",
                         DB_TEXTS(list, n))
                   : error_set(err, ERR_INTERNAL, "out of memory");
    if (ok) {
        size_t m = db_count(r);
        for (size_t i = 0; i < m && i < n; i++) {
            ret[i] = (struct plane_alive){db_uuid(r, i, 0), db_uuid(r, i, 1)};
        }
        *ret_n = m;
        db_rows_free(r);
    }
    arena_free(a);
    return ok;
}

bool planes_groups(struct tx *t, struct arena *a, struct group_serves **ret, size_t *ret_n,
                   struct error *err)
{
    struct db_rows *r;
    if (!tx_exec(t, &r, err,
                 "SELECT g.id, s.organization_id, s.workspace_id, g.serves_all "
                 "FROM data_plane_groups g LEFT JOIN data_plane_group_serves s "
                 "ON s.group_id = g.id AND NOT g.serves_all "
                 "ORDER BY g.id, s.organization_id, s.workspace_id")) {
        return false;
    }
    size_t n = db_count(r);
    struct group_serves *rows = arena_alloc(a, (n + 1) * sizeof(*rows));
    for (size_t i = 0; rows && i < n; i++) {
        rows[i] = (struct group_serves){db_uuid(r, i, 0), db_uuid(r, i, 1), db_uuid(r, i, 2),
                                        db_bool(r, i, 3)};
    }
    db_rows_free(r);
    *ret = rows;
    *ret_n = n;
    return rows ? true : error_set(err, ERR_INTERNAL, "out of memory");
}

/* ---- enrolment ---- */

bool planes_token_add(struct tx *t, const struct uuid *group, const struct uuid *created_by,
                      const uint8_t hash[static 32], uint64_t expires_wall_ms, struct error *err)
{
    struct uuid id = uuid_v7();
    static const struct uuid nil;
    const struct uuid *by = created_by ? created_by : &nil;
    return tx_exec(
        t, NULL, err,
        "INSERT INTO enrolment_tokens (id, group_id, token_hash, created_by, expires_at) "
        "VALUES ($1, $2, $3, $4, $5)",
        DB_UUID(&id), DB_UUID(group), DB_BYTES(hash, 32), DB_UUID_OR_NULL(by),
        DB_TIME_MS(expires_wall_ms));
}

bool planes_token_check(struct db_pool *p, const uint8_t hash[static 32], struct error *err)
{
    struct db_rows *r;
    if (!RUN(p, &r, err,
             "SELECT 1 FROM enrolment_tokens "
             "WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now()",
             DB_BYTES(hash, 32))) {
        return false;
    }
    bool ok = db_count(r) == 1;
    db_rows_free(r);
    return ok || error_set(err, ERR_UNAUTHENTICATED, "enrolment token not accepted");
}

static bool enrol_in(struct tx *t, const uint8_t *token_hash, const struct plane_new *n,
                     struct error *err)
{
    struct db_rows *r;
    if (!tx_exec(t, &r, err,
                 "UPDATE enrolment_tokens SET used_at = now(), used_by = $2 WHERE token_hash = $1 "
                 "AND used_at IS NULL AND expires_at > now() RETURNING id, group_id",
                 DB_BYTES(token_hash, 32), DB_UUID(&n->id))) {
        return false;
    }
    bool found = db_count(r) == 1;
    struct uuid token = found ? db_uuid(r, 0, 0) : (struct uuid){{0}};
    struct uuid group = found ? db_uuid(r, 0, 1) : (struct uuid){{0}};
    db_rows_free(r);
    if (!found) {
        return error_set(err, ERR_UNAUTHENTICATED, "enrolment token not accepted");
    }
    char name[101];
    size_t len = n->name.len < sizeof(name) ? n->name.len : sizeof(name) - 1;
    memcpy(name, n->name.ptr, len);
    name[len] = '\0';
    struct tx_actor actor = {
        .kind = "token", .id = token, .name = "enrolment", .address = n->address};
    tx_set_actor(t, &actor);
    return tx_exec(t, NULL, err,
                   "INSERT INTO data_planes (id, group_id, name, secret, secret_kek, "
                   "certificate_expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
                   DB_UUID(&n->id), DB_UUID(&group), DB_STR(n->name),
                   DB_BYTES(n->secret_sealed.ptr, n->secret_sealed.len), DB_Z(n->secret_kek),
                   DB_TIME_MS(n->certificate_expires_wall_ms)) &&
           tx_audit(t, "data_plane.enrol", "data_plane", NULL, &n->id, name, NULL, NULL, err);
}

bool planes_enrol(struct db_pool *p, const uint8_t token_hash[static 32], const struct plane_new *n,
                  struct error *err)
{
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!enrol_in(t, token_hash, n, err)) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}

bool planes_revoke(struct tx *t, const struct uuid *plane, struct error *err)
{
    struct db_rows *r;
    if (!tx_exec(t, &r, err,
                 "WITH gone AS (UPDATE data_planes SET revoked_at = now(), secret = NULL, "
                 "secret_kek = NULL, revision = revision + 1 WHERE id = $1 AND revoked_at IS NULL "
                 "RETURNING id) SELECT pg_notify('weir_plane', id::text) FROM gone",
                 DB_UUID(plane))) {
        return false;
    }
    bool found = db_count(r) == 1;
    db_rows_free(r);
    return found || error_set(err, ERR_NOT_FOUND, "no such data plane");
}

bool planes_certificate(struct db_pool *p, const struct uuid *plane, uint64_t expires_wall_ms,
                        struct error *err)
{
    return RUN(p, NULL, err, "UPDATE data_planes SET certificate_expires_at = $2 WHERE id = $1",
               DB_UUID(plane), DB_TIME_MS(expires_wall_ms));
}

/* ---- instances ---- */

bool instances_beat(struct db_pool *p, const struct uuid *id, struct str endpoints_json,
                    struct arena *a, struct instance_row **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *r = NULL;
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    /* A new one tells the others (xmax is 0 for a row that was inserted, not updated). */
    if (!tx_exec(t, NULL, err,
                 "WITH me AS (INSERT INTO control_instances (id, endpoints, version) "
                 "VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET last_seen_at = now(), "
                 "endpoints = excluded.endpoints RETURNING xmax = 0 AS fresh) "
                 "SELECT pg_notify('weir_instance', $1::text) FROM me WHERE fresh",
                 DB_UUID(id), DB_STR(endpoints_json), DB_Z(WEIR_VERSION)) ||
        !tx_exec(t, NULL, err,
                 "DELETE FROM control_instances WHERE last_seen_at < now() - interval '1 day'") ||
        !tx_exec(t, &r, err,
                 "SELECT id, endpoints::text FROM control_instances "
                 "WHERE last_seen_at > now() - interval '10 seconds' ORDER BY id LIMIT 32")) {
        tx_rollback(t);
        return false;
    }
    size_t n = db_count(r);
    struct instance_row *rows = arena_alloc(a, (n + 1) * sizeof(*rows));
    for (size_t i = 0; rows && i < n; i++) {
        rows[i] = (struct instance_row){db_uuid(r, i, 0), arena_str(a, db_text(r, i, 1))};
    }
    db_rows_free(r);
    if (!tx_commit(t, NULL, err)) {
        return false;
    }
    *ret = rows;
    *ret_n = rows ? n : 0;
    return true;
}

bool instances_leave(struct db_pool *p, const struct uuid *id, struct error *err)
{
    return RUN(p, NULL, err,
               "WITH gone AS (DELETE FROM control_instances WHERE id = $1 RETURNING id) "
               "SELECT pg_notify('weir_instance', id::text) FROM gone",
               DB_UUID(id));
}
