/* See route_config_inside.h: the tree. A node is read from its own members down: first what its
 * targets inherit, then the targets, then the strategy, which names them. */
#include "common/rules/route_config_inside.h"

#define NAME(s)            \
    {                      \
        (s), sizeof(s) - 1 \
    }
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WEIGHT_MAX 1000000u
#define PRIORITY_MAX 1000000u

static bool node_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                      struct route_node *node, struct route_inherit in, unsigned depth,
                      uint64_t *ret_weight);

/* ---- making nodes ---- */

/* "config.targets[0]" + ".targets[" + 1 + "]" */
static struct str path_of(struct route_compile *c, const struct route_node *parent, struct str list,
                          size_t index)
{
    char digits[8];
    size_t n = sizeof(digits);
    if (!parent) {
        return STR_LIT("config");
    }
    do {
        digits[--n] = (char)('0' + index % 10);
        index /= 10;
    } while (index);
    size_t len = parent->path.len + list.len + (sizeof(digits) - n) + 3;
    char *p = arena_alloc(c->a, len);
    if (!p) {
        return STR_NONE;
    }
    memcpy(p, parent->path.ptr, parent->path.len);
    char *to = p + parent->path.len;
    *to++ = '.';
    memcpy(to, list.ptr, list.len);
    to += list.len;
    *to++ = '[';
    memcpy(to, digits + n, sizeof(digits) - n);
    to[sizeof(digits) - n] = ']';
    return (struct str){p, len};
}

static struct route_node *node_new(struct route_compile *c, const struct route_at *at,
                                   const struct route_node *parent, struct str list, size_t index)
{
    if (c->n_nodes == ROUTE_MAX_NODES) {
        (void)route_fail(c, at, NULL, ERR_INVALID_FIELD, "more than %d nodes", ROUTE_MAX_NODES);
        return NULL;
    }
    if (c->n_nodes == c->cap_nodes) {
        size_t cap = c->cap_nodes ? c->cap_nodes * 4 : 16;
        struct route_node **nodes = arena_alloc(c->a, cap * sizeof(*nodes));
        if (!nodes) {
            (void)route_fail_memory(c);
            return NULL;
        }
        if (c->n_nodes) {
            memcpy(nodes, c->nodes, c->n_nodes * sizeof(struct route_node *));
        }
        c->nodes = nodes;
        c->cap_nodes = cap;
    }
    struct route_node *node = arena_zalloc(c->a, sizeof(*node));
    struct str path = path_of(c, parent, list, index);
    if (!node || !path.ptr) {
        (void)route_fail_memory(c);
        return NULL;
    }
    node->path = path;
    node->ordinal = (uint32_t)c->n_nodes;
    node->parent = parent;
    node->index = (uint32_t)index;
    node->weight = 1;
    c->nodes[c->n_nodes++] = node;
    return node;
}

/* ---- members ---- */

/* A credential or setting by its place; later duplicates are an error, as of all members. */
static bool extra_put(struct route_compile *c, const struct route_at *at, struct json_value name,
                      const struct route_extra_row *row, struct json_value value,
                      struct route_members *m)
{
    for (size_t i = 0; i < m->n_extras; i++) {
        if (m->extras[i].row == row) {
            return route_fail(c, ROUTE_AT(at, row->name.ptr), &name, ERR_INVALID_FIELD,
                              "\"%s\" is given twice", row->name.ptr);
        }
    }
    if (m->n_extras == ROUTE_EXTRAS_MAX) {
        return route_fail(c, ROUTE_AT(at, row->name.ptr), &name, ERR_INVALID_FIELD,
                          "more than %d members for providers", ROUTE_EXTRAS_MAX);
    }
    m->extras[m->n_extras++] = (struct route_extra){row, value};
    return true;
}

