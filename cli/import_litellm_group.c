/* A group of deployments as a model: plain targets where that says it all, else a routing config
 * with the strategy, retries, cooldowns, fallbacks, tags and cache that hold for it. Fallback
 * groups are written into the config whole, not by name: a group that falls back on another which
 * falls back on it would go round for ever. */
#include "cli/import_litellm.h"

#include <stdio.h>

#include "cli/json_tree.h"
#include "common/base/map.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

#define NODE_ROOM (1u << 20)
#define WEIGHT_MAX 1000000
#define TAGS_MAX 100

static int64_t divisor_of(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Weights as the smallest whole numbers, up to WEIGHT_MAX. */
static uint64_t weight_of(const struct litellm_group *g, size_t i)
{
    int64_t most = 1, divisor = 0, v = g->targets[i].weight_milli;
    for (size_t k = 0; k < g->n; k++) {
        most = g->targets[k].weight_milli > most ? g->targets[k].weight_milli : most;
        divisor = divisor_of(g->targets[k].weight_milli, divisor);
    }
    divisor = divisor > 0 ? divisor : 1;
    if (most / divisor > WEIGHT_MAX) {
        divisor = most / WEIGHT_MAX + 1;
    }
    return v > 0 ? (uint64_t)(v / divisor > 0 ? v / divisor : 1) : 0;
}

static bool weighs(const struct litellm_group *g)
{
    for (size_t i = 1; i < g->n; i++) {
        if (g->targets[i].weight_milli != g->targets[0].weight_milli) {
            return true;
        }
    }
    return false;
}

static void put_retry(struct litellm *l, struct json_writer *w, uint64_t attempts)
{
    json_name(w, "retry");
    json_object_begin(w);
    json_field_u64(w, "attempts", attempts > 10 ? 10 : attempts);
    if (l->statuses_json.ptr) {
        json_name(w, "on_status_codes");
        json_put_raw(w, l->statuses_json);
    }
    json_field_bool(w, "use_retry_after_header", true);
    if (l->retry_after_ms) {
        json_field_u64(w, "base_ms", l->retry_after_ms);
    }
    json_object_end(w);
    if (attempts > 10) {
        import_note(l->im, IMPORT_APPROXIMATE, "num_retries", "at most 10 retries are made");
    }
}

/* One deployment. g: its group, for the weight; NULL: it stands alone. */
static void put_leaf(struct litellm *l, struct json_writer *w, const struct litellm_group *g,
                     size_t i, bool prioritised)
{
    const struct litellm_target *t = &g->targets[i];
    struct str provider = arena_printf(l->im->arena, "@%s", t->provider);
    json_field_str(w, "provider", provider);
    json_field_z(w, "model", t->model);
    if (*t->endpoint) {
        json_field_z(w, "endpoint", t->endpoint);
    }
    if (weighs(g)) {
        json_field_u64(w, "weight", weight_of(g, i));
    }
    if (prioritised) {
        json_field_i64(w, "priority", t->has_order ? t->order : 1000000);
    }
    if (t->defaults_json.ptr) {
        json_name(w, "default_params");
        json_put_raw(w, t->defaults_json);
    }
    if (t->timeout_ms) {
        json_field_u64(w, "request_timeout", t->timeout_ms);
    }
    if (t->retries >= 0) {
        put_retry(l, w, (uint64_t)t->retries);
    }
    if (t->cooldown_ms) {
        json_name(w, "circuit_breaker");
        json_object_begin(w);
        json_field_u64(w, "cooldown_ms", t->cooldown_ms);
        json_object_end(w);
    }
}

static bool any_order(const struct litellm_group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->targets[i].has_order) {
            return true;
        }
    }
    return false;
}

/* The members of a node for these deployments, into an open object. LiteLLM's retries go to any of
 * the group: so many further targets first, and each target again where there are more retries than
 * targets. */
