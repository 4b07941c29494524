/* relay: the provider's answer to the client, in one of four ways. Where the client speaks the
 * provider's dialect the bytes pass as they came, through the sinks; the one thing that ever waits
 * is an event of a stream that is not whole yet, while a chunk may have to be hidden. Else a stream
 * is translated event by event, and what is no stream, or is wanted as none, is collected and
 * answered whole (answer.c), as are a provider's failures (failure.c).
 *
 * The usage event is written before the last byte leaves: with the last piece of a body of known
 * length, at [DONE] or another dialect's own end of a stream, else at the end. */
#include "common/base/clock.h"
#include "dataplane/stages/answer.h"
#include "dataplane/stages/hold.h"
#include "dataplane/stages/outgoing.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stream/sink.h"
#include "dataplane/upstream/client.h"

#define EVENT_MAX (1u << 20)   /* a larger event of a stream passes unread */
#define BESIDE_MAX (16u << 20) /* a larger body passes unread */

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
    static const char *const names[] = {"x-request-id", "request-id", "x-amzn-requestid",
                                        "apim-request-id"};
    struct str id = STR_NONE;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !id.len; i++) {
        id = str_slice(answer_header(a, names[i]), 0, 95);
    }
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~') {
            return STR_NONE;
        }
    }
    return id;
}

static enum framing framing_of(const struct upstream_answer *a)
{
    struct str coding = answer_header(a, "content-encoding");
    if (a->status >= 300 || (coding.len && !str_eq_nocase(coding, STR_LIT("identity")))) {
        return FRAMING_NONE;
    }
    return framing_of_type(answer_header(a, "content-type"));
}

/* The operation that the provider answers to, as far as it is known. */
static enum provider_api answered_api(const struct request *r)
{
    const struct candidate *c = &r->candidates[r->candidate];
    return c->endpoint ? c->endpoint->api : c->step ? c->api : r->face_api;
}

/* ---- ends ---- */

void relay_settle(struct request *r)
{
    struct attempt *t = request_attempt(r);
    bool sent = r->relay || (r->call && upstream_sent(r->call)) ||
                (r->translation && r->translation->n_done > 0);
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
    if (r->relay && r->relay->holding) {
        r->status = hold_status(r->relay); /* it goes out behind the event */
    }
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
    hold_release(r->relay);
    request_finish(r, outcome, false);
}

/* What was collected is nothing to answer with: the client gets Weir's own error. */
static void reject_collected(struct request *r, const struct error *err, enum event_outcome outcome)
{
    struct attempt_failure f = {
        .code = err->code, .outcome = outcome, .status = error_status(err->code)};
    enum verdict next;
    r->error = *err;
    if (attempt_failed(r, &f, &next)) {
        request_resume(r, next);
        return;
    }
    relay_settle(r);
    request_end_attempt(r, outcome, err->code);
    request_resume(r, VERDICT_REJECT);
}

/* What was collected has its end; what cannot be read is a failure like any other. */
static void answer_collected(struct request *r, enum verdict v)
{
    struct error err = r->error;
    if (v == VERDICT_REJECT && err.code == ERR_UPSTREAM_GARBAGE) {
        reject_collected(r, &err, dispatch_outcome(err.code));
        return;
    }
    request_resume(r, v);
}

/* A responses stream counts its events, so its encoder writes the last one too. */
static void say_cut(struct request *r, struct relay *rl, const struct error *err)
{
    struct failure f = {
        .error = err, .request_id = str_of(r->id_text), .status = error_status(err->code)};
    if (rl->way == RELAY_STREAM && rl->to && rl->to->family == FAMILY_RESPONSES) {
        buffer_clear(&rl->out);
        chunks_fail(rl, err);
        deliver_send(rl, buffer_str(&rl->out));
        return;
    }
    deliver_send(rl, r->dialect->error_event(r->arena, &f, rl->framing));
}

/* The provider's answer broke off: said so in a stream, and visible in any case. */
static void finish_cut(struct request *r, const struct error *err)
{
    struct relay *rl = r->relay;
    enum event_outcome outcome = err->code == ERR_UPSTREAM_TIMEOUT ? EVENT_TIMEOUT : EVENT_CUT;
    if (rl->way == RELAY_WHOLE || rl->way == RELAY_FOLD || rl->holding) {
        reject_collected(r, err, dispatch_outcome(err->code));
        return;
    }
    r->error = *err;
    conclude(r, outcome, err->code);
    sinks_flush(rl);
    if (rl->framing != FRAMING_NONE && r->exchange) {
        if (rl->torn) {
            deliver_send(rl, STR_LIT("\n\n"));
        }
        say_cut(r, rl, err);
    }
    request_finish(r, outcome, true);
}

