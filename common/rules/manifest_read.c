/* See manifest_read.h. */
#include "common/rules/manifest_read.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/map.h"
#include "common/rules/model_name.h"
#include "common/rules/route_config.h"
#include "common/rules/secret_ref.h"
#include "common/yaml.h"

#define NAME_MAX_BYTES 64

bool manifest_fail(const struct manifest_reader *r, const struct yaml_node *at, const char *path,
                   const char *field, const char *fmt, ...)
{
    char text[sizeof(r->err->text)], param[sizeof(r->err->param)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)snprintf(param, sizeof(param), "%s%s%s", path, *path && *field ? "." : "", field);
    (void)error_set_param(r->err, ERR_INVALID_FIELD, param, "%s", text);
    r->err->line = at->line;
    r->err->column = at->column;
    return false;
}

bool manifest_fail_memory(const struct manifest_reader *r)
{
    return error_set(r->err, ERR_BODY_TOO_LARGE, "document needs too much memory");
}

int manifest_shown(struct str s)
{
    return s.len > 80 ? 80 : (int)s.len;
}

bool manifest_check_fields(const struct manifest_reader *r, const struct manifest_place *p,
                           const char *const *known)
{
    for (size_t i = 0; i < p->map->n; i++) {
        struct str name = p->map->names[i]->text;
        const char *nearest = NULL;
        unsigned least = 3;
        for (const char *const *k = known; *k; k++) {
            unsigned distance = str_distance(name, str_of(*k));
            if (distance < least) {
                least = distance;
                nearest = *k;
            }
        }
        char field[40];
        (void)snprintf(field, sizeof(field), "%.*s", name.len > 32 ? 32 : (int)name.len, name.ptr);
        if (nearest && least > 0) {
            return manifest_fail(r, p->map->names[i], p->path, field,
                                 "unknown field \"%.*s\" (did you mean \"%s\"?)",
                                 manifest_shown(name), name.ptr, nearest);
        }
        if (!nearest) {
            return manifest_fail(r, p->map->names[i], p->path, field, "unknown field \"%.*s\"",
                                 manifest_shown(name), name.ptr);
        }
    }
    return true;
}

/* A text field. Absent: fails when required, else leaves *ret alone. */
bool manifest_take_text(const struct manifest_reader *r, const struct manifest_place *p,
                        const char *field, bool required, struct str *ret)
{
    const struct yaml_node *n = yaml_get(p->map, field);
    if (!n) {
        return required ? manifest_fail(r, p->map, p->path, field, "missing field \"%s\"", field)
                        : true;
    }
    if (n->kind != YAML_SCALAR || yaml_is_null(n) || n->text.len == 0) {
        return manifest_fail(r, n, p->path, field, "%s must be a text that is not empty", field);
    }
    *ret = n->text;
    return true;
}

bool manifest_take_number(const struct manifest_reader *r, const struct manifest_place *p,
                          const char *field, uint64_t max, uint64_t *ret)
{
    const struct yaml_node *n = yaml_get(p->map, field);
    uint64_t v;
    if (!n) {
        return true;
    }
    if (!yaml_u64(n, &v)) {
        return manifest_fail(r, n, p->path, field, "%s must be a whole number", field);
    }
    if (v > max) {
        return manifest_fail(r, n, p->path, field, "%s may be at most %" PRIu64, field, max);
    }
    *ret = v;
    return true;
}

bool manifest_take_secret(const struct manifest_reader *r, const struct manifest_place *p,
                          const char *field, struct str *ret)
{
    struct str text = STR_NONE;
    struct error why = ERROR_INIT;
    if (!manifest_take_text(r, p, field, false, &text)) {
        return false;
    }
    if (text.ptr && !secret_ref_resolve(text, r->arena, ret, &why)) {
        return manifest_fail(r, yaml_get(p->map, field), p->path, field, "%s: %s", field,
                             error_text(&why));
    }
    return true;
}

/* Names of providers and keys go into paths, headers and messages. */
bool manifest_take_name(const struct manifest_reader *r, const struct manifest_place *p,
                        struct str *ret)
{
    if (!manifest_take_text(r, p, "name", true, ret)) {
        return false;
    }
    bool ok = ret->len <= NAME_MAX_BYTES;
    for (size_t i = 0; i < ret->len; i++) {
        char c = ret->ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        ok = ok && (plain || (i > 0 && (c == '-' || c == '_' || c == '.')));
    }
    if (!ok) {
        return manifest_fail(
            r, yaml_get(p->map, "name"), p->path, "name",
            "name \"%.*s\" must be 1 to %d letters, digits, '-', '_' or '.', and begin "
            "with a letter or digit",
            manifest_shown(*ret), ret->ptr, NAME_MAX_BYTES);
    }
    return true;
}