static void put_choice(struct litellm *l, struct json_writer *w, const struct litellm_group *g)
{
    bool prioritised = any_order(g);
    if (g->n == 1) {
        put_leaf(l, w, g, 0, false);
        if (l->retries > 0 && g->targets[0].retries < 0) {
            put_retry(l, w, (uint64_t)l->retries);
        }
        return;
    }
    json_name(w, "strategy");
    json_object_begin(w);
    json_field_z(w, "mode", prioritised ? "priority" : l->mode);
    json_name(w, "on");
    json_put_raw(w,
                 STR_LIT("[\"timeout\",\"connection\",\"server\",\"rate_limit\",\"credential\"]"));
    if (l->retries >= 0 && (uint64_t)l->retries < g->n - 1) {
        json_field_i64(w, "failover", l->retries);
    }
    json_object_end(w);
    int64_t again = l->retries >= 0 ? (l->retries + 1) / (int64_t)g->n - 1 : -1;
    if (again > 0) {
        put_retry(l, w, (uint64_t)again);
    }
    json_name(w, "targets");
    json_array_begin(w);
    for (size_t i = 0; i < g->n; i++) {
        json_object_begin(w);
        put_leaf(l, w, g, i, prioritised);
        json_object_end(w);
    }
    json_array_end(w);
}

/* ---- tags ---- */

static bool has_tag(const struct litellm_target *t, const char *tag)
{
    const struct yaml_node *list = json_tree_list(t->params, "tags");
    for (size_t i = 0; list && i < list->n; i++) {
        if (str_eqz(list->items[i]->text, tag)) {
            return true;
        }
    }
    return false;
}

static bool has_tags(const struct litellm_target *t)
{
    const struct yaml_node *list = json_tree_list(t->params, "tags");
    return list && list->n > 0;
}

/* The deployments with a tag; tag NULL: those without any, or all where each has one. */
static struct litellm_group part_of(struct litellm *l, const struct litellm_group *g,
                                    const char *tag)
{
    struct litellm_group part = *g;
    part.targets = arena_zalloc(l->im->arena, (g->n + 1) * sizeof *part.targets);
    part.n = 0;
    l->im->failed = l->im->failed || !part.targets;
    for (size_t i = 0; part.targets && i < g->n; i++) {
        if (tag ? has_tag(&g->targets[i], tag) : !has_tags(&g->targets[i])) {
            part.targets[part.n++] = g->targets[i];
        }
    }
    return tag || part.n ? part : *g;
}

static size_t tags_of(const struct litellm_group *g, const char *ret[static TAGS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct yaml_node *list = json_tree_list(g->targets[i].params, "tags");
        for (size_t k = 0; list && k < list->n; k++) {
            const char *tag = list->items[k]->text.ptr;
            bool known = !tag || !*tag || strcmp(tag, "default") == 0;
            for (size_t o = 0; o < n && !known; o++) {
                known = strcmp(ret[o], tag) == 0;
            }
            if (!known && n < TAGS_MAX) {
                ret[n++] = tag;
            }
        }
    }
    return n;
}