static bool members_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                         struct route_members *m)
{
    struct json_value name, value;
    size_t pos = 0, n;
    const struct route_extra_row *rows = route_extra_rows(&n);
    if (v.type != JSON_OBJECT) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be an object");
    }
    memset(m->m, 0, sizeof(m->m));
    m->n_extras = 0;
    while (json_next(v, &pos, &name, &value)) {
        struct str text;
        if (!route_text(c, at, name, &text)) {
            return false;
        }
        int i = route_member_named(text);
        if (i < 0) {
            const struct str *known = route_member_names(&n);
            return route_unknown(c, at, name, known, n);
        }
        if (i >= MEMBER_COUNT) {
            if (!extra_put(c, at, name, &rows[i - MEMBER_COUNT], value, m)) {
                return false;
            }
            continue;
        }
        if (route_has(m->m[i])) {
            return route_fail(c, ROUTE_AT_TEXT(at, text), &name, ERR_INVALID_FIELD,
                              "\"%.*s\" is given twice", route_shown(text), text.ptr);
        }
        m->m[i] = value;
    }
    if (pos == 0) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "is empty");
    }
    return true;
}

static bool is_empty(struct json_value v)
{
    size_t pos = 0;
    return v.type == JSON_NULL || (v.type == JSON_STRING && v.raw.len == 2) ||
           ((v.type == JSON_ARRAY || v.type == JSON_OBJECT) && !json_next(v, &pos, NULL, NULL));
}

/* What would have to be obeyed and is not there yet: refused, not passed over. */
static bool refuse_guards(struct route_compile *c, const struct route_at *at,
                          const struct route_members *m)
{
    for (int i = MEMBER_PROMPT_ID; i <= MEMBER_GUARD_LAST; i++) {
        if (route_has(m->m[i]) && !is_empty(m->m[i])) {
            const char *name = route_member_name((enum route_member)i).ptr;
            return route_fail(c, ROUTE_AT(at, name), &m->m[i], ERR_NOT_IMPLEMENTED,
                              "\"%s\" is not implemented", name);
        }
    }
    return true;
}

static bool place_read(struct route_compile *c, const struct route_at *at,
                       const struct json_value *m, struct route_node *node, uint64_t *ret_weight)
{
    uint64_t n;
    uint32_t ignored;
    if (route_has(m[MEMBER_NAME])) {
        if (!route_word(c, ROUTE_AT(at, "name"), m[MEMBER_NAME], &node->name)) {
            return false;
        }
        /* the first of a name counts, as Portkey takes it */
        if (!route_names_put(&c->targets, c->a, ROUTE_SCOPE_ANY, node->name, node->ordinal,
                             &ignored) ||
            (node->parent && !route_names_put(&c->targets, c->a, node->parent->ordinal, node->name,
                                              node->ordinal, &ignored))) {
            return route_fail_memory(c);
        }
    }
    if (route_has(m[MEMBER_WEIGHT]) &&
        !route_decimal(c, ROUTE_AT(at, "weight"), m[MEMBER_WEIGHT], 6, WEIGHT_MAX, ret_weight)) {
        return false;
    }
    if (route_has(m[MEMBER_PRIORITY])) {
        if (!route_u64(c, ROUTE_AT(at, "priority"), m[MEMBER_PRIORITY], 0, PRIORITY_MAX, &n)) {
            return false;
        }
        node->priority = (uint32_t)n;
    }
    if (route_has(m[MEMBER_SHARE])) {
        if (!route_decimal(c, ROUTE_AT(at, "share"), m[MEMBER_SHARE], 4, 100, &n)) {
            return false;
        }
        node->share_ppm = (uint32_t)n;
    }
    if (route_has(m[MEMBER_SCHEMA]) &&
        !route_text(c, ROUTE_AT(at, "$schema"), m[MEMBER_SCHEMA], &(struct str){0})) {
        return false;
    }
    return true;
}

/* ---- leaves ---- */

static void leaf_fill(struct route_node *node, const struct route_whom *w)
{
    node->provider = w->provider;
    node->must_exist = w->must_exist;
    node->model = w->model;
    node->endpoint = w->endpoint;
    node->credential = w->credential;
    node->settings_json = w->settings_json;
}

