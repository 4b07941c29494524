/* Versions of configs, prompts and price books: made, read, published (an older one: a rollback),
 * labelled. What a version holds never changes; publishing and labels move pointers of the row that
 * it belongs to.
 */
#include "controlplane/api/documents.h"

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"

static const struct document_kind *kind_of_route(const struct call *c)
{
    return document_kind_of(c->route->resource);
}

static void put_revision(struct call *c, const struct object *row)
{
    c->revision = (uint64_t)row->v[DOCUMENT_REVISION].integer;
}

/* The row under lock, which the actor may change. */
static bool begin_change(struct call *c, struct change *ch, struct error *err)
{
    const struct document_kind *kind = kind_of_route(c);
    change_init(ch, c, kind->quiet);
    if (!resource_find(c, kind->resource, &c->id, true, &ch->before, err) ||
        !call_check_revision(c, (uint64_t)ch->before.v[DOCUMENT_REVISION].integer, err)) {
        return false;
    }
    struct uuid workspace = resource_workspace(kind->resource, &ch->before);
    if (!permission_scope_covers(&c->scope, &workspace)) {
        return error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                         permission_name(c->route->permission));
    }
    return change_check_owner(ch, err);
}

static bool show_row(struct call *c, const struct object *row, struct error *err)
{
    put_revision(c, row);
    return resource_show(c, kind_of_route(c)->resource, row, STR_NONE, &c->json, err);
}

bool document_update_call(struct call *c, struct error *err)
{
    struct change ch;
    return begin_change(c, &ch, err) && change_update(&ch, NULL, err) && show_row(c, &ch.now, err);
}

/* --- reading --- */

static void put_version(struct call *c, const struct object *row, const struct document_version *v,
                        struct json_writer *w)
{
    json_object_begin(w);
    json_field_u64(w, "number", v->number);
    json_name(w, "document");
    if (v->document.ptr) {
        json_put_raw(w, v->document);
    } else {
        json_put_null(w);
    }
    json_field_str(w, "note", v->note);
    reply_put_time(w, "created_at", v->created_at_ms);
    json_field_str(w, "created_by", v->created_by);
    json_field_bool(w, "published", v->number == (uint64_t)row->v[DOCUMENT_PUBLISHED].integer);
    json_name(w, "labels");
    document_put_labels(w, row->v[DOCUMENT_LABELS].text, v->number, c->arena);
    json_object_end(w);
}

/* Cursors are ids: a number is one whose last eight bytes are it. */
static struct uuid id_of_number(uint64_t number)
{
    struct uuid u = {{0}};
    for (int i = 0; i < 8; i++) {
        u.b[15 - i] = (uint8_t)(number >> (8 * i));
    }
    return u;
}

static uint64_t number_of_id(const struct uuid *u)
{
    uint64_t n = 0;
    for (int i = 8; i < 16; i++) {
        n = n << 8 | u->b[i];
    }
    return n & INT64_MAX;
}

bool document_versions_call(struct call *c, struct error *err)
{
    const struct resource *res = kind_of_route(c)->resource;
    struct document_version *list;
    struct object row;
    struct page page;
    size_t n;
    if (!page_read(c->request, &page, err) || !resource_find(c, res, &c->id, false, &row, err) ||
        !document_list(c->tx, res->table, &c->id, page.has_after ? number_of_id(&page.after) : 0,
                       page.limit + 1, c->arena, &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        put_version(c, &row, &list[i], &c->json);
    }
    struct uuid last = id_of_number(n > 0 ? list[n - 1].number : 0);
    page_end(&c->json, more, n > 0 ? &last : NULL);
    return true;
}

static bool no_version(const struct resource *res, struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, "%s has no such version", res->kind);
}