/* A request says its tags in its metadata, in a header, or by its key. */
static void put_tag_query(struct json_writer *w, const char *tag)
{
    static const char *const fields[] = {"metadata.tags", "params.metadata.tags",
                                         "headers.x-litellm-tags", "caller.tags"};
    json_object_begin(w);
    json_name(w, "$or");
    json_array_begin(w);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        json_object_begin(w);
        json_name(w, fields[i]);
        json_object_begin(w);
        json_field_z(w, i == 3 ? "$eq" : "$contains", tag);
        json_object_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void put_part(struct litellm *l, struct json_writer *w, const struct litellm_group *g,
                     const char *name, const char *tag)
{
    struct litellm_group part = part_of(l, g, tag);
    json_object_begin(w);
    json_field_z(w, "name", name);
    if (part.n) {
        put_choice(l, w, &part);
    }
    json_object_end(w);
}

static void put_by_tags(struct litellm *l, struct json_writer *w, const struct litellm_group *g,
                        const char *const *tags, size_t n)
{
    bool by_default = false;
    for (size_t i = 0; i < g->n; i++) {
        by_default = by_default || has_tag(&g->targets[i], "default");
    }
    json_name(w, "strategy");
    json_object_begin(w);
    json_field_z(w, "mode", "conditional");
    json_name(w, "conditions");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        struct str name = arena_printf(l->im->arena, "tag %s", tags[i]);
        json_object_begin(w);
        json_name(w, "query");
        put_tag_query(w, tags[i]);
        json_field_str(w, "then", name);
        json_object_end(w);
    }
    json_array_end(w);
    json_field_z(w, "default", "no tag");
    json_object_end(w);
    json_name(w, "targets");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        struct str name = arena_printf(l->im->arena, "tag %s", tags[i]);
        put_part(l, w, g, name.ptr ? name.ptr : "", tags[i]);
    }
    put_part(l, w, g, "no tag", by_default ? "default" : NULL);
    json_array_end(w);
}

static void put_node(struct litellm *l, struct json_writer *w, const struct litellm_group *g)
{
    const char *tags[TAGS_MAX];
    size_t n = l->by_tags ? tags_of(g, tags) : 0;
    if (n) {
        put_by_tags(l, w, g, tags, n);
    } else {
        put_choice(l, w, g);
    }
}

/* ---- fallbacks ---- */

/* [{"group": ["a", "b"]}, {"*": ["c"]}]; the group's own list comes before that of "*". */
static const struct yaml_node *fallbacks_of(const struct litellm *l, const char *setting,
                                            const char *group, const char **ret_path)
{
    const char *path = setting;
    const struct yaml_node *list = litellm_setting(l, setting, &path), *any = NULL;
    for (size_t i = 0; list && list->kind == YAML_SEQ && i < list->n; i++) {
        const struct yaml_node *map = list->items[i];
        for (size_t k = 0; map->kind == YAML_MAP && k < map->n; k++) {
            bool own = str_eqz(map->names[k]->text, group);
            if (own || str_eqz(map->names[k]->text, "*")) {
                struct str at = arena_printf(l->im->arena, "%s[%zu].%.*s", path, i,
                                             STR_ARG(map->names[k]->text));
                *ret_path = at.ptr ? at.ptr : path;
                any = map->items[k];
            }
            if (own) {
                return map->items[k];
            }
        }
    }
    if (!any && strcmp(setting, "fallbacks") == 0) {
        any = litellm_setting(l, "default_fallbacks", ret_path);
    }
    return any && any->kind == YAML_SEQ ? any : NULL;
}

static const struct litellm_group *aliased(const struct litellm *l, const char *name)
{
    const char *path;
    const struct yaml_node *map = litellm_setting(l, "model_group_alias", &path);
    const struct yaml_node *to = map && map->kind == YAML_MAP ? yaml_get(map, name) : NULL;
    const char *group = to && to->kind == YAML_SCALAR ? to->text.ptr : json_tree_text(to, "model");
    return litellm_group_named(l, group ? group : "");
}

/* What a fallback brings besides its model holds for all that stands below it. */
static void put_overrides(struct litellm *l, struct json_writer *w, const struct yaml_node *n,
                          const char *path)
{
    json_name(w, "override_params");
    json_object_begin(w);
    for (size_t i = 0; i < n->n; i++) {
        const char *name = n->names[i]->text.ptr;
        if (strcmp(name, "messages") == 0) {
            import_note(l->im, IMPORT_NOT_MAPPED, path, "a fallback's own messages are left out");
        } else if (strcmp(name, "model") != 0) {
            json_name(w, name);
            manifest_put_json(n->items[i], w);
        }
    }
    json_object_end(w);
}

