/* Columns and statements of organizations. */
#include "controlplane/store/organizations.h"

static const struct object_column columns[ORGANIZATION_COLUMN_COUNT] = {
    [ORGANIZATION_ID] = {"id", OBJECT_UUID},
    [ORGANIZATION_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [ORGANIZATION_NAME] = {"name", OBJECT_TEXT},
    [ORGANIZATION_SETTINGS] = {"settings", OBJECT_JSON},
    [ORGANIZATION_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [ORGANIZATION_REVISION] = {"revision", OBJECT_I64},
    [ORGANIZATION_CREATED_AT] = {"created_at", OBJECT_TIME},
    [ORGANIZATION_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table organizations_table = {
    .name = "organizations",
    .columns = columns,
    .n_columns = ORGANIZATION_COLUMN_COUNT,
    .organization = ORGANIZATION_ORGANIZATION_ID,
    .workspace = ORGANIZATION_ID, /* lists are narrowed to the actor's own by id */
    .title = ORGANIZATION_NAME,
    .owned_by = ORGANIZATION_OWNED_BY,
    .revision = ORGANIZATION_REVISION,
    .organization_made = true,
    .updated = true,
};

bool organization_in_use(struct tx *t, const struct uuid *organization,
                         const struct uuid *workspace, bool *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    struct db_param one = workspace ? DB_UUID(workspace) : DB_NULL;
    if (!tx_exec(
            t, &rows, err,
            "SELECT EXISTS (SELECT FROM virtual_keys WHERE organization_id = $1 AND ($2::uuid IS "
            "NULL OR "
            "workspace_id = $2::uuid) AND revoked_at IS NULL) OR EXISTS (SELECT FROM providers "
            "WHERE "
            "organization_id = $1 AND ($2::uuid IS NULL OR workspace_id = $2::uuid)) OR EXISTS "
            "(SELECT FROM "
            "models WHERE organization_id = $1 AND ($2::uuid IS NULL OR workspace_id = $2::uuid)) "
            "OR "
            "EXISTS (SELECT FROM configs WHERE organization_id = $1 AND ($2::uuid IS NULL OR "
            "workspace_id = $2::uuid)) OR EXISTS (SELECT FROM prompts WHERE organization_id = $1 "
            "AND "
            "($2::uuid IS NULL OR workspace_id = $2::uuid))",
            DB_UUID(organization), one)) {
        return false;
    }
    *ret = db_bool(rows, 0, 0);
    db_rows_free(rows);
    return true;
}

bool organization_ids(struct tx *t, unsigned limit, struct arena *a, struct uuid **ret,
                      size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, "SELECT id FROM organizations ORDER BY id LIMIT $1",
                 DB_I64(limit))) {
        return false;
    }
    return object_take_ids(rows, a, ret, ret_n, err);
}

bool organization_by_name(struct tx *t, struct str name, struct uuid *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    return tx_exec(t, &rows, err, "SELECT id FROM organizations WHERE lower(name) = lower($1)",
                   DB_STR(name)) &&
           object_take_id(rows, ret, err);
}

bool organization_exists(struct tx *t, const struct uuid *id, struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid found;
    return tx_exec(t, &rows, err, "SELECT id FROM organizations WHERE id = $1", DB_UUID(id)) &&
           object_take_id(rows, &found, err);
}

bool organization_parts(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                        struct arena *a, struct organization_part **ret, size_t *ret_n,
                        struct error *err)
{
    struct db_rows *rows = NULL;
    struct db_param one = workspace ? DB_UUID(workspace) : DB_NULL;
    /* the numbers are those of proto/snapshot.proto's Kind */
    if (!tx_exec(t, &rows, err,
                 "SELECT kind, id FROM ("
                 "SELECT 9 AS kind, id, workspace_id, organization_id FROM budgets UNION ALL "
                 "SELECT 10, id, workspace_id, organization_id FROM limits UNION ALL "
                 "SELECT 11, id, NULL, organization_id FROM price_books UNION ALL "
                 "SELECT 12, id, NULL, organization_id FROM price_groups UNION ALL "
                 "SELECT 13, id, NULL, organization_id FROM issuers UNION ALL "
                 "SELECT 14, id, workspace_id, organization_id FROM teams) p "
                 "WHERE organization_id = $1 AND ($2::uuid IS NULL OR workspace_id = $2::uuid)",
                 DB_UUID(organization), one)) {
        return false;
    }
    size_t n = db_count(rows);
    struct organization_part *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct organization_part){.kind = (unsigned)db_i64(rows, i, 0),
                                             .id = db_uuid(rows, i, 1)};
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool organization_price_group(struct tx *t, const struct uuid *organization, struct str name,
                              struct arena *a, struct str *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT name FROM price_groups WHERE organization_id = $1 "
                 "AND lower(name) = lower($2) FOR KEY SHARE",
                 DB_UUID(organization), DB_STR(name))) {
        return false;
    }
    bool found = db_count(rows) == 1;
    if (found) {
        *ret = arena_str(a, db_text(rows, 0, 0));
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "price group not found");
}
