/* relay: the provider's answer to the client, through the sinks. Bytes pass as they came; the one
 * thing that ever waits is an event of a stream that is not whole yet, while a chunk may have to be
 * hidden. The usage event is written before the last byte leaves: with the last piece of a body of
 * known length, at [DONE] of a stream, else at the end. */
#include "common/base/clock.h"
#include "dataplane/canonical/head.h"
#include "dataplane/stages/headers.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stream/sink.h"
#include "dataplane/upstream/client.h"

#define EVENT_MAX (1u << 20) /* a larger event of a stream passes unread */
#define OWN_HEADERS 3

static struct str answer_header(const struct upstream_answer *a, const char *name)
{
    for (size_t i = 0; i < a->n_headers; i++) {
        if (str_eq_nocase(a->headers[i].name, str_of(name))) {
            return a->headers[i].value;
        }
    }
    return STR_NONE;
}

/* The provider's own id of the call; what is not plain text would not do as one, and an event holds
 * nothing that a database might refuse. */
static struct str request_id_of(const struct upstream_answer *a)
{
    struct str id = str_slice(answer_header(a, "x-request-id"), 0, 95);
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~') {
            return STR_NONE;
        }
    }
    return id;
}

static bool is_event_stream(const struct upstream_answer *a)
{
    static const struct str type = STR_LIT("text/event-stream");
    struct str value = answer_header(a, "content-type");
    return a->status < 300 && str_eq_nocase(str_slice(value, 0, type.len), type) &&
           answer_header(a, "content-encoding").len == 0;
}

/* ---- ends ---- */

void relay_settle(struct request *r)
{
    struct attempt *t = request_attempt(r);
    bool sent = r->relay || (r->call && upstream_sent(r->call));
    if (t && !t->ended_ns && sent) {
        meter_settle(r, r->relay, t);
    }
}

/* Everything about the answer is known: the event goes to the spool now. */
static void conclude(struct request *r, enum event_outcome outcome, enum error_code error)
{
    if (r->recorded) {
        return;
    }
    r->outcome = outcome;
    relay_settle(r);
    request_end_attempt(r, outcome, error);
    stage_record(r);
}

static enum event_outcome outcome_of_answer(const struct request *r)
{
    return r->status >= 400 || r->relay->failed ? EVENT_PROVIDER_ERROR : EVENT_OK;
}

static void finish_well(struct request *r)
{
    enum event_outcome outcome = outcome_of_answer(r);
    conclude(r, outcome, ERR_NONE);
    sinks_flush(r->relay);
    request_finish(r, outcome, false);
}

/* The provider's answer broke off: said so in a stream, and visible in any case. */
static void finish_cut(struct request *r, const struct error *err)
{
    struct relay *rl = r->relay;
    enum event_outcome outcome = err->code == ERR_UPSTREAM_TIMEOUT ? EVENT_TIMEOUT : EVENT_CUT;
    r->error = *err;
    conclude(r, outcome, err->code);
    sinks_flush(rl);
    if (rl->events && r->exchange) {
        if (rl->torn) {
            (void)exchange_send(r->exchange, STR_LIT("\n\n"));
        }
        struct failure f = {.error = err, .request_id = str_of(r->id_text)};
        (void)exchange_send(r->exchange, r->dialect->error_event(r->arena, &f, FRAMING_SSE));
    }
    request_finish(r, outcome, true);
}

/* ---- events ---- */

static enum sse_verdict on_event(void *arg, const struct sse_event *e)
{
    struct relay *rl = arg;
    struct request *r = rl->request;
    if (r->state == REQUEST_FINISHED) {
        return SSE_DROP;
    }
    enum sse_verdict v = sinks_event(rl, e);
    if (rl->chunk == OPENAI_CHUNK_ERROR) {
        rl->failed = true;
    } else if (rl->chunk == OPENAI_CHUNK_DONE) {
        rl->done = true;
        conclude(r, outcome_of_answer(r), ERR_NONE);
    }
    return v;
}

static void on_event_bytes(void *arg, struct str bytes)
{
    sinks_bytes(arg, bytes);
}

static const struct sse_ops filtering_ops = {on_event, on_event_bytes};
static const struct sse_ops looking_ops = {on_event, NULL};

static void release_reader(void *arg)
{
    sse_reader_release(arg);
}

/* ---- the provider's callbacks ---- */

