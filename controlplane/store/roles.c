/* Columns and statements of roles. */
#include "controlplane/store/roles.h"

static const struct object_column columns[ROLE_ROW_COLUMN_COUNT] = {
    [ROLE_ROW_ID] = {"id", OBJECT_UUID},
    [ROLE_ROW_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [ROLE_ROW_NAME] = {"name", OBJECT_TEXT},
    [ROLE_ROW_DESCRIPTION] = {"description", OBJECT_TEXT},
    [ROLE_ROW_SCOPE] = {"scope", OBJECT_TEXT},
    [ROLE_ROW_PERMISSIONS] = {"permissions", OBJECT_TEXTS},
    [ROLE_ROW_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [ROLE_ROW_REVISION] = {"revision", OBJECT_I64},
    [ROLE_ROW_CREATED_AT] = {"created_at", OBJECT_TIME},
    [ROLE_ROW_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table roles_table = {
    .name = "roles",
    .columns = columns,
    .n_columns = ROLE_ROW_COLUMN_COUNT,
    .organization = ROLE_ROW_ORGANIZATION_ID,
    .workspace = -1,
    .title = ROLE_ROW_NAME,
    .owned_by = ROLE_ROW_OWNED_BY,
    .revision = ROLE_ROW_REVISION,
    .updated = true,
};

struct permission_set role_set(const struct str *names, size_t n, bool workspace)
{
    struct permission_set most = role_permissions_most(workspace), s = {{0, 0}};
    for (size_t i = 0; i < n; i++) {
        enum permission p = permission_parse(names[i]);
        if (permission_in(&most, p)) {
            permission_add(&s, p);
        }
    }
    return s;
}

bool role_row_of_workspace(const struct object *row)
{
    return str_eqz(row->v[ROLE_ROW_SCOPE].text, "workspace");
}

struct permission_set role_row_set(const struct object *row)
{
    const struct object_value *v = &row->v[ROLE_ROW_PERMISSIONS];
    return role_set(v->list, v->n, role_row_of_workspace(row));
}

bool role_holders(struct tx *t, const struct uuid *id, uint64_t *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, "SELECT count(*) FROM memberships WHERE role_id = $1",
                 DB_UUID(id))) {
        return false;
    }
    *ret = (uint64_t)db_i64(rows, 0, 0);
    db_rows_free(rows);
    return true;
}
