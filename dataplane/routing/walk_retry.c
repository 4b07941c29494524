/* Which failures lead on, and retries of the leaf at hand. */
#include "dataplane/routing/walk_inside.h"

static bool lists(const struct route_statuses *s, int status)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->list[i] == status) {
            return true;
        }
    }
    return false;
}

bool triggers_cover(const struct route_triggers *on, const struct walk_failure *f)
{
    unsigned kinds = (f->kinds | ROUTE_FAIL_ANY) & ~(unsigned)ROUTE_FAIL_STATUS;

    return (on->kinds & kinds) != 0 ||
           ((on->kinds & ROUTE_FAIL_STATUS) && lists(&on->statuses, f->status));
}

bool triggers_any(const struct route_triggers *on)
{
    return (on->kinds & ~(unsigned)ROUTE_FAIL_STATUS) != 0 ||
           ((on->kinds & ROUTE_FAIL_STATUS) && on->statuses.n > 0);
}

bool frame_covers(const struct frame *f, const struct walk_failure *failure)
{
    const struct route_strategy *st = f->node->strategy;
    const unsigned plain = ROUTE_FAIL_ANY | ROUTE_FAIL_STATUS;

    if (f->gone_on >= st->failover) {
        return false;
    }
    if (st->mode == ROUTE_FALLBACK && failure->last_error_is_ours && !(failure->kinds & ~plain)) {
        /* the request is what is wrong, by our own judgement: only a status that is listed leads on
         */
        return (st->on.kinds & ROUTE_FAIL_STATUS) && lists(&st->on.statuses, failure->status);
    }
    return triggers_cover(&st->on, failure);
}

/* False: the provider asks for more patience than the config has. */
static bool wait_of(struct walk *w, const struct route_retry *r, const struct walk_failure *f,
                    uint64_t *ret_ms)
{
    uint64_t most_ms = r->max_ms;

    if (r->use_retry_after && f->has_retry_after && (f->status == 429 || f->status == 503)) {
        *ret_ms = f->retry_after_ms;
        return f->retry_after_ms <= r->max_wait_ms;
    }
    if (w->retries < 64 && r->base_ms <= most_ms >> w->retries) {
        most_ms = r->base_ms << w->retries;
    }
    most_ms = most_ms < r->max_wait_ms ? most_ms : r->max_wait_ms;
    *ret_ms = most_ms ? w->env.random(w->env.arg, most_ms) : 0;
    return true;
}

bool retry_take(struct walk *w, const struct walk_failure *f, bool elsewhere,
                struct walk_step *step)
{
    const struct route_retry *r = &w->settings->retry;
    struct target_state *state = grove_spot(w->grove, w->leaf)->state;
    uint64_t wait_ms, then_ms;

    if (f->last_error_is_ours || w->retries >= r->attempts || !triggers_cover(&r->on, f) ||
        !wait_of(w, r, f, &wait_ms)) {
        return false;
    }
    if (r->total_ms && (f->elapsed_ms >= r->total_ms || wait_ms >= r->total_ms - f->elapsed_ms)) {
        return false;
    }
    then_ms = w->env.now_ms + wait_ms;
    if ((elsewhere && outlook_at(w->grove, w->leaf, then_ms) < OUTLOOK_USABLE) || w->dry ||
        !target_may_retry(state, r->budget_percent, r->budget_min, w->env.now_ms)) {
        return false;
    }
    w->retries++;
    step->wait_ms = wait_ms;
    step->retry = true;
    (void)target_admits(state, &w->settings->breaker, then_ms, &step->probe);
    return true;
}
