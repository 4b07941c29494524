/* What a walk finds out of nodes: whom a leaf means, how good it is now, what its target measures.
 */
#include "dataplane/routing/walk_inside.h"

void walk_fail(struct walk *w, enum walk_reason reason)
{
    static const uint8_t rank[] = {[WALK_REASON_NONE] = 0,
                                   [WALK_NO_TARGET] = 1,
                                   [WALK_NO_CONDITION] = 2,
                                   [WALK_TOO_DEEP] = 3,
                                   [WALK_NO_ROOM] = 4};
    if (rank[reason] > rank[w->reason]) {
        w->reason = reason;
    }
}

/* ---- trees ---- */

struct grove *grove_new(struct walk *w, const struct route_tree *t, struct grove *parent,
                        const struct route_node *outer)
{
    struct grove *g = arena_alloc(w->env.arena, sizeof(*g));
    size_t pages = (t->n_nodes + SPOTS_PER_PAGE - 1) / SPOTS_PER_PAGE;

    if (g) {
        *g = (struct grove){.tree = t,
                            .parent = parent,
                            .outer = outer,
                            .walk = w,
                            .nesting = parent ? parent->nesting + 1 : 0,
                            .pages = arena_zalloc(w->env.arena, pages * sizeof(*g->pages))};
    }
    return g && g->pages ? g : NULL;
}

struct spot *grove_spot(struct grove *g, const struct route_node *n)
{
    struct spot **page = &g->pages[n->ordinal / SPOTS_PER_PAGE];

    if (!*page) {
        size_t first = n->ordinal - n->ordinal % SPOTS_PER_PAGE;
        size_t room = g->tree->n_nodes - first;
        room = room < SPOTS_PER_PAGE ? room : SPOTS_PER_PAGE;
        *page = arena_zalloc(g->walk->env.arena, room * sizeof(**page));
    }
    if (!*page) {
        walk_fail(g->walk, WALK_NO_ROOM);
        return NULL;
    }
    return &(*page)[n->ordinal % SPOTS_PER_PAGE];
}

static bool stands_above(const struct grove *g, const struct route_tree *t)
{
    for (; g; g = g->parent) {
        if (g->tree == t) {
            return true;
        }
    }
    return false;
}

/* Whom a leaf means; once per leaf. */
static void resolve(struct grove *g, const struct route_node *leaf, struct spot *s)
{
    struct walk *w = g->walk;
    const struct route_tree *t;

    s->resolved = true;
    if (w->n_leaves++ >= WALK_MAX_LEAVES) {
        walk_fail(w, WALK_NO_ROOM);
        return;
    }
    t = w->env.expand ? w->env.expand(w->env.arg, leaf) : NULL;
    if (!t) {
        s->state = w->env.state(w->env.arg, leaf);
        return;
    }
    if (g->nesting + 1 >= ROUTE_MAX_DEPTH || stands_above(g, t)) {
        walk_fail(w, WALK_TOO_DEEP);
        return;
    }
    s->inner = grove_new(w, t, g, leaf);
    if (!s->inner) {
        walk_fail(w, WALK_NO_ROOM);
    }
}

/* ---- outlook ---- */

static enum outlook target_outlook(const struct grove *g, const struct route_node *leaf,
                                   const struct target_state *s, uint64_t at_ms,
                                   uint64_t *ret_reopens_ms)
{
    uint64_t reopens_ms = target_reopens_ms(s);
    /* a breaker that is off here was opened by another config: whether it cools down as well is
     * told by target_admits */
    bool ignored = reopens_ms > at_ms && place_breaker(g, leaf)->off &&
                   target_breaker(s, at_ms) == BREAKER_OPEN;

    if (reopens_ms > at_ms && !ignored) {
        *ret_reopens_ms = reopens_ms;
        return OUTLOOK_SHUT;
    }
    return target_saturated(s, g->walk->env.prompt_tokens, at_ms) ? OUTLOOK_SATURATED
                                                                  : OUTLOOK_USABLE;
}

enum outlook outlook_at(struct grove *g, const struct route_node *leaf, uint64_t at_ms)
{
    const struct spot *s = grove_spot(g, leaf);
    uint64_t reopens_ms;

    return s && s->state ? target_outlook(g, leaf, s->state, at_ms, &reopens_ms)
                         : OUTLOOK_IMPOSSIBLE;
}

static enum outlook leaf_outlook(struct grove *g, const struct route_node *leaf, struct spot *s,
                                 unsigned level)
{
    struct walk *w = g->walk;

    if (!s->resolved) {
        resolve(g, leaf, s);
    }
    if (s->inner) {
        enum outlook o = outlook_of(s->inner, s->inner->tree->root, level);
        s->reopens_ms =
            o == OUTLOOK_SHUT ? outlook_reopens(s->inner, s->inner->tree->root, level) : 0;
        return o;
    }
    if (!s->state) {
        walk_fail(w, WALK_NO_TARGET);
        return OUTLOOK_IMPOSSIBLE;
    }
    if (s->refused_at == w->step) {
        uint64_t reopens_ms = target_reopens_ms(s->state);
        s->reopens_ms = reopens_ms > w->env.now_ms ? reopens_ms : w->env.now_ms;
        return OUTLOOK_SHUT;
    }
    return target_outlook(g, leaf, s->state, w->env.now_ms, &s->reopens_ms);
}

static enum outlook node_outlook(struct grove *g, const struct route_node *n, struct spot *s,
                                 unsigned level)
{
    enum outlook best = OUTLOOK_IMPOSSIBLE;
    uint64_t reopens_ms = UINT64_MAX;
    uint32_t child;

    for (size_t pos = 0; best < OUTLOOK_USABLE && candidate_next(g, n, &pos, &child);) {
        const struct route_node *c = n->children[child];
        enum outlook o = outlook_of(g, c, level + 1);
        if (o == OUTLOOK_SHUT) {
            uint64_t at = outlook_reopens(g, c, level + 1);
            reopens_ms = at < reopens_ms ? at : reopens_ms;
        }
        best = o > best ? o : best;
    }
    s->reopens_ms = reopens_ms;
    return best;
}

