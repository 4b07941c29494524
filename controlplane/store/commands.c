/* Commands by way of the database, for a plane that is in session with another instance: the last
 * part of data_planes_channel.h. */
#include "controlplane/store/data_planes_channel.h"

static bool finish(struct tx *t, bool ok, struct error *err)
{
    if (ok) {
        return tx_commit(t, NULL, err);
    }
    tx_rollback(t);
    return false;
}

bool commands_find_plane(struct db_pool *p, const struct uuid *self, const struct uuid *plane,
                         const struct uuid *organization, struct uuid *ret_plane,
                         struct uuid *ret_instance, struct error *err)
{
    static const struct uuid nil;
    struct db_rows *r = NULL;
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    bool ok = tx_exec(
        t, &r, err,
        "SELECT d.id, d.instance_id FROM data_planes d "
        "JOIN control_instances c ON c.id = d.instance_id "
        "JOIN data_plane_groups g ON g.id = d.group_id "
        "WHERE d.revoked_at IS NULL AND d.instance_id <> $1 "
        "AND d.last_seen_at > now() - interval '10 seconds' "
        "AND c.last_seen_at > now() - interval '10 seconds' "
        "AND ($2::uuid IS NULL OR d.id = $2) "
        "AND ($3::uuid IS NULL OR g.serves_all OR EXISTS (SELECT FROM data_plane_group_serves s "
        "WHERE s.group_id = g.id AND s.organization_id = $3)) "
        "ORDER BY d.last_seen_at DESC LIMIT 1",
        DB_UUID(self), DB_UUID_OR_NULL(plane ? plane : &nil),
        DB_UUID_OR_NULL(organization && !plane ? organization : &nil));
    bool found = ok && db_count(r) == 1;
    if (found) {
        *ret_plane = db_uuid(r, 0, 0);
        *ret_instance = db_uuid(r, 0, 1);
    }
    db_rows_free(r);
    return finish(t, ok, err) &&
           (found || error_set(err, ERR_NOT_READY, "no data plane is connected"));
}

bool commands_put(struct db_pool *p, const struct uuid *instance, const struct command_row *c,
                  struct error *err)
{
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    char id[37];
    uuid_format(&c->id, id);
    return finish(
        t,
        tx_exec(t, NULL, err,
                "DELETE FROM plane_commands WHERE created_at < now() - interval '1 hour'") &&
            tx_exec(
                t, NULL, err,
                "INSERT INTO plane_commands (id, instance_id, plane_id, kind, body, timeout_ms) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                DB_UUID(&c->id), DB_UUID(instance), DB_UUID(&c->plane_id), DB_I64(c->kind),
                DB_BYTES(c->body.ptr ? c->body.ptr : "", c->body.len), DB_I64(c->timeout_ms)) &&
            tx_exec(t, NULL, err, "SELECT pg_notify('weir_command', $1)", DB_Z(id)),
        err);
}

bool commands_take(struct db_pool *p, const struct uuid *instance, const struct uuid *id,
                   struct arena *a, struct command_row *ret, bool *ret_found, struct error *err)
{
    struct db_rows *r = NULL;
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    bool ok = tx_exec(t, &r, err,
                      "SELECT plane_id, kind, body, timeout_ms FROM plane_commands "
                      "WHERE id = $1 AND instance_id = $2 AND done_at IS NULL",
                      DB_UUID(id), DB_UUID(instance));
    *ret_found = ok && db_count(r) == 1;
    if (*ret_found) {
        *ret = (struct command_row){.id = *id,
                                    .plane_id = db_uuid(r, 0, 0),
                                    .kind = (unsigned)db_i64(r, 0, 1),
                                    .body = db_bytes(r, 0, 2, a),
                                    .timeout_ms = (unsigned)db_i64(r, 0, 3)};
    }
    db_rows_free(r);
    return finish(t, ok, err);
}

bool commands_done(struct db_pool *p, const struct uuid *id, bool ok, struct str error_text,
                   struct str result, struct error *err)
{
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    char text[37];
    uuid_format(id, text);
    return finish(t,
                  tx_exec(t, NULL, err,
                          "UPDATE plane_commands SET done_at = now(), ok = $2, error = $3, "
                          "result = $4 WHERE id = $1",
                          DB_UUID(id), DB_BOOL(ok), DB_STR(error_text), DB_STR(result)) &&
                      tx_exec(t, NULL, err, "SELECT pg_notify('weir_command', $1)", DB_Z(text)),
                  err);
}

bool commands_outcome(struct db_pool *p, const struct uuid *id, bool give_up, struct arena *a,
                      bool *ret_done, bool *ret_ok, struct str *ret_error, struct str *ret_result,
                      struct error *err)
{
    struct db_rows *r = NULL;
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    bool ok = tx_exec(t, &r, err,
                      "DELETE FROM plane_commands WHERE id = $1 AND (done_at IS NOT NULL OR $2) "
                      "RETURNING done_at IS NOT NULL, ok, error, result",
                      DB_UUID(id), DB_BOOL(give_up));
    *ret_done = ok && db_count(r) == 1 && db_bool(r, 0, 0);
    if (*ret_done) {
        *ret_ok = db_bool(r, 0, 1);
        *ret_error = arena_str(a, db_text(r, 0, 2));
        *ret_result = arena_str(a, db_text(r, 0, 3));
    }
    db_rows_free(r);
    return finish(t, ok, err);
}
