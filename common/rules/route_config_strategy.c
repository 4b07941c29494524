/* See route_config_inside.h: how a node chooses among its targets. */
#include "common/rules/route_config_inside.h"

#include "common/zone.h"

#define NAME(s)            \
    {                      \
        (s), sizeof(s) - 1 \
    }
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
    MODE = STRATEGY_MODE,
    CB_CONFIG = STRATEGY_CB_CONFIG,
    STATUSES,
    ON,
    FAILOVER,
    CONDITIONS,
    DEFAULT,
    STICKY,
    TIMEZONE,
    HASH_FIELDS,
    BY,
    SAMPLE,
    AFTER,
    TTL,
    STICKY_SESSION /* the name that Portkey's documents have for it */
};
static const struct str names[STRATEGY_MEMBERS] = {
    [MODE] = NAME("mode"),
    [CB_CONFIG] = NAME("cb_config"),
    [STATUSES] = NAME("on_status_codes"),
    [ON] = NAME("on"),
    [FAILOVER] = NAME("failover"),
    [CONDITIONS] = NAME("conditions"),
    [DEFAULT] = NAME("default"),
    [STICKY] = NAME("sticky"),
    [TIMEZONE] = NAME("timezone"),
    [HASH_FIELDS] = NAME("hash_fields"),
    [BY] = NAME("by"),
    [SAMPLE] = NAME("sample"),
    [AFTER] = NAME("after_ms"),
    [TTL] = NAME("ttl"),
    [STICKY_SESSION] = NAME("sticky_session"),
};

#define TTL_MAX_S (90u * 86400u)

bool route_strategy_members(struct route_compile *c, const struct route_at *at, struct json_value v,
                            struct json_value m[static STRATEGY_MEMBERS])
{
    return route_object(c, at, v, names, STRATEGY_MEMBERS, m);
}

/* ---- mode ---- */

static const struct mode_row {
    struct str name;
    enum route_mode mode;
    bool failover; /* unless the document says otherwise */
} modes[] = {
    {NAME("single"), ROUTE_SINGLE, false},
    {NAME("fallback"), ROUTE_FALLBACK, true},
    {NAME("weighted"), ROUTE_WEIGHTED, true},
    {NAME("loadbalance"), ROUTE_WEIGHTED, false},
    {NAME("round_robin"), ROUTE_ROUND_ROBIN, true},
    {NAME("least_latency"), ROUTE_LEAST_LATENCY, true},
    {NAME("least_busy"), ROUTE_LEAST_BUSY, true},
    {NAME("least_cost"), ROUTE_LEAST_COST, true},
    {NAME("consistent_hash"), ROUTE_CONSISTENT_HASH, true},
    {NAME("sticky"), ROUTE_CONSISTENT_HASH, true},
    {NAME("priority"), ROUTE_PRIORITY, true},
    {NAME("split"), ROUTE_SPLIT, false},
    {NAME("percentage"), ROUTE_SPLIT, false},
    {NAME("conditional"), ROUTE_CONDITIONAL, false},
    {NAME("mirror"), ROUTE_MIRROR, true},
    {NAME("hedge"), ROUTE_HEDGE, true},
};

bool route_mode_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                     enum route_mode *ret, bool *ret_failover)
{
    struct str text, known[COUNT(modes)];
    if (!route_word(c, at, v, &text)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(modes); i++) {
        if (str_eq(text, modes[i].name)) {
            *ret = modes[i].mode;
            *ret_failover = modes[i].failover;
            return true;
        }
        known[i] = modes[i].name;
    }
    if (str_eqz(text, "semantic") || str_eqz(text, "ensemble")) {
        return route_fail(c, at, &v, ERR_NOT_IMPLEMENTED, "mode \"%.*s\" is not implemented",
                          route_shown(text), text.ptr);
    }
    const char *nearest = route_nearest(text, known, COUNT(known));
    return route_fail(c, at, &v, ERR_INVALID_FIELD, "no mode \"%.*s\"%s%s%s", route_shown(text),
                      text.ptr, nearest ? " (did you mean \"" : "", nearest ? nearest : "",
                      nearest ? "\"?)" : "");
}