bool document_version_get_call(struct call *c, struct error *err)
{
    const struct resource *res = kind_of_route(c)->resource;
    struct document_version v;
    struct object row;
    uint64_t number;
    if (!resource_find(c, res, &c->id, false, &row, err)) {
        return false;
    }
    if (!str_to_u64(c->item, &number)) {
        return no_version(res, err);
    }
    if (!document_get(c->tx, res->table, &c->id, number, c->arena, &v, err)) {
        return err->code == ERR_NOT_FOUND ? no_version(res, err) : false;
    }
    put_version(c, &row, &v, &c->json);
    return true;
}

/* --- making one --- */

/* The audit row says what the version holds; the secrets in it are markers by now. */
static bool note_version(struct change *ch, const struct document_version *v, struct error *err)
{
    struct call *c = ch->call;
    const struct resource *res = ch->resource;
    const struct object *row = &ch->now;
    struct json_writer w;
    struct buffer b;
    buffer_init(&b, (size_t)4 << 20);
    json_writer_init(&w, &b);
    put_version(c, row, v, &w);
    struct str text = b.failed ? STR_NONE : arena_str(c->arena, buffer_str(&b));
    buffer_release(&b);
    if (!text.ptr) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!tx_audit(c->tx, arena_printf(c->arena, "%s.version", res->kind).ptr, res->kind,
                  &c->organization, &row->v[DOCUMENT_ID].uuid, row->v[DOCUMENT_NAME].text.ptr, NULL,
                  text.ptr, err)) {
        return false;
    }
    tx_change(c->tx, res->change_kind, &c->organization, &row->v[DOCUMENT_ID].uuid, false);
    return true;
}

bool document_version_create_call(struct call *c, struct error *err)
{
    static const char *const names[] = {"document", "note", "publish", "labels", NULL};
    const struct document_kind *kind = kind_of_route(c);
    const struct object_table *table = kind->resource->table;
    struct document_draft d;
    struct change ch;
    if (!begin_change(c, &ch, err) || !body_known(&c->body, names, NULL, err)) {
        return false;
    }
    bool partial = table == &prompts_table && ch.before.v[PROMPT_PARTIAL].integer != 0;
    if (!document_read(&ch, kind, partial, false, &d, err) ||
        !document_check_room(&ch, &d.version, err)) {
        return false;
    }
    d.version.owner = c->id;
    d.version.number = (uint64_t)ch.before.v[DOCUMENT_LATEST].integer + 1;
    d.version.created_at_ms = clock_wall_ms();
    if (!document_point(&ch, kind, d.version.number, &d, err) ||
        !object_update(c->tx, table, &c->id, &ch.now, c->arena, err) ||
        !document_add(c->tx, table, &c->organization, &d.version, err) ||
        !document_get(c->tx, table, &c->id, d.version.number, c->arena, &d.version, err) ||
        !note_version(&ch, &d.version, err)) {
        return false;
    }
    c->status = 201;
    put_revision(c, &ch.now);
    put_version(c, &ch.now, &d.version, &c->json);
    return true;
}

/* --- pointers --- */

static bool read_version(const struct call *c, const struct object *row, uint64_t *ret,
                         struct error *err)
{
    static const char *const names[] = {"version", NULL};
    const struct body_value *v = body_get(&c->body, "version");
    int64_t latest = row->v[DOCUMENT_LATEST].integer, number;
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if (!v) {
        return body_refuse(err, NULL, "version", "is required");
    }
    if (!body_integer(v, 1, latest, NULL, "version", &number, err)) {
        return false;
    }
    *ret = (uint64_t)number;
    return true;
}

/* Writes ch->now, tells of it, answers with the row. */
static bool finish_move(struct change *ch, const char *verb, struct error *err)
{
    struct call *c = ch->call;
    return object_update(c->tx, ch->resource->table, &c->id, &ch->now, c->arena, err) &&
           change_note(ch, arena_printf(c->arena, "%s.%s", ch->resource->kind, verb).ptr, false,
                       err);
}

bool document_publish_call(struct call *c, struct error *err)
{
    struct change ch;
    uint64_t version;
    if (!begin_change(c, &ch, err) || !read_version(c, &ch.before, &version, err)) {
        return false;
    }
    object_set_i64(&ch.now.v[DOCUMENT_PUBLISHED], (int64_t)version);
    return finish_move(&ch, "publish", err) && show_row(c, &ch.now, err);
}

