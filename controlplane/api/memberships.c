/* Memberships: who holds which role in the organization or in one workspace; a role of the table by
 * its name (role), or one that the organization made (role_id). Nobody hands out, changes or takes
 * away a role that holds more than they do, and an organization keeps an owner. A person is named
 * by user_id or by e-mail address; an address that is not known yet becomes a user without a
 * password, so that the answer does not tell who else is here. */
#include "controlplane/store/memberships.h"

#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/roles.h"
#include "controlplane/store/users.h"

static const struct field fields[] = {
    FIELD_ORGANIZATION(MEMBERSHIP),
    FIELD_WORKSPACE(MEMBERSHIP),
    {.name = "user_id",
     .kind = FIELD_ID,
     .column = MEMBERSHIP_USER_ID,
     .prefix = "usr",
     .flags = FIELD_CREATE | FIELD_FILTER},
    {.name = "role",
     .kind = FIELD_TEXT,
     .column = MEMBERSHIP_ROLE,
     .flags = FIELD_WRITE | FIELD_NULL | FIELD_FILTER,
     .min = 1,
     .max = 30},
    {.name = "role_id",
     .kind = FIELD_ID,
     .column = MEMBERSHIP_ROLE_ID,
     .prefix = "role",
     .flags = FIELD_WRITE | FIELD_NULL | FIELD_FILTER},
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

/* The custom role of this id. ERR_NOT_FOUND. */
static bool find_role(struct call *c, const struct uuid *id, struct object *ret, struct error *err)
{
    struct object_query q = {.organization = &c->organization};
    object_filter_uuid(&q, ROLE_ROW_ID, id);
    return object_find(c->tx, &roles_table, &q, c->arena, ret, err);
}

/* What a membership grants. */
static bool held_by(struct call *c, const struct object *row, struct permission_set *ret,
                    struct error *err)
{
    struct object role;
    if (!object_is_set(&row->v[MEMBERSHIP_ROLE_ID])) {
        *ret = role_permissions(role_of(row));
        return true;
    }
    if (!find_role(c, &row->v[MEMBERSHIP_ROLE_ID].uuid, &role, err)) {
        return false;
    }
    *ret = role_row_set(&role);
    return true;
}

static bool is_owner(const struct object *row)
{
    return !object_is_set(&row->v[MEMBERSHIP_ROLE_ID]) && role_of(row) == ROLE_OWNER;
}

/* The last owner stays, whoever asks: name another one first. */
static bool keep_owner(struct change *ch, struct error *err)
{
    uint64_t others;
    if (!is_owner(&ch->before)) {
        return true;
    }
    return membership_other_owners(ch->call->tx, &ch->call->organization,
                                   &ch->before.v[MEMBERSHIP_ID].uuid, &others, err) &&
           (others > 0 ||
            error_set(err, ERR_CONFLICT, "organization would be left without an owner"));
}

static bool may_touch(struct change *ch, struct error *err)
{
    struct uuid workspace = resource_workspace(ch->resource, &ch->before);
    struct permission_set held;
    return held_by(ch->call, &ch->before, &held, err) &&
           (call_may_give(ch->call, &held, &workspace) ||
            error_set(err, ERR_FORBIDDEN, "this membership's role is above yours"));
}

/* The role named in the body: its permissions. */
static bool take_table_role(struct change *ch, bool workspace, struct permission_set *ret,
                            struct error *err)
{
    enum role given = role_parse(ch->now.v[MEMBERSHIP_ROLE].text, workspace);
    if (given == ROLE_NONE || given == ROLE_PLATFORM_ADMIN) {
        return body_refuse(err, ch->at, "role", "must be %s",
                           workspace ? "admin, manager, developer or viewer"
                                     : "owner, admin, billing or auditor");
    }
    object_set_null(&ch->now.v[MEMBERSHIP_ROLE_ID]);
    *ret = role_permissions(given);
    return true;
}

static bool take_custom_role(struct change *ch, bool workspace, struct permission_set *ret,
                             struct error *err)
{
    struct object role;
    if (!find_role(ch->call, &ch->now.v[MEMBERSHIP_ROLE_ID].uuid, &role, err)) {
        return err->code == ERR_NOT_FOUND ? body_refuse(err, ch->at, "role_id", "does not exist")
                                          : false;
    }
    if (role_row_of_workspace(&role) != workspace) {
        return body_refuse(err, ch->at, "role_id", "is a role of %s",
                           workspace ? "the organization" : "a workspace");
    }
    object_set_null(&ch->now.v[MEMBERSHIP_ROLE]);
    *ret = role_row_set(&role);
    return true;
}

static bool take_role(struct change *ch, struct error *err)
{
    const struct object_value *by_name = &ch->now.v[MEMBERSHIP_ROLE],
                              *by_id = &ch->now.v[MEMBERSHIP_ROLE_ID];
    struct uuid workspace = resource_workspace(ch->resource, ch->creating ? &ch->now : &ch->before);
    bool there = !uuid_is_nil(&workspace), named = object_is_set(by_name),
         custom = object_is_set(by_id);
    struct permission_set given;
    if (named && custom) {
        return body_refuse(err, ch->at, "role_id", "must not be given beside role");
    }
    if (!named && !custom) {
        bool untouched = by_name->state == OBJECT_UNSET && by_id->state == OBJECT_UNSET;
        return (untouched && !ch->creating) ||
               body_refuse(err, ch->at, "role", "or role_id is required");
    }
    if (!(custom ? take_custom_role(ch, there, &given, err)
                 : take_table_role(ch, there, &given, err))) {
        return false;
    }
    if (!call_may_give(ch->call, &given, &workspace)) {
        return error_set_param(err, ERR_FORBIDDEN, custom ? "role_id" : "role",
                               "role is above your own");
    }
    return ch->creating || is_owner(&ch->now) || keep_owner(ch, err);
}

static bool prepare(struct change *ch, struct error *err)
{
    return resource_place(ch, MEMBERSHIP_WORKSPACE_ID, false, err) && take_user(ch, err) &&
           (ch->creating || may_touch(ch, err)) && take_role(ch, err);
}

static bool removing(struct change *ch, struct error *err)
{
    return may_touch(ch, err) && keep_owner(ch, err) &&
           membership_leave_teams(ch->call->tx, &ch->call->organization,
                                  &ch->before.v[MEMBERSHIP_USER_ID].uuid,
                                  &ch->before.v[MEMBERSHIP_ID].uuid, err);
}

struct people {
    struct object *list, *roles; /* roles: all that the organization made */
    size_t n, n_roles;
};

static bool load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    struct people *p = arena_zalloc(c->arena, sizeof *p);
    struct uuid *ids = object_ids(rows, n, MEMBERSHIP_USER_ID, c->arena);
    if (!p || !ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    struct object_query q = {.only_workspaces = true, .workspaces = ids, .n_workspaces = n},
                        r = {.organization = &c->organization};
    *ret = p;
    return object_list(c->tx, &users_table, &q, c->arena, &p->list, &p->n, err) &&
           object_list(c->tx, &roles_table, &r, c->arena, &p->roles, &p->n_roles, err);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    const struct people *p = loaded;
    (void)c;
    struct str role = row->v[MEMBERSHIP_ROLE].text;
    for (size_t i = 0; i < p->n_roles && object_is_set(&row->v[MEMBERSHIP_ROLE_ID]); i++) {
        if (uuid_eq(&p->roles[i].v[ROLE_ROW_ID].uuid, &row->v[MEMBERSHIP_ROLE_ID].uuid)) {
            role = p->roles[i].v[ROLE_ROW_NAME].text;
        }
    }
    json_field_str(w, "role_name", role);
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
