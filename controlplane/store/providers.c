/* Columns and statements of providers. */
#include "controlplane/store/providers.h"

#include "controlplane/store/changes.h"

static const struct object_column columns[PROVIDER_COLUMN_COUNT] = {
    [PROVIDER_ID] = {"id", OBJECT_UUID},
    [PROVIDER_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [PROVIDER_WORKSPACE_ID] = {"workspace_id", OBJECT_UUID},
    [PROVIDER_NAME] = {"name", OBJECT_TEXT},
    [PROVIDER_KIND] = {"kind", OBJECT_TEXT},
    [PROVIDER_BASE_URL] = {"base_url", OBJECT_TEXT},
    [PROVIDER_SETTINGS] = {"settings", OBJECT_JSON},
    [PROVIDER_TIMEOUT_MS] = {"timeout_ms", OBJECT_I64},
    [PROVIDER_CREDENTIAL] = {"credential", OBJECT_BYTES},
    [PROVIDER_CREDENTIAL_KEK] = {"credential_kek", OBJECT_TEXT},
    [PROVIDER_CREDENTIAL_MASK] = {"credential_mask", OBJECT_TEXT},
    [PROVIDER_CREDENTIAL_FIELDS] = {"credential_fields", OBJECT_TEXTS},
    [PROVIDER_CREDENTIAL_KEYS] = {"credential_keys", OBJECT_I64},
    [PROVIDER_CREDENTIAL_REFERENCES] = {"credential_references", OBJECT_JSON},
    [PROVIDER_CREDENTIAL_REFERENCE_NAMES] = {"credential_reference_names", OBJECT_TEXTS},
    [PROVIDER_DISABLED] = {"disabled", OBJECT_BOOL},
    [PROVIDER_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [PROVIDER_REVISION] = {"revision", OBJECT_I64},
    [PROVIDER_CREATED_AT] = {"created_at", OBJECT_TIME},
    [PROVIDER_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table providers_table = {
    .name = "providers",
    .columns = columns,
    .n_columns = PROVIDER_COLUMN_COUNT,
    .organization = PROVIDER_ORGANIZATION_ID,
    .workspace = PROVIDER_WORKSPACE_ID,
    .title = PROVIDER_NAME,
    .owned_by = PROVIDER_OWNED_BY,
    .revision = PROVIDER_REVISION,
    .updated = true,
};

bool provider_by_name(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                      struct str name, struct uuid *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    return tx_exec(
               t, &rows, err,
               "SELECT id FROM providers WHERE organization_id = $1 AND lower(name) = lower($2) "
               "AND (workspace_id IS NULL OR workspace_id = $3) ORDER BY workspace_id IS NULL "
               "LIMIT 1 FOR SHARE",
               DB_UUID(organization), DB_STR(name), DB_UUID(workspace)) &&
           object_take_id(rows, ret, err);
}

bool provider_usable(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                     const struct uuid *id, struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid found;
    return tx_exec(t, &rows, err,
                   "SELECT id FROM providers WHERE organization_id = $1 AND id = $2 "
                   "AND (workspace_id IS NULL OR workspace_id = $3) FOR SHARE",
                   DB_UUID(organization), DB_UUID(id), DB_UUID(workspace)) &&
           object_take_id(rows, &found, err);
}

bool provider_user(struct tx *t, const struct uuid *id, struct arena *a, struct str *ret_model,
                   struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT m.name FROM model_targets g JOIN models m ON m.id = g.model_id WHERE "
                 "g.provider_id = $1 "
                 "LIMIT 1",
                 DB_UUID(id))) {
        return false;
    }
    *ret_model = db_count(rows) > 0 ? arena_str(a, db_text(rows, 0, 0)) : STR_NONE;
    db_rows_free(rows);
    return true;
}

bool providers_touch_references(struct tx *t, const struct str *names, size_t n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id, organization_id FROM providers WHERE credential_reference_names && "
                 "$1::text[] AND credential_reference_names <> '{}'",
                 DB_TEXTS(names, n))) {
        return false;
    }
    for (size_t i = 0; i < db_count(rows); i++) {
        struct uuid id = db_uuid(rows, i, 0), organization = db_uuid(rows, i, 1);
        tx_change(t, CONFIG_PROVIDER, &organization, &id, false);
    }
    db_rows_free(rows);
    return true;
}
