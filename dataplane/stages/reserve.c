/* reserve: every call that may cost something is covered before it is sent, by an upper bound of
 * its cost, out of each budget that binds it; a retry, a fallback, a hedge and a mirror like the
 * first. What a call of before left over serves the next one of the same request. Limits of models
 * and providers are counted here too. */
#include "dataplane/request/pricing.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/taking.h"
#include "dataplane/stream/translation.h"

#define CAP_MIN 16u       /* tokens of output that are worth a call */
#define CAP_UNKNOWN 4096u /* where the model's own maximum is not known */
#define CAP_TRIES 4u

struct reserving {
    struct taking taking; /* first: on_over finds the rest by it */
    struct bound bound;
    uint64_t cost;
    unsigned caps;
};

static struct candidate *at_hand(struct request *r)
{
    return &r->candidates[r->candidate];
}

static uint64_t cost_of(struct request *r, const struct bound *b)
{
    if (!pricing_list(r, at_hand(r), STR_LIT(""))) {
        /* a model without a price costs nothing, where the organization allows it; one that a
         * native call does not name in plain words may be any */
        bool free = at_hand(r)->model.len || (b->tokens_in == 0 && b->tokens_out == 0);
        return free ? 0 : UINT64_MAX;
    }
    if (b->tokens_in == UINT64_MAX || b->tokens_out == UINT64_MAX) {
        return UINT64_MAX;
    }
    return pricing_bound(r, at_hand(r), b->tokens_in, b->tokens_out);
}

static uint64_t tokens_of(const struct bound *b)
{
    bool known = b->tokens_in != UINT64_MAX && b->tokens_out != UINT64_MAX;
    return known && b->tokens_in <= UINT64_MAX - b->tokens_out ? b->tokens_in + b->tokens_out
                                                               : UINT64_MAX;
}

static bool counted_before(const struct request *r, const struct snap_quota *q, struct str bucket)
{
    for (size_t i = 0; i < r->holds->n; i++) {
        const struct hold *h = &r->holds->list[i];
        struct str mine = h->account ? quota_bucket(h->account) : h->bucket;
        if (h->quota == q && h->counted && str_eq(mine, bucket)) {
            return true;
        }
    }
    return false;
}

/* UINT64_MAX: without a bound. */
static uint64_t amount_of(struct request *r, struct reserving *v, const struct snap_quota *q,
                          struct str bucket, bool *ret_kept)
{
    uint64_t amount;
    *ret_kept = v->bound.later;
    if (q->rule.limit) {
        return q->rule.metric == METRIC_REQUESTS && counted_before(r, q, bucket)
                   ? 0
                   : governed_limit_amount(r, &q->rule, &v->bound);
    }
    switch (q->rule.metric) {
    case METRIC_COST:
        amount = v->cost;
        break;
    case METRIC_TOKENS:
        amount = tokens_of(&v->bound);
        break;
    case METRIC_REQUESTS:
        return counted_before(r, q, bucket) ? 0 : 1;
    default:
        return 1;
    }
    if (amount == UINT64_MAX && q->max_cost) {
        *ret_kept = true;
        bool costs = q->rule.metric == METRIC_COST && q->max_cost > r->bound_nanousd;
        r->bound_nanousd = costs ? q->max_cost : r->bound_nanousd;
        return q->max_cost;
    }
    if (amount == UINT64_MAX && q->rule.mode != MODE_HARD) {
        return q->rule.mode == MODE_DOWNGRADE; /* counted afterwards, but for what is left at all */
    }
    return amount;
}

static bool unbounded(struct request *r, const struct snap_quota *q)
{
    return error_set(&r->error, ERR_COST_UNBOUNDED,
                     "what this call may cost has no upper bound, and the hard budget '%.*s' binds "
                     "it: name a maximum of output, or give the budget a max_cost",
                     STR_ARG(str_slice(q->name, 0, 64)));
}

static bool collect_one(struct request *r, struct reserving *v, const struct snap_quota *q)
{
    struct str bucket;
    if (q->rule.limit && !governed_by_target(q)) {
        return true; /* stage_limit has counted it */
    }
    size_t variants = governed_variants(r, q);
    for (size_t k = 0; k < variants; k++) {
        if (!governed_binds(r, at_hand(r), q, k, &bucket)) {
            continue;
        }
        struct want w = {.quota = q, .bucket = bucket};
        w.amount = amount_of(r, v, q, bucket, &w.kept);
        if (w.amount == UINT64_MAX) {
            return unbounded(r, q);
        }
        if (!taking_add(r, &v->taking, &w)) {
            return false;
        }
    }
    return true;
}

static void note_cap(struct request *r, uint64_t tokens)
{
    r->output_cap = tokens;
    r->holds->capped = r->body.ptr;
}

/* What the client did not say, and the model's entry does not either, is said for it. */
static bool bound_output(struct request *r, struct reserving *v)
{
    struct bound *b = &v->bound;
    if (b->named || b->tokens_out != UINT64_MAX) {
        return true;
    }
    if (bound_cap(r, at_hand(r), CAP_UNKNOWN)) {
        note_cap(r, CAP_UNKNOWN);
        b->tokens_out = CAP_UNKNOWN * b->choices + b->predicted;
    }
    return true;
}

static bool any_hard(struct request *r)
{
    struct str bucket;
    for (size_t i = 0; i < r->holds->n_quotas; i++) {
        const struct snap_quota *q = r->holds->quotas[i];
        bool hard = !q->rule.limit && q->rule.mode == MODE_HARD;
        size_t n = hard && q->rule.metric != METRIC_REQUESTS ? governed_variants(r, q) : 0;
        for (size_t k = 0; k < n; k++) {
            if (governed_binds(r, at_hand(r), q, k, &bucket)) {
                return true;
            }
        }
    }
    return false;
}