/* The document {"model": {"$eq": alias}} of a deployment. */
static const struct route_query *alias_query(struct route_compile *c, const struct route_at *at,
                                             struct str alias)
{
    const struct route_query *q = NULL;
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 1u << 20);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_str(&w, "model", alias);
    json_object_end(&w);
    char *text = b.failed ? NULL : route_derive(c, at, b.len);
    if (text) {
        struct json_value v = {JSON_OBJECT, false, {text, b.len}};
        memcpy(text, b.ptr, b.len);
        if (!route_query_read(c, at, v, NULL, &q)) {
            q = NULL;
        }
    }
    buffer_release(&b);
    return q;
}

/* Several Azure deployments behind one credential, and the client says which: a choice by the
 * model's name. */
static bool deployments_node(struct route_compile *c, const struct route_at *at,
                             const struct route_whom *w, const struct route_deployment *list,
                             size_t n, struct route_node *node)
{
    struct route_strategy *s = arena_zalloc(c->a, sizeof(*s));
    struct route_condition *conditions = arena_alloc(c->a, n * sizeof(*conditions));
    struct route_node **children = arena_alloc(c->a, n * sizeof(struct route_node *));
    if (!s || !conditions || !children) {
        return route_fail_memory(c);
    }
    for (size_t i = 0; i < n; i++) {
        const struct route_at *here = ROUTE_AT_INDEX(ROUTE_AT(at, "deployments"), i);
        struct route_whom own = *w;
        children[i] = node_new(c, here, node, STR_LIT("deployments"), i);
        if (!children[i] ||
            (list[i].api_version.ptr && !route_whom_version(c, here, &own, list[i].api_version))) {
            return false;
        }
        own.model = list[i].deployment;
        leaf_fill(children[i], &own);
        children[i]->settings = node->settings;
        children[i]->name = list[i].alias;
        conditions[i].then = children[i];
        conditions[i].query = alias_query(c, here, list[i].alias);
        if (!conditions[i].query) {
            return c->err->code != ERR_NONE ? false : route_fail_memory(c);
        }
        s->otherwise = list[i].is_default || i == 0 ? children[i] : s->otherwise;
    }
    *s = (struct route_strategy){.mode = ROUTE_CONDITIONAL,
                                 .on = {.kinds = ROUTE_FAIL_ANY},
                                 .conditions = conditions,
                                 .n_conditions = n,
                                 .otherwise = s->otherwise,
                                 .mirror_ppm = 1000000};
    node->strategy = s;
    node->children = (const struct route_node *const *)children;
    node->n_children = n;
    return true;
}

static bool leaf_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                      struct route_whom *w, unsigned depth, struct route_node *node)
{
    struct route_deployment *list = NULL;
    size_t n = 0;
    if (route_has(v) && !route_deployments_read(c, ROUTE_AT(at, "deployments"), v, &list, &n)) {
        return false;
    }
    for (size_t i = 0; w->model.ptr && i < n; i++) {
        if (str_eq(w->model, list[i].alias)) {
            if (list[i].api_version.ptr && !route_whom_version(c, at, w, list[i].api_version)) {
                return false;
            }
            w->model = list[i].deployment;
            break;
        }
    }
    if (n > 0 && !w->model.ptr && depth < ROUTE_MAX_DEPTH) {
        c->depth = c->depth > depth + 1 ? c->depth : depth + 1;
        return deployments_node(c, at, w, list, n, node);
    }
    leaf_fill(node, w);
    return true;
}

/* ---- inner nodes ---- */

