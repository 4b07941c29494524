/* Scores for choices by weight: rendezvous hashing. Each child gets an exponential variate E from a
 * hash of (whose request, which child); the least E / weight wins. The winner is distributed by
 * weight, the runner-up by weight among the rest, and a child that goes gives its share to the
 * others in proportion and moves nothing else. With a random number for "whose" it is a plain
 * weighted draw. Integers only, and seeds that are fixed: every process computes the same. */
#include "dataplane/routing/walk_inside.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x00000100000001b3)
#define LN2_Q57 UINT64_C(99893036290645747) /* ln 2 * 2^57 */

/* Finalizer of splitmix64: every bit of x moves half of the result's. */
uint64_t score_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t mul_q64(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 64);
}

/* -ln(u / 2^64) * 2^57, to about nine digits, for u near 2^64 too: u = m * 2^-k with m in [1/2, 1);
 * -ln m = 2 artanh(s), s = (1 - m) / (1 + m) <= 1/3, by its series s + s^3/3 + s^5/5 ... */
uint64_t score_exponential(uint64_t u)
{
    unsigned zeros;
    uint64_t gap, s, square, series = 0;

    u = u ? u : 1;
    zeros = (unsigned)__builtin_clzll(u);
    gap = (uint64_t)0 - (u << zeros); /* (1 - m) * 2^64, in (0, 2^63] */
    s = (uint64_t)(((unsigned __int128)gap << 63) / (UINT64_MAX - (gap >> 1)));
    square = mul_q64(s, s);
    for (unsigned k = 19; k >= 3; k -= 2) {
        series = mul_q64(square, UINT64_MAX / k + series);
    }
    /* s * (1 + series), in 2^-64; twice that in 2^-57 is a shift by 6 */
    return zeros * LN2_Q57 + ((s + mul_q64(s, series)) >> 6);
}

/* ---- whose request ---- */

static uint64_t fnv(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (uint8_t)s.ptr[i]) * FNV_PRIME;
    }
    return (h ^ 0x1f) * FNV_PRIME; /* ends the text: ("ab", "c") is not ("a", "bc") */
}

/* False: none of the fields has a value. */
static bool fields_hash(struct grove *g, const struct route_strategy *st, uint64_t *ret)
{
    struct facts *facts = st->n_hash_fields ? grove_facts(g) : NULL;
    uint64_t h = FNV_OFFSET;
    bool any = false;

    for (size_t i = 0; facts && i < st->n_hash_fields; i++) {
        const struct fact *f = facts_get(facts, st->hash_fields[i]);
        any |= f->type != FACT_ABSENT;
        h = fnv(h, f->type == FACT_ABSENT || f->type == FACT_LIST ? STR_NONE : f->text);
        for (size_t k = 0; f->type == FACT_LIST && k < f->n_items; k++) {
            h = fnv(h, f->items[k]);
        }
    }
    *ret = h;
    return any;
}

static uint64_t random_seed(struct walk *w)
{
    return w->env.random(w->env.arg, UINT64_MAX);
}

/* How deep the node stands: so that equal names on two levels do not choose alike. */
static uint64_t salt_of(const struct frame *f)
{
    uint64_t depth = (uint64_t)f->grove->nesting << 32;

    for (const struct route_node *n = f->node; n->parent; n = n->parent) {
        depth++;
    }
    return score_mix(depth);
}

/* A ttl ends for each value at a time of its own, so that not all move at once. */
static uint64_t epoch_of(uint64_t h, uint64_t wall_s, uint64_t ttl_s)
{
    return ttl_s ? (wall_s + score_mix(h) % ttl_s) / ttl_s : 0;
}

/* True: the choice is by hash; false: ret is random. */
static bool seed_of(struct frame *f, uint64_t *ret)
{
    const struct route_strategy *st = f->node->strategy;
    struct walk *w = f->grove->walk;
    bool split = st->mode == ROUTE_SPLIT;
    bool hashed = st->mode == ROUTE_CONSISTENT_HASH || st->sticky || (split && st->n_hash_fields);
    uint64_t h;

    if (hashed && !fields_hash(f->grove, st, &h)) {
        h = fnv(FNV_OFFSET, w->env.caller);
        hashed = !split && w->env.caller.ptr;
    }
    if (!hashed) {
        *ret = random_seed(w);
        return false;
    }
    if (st->sticky) {
        h ^= score_mix(epoch_of(h, w->env.wall_s, st->sticky_ttl_s));
    }
    *ret = score_mix(h ^ salt_of(f));
    return true;
}

/* ---- which child ---- */

/* What a child is, whatever its place in the list. */
static uint64_t identity_of(const struct route_node *n)
{
    uint64_t h = FNV_OFFSET;

    while (!n->name.ptr && n->strategy && n->n_children) {
        h = fnv(h, str_of(route_mode_name(n->strategy->mode)));
        n = n->children[0];
    }
    if (n->name.ptr) {
        return fnv(h, n->name);
    }
    h = fnv(h, n->provider);
    h = fnv(h, n->provider_id ? (struct str){(const char *)n->provider_id, 16} : STR_NONE);
    h = fnv(h, n->model);
    h = fnv(h, n->credential);
    h = fnv(h, n->settings->custom_host);
    return (h ^ (uint64_t)n->endpoint) * FNV_PRIME;
}

/* Equal children are told apart by their order. */
static bool tell_apart(struct arena *a, uint64_t *ids, size_t n)
{
    size_t room = 4;
    uint32_t *table;

    while (room < 2 * n) {
        room *= 2;
    }
    table = arena_zalloc(a, room * sizeof(*table));
    for (size_t i = 0; table && i < n; i++) {
        for (size_t at = (size_t)ids[i];; at++) {
            uint32_t *slot = &table[at & (room - 1)];
            if (*slot == 0) {
                *slot = (uint32_t)i + 1;
                break;
            }
            if (ids[*slot - 1] == ids[i]) {
                ids[i] = score_mix(ids[i]); /* and look for a place by the new one */
                at = (size_t)ids[i] - 1;
            }
        }
    }
    return table != NULL;
}

bool scores_make(struct frame *f)
{
    struct arena *a = f->grove->walk->env.arena;
    size_t n = f->node->n_children;
    uint64_t *scores = arena_alloc(a, (n + 1) * sizeof(*scores)), seed;
    bool hashed;

    if (!scores) {
        return false;
    }
    hashed = seed_of(f, &seed);
    for (size_t i = 0; i < n; i++) {
        scores[i] = hashed ? identity_of(f->node->children[i]) : score_mix(i);
    }
    if (hashed && !tell_apart(a, scores, n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        scores[i] = score_exponential(score_mix(seed ^ scores[i]));
    }
    f->scores = scores;
    return true;
}
