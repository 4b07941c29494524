/* What would be done with a request, without sending it: a data plane tells (docs/routing.md). */
#include "controlplane/api/planes.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "controlplane/http/reply.h"

#define TIMEOUT_MS 10000u
#define QUESTION_MAX ((size_t)2 << 20)

struct question {
    struct uuid key, plane_id;
    bool has_plane;
    struct data_plane plane; /* who answered */
};

static bool read_id(const struct call *c, const char *name, const char *prefix, struct uuid *ret,
                    bool *ret_given, struct error *err)
{
    const struct body_value *v = body_get(&c->body, name);
    *ret_given = v && v->type != BODY_NULL;
    if (*ret_given && (v->type != BODY_TEXT || !uuid_parse_public(prefix, v->text, ret))) {
        return body_refuse(err, NULL, name, "must be an id (%s_...)", prefix);
    }
    return true;
}

static bool is_given(const struct body_value *v)
{
    return v && v->type != BODY_NULL;
}

static bool read_headers(const struct body_value *headers, struct error *err)
{
    const struct body_path at = {.name = "headers"};
    if (headers->type != BODY_OBJECT) {
        return body_refuse(err, NULL, "headers", "must be an object");
    }
    for (size_t i = 0; i < headers->n; i++) {
        if (headers->items[i].type != BODY_TEXT) {
            char name[64];
            (void)snprintf(name, sizeof name, "%.*s",
                           STR_ARG(str_slice(headers->names[i], 0, sizeof name - 1)));
            return body_refuse(err, &at, name, "must be a string");
        }
    }
    return true;
}

/* As far as any data plane would say the same: the rest is for the one that answers. */
static bool read_request(const struct call *c, struct error *err)
{
    const struct body_value *method = body_get(&c->body, "method"),
                            *path = body_get(&c->body, "path"),
                            *headers = body_get(&c->body, "headers");
    struct str text;
    if (is_given(method) && !body_text(method, 1, 32, NULL, "method", &text, err)) {
        return false;
    }
    if (is_given(path) && !body_text(path, 1, 4096, NULL, "path", &text, err)) {
        return false;
    }
    if (is_given(path) && text.ptr[0] != '/') {
        return body_refuse(err, NULL, "path", "must begin with /");
    }
    return !is_given(headers) || read_headers(headers, err);
}

static bool read_question(struct call *c, struct question *q, struct error *err)
{
    static const char *const known[] = {"key",  "data_plane", "method", "path",
                                        "body", "headers",    "config", NULL};
    bool has_key;
    if (!body_known(&c->body, known, NULL, err) ||
        !read_id(c, "key", "key", &q->key, &has_key, err) ||
        !read_id(c, "data_plane", "dp", &q->plane_id, &q->has_plane, err)) {
        return false;
    }
    if (!has_key) {
        return body_refuse(err, NULL, "key", "is required: whose request it would be");
    }
    return read_request(c, err);
}

/* The key is the organization's, and the actor may explain requests of its workspace. */
static bool check_key(struct call *c, void *arg, struct error *err)
{
    const struct question *q = arg;
    struct object row;
    if (!resource_find(c, &key_resource, &q->key, false, &row, err)) {
        return false;
    }
    struct uuid workspace = resource_workspace(&key_resource, &row);
    return permission_scope_covers(&c->scope, &workspace) ||
           error_set(err, ERR_FORBIDDEN, "this needs the permission routing.explain there");
}

/* The body as it came, but with the key's public id (as "key" and "key_id"), and without whom to
 * ask and what is null. */
