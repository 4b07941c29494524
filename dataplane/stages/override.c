/* The client's body with what a routing config says of it: members forced in, members put in where
 * there are none, paths taken out. Always made from the body as it came, so one attempt's changes
 * never meet the next's. */
#include "common/json.h"
#include "dataplane/stages/routing.h"

#define GROWTH_MAX (1u << 20)

/* A routing config says whom and what to call; whether the client wants a stream is its own affair.
 */
static bool may_force(struct json_value name)
{
    return !json_text_eq(name, STR_LIT("stream"));
}

static bool has(struct json_value object, struct json_value name)
{
    struct json_value key, value;
    size_t pos = 0;
    char buf[256];
    size_t n;
    if (!json_unescape(name, buf, sizeof(buf), &n)) {
        return false;
    }
    while (json_next(object, &pos, &key, &value)) {
        if (json_text_eq(key, (struct str){buf, n})) {
            return true;
        }
    }
    return false;
}

static struct str first_step(struct str path, struct str *ret_rest, bool *ret_all,
                             int64_t *ret_index, bool *ret_is_index)
{
    size_t end = 0;
    *ret_all = *ret_is_index = false;
    if (path.len && path.ptr[0] == '[') {
        while (end < path.len && path.ptr[end] != ']') {
            end++;
        }
        struct str inner = str_slice(path, 1, end > 1 ? end - 1 : 0);
        uint64_t v = 0;
        *ret_all = str_eqz(inner, "*");
        *ret_is_index = !*ret_all && str_to_u64(inner, &v);
        *ret_index = (int64_t)v;
        end += end < path.len;
    } else {
        while (end < path.len && path.ptr[end] != '.' && path.ptr[end] != '[') {
            end++;
        }
    }
    struct str step = str_slice(path, 0, end), rest = str_slice(path, end, path.len);
    *ret_rest = str_starts(rest, STR_LIT(".")) ? str_slice(rest, 1, rest.len) : rest;
    return step;
}

struct drop {
    const struct str *paths;
    size_t n;
};

#define DROP_PATHS 32

/* Which of the paths lead on into a child, and whether one ends at it. */
static bool follow(const struct drop *d, const struct json_value *name, int64_t index,
                   struct str *list, struct drop *ret)
{
    bool gone = false;
    ret->paths = list;
    ret->n = 0;
    for (size_t i = 0; i < d->n && ret->n < DROP_PATHS; i++) {
        struct str rest;
        bool all, is_index;
        int64_t at = 0;
        struct str step = first_step(d->paths[i], &rest, &all, &at, &is_index);
        bool hit = name ? !all && !is_index && json_text_eq(*name, step)
                        : all || (is_index && at == index);
        if (hit && rest.len == 0) {
            gone = true;
        } else if (hit) {
            list[ret->n++] = rest;
        }
    }
    return gone;
}

static void put_value(struct json_writer *w, struct json_value v, const struct drop *d,
                      unsigned depth);

static void put_name(struct json_writer *w, struct json_value name)
{
    char buf[512];
    size_t n;
    if (json_unescape(name, buf, sizeof(buf) - 1, &n) && !memchr(buf, '\0', n)) {
        buf[n] = '\0';
        json_name(w, buf);
    } else {
        w->out->failed = true;
    }
}

static void put_members(struct json_writer *w, struct json_value object, const struct drop *d,
                        unsigned depth)
{
    struct json_value name, value;
    size_t pos = 0;
    while (json_next(object, &pos, &name, &value)) {
        struct str list[DROP_PATHS];
        struct drop inner;
        if (!follow(d, &name, 0, list, &inner)) {
            put_name(w, name);
            put_value(w, value, &inner, depth + 1);
        }
    }
}

static void put_value(struct json_writer *w, struct json_value v, const struct drop *d,
                      unsigned depth)
{
    struct json_value item;
    size_t pos = 0;
    int64_t index = 0;
    if (d->n == 0 || depth > 32 || (v.type != JSON_OBJECT && v.type != JSON_ARRAY)) {
        json_put_raw(w, v.raw);
        return;
    }
    if (v.type == JSON_OBJECT) {
        json_object_begin(w);
        put_members(w, v, d, depth);
        json_object_end(w);
        return;
    }
    json_array_begin(w);
    while (json_next(v, &pos, NULL, &item)) {
        struct str list[DROP_PATHS];
        struct drop inner;
        if (!follow(d, NULL, index++, list, &inner)) {
            put_value(w, item, &inner, depth + 1);
        }
    }
    json_array_end(w);
}

static bool object_of(struct str json, struct json_value *ret)
{
    return json.ptr && json_validate(json, 0, ret, NULL) && ret->type == JSON_OBJECT;
}

static void put_body(struct json_writer *w, struct json_value body, const struct route_settings *s)
{
    struct json_value forced, preset, name, value;
    bool force = object_of(s->override_json, &forced), fill = object_of(s->default_json, &preset);
    struct drop d = {s->drop_paths, s->n_drop_paths}, none = {NULL, 0};
    size_t pos = 0;
    json_object_begin(w);
    while (json_next(body, &pos, &name, &value)) {
        struct str list[DROP_PATHS];
        struct drop inner;
        if ((force && may_force(name) && has(forced, name)) || follow(&d, &name, 0, list, &inner)) {
            continue;
        }
        put_name(w, name);
        put_value(w, value, &inner, 1);
    }
    pos = 0;
    while (force && json_next(forced, &pos, &name, &value)) {
        if (may_force(name)) {
            put_name(w, name);
            put_value(w, value, &none, 1);
        }
    }
    pos = 0;
    while (fill && json_next(preset, &pos, &name, &value)) {
        if (!has(body, name) && !(force && has(forced, name))) {
            put_name(w, name);
            put_value(w, value, &none, 1);
        }
    }
    json_object_end(w);
}

struct str override_body(struct arena *a, struct str object, const struct route_settings *s)
{
    struct json_value body;
    struct json_writer w;
    struct buffer *out =
        arena_buffer(a, object.len + s->override_json.len + s->default_json.len + GROWTH_MAX);
    if (!out || !json_validate(object, 0, &body, NULL) || body.type != JSON_OBJECT) {
        return STR_NONE;
    }
    json_writer_init(&w, out);
    put_body(&w, body, s);
    return out->failed ? STR_NONE : buffer_str(out);
}

bool override_apply(struct request *r, const struct candidate *c)
{
    const struct route_settings *s = c->settings;
    struct json_value body;
    bool was = r->body.ptr != r->client_body.ptr;
    r->body = r->client_body;
    if (!s || (!s->override_json.ptr && !s->default_json.ptr && s->n_drop_paths == 0) ||
        !json_validate(r->client_body, 0, &body, NULL) || body.type != JSON_OBJECT) {
        return !was || read_again(r);
    }
    struct str made = override_body(r->arena, r->client_body, s);
    if (!made.ptr) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for the request");
    }
    r->body = made;
    return read_again(r);
}
