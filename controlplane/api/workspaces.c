/* Workspaces of an organization. */
#include "controlplane/store/workspaces.h"

#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/organizations.h"

static const struct field fields[] = {
    {.name = "organization_id",
     .kind = FIELD_ID,
     .column = WORKSPACE_ORGANIZATION_ID,
     .prefix = "org"},
    {.name = "name",
     .kind = FIELD_TEXT,
     .column = WORKSPACE_NAME,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 100,
     .check = validate_name},
    {.name = "settings",
     .kind = FIELD_OBJECT,
     .column = WORKSPACE_SETTINGS,
     .flags = FIELD_WRITE,
     .max = 16384},
    FIELD_OWNED_BY(WORKSPACE),
    FIELD_ROW_TIMES(WORKSPACE),
};

static bool removing(struct change *ch, struct error *err)
{
    bool used;
    const struct uuid *id = &ch->before.v[WORKSPACE_ID].uuid;
    return organization_in_use(ch->call->tx, &ch->call->organization, id, &used, err) &&
           (!used ||
            error_set(
                err, ERR_CONFLICT,
                "workspace still has keys, providers, models, configs or prompts: revoke or delete "
                "those first"));
}

const struct resource workspace_resource = {
    .kind = "workspace",
    .prefix = "ws",
    .table = &workspaces_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .read = PERMISSION_WORKSPACE_READ,
    .change_kind = CONFIG_WORKSPACE,
    .removing = removing,
};
