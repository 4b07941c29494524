/* POST /keys/bulk: reads what is wanted, then works it batch by batch while the answer is sent. */
#include "controlplane/api/key_bulk.h"

#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/quota_scopes.h"
#include "controlplane/store/virtual_keys.h"

#define BATCH_MEMORY ((size_t)128 << 20)
#define AUDIT_BYTES_MAX ((size_t)4 << 20)

static const struct {
    const char *name;
    enum bulk_action action;
} actions[] = {
    {"create", BULK_CREATE}, {"update", BULK_UPDATE},   {"rotate", BULK_ROTATE},
    {"revoke", BULK_REVOKE}, {"delete", BULK_REVOKE}, /* what DELETE does to one */
    {"block", BULK_BLOCK},   {"unblock", BULK_UNBLOCK},
};

/* --- lines --- */

static void end_line(struct json_writer *w)
{
    json_object_end(w);
    (void)buffer_append_z(w->out, "\n");
    json_writer_init(w, w->out); /* the next value stands by itself */
}

void bulk_put_line(struct json_writer *w, size_t index, const struct object *row,
                   const char *result, struct str secret)
{
    json_object_begin(w);
    if (index != SIZE_MAX) {
        json_field_u64(w, "index", index);
    }
    reply_put_id(w, "id", "key", &row->v[KEY_ID].uuid);
    json_field_str(w, "name", row->v[KEY_NAME].text);
    json_field_z(w, "result", result);
    if (secret.ptr) {
        json_field_str(w, "secret", secret);
    }
    end_line(w);
}

void bulk_put_error(struct json_writer *w, size_t index, const struct uuid *id,
                    const struct error *err)
{
    json_object_begin(w);
    if (index != SIZE_MAX) {
        json_field_u64(w, "index", index);
    }
    if (id) {
        reply_put_id(w, "id", "key", id);
    }
    json_field_z(w, "result", "failed");
    json_name(w, "error");
    json_object_begin(w);
    json_field_z(w, "code", error_code_name(err->code));
    json_field_z(w, "message", error_text(err));
    json_field_str(w, "param", err->param[0] ? str_of(err->param) : STR_NONE);
    json_object_end(w);
    end_line(w);
}

static void put_end(struct bulk *b, struct json_writer *w, const struct error *err)
{
    json_object_begin(w);
    json_field_bool(w, "done", err == NULL);
    json_field_u64(w, "succeeded", b->succeeded);
    json_field_u64(w, "failed", b->failed);
    if (err) {
        json_name(w, "error");
        json_object_begin(w);
        json_field_z(w, "code", error_code_name(err->code));
        json_field_z(w, "message", error_text(err));
        json_object_end(w);
    }
    end_line(w);
}

bool bulk_audit(struct bulk *b, const char *action, const struct object *rows, size_t n,
                const struct body_value *what, struct error *err)
{
    struct buffer text;
    struct json_writer w;
    struct call *c = &b->call;
    if (n == 0) {
        return true;
    }
    buffer_init(&text, AUDIT_BYTES_MAX);
    json_writer_init(&w, &text);
    json_object_begin(&w);
    json_field_u64(&w, "count", n);
    if (what && what->text.ptr) {
        json_name(&w, "given");
        json_put_raw(&w, what->text);
    }
    json_name(&w, "keys");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        reply_put_id(&w, "id", "key", &rows[i].v[KEY_ID].uuid);
        json_field_str(&w, "name", rows[i].v[KEY_NAME].text);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    (void)buffer_append(&text, "", 1);
    struct str name = arena_printf(c->arena, "%zu keys", n);
    bool ok = text.failed || !name.ptr ? error_set(err, ERR_OVERLOADED, "%s", "")
                                       : tx_audit(c->tx, action, "key", &c->organization, NULL,
                                                  name.ptr, NULL, text.ptr, err);
    buffer_release(&text);
    return ok;
}

/* --- the stream --- */

static bool work(struct bulk *b, struct json_writer *lines, struct error *err)
{
    struct call *c = &b->call;
    if (!call_begin(c, err)) {
        return false;
    }
    bool ok = b->action == BULK_CREATE ? bulk_create_batch(b, lines, err)
                                       : bulk_change_batch(b, lines, err);
    return call_end(c, ok, err);
}