void relay_on_data(struct request *r, struct str piece)
{
    struct relay *rl = r->relay;
    if (r->state == REQUEST_FINISHED) {
        return;
    }
    if (!r->first_byte_ns) {
        r->first_byte_ns =
            clock_mono_ns(); /* it leaves in this turn; the event may be written before */
    }
    rl->received += piece.len;
    rl->piece = piece;
    if (rl->events) {
        sse_feed(&rl->sse, piece);
    }
    if (!rl->filtering) {
        sinks_bytes(rl, piece);
    }
    if (rl->content_length >= 0 && rl->received == (uint64_t)rl->content_length && !rl->events) {
        conclude(r, outcome_of_answer(r), ERR_NONE);
    }
    sinks_flush(rl);
    rl->piece = STR_NONE;
}

/* A chat answer that ended by its framing but not by itself was cut, whatever the framing says: one
 * that ends with its connection cannot tell the two apart. A stream ends with [DONE], or has said
 * why it stopped or failed; a body has closed its object. */
static bool answer_is_whole(const struct request *r, const struct relay *rl)
{
    if (r->kind != REQUEST_CHAT || r->status >= 300) {
        return true;
    }
    if (!rl->events) {
        return !rl->reader || rl->reader->depth == 0;
    }
    return rl->done || rl->failed || rl->usage.finish_reason_len || rl->usage.found;
}

void relay_on_end(struct request *r)
{
    struct relay *rl = r->relay;
    struct error err = ERROR_INIT;
    if (r->state == REQUEST_FINISHED) {
        return;
    }
    if (rl->events) {
        rl->torn = sse_mid_event(&rl->sse);
        sse_finish(&rl->sse);
    }
    if (!answer_is_whole(r, rl)) {
        (void)error_set(&err, ERR_UPSTREAM_CLOSED, "the provider's answer ended before its end");
        finish_cut(r, &err);
        return;
    }
    finish_well(r);
}

void relay_on_error(struct request *r, const struct error *err)
{
    struct relay *rl = r->relay;
    if (r->state == REQUEST_FINISHED) {
        return;
    }
    if (rl->done || rl->failed) {
        finish_well(r); /* all that the client waits for is there */
        return;
    }
    /* what a filter holds back has not gone out; all else has, and what follows must not be read as
     * a part of it */
    rl->torn = rl->events && sse_mid_event(&rl->sse) && (!rl->filtering || rl->sse.too_large);
    finish_cut(r, err);
}

/* ---- the head ---- */

static struct header *answer_headers(struct request *r, const struct upstream_answer *a,
                                     size_t *ret_n)
{
    const struct candidate *c = &r->candidates[0];
    struct header *list = arena_alloc(r->arena, (a->n_headers + OWN_HEADERS) * sizeof(*list));
    size_t n = 0;
    if (!list) {
        return NULL;
    }
    for (size_t i = 0; i < a->n_headers; i++) {
        if (header_comes_down(a->headers[i].name)) {
            list[n++] = a->headers[i];
        }
    }
    list[n++] = (struct header){STR_LIT("x-weir-request-id"), str_of(r->id_text)};
    if (head_value_ok(c->provider->name)) {
        list[n++] = (struct header){STR_LIT("x-weir-provider"), c->provider->name};
    }
    if (c->model.ptr && head_value_ok(c->model)) {
        list[n++] = (struct header){STR_LIT("x-weir-model"), c->model};
    }
    *ret_n = n;
    return list;
}

static struct relay *relay_new(struct request *r, const struct upstream_answer *a)
{
    struct relay *rl = arena_zalloc(r->arena, sizeof(*rl));
    if (!rl) {
        return NULL;
    }
    rl->request = r;
    rl->content_length = a->content_length;
    rl->events = is_event_stream(a);
    rl->filtering = rl->events && r->hide_usage;
    if (rl->events) {
        sse_reader_init(&rl->sse, EVENT_MAX, rl->filtering ? &filtering_ops : &looking_ops, rl);
        if (!arena_on_release(r->arena, release_reader, &rl->sse)) {
            sse_reader_release(&rl->sse);
            return NULL;
        }
    }
    return rl;
}

enum verdict stage_relay(struct request *r)
{
    const struct upstream_answer *a = r->answer;
    struct attempt *t = request_attempt(r);
    size_t n = 0;
    struct header *headers = answer_headers(r, a, &n);
    struct relay *rl = relay_new(r, a);
    t->upstream_request_id = arena_str(r->arena, request_id_of(a));
    if (!headers || !rl) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the answer");
        return VERDICT_REJECT;
    }
    r->relay = rl;
    r->status = a->status;
    r->stream = r->stream || rl->events;
    request_set_state(r, REQUEST_RELAYING);
    exchange_start(r->exchange, a->status, headers, n, rl->filtering ? -1 : a->content_length,
                   rl->events);
    return VERDICT_WAIT;
}
