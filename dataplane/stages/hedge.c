/* See hedge.h. What belongs to one call of the two is kept aside while the other is at hand, so all
 * other code knows one call only. */
#include "dataplane/stages/hedge.h"

#include "common/log.h"
#include "dataplane/net/loop.h"
#include "dataplane/stages/governed.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"
#include "dataplane/upstream/client.h"

/* What is of one call. */
struct leg {
    size_t candidate;
    unsigned attempt;
    struct upstream_call *call;
    struct translation *translation;
    struct losses losses;
    bool hide_usage, estimated;
    uint64_t output_cap;
    struct str upstream_head, upstream_body, body;
    struct openai_chat chat;
    struct str token, token_credential;
};

struct hedge {
    struct request *request;
    struct loop_timer *timer;
    const struct walk_place *place; /* NULL: sent already */
    const struct walk_place *armed; /* the step's: another key of its target arms none again */
    bool sent;
    bool both; /* two calls run: `other` is the one that is not at hand */
    struct leg other;
};

static struct leg leg_of(const struct request *r)
{
    return (struct leg){.candidate = r->candidate,
                        .attempt = r->attempt,
                        .call = r->call,
                        .translation = r->translation,
                        .losses = r->losses,
                        .hide_usage = r->hide_usage,
                        .estimated = r->estimated,
                        .output_cap = r->output_cap,
                        .upstream_head = r->upstream_head,
                        .upstream_body = r->upstream_body,
                        .body = r->body,
                        .chat = r->chat,
                        .token = r->token,
                        .token_credential = r->token_credential};
}

static void leg_load(struct request *r, const struct leg *l)
{
    r->candidate = l->candidate;
    r->attempt = l->attempt;
    r->call = l->call;
    r->translation = l->translation;
    r->losses = l->losses;
    r->hide_usage = l->hide_usage;
    r->estimated = l->estimated;
    r->output_cap = l->output_cap;
    r->upstream_head = l->upstream_head;
    r->upstream_body = l->upstream_body;
    r->body = l->body;
    r->chat = l->chat;
    r->token = l->token;
    r->token_credential = l->token_credential;
    r->prices = NULL; /* sought again for the one at hand */
    r->priced = NULL;
    r->prices_sought = false;
}

static void swap(struct request *r)
{
    struct leg mine = leg_of(r);
    leg_load(r, &r->hedge->other);
    r->hedge->other = mine;
}

/* The call at hand is given up, and the other one is at hand. What a provider has begun it may
 * bill, so it is settled as a call that was cut is. */
static void drop_current(struct request *r, enum event_outcome outcome, enum error_code code)
{
    struct upstream_call *call = r->call;
    relay_settle(r);
    request_end_attempt(r, outcome, code);
    r->call = NULL;
    swap(r);
    r->hedge->both = false;
    if (call) {
        upstream_cancel(call);
    }
}

static void release(void *arg)
{
    struct hedge *h = arg;
    loop_timer_free(h->timer);
    h->timer = NULL;
}

/* The second call. What it needs must be at hand (no token is waited for); where it cannot be made,
 * the first goes on alone. */
static void start_second(struct request *r, struct hedge *h)
{
    struct leg first = leg_of(r);
    r->hurry = true;
    r->call = NULL; /* it runs on, aside */
    attempt_clear(r);
    bool sent = routing_take(r, h->place, "hedge", false) && reserve_now(r) &&
                stage_translate(r) == VERDICT_NEXT && dispatch_call(r);
    r->hurry = false;
    if (!sent) {
        holds_undo(r, r->n_attempts + 1);
        leg_load(r, &first);
        r->error = (struct error)ERROR_INIT;
        r->reply = (struct reply){.status = 0};
        return;
    }
    h->other = first;
    h->both = h->sent = true;
    log_write(LOG_DEBUG, "hedge", "a second call was made", LOG_Z("request", r->id_text));
}

static void on_late(void *arg)
{
    struct hedge *h = arg;
    struct request *r = h->request;
    if (r->state == REQUEST_PARKED && r->call && !r->relay && !h->both && h->place) {
        start_second(r, h);
        h->place = NULL;
    }
}

void hedge_arm(struct request *r)
{
    const struct walk_step *step = r->routing ? &r->routing->step : NULL;
    if (r->hedge && r->hedge->sent && step && r->hedge->armed == step->hedge_place) {
        return;
    }
    if (r->hedge) {
        r->hedge->sent = false; /* that was of an earlier step */
    }
    if (!step || !step->hedge || step->retry || r->kind == REQUEST_EMBED) {
        return;
    }
    struct hedge *h = r->hedge ? r->hedge : arena_zalloc(r->arena, sizeof(*h));
    if (!h || (!r->hedge && !arena_on_release(r->arena, release, h))) {
        return;
    }
    h->request = r;
    h->place = h->armed = step->hedge_place;
    h->sent = false;
    if (!h->timer) {
        h->timer = loop_timer_new(r->env->loop, on_late, h);
    }
    r->hedge = h;
    loop_timer_set(h->timer, step->hedge_after_ms);
}

bool hedge_answered(struct request *r, struct upstream_call *call, const struct upstream_answer *a)
{
    struct hedge *h = r->hedge;
    loop_timer_cancel(h->timer);
    if (!h->both) {
        return true;
    }
    if (r->call != call) {
        swap(r);
    }
    if (a->status >= 400) {
        request_attempt(r)->status = a->status;
        attempt_learn(r, a->headers, a->n_headers);
        drop_current(r, EVENT_PROVIDER_ERROR, ERR_PROVIDER_ERROR);
        return false;
    }
    swap(r);
    drop_current(r, EVENT_CLIENT_GONE, ERR_NONE);
    return true;
}

bool hedge_failed(struct request *r, struct upstream_call *call, const struct error *err)
{
    struct hedge *h = r->hedge;
    if (!h->both) {
        loop_timer_cancel(h->timer);
        return false;
    }
    if (r->call != call) {
        swap(r);
    }
    if (err->code == ERR_UPSTREAM_TIMEOUT) {
        relay_settle(r);
    }
    r->call = NULL;
    drop_current(r, dispatch_outcome(err->code), err->code);
    return true;
}

bool hedge_was_sent(const struct request *r)
{
    const struct hedge *h = r->hedge;
    return h && h->sent && h->armed == r->routing->step.hedge_place;
}

void hedge_end(struct request *r)
{
    if (!r->hedge) {
        return;
    }
    loop_timer_cancel(r->hedge->timer);
    if (r->hedge->both) {
        swap(r);
        drop_current(r, EVENT_CLIENT_GONE, ERR_NONE);
    }
}
