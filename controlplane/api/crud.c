/* List, get, create, update, delete by a resource's table. */
#include "controlplane/api/crud.h"

#include "common/base/clock.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"

static const struct resource *resource_of(const struct call *c)
{
    return c->route->resource;
}

static bool filter(const struct field *f, struct str text, struct object_query *q,
                   struct error *err)
{
    struct uuid id;
    switch (f->kind) {
    case FIELD_ID:
        if (!uuid_parse_public(f->prefix, text, &id)) {
            return error_set_param(err, ERR_INVALID_FIELD, f->name, "%s must be an id (%s_...)",
                                   f->name, f->prefix);
        }
        object_filter_uuid(q, f->column, &id);
        return true;
    case FIELD_TEXT:
        object_filter_text(q, f->column, text, true);
        return true;
    default:
        return error_set_param(err, ERR_INVALID_FIELD, f->name, "%s cannot be filtered by",
                               f->name);
    }
}

static bool add_filters(struct call *c, const struct resource *res, struct object_query *q,
                        struct error *err)
{
    for (size_t i = 0; i < res->n_fields; i++) {
        const struct field *f = &res->fields[i];
        struct str text = f->flags & FIELD_FILTER ? http_query(c->request, f->name) : STR_NONE;
        if (text.ptr && !filter(f, text, q, err)) {
            return false;
        }
    }
    struct str workspace =
        res->table->workspace > 0 ? http_query(c->request, "workspace") : STR_NONE;
    struct uuid id;
    if (workspace.ptr) {
        if (!resource_workspace_named(c, workspace, &id, err)) {
            return err->code == ERR_NOT_FOUND ? error_set_param(err, ERR_INVALID_FIELD, "workspace",
                                                                "workspace does not exist")
                                              : false;
        }
        object_filter_uuid(q, res->table->workspace, &id);
    }
    return true;
}

bool crud_list(struct call *c, struct error *err)
{
    const struct resource *res = resource_of(c);
    struct object_query q;
    struct object *rows;
    struct page page;
    size_t n;
    void *loaded = NULL;
    if (!page_read(c->request, &page, err) || !resource_query(c, res, &q, err) ||
        !add_filters(c, res, &q, err)) {
        return false;
    }
    q.limit = page.limit + 1;
    q.has_after = page.has_after;
    q.after = page.after;
    if (!object_list(c->tx, res->table, &q, c->arena, &rows, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    if (res->load && !res->load(c, rows, n, &loaded, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        resource_show_loaded(c, res, &rows[i], loaded, STR_NONE, &c->json);
    }
    page_end(&c->json, more, n > 0 ? &rows[n - 1].v[0].uuid : NULL);
    return true;
}

static void put_revision(struct call *c, const struct resource *res, const struct object *row)
{
    if (res->table->revision >= 0) {
        c->revision = (uint64_t)row->v[res->table->revision].integer;
    }
}

bool crud_get(struct call *c, struct error *err)
{
    struct object row;
    if (!resource_find(c, resource_of(c), &c->id, false, &row, err)) {
        return false;
    }
    put_revision(c, resource_of(c), &row);
    return resource_show(c, resource_of(c), &row, STR_NONE, &c->json, err);
}

bool crud_create(struct call *c, struct error *err)
{
    struct change ch;
    change_init(&ch, c, resource_of(c));
    if (!change_create(&ch, err)) {
        return false;
    }
    c->status = 201;
    put_revision(c, ch.resource, &ch.now);
    return resource_show(c, ch.resource, &ch.now, ch.secret, &c->json, err);
}

static bool find_for_write(struct change *ch, struct error *err)
{
    struct call *c = ch->call;
    return resource_find(c, ch->resource, &c->id, true, &ch->before, err) &&
           (ch->resource->table->revision < 0 ||
            call_check_revision(c, (uint64_t)ch->before.v[ch->resource->table->revision].integer,
                                err));
}

bool crud_update(struct call *c, struct error *err)
{
    struct change ch;
    change_init(&ch, c, resource_of(c));
    if (!find_for_write(&ch, err) || !change_update(&ch, NULL, err)) {
        return false;
    }
    put_revision(c, ch.resource, &ch.now);
    return resource_show(c, ch.resource, &ch.now, ch.secret, &c->json, err);
}

bool crud_delete(struct call *c, struct error *err)
{
    struct change ch;
    change_init(&ch, c, resource_of(c));
    c->status = 204;
    return find_for_write(&ch, err) && change_delete(&ch, err);
}

bool crud_revoke(struct call *c, const struct resource *res, int column, struct error *err)
{
    struct change ch;
    change_init(&ch, c, res);
    if (!find_for_write(&ch, err)) {
        return false;
    }
    struct uuid workspace = resource_workspace(res, &ch.before);
    if (!permission_scope_covers(&c->scope, &workspace)) {
        return error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                         permission_name(c->route->permission));
    }
    if (object_is_set(&ch.before.v[column])) {
        ch.now = ch.before; /* revoked before: the same answer again */
    } else {
        object_set_i64(&ch.now.v[column], (int64_t)clock_wall_ms());
        if (!object_update(c->tx, res->table, &c->id, &ch.now, c->arena, err) ||
            !change_note(&ch, arena_printf(c->arena, "%s.revoke", res->kind).ptr, true, err)) {
            return false;
        }
    }
    put_revision(c, res, &ch.now);
    return resource_show(c, res, &ch.now, STR_NONE, &c->json, err);
}
