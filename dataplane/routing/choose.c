/* Which child next: the order of each mode, over those that were not tried and are good enough. */
#include "dataplane/routing/walk_inside.h"

/* So many children that are drawn and then passed over before all are looked at. */
#define LOOKS_BEFORE_ALL 4
#define AHEAD 8 /* conditions: a thousand of them do not stand in the nearest cache */

/* ---- whom a strategy knows ---- */

static bool is_child(const struct route_node *n, const struct route_node *c)
{
    return c && c->index < n->n_children && n->children[c->index] == c;
}

/* The first condition from *pos on that holds, then the default. */
static bool conditional_next(struct grove *g, const struct route_node *n, size_t *pos,
                             uint32_t *ret)
{
    const struct route_strategy *st = n->strategy;
    struct facts *f = grove_facts(g);

    while (f && *pos < st->n_conditions) {
        const struct route_condition *c = &st->conditions[(*pos)++];
        if (*pos + AHEAD < st->n_conditions) {
            __builtin_prefetch(c[AHEAD].query);
        }
        if (condition_holds(f, c->query) && is_child(n, c->then)) {
            *ret = c->then->index;
            return true;
        }
    }
    if (*pos > st->n_conditions || !f) {
        return false;
    }
    *pos = st->n_conditions + 1;
    if (!is_child(n, st->otherwise)) {
        return false;
    }
    *ret = st->otherwise->index;
    return true;
}

/* Without failover a conditional knows one target, which is found once. */
static bool conditional_only(struct grove *g, const struct route_node *n, size_t *pos,
                             uint32_t *ret)
{
    struct spot *s = grove_spot(g, n);
    uint32_t child;
    size_t from = 0;

    if (!s || *pos > 0) {
        return false;
    }
    if (s->matched == 0) {
        bool found = conditional_next(g, n, &from, &child);
        s->matched = found ? (uint16_t)(child + 1) : MATCHED_NONE;
    }
    *pos = 1;
    if (s->matched == MATCHED_NONE) {
        walk_fail(g->walk, WALK_NO_CONDITION);
        return false;
    }
    *ret = s->matched - 1u;
    return true;
}

bool candidate_next(struct grove *g, const struct route_node *n, size_t *pos, uint32_t *ret)
{
    const struct route_strategy *st = n->strategy;
    size_t most = n->n_children;

    if (st->mode == ROUTE_CONDITIONAL) {
        bool first = *pos == 0;
        bool found =
            st->failover ? conditional_next(g, n, pos, ret) : conditional_only(g, n, pos, ret);
        if (!found && first) {
            walk_fail(g->walk, WALK_NO_CONDITION);
        }
        return found;
    }
    if (st->mode == ROUTE_MIRROR || (st->mode == ROUTE_SINGLE && st->failover == 0)) {
        most = most > 0;
    }
    while (st->mode == ROUTE_SPLIT && *pos < most && n->children[*pos]->share_ppm == 0) {
        (*pos)++;
    }
    if (*pos >= most) {
        return false;
    }
    *ret = (uint32_t)(*pos)++;
    return true;
}

/* ---- frames ---- */

static size_t take_turn(struct grove *g, const struct route_node *n)
{
    const struct route_strategy *st = n->strategy;
    _Atomic uint32_t *turn;

    if (st->mode != ROUTE_ROUND_ROBIN || st->n_wheel == 0 || !g->tree->turns) {
        return 0;
    }
    turn = &g->tree->turns[n->ordinal];
    return (g->walk->dry ? atomic_load_explicit(turn, memory_order_relaxed)
                         : atomic_fetch_add_explicit(turn, 1, memory_order_relaxed)) %
           st->n_wheel;
}

bool frame_init(struct frame *f, struct grove *g, const struct route_node *n, unsigned level)
{
    *f = (struct frame){.grove = g,
                        .node = n,
                        .level = level,
                        .marks = arena_zalloc(g->walk->env.arena, n->n_children + 1)};
    if (!f->marks) {
        walk_fail(g->walk, WALK_NO_ROOM);
        return false;
    }
    f->turn = take_turn(g, n);
    return true;
}

static enum outlook child_outlook(struct frame *f, uint32_t child)
{
    return outlook_of(f->grove, f->node->children[child], f->level + 1);
}

enum outlook frame_outlook(struct frame *f)
{
    enum outlook best = OUTLOOK_IMPOSSIBLE;
    uint32_t child;

    for (size_t pos = 0;
         best < OUTLOOK_USABLE && candidate_next(f->grove, f->node, &pos, &child);) {
        if (!(f->marks[child] & MARK_TRIED)) {
            enum outlook o = child_outlook(f, child);
            best = o > best ? o : best;
        }
    }
    return best;
}

/* ---- orders ---- */

/* a/p before b/q, by cross multiplication. */
static int ratio_cmp(uint64_t a, uint64_t p, uint64_t b, uint64_t q)
{
    unsigned __int128 left = (unsigned __int128)a * q, right = (unsigned __int128)b * p;
    return (left > right) - (left < right);
}

static enum measure measure_of_mode(enum route_mode m)
{
    switch (m) {
    case ROUTE_LEAST_LATENCY:
        return MEASURE_LATENCY;
    case ROUTE_LEAST_BUSY:
        return MEASURE_IN_FLIGHT;
    case ROUTE_LEAST_COST:
        return MEASURE_PRICE;
    default:
        return MEASURE_NONE;
    }
}

