/* Service accounts: applications and jobs that hold virtual keys of a workspace. Disabling one
 * stops its keys. */
#include "controlplane/store/service_accounts.h"

#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/teams.h"

static const struct field fields[] = {
    FIELD_ORGANIZATION(SERVICE_ACCOUNT),
    FIELD_WORKSPACE(SERVICE_ACCOUNT),
    FIELD_NAME(SERVICE_ACCOUNT, 100, validate_name),
    {.name = "description",
     .kind = FIELD_TEXT,
     .column = SERVICE_ACCOUNT_DESCRIPTION,
     .flags = FIELD_WRITE,
     .max = 500},
    {.name = "team_id",
     .kind = FIELD_ID,
     .column = SERVICE_ACCOUNT_TEAM_ID,
     .prefix = "team",
     .flags = FIELD_WRITE | FIELD_NULL | FIELD_FILTER},
    {.name = "disabled",
     .kind = FIELD_BOOL,
     .column = SERVICE_ACCOUNT_DISABLED,
     .flags = FIELD_WRITE},
    FIELD_OWNED_BY(SERVICE_ACCOUNT),
    FIELD_ROW_TIMES(SERVICE_ACCOUNT),
};

static const char *const extras[] = {"workspace_id", "workspace", NULL};

static bool prepare(struct change *ch, struct error *err)
{
    const struct object_value *team = &ch->now.v[SERVICE_ACCOUNT_TEAM_ID];
    if (!resource_place(ch, SERVICE_ACCOUNT_WORKSPACE_ID, true, err)) {
        return false;
    }
    struct uuid workspace = resource_workspace(ch->resource, ch->creating ? &ch->now : &ch->before);
    if (object_is_set(team) &&
        !team_usable(ch->call->tx, &ch->call->organization, &workspace, &team->uuid, err)) {
        return err->code == ERR_NOT_FOUND ? body_refuse(err, ch->at, "team_id", "does not exist")
                                          : false;
    }
    return true;
}

static bool keys_of(struct change *ch, struct uuid **ret, size_t *ret_n, struct error *err)
{
    const struct object *row = ch->creating ? &ch->now : &ch->before;
    return service_account_keys(ch->call->tx, &row->v[SERVICE_ACCOUNT_ID].uuid, ch->call->arena,
                                ret, ret_n, err);
}

/* The data planes learn of an account by its keys. */
static bool stored(struct change *ch, struct error *err)
{
    struct uuid *keys;
    size_t n;
    if (ch->creating || !keys_of(ch, &keys, &n, err)) {
        return ch->creating;
    }
    bool same = ch->before.v[SERVICE_ACCOUNT_DISABLED].integer ==
                ch->now.v[SERVICE_ACCOUNT_DISABLED].integer;
    for (size_t i = 0; !same && i < n; i++) {
        tx_change(ch->call->tx, CONFIG_KEY, &ch->call->organization, &keys[i], false);
    }
    return true;
}

static bool removing(struct change *ch, struct error *err)
{
    struct uuid *keys;
    size_t n;
    return keys_of(ch, &keys, &n, err) &&
           (n == 0 ||
            error_set(err, ERR_CONFLICT, "service account still has keys: revoke those first"));
}

const struct resource service_account_resource = {
    .kind = "service_account",
    .prefix = "sa",
    .table = &service_accounts_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_SERVICE_ACCOUNT_READ,
    .prepare = prepare,
    .stored = stored,
    .removing = removing,
};
