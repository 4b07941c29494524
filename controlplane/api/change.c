/* The steps of a change, the same for each resource. */
#include "controlplane/api/resource.h"

#include <stdio.h>

#define AUDIT_MAX ((size_t)4 << 20)

void change_init(struct change *ch, struct call *c, const struct resource *res)
{
    *ch = (struct change){
        .call = c, .resource = res, .body = &c->body, .owner = c->actor.token ? "api" : "ui"};
}

/* The row as JSON without secrets; NULL when it cannot be made. */
static const char *snapshot(struct change *ch, const struct object *row, struct error *err)
{
    struct buffer b;
    struct json_writer w;
    struct str text = STR_NONE;
    buffer_init(&b, AUDIT_MAX);
    json_writer_init(&w, &b);
    if (resource_show(ch->call, ch->resource, row, STR_NONE, &w, err)) {
        text = b.failed ? STR_NONE : arena_str(ch->call->arena, buffer_str(&b));
        if (!text.ptr) {
            (void)error_set(err, ERR_OVERLOADED, "%s", "");
        }
    }
    buffer_release(&b);
    return text.ptr;
}

static const char *title(const struct change *ch, const struct object *row)
{
    int column = ch->resource->table->title;
    return column >= 0 && object_is_set(&row->v[column]) ? row->v[column].text.ptr : "";
}

static bool note(struct change *ch, const char *action, const struct object *row,
                 const char *before, const char *after, bool deleted, struct error *err)
{
    const struct resource *res = ch->resource;
    int column = res->table->organization;
    const struct uuid *organization =
        column >= 0 && object_is_set(&row->v[column]) ? &row->v[column].uuid : NULL;
    if (!tx_audit(ch->call->tx, action, res->kind, organization, &row->v[0].uuid, title(ch, row),
                  before, after, err)) {
        return false;
    }
    if (res->change_kind) {
        tx_change(ch->call->tx, res->change_kind, organization, &row->v[0].uuid, deleted);
    }
    return true;
}

static const char *action_name(const struct change *ch, const char *verb)
{
    return arena_printf(ch->call->arena, "%s.%s", ch->resource->kind, verb).ptr;
}

/* The database's words about constraints into ours about fields. */
static bool explain(const struct change *ch, struct error *err)
{
    struct str constraint = arena_str(ch->call->arena, str_of(err->param));
    if (err->code == ERR_CONFLICT) {
        const char *field = str_ends(constraint, STR_LIT("_name"))     ? "name"
                            : str_ends(constraint, STR_LIT("_email"))  ? "email"
                            : str_ends(constraint, STR_LIT("_secret")) ? "secret"
                                                                       : NULL;
        if (field) {
            (void)body_refuse(err, ch->at, field, "is taken by another %s", ch->resource->kind);
        } else if (constraint.len > 0) {
            (void)body_refuse(err, ch->at, NULL, "describes a %s that exists already",
                              ch->resource->kind);
        }
        err->code = ERR_CONFLICT;
    } else if (err->code == ERR_INVALID_FIELD && str_ends(constraint, STR_LIT("_fkey"))) {
        (void)error_set(err, ERR_CONFLICT,
                        "%s refers to something that was deleted, or is still in use",
                        ch->resource->kind);
    }
    return false;
}

bool change_check_owner(const struct change *ch, struct error *err)
{
    int column = ch->resource->table->owned_by;
    if (column >= 0 && str_eqz(ch->before.v[column].text, "file") &&
        strcmp(ch->owner, "file") != 0) {
        return error_set_param(err, ERR_CONFLICT, "owned_by",
                               "%s is owned by a file: change it there and apply that",
                               ch->resource->kind);
    }
    return true;
}

static bool check_allowed(struct change *ch, const struct object *row, struct error *err)
{
    struct uuid workspace = resource_workspace(ch->resource, row);
    return permission_scope_covers(&ch->call->scope, &workspace) ||
           error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                     permission_name(ch->call->route->permission));
}