/* Whether child a goes before child b; never for equal ones. */
static bool goes_before(struct frame *f, uint32_t a, uint32_t b)
{
    const struct route_node *x = f->node->children[a], *y = f->node->children[b];
    enum route_mode mode = f->node->strategy->mode;
    enum measure m = measure_of_mode(mode);
    bool split = mode == ROUTE_SPLIT;
    uint64_t wx = split ? x->share_ppm : x->weight, wy = split ? y->share_ppm : y->weight;
    int order = 0;

    if ((wx == 0) != (wy == 0)) {
        return wy == 0;
    }
    wx = wx ? wx : 1;
    wy = wy ? wy : 1;
    if (mode == ROUTE_PRIORITY && x->priority != y->priority) {
        return x->priority < y->priority;
    }
    if (m != MEASURE_NONE) {
        uint64_t u = measure_of(f->grove, x, m, f->level + 1);
        uint64_t v = measure_of(f->grove, y, m, f->level + 1);
        order = m == MEASURE_IN_FLIGHT ? ratio_cmp(u, wx, v, wy) : (u > v) - (u < v);
    }
    if (order == 0) {
        order = ratio_cmp(f->scores[a], wx, f->scores[b], wy);
    }
    return order ? order < 0 : a < b;
}

static int32_t first_of(struct frame *f, enum outlook needed)
{
    uint32_t child;

    for (size_t pos = 0; candidate_next(f->grove, f->node, &pos, &child);) {
        if (!(f->marks[child] & MARK_TRIED) &&
            (needed == OUTLOOK_IMPOSSIBLE || child_outlook(f, child) >= needed)) {
            return (int32_t)child;
        }
    }
    return -1;
}

/* Along the wheel; children that are not on it (of weight 0) behind. */
static int32_t next_on_wheel(struct frame *f, enum outlook needed)
{
    const struct route_strategy *st = f->node->strategy;

    for (size_t i = 0; i < st->n_wheel; i++) {
        uint32_t child = st->wheel[(f->turn + i) % st->n_wheel];
        if (child < f->node->n_children && !(f->marks[child] & (MARK_TRIED | MARK_SKIP))) {
            if (needed == OUTLOOK_IMPOSSIBLE || child_outlook(f, child) >= needed) {
                return (int32_t)child;
            }
            f->marks[child] |= MARK_SKIP; /* it may stand on the wheel a hundred times */
        }
    }
    return first_of(f, needed);
}

/* The foremost by goes_before; how good it is, is asked of few. */
static int32_t foremost(struct frame *f, enum outlook needed)
{
    for (unsigned looks = 0;; looks++) {
        int32_t best = -1;
        uint32_t child;
        for (size_t pos = 0; candidate_next(f->grove, f->node, &pos, &child);) {
            if (f->marks[child] & (MARK_TRIED | MARK_SKIP)) {
                continue;
            }
            if (looks >= LOOKS_BEFORE_ALL && needed && child_outlook(f, child) < needed) {
                f->marks[child] |= MARK_SKIP;
            } else if (best < 0 || goes_before(f, child, (uint32_t)best)) {
                best = (int32_t)child;
            }
        }
        if (best < 0 || !needed || child_outlook(f, (uint32_t)best) >= needed) {
            return best;
        }
        f->marks[best] |= MARK_SKIP;
    }
}

static int32_t first_to_reopen(struct frame *f)
{
    uint64_t least_ms = UINT64_MAX;
    int32_t best = -1;
    uint32_t child;

    for (size_t pos = 0; candidate_next(f->grove, f->node, &pos, &child);) {
        if (!(f->marks[child] & MARK_TRIED) && child_outlook(f, child) == OUTLOOK_SHUT) {
            uint64_t at = outlook_reopens(f->grove, f->node->children[child], f->level + 1);
            if (best < 0 || at < least_ms) {
                least_ms = at;
                best = (int32_t)child;
            }
        }
    }
    return best;
}

static bool is_scored(enum route_mode m)
{
    return m == ROUTE_WEIGHTED || m == ROUTE_CONSISTENT_HASH || m == ROUTE_PRIORITY ||
           m == ROUTE_SPLIT || measure_of_mode(m) != MEASURE_NONE;
}

static int32_t choose(struct frame *f, enum outlook needed)
{
    enum route_mode mode = f->node->strategy->mode;
    int32_t child;

    if (mode != ROUTE_ROUND_ROBIN && !is_scored(mode)) {
        return first_of(f, needed);
    }
    if (mode != ROUTE_ROUND_ROBIN && !f->scores && !scores_make(f)) {
        walk_fail(f->grove->walk, WALK_NO_ROOM);
        return first_of(f, needed);
    }
    child = mode == ROUTE_ROUND_ROBIN ? next_on_wheel(f, needed) : foremost(f, needed);
    for (size_t i = 0; i < f->node->n_children; i++) {
        f->marks[i] &= (uint8_t)~MARK_SKIP;
    }
    return child;
}

int32_t frame_next_in_order(struct frame *f)
{
    return choose(f, OUTLOOK_IMPOSSIBLE);
}

int32_t frame_choose(struct frame *f, enum outlook needed)
{
    return needed == OUTLOOK_SHUT ? first_to_reopen(f) : choose(f, needed);
}

/* ---- aside ---- */

bool choose_aside(struct grove *g, const struct route_node *n, unsigned level,
                  struct walk_place *ret)
{
    struct walk *w = g->walk;

    while (outlook_of(g, n, level) == OUTLOOK_USABLE) {
        struct frame f;
        if (n->strategy) {
            int32_t child = frame_init(&f, g, n, level) ? frame_choose(&f, OUTLOOK_USABLE) : -1;
            if (child < 0) {
                return false;
            }
            n = n->children[child];
            level++;
            continue;
        }
        const struct spot *s = grove_spot(g, n);
        if (!s->inner) {
            return target_breaker(s->state, w->env.now_ms) == BREAKER_CLOSED && place_of(g, n, ret);
        }
        g = s->inner;
        n = g->tree->root;
    }
    return false;
}
