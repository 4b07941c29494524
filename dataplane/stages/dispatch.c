/* dispatch: the open record first, then the request to the candidate at hand; parked until the
 * provider's head is there. Which failures lead on is decided in one place, attempts.c. (The
 * upstream client itself repeats a call once on a fresh connection when a pooled one turns out to
 * be stale.) */
#include <assert.h>

#include "common/base/clock.h"
#include "common/log.h"
#include "dataplane/request/holds.h"
#include "dataplane/stages/answer.h"
#include "dataplane/stages/event.h"
#include "dataplane/stages/hedge.h"
#include "dataplane/stages/mirror.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stream/translation.h"
#include "dataplane/upstream/client.h"

/* Room kept in the spool for the event behind its open. */
#define EVENT_RESERVE 4096
/* A request's own time, ms: what a config may say. */
#define OWN_TIMEOUT_MAX 86400000u

/* Which of a request's calls a callback is of. */
struct call_of {
    struct request *request;
    struct upstream_call *call;
};

enum event_outcome dispatch_outcome(enum error_code code)
{
    return code == ERR_UPSTREAM_TIMEOUT || code == ERR_TIMEOUT ? EVENT_TIMEOUT
                                                               : EVENT_PROVIDER_ERROR;
}

/* What the request itself says, as Portkey's clients do, where its config says nothing. */
static uint64_t own_timeout(const struct request *r, const struct candidate *c)
{
    struct str said = request_header(r, "x-portkey-request-timeout");
    uint64_t ms = 0;
    if (c->settings && c->settings->request_timeout_ms) {
        return c->settings->request_timeout_ms;
    }
    return said.len && str_to_u64(said, &ms) && ms <= OWN_TIMEOUT_MAX ? ms : 0;
}

/* It was for the caller to say, and others than its workspace share the provider: that it came too
 * late for this one opens no breaker for them. */
static bool is_callers_time(const struct request *r, const struct candidate *c)
{
    if (c->settings && c->settings->request_timeout_ms) {
        return c->callers;
    }
    return own_timeout(r, c) != 0 && !uuid_eq(&c->provider->workspace_id, &r->key->workspace_id);
}

static bool attempt_begin(struct request *r, struct candidate *c)
{
    struct attempt *t = request_attempt_new(r);
    if (!t) {
        return false;
    }
    t->provider = c->provider;
    t->model = c->model;
    t->started_ns = clock_mono_ns();
    t->kind = c->kind;
    t->option = c->option;
    t->credential = c->credential_number;
    t->bound_nanousd = r->bound_nanousd;
    t->state = c->state;
    t->breaker = c->settings ? &c->settings->breaker : NULL;
    t->callers_time = is_callers_time(r, c);
    t->probe = c->probe;
    c->probe = false;
    if (t->state) {
        target_started(t->state, t->started_ns / 1000000);
        target_spend(t->state, routing_prompt_tokens(r));
    }
    return true;
}

/* Nothing was sent after all. */
static void attempt_undo(struct request *r)
{
    struct attempt *t = request_attempt(r);
    struct target_outcome o = {.counts = false, .now_ms = clock_mono_ms()};
    if (t->state) {
        target_finished(t->state, t->breaker, &o, t->probe);
    }
    holds_undo(r, r->attempt);
    *t = (struct attempt){.provider = NULL};
    r->attempt = --r->n_attempts;
}

/* What is wrong with the spool is the operator's business: logged when it begins, not for every
 * request that it costs. */
static bool refuse_unaccounted(struct request *r)
{
    if (!r->env->spool_refuses) {
        r->env->spool_refuses = true;
        log_write(LOG_ERROR, "spool_full", "requests are refused: their usage cannot be recorded",
                  LOG_Z("error", error_text(&r->error)));
    }
    return error_set(&r->error, r->error.code,
                     "usage cannot be recorded now, so the request was not sent");
}

static bool open_record(struct request *r)
{
    struct buffer *out = &r->env->record;
    struct event e;
    struct event_attempt attempts[REQUEST_MAX_ATTEMPTS];
    event_of_request(r, &e, attempts);
    buffer_clear(out);
    if (!event_write_open(&e, out)) {
        return error_set(&r->error, ERR_INTERNAL, "the usage record is too large");
    }
    size_t reserve = EVENT_RESERVE + out->len;
    if (!spool_append_open(r->env->spool, &r->id, buffer_str(out), reserve, &r->error)) {
        return refuse_unaccounted(r);
    }
    if (r->env->spool_refuses) {
        r->env->spool_refuses = false;
        log_write(LOG_INFO, "spool_has_room", "requests are accepted again");
    }
    r->opened = true;
    return true;
}