/* ---- failures ---- */

static bool on_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                    unsigned *ret)
{
    const struct str *list;
    size_t n;
    if (!route_words(c, at, v, &list, &n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct str known[ROUTE_FAIL_NAMES];
        unsigned bit = 0;
        for (unsigned k = 0; k < ROUTE_FAIL_NAMES; k++) {
            known[k] = str_of(route_failure_name(k));
            bit |= str_eq(known[k], list[i]) ? 1u << k : 0;
        }
        if (!bit) {
            const char *nearest = route_nearest(list[i], known, ROUTE_FAIL_NAMES);
            return route_fail(c, ROUTE_AT_INDEX(at, i), &v, ERR_INVALID_FIELD,
                              "no failure \"%.*s\"%s%s%s", route_shown(list[i]), list[i].ptr,
                              nearest ? " (did you mean \"" : "", nearest ? nearest : "",
                              nearest ? "\"?)" : "");
        }
        *ret |= bit;
    }
    return true;
}

static bool triggers_read(struct route_compile *c, const struct route_at *at,
                          const struct json_value *m, struct json_value node_statuses,
                          struct route_triggers *ret)
{
    /* an older place of Portkey's: beside the strategy */
    bool own = route_has(m[STATUSES]);
    struct json_value statuses = own ? m[STATUSES] : node_statuses;
    const struct route_at *place = own ? at : at->up;
    if (!route_has(statuses) && !route_has(m[ON])) {
        ret->kinds = ROUTE_FAIL_ANY;
        return true;
    }
    ret->kinds = 0;
    if (route_has(statuses)) {
        if (!route_statuses_read(c, ROUTE_AT(place, "on_status_codes"), statuses, &ret->statuses)) {
            return false;
        }
        ret->kinds = route_status_kinds(ret->statuses);
    }
    return !route_has(m[ON]) || on_read(c, ROUTE_AT(at, "on"), m[ON], &ret->kinds);
}

static bool failover_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                          unsigned *ret)
{
    if (v.type == JSON_TRUE || v.type == JSON_FALSE) {
        *ret = v.type == JSON_TRUE ? UINT32_MAX : 0;
        return true;
    }
    if (v.type != JSON_NUMBER) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD,
                          "must be true, false, or how many further targets");
    }
    return route_unsigned(c, at, v, 0, ROUTE_MAX_TARGETS, ret);
}

/* ---- targets by name ---- */

static bool target_named(struct route_compile *c, const struct route_at *at, struct json_value v,
                         const struct route_node *node, const struct route_node **ret)
{
    struct str text;
    if (!route_word(c, at, v, &text)) {
        return false;
    }
    uint32_t ordinal = route_names_get(&c->targets, node->ordinal, text);
    if (ordinal != UINT32_MAX) {
        *ret = c->nodes[ordinal];
        return true;
    }
    struct str known[32];
    size_t n = 0;
    for (size_t i = 0; i < node->n_children && n < COUNT(known); i++) {
        if (node->children[i]->name.ptr) {
            known[n++] = node->children[i]->name;
        }
    }
    const char *nearest = route_nearest(text, known, n);
    for (size_t i = 0; nearest && i < n; i++) {
        if (known[i].ptr == nearest) {
            return route_fail(c, at, &v, ERR_INVALID_FIELD,
                              "no target of this node is named \"%.*s\" (did you mean \"%.*s\"?)",
                              route_shown(text), text.ptr, route_shown(known[i]), nearest);
        }
    }
    return route_fail(c, at, &v, ERR_INVALID_FIELD, "no target of this node is named \"%.*s\"",
                      route_shown(text), text.ptr);
}

static bool condition_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                           const struct zone *zone, const struct route_node *node,
                           struct route_condition *ret)
{
    static const struct str members[] = {NAME("query"), NAME("then")};
    struct json_value m[COUNT(members)];
    if (!route_object(c, at, v, members, COUNT(members), m)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(members); i++) {
        if (!route_has(m[i])) {
            return route_fail(c, ROUTE_AT(at, members[i].ptr), &v, ERR_INVALID_FIELD,
                              "missing member \"%s\"", members[i].ptr);
        }
    }
    return route_query_read(c, ROUTE_AT(at, "query"), m[0], zone, &ret->query) &&
           target_named(c, ROUTE_AT(at, "then"), m[1], node, &ret->then);
}

