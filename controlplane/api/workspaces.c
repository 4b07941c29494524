/* Workspaces of an organization. */
#include "controlplane/store/workspaces.h"

#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/organizations.h"

static const struct field fields[] = {
    FIELD_ORGANIZATION(WORKSPACE),
    FIELD_NAME(WORKSPACE, 100, validate_name),
    {.name = "settings",
     .kind = FIELD_OBJECT,
     .column = WORKSPACE_SETTINGS,
     .flags = FIELD_WRITE,
     .max = 16384},
    {.name = "price_group",
     .kind = FIELD_TEXT,
     .column = WORKSPACE_PRICE_GROUP,
     .flags = FIELD_WRITE | FIELD_FILTER,
     .max = 100},
    FIELD_OWNED_BY(WORKSPACE),
    FIELD_ROW_TIMES(WORKSPACE),
};

static bool prepare(struct change *ch, struct error *err)
{
    return price_group_take(ch, WORKSPACE_PRICE_GROUP, err);
}

/* What goes with it is told to the data planes, too. */
static bool removing(struct change *ch, struct error *err)
{
    bool used;
    struct call *c = ch->call;
    struct organization_part *parts;
    size_t n;
    const struct uuid *id = &ch->before.v[WORKSPACE_ID].uuid;
    if (!organization_in_use(c->tx, &c->organization, id, &used, err)) {
        return false;
    }
    if (used) {
        return error_set(
            err, ERR_CONFLICT,
            "workspace still has keys, providers, models, configs or prompts: revoke or delete "
            "those first");
    }
    if (!organization_parts(c->tx, &c->organization, id, c->arena, &parts, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        tx_change(c->tx, parts[i].kind, &c->organization, &parts[i].id, true);
    }
    return true;
}

const struct resource workspace_resource = {
    .kind = "workspace",
    .prefix = "ws",
    .table = &workspaces_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .read = PERMISSION_WORKSPACE_READ,
    .change_kind = CONFIG_WORKSPACE,
    .prepare = prepare,
    .removing = removing,
};
