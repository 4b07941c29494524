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
 * when all are, the one that reopens first is tried all the same.
 *
 * What follows from them, and is not said there:
 * - "All are" is asked anew at each choice, but an open or cooling target is tried all the same
 *   only as the first of a request: after a failure it would only add to an outage. Saturated
 *   ones (which may not be) are tried after failures too.
 * - A retry is left out where its target would then be open, cooling or saturated and the failure
 *   may go on to one that is not.
 * - A child that is a node itself is as good as the best leaf that could be reached through it. Its
 *   latency is the lowest of its usable leaves, its price too; its requests in flight are the sum.
 * - conditional and single know one target, more only with `failover`; mirror knows one. An arm of
 *   a split without a share is never taken.
 * - Weighted choices without fields draw one order per request, so that the next after a failure
 *   is drawn by weight as well. Those with fields (consistent_hash, sticky, a split's `by`) depend
 *   on nothing but the fields' values, the targets' names (else provider and model) and weights:
 *   every process chooses alike, whatever else is in the list. Where no field has a value, the
 *   caller decides; a split draws. sticky's ttl ends for each value at another time.
 * - A fallback does not go on after a refusal of our own: last_error_is_ours, no kind that says
 * more than ANY and STATUS, and a status that is not listed. Portkey's ends there too.
 * - In the place of a leaf that names an alias the alias's own settings hold, and the leaf's where
 * it has none; override_params are merged, `model` excepted. */
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
    fact_fn fact; /* ROUTE_FIELD_HEALTH and ROUTE_FIELD_LATENCY are answered by the walk itself */
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
    /* NULL, or where every decision is written as JSON: objects in an array that the caller has
     * begun, one per node that was decided, outermost first:
     * {"node": path, "mode", "conditions": [{"query", "holds", "values": {field: value}}] (those of
     * conditional that were looked at), "order": [{"target": path, "name", "weight" | "share",
     * "priority", "health", "limits", "latency_ms", "in_flight", "price_nanousd", "passed_over":
     * reason}] (all, in the order of the mode), "chosen": path or null, "assignment"}. A walk that
     * explains touches nothing shared: it takes no probes, turns and retry budgets. */
    struct json_writer *explain;
    /* Tries that a request may cost at most, hedges and mirrors not counted; 0: WALK_MAX_TRIES. */
    unsigned max_tries;
};
#define WALK_MAX_TRIES 16

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

/* A leaf, and what it takes to call it. */
struct walk_place {
    const struct route_node *leaf;
    const struct route_tree *tree; /* that the leaf is of */
    /* The innermost leaf in whose place this one stands (its tree was given by `expand`); NULL: the
     * leaf is of the config itself. */
    const struct route_node *outer;
    struct target_state *state;
    /* All that hold: the leaf's, with the outer leaves' where it has none. In the arena or the
     * tree.
     */
    const struct route_settings *settings;
    struct str option; /* path over all trees, as walk_option has it */
};

struct walk_step {
    const struct route_node *leaf;
    const struct route_tree *tree;  /* that the leaf is of */
    const struct route_node *outer; /* as in walk_place */
    struct target_state *state;
    const struct route_settings
        *settings;    /* as in walk_place: the breaker to tell target_finished */
    bool probe;       /* the half-open breaker's one: tell target_finished */
    bool retry;       /* the same leaf again */
    uint64_t wait_ms; /* before it is sent */
    /* Some failure would lead to another try, as the targets are now and budgets allow: hold the
     * answer back until its first content. */
    bool may_go_on;
    const struct route_node
        *hedge; /* start this leaf too when no first byte came after hedge_after_ms; NULL: none */
    struct target_state *hedge_state;
    const struct walk_place *hedge_place; /* the same leaf, with all that belongs to it */
    uint64_t hedge_after_ms;
    const struct route_node *const *mirrors; /* leaves that get a copy; only with the first try */
    const struct walk_place *mirror_places;  /* the same leaves */
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
    bool hedge_started;      /* the step's hedge was sent too, and failed as well */
};

/* The tree must live as long as the walk. NULL: out of room. */
struct walk *walk_new(const struct route_tree *t, const struct walk_env *env);
struct walk_env *walk_environment(struct walk *w); /* to set the clock again */
enum walk_verdict walk_first(struct walk *w, struct walk_step *ret);
enum walk_verdict walk_next(struct walk *w, const struct walk_failure *f, struct walk_step *ret);
/* Names of the split's arms that the walk took, outermost first, joined by '/': "b", "canary/eu";
 * "" for none. An arm without a name goes by its number, from 0. */
struct str walk_assignment(const struct walk *w);
/* Path of the leaf at hand over all trees, as Portkey's x-portkey-last-used-option-index has it. */
struct str walk_option(const struct walk *w);
/* After walk_first: the leaves in the order in which they would be tried, each once, if each failed
 * with a 503 and `hedge`s were never needed; the one at hand first. Takes nothing shared and leaves
 * the walk as it is. The list is in the arena; returns how many. */
size_t walk_explain_order(struct walk *w, const struct walk_place **ret);

#endif