static bool more(void *arg, struct buffer *out)
{
    struct bulk *b = arg, before = *b;
    struct arena *arena = b->call.arena;
    struct error err = ERROR_INIT;
    struct json_writer lines;
    size_t len = out->len;
    json_writer_init(&lines, out);
    b->call.arena = arena_new(BATCH_MEMORY);
    bool ok = work(b, &lines, &err);
    arena_free(b->call.arena);
    b->call.arena = arena;
    if (!ok) {
        /* the batch is undone, and so is what was going to be said of it */
        *b = before;
        b->over = true;
        if (out->ptr) {
            explicit_bzero(out->ptr + len, out->len - len);
        }
        out->len = len;
        if (err.code == ERR_DATABASE || err.code == ERR_INTERNAL) {
            log_write(LOG_ERROR, "bulk_failed", "a batch of keys failed",
                      LOG_Z("request_id", http_request_id(b->call.request)),
                      LOG_Z("error", error_text(&err)));
            err.text[0] = '\0';
        }
        json_writer_init(&lines, out);
        put_end(b, &lines, &err);
        return false;
    }
    if (b->over) {
        put_end(b, &lines, NULL);
    }
    return !b->over;
}

static void done(void *arg)
{
    struct bulk *b = arg;
    key_memo_free(b->memo);
    b->memo = NULL;
}

/* --- what is wanted --- */

static bool read_action(struct call *c, struct bulk *b, struct error *err)
{
    const struct body_value *v = body_get(&c->body, "action");
    struct str name;
    if (!v) {
        return body_refuse(err, NULL, "action", "is required");
    }
    if (!body_text(v, 1, 40, NULL, "action", &name, err)) {
        return false;
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (str_eqz(name, actions[i].name)) {
            b->action = actions[i].action;
        }
    }
    return b->action != BULK_NONE ||
           body_refuse(err, NULL, "action",
                       "must be create, update, rotate, revoke, delete, block or unblock");
}

/* Where the keys of a template stand, found once. */
static bool read_place(struct call *c, struct bulk *b, struct error *err)
{
    static const struct uuid nil;
    static const struct body_path in_template = {NULL, "template", 0};
    bool top = body_get(&c->body, "workspace_id") || body_get(&c->body, "workspace");
    const struct body_value *at = top ? &c->body : b->template;
    if (!call_begin(c, err)) {
        return false;
    }
    b->workspace = nil;
    bool ok = !at || resource_read_workspace(c, at, top ? NULL : &in_template, &b->workspace, err);
    b->placed = ok && !uuid_is_nil(&b->workspace);
    if (ok && !b->placed) {
        struct error several = ERROR_INIT;
        /* items of a list may name theirs; those that do not are told that there are several */
        b->placed = resource_only_workspace(c, NULL, &b->workspace, b->list ? &several : err);
        ok = b->placed || b->list;
    }
    (void)call_end(c, false, err);
    return ok;
}

static bool read_create(struct call *c, struct bulk *b, struct error *err)
{
    static const char *const names[] = {"action", "template",     "keys",      "count",
                                        "start",  "workspace_id", "workspace", NULL};
    const struct body_value *count = body_get(&c->body, "count"),
                            *start = body_get(&c->body, "start");
    int64_t n = 0;
    b->template = body_get(&c->body, "template");
    b->list = body_get(&c->body, "keys");
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if (b->template && b->template->type != BODY_OBJECT) {
        return body_refuse(err, NULL, "template", "must be an object");
    }
    if (b->template && body_get(b->template, "secret")) {
        return body_refuse(err, NULL, "template.secret", "cannot be the same for several keys");
    }
    if ((b->list != NULL) == (count != NULL)) {
        return body_refuse(err, NULL, "keys", "or template and count are required, one of them");
    }
    if (b->list) {
        b->total = b->list->n;
        return !start ? body_array(b->list, KEY_BULK_MAX, NULL, "keys", err)
                      : body_refuse(err, NULL, "start", "goes with count");
    }
    if (!b->template) {
        return body_refuse(err, NULL, "template", "is required beside count");
    }
    if (!body_integer(count, 1, KEY_BULK_MAX, NULL, "count", &n, err)) {
        return false;
    }
    b->total = (size_t)n;
    n = 1;
    if (start && !body_integer(start, 0, 1000000000, NULL, "start", &n, err)) {
        return false;
    }
    b->overlap_s = n; /* of create: the first number */
    return true;
}

