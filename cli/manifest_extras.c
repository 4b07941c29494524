/* Splits a tree in two, and completes its providers. What the values may be is the control plane's
 * to say. */
#include "cli/manifest_extras.h"

#include "common/base/map.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

static const struct {
    unsigned section;
    const char *name;
} fields[] = {
    {EXTRAS_TOP, "organization"},   {EXTRAS_TOP, "workspace"},   {EXTRAS_PROVIDERS, "disabled"},
    {EXTRAS_PROVIDERS, "settings"}, {EXTRAS_MODELS, "settings"}, {EXTRAS_KEYS, "user_id"},
    {EXTRAS_KEYS, "metadata"},
};
static const char *const section_names[EXTRAS_SECTIONS] = {NULL,   "providers", "models",
                                                           "keys", "configs",   "prompts"};

static bool is_extra(unsigned section, struct str name)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].section == section && str_eqz(name, fields[i].name)) {
            return true;
        }
    }
    return false;
}

static void *room(struct arena *a, size_t size, struct error *err)
{
    void *p = arena_zalloc(a, size);
    if (!p) {
        error_set(err, ERR_BODY_TOO_LARGE, "document needs too much memory");
    }
    return p;
}

/* Moves the extra members of one map into a map of their own. */
static struct yaml_node *split(struct yaml_node *n, unsigned section, struct arena *a,
                               struct error *err)
{
    struct yaml_node *taken = room(a, sizeof *taken, err);
    size_t kept = 0;
    if (!taken || n->kind != YAML_MAP) {
        return taken;
    }
    taken->kind = YAML_MAP;
    taken->names = room(a, (n->n + 1) * sizeof *taken->names, err);
    taken->items = room(a, (n->n + 1) * sizeof *taken->items, err);
    if (!taken->names || !taken->items) {
        return NULL;
    }
    for (size_t i = 0; i < n->n; i++) {
        bool extra = is_extra(section, n->names[i]->text);
        struct yaml_node *to = extra ? taken : n;
        size_t at = extra ? taken->n++ : kept++;
        to->names[at] = n->names[i];
        to->items[at] = n->items[i];
    }
    n->n = kept;
    return taken;
}

/* --- providers that only the control plane knows --- */

struct completion {
    struct arena *arena;
    struct error *err;
    struct map *known; /* name to anything */
    struct yaml_node *stubs;
};

static struct yaml_node *text_node(struct completion *k, struct str text,
                                   const struct yaml_node *at)
{
    struct yaml_node *n = room(k->arena, sizeof *n, k->err);
    if (n) {
        *n = (struct yaml_node){.kind = YAML_SCALAR,
                                .line = at->line,
                                .column = at->column,
                                .quoted = true,
                                .text = text};
    }
    return n;
}

/* A provider of this name, standing where it is named, so that errors point there. */
static bool add_stub(struct completion *k, const struct yaml_node *name)
{
    struct yaml_node *n = room(k->arena, sizeof *n, k->err);
    struct yaml_node **names = room(k->arena, 2 * sizeof *names, k->err),
                     **items = room(k->arena, 2 * sizeof *items, k->err);
    if (!n || !names || !items) {
        return false;
    }
    *n = (struct yaml_node){.kind = YAML_MAP,
                            .line = name->line,
                            .column = name->column,
                            .n = 2,
                            .names = names,
                            .items = items};
    names[0] = text_node(k, STR_LIT("name"), name);
    items[0] = text_node(k, name->text, name);
    names[1] = text_node(k, STR_LIT("kind"), name);
    items[1] = text_node(k, STR_LIT("openai"), name);
    if (!names[0] || !items[0] || !names[1] || !items[1]) {
        return false;
    }
    struct yaml_node **grown = room(k->arena, (k->stubs->n + 1) * sizeof *grown, k->err);
    if (!grown) {
        return false;
    }
    if (k->stubs->n) {
        memcpy(grown, k->stubs->items, k->stubs->n * sizeof *grown);
    }
    grown[k->stubs->n++] = n;
    k->stubs->items = grown;
    (void)map_put(k->known, name->text, n);
    return true;
}

static bool name_provider(struct completion *k, const struct yaml_node *name)
{
    bool plain = name && name->kind == YAML_SCALAR && name->text.len && !yaml_is_null(name) &&
                 !memchr(name->text.ptr, '*', name->text.len);
    return !plain || map_get(k->known, name->text) || add_stub(k, name);
}

/* The i-th element of a list, when it is a map; else NULL, and the parser will say what is wrong.
 */
static const struct yaml_node *map_at(const struct yaml_node *list, size_t i)
{
    return list->items[i]->kind == YAML_MAP ? list->items[i] : NULL;
}

