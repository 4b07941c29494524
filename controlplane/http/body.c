/* jansson's tree, turned into our own at once, so that nothing else knows it and nothing needs to
 * be freed. */
#include "controlplane/http/body.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"

#define DEPTH_MAX 96u /* a routing config alone may be 16 nodes deep, with conditions in them */
#define TEXT_DEPTH_MAX 8u

static bool convert(const json_t *j, unsigned depth, struct arena *a, struct body_value *ret,
                    struct error *err);

static bool no_room(struct error *err)
{
    return error_set(err, ERR_BODY_TOO_LARGE, "body needs too much memory");
}

/* The value's compact JSON: what goes into a jsonb column. */
static bool convert_text(const json_t *j, struct arena *a, struct body_value *ret,
                         struct error *err)
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    ret->text = text ? arena_str(a, str_of(text)) : STR_NONE;
    free(text);
    return ret->text.ptr != NULL || no_room(err);
}

static bool convert_children(const json_t *j, unsigned depth, struct arena *a,
                             struct body_value *ret, struct error *err)
{
    bool object = json_is_object(j);
    size_t n = object ? json_object_size(j) : json_array_size(j), i = 0;
    if (depth >= DEPTH_MAX) {
        return error_set(err, ERR_INVALID_JSON, "nested deeper than %u", DEPTH_MAX);
    }
    ret->items = arena_zalloc(a, (n + 1) * sizeof *ret->items);
    ret->names = arena_zalloc(a, (n + 1) * sizeof *ret->names);
    if (!ret->items || !ret->names) {
        return no_room(err);
    }
    ret->n = n;
    if (object) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)j, key, value)
        {
            ret->names[i] = arena_str(a, str_of(key));
            if (!ret->names[i].ptr) {
                return no_room(err);
            }
            if (!convert(value, depth + 1, a, &ret->items[i++], err)) {
                return false;
            }
        }
        return true;
    }
    for (; i < n; i++) {
        if (!convert(json_array_get(j, i), depth + 1, a, &ret->items[i], err)) {
            return false;
        }
    }
    return true;
}

static bool convert(const json_t *j, unsigned depth, struct arena *a, struct body_value *ret,
                    struct error *err)
{
    switch (json_typeof(j)) {
    case JSON_NULL:
        ret->type = BODY_NULL;
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        ret->type = BODY_BOOL;
        ret->boolean = json_is_true(j);
        return true;
    case JSON_INTEGER:
        ret->type = BODY_INTEGER;
        ret->integer = json_integer_value(j);
        return true;
    case JSON_REAL:
        ret->type = BODY_REAL;
        return true;
    case JSON_STRING:
        ret->type = BODY_TEXT;
        ret->text = arena_str(a, (struct str){json_string_value(j), json_string_length(j)});
        return ret->text.ptr != NULL || no_room(err);
    case JSON_ARRAY:
        ret->type = BODY_ARRAY;
        return convert_children(j, depth, a, ret, err);
    case JSON_OBJECT:
        ret->type = BODY_OBJECT;
        return (depth == 0 || depth > TEXT_DEPTH_MAX || convert_text(j, a, ret, err)) &&
               convert_children(j, depth, a, ret, err);
    }
    return false;
}

bool body_parse(struct str text, struct arena *a, struct body_value *ret, struct error *err)
{
    json_error_t e;
    json_t *j = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &e);
    *ret = (struct body_value){.type = BODY_NULL};
    if (!j) {
        /* without the bytes that it quotes: they may be a secret's */
        char *quoted = strstr(e.text, " near '");
        if (quoted) {
            *quoted = '\0';
        }
        (void)error_set(err, ERR_INVALID_JSON, "body is not valid JSON: %s (line %d, column %d)",
                        e.text, e.line, e.column);
        err->offset = e.position;
        err->line = e.line;
        err->column = e.column;
        return false;
    }
    bool ok = json_is_object(j) ? convert(j, 0, a, ret, err)
                                : error_set(err, ERR_INVALID_JSON, "body must be a JSON object");
    json_decref(j);
    if (ok) {
        body_fill_raw(text, ret);
    }
    return ok;
}

bool body_same_json(struct str a, struct str b)
{
    json_error_t e;
    json_t *x = json_loadb(a.ptr, a.len, JSON_DECODE_ANY, &e);
    json_t *y = json_loadb(b.ptr, b.len, JSON_DECODE_ANY, &e);
    bool same = x && y && json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return same;
}

const struct body_value *body_get(const struct body_value *object, const char *name)
{
    for (size_t i = 0; object && object->type == BODY_OBJECT && i < object->n; i++) {
        if (str_eqz(object->names[i], name)) {
            return &object->items[i];
        }
    }
    return NULL;
}