static bool read_ids(struct call *c, struct bulk *b, const struct body_value *list,
                     struct error *err)
{
    struct body_path here = {NULL, "ids", 0};
    if (!body_array(list, KEY_BULK_MAX, NULL, "ids", err)) {
        return false;
    }
    b->ids = arena_alloc(c->arena, (list->n + 1) * sizeof *b->ids);
    if (!b->ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < list->n; i++) {
        struct body_path at = {&here, NULL, i};
        if (list->items[i].type != BODY_TEXT ||
            !uuid_parse_public("key", list->items[i].text, &b->ids[i])) {
            return body_refuse(err, &at, NULL, "must be an id (key_...)");
        }
    }
    b->total = list->n;
    return true;
}

static bool read_filter(struct call *c, struct bulk *b, const struct body_value *filter,
                        struct error *err)
{
    static const struct {
        const char *name, *prefix;
        int column;
    } ids[] = {{"workspace_id", "ws", KEY_WORKSPACE_ID},
               {"user_id", "usr", KEY_USER_ID},
               {"team_id", "team", KEY_TEAM_ID},
               {"service_account_id", "sa", KEY_SERVICE_ACCOUNT_ID}},
      texts[] = {{"tag", NULL, KEY_TAGS},
                 {"price_group", NULL, KEY_PRICE_GROUP},
                 {"owned_by", NULL, KEY_OWNED_BY}};
    static const char *const names[] = {"workspace_id",       "user_id", "team_id",
                                        "service_account_id", "tag",     "price_group",
                                        "owned_by",           NULL};
    struct body_path at = {NULL, "filter", 0};
    struct str text;
    struct uuid id;
    (void)c;
    if (filter->type != BODY_OBJECT || filter->n == 0) {
        return body_refuse(err, NULL, "filter", "must be an object with at least one member");
    }
    if (!body_known(filter, names, &at, err)) {
        return false;
    }
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const struct body_value *v = body_get(filter, ids[i].name);
        if (v && (v->type != BODY_TEXT || !uuid_parse_public(ids[i].prefix, v->text, &id))) {
            return body_refuse(err, &at, ids[i].name, "must be an id (%s_...)", ids[i].prefix);
        }
        if (v) {
            object_filter_uuid(&b->filter, ids[i].column, &id);
        }
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct body_value *v = body_get(filter, texts[i].name);
        if (v && !body_text(v, 1, 100, &at, texts[i].name, &text, err)) {
            return false;
        }
        if (v) {
            object_filter_text(&b->filter, texts[i].column, text, false);
        }
    }
    return true;
}

static bool read_change(struct call *c, struct bulk *b, struct error *err)
{
    static const char *const names[] = {"action", "ids", "filter", "patch", "overlap_s", NULL};
    const struct body_value *ids = body_get(&c->body, "ids"),
                            *filter = body_get(&c->body, "filter"),
                            *overlap = body_get(&c->body, "overlap_s");
    b->patch = body_get(&c->body, "patch");
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if ((ids != NULL) == (filter != NULL)) {
        return body_refuse(err, NULL, "ids", "or filter is required, one of them");
    }
    if (overlap && b->action != BULK_ROTATE) {
        return body_refuse(err, NULL, "overlap_s", "goes with the action rotate");
    }
    if ((b->patch != NULL) != (b->action == BULK_UPDATE)) {
        return body_refuse(err, NULL, "patch",
                           b->patch ? "goes with the action update" : "is required");
    }
    if (b->patch && (b->patch->type != BODY_OBJECT || b->patch->n == 0)) {
        return body_refuse(err, NULL, "patch", "must be an object with at least one member");
    }
    if (b->patch && (body_get(b->patch, "name") || body_get(b->patch, "secret"))) {
        return body_refuse(err, NULL, "patch", "cannot give several keys one name or secret");
    }
    return key_read_overlap(&c->body, &b->overlap_s, err) &&
           (ids ? read_ids(c, b, ids, err) : read_filter(c, b, filter, err));
}

bool key_bulk_call(struct call *c, struct error *err)
{
    struct bulk *b = arena_zalloc(c->arena, sizeof *b);
    if (!b) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!read_action(c, b, err) ||
        !(b->action == BULK_CREATE ? read_create(c, b, err) && read_place(c, b, err)
                                   : read_change(c, b, err))) {
        return false;
    }
    b->call = *c;
    b->call.out = (struct buffer){.max = 0};
    b->memo = key_memo_new();
    const struct http_stream stream = {.more = more, .done = done, .arg = b};
    reply_guard_headers(c->request);
    http_reply_header(c->request, "cache-control", "no-store");
    if (!http_reply_stream(c->request, 200, "application/x-ndjson", &stream)) {
        done(b);
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    return true;
}
