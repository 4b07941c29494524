/* Routing configs: any bytes are compiled or refused with a reason; what was compiled is walked,
 * every text touched, every number within its bounds, every pointer within the tree. */
#include "common/base/mem.h"
#include "common/regex.h"
#include "common/rules/route_config.h"
#include "common/zone.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static volatile unsigned char sink;

static void touch(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        sink ^= (unsigned char)s.ptr[i];
}

static void json_check(struct str s, enum json_type type)
{
    struct json_value v;

    if (s.ptr)
        must(json_validate(s, 0, &v, NULL) && v.type == type);
}

static void query_walk(const struct route_tree *t, const struct route_query *q)
{
    must(q->op < ROUTE_OP_COUNT);
    json_check(q->text, q->text.len && q->text.ptr[0] == '[' ? JSON_ARRAY : JSON_OBJECT);
    if (q->op <= ROUTE_OP_NOT) {
        must(q->op != ROUTE_OP_NOT || q->n_parts == 1);
        for (size_t i = 0; i < q->n_parts; i++)
            query_walk(t, q->parts[i]);
        return;
    }
    must(q->field < t->n_fields);
    must(q->n_values == 1 || q->op == ROUTE_OP_IN || q->op == ROUTE_OP_NIN);
    for (size_t i = 0; i < q->n_values; i++)
        touch(q->values[i].text);
    must((q->op == ROUTE_OP_REGEX) == (q->regex != NULL));
    if (q->regex)
        (void)regex_matches(q->regex, STR_LIT("aaaaaaaaaaaaaaaab/v1/chat \xc3\xa9\xff"));
}

static bool is_child(const struct route_node *n, const struct route_node *of)
{
    return n->parent == of && n->index < of->n_children && of->children[n->index] == n;
}

static void strategy_walk(const struct route_tree *t, const struct route_node *n)
{
    const struct route_strategy *s = n->strategy;

    must(s->mode < ROUTE_MODE_COUNT && *route_mode_name(s->mode));
    must(n->n_children > 0 && n->n_children <= ROUTE_MAX_TARGETS && s->mirror_ppm <= 1000000);
    for (size_t i = 0; i < s->n_conditions; i++) {
        query_walk(t, s->conditions[i].query);
        must(is_child(s->conditions[i].then, n));
    }
    must(!s->otherwise || is_child(s->otherwise, n));
    for (size_t i = 0; i < s->n_hash_fields; i++)
        must(s->hash_fields[i] < t->n_fields);
    for (size_t i = 0; i < s->n_wheel; i++)
        must(s->wheel[i] < n->n_children);
    must((s->mode == ROUTE_ROUND_ROBIN) == (s->n_wheel > 0) && s->n_wheel <= 4096);
    must(s->mode != ROUTE_ROUND_ROBIN || t->turns != NULL);
    for (size_t i = 0; i < s->on.statuses.n; i++)
        must(s->on.statuses.list[i] >= 100 && s->on.statuses.list[i] <= 599);
}

static void settings_walk(const struct route_settings *s)
{
    json_check(s->override_json, JSON_OBJECT);
    json_check(s->default_json, JSON_OBJECT);
    touch(s->custom_host);
    touch(s->cache.name_space);
    for (size_t i = 0; i < s->n_drop_paths; i++)
        touch(s->drop_paths[i]);
    for (size_t i = 0; i < s->n_forward_headers; i++)
        must(provider_header_ok(s->forward_headers[i]));
    must(s->retry.attempts <= 10 && s->cache.mode != ROUTE_CACHE_SEMANTIC);
}

static void node_walk(const struct route_tree *t, const struct route_node *n, unsigned depth)
{
    must(depth <= t->depth && t->depth <= ROUTE_MAX_DEPTH && t->nodes[n->ordinal] == n);
    touch(n->name);
    touch(n->path);
    touch(n->provider);
    touch(n->model);
    touch(n->credential);
    json_check(n->settings_json, JSON_OBJECT);
    must(n->settings && n->endpoint < API_COUNT && !n->provider_id);
    settings_walk(n->settings);
    must((n->strategy != NULL) == (n->n_children > 0));
    if (n->strategy)
        strategy_walk(t, n);
    for (size_t i = 0; i < n->n_children; i++) {
        must(is_child(n->children[i], n));
        node_walk(t, n->children[i], depth + 1);
    }
}

static void fields_walk(const struct route_tree *t)
{
    struct civil_time c;

    for (size_t i = 0; i < t->n_fields; i++) {
        const struct route_field *f = &t->fields[i];
        bool named = f->kind == ROUTE_FIELD_HEALTH || f->kind == ROUTE_FIELD_LATENCY;

        touch(f->text);
        touch(f->name);
        must(f->kind < ROUTE_FIELD_KIND_COUNT && named == (f->node != NULL));
        must((f->kind == ROUTE_FIELD_BODY) == (f->n_steps > 0));
        for (size_t k = 0; k < f->n_steps; k++)
            touch(f->steps[k].name);
        zone_civil(f->zone, INT64_MAX - (int64_t)i, &c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct arena *a = arena_new(64u << 20);
    const struct route_tree *t = NULL;
    struct error err = ERROR_INIT;
    struct route_ref ref;
    int64_t micro;

    if (route_config_compile(text, a, &t, &err)) {
        must(t && t->n_nodes <= ROUTE_MAX_NODES && t->nodes[0] == t->root);
        node_walk(t, t->root, 1);
        fields_walk(t);
    } else {
        must(!t && err.code != ERR_NONE && err.text[0] && err.offset <= (int64_t)size);
        must(!strncmp(err.param, "config", 6) || !strncmp(err.param, "...", 3));
    }
    (void)route_config_has_secret(text);
    (void)route_number(text, &micro);
    if (route_ref_parse(text, &ref))
        must(ref.name.len > 0 && (ref.version == 0 || ref.label.len == 0));
    arena_free(a);
    return 0;
}
