/* Columns of workspaces. */
#include "controlplane/store/workspaces.h"

static const struct object_column columns[WORKSPACE_COLUMN_COUNT] = {
    [WORKSPACE_ID] = {"id", OBJECT_UUID},
    [WORKSPACE_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [WORKSPACE_NAME] = {"name", OBJECT_TEXT},
    [WORKSPACE_SETTINGS] = {"settings", OBJECT_JSON},
    [WORKSPACE_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [WORKSPACE_REVISION] = {"revision", OBJECT_I64},
    [WORKSPACE_CREATED_AT] = {"created_at", OBJECT_TIME},
    [WORKSPACE_UPDATED_AT] = {"updated_at", OBJECT_TIME},
    [WORKSPACE_PRICE_GROUP] = {"price_group", OBJECT_TEXT},
};

const struct object_table workspaces_table = {
    .name = "workspaces",
    .columns = columns,
    .n_columns = WORKSPACE_COLUMN_COUNT,
    .organization = WORKSPACE_ORGANIZATION_ID,
    .workspace = WORKSPACE_ID,
    .title = WORKSPACE_NAME,
    .owned_by = WORKSPACE_OWNED_BY,
    .revision = WORKSPACE_REVISION,
    .updated = true,
};
