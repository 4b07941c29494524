/* Statements of browser sessions. */
#include "controlplane/store/sessions.h"

bool session_create(struct tx *t, const struct session_new *s, struct uuid *ret_id,
                    struct error *err)
{
    struct uuid id = uuid_v7();
    if (!tx_exec(t, NULL, err,
                 "INSERT INTO sessions (id, user_id, token_hash, csrf_hash, address, user_agent, "
                 "expires_at) VALUES "
                 "($1, $2, $3, $4, $5, $6, now() + $7::bigint * interval '1 millisecond')",
                 DB_UUID(&id), DB_UUID(&s->user), DB_BYTES(s->token_hash, 32),
                 DB_BYTES(s->csrf_hash, 32), DB_STR(s->address), DB_STR(s->user_agent),
                 DB_I64(s->max_ms))) {
        return false;
    }
    *ret_id = id;
    return true;
}

bool session_find(struct tx *t, const uint8_t token_hash[static 32], uint64_t idle_ms,
                  struct arena *a, struct session_found *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT s.id, s.user_id, u.email, u.name, u.platform_admin, s.csrf_hash, "
                 "s.last_seen_at < now() - interval '1 minute' FROM sessions s JOIN users u ON "
                 "u.id = s.user_id "
                 "WHERE s.token_hash = $1 AND s.expires_at > now() AND NOT u.disabled "
                 "AND s.last_seen_at > now() - $2::bigint * interval '1 millisecond'",
                 DB_BYTES(token_hash, 32), DB_I64(idle_ms))) {
        return false;
    }
    bool found = db_count(rows) == 1, note = false;
    if (found) {
        ret->id = db_uuid(rows, 0, 0);
        ret->user = db_uuid(rows, 0, 1);
        ret->email = arena_str(a, db_text(rows, 0, 2));
        ret->name = arena_str(a, db_text(rows, 0, 3));
        ret->platform_admin = db_bool(rows, 0, 4);
        struct str hash = db_bytes(rows, 0, 5, a);
        found = hash.len == sizeof ret->csrf_hash;
        if (found) {
            memcpy(ret->csrf_hash, hash.ptr, hash.len);
        }
        note = db_bool(rows, 0, 6);
    }
    db_rows_free(rows);
    if (!found) {
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    return !note || tx_exec(t, NULL, err, "UPDATE sessions SET last_seen_at = now() WHERE id = $1",
                            DB_UUID(&ret->id));
}

bool session_delete(struct tx *t, const struct uuid *id, struct error *err)
{
    return tx_exec(t, NULL, err, "DELETE FROM sessions WHERE id = $1", DB_UUID(id));
}

bool session_delete_others(struct tx *t, const struct uuid *user, const struct uuid *spare,
                           struct error *err)
{
    return tx_exec(t, NULL, err, "DELETE FROM sessions WHERE user_id = $1 AND id <> $2",
                   DB_UUID(user), DB_UUID(spare));
}

bool session_delete_ended(struct tx *t, struct error *err)
{
    return tx_exec(t, NULL, err, "DELETE FROM sessions WHERE expires_at < now()");
}
