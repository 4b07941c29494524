/* Statements of browser sessions. */
#include "controlplane/store/sessions.h"

#include "controlplane/store/object.h"

bool session_create(struct tx *t, const struct session_new *s, struct error *err)
{
    return tx_exec(
        t, NULL, err,
        "INSERT INTO sessions (id, user_id, token_hash, csrf_hash, address, user_agent, "
        "expires_at, issuer_id, platform_admin, id_token, id_token_kek) VALUES "
        "($1, $2, $3, $4, $5, $6, now() + $7::bigint * interval '1 millisecond', $8, $9, "
        "$10, $11)",
        DB_UUID(&s->id), DB_UUID(&s->user), DB_BYTES(s->token_hash, 32), DB_BYTES(s->csrf_hash, 32),
        DB_STR(s->address), DB_STR(s->user_agent), DB_I64(s->max_ms), DB_UUID_OR_NULL(&s->issuer),
        DB_BOOL(s->platform_admin), DB_BYTES(s->id_token.ptr, s->id_token.len),
        DB_Z(s->id_token.ptr ? s->id_token_kek : NULL));
}

bool session_find(struct tx *t, const uint8_t token_hash[static 32], uint64_t idle_ms,
                  struct arena *a, struct session_found *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT s.id, s.user_id, u.email, u.name, "
                 "s.platform_admin OR (u.platform_admin AND i.organization_id IS NULL), "
                 "s.csrf_hash, s.last_seen_at < now() - interval '1 minute', s.issuer_id, "
                 "i.organization_id FROM sessions s JOIN users u ON u.id = s.user_id "
                 "LEFT JOIN issuers i ON i.id = s.issuer_id "
                 "WHERE s.token_hash = $1 AND s.expires_at > now() AND NOT u.disabled "
                 "AND (i.id IS NULL OR (i.login AND NOT i.disabled)) "
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
        ret->issuer = db_uuid(rows, 0, 7);
        ret->organization = db_uuid(rows, 0, 8);
    }
    db_rows_free(rows);
    if (!found) {
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    return !note || tx_exec(t, NULL, err, "UPDATE sessions SET last_seen_at = now() WHERE id = $1",
                            DB_UUID(&ret->id));
}

bool session_id_token(struct tx *t, const struct uuid *id, struct arena *a, struct uuid *ret_issuer,
                      struct str *ret_sealed, struct str *ret_kek, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT issuer_id, id_token, id_token_kek FROM sessions WHERE id = $1",
                 DB_UUID(id))) {
        return false;
    }
    *ret_issuer = (struct uuid){{0}};
    *ret_sealed = *ret_kek = STR_NONE;
    if (db_count(rows) == 1) {
        *ret_issuer = db_uuid(rows, 0, 0);
        if (!db_is_null(rows, 0, 1) && !db_is_null(rows, 0, 2)) {
            *ret_sealed = db_bytes(rows, 0, 1, a);
            *ret_kek = arena_str(a, db_text(rows, 0, 2));
        }
    }
    db_rows_free(rows);
    return true;
}

bool session_delete(struct tx *t, const struct uuid *id, struct error *err)
{
    return tx_exec(t, NULL, err, "DELETE FROM sessions WHERE id = $1", DB_UUID(id));
}

bool session_delete_by_token(struct tx *t, const uint8_t token_hash[static 32], struct error *err)
{
    return tx_exec(t, NULL, err, "DELETE FROM sessions WHERE token_hash = $1",
                   DB_BYTES(token_hash, 32));
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

/* Anybody may be invited by their address: so an organization's administrators reach the sessions
 * of those people alone who belong to nobody else, and never those of the platform's own. */
#define ROWS                                                                                      \
    "SELECT s.id, s.user_id, s.issuer_id, u.email, u.name, s.address, s.user_agent, "             \
    "coalesce(i.name, ''), s.created_at, s.last_seen_at, s.expires_at FROM sessions s "           \
    "JOIN users u ON u.id = s.user_id LEFT JOIN issuers i ON i.id = s.issuer_id "                 \
    "WHERE s.expires_at > now() AND ($1::uuid IS NULL OR s.user_id = $1) AND (NOT $2 OR (EXISTS " \
    "(SELECT FROM memberships m WHERE m.user_id = s.user_id AND m.organization_id = "             \
    "ANY($3::text[]::uuid[])) AND NOT u.platform_admin AND NOT s.platform_admin AND NOT EXISTS "  \
    "(SELECT FROM memberships o WHERE o.user_id = s.user_id AND o.organization_id <> "            \
    "ALL($3::text[]::uuid[])))) AND ($4::uuid IS NULL OR s.issuer_id = $4)"

static struct session_row read_row(const struct db_rows *rows, size_t i, struct arena *a)
{
    return (struct session_row){.id = db_uuid(rows, i, 0),
                                .user = db_uuid(rows, i, 1),
                                .issuer = db_uuid(rows, i, 2),
                                .email = arena_str(a, db_text(rows, i, 3)),
                                .name = arena_str(a, db_text(rows, i, 4)),
                                .address = arena_str(a, db_text(rows, i, 5)),
                                .user_agent = arena_str(a, db_text(rows, i, 6)),
                                .issuer_name = arena_str(a, db_text(rows, i, 7)),
                                .created_at_ms = db_time_ms(rows, i, 8),
                                .last_seen_at_ms = db_time_ms(rows, i, 9),
                                .expires_at_ms = db_time_ms(rows, i, 10)};
}

static struct db_param user_of(const struct session_scope *s)
{
    return s->user ? DB_UUID(s->user) : DB_NULL;
}

bool session_list(struct tx *t, const struct session_scope *s, const struct uuid *after,
                  unsigned limit, struct arena *a, struct session_row **ret, size_t *ret_n,
                  struct error *err)
{
    static const struct uuid first;
    struct db_rows *rows = NULL;
    struct str *ids = object_id_texts(s->organizations, s->n_organizations, a);
    if (!ids || !tx_exec(t, &rows, err, ROWS " AND s.id > $5 ORDER BY s.id LIMIT $6", user_of(s),
                         DB_BOOL(s->only_organizations), DB_TEXTS(ids, s->n_organizations),
                         s->issuer ? DB_UUID(s->issuer) : DB_NULL, DB_UUID(after ? after : &first),
                         DB_I64(limit))) {
        return ids ? false : error_set(err, ERR_OVERLOADED, "%s", "");
    }
    size_t n = db_count(rows);
    struct session_row *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = read_row(rows, i, a);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = n;
    return list || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool session_read(struct tx *t, const struct session_scope *s, const struct uuid *id,
                  struct arena *a, struct session_row *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *ids = object_id_texts(s->organizations, s->n_organizations, a);
    if (!ids || !tx_exec(t, &rows, err, ROWS " AND s.id = $5", user_of(s),
                         DB_BOOL(s->only_organizations), DB_TEXTS(ids, s->n_organizations),
                         s->issuer ? DB_UUID(s->issuer) : DB_NULL, DB_UUID(id))) {
        return ids ? false : error_set(err, ERR_OVERLOADED, "%s", "");
    }
    bool found = db_count(rows) == 1;
    if (found) {
        *ret = read_row(rows, 0, a);
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "session not found");
}
