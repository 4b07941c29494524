/* Teams: people and keys that belong together, of the whole organization or of one workspace, with
 * a price group of their own. Members are people who hold a role in the organization; whoever holds
 * none any more is in none of its teams. */
#include "controlplane/store/teams.h"

#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/organizations.h"

static const struct field fields[] = {
    FIELD_ORGANIZATION(TEAM),
    FIELD_WORKSPACE(TEAM),
    FIELD_NAME(TEAM, 100, validate_name),
    {.name = "price_group",
     .kind = FIELD_TEXT,
     .column = TEAM_PRICE_GROUP,
     .flags = FIELD_WRITE | FIELD_FILTER,
     .max = 100},
    {.name = "external_id",
     .kind = FIELD_TEXT,
     .column = TEAM_EXTERNAL_ID,
     .flags = FIELD_WRITE | FIELD_FILTER,
     .max = 255},
    FIELD_OWNED_BY(TEAM),
    FIELD_ROW_TIMES(TEAM),
};

static const char *const extras[] = {"workspace_id", "workspace", NULL};

bool price_group_may(struct change *ch, int column, struct error *err)
{
    static const struct uuid whole;
    const struct object_value *now = &ch->now.v[column], *before = &ch->before.v[column];
    struct str was = !ch->creating && object_is_set(before) ? before->text : STR_LIT("");
    return !object_is_set(now) || str_eq_nocase(now->text, was) ||
           call_may(ch->call, PERMISSION_PRICE_WRITE, &whole) ||
           error_set_param(err, ERR_FORBIDDEN, "price_group",
                           "price_group needs the permission %s in the organization",
                           permission_name(PERMISSION_PRICE_WRITE));
}

bool price_group_take(struct change *ch, int column, struct error *err)
{
    struct object_value *v = &ch->now.v[column];
    if (!price_group_may(ch, column, err)) {
        return false;
    }
    if (!object_is_set(v) || v->text.len == 0) {
        return true;
    }
    if (!organization_price_group(ch->call->tx, &ch->call->organization, v->text, ch->call->arena,
                                  &v->text, err)) {
        return err->code == ERR_NOT_FOUND
                   ? body_refuse(err, ch->at, "price_group", "does not exist")
                   : false;
    }
    return true;
}

static bool prepare(struct change *ch, struct error *err)
{
    return resource_place(ch, TEAM_WORKSPACE_ID, false, err) &&
           price_group_take(ch, TEAM_PRICE_GROUP, err);
}

static bool removing(struct change *ch, struct error *err)
{
    bool used;
    return team_in_use(ch->call->tx, &ch->before.v[TEAM_ID].uuid, &used, err) &&
           (!used || error_set(err, ERR_CONFLICT,
                               "team still has keys or service accounts: revoke or move those "
                               "first"));
}

const struct resource team_resource = {
    .kind = "team",
    .prefix = "team",
    .table = &teams_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_TEAM_READ,
    .change_kind = CONFIG_TEAM,
    .shared = true,
    .prepare = prepare,
    .removing = removing,
};

/* --- members --- */

static bool find_team(struct call *c, bool write, struct object *ret, struct error *err)
{
    if (!resource_find(c, &team_resource, &c->id, false, ret, err)) {
        return false;
    }
    struct uuid workspace = resource_workspace(&team_resource, ret);
    return !write || permission_scope_covers(&c->scope, &workspace) ||
           error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                     permission_name(c->route->permission));
}

static bool named_user(struct call *c, struct uuid *ret, struct error *err)
{
    return uuid_parse_public("usr", c->item, ret) ||
           error_set(err, ERR_NOT_FOUND, "team member not found");
}

static void show_member(struct json_writer *w, const struct team_member *m)
{
    json_object_begin(w);
    reply_put_id(w, "user_id", "usr", &m->user);
    json_field_str(w, "email", m->email);
    json_field_str(w, "user_name", m->name);
    json_field_str(w, "owned_by", m->owned_by);
    reply_put_time(w, "created_at", m->created_at_ms);
    json_object_end(w);
}

bool team_members_call(struct call *c, struct error *err)
{
    struct object team;
    struct page page;
    struct team_member *list;
    size_t n;
    if (!page_read(c->request, &page, err) || !find_team(c, false, &team, err) ||
        !team_members(c->tx, &c->id, page.has_after ? &page.after : NULL, page.limit + 1, c->arena,
                      &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        show_member(&c->json, &list[i]);
    }
    page_end(&c->json, more, n > 0 ? &list[n - 1].user : NULL);
    return true;
}

bool team_member_get_call(struct call *c, struct error *err)
{
    struct object team;
    struct uuid user;
    struct team_member m;
    if (!find_team(c, false, &team, err) || !named_user(c, &user, err) ||
        !team_member_find(c->tx, &c->id, &user, c->arena, &m, err)) {
        return false;
    }
    show_member(&c->json, &m);
    return true;
}

/* The audit row of a team tells whom it was about. */
static bool note_member(struct call *c, const struct object *team, const struct team_member *m,
                        bool added, struct error *err)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 4096);
    json_writer_init(&w, &b);
    show_member(&w, m);
    struct str text = b.failed ? STR_NONE : arena_str(c->arena, buffer_str(&b));
    buffer_release(&b);
    return text.ptr ? tx_audit(c->tx, added ? "team.member_add" : "team.member_remove", "team",
                               &c->organization, &c->id, team->v[TEAM_NAME].text.ptr,
                               added ? NULL : text.ptr, added ? text.ptr : NULL, err)
                    : error_set(err, ERR_OVERLOADED, "%s", "");
}

bool team_member_put_call(struct call *c, struct error *err)
{
    struct object team;
    struct uuid user;
    struct team_member m;
    bool added;
    if (!find_team(c, true, &team, err) || !named_user(c, &user, err) ||
        !team_member_add(c->tx, &c->organization, &c->id, &user, c->actor.token ? "api" : "ui",
                         &added, err) ||
        !team_member_find(c->tx, &c->id, &user, c->arena, &m, err) ||
        (added && !note_member(c, &team, &m, true, err))) {
        return false;
    }
    show_member(&c->json, &m);
    return true;
}

bool team_member_delete_call(struct call *c, struct error *err)
{
    struct object team;
    struct uuid user;
    struct team_member m;
    c->status = 204;
    return find_team(c, true, &team, err) && named_user(c, &user, err) &&
           team_member_find(c->tx, &c->id, &user, c->arena, &m, err) &&
           team_member_remove(c->tx, &c->id, &user, err) && note_member(c, &team, &m, false, err);
}