static bool conditions_read(struct route_compile *c, const struct route_at *at,
                            const struct json_value *m, const struct zone *zone,
                            const struct route_node *node, struct route_strategy *s)
{
    struct json_value item, v = m[CONDITIONS];
    const struct route_at *here = ROUTE_AT(at, "conditions");
    size_t n, pos = 0;
    if (!route_has(v)) {
        return route_fail(c, here, &m[MODE], ERR_INVALID_FIELD, "missing member \"conditions\"");
    }
    if (!route_count(c, here, v, &n)) {
        return false;
    }
    struct route_condition *list = arena_alloc(c->a, (n + 1) * sizeof(*list));
    if (!list) {
        return route_fail_memory(c);
    }
    for (size_t i = 0; json_next(v, &pos, NULL, &item); i++) {
        if (!condition_read(c, ROUTE_AT_INDEX(here, i), item, zone, node, &list[i])) {
            return false;
        }
    }
    s->conditions = list;
    s->n_conditions = n;
    return !route_has(m[DEFAULT]) ||
           target_named(c, ROUTE_AT(at, "default"), m[DEFAULT], node, &s->otherwise);
}

/* ---- hashes ---- */

/* What one caller's requests have in common. */
static bool is_steady(enum route_field_kind kind)
{
    return kind <= ROUTE_FIELD_MODEL || kind == ROUTE_FIELD_CALLER;
}

static bool hash_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                      struct route_strategy *s)
{
    const struct str *list;
    size_t n;
    if (!route_words(c, at, v, &list, &n)) {
        return false;
    }
    uint16_t *fields = arena_alloc(c->a, (n + 1) * sizeof(*fields));
    if (!fields) {
        return route_fail_memory(c);
    }
    for (size_t i = 0; i < n; i++) {
        const struct route_at *here = ROUTE_AT_INDEX(at, i);
        if (!route_field_read(c, here, list[i], &v, NULL, &fields[i])) {
            return false;
        }
        if (!is_steady(c->fields[fields[i]].kind)) {
            return route_fail(c, here, &v, ERR_INVALID_FIELD, "\"%.*s\" is nothing to choose by",
                              route_shown(list[i]), list[i].ptr);
        }
    }
    s->hash_fields = fields;
    s->n_hash_fields = n;
    return true;
}

static bool sticky_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                        struct route_strategy *s)
{
    static const struct str members[] = {NAME("enabled"), NAME("hash_fields"), NAME("ttl")};
    struct json_value x[COUNT(members)];
    bool enabled = true;
    if (v.type == JSON_TRUE || v.type == JSON_FALSE) {
        memset(x, 0, sizeof(x));
        enabled = v.type == JSON_TRUE;
    } else if (!route_object(c, at, v, members, COUNT(members), x)) {
        return false;
    }
    if (route_has(x[0]) && !route_bool(c, ROUTE_AT(at, "enabled"), x[0], &enabled)) {
        return false;
    }
    struct route_strategy own = {.sticky_ttl_s = 3600};
    if ((route_has(x[1]) && !hash_read(c, ROUTE_AT(at, "hash_fields"), x[1], &own)) ||
        (route_has(x[2]) &&
         !route_u64(c, ROUTE_AT(at, "ttl"), x[2], 0, TTL_MAX_S, &own.sticky_ttl_s))) {
        return false;
    }
    if (!enabled) {
        return true;
    }
    if (s->mode != ROUTE_WEIGHTED) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD,
                          "sticky is for the modes weighted and loadbalance");
    }
    s->sticky = true;
    s->hash_fields = own.hash_fields;
    s->n_hash_fields = own.n_hash_fields;
    s->sticky_ttl_s = own.sticky_ttl_s;
    return true;
}

/* ---- round_robin's order ---- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#define WHEEL_MAX 4096u
#define WHEEL_WORK 1000000u /* over a document, about: further wheels are coarser */