bool manifest_take_model_name(const struct manifest_reader *r, const struct manifest_place *p,
                              const char *field, struct str *ret)
{
    if (!manifest_take_text(r, p, field, true, ret)) {
        return false;
    }
    if (!model_name_valid(*ret)) {
        return manifest_fail(
            r, yaml_get(p->map, field), p->path, field,
            "%s \"%.*s\" must be 1 to 200 printable ASCII characters without blanks or "
            "quotes, not beginning with '@'",
            field, manifest_shown(*ret), ret->ptr);
    }
    return true;
}

/* The list in `field` and room for its elements; absent: *ret_list NULL. */
bool manifest_take_list(const struct manifest_reader *r, const struct manifest_place *p,
                        const char *field, size_t size, const struct yaml_node **ret_list,
                        void *ret_room)
{
    const struct yaml_node *n = yaml_get(p->map, field);
    void *room = NULL;
    *ret_list = NULL;
    if (!n) {
        return true;
    }
    if (n->kind != YAML_SEQ) {
        return manifest_fail(r, n, p->path, field, "%s must be a list", field);
    }
    if (n->n) {
        room = arena_zalloc(r->arena, n->n * size);
        if (!room) {
            return manifest_fail_memory(r);
        }
    }
    memcpy(ret_room, &room, sizeof(room));
    *ret_list = n;
    return true;
}

/* The i-th element of a list of maps, with its path. */
bool manifest_enter(const struct manifest_reader *r, const struct manifest_place *outer,
                    const char *field, const struct yaml_node *list, size_t i,
                    struct manifest_place *ret)
{
    ret->map = list->items[i];
    (void)snprintf(ret->path, sizeof(ret->path), "%.24s%s%s[%zu]", outer->path,
                   outer->path[0] ? "." : "", field, i);
    if (ret->map->kind != YAML_MAP) {
        return manifest_fail(r, ret->map, ret->path, "", "%s must be a map", ret->path);
    }
    return true;
}

bool manifest_take_bool(const struct manifest_reader *r, const struct manifest_place *p,
                        const char *field, bool *ret)
{
    const struct yaml_node *n = yaml_get(p->map, field);
    return !n || yaml_bool(n, ret) ||
           manifest_fail(r, n, p->path, field, "%s must be true or false", field);
}

bool manifest_claim_name(const struct manifest_reader *r, struct map *names,
                         const struct manifest_place *p, struct str name, void *owner)
{
    if (map_put(names, name, owner)) {
        return manifest_fail(r, yaml_get(p->map, "name"), p->path, "name",
                             "name \"%.*s\" is used twice", manifest_shown(name), name.ptr);
    }
    return true;
}

bool manifest_take_config(const struct manifest_reader *r, const struct manifest_place *p,
                          struct str *ret)
{
    struct route_ref ref;
    struct str text = STR_NONE;
    if (!manifest_take_text(r, p, "config", false, &text)) {
        return false;
    }
    if (text.ptr && !route_ref_parse(text, &ref)) {
        return manifest_fail(r, yaml_get(p->map, "config"), p->path, "config",
                             "config must be NAME, NAME@VERSION or NAME@LABEL");
    }
    if (text.ptr) {
        *ret = text;
    }
    return true;
}

const struct yaml_node *manifest_find(const struct yaml_node *root, const char *path)
{
    const struct yaml_node *n = root, *found = NULL;
    while (n && *path) {
        if (*path == '[') {
            struct str inside = STR_NONE, rest = STR_NONE;
            uint64_t i = 0;
            bool ok = str_cut(str_of(path + 1), ']', &inside, &rest) && str_to_u64(inside, &i);
            n = ok && n->kind == YAML_SEQ && i < n->n ? n->items[i] : NULL;
            path = ok ? rest.ptr : "";
        } else {
            char name[64];
            path += *path == '.';
            size_t len = strcspn(path, ".[");
            (void)snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : 0), path);
            n = n->kind == YAML_MAP ? yaml_get(n, name) : NULL;
            path += len;
        }
        found = n ? n : found;
    }
    return found;
}
