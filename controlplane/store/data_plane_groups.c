/* Columns and statements of data plane groups. */
#include "controlplane/store/data_plane_groups.h"

static const struct object_column columns[GROUP_COLUMN_COUNT] = {
    [GROUP_ID] = {"id", OBJECT_UUID},
    [GROUP_NAME] = {"name", OBJECT_TEXT},
    [GROUP_SERVES_ALL] = {"serves_all", OBJECT_BOOL},
    [GROUP_REVISION] = {"revision", OBJECT_I64},
    [GROUP_CREATED_AT] = {"created_at", OBJECT_TIME},
    [GROUP_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table data_plane_groups_table = {
    .name = "data_plane_groups",
    .columns = columns,
    .n_columns = GROUP_COLUMN_COUNT,
    .organization = -1,
    .workspace = -1,
    .title = GROUP_NAME,
    .owned_by = -1,
    .revision = GROUP_REVISION,
    .updated = true,
};

bool group_serves_list(struct tx *t, const struct uuid *groups, size_t n_groups, struct arena *a,
                       struct group_served **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *ids = object_id_texts(groups, n_groups, a);
    if (!tx_exec(t, &rows, err,
                 "SELECT group_id, organization_id, workspace_id FROM data_plane_group_serves "
                 "WHERE group_id = ANY($1::text[]::uuid[]) ORDER BY group_id, organization_id, "
                 "workspace_id",
                 DB_TEXTS(ids, n_groups))) {
        return false;
    }
    size_t n = db_count(rows);
    struct group_served *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct group_served){.group = db_uuid(rows, i, 0),
                                        .organization = db_uuid(rows, i, 1),
                                        .workspace = db_uuid(rows, i, 2)};
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool group_set_serves(struct tx *t, const struct uuid *group, const struct group_served *list,
                      size_t n, struct error *err)
{
    if (!tx_exec(t, NULL, err, "DELETE FROM data_plane_group_serves WHERE group_id = $1",
                 DB_UUID(group))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!tx_exec(
                t, NULL, err,
                "INSERT INTO data_plane_group_serves (group_id, organization_id, workspace_id) "
                "VALUES ($1, $2, $3)",
                DB_UUID(group), DB_UUID(&list[i].organization),
                DB_UUID_OR_NULL(&list[i].workspace))) {
            return false;
        }
    }
    return true;
}

bool group_announce(struct tx *t, struct error *err)
{
    return tx_exec(t, NULL, err,
                   "SELECT pg_notify('weir_config', version::text) FROM config_version");
}
