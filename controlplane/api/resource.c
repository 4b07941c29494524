/* Reading bodies by a table of fields, and showing rows by it. */
#include "controlplane/api/resource.h"

#include "controlplane/http/reply.h"
#include "controlplane/store/workspaces.h"

#define NAMES_MAX 40

static bool field_known(const struct change *ch, struct error *err)
{
    const char *names[NAMES_MAX];
    unsigned n = 0, use = ch->creating || ch->whole ? FIELD_CREATE : FIELD_UPDATE;
    for (size_t i = 0; i < ch->resource->n_fields; i++) {
        if (ch->resource->fields[i].flags & use) {
            names[n++] = ch->resource->fields[i].name;
        }
    }
    for (size_t i = 0; ch->resource->extras && ch->resource->extras[i]; i++) {
        names[n++] = ch->resource->extras[i];
    }
    names[n] = NULL;
    return body_known(ch->body, names, ch->at, err);
}

static bool decode_text(const struct change *ch, const struct field *f, const struct body_value *v,
                        struct object_value *ret, struct error *err)
{
    struct str s;
    const char *wrong;
    if (!body_text(v, (size_t)f->min, (size_t)f->max, ch->at, f->name, &s, err)) {
        return false;
    }
    if (f->check && (wrong = f->check(s)) != NULL) {
        return body_refuse(err, ch->at, f->name, "%s", wrong);
    }
    for (size_t i = 0; f->words; i++) {
        if (!f->words[i]) {
            return body_refuse(err, ch->at, f->name, "\"%.*s\" is not one that is known",
                               STR_ARG(s));
        }
        if (str_eqz(s, f->words[i])) {
            break;
        }
    }
    object_set_text(ret, s);
    return true;
}

static bool decode_texts(const struct change *ch, const struct field *f, const struct body_value *v,
                         struct object_value *ret, struct error *err)
{
    struct body_path here = {ch->at, f->name, 0};
    *ret = (struct object_value){.state = OBJECT_SET};
    if (!body_texts(v, (size_t)f->max, 200, ch->at, f->name, ch->call->arena, &ret->list, &ret->n,
                    err)) {
        return false;
    }
    for (size_t i = 0; f->check && i < ret->n; i++) {
        const char *wrong = f->check(ret->list[i]);
        struct body_path item = {&here, NULL, i};
        if (wrong) {
            return body_refuse(err, &item, NULL, "%s", wrong);
        }
    }
    return true;
}

static bool decode_id(const struct change *ch, const struct field *f, const struct body_value *v,
                      struct object_value *ret, struct error *err)
{
    struct str s;
    struct uuid u;
    if (!body_text(v, 1, 64, ch->at, f->name, &s, err)) {
        return false;
    }
    if (!uuid_parse_public(f->prefix, s, &u)) {
        return body_refuse(err, ch->at, f->name, "must be an id (%s_...)", f->prefix);
    }
    object_set_uuid(ret, &u);
    return true;
}

static bool decode_field(const struct change *ch, const struct field *f, const struct body_value *v,
                         struct object_value *ret, struct error *err)
{
    int64_t i = 0;
    bool b = false;
    uint64_t ms = 0;
    if (v->type == BODY_NULL) {
        if (!(f->flags & FIELD_NULL)) {
            return body_refuse(err, ch->at, f->name, "must not be null");
        }
        object_set_null(ret);
        return true;
    }
    switch (f->kind) {
    case FIELD_TEXT:
        return decode_text(ch, f, v, ret, err);
    case FIELD_ID:
        return decode_id(ch, f, v, ret, err);
    case FIELD_TEXTS:
        return decode_texts(ch, f, v, ret, err);
    case FIELD_INTEGER:
        if (!body_integer(v, f->min, f->max, ch->at, f->name, &i, err)) {
            return false;
        }
        object_set_i64(ret, i);
        return true;
    case FIELD_BOOL:
        if (!body_bool(v, ch->at, f->name, &b, err)) {
            return false;
        }
        object_set_bool(ret, b);
        return true;
    case FIELD_TIME:
        if (!body_time(v, ch->at, f->name, &ms, err)) {
            return false;
        }
        object_set_i64(ret, (int64_t)ms);
        return true;
    case FIELD_OBJECT:
        if (!body_object(v, (size_t)f->max, ch->at, f->name, err)) {
            return false;
        }
        object_set_text(ret, v->text);
        return true;
    }
    return false;
}

/* What the database gives a column that is not written: one default per kind (and flag) holds for
 * all tables. */