/* "group", or {"model": "group", "temperature": 0}. */
static void put_fallback(struct litellm *l, struct json_writer *w, const struct yaml_node *n,
                         const char *path)
{
    const char *name = n->kind == YAML_SCALAR ? n->text.ptr : json_tree_text(n, "model");
    const struct litellm_group *g = litellm_group_named(l, name ? name : "");
    g = g ? g : aliased(l, name ? name : "");
    json_object_begin(w);
    if (g && g->n && !g->wildcard) {
        put_node(l, w, g);
    } else {
        json_field_z(w, "model", name);
    }
    if (n->kind == YAML_MAP && n->n > 1) {
        put_overrides(l, w, n, path);
    }
    json_object_end(w);
}

/* Whom a fallback names must be there. */
static bool is_known(struct litellm *l, const struct yaml_node *n, const char *group,
                     const char *path)
{
    const char *name = n->kind == YAML_SCALAR ? n->text.ptr : json_tree_text(n, "model");
    if (!name || strcmp(name, group) == 0) {
        return false;
    }
    const struct litellm_group *g = litellm_group_named(l, name);
    g = g ? g : aliased(l, name);
    if (!g && !strchr(name, '/')) {
        import_note(l->im, IMPORT_NOT_MAPPED, path, "no model is named \"%.100s\"", name);
        return false;
    }
    return !g || g->n > 0;
}

