/* Columns and statements of users. */
#include "controlplane/store/users.h"

static const struct object_column columns[USER_COLUMN_COUNT] = {
    [USER_ID] = {"id", OBJECT_UUID},
    [USER_EMAIL] = {"email", OBJECT_TEXT},
    [USER_NAME] = {"name", OBJECT_TEXT},
    [USER_PLATFORM_ADMIN] = {"platform_admin", OBJECT_BOOL},
    [USER_DISABLED] = {"disabled", OBJECT_BOOL},
    [USER_REVISION] = {"revision", OBJECT_I64},
    [USER_CREATED_AT] = {"created_at", OBJECT_TIME},
    [USER_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table users_table = {
    .name = "users",
    .columns = columns,
    .n_columns = USER_COLUMN_COUNT,
    .organization = -1,
    .workspace = USER_ID, /* lists are narrowed by id */
    .title = USER_EMAIL,
    .owned_by = -1,
    .revision = USER_REVISION,
    .updated = true,
};

bool user_login_find(struct tx *t, struct str email, struct arena *a, struct user_login *ret,
                     struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id, password_hash, disabled FROM users WHERE lower(email) = lower($1)",
                 DB_STR(email))) {
        return false;
    }
    bool found = db_count(rows) == 1;
    if (found) {
        ret->id = db_uuid(rows, 0, 0);
        ret->password_hash = db_is_null(rows, 0, 1) ? STR_NONE : arena_str(a, db_text(rows, 0, 1));
        ret->disabled = db_bool(rows, 0, 2);
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "%s", "");
}

bool user_set_password(struct tx *t, const struct uuid *id, struct str hash, struct error *err)
{
    return tx_exec(t, NULL, err,
                   "UPDATE users SET password_hash = $2, updated_at = now() WHERE id = $1",
                   DB_UUID(id), DB_STR(hash));
}

bool user_by_email(struct tx *t, struct str email, struct uuid *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    return tx_exec(t, &rows, err, "SELECT id FROM users WHERE lower(email) = lower($1)",
                   DB_STR(email)) &&
           object_take_id(rows, ret, err);
}

bool user_keys(struct tx *t, const struct uuid *id, struct arena *a, struct user_key **ret,
               size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id, organization_id FROM virtual_keys WHERE user_id = $1 "
                 "AND revoked_at IS NULL ORDER BY id",
                 DB_UUID(id))) {
        return false;
    }
    size_t n = db_count(rows);
    struct user_key *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct user_key){db_uuid(rows, i, 0), db_uuid(rows, i, 1)};
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}
