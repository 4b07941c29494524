/* Memberships: who holds which role in the organization or in one workspace. Nobody hands out,
 * changes or takes away a role above their own, and an organization keeps an owner. A person is
 * named by user_id or by e-mail address; an address that is not known yet becomes a user without a
 * password, so that the answer does not tell who else is here. */
#include "controlplane/store/memberships.h"

#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/users.h"

static const struct field fields[] = {
    {.name = "organization_id",
     .kind = FIELD_ID,
     .column = MEMBERSHIP_ORGANIZATION_ID,
     .prefix = "org"},
    {.name = "workspace_id",
     .kind = FIELD_ID,
     .column = MEMBERSHIP_WORKSPACE_ID,
     .prefix = "ws",
     .flags = FIELD_FILTER},
    {.name = "user_id",
     .kind = FIELD_ID,
     .column = MEMBERSHIP_USER_ID,
     .prefix = "usr",
     .flags = FIELD_CREATE | FIELD_FILTER},
    {.name = "role",
     .kind = FIELD_TEXT,
     .column = MEMBERSHIP_ROLE,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 30},
    FIELD_OWNED_BY(MEMBERSHIP),
    FIELD_ROW_TIMES(MEMBERSHIP),
};

static const char *const extras[] = {"workspace_id", "workspace", "email", NULL};

static bool find_or_make_user(struct change *ch, struct str email, struct error *err)
{
    struct object user = {.v = {{.state = OBJECT_UNSET}}};
    struct uuid id;
    const char *wrong = validate_email(email);
    if (wrong) {
        return body_refuse(err, ch->at, "email", "%s", wrong);
    }
    if (!user_by_email(ch->call->tx, email, &id, err)) {
        if (err->code != ERR_NOT_FOUND) {
            return false;
        }
        id = uuid_v7();
        object_set_uuid(&user.v[USER_ID], &id);
        object_set_text(&user.v[USER_EMAIL], email);
        *err = (struct error)ERROR_INIT;
        if (!object_insert(ch->call->tx, &users_table, &user, ch->call->arena, err)) {
            return err->code == ERR_CONFLICT
                       ? error_set_param(err, ERR_CONFLICT, "email",
                                         "email became known at this moment: try again")
                       : false;
        }
        if (!tx_audit(ch->call->tx, "user.create", "user", &ch->call->organization, &id,
                      user.v[USER_EMAIL].text.ptr, NULL, NULL, err)) {
            return false;
        }
    }
    object_set_uuid(&ch->now.v[MEMBERSHIP_USER_ID], &id);
    return true;
}

static bool take_user(struct change *ch, struct error *err)
{
    const struct body_value *email = body_get(ch->body, "email");
    struct object_query q = {.limit = 1};
    struct object row;
    struct str text;
    bool by_id = object_is_set(&ch->now.v[MEMBERSHIP_USER_ID]);
    if (!ch->creating) {
        return !email || body_refuse(err, ch->at, "email", "of a membership cannot be changed");
    }
    if (by_id == (email != NULL)) {
        return body_refuse(err, ch->at, by_id ? "email" : "user_id",
                           by_id ? "must not be given beside user_id" : "or email is required");
    }
    if (email) {
        return body_text(email, 3, 254, ch->at, "email", &text, err) &&
               find_or_make_user(ch, text, err);
    }
    /* to a tenant other people than its members are not there */
    bool platform = ch->call->actor.platform;
    if (!platform) {
        q.organization = &ch->call->organization;
    }
    object_filter_uuid(&q, platform ? USER_ID : MEMBERSHIP_USER_ID,
                       &ch->now.v[MEMBERSHIP_USER_ID].uuid);
    if (!object_find(ch->call->tx, platform ? &users_table : &memberships_table, &q,
                     ch->call->arena, &row, err)) {
        return err->code == ERR_NOT_FOUND ? body_refuse(err, ch->at, "user_id", "does not exist")
                                          : false;
    }
    return true;
}

static enum role role_of(const struct object *row)
{
    return role_parse(row->v[MEMBERSHIP_ROLE].text,
                      object_is_set(&row->v[MEMBERSHIP_WORKSPACE_ID]));
}

/* The last owner stays. */
static bool keep_owner(struct change *ch, struct error *err)
{
    uint64_t others;
    if (role_of(&ch->before) != ROLE_OWNER) {
        return true;
    }
    return membership_other_owners(ch->call->tx, &ch->call->organization,
                                   &ch->before.v[MEMBERSHIP_ID].uuid, &others, err) &&
           (others > 0 || ch->call->actor.platform ||
            error_set(err, ERR_CONFLICT, "organization would be left without an owner"));
}

static bool may_touch(struct change *ch, struct error *err)
{
    struct uuid workspace = resource_workspace(ch->resource, &ch->before);
    return call_may_grant(ch->call, role_of(&ch->before), &workspace) ||
           error_set(err, ERR_FORBIDDEN, "this membership's role is above yours");
}

static bool prepare(struct change *ch, struct error *err)
{
    if (!resource_place(ch, MEMBERSHIP_WORKSPACE_ID, false, err) || !take_user(ch, err) ||
        (!ch->creating && !may_touch(ch, err))) {
        return false;
    }
    if (!object_is_set(&ch->now.v[MEMBERSHIP_ROLE])) {
        return true;
    }
    struct uuid workspace = resource_workspace(ch->resource, ch->creating ? &ch->now : &ch->before);
    enum role given = role_parse(ch->now.v[MEMBERSHIP_ROLE].text, !uuid_is_nil(&workspace));
    if (given == ROLE_NONE || given == ROLE_PLATFORM_ADMIN) {
        return body_refuse(err, ch->at, "role", "must be %s",
                           uuid_is_nil(&workspace) ? "owner, admin, billing or auditor"
                                                   : "admin, manager, developer or viewer");
    }
    if (!call_may_grant(ch->call, given, &workspace)) {
        return error_set_param(err, ERR_FORBIDDEN, "role", "role is above your own");
    }
    return ch->creating || given == ROLE_OWNER || keep_owner(ch, err);
}

static bool removing(struct change *ch, struct error *err)
{
    return may_touch(ch, err) && keep_owner(ch, err);
}

struct people {
    struct object *list;
    size_t n;
};

static bool load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    struct people *p = arena_zalloc(c->arena, sizeof *p);
    struct uuid *ids = object_ids(rows, n, MEMBERSHIP_USER_ID, c->arena);
    if (!p || !ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    struct object_query q = {.only_workspaces = true, .workspaces = ids, .n_workspaces = n};
    *ret = p;
    return object_list(c->tx, &users_table, &q, c->arena, &p->list, &p->n, err);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    const struct people *p = loaded;
    (void)c;
    for (size_t i = 0; i < p->n; i++) {
        if (uuid_eq(&p->list[i].v[USER_ID].uuid, &row->v[MEMBERSHIP_USER_ID].uuid)) {
            json_field_str(w, "email", p->list[i].v[USER_EMAIL].text);
            json_field_str(w, "user_name", p->list[i].v[USER_NAME].text);
            return;
        }
    }
}

const struct resource membership_resource = {
    .kind = "membership",
    .prefix = "mem",
    .table = &memberships_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_MEMBER_READ,
    .prepare = prepare,
    .removing = removing,
    .load = load,
    .show = show,
};
