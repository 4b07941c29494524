/* Routing configs: compiling a document, the trees of aliases without one, references. */
#include "common/rules/route_config_inside.h"

static const char *const mode_names[ROUTE_MODE_COUNT] = {
    [ROUTE_SINGLE] = "single",
    [ROUTE_FALLBACK] = "fallback",
    [ROUTE_WEIGHTED] = "weighted",
    [ROUTE_ROUND_ROBIN] = "round_robin",
    [ROUTE_LEAST_LATENCY] = "least_latency",
    [ROUTE_LEAST_BUSY] = "least_busy",
    [ROUTE_LEAST_COST] = "least_cost",
    [ROUTE_CONSISTENT_HASH] = "consistent_hash",
    [ROUTE_PRIORITY] = "priority",
    [ROUTE_SPLIT] = "split",
    [ROUTE_CONDITIONAL] = "conditional",
    [ROUTE_MIRROR] = "mirror",
    [ROUTE_HEDGE] = "hedge",
};

const char *route_mode_name(enum route_mode m)
{
    return m < ROUTE_MODE_COUNT ? mode_names[m] : "";
}

const char *route_failure_name(unsigned bit)
{
    static const char *const names[ROUTE_FAIL_NAMES] = {
        "any",    "status",  "context_window", "content_policy", "guardrail",  "rate_limit",
        "budget", "timeout", "connection",     "server",         "credential",
    };
    return bit < ROUTE_FAIL_NAMES ? names[bit] : "";
}

/* ---- compiling ---- */

static struct route_tree *tree_new(struct arena *a, const struct route_node *root,
                                   const struct route_node *const *nodes, size_t n, unsigned depth)
{
    struct route_tree *t = arena_zalloc(a, sizeof(*t));
    if (t) {
        t->root = root;
        t->nodes = nodes;
        t->n_nodes = n;
        t->depth = depth;
    }
    return t;
}

/* Counters start at zero: every process begins each wheel at its start. */
static bool turns_make(struct route_compile *c, struct route_tree *t)
{
    if (!c->has_turns) {
        return true;
    }
    t->turns = arena_alloc(c->a, c->n_nodes * sizeof(*t->turns));
    for (size_t i = 0; t->turns && i < c->n_nodes; i++) {
        atomic_init(&t->turns[i], 0);
    }
    return t->turns != NULL;
}

bool route_config_compile(struct str json, struct arena *a, const struct route_tree **ret,
                          struct error *err)
{
    struct error own = ERROR_INIT;
    struct route_compile c = {.json = json, .a = a, .err = err ? err : &own};
    struct json_value document;
    const struct route_node *root;
    *c.err = own; /* parts of the compiler look at whether it is set */
    if (json.len > ROUTE_MAX_DOCUMENT) {
        return error_set_param(c.err, ERR_BODY_TOO_LARGE, "config",
                               "routing config is longer than %u bytes", ROUTE_MAX_DOCUMENT);
    }
    if (!json_validate(json, 0, &document, c.err)) {
        memcpy(c.err->param, "config", sizeof("config"));
        return false;
    }
    if (!route_node_compile(&c, document, &root) || !route_fields_resolve(&c)) {
        return false;
    }
    struct route_tree *t =
        tree_new(a, root, (const struct route_node *const *)c.nodes, c.n_nodes, c.depth);
    if (!t || !turns_make(&c, t)) {
        return route_fail_memory(&c);
    }
    t->fields = c.fields;
    t->n_fields = c.n_fields;
    *ret = t;
    return true;
}

/* ---- an alias without a config ---- */

static const struct route_strategy plain_strategy = {
    .mode = ROUTE_WEIGHTED,
    .on = {ROUTE_FAIL_TIMEOUT | ROUTE_FAIL_CONNECTION | ROUTE_FAIL_SERVER | ROUTE_FAIL_RATE_LIMIT |
               ROUTE_FAIL_CREDENTIAL,
           {NULL, 0}},
    .failover = UINT32_MAX,
    .mirror_ppm = 1000000,
};