enum outlook outlook_of(struct grove *g, const struct route_node *n, unsigned level)
{
    struct walk *w = g->walk;
    struct spot *s = grove_spot(g, n);

    if (!s) {
        return OUTLOOK_IMPOSSIBLE;
    }
    if (s->round == w->round) {
        return (enum outlook)s->outlook;
    }
    if (level > WALK_MAX_LEVELS) {
        walk_fail(w, WALK_TOO_DEEP);
        return OUTLOOK_IMPOSSIBLE;
    }
    enum outlook o = n->strategy ? node_outlook(g, n, s, level) : leaf_outlook(g, n, s, level);
    s->outlook = (uint8_t)o;
    s->round = w->round;
    return o;
}

uint64_t outlook_reopens(struct grove *g, const struct route_node *n, unsigned level)
{
    const struct spot *s;

    (void)outlook_of(g, n, level);
    s = grove_spot(g, n);
    return s ? s->reopens_ms : UINT64_MAX;
}

/* ---- measures ---- */

static uint64_t leaf_measure(struct grove *g, const struct route_node *leaf, const struct spot *s,
                             enum measure m, unsigned level)
{
    const struct walk_env *env = &g->walk->env;

    if (s->inner) {
        return measure_of(s->inner, s->inner->tree->root, m, level);
    }
    if (!s->state) {
        return m == MEASURE_PRICE ? UINT64_MAX : 0;
    }
    switch (m) {
    case MEASURE_LATENCY:
        return target_latency_us(s->state, env->now_ms);
    case MEASURE_IN_FLIGHT:
        return target_in_flight(s->state);
    default:
        return env->price ? env->price(env->arg, leaf) : UINT64_MAX;
    }
}

/* Of several: the sum of what is in flight; the least latency that is known, the least price, both
 * of targets that are usable. */
static uint64_t node_measure(struct grove *g, const struct route_node *n, enum measure m,
                             unsigned level)
{
    uint64_t sum = 0, least = UINT64_MAX;
    uint32_t child;

    for (size_t pos = 0; candidate_next(g, n, &pos, &child);) {
        const struct route_node *c = n->children[child];
        bool usable = outlook_of(g, c, level + 1) == OUTLOOK_USABLE;
        uint64_t v = measure_of(g, c, m, level + 1);
        sum += m == MEASURE_IN_FLIGHT ? v : 0;
        if (usable && v < least && (v > 0 || m != MEASURE_LATENCY)) {
            least = v;
        }
    }
    if (m == MEASURE_IN_FLIGHT) {
        return sum;
    }
    return m == MEASURE_LATENCY && least == UINT64_MAX ? 0 : least;
}

uint64_t measure_of(struct grove *g, const struct route_node *n, enum measure m, unsigned level)
{
    struct walk *w = g->walk;
    struct spot *s;

    /* resolves leaves as well, and minds the depth */
    if (outlook_of(g, n, level) == OUTLOOK_IMPOSSIBLE || !(s = grove_spot(g, n))) {
        return m == MEASURE_IN_FLIGHT ? 0 : UINT64_MAX;
    }
    if (s->value_round == w->round && s->measured == m) {
        return s->value;
    }
    uint64_t v = n->strategy ? node_measure(g, n, m, level) : leaf_measure(g, n, s, m, level);
    s->value = v;
    s->measured = (uint8_t)m;
    s->value_round = w->round;
    return v;
}

/* ---- facts ---- */

struct str health_text(struct grove *g, const struct route_node *n, unsigned level)
{
    enum outlook o = outlook_of(g, n, level);
    const struct spot *s = grove_spot(g, n);

    if (o <= OUTLOOK_SHUT || !s) {
        return STR_LIT("open");
    }
    bool half_open = s->state && target_breaker(s->state, g->walk->env.now_ms) == BREAKER_HALF_OPEN;
    return o == OUTLOOK_SATURATED || half_open ? STR_LIT("degraded") : STR_LIT("healthy");
}

static void health_fact(struct grove *g, const struct route_field *field, struct fact *ret)
{
    unsigned level = 1;

    if (!field->node) {
        return;
    }
    for (const struct route_node *n = field->node; n->parent; n = n->parent) {
        level++;
    }
    if (field->kind == ROUTE_FIELD_HEALTH) {
        fact_text(ret, health_text(g, field->node, level));
        return;
    }
    uint64_t us = outlook_of(g, field->node, level) == OUTLOOK_IMPOSSIBLE
                      ? 0
                      : measure_of(g, field->node, MEASURE_LATENCY, level);
    if (us > 0) {
        fact_number(ret, g->walk->env.arena, (int64_t)((us + 999) / 1000));
    }
}

static void ask(void *arg, const struct route_field *field, struct fact *ret)
{
    struct grove *g = arg;
    struct walk_env *env = &g->walk->env;

    if (field->kind == ROUTE_FIELD_HEALTH || field->kind == ROUTE_FIELD_LATENCY) {
        health_fact(g, field, ret);
    } else if (env->fact) {
        env->fact(env->arg, field, ret);
    }
}

struct facts *grove_facts(struct grove *g)
{
    if (!g->facts_ready) {
        if (!facts_init(&g->facts, g->tree, g->walk->env.arena, ask, g)) {
            walk_fail(g->walk, WALK_NO_ROOM);
            return NULL;
        }
        g->facts_ready = true;
    }
    return &g->facts;
}
