/* THE story of a request, as one table. Stages that have no content yet have no row; where they
 * will stand:
 *
 *   parse → authenticate → read → expand → limit → route → [guard] → cache → reserve → translate →
 * dispatch → relay
 *
 * and `record`, which is no row: it runs exactly once however a request ends (request_finish), and
 * always before the last byte of the answer. */
#include <assert.h>

#include "common/base/clock.h"
#include "dataplane/net/loop.h"
#include "dataplane/request/holds.h"
#include "dataplane/request/token_post.h"
#include "dataplane/stages/authenticate_token.h"
#include "dataplane/stages/cache.h"
#include "dataplane/stages/governed.h"
#include "dataplane/stages/hedge.h"
#include "dataplane/stages/stages.h"
#include "dataplane/upstream/client.h"

static const struct stage {
    const char *name;
    enum verdict (*run)(struct request *r);
} stages[] = {
    {"parse", stage_parse},
    {"authenticate", stage_authenticate},
    {"read", stage_read},
    {"expand", stage_expand},
    {"limit", stage_limit},
    {"route", stage_route},
    /* guard */
    {"cache", stage_cache},
    {"reserve", stage_reserve},
    {"translate", stage_translate},
    {"dispatch", stage_dispatch},
    {"relay", stage_relay},
};

#define N_STAGES (sizeof(stages) / sizeof(stages[0]))
#define STAGE_RESERVE 7 /* where VERDICT_AGAIN goes back to */

/* ---- the end ---- */

static void free_dead(void *arg)
{
    struct request_env *env = arg;
    while (env->dead) {
        struct request *r = env->dead;
        env->dead = r->next_dead;
        if (r->hold) {
            swap_release(env->reader, r->hold);
        }
        request_env_arena_back(env, r->arena);
    }
}

/* Late callbacks of this turn may still meet the request, so it is freed behind them. */
static void bury(struct request *r)
{
    struct request_env *env = r->env;
    bool first = env->dead == NULL;
    list_remove(&r->node);
    r->next_dead = env->dead;
    env->dead = r;
    if (first) {
        loop_defer(env->loop, free_dead, env);
    }
}

static void count_end(struct request *r)
{
    struct request_counters *c = r->env->counters;
    if (!uuid_is_nil(&r->mirror_of)) {
        return; /* a copy: nobody asked for it */
    }
    unsigned class = r->status >= 100 && r->status < 600 ? (unsigned)r->status / 100 : 0;
    counter_add(&c->ended, 1);
    counter_add(&c->by_class[class], 1);
}

/* Takes the exchange out of the request: nobody may call back any more. */
static struct exchange *take_exchange(struct request *r)
{
    struct exchange *x = r->exchange;
    r->exchange = NULL;
    exchange_on_gone(x, NULL, NULL);
    exchange_on_drain(x, NULL, NULL);
    return x;
}

/* All of an end but the exchange's. */
static void settle(struct request *r, enum event_outcome outcome)
{
    r->outcome = outcome;
    hedge_end(r);
    if (!r->recorded) {
        holds_undo(r, r->n_attempts + 1); /* what was reserved for a call that is not made */
        relay_settle(r);                  /* asks the call whether anything was sent */
        request_end_attempt(r, outcome, r->error.code);
        stage_record(r);
    }
    holds_release(r); /* behind the event: what it says may be recovered from the spool */
    request_probe_back(r);
    cache_end(r);
    if (r->call) {
        struct upstream_call *call = r->call;
        r->call = NULL;
        upstream_cancel(call);
    }
    request_set_state(r, REQUEST_FINISHED);
}

void request_finish(struct request *r, enum event_outcome outcome, bool broken)
{
    if (r->state == REQUEST_FINISHED) {
        return;
    }
    settle(r, outcome);
    if (r->exchange) {
        struct exchange *x = take_exchange(r);
        if (broken && !r->client_gone) {
            exchange_abort(x);
        } else {
            exchange_end(x);
        }
    }
    count_end(r);
    bury(r);
}

void request_drop(struct request *r)
{
    request_set_state(r, REQUEST_FINISHED);
    bury(r);
}

/* Header fields of a reply: its own, and those that every one has. */
static struct header *reply_headers(struct request *r, size_t *ret_n)
{
    const struct reply *p = &r->reply;
    struct header *list =
        arena_alloc(r->arena, (p->n_headers + 4 + GOVERNED_HEADERS) * sizeof(*list));
    size_t n = 0;
    *ret_n = 0;
    if (!list) {
        return NULL;
    }
    for (size_t i = 0; i < p->n_headers; i++) {
        list[n++] = p->headers[i];
    }
    list[n++] = (struct header){STR_LIT("x-weir-request-id"), str_of(r->id_text)};
    n += request_prompt_header(r, &list[n]);
    n += governed_headers(r, &list[n]);
    if (p->body.len && !(p->content_type.ptr && p->content_type.len == 0)) {
        list[n++] = (struct header){STR_LIT("content-type"),
                                    p->content_type.ptr ? p->content_type
                                                        : str_of(r->dialect->content_type)};
    }
    if (p->allow.ptr) {
        list[n++] = (struct header){STR_LIT("allow"), p->allow};
    }
    *ret_n = n;
    return list;
}

static void send_reply(struct request *r, enum event_outcome outcome)
{
    size_t n = 0;
    struct header *headers = reply_headers(r, &n);
    r->status = r->reply.status;
    cache_note_reply(r, headers, n);
    settle(r, outcome);
    if (r->exchange) {
        exchange_reply(take_exchange(r), r->reply.status, headers, n, r->reply.body);
    }
    count_end(r);
    bury(r);
}

