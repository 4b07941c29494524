/* Rows of configs, prompts and price books: made with their first version, changed by name and
 * description, and what a file says of them. See document_versions.c for the versions' own routes.
 */
#include "controlplane/api/documents.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"

#define CHECK_MEMORY ((size_t)256 << 20)

const char *const document_extras[] = {"workspace_id", "workspace", "document", "note",
                                       "publish",      "labels",    NULL};

const struct document_kind *document_kind_of(const struct resource *res)
{
    return res->table == &configs_table       ? &config_document_kind
           : res->table == &price_books_table ? &price_book_document_kind
                                              : &prompt_document_kind;
}

/* --- labels --- */

const char *document_check_label(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = c >= 'a' && c <= 'z', other = (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!letter && (i == 0 || !other)) {
            return "must be lower-case letters, digits, '_' or '-', and begin with a letter";
        }
    }
    return s.len < 1 || s.len > 63 ? "must be 1 to 63 characters long"
           : str_eqz(s, "latest")  ? "\"latest\" is the newest version's, always"
                                   : NULL;
}

size_t document_labels(struct str json, struct arena *a, struct document_label **ret)
{
    struct json_value object, name, value;
    struct error ignored = ERROR_INIT;
    size_t n = 0, pos = 0;
    struct document_label *list =
        arena_alloc(a, (DOCUMENT_LABELS_MAX * 2 + 1) * sizeof *list); /* room for as many more */
    *ret = list;
    if (!list || !json_validate(json, 0, &object, &ignored)) {
        return 0;
    }
    while (n < DOCUMENT_LABELS_MAX && json_next(object, &pos, &name, &value)) {
        list[n].name = json_text(name); /* labels need no escapes */
        n += json_u64(value, &list[n].version);
    }
    return n;
}

struct str document_labels_text(const struct document_label *list, size_t n, struct arena *a)
{
    struct buffer b;
    buffer_init(&b, 16384);
    buffer_append_z(&b, "{");
    for (size_t i = 0; i < n; i++) {
        buffer_printf(&b, "%s\"%.*s\":%llu", i > 0 ? "," : "", STR_ARG(list[i].name),
                      (unsigned long long)list[i].version);
    }
    buffer_append_z(&b, "}");
    struct str s = b.failed ? STR_NONE : arena_str(a, buffer_str(&b));
    buffer_release(&b);
    return s;
}

bool document_has_label(struct str json, uint64_t version, struct arena *a)
{
    struct document_label *list;
    size_t n = document_labels(json, a, &list);
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || list[i].version == version;
    }
    return any;
}

void document_put_labels(struct json_writer *w, struct str json, uint64_t version, struct arena *a)
{
    struct document_label *list;
    size_t n = document_labels(json, a, &list);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        if (list[i].version == version) {
            json_put_str(w, list[i].name);
        }
    }
    json_array_end(w);
}

static bool read_labels(struct change *ch, const struct body_value *v, struct document_draft *ret,
                        struct error *err)
{
    struct body_path here = {ch->at, "labels", 0};
    struct str *list;
    if (!body_texts(v, DOCUMENT_LABELS_MAX, 63, ch->at, "labels", ch->call->arena, &list,
                    &ret->n_labels, err)) {
        return false;
    }
    for (size_t i = 0; i < ret->n_labels; i++) {
        struct body_path item = {&here, NULL, i};
        const char *wrong = document_check_label(list[i]);
        if (wrong) {
            return body_refuse(err, &item, NULL, "%s", wrong);
        }
    }
    ret->labels = list;
    return true;
}

/* --- a version --- */

/* What a checker says of "config.targets[0]" is said of "document.targets[0]", wherever that stands
 * in the body, and the text begins with it as all refusals do. */