bool change_create(struct change *ch, struct error *err)
{
    const struct resource *res = ch->resource;
    struct uuid id = uuid_v7();
    ch->creating = true;
    if (!change_decode(ch, err)) {
        return false;
    }
    object_set_uuid(&ch->now.v[0], &id);
    if (res->table->organization >= 0) {
        object_set_uuid(&ch->now.v[res->table->organization], &ch->call->organization);
    }
    if (res->table->owned_by >= 0) {
        object_set_text(&ch->now.v[res->table->owned_by], str_of(ch->owner));
    }
    if ((res->prepare && !res->prepare(ch, err)) || !check_allowed(ch, &ch->now, err)) {
        return false;
    }
    if (!object_insert(ch->call->tx, res->table, &ch->now, ch->call->arena, err)) {
        return explain(ch, err);
    }
    if (res->stored && !res->stored(ch, err)) {
        return false;
    }
    const char *after = snapshot(ch, &ch->now, err);
    return after && note(ch, action_name(ch, "create"), &ch->now, NULL, after, false, err);
}

/* Both as JSON of one form: the database writes jsonb its own way. */
static bool same_json(struct change *ch, struct str a, struct str b)
{
    struct body_value va, vb;
    struct error ignored = ERROR_INIT;
    struct str wrapped_a = arena_printf(ch->call->arena, "{\"v\":%.*s}", STR_ARG(a));
    struct str wrapped_b = arena_printf(ch->call->arena, "{\"v\":%.*s}", STR_ARG(b));
    return wrapped_a.ptr && wrapped_b.ptr &&
           body_parse(wrapped_a, ch->call->arena, &va, &ignored) &&
           body_parse(wrapped_b, ch->call->arena, &vb, &ignored) &&
           str_eq(va.items[0].text, vb.items[0].text);
}

/* Drops the columns that would be written as they are; true when any is left. */
static bool drop_equal(struct change *ch)
{
    bool any = false;
    for (int i = 1; i < ch->resource->table->n_columns; i++) {
        enum object_type type = ch->resource->table->columns[i].type;
        struct object_value *now = &ch->now.v[i], *before = &ch->before.v[i];
        if (now->state == OBJECT_UNSET) {
            continue;
        }
        bool same = type == OBJECT_JSON && object_is_set(now) && object_is_set(before)
                        ? same_json(ch, now->text, before->text)
                        : object_equal(type, now, before);
        if (same) {
            now->state = OBJECT_UNSET;
        } else {
            any = true;
        }
    }
    return any;
}

bool change_update(struct change *ch, bool *ret_changed, struct error *err)
{
    const struct resource *res = ch->resource;
    int owned = res->table->owned_by;
    if (!check_allowed(ch, &ch->before, err) || !change_check_owner(ch, err)) {
        return false;
    }
    const char *before = snapshot(ch, &ch->before, err);
    if (!before || !change_decode(ch, err) || (res->prepare && !res->prepare(ch, err))) {
        return false;
    }
    if (ch->whole && owned >= 0) {
        object_set_text(&ch->now.v[owned], str_of(ch->owner));
    }
    if (ret_changed) {
        bool row = drop_equal(ch), outside = res->differs && res->differs(ch);
        *ret_changed = row || outside;
        if (!*ret_changed) {
            ch->now = ch->before;
            return true;
        }
    }
    if (!object_update(ch->call->tx, res->table, &ch->before.v[0].uuid, &ch->now, ch->call->arena,
                       err)) {
        return explain(ch, err);
    }
    if (res->stored && !res->stored(ch, err)) {
        return false;
    }
    const char *after = snapshot(ch, &ch->now, err);
    return after && note(ch, action_name(ch, "update"), &ch->now, before, after, false, err);
}

bool change_delete(struct change *ch, struct error *err)
{
    const struct resource *res = ch->resource;
    if (!check_allowed(ch, &ch->before, err) || !change_check_owner(ch, err) ||
        (res->removing && !res->removing(ch, err))) {
        return false;
    }
    const char *before = snapshot(ch, &ch->before, err);
    if (!before) {
        return false;
    }
    if (!object_delete(ch->call->tx, res->table, &ch->before.v[0].uuid, err)) {
        return explain(ch, err);
    }
    return note(ch, action_name(ch, "delete"), &ch->before, before, NULL, true, err);
}

bool change_note(struct change *ch, const char *action, bool deleted, struct error *err)
{
    const char *before = snapshot(ch, &ch->before, err),
               *after = before ? snapshot(ch, &ch->now, err) : NULL;
    return after && note(ch, action, &ch->now, before, after, deleted, err);
}
