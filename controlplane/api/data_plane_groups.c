/* Groups of data planes: each serves all organizations, or those (and the single workspaces) that
 * it names. */
#include "controlplane/store/data_plane_groups.h"

#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/organizations.h"

#define SERVES_MAX 1000
#define DEFAULT_GROUP "default"

static const struct field fields[] = {
    FIELD_NAME(GROUP, 100, validate_name),
    {.name = "serves_all", .kind = FIELD_BOOL, .column = GROUP_SERVES_ALL, .flags = FIELD_WRITE},
    FIELD_ROW_TIMES(GROUP),
};

static const char *const extras[] = {"serves", NULL};

struct serves {
    struct group_served *list;
    size_t n;
};

static bool decode_one(struct change *ch, const struct body_value *v, const struct body_path *at,
                       struct group_served *ret, struct error *err)
{
    static const char *const names[] = {"organization_id", "workspace_id", "workspace", NULL};
    const struct body_value *organization = body_get(v, "organization_id");
    struct call *c = ch->call;
    struct str text;
    if (v->type != BODY_OBJECT || !organization) {
        return body_refuse(err, at, "organization_id", "is required");
    }
    if (!body_known(v, names, at, err) ||
        !body_text(organization, 1, 64, at, "organization_id", &text, err)) {
        return false;
    }
    if (!uuid_parse_public("org", text, &ret->organization)) {
        return body_refuse(err, at, "organization_id", "must be an id (org_...)");
    }
    if (!organization_exists(c->tx, &ret->organization, err)) {
        return err->code == ERR_NOT_FOUND
                   ? body_refuse(err, at, "organization_id", "does not exist")
                   : false;
    }
    struct uuid before = c->organization;
    c->organization = ret->organization; /* where the workspace is looked for */
    bool ok = resource_read_workspace(c, v, at, &ret->workspace, err);
    c->organization = before;
    return ok;
}

static bool is_default(const struct change *ch)
{
    return str_eqz(ch->before.v[GROUP_NAME].text, DEFAULT_GROUP);
}

static bool prepare(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "serves");
    struct body_path here = {ch->at, "serves", 0};
    struct serves *s = arena_zalloc(ch->call->arena, sizeof *s);
    if (!ch->creating && is_default(ch) && object_is_set(&ch->now.v[GROUP_NAME]) &&
        !str_eqz(ch->now.v[GROUP_NAME].text, DEFAULT_GROUP)) {
        return error_set_param(err, ERR_CONFLICT, "name",
                               "the group \"default\" keeps its name: enrolment looks for it");
    }
    if (!v) {
        return true;
    }
    if (!body_array(v, SERVES_MAX, ch->at, "serves", err)) {
        return false;
    }
    if (!s || !(s->list = arena_zalloc(ch->call->arena, (v->n + 1) * sizeof *s->list))) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < v->n; i++) {
        struct body_path item = {&here, NULL, i};
        if (!decode_one(ch, &v->items[i], &item, &s->list[i], err)) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (uuid_eq(&s->list[k].organization, &s->list[i].organization) &&
                uuid_eq(&s->list[k].workspace, &s->list[i].workspace)) {
                return body_refuse(err, &item, NULL, "stands twice");
            }
        }
    }
    s->n = v->n;
    ch->extra = s;
    return true;
}

static bool stored(struct change *ch, struct error *err)
{
    const struct serves *s = ch->extra;
    struct tx *t = ch->call->tx;
    return (!s || group_set_serves(t, &ch->now.v[GROUP_ID].uuid, s->list, s->n, err)) &&
           group_announce(t, err);
}

static bool removing(struct change *ch, struct error *err)
{
    return !is_default(ch) ||
           error_set(err, ERR_CONFLICT, "the group \"default\" cannot be deleted");
}

static bool load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    struct serves *s = arena_zalloc(c->arena, sizeof *s);
    struct uuid *ids = object_ids(rows, n, GROUP_ID, c->arena);
    if (!s || !ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    *ret = s;
    return group_serves_list(c->tx, ids, n, c->arena, &s->list, &s->n, err);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    const struct serves *s = loaded;
    (void)c;
    json_name(w, "serves");
    json_array_begin(w);
    for (size_t i = 0; i < s->n; i++) {
        if (uuid_eq(&s->list[i].group, &row->v[GROUP_ID].uuid)) {
            json_object_begin(w);
            reply_put_id(w, "organization_id", "org", &s->list[i].organization);
            reply_put_id(w, "workspace_id", "ws", &s->list[i].workspace);
            json_object_end(w);
        }
    }
    json_array_end(w);
}

const struct resource group_resource = {
    .kind = "data_plane_group",
    .prefix = "grp",
    .table = &data_plane_groups_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_PLANE_WRITE,
    .prepare = prepare,
    .stored = stored,
    .removing = removing,
    .load = load,
    .show = show,
};
