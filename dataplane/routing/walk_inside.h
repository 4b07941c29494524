/* What the files of the walk share (walk.c, walk_*.c, choose*.c); nobody else includes it.
 *
 * The walk holds a stack of frames, one per node with a strategy on the way to the leaf at hand.
 * What it has found out of a node stands in the node's spot; spots are made by the page when first
 * needed, so a config of thousands of nodes costs a request no more than what it touches. A tree
 * that stands in a leaf's place has spots of its own: a grove is one such appearance of a tree. */
#ifndef DATAPLANE_ROUTING_WALK_INSIDE_H
#define DATAPLANE_ROUTING_WALK_INSIDE_H

#include "common/json.h"
#include "dataplane/routing/walk.h"

#define SPOTS_PER_PAGE 32u
/* Nodes on one path, over all trees: the deepest config, and an alias's plain list in a leaf's
 * place. */
#define WALK_MAX_LEVELS (ROUTE_MAX_DEPTH + 2)
#define WALK_MAX_LEAVES 16384u /* leaves that one walk asks for, trees in their places included */

/* How good a leaf is, or the best that can be reached through a node. */
enum outlook {
    OUTLOOK_IMPOSSIBLE = 0, /* nothing there can be called */
    OUTLOOK_SHUT,           /* breaker open, cooling down, or another one has the probe */
    OUTLOOK_SATURATED,      /* by the provider's own numbers it would answer 429 */
    OUTLOOK_USABLE
};

enum measure { MEASURE_NONE = 0, MEASURE_LATENCY, MEASURE_IN_FLIGHT, MEASURE_PRICE };

struct spot {
    struct target_state *state;  /* a leaf's; NULL: impossible, or a tree stands in its place */
    struct grove *inner;         /* the tree in the leaf's place */
    uint64_t reopens_ms;         /* with OUTLOOK_SHUT */
    uint64_t value;              /* by `measured` */
    uint32_t round, value_round; /* of the walk: what is older is asked again */
    uint32_t refused_at;         /* step at which the breaker kept its probe from us; 0: never */
    uint16_t matched;            /* conditional: 1 + child, MATCHED_NONE; 0: not looked at yet */
    uint8_t outlook, measured;
    bool resolved;
};
#define MATCHED_NONE UINT16_MAX

/* One appearance of a tree in the walk. */
struct grove {
    const struct route_tree *tree;
    struct grove *parent;           /* NULL: the walk's own tree */
    const struct route_node *outer; /* leaf of parent's tree in whose place it stands */
    struct walk *walk;
    struct facts facts;
    bool facts_ready;
    unsigned nesting;
    struct spot **pages;
};

#define MARK_TRIED 1u
#define MARK_SKIP 2u /* looked at in the choice that is going on */

/* A node with a strategy on the way. */
struct frame {
    struct grove *grove;
    const struct route_node *node;
    uint8_t *marks;   /* by child */
    uint64_t *scores; /* by child (choose_score.c); NULL until needed */
    size_t turn;      /* round_robin: where on the wheel it begins */
    unsigned level, gone_on;
    uint32_t at; /* the child that is being tried */
};

struct walk {
    struct walk_env env;
    struct grove *root;
    bool dry;   /* nothing shared is touched */
    bool quiet; /* no decision is explained */
    bool over;
    uint32_t step, round; /* of walk_first and walk_next; of looks at targets */
    unsigned tries, retries;
    size_t n_leaves; /* asked for */
    enum walk_reason reason;
    struct frame frames[WALK_MAX_LEVELS];
    unsigned n_frames;
    /* at hand; NULL before the first */
    struct grove *grove;
    const struct route_node *leaf;
    const struct route_settings *settings;
    bool forced;                     /* tried although it is shut */
    const struct frame *hedge_frame; /* of the hedge that was offered with it; NULL: none */
    uint32_t hedge_child;
    struct str arms[WALK_MAX_LEVELS];
    unsigned n_arms;
};