/* Puts `inner` (an object) into a fallback node, when the group has such fallbacks. */
static void wrap(struct litellm *l, const char *group, const char *setting, const char *on,
                 struct buffer *inner)
{
    const char *path = setting;
    const struct yaml_node *list = fallbacks_of(l, setting, group, &path);
    struct json_writer w;
    struct buffer b;
    size_t n = 0;
    for (size_t i = 0; list && i < list->n; i++) {
        n += is_known(l, list->items[i], group, path);
    }
    if (n == 0) {
        return;
    }
    buffer_init(&b, NODE_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_name(&w, "strategy");
    json_object_begin(&w);
    json_field_z(&w, "mode", "fallback");
    if (on) {
        json_name(&w, "on");
        json_array_begin(&w);
        json_put_z(&w, on);
        json_array_end(&w);
    }
    json_object_end(&w);
    json_name(&w, "targets");
    json_array_begin(&w);
    json_put_raw(&w, buffer_str(inner));
    for (size_t i = 0; i < list->n; i++) {
        if (is_known(l, list->items[i], group, path)) {
            put_fallback(l, &w, list->items[i], path);
        }
    }
    json_array_end(&w);
    json_object_end(&w);
    buffer_release(inner);
    *inner = b;
}

/* ---- the whole ---- */

/* What holds for all of the document. */
static void put_settings(struct litellm *l, struct json_writer *w)
{
    if (l->timeout_ms) {
        json_field_u64(w, "request_timeout", l->timeout_ms);
    }
    if (l->cache_json.ptr) {
        json_name(w, "cache");
        json_put_raw(w, l->cache_json);
    }
    if (l->breaker_off) {
        json_field_bool(w, "circuit_breaker", false);
    } else if (l->threshold || l->cooldown_ms) {
        json_name(w, "circuit_breaker");
        json_object_begin(w);
        if (l->threshold) {
            json_field_u64(w, "threshold", l->threshold);
            json_field_u64(w, "minimum_requests", 1);
        }
        if (l->cooldown_ms) {
            json_field_u64(w, "cooldown_ms", l->cooldown_ms);
        }
        json_object_end(w);
    }
}

static bool has_settings(const struct litellm *l)
{
    return l->timeout_ms || l->cache_json.ptr || l->breaker_off || l->threshold || l->cooldown_ms;
}

static bool is_plain(struct litellm *l, const struct litellm_group *g)
{
    const char *path;
    bool plain = !has_settings(l) && l->retries < 0 && strcmp(l->mode, "weighted") == 0 &&
                 !fallbacks_of(l, "fallbacks", g->name, &path) &&
                 !fallbacks_of(l, "context_window_fallbacks", g->name, &path) &&
                 !fallbacks_of(l, "content_policy_fallbacks", g->name, &path);
    for (size_t i = 0; plain && i < g->n; i++) {
        const struct litellm_target *t = &g->targets[i];
        plain = !t->defaults_json.ptr && !t->has_order && !t->timeout_ms && !t->cooldown_ms &&
                t->retries < 0 && !(l->by_tags && has_tags(t));
    }
    return plain;
}

static void put_plain(struct litellm *l, const struct litellm_group *g)
{
    struct json_writer w;
    struct buffer b;
    uint64_t sum = 0;
    if (!import_claim(l->im, 'm', g->name)) {
        import_note(l->im, IMPORT_NOT_MAPPED, g->name, "a model of this name is there already");
        return;
    }
    buffer_init(&b, NODE_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "name", g->name);
    json_name(&w, "targets");
    json_array_begin(&w);
    for (size_t i = 0; i < g->n; i++) {
        sum += weight_of(g, i);
    }
    for (size_t i = 0; i < g->n; i++) {
        json_object_begin(&w);
        json_field_z(&w, "provider", g->targets[i].provider);
        json_field_z(&w, "model", g->targets[i].model);
        if (weighs(g)) {
            json_field_u64(&w, "weight", sum ? weight_of(g, i) : 1);
        }
        if (*g->targets[i].endpoint) {
            json_field_z(&w, "endpoint", g->targets[i].endpoint);
        }
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    import_add_model(l->im, buffer_str(&b));
    buffer_release(&b);
}

/* Settings of the whole stand first, where one sees them; what a leaf has wins. */
static void put_outer(struct litellm *l, struct buffer *b)
{
    struct json_writer w;
    struct buffer outer;
    bool leaf = str_starts(buffer_str(b), STR_LIT("{\"provider\""));
    if (!has_settings(l) || b->len < 2) {
        return;
    }
    buffer_init(&outer, NODE_ROOM);
    json_writer_init(&w, &outer);
    json_object_begin(&w);
    put_settings(l, &w);
    if (leaf) { /* it may have the same settings itself */
        json_name(&w, "targets");
        json_array_begin(&w);
        json_put_raw(&w, buffer_str(b));
        json_array_end(&w);
    }
    json_object_end(&w);
    if (!leaf) {
        outer.len--; /* its brace */
        buffer_append_z(&outer, ",");
        buffer_append(&outer, b->ptr + 1, b->len - 1);
    }
    buffer_release(b);
    *b = outer;
}

void litellm_put_group(struct litellm *l, struct litellm_group *g)
{
    struct json_writer w;
    struct buffer b;
    if (g->n == 0) {
        return;
    }
    bool plain = is_plain(l, g);
    if (plain || g->wildcard) {
        if (!plain) {
            import_note(l->im, IMPORT_NOT_MAPPED, g->targets[0].path,
                        "\"%s\" is a pattern: retries, fallbacks, parameters and the like hold for "
                        "models with a name only",
                        g->name);
        }
        put_plain(l, g);
        return;
    }
    buffer_init(&b, NODE_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    put_node(l, &w, g);
    json_object_end(&w);
    wrap(l, g->name, "context_window_fallbacks", "context_window", &b);
    wrap(l, g->name, "content_policy_fallbacks", "content_policy", &b);
    wrap(l, g->name, "fallbacks", NULL, &b);
    put_outer(l, &b);
    struct str document = arena_str(l->im->arena, buffer_str(&b));
    l->im->failed = l->im->failed || b.failed || !document.ptr;
    buffer_release(&b);
    if (!l->im->failed &&
        import_add_config(l->im, g->name, document, g->targets[0].path, &g->config)) {
        import_add_routed_model(l->im, g->name, g->config);
    }
}