static enum event_outcome reject_outcome(const struct request *r)
{
    const struct attempt *t = r->attempt ? &r->attempts[r->attempt - 1] : NULL;
    if (t && t->ended_ns) {
        return t->outcome;
    }
    switch (r->error.code) {
    case ERR_INTERNAL:
        return EVENT_FAILED;
    case ERR_UPSTREAM_REFUSED:
    case ERR_UPSTREAM_TLS:
    case ERR_UPSTREAM_TIMEOUT:
    case ERR_TIMEOUT:
    case ERR_UPSTREAM_GARBAGE:
    case ERR_UPSTREAM_CLOSED:
        return dispatch_outcome(r->error.code); /* its answer could not be read, or no token came */
    default:
        return EVENT_REFUSED;
    }
}

/* A provider's or Weir's refusal alike tells what could not be carried. */
static void name_losses(struct request *r)
{
    struct str names = r->losses.n ? losses_text(&r->losses, r->arena) : STR_NONE;
    if (names.len) {
        (void)request_reply_header(r, "x-weir-dropped-params", names);
    }
}

static void reject(struct request *r)
{
    assert(r->error.code != ERR_NONE);
    struct failure f = {.error = &r->error,
                        .request_id = str_of(r->id_text),
                        .status = error_status(r->error.code)};
    r->reply.status = f.status;
    r->reply.content_type = STR_NONE;
    r->reply.body = r->dialect->error_body(r->arena, &f);
    if (r->dialect->error_header && r->dialect->error_header_value) {
        (void)request_reply_header(r, r->dialect->error_header, r->dialect->error_header_value(&f));
    }
    name_losses(r);
    if (r->reply.status == 401) {
        counter_add(&r->env->counters->unauthenticated, 1);
    }
    send_reply(r, reject_outcome(r));
}

/* ---- the way ---- */

/* `v` is what the stage at r->stage said, now or later. */
static void follow(struct request *r, enum verdict v)
{
    for (;;) {
        switch (v) {
        case VERDICT_NEXT:
            r->stage++;
            assert(r->stage < N_STAGES);
            v = stages[r->stage].run(r);
            continue;
        case VERDICT_AGAIN:
            r->stage = STAGE_RESERVE;
            assert(stages[r->stage].run == stage_reserve);
            v = stages[r->stage].run(r);
            continue;
        case VERDICT_WAIT:
            if (r->state == REQUEST_RUNNING) {
                request_set_state(r, REQUEST_PARKED);
            }
            return;
        case VERDICT_ANSWERED:
            send_reply(r, r->reply.outcome ? r->reply.outcome : EVENT_OK);
            return;
        default:
            reject(r);
            return;
        }
    }
}

void request_run(struct request *r)
{
    request_set_state(r, REQUEST_RUNNING);
    follow(r, stages[r->stage].run(r));
}

void request_run_from_reserve(struct request *r)
{
    request_set_state(r, REQUEST_RUNNING);
    follow(r, VERDICT_AGAIN);
}

void request_resume(struct request *r, enum verdict v)
{
    request_set_state(r, REQUEST_RUNNING);
    follow(r, v);
}

void request_end_all(struct request_env *env)
{
    struct error err = ERROR_INIT;
    (void)error_set(&err, ERR_OVERLOADED, "the proxy is shutting down");
    env->ending = true;
    while (!list_empty(&env->live)) {
        struct request *r = LIST_ENTRY(env->live.next, struct request, node);
        if (r->relay) {
            relay_on_error(r, &err);
        } else {
            r->error = err;
            relay_settle(r);
            request_end_attempt(r, EVENT_FAILED, err.code);
            request_resume(r, VERDICT_REJECT);
        }
    }
    free_dead(env);
    token_post_release(env);
    token_memo_free(env->token_memo);
    env->token_memo = NULL;
}

static void on_gone(void *arg)
{
    struct request *r = arg;
    r->client_gone = true;
    if (r->status == 0) {
        r->status = error_status(ERR_CLIENT_GONE);
    }
    (void)error_set(&r->error, ERR_CLIENT_GONE, "client closed the connection");
    request_finish(r, EVENT_CLIENT_GONE, false);
}

void request_on_exchange(void *arg, struct exchange *x)
{
    struct request_env *env = arg;
    counter_add(&env->counters->requests, 1);
    struct request *r = request_new(env, x);
    exchange_on_gone(x, on_gone, r);
    request_run(r);
}

/* No request existed yet, but its path may have been read: each SDK finds its own shape. */
void request_on_bad_exchange(void *arg, struct exchange *x, const struct error *err)
{
    struct request_env *env = arg;
    struct uuid id = uuid_v7();
    char text[40];
    uuid_format_public("req", &id, text, sizeof(text));
    struct arena *a = request_env_arena(env);
    const struct dialect *d = parse_dialect(a, x);
    struct header headers[3] = {
        {STR_LIT("x-weir-request-id"), str_of(text)},
        {STR_LIT("content-type"), str_of(d->content_type)},
    };
    size_t n = 2;
    counter_add(&env->counters->malformed, 1);
    struct failure f = {
        .error = err, .request_id = str_of(text), .status = error_status(err->code)};
    if (d->error_header && d->error_header_value) {
        headers[n++] = (struct header){str_of(d->error_header), d->error_header_value(&f)};
    }
    exchange_reply(x, f.status, headers, n, d->error_body(a, &f));
    request_env_arena_back(env, a);
}