/* ---- walk_spot.c: what is known of nodes ---- */

struct grove *grove_new(struct walk *w, const struct route_tree *t, struct grove *parent,
                        const struct route_node *outer);
/* NULL: out of room. */
struct spot *grove_spot(struct grove *g, const struct route_node *n);
/* NULL: out of room. */
struct facts *grove_facts(struct grove *g);
/* level: of the node, the root's is 1. */
enum outlook outlook_of(struct grove *g, const struct route_node *n, unsigned level);
/* When a node whose outlook is OUTLOOK_SHUT reopens. */
uint64_t outlook_reopens(struct grove *g, const struct route_node *n, unsigned level);
/* How a leaf's target would be at that time. */
enum outlook outlook_at(struct grove *g, const struct route_node *leaf, uint64_t at_ms);
/* UINT64_MAX: not known (latency: 0, as a target without a sample goes first). */
uint64_t measure_of(struct grove *g, const struct route_node *n, enum measure m, unsigned level);
/* "healthy", "degraded" (probed, or saturated), "open" */
struct str health_text(struct grove *g, const struct route_node *n, unsigned level);
/* Notes why nothing could be tried; the weightiest reason stays. */
void walk_fail(struct walk *w, enum walk_reason reason);

/* ---- walk_place.c: leaves over all trees ---- */

const struct route_breaker *place_breaker(const struct grove *g, const struct route_node *leaf);
/* NULL: out of room. */
const struct route_settings *place_settings(const struct grove *g, const struct route_node *leaf);
struct str place_path(const struct grove *g, const struct route_node *n);
bool place_of(struct grove *g, const struct route_node *leaf, struct walk_place *ret);

/* ---- choose.c ---- */

/* The children that a strategy knows: start with *pos = 0; false at the end. A child may come
 * twice.
 */
bool candidate_next(struct grove *g, const struct route_node *n, size_t *pos, uint32_t *ret);
/* False: out of room. */
bool frame_init(struct frame *f, struct grove *g, const struct route_node *n, unsigned level);
/* Best outlook among the candidates that were not tried. */
enum outlook frame_outlook(struct frame *f);
/* The next child by the mode's order among those not tried whose outlook is `needed` or better; -1:
 * none. With OUTLOOK_SHUT: the one that reopens first. */
int32_t frame_choose(struct frame *f, enum outlook needed);
/* The same, whatever the outlook. */
int32_t frame_next_in_order(struct frame *f);
/* Follows choices down from a node until a leaf, for copies and second tries: usable targets with
 * closed breakers only. */
bool choose_aside(struct grove *g, const struct route_node *n, unsigned level,
                  struct walk_place *ret);

/* ---- choose_score.c ---- */

/* Exponential variate of a node's child in fixed point (2^57 is 1): the least of variate / weight
 * is child i with probability weight_i / sum. False: out of room. */
bool scores_make(struct frame *f);
uint64_t score_exponential(uint64_t u);
uint64_t score_mix(uint64_t x);

/* ---- walk_aside.c: hedges and mirrors ---- */

void aside_hedge(struct walk *w, struct walk_step *step);
void aside_mirrors(struct walk *w, struct walk_step *step);

/* ---- walk_retry.c ---- */

bool triggers_cover(const struct route_triggers *on, const struct walk_failure *f);
bool triggers_any(const struct route_triggers *on);
/* Whether a failure may lead the node of the frame on to another child. */
bool frame_covers(const struct frame *f, const struct walk_failure *failure);
/* Fills step (wait_ms, probe) and takes of the target's budget. elsewhere: the failure may go on to
 * a usable target. */
bool retry_take(struct walk *w, const struct walk_failure *f, bool elsewhere,
                struct walk_step *step);

/* ---- walk_explain.c ---- */

/* chosen: -1 for none. */
void explain_decision(struct walk *w, struct frame *f, int32_t chosen);
/* What was decided on the way to nothing. */
void explain_dead_end(struct walk *w);

#endif
