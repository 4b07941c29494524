/* See route_config_inside.h: places and errors, members of objects, values. */
#include "common/rules/route_config_inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/map.h"

#define DERIVED_MAX (8u << 20)
#define FRAMES_MAX 160
#define SHOWN_MAX 60

/* ---- errors ---- */

int route_shown(struct str s)
{
    size_t n = s.len > SHOWN_MAX ? SHOWN_MAX : s.len;
    while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) {
        n--; /* not within a character */
    }
    return (int)n;
}

/* "config.targets[1].retry"; of one that is too long the end, which says more. */
static void at_format(const struct route_at *at, char *out, size_t size)
{
    const struct route_at *frames[FRAMES_MAX];
    char whole[2048] = "config";
    size_t n = 0, len = 6;
    for (; at && n < FRAMES_MAX; at = at->up) {
        frames[n++] = at;
    }
    while (n-- > 0 && len < sizeof(whole) - 100) {
        const struct route_at *f = frames[n];
        size_t room = sizeof(whole) - len;
        int put = f->name ? snprintf(whole + len, room, ".%s", f->name)
                  : f->text.ptr
                      ? snprintf(whole + len, room, ".%.*s", route_shown(f->text), f->text.ptr)
                      : snprintf(whole + len, room, "[%zu]", f->index);
        len += put > 0 ? (size_t)put : 0;
    }
    if (len < size) {
        memcpy(out, whole, len + 1);
        return;
    }
    const char *from = whole + len - (size - 4), *dot = strchr(from, '.');
    while (!dot && ((unsigned char)*from & 0xc0) == 0x80) {
        from++;
    }
    (void)snprintf(out, size, "...%s", dot ? dot + 1 : from);
}