static bool refuse_document(const struct change *ch, const struct document_kind *kind,
                            struct error *err)
{
    struct error place = ERROR_INIT;
    size_t root = strlen(kind->root), param = strlen(err->param);
    const char *inside = err->param + (strncmp(err->param, kind->root, root) == 0 ? root : 0);
    const char *text = error_text(err);
    if (param > 0 && strncmp(text, err->param, param) == 0) {
        text += param;
        text += strspn(text, ": ");
    }
    inside += *inside == '.';
    (void)body_refuse(&place, ch->at, "document", "%s", "");
    struct str whole = arena_printf(ch->call->arena, "%s%s%s", place.param,
                                    *inside && *inside != '[' ? "." : "", inside);
    struct str said = arena_printf(ch->call->arena, "%s", text);
    /* what is no JSON to the checker is so in the document: the body is */
    enum error_code code = err->code == ERR_INVALID_JSON ? ERR_INVALID_FIELD : err->code;
    return whole.ptr && said.ptr
               ? error_set_param(err, code, whole.ptr, "%s: %s", whole.ptr, said.ptr)
               : error_set(err, ERR_OVERLOADED, "%s", "");
}

/* In memory of its own: only whether it can be done matters. */
static bool check(const struct document_kind *kind, struct str document, bool partial,
                  struct error *err)
{
    struct arena *scratch = arena_new(CHECK_MEMORY);
    bool ok = kind->check(document, partial, scratch, err);
    arena_free(scratch);
    return ok;
}

bool document_read(struct change *ch, const struct document_kind *kind, bool partial, bool publish,
                   struct document_draft *ret, struct error *err)
{
    const struct body_value *document = body_get(ch->body, "document"),
                            *note = body_get(ch->body, "note"),
                            *said = body_get(ch->body, "publish"),
                            *labels = body_get(ch->body, "labels");
    struct document_version *v = &ret->version;
    char actor[64];
    uuid_format_public(ch->call->actor.token ? "tok" : "usr", &ch->call->actor.id, actor,
                       sizeof actor);
    *ret = (struct document_draft){.publish = publish};
    v->note = STR_LIT("");
    v->created_by = arena_str(ch->call->arena, str_of(actor));
    if (!document) {
        return body_refuse(err, ch->at, "document", "is required");
    }
    if ((note && !body_text(note, 0, DOCUMENT_NOTE_MAX, ch->at, "note", &v->note, err)) ||
        (said && !body_bool(said, ch->at, "publish", &ret->publish, err)) ||
        (labels && !read_labels(ch, labels, ret, err))) {
        return false;
    }
    if (document->raw.len > kind->document_max) {
        return body_refuse(err, ch->at, "document", "must be at most %zu bytes long",
                           kind->document_max);
    }
    if (!document->raw.ptr) {
        return body_refuse(err, ch->at, "document", "is not JSON that every reader takes");
    }
    v->document = document->raw;
    if (!check(kind, document->raw, partial, err)) {
        return refuse_document(ch, kind, err);
    }
    return !kind->seal || kind->seal(ch, ch->at, document->raw, v, err);
}

bool document_may_publish(struct change *ch, const struct document_kind *kind, struct error *err)
{
    const struct object *row = ch->creating ? &ch->now : &ch->before;
    struct uuid workspace = resource_workspace(kind->resource, row);
    return call_may(ch->call, kind->publish, &workspace) ||
           error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                     permission_name(kind->publish));
}

/* The row's labels with those of the draft moved to the version. `whole`: the draft's are all that
 * the version has. */
