/* Custom roles: permissions that an organization put together under a name. Nobody makes or changes
 * one that holds more than they do, and one that somebody holds is not deleted. What a role grants
 * is read with each call, so a change of it holds from the next call on. */
#include "controlplane/store/roles.h"

#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"

static const char *const scopes[] = {"organization", "workspace", NULL};

static const struct field fields[] = {
    FIELD_ORGANIZATION(ROLE_ROW),
    FIELD_NAME(ROLE_ROW, 60, validate_name),
    {.name = "description",
     .kind = FIELD_TEXT,
     .column = ROLE_ROW_DESCRIPTION,
     .flags = FIELD_WRITE,
     .max = 500},
    {.name = "scope",
     .kind = FIELD_TEXT,
     .column = ROLE_ROW_SCOPE,
     .flags = FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 20,
     .words = scopes},
    {.name = "permissions",
     .kind = FIELD_TEXTS,
     .column = ROLE_ROW_PERMISSIONS,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_EMPTY,
     .max = 128},
    FIELD_OWNED_BY(ROLE_ROW),
    FIELD_ROW_TIMES(ROLE_ROW),
};

static const struct uuid whole; /* no workspace: the organization */

static bool check_names(struct change *ch, const struct object_value *names, bool workspace,
                        struct error *err)
{
    struct permission_set most = role_permissions_most(workspace);
    struct body_path list = {ch->at, "permissions", 0};
    for (size_t i = 0; i < names->n; i++) {
        struct body_path item = {&list, NULL, i};
        enum permission p = permission_parse(names->list[i]);
        if (p == PERMISSION_COUNT || p <= PERMISSION_SIGNED_IN) {
            return body_refuse(err, &item, NULL, "is no permission: GET /permissions lists them");
        }
        if (!permission_in(&most, p)) {
            return body_refuse(err, &item, NULL, "cannot be held in %s",
                               workspace ? "a workspace" : "an organization");
        }
    }
    return true;
}

/* The names in the table's order, each once. */
static bool put_in_order(struct change *ch, const struct permission_set *s, struct error *err)
{
    struct object_value *v = &ch->now.v[ROLE_ROW_PERMISSIONS];
    struct str *list = arena_alloc(ch->call->arena, PERMISSION_COUNT * sizeof *list);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    v->list = list;
    v->n = 0;
    for (int p = 0; p < PERMISSION_COUNT; p++) {
        if (permission_in(s, (enum permission)p)) {
            list[v->n++] = str_of(permission_name((enum permission)p));
        }
    }
    return true;
}

static bool may_hold(struct change *ch, const struct permission_set *s, struct error *err)
{
    return call_may_give(ch->call, s, &whole) ||
           error_set_param(err, ERR_FORBIDDEN, "permissions",
                           "role holds permissions that you do not hold");
}

static bool prepare(struct change *ch, struct error *err)
{
    const struct object_value *names = &ch->now.v[ROLE_ROW_PERMISSIONS];
    bool workspace = role_row_of_workspace(ch->creating ? &ch->now : &ch->before);
    if (!ch->creating) {
        struct permission_set before = role_row_set(&ch->before);
        if (!may_hold(ch, &before, err)) {
            return false;
        }
    }
    if (!object_is_set(names)) {
        return true;
    }
    if (!check_names(ch, names, workspace, err)) {
        return false;
    }
    struct permission_set now = role_set(names->list, names->n, workspace);
    return may_hold(ch, &now, err) && put_in_order(ch, &now, err);
}

static bool removing(struct change *ch, struct error *err)
{
    uint64_t holders;
    struct permission_set before = role_row_set(&ch->before);
    return may_hold(ch, &before, err) &&
           role_holders(ch->call->tx, &ch->before.v[ROLE_ROW_ID].uuid, &holders, err) &&
           (holders == 0 || error_set(err, ERR_CONFLICT,
                                      "role is held by %llu memberships: give them another first",
                                      (unsigned long long)holders));
}

const struct resource role_resource = {
    .kind = "role",
    .prefix = "role",
    .table = &roles_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .read = PERMISSION_ROLE_READ,
    .prepare = prepare,
    .removing = removing,
};