bool route_fail(struct route_compile *c, const struct route_at *at, const struct json_value *value,
                enum error_code code, const char *fmt, ...)
{
    char text[sizeof(c->err->text)], param[sizeof(c->err->param)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    at_format(at, param, sizeof(param));
    (void)error_set_param(c->err, code, param, "%s", text);
    if (value && value->raw.ptr >= c->json.ptr && value->raw.ptr < c->json.ptr + c->json.len) {
        c->err->offset = value->raw.ptr - c->json.ptr;
    }
    return false;
}

bool route_fail_memory(struct route_compile *c)
{
    return error_set_param(c->err, ERR_BODY_TOO_LARGE, "config",
                           "routing config needs too much memory");
}

void *route_derive(struct route_compile *c, const struct route_at *at, size_t n)
{
    if (n > DERIVED_MAX - c->derived_bytes) {
        (void)route_fail(c, at, NULL, ERR_INVALID_FIELD,
                         "settings that targets inherit take more than %u MiB in all",
                         DERIVED_MAX >> 20);
        return NULL;
    }
    c->derived_bytes += n;
    void *p = arena_alloc(c->a, n);
    if (!p) {
        (void)route_fail_memory(c);
    }
    return p;
}

/* ---- names ---- */

struct route_name_slot {
    uint64_t hash; /* 0: empty */
    uintptr_t scope;
    struct str text;
    uint32_t value;
};

static uint64_t name_hash(uintptr_t scope, struct str text)
{
    return (map_hash(text.len ? text.ptr : "", text.len) ^ (scope * 0x9e3779b97f4a7c15ull)) | 1;
}

static struct route_name_slot *slot_find(const struct route_names *t, uint64_t hash,
                                         uintptr_t scope, struct str text)
{
    size_t i = (size_t)(hash >> 7) & (t->cap - 1);
    while (t->slots[i].hash && !(t->slots[i].hash == hash && t->slots[i].scope == scope &&
                                 str_eq(t->slots[i].text, text))) {
        i = (i + 1) & (t->cap - 1);
    }
    return &t->slots[i];
}

static bool names_grow(struct route_names *t, struct arena *a)
{
    struct route_names larger = {.cap = t->cap ? t->cap * 4 : 16, .n = t->n};
    larger.slots = arena_zalloc(a, larger.cap * sizeof(*larger.slots));
    for (size_t i = 0; larger.slots && i < t->cap; i++) {
        const struct route_name_slot *s = &t->slots[i];
        if (s->hash) {
            *slot_find(&larger, s->hash, s->scope, s->text) = *s;
        }
    }
    if (larger.slots) {
        *t = larger;
    }
    return larger.slots != NULL;
}

bool route_names_put(struct route_names *t, struct arena *a, uintptr_t scope, struct str text,
                     uint32_t value, uint32_t *ret_value)
{
    if (t->n * 2 >= t->cap && !names_grow(t, a)) {
        return false;
    }
    uint64_t hash = name_hash(scope, text);
    struct route_name_slot *s = slot_find(t, hash, scope, text);
    if (!s->hash) {
        *s = (struct route_name_slot){hash, scope, text, value};
        t->n++;
    }
    *ret_value = s->value;
    return true;
}

uint32_t route_names_get(const struct route_names *t, uintptr_t scope, struct str text)
{
    if (t->n == 0) {
        return UINT32_MAX;
    }
    const struct route_name_slot *s = slot_find(t, name_hash(scope, text), scope, text);
    return s->hash ? s->value : UINT32_MAX;
}

const char *route_nearest(struct str name, const struct str *known, size_t n)
{
    const char *nearest = NULL;
    unsigned least = name.len < 4 ? 2 : name.len < 9 ? 4 : 6;
    for (size_t i = 0; i < n; i++) {
        unsigned distance = str_distance(name, known[i]);
        if (distance < least) {
            least = distance;
            nearest = known[i].ptr;
        }
    }
    return nearest;
}

/* ---- members ---- */

bool route_unknown(struct route_compile *c, const struct route_at *at, struct json_value name,
                   const struct str *known, size_t n)
{
    struct str text = str_slice(name.raw, 1, name.raw.len - 2); /* as written */
    const char *nearest = route_nearest(text, known, n);
    if (nearest) {
        return route_fail(c, ROUTE_AT_TEXT(at, text), &name, ERR_INVALID_FIELD,
                          "unknown member \"%.*s\" (did you mean \"%s\"?)", route_shown(text),
                          text.ptr, nearest);
    }
    return route_fail(c, ROUTE_AT_TEXT(at, text), &name, ERR_INVALID_FIELD,
                      "unknown member \"%.*s\"", route_shown(text), text.ptr);
}

bool route_object(struct route_compile *c, const struct route_at *at, struct json_value v,
                  const struct str *names, size_t n, struct json_value *ret)
{
    struct json_value name, value;
    size_t pos = 0;
    if (v.type != JSON_OBJECT) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be an object");
    }
    memset(ret, 0, n * sizeof(*ret));
    while (json_next(v, &pos, &name, &value)) {
        size_t i = 0;
        while (i < n && !json_text_eq(name, names[i])) {
            i++;
        }
        if (i == n) {
            return route_unknown(c, at, name, names, n);
        }
        if (route_has(ret[i])) {
            return route_fail(c, ROUTE_AT_TEXT(at, names[i]), &name, ERR_INVALID_FIELD,
                              "\"%s\" is given twice", names[i].ptr);
        }
        ret[i] = value;
    }
    return true;
}

/* ---- values ---- */

bool route_text(struct route_compile *c, const struct route_at *at, struct json_value v,
                struct str *ret)
{
    if (v.type != JSON_STRING) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be a text");
    }
    if (!v.escaped) {
        *ret = json_text(v);
        return true;
    }
    char *room = arena_alloc(c->a, v.raw.len);
    size_t len;
    if (!room || !json_unescape(v, room, v.raw.len, &len)) {
        return route_fail_memory(c);
    }
    *ret = (struct str){room, len};
    return true;
}

bool route_word(struct route_compile *c, const struct route_at *at, struct json_value v,
                struct str *ret)
{
    struct str text;
    if (!route_text(c, at, v, &text)) {
        return false;
    }
    if (text.len == 0) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must not be empty");
    }
    *ret = text;
    return true;
}

bool route_bool(struct route_compile *c, const struct route_at *at, struct json_value v, bool *ret)
{
    if (v.type != JSON_TRUE && v.type != JSON_FALSE) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be true or false");
    }
    *ret = v.type == JSON_TRUE;
    return true;
}

