/* See json_tree.h. */
#include "cli/json_tree.h"

#include "common/json.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

#define DEPTH_MAX 100

static struct yaml_node *scalar(struct json_value v, struct arena *a)
{
    struct yaml_node *n = arena_zalloc(a, sizeof *n);
    char *text = arena_alloc(a, v.raw.len + 1);
    size_t len = v.raw.len;
    if (!n || !text) {
        return NULL;
    }
    n->kind = YAML_SCALAR;
    n->quoted = v.type == JSON_STRING;
    if (!n->quoted) {
        memcpy(text, v.raw.ptr, len);
    } else if (!json_unescape(v, text, len, &len)) {
        return NULL;
    }
    text[len] = '\0';
    n->text = (struct str){text, len};
    return n;
}

static struct yaml_node *build(struct json_value v, struct arena *a)
{
    struct json_value name, item;
    size_t pos = 0, count = 0;
    if (v.type != JSON_OBJECT && v.type != JSON_ARRAY) {
        return scalar(v, a);
    }
    while (json_next(v, &pos, NULL, &item)) {
        count++;
    }
    struct yaml_node *n = arena_zalloc(a, sizeof *n);
    struct yaml_node **items = arena_zalloc(a, (count + 1) * sizeof *items);
    struct yaml_node **names = arena_zalloc(a, (count + 1) * sizeof *names);
    if (!n || !items || !names) {
        return NULL;
    }
    *n = (struct yaml_node){.kind = v.type == JSON_OBJECT ? YAML_MAP : YAML_SEQ, .items = items};
    n->names = v.type == JSON_OBJECT ? names : NULL;
    for (pos = 0; json_next(v, &pos, &name, &item); n->n++) {
        items[n->n] = build(item, a);
        names[n->n] = v.type == JSON_OBJECT ? scalar(name, a) : items[n->n];
        if (!items[n->n] || !names[n->n]) {
            return NULL;
        }
    }
    return n;
}

struct yaml_node *json_tree_parse(struct str text, struct arena *a, struct error *err)
{
    struct json_value v;
    if (!json_validate(text, DEPTH_MAX, &v, err)) {
        return NULL;
    }
    struct yaml_node *n = build(v, a);
    if (!n) {
        error_set(err, ERR_BODY_TOO_LARGE, "document needs too much memory");
    }
    return n;
}

bool json_tree_remove(struct yaml_node *root, const char *path)
{
    size_t cut = strlen(path);
    while (cut > 0 && path[cut - 1] != '.' && path[cut - 1] != '[') {
        cut--;
    }
    char outer[128];
    size_t len = cut ? cut - 1 : 0;
    if (len >= sizeof outer || !*path) {
        return false;
    }
    memcpy(outer, path, len);
    outer[len] = '\0';
    const struct yaml_node *at = manifest_find(root, path);
    const struct yaml_node *found = *outer ? manifest_find(root, outer) : root;
    struct yaml_node *holder = (struct yaml_node *)(uintptr_t)found; /* a part of root */
    for (size_t i = 0; holder && at && i < holder->n; i++) {
        if (holder->items[i] != at) {
            continue;
        }
        for (size_t k = i + 1; k < holder->n; k++) {
            holder->items[k - 1] = holder->items[k];
            if (holder->names) {
                holder->names[k - 1] = holder->names[k];
            }
        }
        holder->n--;
        return true;
    }
    return false;
}

const char *json_tree_text(const struct yaml_node *map, const char *name)
{
    const struct yaml_node *n = map && map->kind == YAML_MAP ? yaml_get(map, name) : NULL;
    return n && n->kind == YAML_SCALAR && !yaml_is_null(n) && n->text.ptr ? n->text.ptr : "";
}

bool json_tree_milli(const struct yaml_node *map, const char *name, int64_t *ret)
{
    struct json_value v;
    struct str text = str_of(json_tree_text(map, name));
    return text.len && json_validate(text, 1, &v, NULL) && v.type == JSON_NUMBER &&
           json_decimal(v, 3, ret);
}

struct yaml_node *json_tree_list(const struct yaml_node *map, const char *name)
{
    struct yaml_node *n = map && map->kind == YAML_MAP ? yaml_get(map, name) : NULL;
    return n && n->kind == YAML_SEQ ? n : NULL;
}

struct yaml_node *json_tree_map(const struct yaml_node *map, const char *name)
{
    struct yaml_node *n = map && map->kind == YAML_MAP ? yaml_get(map, name) : NULL;
    return n && n->kind == YAML_MAP ? n : NULL;
}