/* Weights of the wheel: reduced, and scaled down where it would be longer than `most`. All 0: all
 * equal. Returns their sum. */
static uint64_t wheel_weights(const struct route_node *node, uint64_t most, int32_t *w)
{
    uint64_t sum = 0, divisor = 0, total = 0;
    size_t n = node->n_children;
    for (size_t i = 0; i < n; i++) {
        divisor = gcd(node->children[i]->weight, divisor);
    }
    for (size_t i = 0; i < n; i++) {
        sum += divisor ? node->children[i]->weight / divisor : 1;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t whole = divisor ? node->children[i]->weight / divisor : 1;
        /* what is rounded up to 1 still fits */
        uint64_t scaled = sum <= most ? whole : whole * (most - n) / sum;
        w[i] = (int32_t)(whole && !scaled ? 1 : scaled);
        total += (uint64_t)w[i];
    }
    return total;
}

/* Smooth weighted turns: each gains its weight, the one that has most is next and pays for all. */
static void wheel_turn(const int32_t *w, int32_t *has, size_t n, uint16_t *wheel, size_t sum)
{
    for (size_t turn = 0; turn < sum; turn++) {
        size_t best = 0;
        for (size_t i = 0; i < n; i++) {
            has[i] += w[i];
        }
        for (size_t i = 1; i < n; i++) {
            best = has[i] > has[best] ? i : best;
        }
        has[best] -= (int32_t)sum;
        wheel[turn] = (uint16_t)best;
    }
}

bool route_wheel(struct route_compile *c, const struct route_node *node, struct route_strategy *s)
{
    size_t n = node->n_children;
    uint64_t most = (WHEEL_WORK - c->wheel_work) / 2 / n;
    most = most > WHEEL_MAX ? WHEEL_MAX : most < 2 * n ? 2 * n : most;
    int32_t *w = arena_alloc(c->a, n * sizeof(*w));
    int32_t *has = arena_zalloc(c->a, n * sizeof(*has));
    uint64_t sum = w && has ? wheel_weights(node, most, w) : 0;
    uint16_t *wheel = sum ? arena_alloc(c->a, sum * sizeof(*wheel)) : NULL;
    if (!wheel) {
        return route_fail_memory(c);
    }
    bool equal = sum == n;
    for (size_t i = 0; equal && i < n; i++) {
        equal = w[i] == 1;
        wheel[i] = (uint16_t)i;
    }
    if (!equal) {
        size_t left = WHEEL_WORK - c->wheel_work;
        wheel_turn(w, has, n, wheel, sum);
        c->wheel_work += sum * n < left ? sum * n : left;
    }
    s->wheel = wheel;
    s->n_wheel = sum;
    c->has_turns = true;
    return true;
}

void route_weights(struct route_node *const *children, const uint64_t *micro, size_t n)
{
    uint64_t divisor = 1000000, largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = micro[i] > largest ? micro[i] : largest;
        divisor = gcd(micro[i], divisor); /* whole weights stay as they are */
    }
    uint64_t shrink = largest / divisor / UINT32_MAX + 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t w = micro[i] / divisor / shrink;
        children[i]->weight = (uint32_t)(micro[i] && !w ? 1 : w);
    }
}

/* ---- all of it ---- */

/* Members that mean something in one mode only: elsewhere they are a mistake. */
static bool placed(struct route_compile *c, const struct route_at *at, const struct json_value *m,
                   enum route_mode mode)
{
    static const struct {
        int member;
        enum route_mode mode;
        const char *where;
    } rows[] = {
        {CONDITIONS, ROUTE_CONDITIONAL, "conditional"},
        {DEFAULT, ROUTE_CONDITIONAL, "conditional"},
        {HASH_FIELDS, ROUTE_CONSISTENT_HASH, "consistent_hash"},
        {TTL, ROUTE_CONSISTENT_HASH, "consistent_hash"},
        {BY, ROUTE_SPLIT, "split"},
        {SAMPLE, ROUTE_MIRROR, "mirror"},
        {AFTER, ROUTE_HEDGE, "hedge"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (route_has(m[rows[i].member]) && mode != rows[i].mode) {
            return route_fail(c, ROUTE_AT(at, names[rows[i].member].ptr), &m[rows[i].member],
                              ERR_INVALID_FIELD, "\"%s\" is for the mode %s",
                              names[rows[i].member].ptr, rows[i].where);
        }
    }
    return true;
}

static bool shares_check(struct route_compile *c, const struct route_at *at,
                         const struct route_node *node)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < node->n_children; i++) {
        sum += node->children[i]->share_ppm;
    }
    if (sum != 1000000) {
        return route_fail(c, ROUTE_AT(at->up, "targets"), NULL, ERR_INVALID_FIELD,
                          "shares must sum to 100, not %u.%04u", (unsigned)(sum / 10000),
                          (unsigned)(sum % 10000));
    }
    return true;
}