bool route_u64(struct route_compile *c, const struct route_at *at, struct json_value v,
               uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t n;
    int64_t micro;
    if (v.type != JSON_NUMBER) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be a whole number");
    }
    if (!json_u64(v, &n)) {
        /* "3600.0" and "1e3" are whole numbers too */
        if (!json_decimal(v, 6, &micro)) {
            n = UINT64_MAX; /* far away, in either direction */
        } else if (micro % 1000000 != 0) {
            return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be a whole number");
        } else {
            n = micro < 0 ? UINT64_MAX : (uint64_t)micro / 1000000;
        }
    }
    if (n < min || n > max) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD,
                          "must be from %" PRIu64 " to %" PRIu64 ", not %.*s", min, max,
                          route_shown(v.raw), v.raw.ptr);
    }
    *ret = n;
    return true;
}

bool route_unsigned(struct route_compile *c, const struct route_at *at, struct json_value v,
                    unsigned min, unsigned max, unsigned *ret)
{
    uint64_t n;
    if (!route_u64(c, at, v, min, max, &n)) {
        return false;
    }
    *ret = (unsigned)n;
    return true;
}

bool route_decimal(struct route_compile *c, const struct route_at *at, struct json_value v,
                   unsigned scale, uint64_t max_whole, uint64_t *ret)
{
    int64_t n;
    uint64_t unit = 1;
    for (unsigned i = 0; i < scale; i++) {
        unit *= 10;
    }
    if (v.type != JSON_NUMBER) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be a number");
    }
    if (!json_decimal(v, scale, &n) || n < 0 || v.raw.ptr[0] == '-' ||
        (uint64_t)n > max_whole * unit) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be from 0 to %" PRIu64 ", not %.*s",
                          max_whole, route_shown(v.raw), v.raw.ptr);
    }
    *ret = (uint64_t)n;
    return true;
}

bool route_count(struct route_compile *c, const struct route_at *at, struct json_value v,
                 size_t *ret)
{
    size_t pos = 0, n = 0;
    if (v.type != JSON_ARRAY) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be a list");
    }
    while (json_next(v, &pos, NULL, NULL)) {
        n++;
    }
    *ret = n;
    return true;
}

bool route_words(struct route_compile *c, const struct route_at *at, struct json_value v,
                 const struct str **ret, size_t *ret_n)
{
    struct json_value item;
    size_t n, pos = 0;
    if (!route_count(c, at, v, &n)) {
        return false;
    }
    struct str *list = arena_alloc(c->a, (n + 1) * sizeof(*list));
    if (!list) {
        return route_fail_memory(c);
    }
    for (size_t i = 0; json_next(v, &pos, NULL, &item); i++) {
        if (!route_word(c, ROUTE_AT_INDEX(at, i), item, &list[i])) {
            return false;
        }
    }
    *ret = list;
    *ret_n = n;
    return true;
}

bool route_statuses_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                         struct route_statuses *ret)
{
    struct json_value item;
    size_t n, pos = 0;
    if (!route_count(c, at, v, &n)) {
        return false;
    }
    uint16_t *list = arena_alloc(c->a, (n + 1) * sizeof(*list));
    if (!list) {
        return route_fail_memory(c);
    }
    for (size_t i = 0; json_next(v, &pos, NULL, &item); i++) {
        unsigned status;
        if (!route_unsigned(c, ROUTE_AT_INDEX(at, i), item, 100, 599, &status)) {
            return false;
        }
        list[i] = (uint16_t)status;
    }
    *ret = (struct route_statuses){list, n};
    return true;
}

unsigned route_status_kinds(struct route_statuses s)
{
    unsigned kinds = ROUTE_FAIL_STATUS;
    for (size_t i = 0; i < s.n; i++) {
        uint16_t status = s.list[i];
        kinds |= status == 502 || status == 503 ? ROUTE_FAIL_CONNECTION : 0;
        kinds |= status == 408 || status == 504 ? ROUTE_FAIL_TIMEOUT : 0;
    }
    return kinds;
}