static bool check_label(const struct call *c, struct error *err)
{
    const char *wrong = document_check_label(c->item);
    return !wrong || error_set_param(err, ERR_INVALID_FIELD, "label", "label %s", wrong);
}

/* ch->before's labels without the one that the path names. */
static size_t other_labels(const struct change *ch, struct document_label **ret, bool *ret_found)
{
    size_t n = document_labels(ch->before.v[DOCUMENT_LABELS].text, ch->call->arena, ret), kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!str_eq((*ret)[i].name, ch->call->item)) {
            (*ret)[kept++] = (*ret)[i];
        }
    }
    *ret_found = kept < n;
    return kept;
}

static bool set_labels(struct change *ch, const struct document_label *list, size_t n,
                       struct error *err)
{
    struct str text = document_labels_text(list, n, ch->call->arena);
    object_set_text(&ch->now.v[DOCUMENT_LABELS], text);
    return text.ptr || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool document_label_put_call(struct call *c, struct error *err)
{
    struct document_label *list;
    struct change ch;
    uint64_t version;
    bool found;
    if (!begin_change(c, &ch, err) || !check_label(c, err) ||
        !read_version(c, &ch.before, &version, err)) {
        return false;
    }
    size_t n = other_labels(&ch, &list, &found);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (n >= DOCUMENT_LABELS_MAX) {
        return error_set(err, ERR_CONFLICT, "%s has %d labels already", ch.resource->kind,
                         DOCUMENT_LABELS_MAX);
    }
    list[n++] = (struct document_label){c->item, version};
    return set_labels(&ch, list, n, err) && finish_move(&ch, "label", err) &&
           show_row(c, &ch.now, err);
}

bool document_label_delete_call(struct call *c, struct error *err)
{
    const struct document_kind *kind = kind_of_route(c);
    struct document_label *list;
    struct change ch;
    bool found;
    if (!begin_change(c, &ch, err)) {
        return false;
    }
    size_t n = other_labels(&ch, &list, &found);
    if (!found) {
        return error_set(err, ERR_NOT_FOUND, "%s has no such label", ch.resource->kind);
    }
    c->status = 204;
    return (!kind->in_use || kind->in_use(&ch, c->item, err)) && set_labels(&ch, list, n, err) &&
           finish_move(&ch, "unlabel", err);
}

/* --- validate --- */

bool document_validate_call(struct call *c, struct error *err)
{
    const struct document_kind *kind = kind_of_route(c);
    static const char *const names[] = {"document", "partial", NULL};
    const struct body_value *document = body_get(&c->body, "document"),
                            *partial = body_get(&c->body, "partial");
    struct json_writer *w = &c->json;
    struct error found = ERROR_INIT;
    bool is_partial = false;
    if (!body_known(&c->body, names, NULL, err) ||
        (partial && !body_bool(partial, NULL, "partial", &is_partial, err))) {
        return false;
    }
    if (!document) {
        return body_refuse(err, NULL, "document", "is required");
    }
    bool valid = document->raw.len <= kind->document_max
                     ? kind->check(document->raw, is_partial, c->arena, &found)
                     : error_set(&found, ERR_INVALID_FIELD, "must be at most %zu bytes long",
                                 kind->document_max);
    json_object_begin(w);
    json_field_bool(w, "valid", valid);
    json_name(w, "error");
    if (valid) {
        json_put_null(w);
    } else {
        json_object_begin(w);
        json_field_z(w, "code", error_code_name(found.code));
        json_field_z(w, "message", error_text(&found));
        json_field_str(w, "param", found.param[0] ? str_of(found.param) : STR_NONE);
        json_object_end(w);
    }
    if (valid && kind->describe) {
        kind->describe(w, document->raw, is_partial, c->arena);
    }
    json_object_end(w);
    return true;
}