static bool mode_members(struct route_compile *c, const struct route_at *at,
                         const struct json_value *m, struct route_node *node,
                         struct route_strategy *s)
{
    static const int sticky[] = {STICKY, STICKY_SESSION};
    const struct zone *zone = NULL;
    struct str name;
    struct error why = ERROR_INIT;
    uint64_t ppm;
    if (route_has(m[TIMEZONE])) {
        const struct route_at *here = ROUTE_AT(at, "timezone");
        if (!route_word(c, here, m[TIMEZONE], &name)) {
            return false;
        }
        if (!zone_load(name, c->a, &zone, &why)) {
            return route_fail(c, here, &m[TIMEZONE], why.code, "%s", error_text(&why));
        }
    }
    if (s->mode == ROUTE_CONDITIONAL && !conditions_read(c, at, m, zone, node, s)) {
        return false;
    }
    if (route_has(m[HASH_FIELDS]) &&
        !hash_read(c, ROUTE_AT(at, "hash_fields"), m[HASH_FIELDS], s)) {
        return false;
    }
    if (route_has(m[TTL]) &&
        !route_u64(c, ROUTE_AT(at, "ttl"), m[TTL], 0, TTL_MAX_S, &s->sticky_ttl_s)) {
        return false;
    }
    if (route_has(m[BY]) && !hash_read(c, ROUTE_AT(at, "by"), m[BY], s)) {
        return false;
    }
    if (route_has(m[SAMPLE])) {
        if (!route_decimal(c, ROUTE_AT(at, "sample"), m[SAMPLE], 4, 100, &ppm)) {
            return false;
        }
        s->mirror_ppm = (uint32_t)ppm;
    }
    if (route_has(m[AFTER]) &&
        !route_u64(c, ROUTE_AT(at, "after_ms"), m[AFTER], 1, 600000, &s->hedge_after_ms)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(sticky); i++) {
        if (route_has(m[sticky[i]]) &&
            !sticky_read(c, ROUTE_AT(at, names[sticky[i]].ptr), m[sticky[i]], s)) {
            return false;
        }
    }
    if (s->mode == ROUTE_SPLIT && !shares_check(c, at, node)) {
        return false;
    }
    return s->mode != ROUTE_ROUND_ROBIN || route_wheel(c, node, s);
}

bool route_strategy_read(struct route_compile *c, const struct route_at *at,
                         const struct json_value *m, struct json_value node_statuses,
                         struct route_node *node)
{
    struct json_value none[STRATEGY_MEMBERS];
    struct route_strategy *s = arena_zalloc(c->a, sizeof(*s));
    bool failover = false;
    if (!s) {
        return route_fail_memory(c);
    }
    node->strategy = s;
    s->mirror_ppm = 1000000;
    if (!m) { /* targets without a strategy: single */
        memset(none, 0, sizeof(none));
        return triggers_read(c, at, none, node_statuses, &s->on);
    }
    if (!route_mode_read(c, ROUTE_AT(at, "mode"), m[MODE], &s->mode, &failover) ||
        !placed(c, at, m, s->mode) || !triggers_read(c, at, m, node_statuses, &s->on)) {
        return false;
    }
    s->failover = failover ? UINT32_MAX : 0;
    if (route_has(m[FAILOVER]) &&
        !failover_read(c, ROUTE_AT(at, "failover"), m[FAILOVER], &s->failover)) {
        return false;
    }
    return mode_members(c, at, m, node, s);
}