static const struct yaml_node *list_of(const struct yaml_node *map, const char *name)
{
    const struct yaml_node *n = map ? yaml_get(map, name) : NULL;
    return n && n->kind == YAML_SEQ ? n : NULL;
}

static bool collect(struct completion *k, const struct yaml_node *root)
{
    const struct yaml_node *list = list_of(root, "models"), *inner;
    for (size_t i = 0; list && i < list->n; i++) {
        inner = list_of(map_at(list, i), "targets");
        for (size_t t = 0; inner && t < inner->n; t++) {
            if (map_at(inner, t) && !name_provider(k, yaml_get(map_at(inner, t), "provider"))) {
                return false;
            }
        }
    }
    list = list_of(root, "keys");
    for (size_t i = 0; list && i < list->n; i++) {
        inner = list_of(map_at(list, i), "providers");
        for (size_t t = 0; inner && t < inner->n; t++) {
            if (!name_provider(k, inner->items[t])) {
                return false;
            }
        }
    }
    return true;
}

/* Puts the stubs behind the file's own providers. */
static bool append(struct completion *k, struct yaml_node *root)
{
    struct yaml_node *list = yaml_get(root, "providers");
    if (!list) {
        struct yaml_node **names = room(k->arena, (root->n + 1) * sizeof *names, k->err);
        struct yaml_node **items = room(k->arena, (root->n + 1) * sizeof *items, k->err);
        if (!names || !items || !(names[root->n] = text_node(k, STR_LIT("providers"), root))) {
            return false;
        }
        if (root->n) {
            memcpy(names, root->names, root->n * sizeof *names);
            memcpy(items, root->items, root->n * sizeof *items);
        }
        items[root->n++] = k->stubs;
        root->names = names;
        root->items = items;
        return true;
    }
    struct yaml_node **grown = room(k->arena, (list->n + k->stubs->n) * sizeof *grown, k->err);
    if (!grown) {
        return false;
    }
    if (list->n) {
        memcpy(grown, list->items, list->n * sizeof *grown);
    }
    memcpy(grown + list->n, k->stubs->items, k->stubs->n * sizeof *grown);
    list->items = grown;
    list->n += k->stubs->n;
    return true;
}

static bool complete_providers(struct yaml_node *root, struct arena *a, size_t *ret_n,
                               struct error *err)
{
    struct completion k = {.arena = a, .err = err, .stubs = room(a, sizeof *k.stubs, err)};
    const struct yaml_node *list = yaml_get(root, "providers");
    *ret_n = 0;
    if (!k.stubs || (list && list->kind != YAML_SEQ)) {
        return k.stubs;
    }
    k.stubs->kind = YAML_SEQ;
    k.known = map_new();
    for (size_t i = 0; list && i < list->n; i++) {
        const struct yaml_node *name = map_at(list, i) ? yaml_get(list->items[i], "name") : NULL;
        if (name && name->kind == YAML_SCALAR) {
            (void)map_put(k.known, name->text, k.stubs);
        }
    }
    bool ok = collect(&k, root) && (k.stubs->n == 0 || append(&k, root));
    map_free(k.known);
    *ret_n = k.stubs->n;
    return ok;
}

bool manifest_extras_take(struct yaml_node *root, struct arena *a, struct manifest_extras *ret,
                          struct error *err)
{
    *ret = (struct manifest_extras){.n_stubs = 0};
    if (root->kind != YAML_MAP) {
        return true; /* the parser says what is wrong */
    }
    for (unsigned s = 0; s < EXTRAS_SECTIONS; s++) {
        struct yaml_node *list = s == EXTRAS_TOP ? NULL : yaml_get(root, section_names[s]);
        size_t n = s == EXTRAS_TOP ? 1 : list && list->kind == YAML_SEQ ? list->n : 0;
        ret->has[s] = s == EXTRAS_TOP || list;
        ret->maps[s] = room(a, (n + 1) * sizeof *ret->maps[s], err);
        if (!ret->maps[s]) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            ret->maps[s][i] = split(s == EXTRAS_TOP ? root : list->items[i], s, a, err);
            if (!ret->maps[s][i]) {
                return false;
            }
        }
        ret->n[s] = n;
    }
    return complete_providers(root, a, &ret->n_stubs, err);
}

void manifest_extras_put(const struct manifest_extras *e, unsigned section, size_t i,
                         struct json_writer *w)
{
    const struct yaml_node *map = i < e->n[section] ? e->maps[section][i] : NULL;
    for (size_t k = 0; map && k < map->n; k++) {
        json_name(w, map->names[k]->text.ptr);
        manifest_put_json(map->items[k], w);
    }
}

const struct yaml_node *manifest_extras_top(const struct manifest_extras *e, const char *name)
{
    return e->n[EXTRAS_TOP] ? yaml_get(e->maps[EXTRAS_TOP][0], name) : NULL;
}