static bool children_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                          const struct route_inherit *in, unsigned depth, struct route_node *node)
{
    const struct route_at *here = ROUTE_AT(at, "targets");
    struct json_value item;
    size_t n, pos = 0;
    if (!route_count(c, here, v, &n)) {
        return false;
    }
    if (n == 0 || n > ROUTE_MAX_TARGETS) {
        return route_fail(c, here, &v, ERR_INVALID_FIELD, "must hold 1 to %d targets, not %zu",
                          ROUTE_MAX_TARGETS, n);
    }
    if (depth == ROUTE_MAX_DEPTH) {
        return route_fail(c, here, &v, ERR_INVALID_FIELD, "nested more than %d levels deep",
                          ROUTE_MAX_DEPTH);
    }
    struct route_node **children = arena_alloc(c->a, n * sizeof(struct route_node *));
    uint64_t *weights = arena_alloc(c->a, n * sizeof(*weights));
    if (!children || !weights) {
        return route_fail_memory(c);
    }
    for (size_t i = 0; json_next(v, &pos, NULL, &item); i++) {
        const struct route_at *place = ROUTE_AT_INDEX(here, i);
        children[i] = node_new(c, place, node, STR_LIT("targets"), i);
        weights[i] = 1000000;
        if (!children[i] || !node_read(c, place, item, children[i], *in, depth + 1, &weights[i])) {
            return false;
        }
    }
    route_weights(children, weights, n);
    node->children = (const struct route_node *const *)children;
    node->n_children = n;
    return true;
}

/* A strategy without targets is Portkey's long way to say a single target: the node itself. */
static bool strategy_alone(struct route_compile *c, const struct route_at *at,
                           const struct json_value *s)
{
    enum route_mode mode;
    bool ignored;
    if (!route_mode_read(c, ROUTE_AT(ROUTE_AT(at, "strategy"), "mode"), s[STRATEGY_MODE], &mode,
                         &ignored)) {
        return false;
    }
    if (mode != ROUTE_SINGLE) {
        return route_fail(c, ROUTE_AT(at, "targets"), &s[STRATEGY_MODE], ERR_INVALID_FIELD,
                          "missing member \"targets\"");
    }
    return true;
}

/* The model: what the node names itself, else what it inherits for its provider, else what is
 * forced on all. */
static void model_choose(const struct route_members *m, struct str own_override,
                         struct route_inherit *in)
{
    bool deployment = false;
    for (size_t i = 0; i < m->n_extras; i++) {
        deployment = deployment || m->extras[i].row->kind == EXTRA_MODEL;
    }
    if (own_override.ptr) {
        in->override_model = own_override;
        if (!deployment && !route_has(m->m[MEMBER_MODEL])) {
            in->whom.model = own_override;
        }
    } else if (!in->whom.model.ptr) {
        in->whom.model = in->override_model;
    }
}

static bool node_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                      struct route_node *node, struct route_inherit in, unsigned depth,
                      uint64_t *ret_weight)
{
    struct route_members m;
    struct json_value s[STRATEGY_MEMBERS] = {0};
    struct str host, own_model;
    c->depth = depth > c->depth ? depth : c->depth;
    if (!members_read(c, at, v, &m) || !refuse_guards(c, at, &m) ||
        !place_read(c, at, m.m, node, ret_weight)) {
        return false;
    }
    bool has_strategy = route_has(m.m[MEMBER_STRATEGY]);
    const struct route_at *strategy = ROUTE_AT(at, "strategy");
    if (has_strategy) {
        if (!route_strategy_members(c, strategy, m.m[MEMBER_STRATEGY], s)) {
            return false;
        }
        if (!route_has(s[STRATEGY_MODE])) {
            return route_fail(c, ROUTE_AT(strategy, "mode"), &m.m[MEMBER_STRATEGY],
                              ERR_INVALID_FIELD, "missing member \"mode\"");
        }
    }
    if (!route_settings_read(c, at, &m, s[STRATEGY_CB_CONFIG], &in, &own_model) ||
        !route_whom_read(c, at, &m, &in.whom, &host)) {
        return false;
    }
    if (host.ptr && !route_has(m.m[MEMBER_CUSTOM_HOST])) {
        struct route_settings *own = arena_alloc(c->a, sizeof(*own));
        if (!own) {
            return route_fail_memory(c);
        }
        *own = *in.settings;
        own->custom_host = host;
        in.settings = own;
    }
    model_choose(&m, own_model, &in);
    node->settings = in.settings;
    if (!route_has(m.m[MEMBER_TARGETS])) {
        return (!has_strategy || strategy_alone(c, at, s)) &&
               leaf_read(c, at, m.m[MEMBER_DEPLOYMENTS], &in.whom, depth, node);
    }
    if (route_has(m.m[MEMBER_DEPLOYMENTS])) {
        return route_fail(c, ROUTE_AT(at, "deployments"), &m.m[MEMBER_DEPLOYMENTS],
                          ERR_INVALID_FIELD, "\"deployments\" stands beside \"targets\"");
    }
    return children_read(c, at, m.m[MEMBER_TARGETS], &in, depth, node) &&
           route_strategy_read(c, strategy, has_strategy ? s : NULL, m.m[MEMBER_ON_STATUS_CODES],
                               node);
}