/* ---- events ---- */

static enum sse_verdict on_event(void *arg, const struct sse_event *e)
{
    struct relay *rl = arg;
    struct request *r = rl->request;
    if (r->state == REQUEST_FINISHED || r->relay != rl) {
        return SSE_DROP;
    }
    enum sse_verdict v = sinks_event(rl, e);
    if (rl->chunk == OPENAI_CHUNK_ERROR) {
        rl->failed = true;
    } else if (rl->chunk == OPENAI_CHUNK_DONE) {
        rl->done = true;
        if (!rl->failed) {
            hold_release(rl);
        }
        if (!rl->holding) {
            conclude(r, outcome_of_answer(r), ERR_NONE);
        }
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

/* ---- a codec's streams ---- */

/* What the codec has written so far, to the client. The event goes first when this is the end. */
static void send_chunks(struct request *r, struct relay *rl)
{
    if (hold_failed(rl)) {
        return;
    }
    hold_look(rl);
    if (rl->done || rl->failed) {
        conclude(r, outcome_of_answer(r), ERR_NONE);
    }
    if (rl->out.len) {
        deliver_send(rl, buffer_str(&rl->out));
        buffer_clear(&rl->out);
    }
}

static void garbled(const struct relay *rl, struct error *ret)
{
    *ret = rl->frames->error;
    if (ret->code == ERR_NONE) {
        (void)error_set(ret, ERR_UPSTREAM_GARBAGE, "the provider's stream cannot be read");
    }
}

static void on_stream_data(struct request *r, struct relay *rl, struct str piece)
{
    struct error err;
    bool ok = chunks_feed(rl, piece);
    if (rl->way == RELAY_STREAM) {
        send_chunks(r, rl);
    }
    if (!ok && r->state != REQUEST_FINISHED && r->relay == rl && !rl->done && !rl->failed) {
        garbled(rl, &err);
        finish_cut(r, &err);
    }
}

static void on_stream_end(struct request *r, struct relay *rl)
{
    struct error err = ERROR_INIT;
    chunks_finish(rl);
    if (rl->way == RELAY_STREAM) {
        send_chunks(r, rl);
    }
    if (r->state == REQUEST_FINISHED || r->relay != rl) {
        return;
    }
    if (rl->frames->error.code || rl->garbled) {
        garbled(rl, &err);
        finish_cut(r, &err);
    } else if (!rl->done && !rl->failed) {
        (void)error_set(&err, ERR_UPSTREAM_CLOSED, "the provider's answer ended before its end");
        finish_cut(r, &err);
    } else if (rl->way == RELAY_STREAM) {
        finish_well(r);
    } else if (rl->failed) {
        (void)error_set(&err, ERR_UPSTREAM_GARBAGE, "the provider failed within its answer");
        finish_cut(r, &err);
    } else {
        answer_collected(r, answer_folded(r, rl));
    }
}

static void on_whole_data(struct request *r, struct relay *rl, struct str piece)
{
    struct error err = ERROR_INIT;
    if (rl->whole.failed || buffer_append_str(&rl->whole, piece) || r->status >= 400 ||
        request_attempt(r)->status >= 400) {
        return; /* a failure's text may be cut */
    }
    (void)error_set(&err, ERR_UPSTREAM_GARBAGE, "the provider's answer is too large");
    finish_cut(r, &err);
}

static void on_whole_end(struct request *r, struct relay *rl)
{
    bool failed = request_attempt(r)->status >= 400;
    if (failed) {
        request_resume(r, answer_failure(r, rl));
    } else {
        answer_collected(r, answer_whole(r, rl));
    }
}

/* Beside a pass: what cannot be read goes to the client all the same. */
static void look_at(struct relay *rl, struct str piece)
{
    if (!rl->from) {
        (void)buffer_append_str(&rl->whole, piece);
    } else if (!rl->garbled) {
        (void)chunks_feed(rl, piece);
    }
}

static void look_at_end(struct request *r, struct relay *rl)
{
    struct exchange_context x;
    if (rl->from) {
        chunks_finish(rl);
    } else if (!rl->heard.whole && r->status < 300) {
        translation_context(r, &r->candidates[r->candidate], &x);
        heard_body(rl, answered_api(r), &x);
        if (rl->told_input && !rl->heard.usage.input_found) {
            rl->heard.usage.found = rl->heard.usage.input_found = true;
            rl->heard.usage.input = rl->told_input;
        }
    }
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
    if (rl->way == RELAY_WHOLE) {
        on_whole_data(r, rl, piece);
        return;
    }
    if (rl->way != RELAY_PASS) {
        on_stream_data(r, rl, piece);
        return;
    }
    rl->piece = piece;
    if (rl->events) {
        sse_feed(&rl->sse, piece);
    } else if (rl->looking) {
        look_at(rl, piece);
    }
    if (!rl->filtering) {
        sinks_bytes(rl, piece);
    }
    bool last = rl->content_length >= 0 && rl->received == (uint64_t)rl->content_length;
    if (last && rl->looking) {
        look_at_end(r, rl);
    }
    if (rl->holding) {
        sinks_flush(rl);
        rl->piece = STR_NONE;
        if (hold_failed(rl) || (last && hold_garbled(rl))) {
            return;
        }
        hold_look(rl);
        rl->piece = piece;
    }
    if ((last && !rl->events) || (rl->looking && (rl->done || rl->failed))) {
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
    if (rl->looking) {
        return !rl->from || rl->done || rl->failed || rl->garbled || rl->heard.finish_seen ||
               r->kind == REQUEST_NATIVE || r->kind == REQUEST_UNIVERSAL;
    }
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
    if (rl->way == RELAY_WHOLE) {
        on_whole_end(r, rl);
        return;
    }
    if (rl->way != RELAY_PASS) {
        on_stream_end(r, rl);
        return;
    }
    if (rl->events) {
        rl->torn = sse_mid_event(&rl->sse);
        sse_finish(&rl->sse);
    } else if (rl->looking) {
        look_at_end(r, rl);
    }
    if (hold_failed(rl)) {
        return;
    }
    if (!answer_is_whole(r, rl)) {
        (void)error_set(&err, ERR_UPSTREAM_CLOSED, "the provider's answer ended before its end");
        finish_cut(r, &err);
        return;
    }
    if (!hold_garbled(rl)) {
        finish_well(r);
    }
}

void relay_on_error(struct request *r, const struct error *err)
{
    struct relay *rl = r->relay;
    if (r->state == REQUEST_FINISHED) {
        return;
    }
    if (hold_failed(rl)) {
        return;
    }
    if ((rl->done || rl->failed) && rl->way != RELAY_FOLD) {
        finish_well(r); /* all that the client waits for is there */
        return;
    }
    if (rl->done) {
        answer_collected(r, answer_folded(r, rl));
        return;
    }
    if (rl->way != RELAY_PASS || rl->looking) {
        rl->torn = rl->way == RELAY_PASS && rl->framing == FRAMING_SSE;
        finish_cut(r, err);
        return;
    }
    /* what a filter holds back has not gone out; all else has, and what follows must not be read as
     * a part of it */
    rl->torn = rl->events && sse_mid_event(&rl->sse) && (!rl->filtering || rl->sse.too_large);
    finish_cut(r, err);
}

/* ---- the head ---- */

static bool collect(struct relay *rl, size_t max)
{
    buffer_init(&rl->whole, max);
    return arena_keep_buffer(rl->request->arena, &rl->whole);
}

/* How the client wants its stream. */
static enum framing client_framing(const struct request *r)
{
    if (r->client_framing != FRAMING_NONE) {
        return r->client_framing;
    }
    return r->translation && r->translation->face_chat ? r->translation->face_chat->framing
                                                       : FRAMING_SSE;
}

/* OpenAI's answers have a reader of their own, which needs no event whole; all others are read by
 * their codec, beside. */
static bool set_up_pass(struct request *r, struct relay *rl, enum framing framing)
{
    enum provider_api api = answered_api(r);
    const struct chat_codec *codec = dialect_chat_codec(api);
    bool own = api == API_NONE || api == API_CHAT || api == API_EMBEDDINGS;
    rl->framing = framing;
    own = own || (framing != FRAMING_NONE && (!codec || !codec->decoder_new));
    rl->looking = !own && request_attempt(r)->status < 300;
    rl->events = framing == FRAMING_SSE && !rl->looking;
    rl->filtering = rl->events && r->hide_usage;
    if (rl->events) {
        sse_reader_init(&rl->sse, EVENT_MAX, rl->filtering ? &filtering_ops : &looking_ops, rl);
        if (!arena_on_release(r->arena, release_reader, &rl->sse)) {
            sse_reader_release(&rl->sse);
            return false;
        }
    }
    if (!rl->looking) {
        return true;
    }
    if (framing == FRAMING_NONE && r->client_framing == FRAMING_JSON_ARRAY && r->stream) {
        rl->framing = framing = FRAMING_JSON_ARRAY;
    } else if (framing == FRAMING_NONE && api == API_GENERATE && r->kind == REQUEST_NATIVE &&
               r->stream) {
        framing = FRAMING_JSON_ARRAY; /* Gemini's stream where nobody asked for events */
    }
    if (framing == FRAMING_NONE) {
        return collect(rl, BESIDE_MAX);
    }
    struct exchange_context *x = arena_alloc(r->arena, sizeof(*x));
    if (!x) {
        return false;
    }
    translation_context(r, &r->candidates[r->candidate], x);
    return chunks_begin(rl, codec, framing, NULL, x);
}

static bool set_up_translated(struct request *r, struct relay *rl, enum framing framing)
{
    struct translation *t = r->translation;
    if (framing == FRAMING_NONE || t->kind != API_KIND_CHAT) {
        rl->way = RELAY_WHOLE;
        rl->framing = client_framing(r);
        return collect(rl, ANSWER_MAX);
    }
    if (!t->chat.stream) {
        rl->way = RELAY_FOLD;
        rl->fold = fold_new(r->arena);
        return rl->fold && chunks_begin(rl, t->target_chat, framing, NULL, &t->context);
    }
    if (t->answer_passes && framing == t->face_chat->framing) {
        return set_up_pass(r, rl, framing);
    }
    rl->way = RELAY_STREAM;
    rl->framing = client_framing(r);
    return t->face_chat->encoder_new &&
           chunks_begin(rl, t->target_chat, framing, t->face_chat, &t->context);
}

static struct relay *relay_new(struct request *r, const struct upstream_answer *a)
{
    struct relay *rl = arena_zalloc(r->arena, sizeof(*rl));
    bool ok = false;
    if (!rl) {
        return NULL;
    }
    rl->request = r;
    rl->content_length = a->content_length;
    rl->answer_status = a->status;
    (void)str_to_u64(answer_header(a, "x-amzn-bedrock-input-token-count"), &rl->told_input);
    if (a->status >= 400 && r->kind != REQUEST_NATIVE && r->kind != REQUEST_UNIVERSAL) {
        rl->way = RELAY_WHOLE;
        ok = collect(rl, FAILURE_MAX);
    } else if (r->translation) {
        ok = set_up_translated(r, rl, framing_of(a));
    } else {
        ok = set_up_pass(r, rl, framing_of(a));
    }
    bool copied = rl->way == RELAY_WHOLE || rl->way == RELAY_FOLD;
    if (ok && !copied && a->status < 400 && attempt_may_go_on(r)) {
        rl->holding = copied = true;
        rl->keeps_all = rl->framing == FRAMING_NONE;
        buffer_init(&rl->held, 64u << 20);
        ok = arena_keep_buffer(r->arena, &rl->held);
    }
    return ok && answer_headers(r, rl, a, r->translation != NULL && rl->way != RELAY_PASS, copied)
               ? rl
               : NULL;
}

enum verdict stage_relay(struct request *r)
{
    const struct upstream_answer *a = r->answer;
    struct attempt *t = request_attempt(r);
    if (a->status == 401) {
        outgoing_token_refused(r);
    }
    if (a->status >= 400 && r->kind == REQUEST_UNIVERSAL) {
        struct attempt_failure f = {.outcome = EVENT_PROVIDER_ERROR, .status = a->status};
        enum verdict next;
        if (attempt_failed(r, &f, &next)) {
            return next;
        }
    }
    struct relay *rl = relay_new(r, a);
    t->upstream_request_id = arena_str(r->arena, request_id_of(a));
    if (!rl) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the answer");
        return VERDICT_REJECT;
    }
    r->relay = rl;
    if (rl->way == RELAY_WHOLE || rl->way == RELAY_FOLD) {
        return VERDICT_WAIT; /* parked until the answer is whole */
    }
    if (rl->holding) {
        return VERDICT_WAIT; /* parked until its first content */
    }
    hold_start(rl);
    return VERDICT_WAIT;
}
