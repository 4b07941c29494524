/* The members of a virtual key that cannot be checked by themselves. */
#include "controlplane/api/keys.h"

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/rules/ip_block.h"
#include "controlplane/api/config_reference.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/permission.h"
#include "controlplane/store/quota_scopes.h"
#include "controlplane/store/virtual_keys.h"

#define MEMO_MAX 4096

/* --- what was asked before --- */

struct memo_entry {
    struct uuid id;
    char *asked; /* the key in the map */
};

struct key_memo {
    struct map *found; /* text of the question -> struct memo_entry */
};

struct key_memo *key_memo_new(void)
{
    struct key_memo *m = mem_alloc(sizeof *m);
    m->found = map_new();
    return m;
}

void key_memo_free(struct key_memo *m)
{
    struct str key;
    void *value;
    size_t pos = 0;
    if (!m) {
        return;
    }
    while (map_next(m->found, &pos, &key, &value)) {
        struct memo_entry *e = value;
        mem_free(e->asked);
        mem_free(e);
    }
    map_free(m->found);
    mem_free(m);
}

/* "team_id <workspace>/<text>" */
static struct str question(struct change *ch, const char *what, const struct object_value *v,
                           const struct uuid *workspace)
{
    char place[37];
    uuid_format(workspace, place);
    return arena_printf(ch->call->arena, "%s %s/%.*s", what, place, STR_ARG(v->text));
}

/* The id that was the answer (nil where there is none); NULL: not asked before. */
static const struct uuid *known(const struct change *ch, struct str asked)
{
    const struct key_memo *m = ch->extra;
    const struct memo_entry *e = m && asked.ptr ? map_get(m->found, asked) : NULL;
    return e ? &e->id : NULL;
}

static void learn(struct change *ch, struct str asked, const struct uuid *id)
{
    struct key_memo *m = ch->extra;
    if (m && asked.ptr && map_count(m->found) < MEMO_MAX && !map_get(m->found, asked)) {
        struct memo_entry *e = mem_alloc(sizeof *e);
        *e = (struct memo_entry){.id = *id, .asked = str_dup(asked)};
        (void)map_put(m->found, (struct str){e->asked, asked.len}, e);
    }
}

/* --- who it belongs to --- */

static const struct owner {
    enum quota_scope kind;
    int column;
    const char *by_id, *by_name;
} owners[] = {
    {SCOPE_USER, KEY_USER_ID, "user_id", "user"},
    {SCOPE_TEAM, KEY_TEAM_ID, "team_id", "team"},
    {SCOPE_SERVICE_ACCOUNT, KEY_SERVICE_ACCOUNT_ID, "service_account_id", "service_account"},
};

static bool refuse_owner(const struct change *ch, const struct owner *o, const char *field,
                         struct error *err)
{
    return body_refuse(err, ch->at, field,
                       o->kind == SCOPE_USER   ? "is no member of the organization"
                       : o->kind == SCOPE_TEAM ? "is no team of this workspace or the organization"
                                               : "is no service account of this workspace");
}

static bool find_owner(struct change *ch, const struct owner *o, const struct uuid *workspace,
                       struct str text, const char *field, struct uuid *ret, struct error *err)
{
    struct scope_target found;
    struct call *c = ch->call;
    struct object_value v = {.text = text};
    struct str asked = question(ch, o->by_id, &v, workspace);
    const struct uuid *before = known(ch, asked);
    if (before) {
        *ret = *before;
        return true;
    }
    if (!quota_scope_find(c->tx, o->kind, &c->organization, workspace, text, c->arena, &found,
                          err)) {
        return err->code == ERR_NOT_FOUND ? refuse_owner(ch, o, field, err)
               : err->code == ERR_CONFLICT
                   ? body_refuse(err, ch->at, field, "names several: give the id")
                   : false;
    }
    *ret = found.id;
    learn(ch, asked, &found.id);
    return true;
}

/* By name ("team"), beside or instead of by id ("team_id"). */
static bool take_owner_name(struct change *ch, const struct owner *o, const struct uuid *workspace,
                            struct error *err)
{
    const struct body_value *v = body_get(ch->body, o->by_name);
    struct object_value *out = &ch->now.v[o->column];
    struct str name;
    struct uuid id;
    if (!v) {
        return true;
    }
    if (body_get(ch->body, o->by_id)) {
        return body_refuse(err, ch->at, o->by_name, "must not be given beside %s", o->by_id);
    }
    if (v->type == BODY_NULL) {
        object_set_null(out);
        return true;
    }
    if (!body_text(v, 1, 254, ch->at, o->by_name, &name, err) ||
        !find_owner(ch, o, workspace, name, o->by_name, &id, err)) {
        return false;
    }
    object_set_uuid(out, &id);
    return true;
}

static bool check_owner(struct change *ch, const struct owner *o, const struct uuid *workspace,
                        struct error *err)
{
    const struct object_value *v = &ch->now.v[o->column];
    char text[64];
    struct uuid id;
    if (!take_owner_name(ch, o, workspace, err)) {
        return false;
    }
    if (!object_is_set(v)) {
        return true;
    }
    uuid_format_public(quota_scope_prefix(o->kind), &v->uuid, text, sizeof text);
    return find_owner(ch, o, workspace, str_of(text), o->by_id, &id, err);
}

