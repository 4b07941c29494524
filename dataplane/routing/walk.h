/* The walk of one request through its routing config: which target first, and after each failure
 * which next, until one succeeds or nothing is left. Pure but for the shared counters of
 * target_state.h and of round_robin nodes: no I/O, no clock, no request; it asks its environment
 * for what it needs. One walk per request, in the request's arena, on its worker.
 *
 * The rules (docs/routing.md): a node with a strategy chooses among its children, a leaf is called.
 * A leaf's failure is first retried (its retry settings, back-off, the target's retry budget); then
 * it goes up: the innermost node whose `on` covers the failure and which has another child left (by
 * `failover`, by what its mode orders) goes on with that; where none does, the failure is the
 * answer. Open breakers, saturated and cooling targets are passed over while there is another one;
 * when all are, the one that reopens first is tried all the same. */
#ifndef DATAPLANE_ROUTING_WALK_H
#define DATAPLANE_ROUTING_WALK_H

#include "common/base/arena.h"
#include "common/rules/route_config.h"
#include "dataplane/routing/condition.h"
#include "dataplane/routing/target_state.h"

struct walk;
struct json_writer;

/* What the walk asks of the request; all with `arg`. */
struct walk_env {
    void *arg;
    struct arena *arena;
    uint64_t now_ms; /* mono; set again before each call of walk_* */
    uint64_t wall_s;
    uint64_t prompt_tokens;                    /* estimate */
    uint64_t (*random)(void *arg, uint64_t n); /* uniform below n, n > 0 */
    fact_fn fact;
    /* Whom a leaf means. Its slot (the best of its credentials); NULL: it cannot be called at all
     * (unknown or disabled provider, no such operation, not allowed to this key), and is passed
     * over like an open breaker but never tried. A leaf that names an alias is expanded first
     * (below). Called at most once per leaf and walk. */
    struct target_state *(*state)(void *arg, const struct route_node *leaf);
    /* A leaf whose model is an alias of several targets, or with a config of its own: its tree, to
     * be walked in the leaf's place; NULL: it is called as it is. Depth over all trees is bounded
     * by ROUTE_MAX_DEPTH. */
    const struct route_tree *(*expand)(void *arg, const struct route_node *leaf);
    /* Estimated price of the request at a leaf, in nano-USD; UINT64_MAX: not known. For least_cost.
     */
    uint64_t (*price)(void *arg, const struct route_node *leaf);
    /* Text that stands for the caller where consistent_hash names no fields (the key's id). */
    struct str caller;
    /* NULL, or where every decision is written as JSON (explain): an array of objects, one per node
     * that was decided,
     * {"node": path, "mode", "conditions": [{"query", "holds", "field values": …}], "order":
     * [{"target", "name", "weight", "health", "latency_ms", "in_flight", "price_nanousd",
     * "passed_over": reason}], "chosen": path, "assignment"}. */
    struct json_writer *explain;
};

enum walk_verdict {
    WALK_TRY = 0, /* call ret->leaf, after ret->wait_ms */
    WALK_END      /* nothing is left to try: the failure (or, at once, ret->reason) is the answer */
};

enum walk_reason { /* why a walk ended without a single try */
                   WALK_REASON_NONE = 0,
                   WALK_NO_CONDITION, /* no condition held and there is no default */
                   WALK_NO_TARGET,    /* every target is impossible */
                   WALK_TOO_DEEP,
                   WALK_NO_ROOM
};

struct walk_step {
    const struct route_node *leaf;
    const struct route_tree *tree; /* that the leaf is of */
    struct target_state *state;
    bool probe;       /* the half-open breaker's one: tell target_finished */
    bool retry;       /* the same leaf again */
    uint64_t wait_ms; /* before it is sent */
    bool may_go_on;   /* a failure before the first content byte may lead to another try: hold the
                         answer back until then */
    const struct route_node
        *hedge; /* start this leaf too when no first byte came after hedge_after_ms; NULL: none */
    struct target_state *hedge_state;
    uint64_t hedge_after_ms;
    const struct route_node *const *mirrors; /* leaves that get a copy; only with the first try */
    size_t n_mirrors;
    enum walk_reason reason;
};

struct walk_failure {
    unsigned kinds; /* enum route_failure bits that it is; ANY always */
    int status;     /* as the client would get it; 0: none */
    bool has_retry_after;
    uint64_t retry_after_ms;
    uint64_t elapsed_ms;     /* since the request began */
    bool last_error_is_ours; /* nothing was sent (translation failed, unpriced): never retried, no
                                back-off */
};

/* The tree must live as long as the walk. NULL: out of room. */
struct walk *walk_new(const struct route_tree *t, const struct walk_env *env);
struct walk_env *walk_environment(struct walk *w); /* to set the clock again */
enum walk_verdict walk_first(struct walk *w, struct walk_step *ret);
enum walk_verdict walk_next(struct walk *w, const struct walk_failure *f, struct walk_step *ret);
/* Names of the split's arms that the walk took, outermost first, joined by '/': "b", "canary/eu";
 * "" for none. */
struct str walk_assignment(const struct walk *w);
/* Path of the leaf at hand over all trees, as Portkey's x-portkey-last-used-option-index has it. */
struct str walk_option(const struct walk *w);

#endif