static void default_field(const struct field *f, struct object_value *ret)
{
    static struct str any[] = {{"*", 1}};
    object_set_null(ret);
    if (f->flags & FIELD_NULL) {
        return;
    }
    switch (f->kind) {
    case FIELD_TEXT:
        object_set_text(ret, STR_LIT(""));
        break;
    case FIELD_INTEGER:
    case FIELD_BOOL:
        object_set_i64(ret, 0);
        break;
    case FIELD_TEXTS:
        *ret = (struct object_value){
            .state = OBJECT_SET, .list = any, .n = f->flags & FIELD_EMPTY ? 0 : 1};
        break;
    case FIELD_OBJECT:
        object_set_text(ret, STR_LIT("{}"));
        break;
    case FIELD_ID:
    case FIELD_TIME:
        break;
    }
}

bool change_decode(struct change *ch, struct error *err)
{
    unsigned use = ch->creating || ch->whole ? FIELD_CREATE : FIELD_UPDATE;
    if (ch->body->type != BODY_OBJECT) {
        return body_refuse(err, ch->at, NULL, "must be an object");
    }
    if (!field_known(ch, err)) {
        return false;
    }
    for (size_t i = 0; i < ch->resource->n_fields; i++) {
        const struct field *f = &ch->resource->fields[i];
        const struct body_value *v = f->flags & use ? body_get(ch->body, f->name) : NULL;
        if (v) {
            if (!decode_field(ch, f, v, &ch->now.v[f->column], err)) {
                return false;
            }
        } else if ((ch->creating || ch->whole) && (f->flags & FIELD_REQUIRED)) {
            return body_refuse(err, ch->at, f->name, "is required");
        } else if (ch->whole && (f->flags & FIELD_UPDATE)) {
            default_field(f, &ch->now.v[f->column]);
        }
    }
    return true;
}

static void show_field(struct json_writer *w, const struct field *f, const struct object_value *v)
{
    if (f->kind == FIELD_ID) {
        reply_put_id(w, f->name, f->prefix, object_is_set(v) ? &v->uuid : &(struct uuid){{0}});
        return;
    }
    if (f->kind == FIELD_TIME) {
        reply_put_time(w, f->name, object_is_set(v) ? (uint64_t)v->integer : 0);
        return;
    }
    json_name(w, f->name);
    if (!object_is_set(v)) {
        json_put_null(w);
        return;
    }
    switch (f->kind) {
    case FIELD_TEXT:
        json_put_str(w, v->text);
        break;
    case FIELD_INTEGER:
        json_put_i64(w, v->integer);
        break;
    case FIELD_BOOL:
        json_put_bool(w, v->integer != 0);
        break;
    case FIELD_OBJECT:
        json_put_raw(w, v->text);
        break;
    case FIELD_TEXTS:
        json_array_begin(w);
        for (size_t i = 0; i < v->n; i++) {
            json_put_str(w, v->list[i]);
        }
        json_array_end(w);
        break;
    case FIELD_ID:
    case FIELD_TIME:
        break;
    }
}

void resource_show_loaded(struct call *c, const struct resource *res, const struct object *row,
                          void *loaded, struct str secret, struct json_writer *w)
{
    json_object_begin(w);
    reply_put_id(w, "id", res->prefix, &row->v[0].uuid);
    for (size_t i = 0; i < res->n_fields; i++) {
        show_field(w, &res->fields[i], &row->v[res->fields[i].column]);
    }
    if (res->show) {
        res->show(c, w, row, loaded);
    }
    if (secret.ptr) {
        json_field_str(w, "secret", secret);
    }
    json_object_end(w);
}

bool resource_show(struct call *c, const struct resource *res, const struct object *row,
                   struct str secret, struct json_writer *w, struct error *err)
{
    void *loaded = NULL;
    if (res->load && !res->load(c, row, 1, &loaded, err)) {
        return false;
    }
    resource_show_loaded(c, res, row, loaded, secret, w);
    return true;
}

struct uuid resource_workspace(const struct resource *res, const struct object *row)
{
    static const struct uuid nil;
    int column = res->table->workspace;
    return column >= 0 && object_is_set(&row->v[column]) ? row->v[column].uuid : nil;
}

