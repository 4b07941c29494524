/* Columns of virtual keys. */
#include "controlplane/store/virtual_keys.h"

static const struct object_column columns[KEY_COLUMN_COUNT] = {
    [KEY_ID] = {"id", OBJECT_UUID},
    [KEY_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [KEY_WORKSPACE_ID] = {"workspace_id", OBJECT_UUID},
    [KEY_NAME] = {"name", OBJECT_TEXT},
    [KEY_SECRET_HASH] = {"secret_hash", OBJECT_BYTES},
    [KEY_MASK] = {"mask", OBJECT_TEXT},
    [KEY_USER_ID] = {"user_id", OBJECT_UUID},
    [KEY_MODELS] = {"models", OBJECT_TEXTS},
    [KEY_PROVIDERS] = {"providers", OBJECT_TEXTS},
    [KEY_METADATA] = {"metadata", OBJECT_JSON},
    [KEY_DISABLED] = {"disabled", OBJECT_BOOL},
    [KEY_EXPIRES_AT] = {"expires_at", OBJECT_TIME},
    [KEY_REVOKED_AT] = {"revoked_at", OBJECT_TIME},
    [KEY_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [KEY_CREATED_BY] = {"created_by", OBJECT_UUID},
    [KEY_REVISION] = {"revision", OBJECT_I64},
    [KEY_CREATED_AT] = {"created_at", OBJECT_TIME},
    [KEY_UPDATED_AT] = {"updated_at", OBJECT_TIME},
    [KEY_CONFIG] = {"config", OBJECT_TEXT},
    [KEY_CONFIG_LOCKED] = {"config_locked", OBJECT_BOOL},
    [KEY_TAGS] = {"tags", OBJECT_TEXTS},
};

const struct object_table virtual_keys_table = {
    .name = "virtual_keys",
    .columns = columns,
    .n_columns = KEY_COLUMN_COUNT,
    .organization = KEY_ORGANIZATION_ID,
    .workspace = KEY_WORKSPACE_ID,
    .title = KEY_NAME,
    .owned_by = KEY_OWNED_BY,
    .revision = KEY_REVISION,
    .updated = true,
};
