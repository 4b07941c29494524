/* Columns of price groups, and who is in one. */
#include "controlplane/store/price_groups.h"

static const struct object_column columns[PRICE_GROUP_COLUMN_COUNT] = {
    [PRICE_GROUP_ID] = {"id", OBJECT_UUID},
    [PRICE_GROUP_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [PRICE_GROUP_NAME] = {"name", OBJECT_TEXT},
    [PRICE_GROUP_DESCRIPTION] = {"description", OBJECT_TEXT},
    [PRICE_GROUP_RATIO_PPM] = {"ratio_ppm", OBJECT_I64},
    [PRICE_GROUP_OVERRIDES] = {"overrides", OBJECT_JSON},
    [PRICE_GROUP_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [PRICE_GROUP_REVISION] = {"revision", OBJECT_I64},
    [PRICE_GROUP_CREATED_AT] = {"created_at", OBJECT_TIME},
    [PRICE_GROUP_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table price_groups_table = {
    .name = "price_groups",
    .columns = columns,
    .n_columns = PRICE_GROUP_COLUMN_COUNT,
    .organization = PRICE_GROUP_ORGANIZATION_ID,
    .workspace = -1,
    .title = PRICE_GROUP_NAME,
    .owned_by = PRICE_GROUP_OWNED_BY,
    .revision = PRICE_GROUP_REVISION,
    .updated = true,
};

bool price_group_user(struct tx *t, const struct uuid *organization, struct str name,
                      struct arena *a, struct str *ret_kind, struct str *ret_name,
                      struct error *err)
{
    struct db_rows *rows = NULL;
    *ret_kind = *ret_name = STR_NONE;
    if (!tx_exec(t, &rows, err,
                 "(SELECT 'team', name FROM teams WHERE organization_id = $1 AND "
                 "lower(price_group) = lower($2) LIMIT 1) UNION ALL "
                 "(SELECT 'workspace', name FROM workspaces WHERE organization_id = $1 AND "
                 "lower(price_group) = lower($2) LIMIT 1) UNION ALL "
                 "(SELECT 'key', name FROM virtual_keys WHERE organization_id = $1 AND "
                 "lower(price_group) = lower($2) AND revoked_at IS NULL LIMIT 1) UNION ALL "
                 "(SELECT 'organization', name FROM organizations WHERE id = $1 AND "
                 "lower(settings->>'price_group') = lower($2)) LIMIT 1",
                 DB_UUID(organization), DB_STR(name))) {
        return false;
    }
    if (db_count(rows) > 0) {
        *ret_kind = arena_str(a, db_text(rows, 0, 0));
        *ret_name = arena_str(a, db_text(rows, 0, 1));
    }
    db_rows_free(rows);
    return true;
}