static bool check_owners(struct change *ch, const struct uuid *workspace, struct error *err)
{
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        if (!check_owner(ch, &owners[i], workspace, err)) {
            return false;
        }
    }
    const struct object_value *user = &ch->now.v[KEY_USER_ID],
                              *account = &ch->now.v[KEY_SERVICE_ACCOUNT_ID];
    if (!ch->creating) {
        user = user->state == OBJECT_UNSET ? &ch->before.v[KEY_USER_ID] : user;
        account = account->state == OBJECT_UNSET ? &ch->before.v[KEY_SERVICE_ACCOUNT_ID] : account;
    }
    return !(object_is_set(user) && object_is_set(account)) ||
           body_refuse(err, ch->at, "service_account_id",
                       "stands instead of user_id: a key has one of them");
}

/* --- the rest --- */

static bool check_config(struct change *ch, const struct uuid *workspace, struct error *err)
{
    const struct object_value *v = &ch->now.v[KEY_CONFIG];
    if (!object_is_set(v)) {
        return true;
    }
    struct str asked = question(ch, "config", v, workspace);
    if (known(ch, asked)) {
        return true;
    }
    if (!config_reference_check(ch, KEY_CONFIG, workspace, err)) {
        return false;
    }
    learn(ch, asked, workspace);
    return true;
}

static bool check_price_group(struct change *ch, struct error *err)
{
    static const struct uuid anywhere;
    struct object_value *v = &ch->now.v[KEY_PRICE_GROUP];
    /* of each key: it is asked about the change */
    if (!price_group_may(ch, KEY_PRICE_GROUP, err)) {
        return false;
    }
    if (!object_is_set(v) || v->text.len == 0) {
        return true;
    }
    struct str asked = question(ch, "price_group", v, &anywhere);
    if (known(ch, asked)) {
        return true;
    }
    if (!price_group_take(ch, KEY_PRICE_GROUP, err)) {
        return false;
    }
    learn(ch, question(ch, "price_group", v, &anywhere), &anywhere);
    return true;
}

/* In their normal form, each once. */
static bool normalise_addresses(struct change *ch, struct error *err)
{
    struct object_value *v = &ch->now.v[KEY_IP_ALLOW];
    struct body_path here = {ch->at, "ip_allow", 0};
    size_t kept = 0;
    for (size_t i = 0; v->state == OBJECT_SET && i < v->n; i++) {
        struct body_path at = {&here, NULL, i};
        struct ip_block block;
        char text[IP_BLOCK_TEXT_MAX];
        bool twice = false;
        if (!ip_block_parse(v->list[i], &block)) {
            return body_refuse(err, &at, NULL,
                               "must be an address or a block such as 10.0.0.0/8 or 2001:db8::/32");
        }
        struct str normal =
            arena_str(ch->call->arena, (struct str){text, ip_block_format(&block, text)});
        if (!normal.ptr) {
            return error_set(err, ERR_OVERLOADED, "%s", "");
        }
        for (size_t k = 0; k < kept; k++) {
            twice = twice || str_eq(v->list[k], normal);
        }
        if (!twice) {
            v->list[kept++] = normal;
        }
    }
    if (v->state == OBJECT_SET) {
        v->n = kept;
    }
    return true;
}

static bool names_one(const struct object_value *v, struct str name)
{
    for (size_t i = 0; object_is_set(v) && i < v->n; i++) {
        if (str_eq(v->list[i], name)) {
            return true;
        }
    }
    return false;
}

/* Nobody gives what they do not hold there; what the key has already may stay. */
static bool check_permissions(struct change *ch, const struct uuid *workspace, struct error *err)
{
    const struct object_value *v = &ch->now.v[KEY_ADMIN_PERMISSIONS],
                              *before = &ch->before.v[KEY_ADMIN_PERMISSIONS];
    struct body_path here = {ch->at, "admin_permissions", 0};
    for (size_t i = 0; v->state == OBJECT_SET && i < v->n; i++) {
        struct body_path at = {&here, NULL, i};
        enum permission p = permission_parse(v->list[i]);
        if (p == PERMISSION_COUNT || p == PERMISSION_PUBLIC || p == PERMISSION_SIGNED_IN) {
            return body_refuse(err, &at, NULL, "is no permission: \"%.*s\"",
                               (int)(v->list[i].len > 60 ? 60 : v->list[i].len), v->list[i].ptr);
        }
        if (!call_may(ch->call, p, workspace) && !names_one(before, v->list[i])) {
            (void)body_refuse(err, &at, NULL, "is not yours to give: \"%.*s\"",
                              STR_ARG(v->list[i]));
            err->code = ERR_FORBIDDEN;
            return false;
        }
    }
    return true;
}

bool key_permissions_held(struct call *c, const struct object *row, struct error *err)
{
    const struct object_value *v = &row->v[KEY_ADMIN_PERMISSIONS];
    for (size_t i = 0; object_is_set(v) && i < v->n; i++) {
        enum permission p = permission_parse(v->list[i]);
        if (p == PERMISSION_COUNT || !call_may(c, p, &row->v[KEY_WORKSPACE_ID].uuid)) {
            return error_set(err, ERR_FORBIDDEN,
                             "this key has permissions of the admin API that you do not hold: "
                             "\"%.*s\"",
                             STR_ARG(v->list[i]));
        }
    }
    return true;
}

bool key_members_check(struct change *ch, struct error *err)
{
    struct uuid workspace =
        resource_workspace(&key_resource, ch->creating ? &ch->now : &ch->before);
    return check_owners(ch, &workspace, err) && check_config(ch, &workspace, err) &&
           check_price_group(ch, err) && normalise_addresses(ch, err) &&
           check_permissions(ch, &workspace, err);
}
