/* dispatch: the open record first, then the request to the candidate at hand; parked until the
 * provider's head is there. Which failures lead to the next candidate is decided in one place,
 * dispatch_next_candidate. (The upstream client itself repeats a call once on a fresh connection
 * when a pooled one turns out to be stale.) */
#include <assert.h>

#include "common/base/clock.h"
#include "common/log.h"
#include "dataplane/stages/event.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stream/translation.h"
#include "dataplane/upstream/client.h"

/* Room kept in the spool for the event behind its open. */
#define EVENT_RESERVE 4096

enum event_outcome dispatch_outcome(enum error_code code)
{
    return code == ERR_UPSTREAM_TIMEOUT ? EVENT_TIMEOUT : EVENT_PROVIDER_ERROR;
}

static size_t most_attempts(const struct request *r)
{
    return r->kind != REQUEST_UNIVERSAL             ? 1
           : r->n_candidates < REQUEST_MAX_ATTEMPTS ? r->n_candidates
                                                    : REQUEST_MAX_ATTEMPTS;
}

static struct attempt *attempt_new(struct request *r, const struct candidate *c)
{
    if (!r->attempts) {
        r->attempts = arena_zalloc(r->arena, most_attempts(r) * sizeof(*r->attempts));
    }
    if (!r->attempts || r->n_attempts == most_attempts(r)) {
        return NULL;
    }
    struct attempt *t = &r->attempts[r->n_attempts++];
    t->provider = c->provider;
    t->model = c->model;
    t->started_ns = clock_mono_ns();
    return t;
}

bool dispatch_next_candidate(struct request *r, enum event_outcome outcome, enum error_code code)
{
    if (r->kind != REQUEST_UNIVERSAL || r->candidate + 1 >= r->n_candidates || r->status != 0 ||
        r->n_attempts == most_attempts(r)) {
        return false;
    }
    relay_settle(r);
    request_end_attempt(r, outcome, code);
    if (r->call) {
        struct upstream_call *call = r->call;
        r->call = NULL;
        upstream_cancel(call);
    }
    r->relay = NULL;
    r->error = (struct error)ERROR_INIT;
    r->candidate++;
    return true;
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
    struct request *r = arg;
    struct attempt *t = request_attempt(r);
    t->status = a->status;
    t->first_byte_ns = clock_mono_ns();
    r->answer = a;
    request_resume(r, VERDICT_NEXT);
    r->answer = NULL;
}

static void on_data(void *arg, struct str piece)
{
    relay_on_data(arg, piece);
}

static void on_end(void *arg)
{
    struct request *r = arg;
    r->call = NULL;
    relay_on_end(r);
}

/* Where a provider lives and why it failed is the operator's business and goes to the log; the
 * client learns which provider, and the code. */
static void on_error(void *arg, const struct error *err)
{
    struct request *r = arg;
    struct str provider = request_attempt(r)->provider->name;
    struct error plain = {.code = err->code, .offset = -1}, shown = ERROR_INIT;
    if (err->code == ERR_UPSTREAM_TIMEOUT || (r->translation && r->translation->n_done > 0)) {
        relay_settle(r); /* it had the request (or those before it), and may bill for it */
    }
    r->call = NULL;
    log_write(LOG_WARN, "provider_failed", error_text(err), LOG_Z("request", r->id_text),
              LOG_S("provider", provider), LOG_Z("code", error_code_name(err->code)));
    (void)error_set(&shown, err->code, "%s (provider '%.*s')", error_text(&plain),
                    STR_ARG(str_slice(provider, 0, 64)));
    if (r->relay) {
        relay_on_error(r, &shown);
        return;
    }
    if (dispatch_next_candidate(r, dispatch_outcome(err->code), err->code)) {
        request_resume(r, VERDICT_AGAIN);
        return;
    }
    r->error = shown;
    request_end_attempt(r, dispatch_outcome(err->code), err->code);
    request_resume(r, VERDICT_REJECT);
}

static const struct upstream_ops ops = {on_head, on_data, on_end, on_error};

enum verdict stage_dispatch(struct request *r)
{
    const struct candidate *c = &r->candidates[r->candidate];
    const struct snap_provider *p = c->provider;
    const struct request_policy *policy = r->env->policy;
    struct upstream_origin origin = {.tls = p->tls, .host = p->host, .port = p->port};
    unsigned timeout_ms = p->timeout_ms ? (unsigned)p->timeout_ms : policy->upstream_timeout_ms;
    if (c->step && c->step->timeout_ms && c->step->timeout_ms < UINT32_MAX) {
        timeout_ms = (unsigned)c->step->timeout_ms;
    }
    /* the further calls of a series belong to the attempt that stands */
    bool goes_on = r->translation && r->translation->n_done > 0;
    if (!goes_on && !attempt_new(r, c)) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for an attempt");
        return VERDICT_REJECT;
    }
    if (!goes_on && !open_record(r)) {
        /* nothing was sent: no attempt to account for */
        r->n_attempts--;
        return VERDICT_REJECT;
    }
    r->call = upstream_send(r->env->upstream, &origin, r->upstream_head, r->upstream_body,
                            timeout_ms, policy->upstream_gap_timeout_ms, &ops, r);
    assert(r->call);
    return VERDICT_WAIT;
}