static bool collect(struct request *r, struct reserving *v)
{
    v->taking.n = 0;
    v->cost = cost_of(r, &v->bound);
    r->bound_nanousd = v->cost == UINT64_MAX ? 0 : v->cost;
    for (size_t i = 0; i < r->holds->n_quotas; i++) {
        if (!collect_one(r, v, r->holds->quotas[i])) {
            return false;
        }
    }
    return true;
}

/* ---- where it does not fit ---- */

/* The answer becomes as long as the rest of the budget buys. What others hold may come back, so a
 * fourth of what is not spent counts as to be had. */
static bool shorten(struct request *r, struct reserving *v, const struct snap_quota *q,
                    struct quota_account *a)
{
    struct quota_view view;
    struct bound *b = &v->bound;
    uint64_t besides = b->predicted;
    if (b->named || v->caps >= CAP_TRIES || b->tokens_in == UINT64_MAX || q->rule.limit) {
        return false;
    }
    quota_view(a, &view);
    uint64_t unspent = view.amount > view.settled ? (view.amount - view.settled) / 4 : 0;
    uint64_t left = view.remaining > unspent ? view.remaining : unspent;
    left >>= v->caps; /* it was less than thought */
    uint64_t fits = q->rule.metric == METRIC_COST
                        ? pricing_tokens_for(r, at_hand(r), b->tokens_in, left)
                        : (left > b->tokens_in ? left - b->tokens_in : 0);
    fits = (fits > besides ? fits - besides : 0) / b->choices;
    if (fits < CAP_MIN || fits >= (b->tokens_out - besides) / b->choices ||
        !bound_cap(r, at_hand(r), fits)) {
        return false;
    }
    v->caps++;
    note_cap(r, fits);
    b->tokens_out = fits * b->choices + besides;
    return true;
}

/* Another target may be cheaper, or not bound by it at all: the config's rules say whether that is
 * tried. */
static enum verdict fail(struct request *r, const struct snap_quota *q)
{
    struct attempt_failure f = {.code = r->error.code,
                                .outcome = EVENT_REFUSED,
                                .status = error_status(r->error.code),
                                .class = governed_by_target(q) ? FAILURE_RATE_LIMIT : FAILURE_NONE,
                                .ours = true};
    enum verdict next;
    struct error error = r->error;
    struct reply reply = r->reply;
    if (attempt_failed(r, &f, &next)) {
        return next == VERDICT_AGAIN ? TAKING_LEAVE : next;
    }
    r->error = error;
    r->reply = reply;
    return VERDICT_REJECT;
}

static enum verdict on_refused(struct request *r, struct taking *t)
{
    return fail(r, t->use->quotas[0]);
}

/* Whether its model may be another one. A native call says by itself what it wants, in words of its
 * own. */
static bool may_downgrade(const struct request *r, const struct taking *t,
                          const struct snap_quota *q)
{
    bool named = r->kind == REQUEST_CHAT || r->kind == REQUEST_EMBED || r->kind == REQUEST_RERANK;
    return named && !r->downgraded_from.ptr && r->n_attempts == 0 && !t->hurry &&
           q->downgrade_model.len && !str_eq(q->downgrade_model, r->model);
}

static enum verdict on_over(struct request *r, struct taking *t, struct quota_account *a)
{
    struct reserving *v = (struct reserving *)t;
    const struct want w = t->list[t->at];
    const struct snap_quota *q = w.quota;
    if (!q->rule.limit && q->rule.mode == MODE_DOWNGRADE) {
        if (!uuid_is_nil(&r->mirror_of)) {
            governed_say_over(r, q, a, w.amount);
            return VERDICT_REJECT; /* a copy, which nobody waits for */
        }
        if (may_downgrade(r, t, q)) {
            holds_undo(r, t->attempt);
            return route_downgrade(r, q->downgrade_model) ? TAKING_LEAVE : VERDICT_REJECT;
        }
        return taking_untaken(r, t, &w);
    }
    if (shorten(r, v, q, a)) {
        holds_undo_parts(r, t->attempt);
        return collect(r, v) ? VERDICT_AGAIN : VERDICT_REJECT;
    }
    governed_say_over(r, q, a, w.amount);
    return t->hurry ? VERDICT_REJECT : fail(r, q);
}

/* ---- the stage ---- */

static enum verdict reserve(struct request *r, bool hurry)
{
    struct reserving *v;
    if (!governed_find(r)) {
        return VERDICT_REJECT;
    }
    if (!r->holds || r->holds->n_quotas == 0) {
        return VERDICT_NEXT;
    }
    v = arena_zalloc(r->arena, sizeof(*v));
    if (!v) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request");
        return VERDICT_REJECT;
    }
    v->taking.attempt = r->n_attempts + 1;
    v->taking.hurry = hurry;
    v->taking.on_over = on_over;
    v->taking.refused = on_refused;
    holds_undo(r, v->taking.attempt); /* one that was not sent */
    if (r->body.ptr != r->holds->capped) {
        r->output_cap = 0;
    }
    bound_of_request(r, at_hand(r), &v->bound);
    if ((any_hard(r) && !bound_output(r, v)) || !collect(r, v)) {
        return VERDICT_REJECT;
    }
    return taking_run(r, &v->taking);
}

bool reserve_now(struct request *r)
{
    bool done = reserve(r, true) == VERDICT_NEXT;
    if (!done) {
        holds_undo(r, r->n_attempts + 1);
    }
    return done;
}

enum verdict stage_reserve(struct request *r)
{
    bool goes_on = r->translation && r->translation->n_done > 0; /* a series is one attempt */
    return goes_on || r->explanation ? VERDICT_NEXT : reserve(r, false);
}
