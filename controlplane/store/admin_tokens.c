/* Columns and statements of admin tokens. */
#include "controlplane/store/admin_tokens.h"

static const struct object_column columns[TOKEN_COLUMN_COUNT] = {
    [TOKEN_ID] = {"id", OBJECT_UUID},
    [TOKEN_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [TOKEN_NAME] = {"name", OBJECT_TEXT},
    [TOKEN_SECRET_HASH] = {"secret_hash", OBJECT_BYTES},
    [TOKEN_MASK] = {"mask", OBJECT_TEXT},
    [TOKEN_ROLE] = {"role", OBJECT_TEXT},
    [TOKEN_CREATED_BY] = {"created_by", OBJECT_UUID},
    [TOKEN_EXPIRES_AT] = {"expires_at", OBJECT_TIME},
    [TOKEN_LAST_USED_AT] = {"last_used_at", OBJECT_TIME},
    [TOKEN_REVOKED_AT] = {"revoked_at", OBJECT_TIME},
    [TOKEN_REVISION] = {"revision", OBJECT_I64},
    [TOKEN_CREATED_AT] = {"created_at", OBJECT_TIME},
};

const struct object_table admin_tokens_table = {
    .name = "admin_tokens",
    .columns = columns,
    .n_columns = TOKEN_COLUMN_COUNT,
    .organization = TOKEN_ORGANIZATION_ID,
    .workspace = -1,
    .title = TOKEN_NAME,
    .owned_by = -1,
    .revision = TOKEN_REVISION,
};

bool token_login_find(struct tx *t, const uint8_t hash[static 32], struct arena *a,
                      struct token_login *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(
            t, &rows, err,
            "SELECT t.id, t.organization_id, t.name, t.role, coalesce(t.last_used_at < now() - "
            "interval '1 minute', true) "
            "FROM admin_tokens t LEFT JOIN users u ON u.id = t.created_by "
            "WHERE t.secret_hash = $1 AND t.revoked_at IS NULL "
            "AND (t.expires_at IS NULL OR t.expires_at > now()) "
            "AND (u.id IS NULL OR (NOT u.disabled "
            "AND (t.organization_id IS NOT NULL OR u.platform_admin)))",
            DB_BYTES(hash, 32))) {
        return false;
    }
    bool found = db_count(rows) == 1, note = false;
    if (found) {
        ret->id = db_uuid(rows, 0, 0);
        ret->organization = db_uuid(rows, 0, 1);
        ret->name = arena_str(a, db_text(rows, 0, 2));
        ret->role = arena_str(a, db_text(rows, 0, 3));
        note = db_bool(rows, 0, 4);
    }
    db_rows_free(rows);
    if (!found) {
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    return !note ||
           tx_exec(t, NULL, err, "UPDATE admin_tokens SET last_used_at = now() WHERE id = $1",
                   DB_UUID(&ret->id));
}