static void put_path(const struct body_path *at, char *out, size_t size)
{
    if (!at) {
        return;
    }
    put_path(at->up, out, size);
    size_t len = strlen(out);
    if (at->name) {
        (void)snprintf(out + len, size - len, "%s%s", len > 0 ? "." : "", at->name);
    } else {
        (void)snprintf(out + len, size - len, "[%zu]", at->index);
    }
}

bool body_refuse(struct error *err, const struct body_path *at, const char *name, const char *fmt,
                 ...)
{
    char path[sizeof err->param] = "", text[sizeof err->text];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put_path(at, path, sizeof path);
    if (name) {
        size_t len = strlen(path);
        (void)snprintf(path + len, sizeof path - len, "%s%s", len > 0 ? "." : "", name);
    }
    return error_set_param(err, ERR_INVALID_FIELD, path, "%s %s", path[0] ? path : "body", text);
}

bool body_known(const struct body_value *object, const char *const *names,
                const struct body_path *at, struct error *err)
{
    for (size_t i = 0; i < object->n; i++) {
        bool known = false;
        for (size_t k = 0; names[k] && !known; k++) {
            known = str_eqz(object->names[i], names[k]);
        }
        if (!known) {
            return body_refuse(err, at, object->names[i].ptr, "is an unknown field");
        }
    }
    return true;
}

bool body_text(const struct body_value *v, size_t min_bytes, size_t max_bytes,
               const struct body_path *at, const char *name, struct str *ret, struct error *err)
{
    if (v->type != BODY_TEXT) {
        return body_refuse(err, at, name, "must be a string");
    }
    if (v->text.len < min_bytes || v->text.len > max_bytes) {
        return min_bytes > 0 && v->text.len == 0
                   ? body_refuse(err, at, name, "must not be empty")
                   : body_refuse(err, at, name, "must be %zu to %zu bytes long", min_bytes,
                                 max_bytes);
    }
    *ret = v->text;
    return true;
}

bool body_integer(const struct body_value *v, int64_t min, int64_t max, const struct body_path *at,
                  const char *name, int64_t *ret, struct error *err)
{
    if (v->type != BODY_INTEGER) {
        return body_refuse(err, at, name, "must be an integer");
    }
    if (v->integer < min || v->integer > max) {
        return body_refuse(err, at, name, "must be between %lld and %lld", (long long)min,
                           (long long)max);
    }
    *ret = v->integer;
    return true;
}

bool body_bool(const struct body_value *v, const struct body_path *at, const char *name, bool *ret,
               struct error *err)
{
    if (v->type != BODY_BOOL) {
        return body_refuse(err, at, name, "must be true or false");
    }
    *ret = v->boolean;
    return true;
}

bool body_time(const struct body_value *v, const struct body_path *at, const char *name,
               uint64_t *ret_ms, struct error *err)
{
    /* year 9999 is as far as the database's text form goes without a sign */
    if (v->type != BODY_TEXT || !clock_parse_rfc3339(v->text, ret_ms) || *ret_ms == 0 ||
        *ret_ms > 253402300799999ull) {
        return body_refuse(err, at, name, "must be a time such as \"2030-01-31T12:00:00Z\"");
    }
    return true;
}

bool body_texts(const struct body_value *v, size_t max_items, size_t max_bytes,
                const struct body_path *at, const char *name, struct arena *a, struct str **ret,
                size_t *ret_n, struct error *err)
{
    if (!body_array(v, max_items, at, name, err)) {
        return false;
    }
    struct str *list = arena_zalloc(a, (v->n + 1) * sizeof *list);
    struct body_path here = {at, name, 0};
    if (!list) {
        return no_room(err);
    }
    for (size_t i = 0; i < v->n; i++) {
        struct body_path item = {&here, NULL, i};
        if (!body_text(&v->items[i], 1, max_bytes, &item, NULL, &list[i], err)) {
            return false;
        }
    }
    *ret = list;
    *ret_n = v->n;
    return true;
}

bool body_object(const struct body_value *v, size_t max_bytes, const struct body_path *at,
                 const char *name, struct error *err)
{
    if (v->type != BODY_OBJECT) {
        return body_refuse(err, at, name, "must be an object");
    }
    if (v->text.len > max_bytes) {
        return body_refuse(err, at, name, "must be at most %zu bytes of JSON", max_bytes);
    }
    return true;
}

bool body_array(const struct body_value *v, size_t max_items, const struct body_path *at,
                const char *name, struct error *err)
{
    if (v->type != BODY_ARRAY) {
        return body_refuse(err, at, name, "must be an array");
    }
    if (v->n > max_items) {
        return body_refuse(err, at, name, "must hold at most %zu items", max_items);
    }
    return true;
}