static void on_head(void *arg, const struct upstream_answer *a)
{
    struct call_of *c = arg;
    struct request *r = c->request;
    if (r->hedge && !hedge_answered(r, c->call, a)) {
        return; /* the other one runs on */
    }
    struct attempt *t = request_attempt(r);
    t->status = a->status;
    if (!t->first_byte_ns) {
        t->first_byte_ns = clock_mono_ns(); /* of a series: its first call's */
    }
    if (t->state) {
        attempt_learn(r, a->headers, a->n_headers);
    }
    r->answer = a;
    request_resume(r, VERDICT_NEXT);
    r->answer = NULL;
}

static void on_data(void *arg, struct str piece)
{
    const struct call_of *c = arg;
    relay_on_data(c->request, piece);
}

static void on_end(void *arg)
{
    const struct call_of *c = arg;
    c->request->call = NULL;
    relay_on_end(c->request);
}

/* Portkey's clients look for 408 where their own time is over, and may list it. */
static enum error_code dispatch_code(const struct request *r, enum error_code code)
{
    bool own = own_timeout(r, &r->candidates[r->candidate]) != 0;
    return code == ERR_UPSTREAM_TIMEOUT && own ? ERR_TIMEOUT : code;
}

/* Where a provider lives and why it failed is the operator's business and goes to the log; the
 * client learns which provider, and the code. */
static void on_error(void *arg, const struct error *err)
{
    const struct call_of *c = arg;
    struct request *r = c->request;
    if (r->hedge && hedge_failed(r, c->call, err)) {
        return;
    }
    struct str provider = request_attempt(r)->provider->name;
    struct error plain = {.code = err->code, .offset = -1}, shown = ERROR_INIT;
    if (err->code == ERR_UPSTREAM_TIMEOUT || (r->translation && r->translation->n_done > 0)) {
        relay_settle(r); /* it had the request (or those before it), and may bill for it */
    }
    r->call = NULL;
    log_write(LOG_WARN, "provider_failed", error_text(err), LOG_Z("request", r->id_text),
              LOG_S("provider", provider), LOG_Z("code", error_code_name(err->code)));
    if (!r->relay) {
        plain.code = dispatch_code(r, err->code);
    }
    (void)error_set(&shown, plain.code, "%s (provider '%.*s')", error_text(&plain),
                    STR_ARG(str_slice(provider, 0, 64)));
    if (r->relay) {
        relay_on_error(r, &shown);
        return;
    }
    struct attempt_failure f = {.code = shown.code,
                                .outcome = dispatch_outcome(shown.code),
                                .status = error_status(shown.code)};
    enum verdict next;
    r->error = shown;
    if (attempt_failed(r, &f, &next)) {
        request_resume(r, next);
        return;
    }
    request_end_attempt(r, f.outcome, f.code);
    answer_way(r);
    request_resume(r, VERDICT_REJECT);
}

static const struct upstream_ops ops = {on_head, on_data, on_end, on_error};

static unsigned timeout_of(const struct request *r, const struct candidate *c)
{
    const struct snap_provider *p = c->provider;
    uint64_t ms = p->timeout_ms ? p->timeout_ms : r->env->policy->upstream_timeout_ms;
    if (c->step && c->step->timeout_ms) {
        ms = c->step->timeout_ms;
    }
    uint64_t own = own_timeout(r, c);
    ms = own ? own : ms;
    return ms < UINT32_MAX ? (unsigned)ms : UINT32_MAX;
}

bool dispatch_call(struct request *r)
{
    struct candidate *c = &r->candidates[r->candidate];
    const struct snap_provider *p = c->provider;
    struct upstream_origin origin = {.tls = p->tls, .host = p->host, .port = p->port};
    struct call_of *mine = arena_zalloc(r->arena, sizeof(*mine));
    /* the further calls of a series belong to the attempt that stands */
    bool goes_on = r->translation && r->translation->n_done > 0;
    if (!mine || (!goes_on && !attempt_begin(r, c))) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for an attempt");
    }
    if (!goes_on && !open_record(r)) {
        /* nothing was sent: no attempt to account for */
        attempt_undo(r);
        return false;
    }
    if (!goes_on) {
        holds_sent(r, r->attempt);
    }
    mine->request = r;
    r->call = mine->call =
        upstream_send(r->env->upstream, &origin, r->upstream_head, r->upstream_body,
                      timeout_of(r, c), r->env->policy->upstream_gap_timeout_ms, &ops, mine);
    assert(r->call);
    return true;
}

enum verdict stage_dispatch(struct request *r)
{
    if (!dispatch_call(r)) {
        return VERDICT_REJECT;
    }
    hedge_arm(r);
    mirror_send(r);
    return VERDICT_WAIT;
}