bool route_node_compile(struct route_compile *c, struct json_value v, const struct route_node **ret)
{
    struct route_inherit in = {.settings = &route_settings_default};
    struct route_node *root = node_new(c, NULL, NULL, STR_NONE, 0);
    uint64_t weight = 0;
    if (!root || !node_read(c, NULL, v, root, in, 1, &weight)) {
        return false;
    }
    *ret = root;
    return true;
}

/* ---- deployments ---- */

bool route_deployments_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                            struct route_deployment **ret, size_t *ret_n)
{
    /* the names that Portkey's schema, API and documents have for the same */
    enum { ALIAS, DEPLOYMENT, VERSION, DEFAULT, IGNORED };
    static const struct str names[] = {
        NAME("alias"),
        NAME("is_default"),
        NAME("deployment_id"),
        NAME("deployment_name"),
        NAME("deploymentName"),
        NAME("deployment"),
        NAME("azure_deployment_id"),
        NAME("azure_deployment_name"),
        NAME("api_version"),
        NAME("apiVersion"),
        NAME("azure_api_version"),
        NAME("azure_model_name"),
        NAME("azure_model_slug"),
        NAME("model"),
    };
    static const int meanings[COUNT(names)] = {
        ALIAS,      DEFAULT, DEPLOYMENT, DEPLOYMENT, DEPLOYMENT, DEPLOYMENT, DEPLOYMENT,
        DEPLOYMENT, VERSION, VERSION,    VERSION,    IGNORED,    IGNORED,    IGNORED};
    struct json_value item, m[COUNT(names)];
    size_t n, pos = 0;
    if (!route_count(c, at, v, &n)) {
        return false;
    }
    if (n > ROUTE_MAX_TARGETS) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "more than %d deployments",
                          ROUTE_MAX_TARGETS);
    }
    struct route_deployment *list = arena_zalloc(c->a, (n + 1) * sizeof(*list));
    if (!list) {
        return route_fail_memory(c);
    }
    for (size_t i = 0; json_next(v, &pos, NULL, &item); i++) {
        const struct route_at *here = ROUTE_AT_INDEX(at, i);
        struct route_deployment *d = &list[i];
        if (!route_object(c, here, item, names, COUNT(names), m)) {
            return false;
        }
        for (size_t k = 0; k < COUNT(names); k++) {
            struct str *to = meanings[k] == ALIAS        ? &d->alias
                             : meanings[k] == DEPLOYMENT ? &d->deployment
                             : meanings[k] == VERSION    ? &d->api_version
                                                         : &(struct str){0};
            const struct route_at *place = ROUTE_AT(here, names[k].ptr);
            if (route_has(m[k]) &&
                !(meanings[k] == DEFAULT ? route_bool(c, place, m[k], &d->is_default)
                                         : route_word(c, place, m[k], to))) {
                return false;
            }
        }
        if (!d->deployment.ptr && !d->alias.ptr) {
            return route_fail(c, ROUTE_AT(here, "deployment_id"), &item, ERR_INVALID_FIELD,
                              "missing member \"deployment_id\"");
        }
        d->deployment = d->deployment.ptr ? d->deployment : d->alias;
        d->alias = d->alias.ptr ? d->alias : d->deployment;
    }
    *ret = list;
    *ret_n = n;
    return true;
}