static bool write_question(struct call *c, const struct question *q, struct str *ret,
                           struct error *err)
{
    struct json_value body = {.type = JSON_OBJECT, .raw = str_trim(http_body(c->request))}, name,
                      value;
    struct buffer out;
    struct json_writer w;
    size_t pos = 0;
    buffer_init(&out, QUESTION_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    reply_put_id(&w, "key", "key", &q->key);
    reply_put_id(&w, "key_id", "key", &q->key);
    while (json_next(body, &pos, &name, &value)) {
        if (value.type == JSON_NULL) {
            continue;
        }
        if (json_text_eq(name, STR_LIT("method")) || json_text_eq(name, STR_LIT("path")) ||
            json_text_eq(name, STR_LIT("headers")) || json_text_eq(name, STR_LIT("body")) ||
            json_text_eq(name, STR_LIT("config"))) {
            char z[16];
            struct str text = str_slice(name.escaped ? STR_LIT("") : json_text(name), 0, 15);
            memcpy(z, text.ptr, text.len);
            z[text.len] = '\0';
            json_name(&w, z);
            json_put_raw(&w, value.raw);
        }
    }
    json_object_end(&w);
    *ret = out.failed ? STR_NONE : arena_str(c->arena, buffer_str(&out));
    buffer_release(&out);
    return ret->ptr || error_set(err, ERR_BODY_TOO_LARGE, "the request to explain is too large");
}

/* What the data plane finds wrong with the question; false: that is no such answer. */
static bool read_fault(struct call *c, struct json_value object, struct error *err)
{
    struct json_member top = {.name = STR_LIT("error")};
    struct json_member m[] = {
        {.name = STR_LIT("code")}, {.name = STR_LIT("message")}, {.name = STR_LIT("param")}};
    struct str said[3] = {STR_NONE, STR_NONE, STR_NONE};
    enum error_code code = ERR_INTERNAL;
    if (!json_members(object, &top, 1, NULL) || !top.found || top.value.type != JSON_OBJECT ||
        !json_members(top.value, m, 3, NULL)) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        char *room = arena_alloc(c->arena, m[i].value.raw.len + 1);
        size_t n;
        if (room && m[i].found && m[i].value.type == JSON_STRING &&
            json_unescape(m[i].value, room, m[i].value.raw.len, &n)) {
            room[n] = '\0';
            said[i] = (struct str){room, n};
        }
    }
    for (int k = ERR_NONE + 1; said[0].ptr && k < ERR_COUNT; k++) {
        if (str_eqz(said[0], error_code_name((enum error_code)k))) {
            code = (enum error_code)k;
        }
    }
    if (said[2].ptr) {
        (void)error_set_param(err, code, said[2].ptr, "%.*s", STR_ARG(said[1]));
    } else {
        (void)error_set(err, code, "%.*s", STR_ARG(said[1]));
    }
    return true;
}

static bool put_answer(struct call *c, const struct question *q, struct str answer,
                       struct error *err)
{
    struct json_value object, name, value;
    size_t pos = 0;
    if (!json_validate(answer, 0, &object, NULL) || object.type != JSON_OBJECT) {
        return error_set(err, ERR_INTERNAL, "the data plane's answer cannot be read");
    }
    if (read_fault(c, object, err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_name(&c->json, "data_plane");
    json_object_begin(&c->json);
    planes_put(&c->json, &q->plane);
    json_object_end(&c->json);
    while (json_next(object, &pos, &name, &value)) {
        struct str text = name.escaped ? STR_NONE : json_text(name);
        char z[64];
        if (text.ptr && text.len < sizeof z && !str_eqz(text, "data_plane")) {
            memcpy(z, text.ptr, text.len);
            z[text.len] = '\0';
            json_name(&c->json, z);
            json_put_raw(&c->json, value.raw);
        }
    }
    json_object_end(&c->json);
    return true;
}

static bool explain(struct call *c, struct error *err)
{
    const struct api_context *api = c->context;
    struct question q = {.plane = {.name = STR_NONE}};
    struct planes_found f = {.only = NULL};
    struct str body, said;
    if (!read_question(c, &q, err) || !planes_in_tx(c, TX_TENANT, check_key, &q, err) ||
        !write_question(c, &q, &body, err)) {
        return false;
    }
    if (q.has_plane) {
        f.only = &q.plane_id;
        if (!planes_find(c, &f, err)) {
            return false;
        }
    }
    if (!api->channel) {
        return error_set(err, ERR_NOT_READY, "no data plane is connected");
    }
    http_wait_begin(c->request);
    bool answered = channel_command(api->channel, f.only, &c->organization, PLANES_EXPLAIN, body,
                                    TIMEOUT_MS, c->arena, &q.plane.id, &said, err);
    http_wait_end(c->request);
    return answered && planes_read(c, &q.plane, err) && put_answer(c, &q, said, err);
}

bool explain_call(struct call *c, struct error *err)
{
    if (!planes_enter(c, err)) {
        return false;
    }
    bool ok = explain(c, err);
    planes_leave(c);
    return ok;
}