bool resource_query(struct call *c, const struct resource *res, struct object_query *ret,
                    struct error *err)
{
    struct permission_scope scope = {
        .workspaces = arena_alloc(c->arena, (c->actor.n_grants + 1) * sizeof(struct uuid))};
    *ret = (struct object_query){.organization =
                                     uuid_is_nil(&c->organization) ? NULL : &c->organization};
    if (!scope.workspaces) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (ret->organization && !c->actor.platform) {
        if (!permission_scope(res->read, c->actor.grants, c->actor.n_grants, &c->organization,
                              &scope)) {
            return error_set(err, ERR_NOT_FOUND, "%s", "");
        }
        ret->only_workspaces = !scope.whole;
        ret->workspaces = scope.workspaces;
        ret->n_workspaces = scope.n;
        ret->shared = res->shared;
    }
    return !res->narrow || res->narrow(c, ret, err);
}

bool resource_find(struct call *c, const struct resource *res, const struct uuid *id, bool lock,
                   struct object *ret, struct error *err)
{
    struct object_query q;
    if (!resource_query(c, res, &q, err)) {
        return false;
    }
    object_filter_uuid(&q, 0, id);
    q.lock = lock;
    if (!object_find(c->tx, res->table, &q, c->arena, ret, err)) {
        return err->code == ERR_NOT_FOUND ? error_set(err, ERR_NOT_FOUND, "%s not found", res->kind)
                                          : false;
    }
    return true;
}

bool resource_workspace_named(struct call *c, struct str text, struct uuid *ret, struct error *err)
{
    struct object_query q = {.organization = &c->organization};
    struct object row;
    struct uuid id;
    if (uuid_parse_public("ws", text, &id)) {
        object_filter_uuid(&q, WORKSPACE_ID, &id);
    } else {
        object_filter_text(&q, WORKSPACE_NAME, text, true);
    }
    if (!object_find(c->tx, &workspaces_table, &q, c->arena, &row, err)) {
        return false;
    }
    *ret = row.v[WORKSPACE_ID].uuid;
    /* one that the actor has nothing to do with is not there for them */
    return call_may(c, PERMISSION_WORKSPACE_READ, ret) || call_may(c, c->route->permission, ret) ||
           error_set(err, ERR_NOT_FOUND, "%s", "");
}

bool resource_read_workspace(struct call *c, const struct body_value *body,
                             const struct body_path *at, struct uuid *ret, struct error *err)
{
    const struct body_value *by_id = body_get(body, "workspace_id"),
                            *by_name = body_get(body, "workspace");
    const char *name = by_id ? "workspace_id" : "workspace";
    const struct body_value *v = by_id ? by_id : by_name;
    struct str text;
    *ret = (struct uuid){{0}};
    if (by_id && by_name) {
        return body_refuse(err, at, "workspace", "must not be given beside workspace_id");
    }
    if (!v || v->type == BODY_NULL) {
        return true;
    }
    if (!body_text(v, 1, 100, at, name, &text, err)) {
        return false;
    }
    if (!resource_workspace_named(c, text, ret, err)) {
        return err->code == ERR_NOT_FOUND ? body_refuse(err, at, name, "does not exist") : false;
    }
    return true;
}

bool resource_only_workspace(struct call *c, const struct body_path *at, struct uuid *ret,
                             struct error *err)
{
    struct object_query q = {.organization = &c->organization, .limit = 2};
    struct object *rows;
    size_t n;
    if (!c->scope.whole) {
        q.only_workspaces = true;
        q.workspaces = c->scope.workspaces;
        q.n_workspaces = c->scope.n;
    }
    if (!object_list(c->tx, &workspaces_table, &q, c->arena, &rows, &n, err)) {
        return false;
    }
    if (n != 1) {
        return body_refuse(err, at, "workspace",
                           n == 0 ? "is required: there is none yet"
                                  : "is required: there are several");
    }
    *ret = rows[0].v[WORKSPACE_ID].uuid;
    return true;
}

bool resource_place(struct change *ch, int column, bool needed, struct error *err)
{
    bool named = body_get(ch->body, "workspace_id") || body_get(ch->body, "workspace");
    struct uuid workspace = ch->workspace;
    if (ch->placed && named) {
        return body_refuse(err, ch->at, "workspace", "stands at the top of the document");
    }
    if (!ch->placed && !resource_read_workspace(ch->call, ch->body, ch->at, &workspace, err)) {
        return false;
    }
    if (!ch->creating) {
        struct uuid before = resource_workspace(ch->resource, &ch->before);
        return !named || uuid_eq(&workspace, &before) ||
               body_refuse(err, ch->at, "workspace", "of a %s cannot be changed",
                           ch->resource->kind);
    }
    if (uuid_is_nil(&workspace) && (needed || !ch->call->scope.whole) &&
        !resource_only_workspace(ch->call, ch->at, &workspace, err)) {
        return false;
    }
    object_set_uuid(&ch->now.v[column], &workspace);
    return true;
}