static bool move_labels(struct change *ch, uint64_t number, const struct document_draft *d,
                        struct error *err)
{
    struct str before = ch->creating ? STR_LIT("{}") : ch->before.v[DOCUMENT_LABELS].text;
    struct document_label *list;
    size_t n = document_labels(before, ch->call->arena, &list), kept = 0;
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < n; i++) {
        bool moved = ch->whole && list[i].version == number;
        for (size_t k = 0; k < d->n_labels && !moved; k++) {
            moved = str_eq(d->labels[k], list[i].name);
        }
        if (!moved) {
            list[kept++] = list[i];
        }
    }
    for (size_t k = 0; k < d->n_labels; k++) {
        bool twice = false;
        for (size_t i = 0; i < k && !twice; i++) {
            twice = str_eq(d->labels[i], d->labels[k]);
        }
        if (!twice) {
            list[kept++] = (struct document_label){d->labels[k], number};
        }
    }
    if (kept > DOCUMENT_LABELS_MAX) {
        return error_set_param(err, ERR_CONFLICT, "labels", "%s has %d labels already",
                               ch->resource->kind, DOCUMENT_LABELS_MAX);
    }
    struct str text = document_labels_text(list, kept, ch->call->arena);
    object_set_text(&ch->now.v[DOCUMENT_LABELS], text);
    return text.ptr || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool document_point(struct change *ch, const struct document_kind *kind, uint64_t number,
                    const struct document_draft *d, struct error *err)
{
    uint64_t latest = ch->creating ? 0 : (uint64_t)ch->before.v[DOCUMENT_LATEST].integer;
    if ((d->publish || d->n_labels > 0) && !document_may_publish(ch, kind, err)) {
        return false;
    }
    object_set_i64(&ch->now.v[DOCUMENT_LATEST], (int64_t)(number > latest ? number : latest));
    if (d->publish) {
        object_set_i64(&ch->now.v[DOCUMENT_PUBLISHED], (int64_t)number);
    }
    return move_labels(ch, number, d, err);
}

bool document_check_room(struct change *ch, const struct document_version *v, struct error *err)
{
    uint64_t bytes;
    if (ch->before.v[DOCUMENT_LATEST].integer >= DOCUMENT_VERSIONS_MAX) {
        return error_set(err, ERR_CONFLICT,
                         "%s has %d versions already: make a new one under another name, and let "
                         "what uses this one refer to that",
                         ch->resource->kind, DOCUMENT_VERSIONS_MAX);
    }
    if (!document_bytes(ch->call->tx, ch->resource->table, &ch->before.v[DOCUMENT_ID].uuid, &bytes,
                        err)) {
        return false;
    }
    return bytes + v->document.len <= DOCUMENT_BYTES_MAX ||
           error_set(err, ERR_CONFLICT,
                     "the versions of this %s would be more than %llu MiB together: make a new one "
                     "under another name",
                     ch->resource->kind, (unsigned long long)(DOCUMENT_BYTES_MAX >> 20));
}

/* --- hooks --- */

static bool is_partial(const struct change *ch, const struct object *row)
{
    return ch->resource->table == &prompts_table && object_is_set(&row->v[PROMPT_PARTIAL]) &&
           row->v[PROMPT_PARTIAL].integer != 0;
}

static bool prepare_first(struct change *ch, const struct document_kind *kind,
                          struct document_draft *d, struct error *err)
{
    d->version.owner = ch->now.v[DOCUMENT_ID].uuid;
    if (!document_read(ch, kind, is_partial(ch, &ch->now), true, d, err)) {
        return false;
    }
    d->version.number = 1;
    return document_point(ch, kind, 1, d, err);
}

/* The number of a version with this document already, which need not be made again: the published
 * one, else the newest; 0: none. */
static bool find_same(struct change *ch, struct str document, uint64_t *ret, struct error *err)
{
    uint64_t tried[2] = {(uint64_t)ch->before.v[DOCUMENT_PUBLISHED].integer,
                         (uint64_t)ch->before.v[DOCUMENT_LATEST].integer};
    struct document_version v;
    *ret = 0;
    for (int i = 0; i < 2 && *ret == 0; i++) {
        if (tried[i] == 0 || (i == 1 && tried[1] == tried[0])) {
            continue;
        }
        if (!document_get(ch->call->tx, ch->resource->table, &ch->before.v[DOCUMENT_ID].uuid,
                          tried[i], ch->call->arena, &v, err)) {
            return false;
        }
        if (str_eq(v.document, document) || body_same_json(v.document, document)) {
            *ret = tried[i];
        }
    }
    return true;
}

