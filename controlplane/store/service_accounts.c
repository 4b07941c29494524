/* Columns and statements of service accounts. */
#include "controlplane/store/service_accounts.h"

static const struct object_column columns[SERVICE_ACCOUNT_COLUMN_COUNT] = {
    [SERVICE_ACCOUNT_ID] = {"id", OBJECT_UUID},
    [SERVICE_ACCOUNT_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [SERVICE_ACCOUNT_WORKSPACE_ID] = {"workspace_id", OBJECT_UUID},
    [SERVICE_ACCOUNT_NAME] = {"name", OBJECT_TEXT},
    [SERVICE_ACCOUNT_DESCRIPTION] = {"description", OBJECT_TEXT},
    [SERVICE_ACCOUNT_TEAM_ID] = {"team_id", OBJECT_UUID},
    [SERVICE_ACCOUNT_DISABLED] = {"disabled", OBJECT_BOOL},
    [SERVICE_ACCOUNT_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [SERVICE_ACCOUNT_REVISION] = {"revision", OBJECT_I64},
    [SERVICE_ACCOUNT_CREATED_AT] = {"created_at", OBJECT_TIME},
    [SERVICE_ACCOUNT_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table service_accounts_table = {
    .name = "service_accounts",
    .columns = columns,
    .n_columns = SERVICE_ACCOUNT_COLUMN_COUNT,
    .organization = SERVICE_ACCOUNT_ORGANIZATION_ID,
    .workspace = SERVICE_ACCOUNT_WORKSPACE_ID,
    .title = SERVICE_ACCOUNT_NAME,
    .owned_by = SERVICE_ACCOUNT_OWNED_BY,
    .revision = SERVICE_ACCOUNT_REVISION,
    .updated = true,
};

bool service_account_keys(struct tx *t, const struct uuid *id, struct arena *a, struct uuid **ret,
                          size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id FROM virtual_keys WHERE service_account_id = $1 "
                 "AND revoked_at IS NULL ORDER BY id",
                 DB_UUID(id))) {
        return false;
    }
    return object_take_ids(rows, a, ret, ret_n, err);
}