const struct route_tree *route_config_plain(const struct route_plain_target *targets, size_t n,
                                            struct arena *a)
{
    if (n > ROUTE_MAX_TARGETS) {
        return NULL;
    }
    struct route_node *list = arena_zalloc(a, (n + 1) * sizeof(*list));
    const struct route_node **nodes = arena_alloc(a, (n + 1) * sizeof(*nodes));
    uint8_t *ids = arena_alloc(a, n * 16);
    if (!list || !nodes || !ids) {
        return NULL;
    }
    for (size_t i = 0; i <= n; i++) {
        list[i].ordinal = (uint32_t)i;
        list[i].weight = 1;
        list[i].path = STR_LIT("config");
        list[i].settings = &route_settings_default;
        nodes[i] = &list[i];
    }
    list[0].strategy = &plain_strategy;
    list[0].children = nodes + 1;
    list[0].n_children = n;
    for (size_t i = 0; i < n; i++) {
        struct route_node *leaf = &list[i + 1];
        memcpy(ids + 16 * i, targets[i].provider_id, 16);
        leaf->parent = &list[0];
        leaf->index = (uint32_t)i;
        leaf->path = arena_printf(a, "config.targets[%zu]", i);
        leaf->weight = targets[i].weight;
        leaf->model = targets[i].model;
        leaf->endpoint = targets[i].endpoint;
        leaf->provider_id = ids + 16 * i;
        leaf->must_exist = true;
        if (!leaf->path.ptr) {
            return NULL;
        }
    }
    return tree_new(a, &list[0], nodes, n + 1, n ? 2 : 1);
}

/* ---- credentials in a document ---- */

static bool is_secret(struct json_value name, struct json_value value)
{
    char text[64];
    size_t len;
    if (value.type == JSON_NULL || (value.type == JSON_STRING && value.raw.len == 2) ||
        !json_unescape(name, text, sizeof(text), &len)) {
        return false;
    }
    size_t n;
    const struct route_extra_row *rows = route_extra_rows(&n);
    int i = route_member_named((struct str){text, len});
    if (i == MEMBER_API_KEY) {
        return true;
    }
    return (i >= MEMBER_COUNT && rows[i - MEMBER_COUNT].kind == EXTRA_SECRET) ||
           str_eqz((struct str){text, len}, "oracle_private_key");
}

static bool has_secret(struct json_value v)
{
    struct json_value name = {0}, value;
    size_t pos = 0;
    bool found = false;
    while (!found && json_next(v, &pos, &name, &value)) {
        found = (v.type == JSON_OBJECT && is_secret(name, value)) || has_secret(value);
    }
    return found;
}

bool route_config_has_secret(struct str json)
{
    struct json_value document;
    return json_validate(json, 0, &document, NULL) && has_secret(document);
}

/* ---- references ---- */

static bool label_ok(struct str s)
{
    bool ok = s.len > 0 && s.len <= 63 && s.ptr[0] >= 'a' && s.ptr[0] <= 'z';
    for (size_t i = 0; ok && i < s.len; i++) {
        char ch = s.ptr[i];
        ok = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-';
    }
    return ok;
}

bool route_ref_parse(struct str text, struct route_ref *ret)
{
    struct route_ref ref = {.name = text, .label = STR_LIT("")};
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '@') {
        at--;
    }
    if (at > 0) { /* behind the last '@' */
        struct str tail = str_slice(text, at, text.len);
        ref.name = str_slice(text, 0, at - 1);
        bool digits = tail.len > 0 && tail.ptr[0] >= '0' && tail.ptr[0] <= '9';
        if (digits ? !str_to_u64(tail, &ref.version) || ref.version == 0 : !label_ok(tail)) {
            return false;
        }
        ref.label = digits ? ref.label : tail;
    }
    if (ref.name.len == 0 || ref.name.len > 200 || ref.name.ptr[0] == '{') {
        return false;
    }
    for (size_t i = 0; i < ref.name.len; i++) {
        unsigned char ch = (unsigned char)ref.name.ptr[i];
        if (ch < 0x20 || ch == 0x7f || ch == '@') {
            return false;
        }
    }
    *ret = ref;
    return true;
}