/* A file says what is in force: its document is published, and has the file's labels. */
static bool prepare_whole(struct change *ch, const struct document_kind *kind,
                          struct document_draft *d, struct error *err)
{
    uint64_t same;
    if (is_partial(ch, &ch->now) != is_partial(ch, &ch->before)) {
        return body_refuse(err, ch->at, "partial", "of a prompt cannot be changed");
    }
    if (!document_read(ch, kind, is_partial(ch, &ch->before), true, d, err) ||
        !find_same(ch, d->version.document, &same, err)) {
        return false;
    }
    d->publish = true;
    if (same == 0) {
        d->version.number = (uint64_t)ch->before.v[DOCUMENT_LATEST].integer + 1;
        if (!document_check_room(ch, &d->version, err)) {
            return false;
        }
    } else if (ch->resource->table == &configs_table) {
        ch->now.v[CONFIG_SECRETS_MADE].state = OBJECT_UNSET;
    }
    return document_point(ch, kind, same ? same : d->version.number, d, err);
}

static bool prepare_patch(struct change *ch, struct error *err)
{
    for (size_t i = 2; document_extras[i]; i++) {
        if (body_get(ch->body, document_extras[i])) {
            return body_refuse(err, ch->at, document_extras[i],
                               "cannot be changed here: versions are made by POST .../versions, "
                               "published by .../publish, labelled by PUT .../labels/{label}");
        }
    }
    return true;
}

/* Where it stands: in a workspace, or for all of them. */
static bool place(struct change *ch, const struct document_kind *kind, struct error *err)
{
    static const char *const names[] = {"workspace_id", "workspace"};
    if (!kind->of_organization) {
        return resource_place(ch, DOCUMENT_WORKSPACE_ID, false, err);
    }
    for (int i = 0; i < 2; i++) {
        const struct body_value *v = body_get(ch->body, names[i]);
        if (v && v->type != BODY_NULL) {
            return body_refuse(err, ch->at, names[i], "cannot be given: it is the organization's");
        }
    }
    return true;
}

bool document_prepare(struct change *ch, struct error *err)
{
    const struct document_kind *kind = document_kind_of(ch->resource);
    const struct object_value *name = &ch->now.v[DOCUMENT_NAME];
    struct document_draft *d = arena_zalloc(ch->call->arena, sizeof *d);
    if (!d) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!place(ch, kind, err)) {
        return false;
    }
    if (!ch->creating && object_is_set(name) &&
        !str_eq(name->text, ch->before.v[DOCUMENT_NAME].text) && kind->in_use &&
        !kind->in_use(ch, STR_NONE, err)) {
        return false;
    }
    if (!ch->creating && !ch->whole) {
        return prepare_patch(ch, err);
    }
    if (ch->placed && body_get(ch->body, "publish")) {
        return body_refuse(err, ch->at, "publish",
                           "has no place in a file: its documents are published");
    }
    ch->extra = d;
    return ch->creating ? prepare_first(ch, kind, d, err) : prepare_whole(ch, kind, d, err);
}

bool document_stored(struct change *ch, struct error *err)
{
    struct document_draft *d = ch->extra;
    if (!d || d->version.number == 0) {
        return true;
    }
    d->version.owner = ch->now.v[DOCUMENT_ID].uuid;
    return document_add(ch->call->tx, ch->resource->table, &ch->call->organization, &d->version,
                        err);
}

bool document_removing(struct change *ch, struct error *err)
{
    const struct document_kind *kind = document_kind_of(ch->resource);
    return !kind->in_use || kind->in_use(ch, STR_NONE, err);
}

/* --- showing --- */

struct shown {
    struct document_version *list;
    size_t n;
};

bool document_load(struct call *c, const struct object_table *table, const struct object *rows,
                   size_t n, void **ret, struct error *err)
{
    struct shown *s = arena_zalloc(c->arena, sizeof *s);
    struct uuid *ids = object_ids(rows, n, DOCUMENT_ID, c->arena);
    if (!s || !ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    *ret = s;
    return document_shown(c->tx, table, ids, n, c->arena, &s->list, &s->n, err);
}

void document_show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    const struct shown *s = loaded;
    struct str document = STR_NONE;
    (void)c;
    for (size_t i = 0; i < s->n; i++) {
        if (uuid_eq(&s->list[i].owner, &row->v[DOCUMENT_ID].uuid)) {
            document = s->list[i].document;
        }
    }
    json_name(w, "document");
    if (document.ptr) {
        json_put_raw(w, document);
    } else {
        json_put_null(w);
    }
}
