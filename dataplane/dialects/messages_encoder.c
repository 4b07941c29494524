/* Chunks to Anthropic's stream, as server-sent events or, for InvokeModel, as chunk frames of AWS.
 *
 * One block is open at a time, and indexes grow by one: of the official SDKs one gives out "the
 * last block" when any ends, so fragments of a tool that begins while another one is open wait
 * until that one has ended (1 MiB of all, and 16 tools; past either, the open one is ended and what
 * comes for it later is left out). message_delta, with the reason and the whole usage, goes out at
 * the end, since providers tell their usage behind the reason. */
#include "dataplane/dialects/messages_encoder_inside.h"

#include "dataplane/dialects/anthropic_error.h"
#include "dataplane/net/aws_event.h"

static void release(void *arg)
{
    struct messages_encoder *e = arg;
    for (size_t i = 0; i < WAITING_MAX; i++) {
        if (e->waiting[i]) {
            buffer_release(&e->waiting[i]->arguments);
        }
    }
    buffer_release(&e->scratch);
    arena_free(e->scratch_arena);
}

static struct messages_encoder *encoder_new(const struct exchange_context *x, struct arena *a,
                                            bool aws)
{
    struct messages_encoder *e = arena_zalloc(a, sizeof(*e));
    if (!e) {
        return NULL;
    }
    e->x = x;
    e->a = a;
    e->aws = aws;
    e->tool = -1;
    buffer_init(&e->scratch, EVENT_MAX);
    e->scratch_arena = arena_new(SCRATCH_BYTES);
    if (!e->scratch_arena || !arena_on_release(a, release, e)) {
        arena_free(e->scratch_arena);
        return NULL;
    }
    return e;
}

void *messages_encoder_new(const struct exchange_context *x, struct arena *a)
{
    return encoder_new(x, a, false);
}

void *messages_encoder_new_aws(const struct exchange_context *x, struct arena *a)
{
    return encoder_new(x, a, true);
}

/* ---- what waits ---- */

/* The oldest waiting tool comes forward; true if it stays open. */
static bool forward_one(struct messages_encoder *e, struct buffer *out)
{
    struct messages_waiting *t = e->waiting[0];
    bool ended = t->ended;
    messages_open_tool(e, out, t->tool, (struct str){t->id, t->id_len},
                       (struct str){t->name, t->name_len});
    if (t->arguments.len) {
        messages_put_delta(e, out, "input_json_delta", "partial_json", buffer_str(&t->arguments));
    }
    e->waiting_bytes -= t->arguments.len;
    buffer_release(&t->arguments);
    e->n_waiting--;
    memmove(&e->waiting[0], &e->waiting[1], e->n_waiting * sizeof(e->waiting[0]));
    e->waiting[e->n_waiting] = t; /* kept for the next one */
    if (ended) {
        messages_close_block(e, out);
    }
    return !ended;
}

/* Ends the open block; then the waiting tools up to the first that has not ended. */
static void close_block(struct messages_encoder *e, struct buffer *out)
{
    messages_close_block(e, out);
    while (e->n_waiting && !forward_one(e, out)) {
    }
}

static void close_all(struct messages_encoder *e, struct buffer *out)
{
    do {
        close_block(e, out);
    } while (e->open != OPEN_NONE);
}

/* The open block is of this kind afterwards. */
static void need_block(struct messages_encoder *e, struct buffer *out, enum open_kind kind)
{
    if (e->open == kind) {
        return;
    }
    close_all(e, out);
    messages_open_block(e, out, kind);
}

/* ---- tools ---- */

static void tool_begin(struct messages_encoder *e, const struct chunk *c, struct buffer *out)
{
    bool wait = e->open == OPEN_TOOL && c->id.len < NAME_ROOM && c->name.len < NAME_ROOM;
    if (wait && e->n_waiting < WAITING_MAX) {
        struct messages_waiting *t = e->waiting[e->n_waiting];
        if (!t) {
            t = arena_zalloc(e->a, sizeof(*t));
        }
        if (t) {
            e->waiting[e->n_waiting++] = t;
            t->tool = c->tool;
            t->ended = false;
            t->id_len = messages_copy_name(t->id, c->id);
            t->name_len = messages_copy_name(t->name, c->name);
            buffer_init(&t->arguments, WAITING_BYTES);
            return;
        }
    }
    close_all(e, out);
    messages_open_tool(e, out, c->tool, c->id, c->name);
}

static struct messages_waiting *waiting_tool(struct messages_encoder *e, int tool)
{
    for (size_t i = 0; i < e->n_waiting; i++) {
        if (e->waiting[i]->tool == tool) {
            return e->waiting[i];
        }
    }
    return NULL;
}

static void tool_arguments(struct messages_encoder *e, const struct chunk *c, struct buffer *out)
{
    struct messages_waiting *t;
    if (c->text.len == 0) {
        return;
    }
    while ((t = waiting_tool(e, c->tool)) && c->text.len > WAITING_BYTES - e->waiting_bytes) {
        close_block(e, out); /* no room to wait any longer */
    }
    if (t) {
        if (buffer_append_str(&t->arguments, c->text)) {
            e->waiting_bytes += c->text.len;
        }
        return;
    }
    if (e->open == OPEN_TOOL && e->tool == c->tool) {
        messages_put_delta(e, out, "input_json_delta", "partial_json", c->text);
    }
}

static void tool_end(struct messages_encoder *e, const struct chunk *c, struct buffer *out)
{
    struct messages_waiting *t = waiting_tool(e, c->tool);
    if (t) {
        t->ended = true;
    } else if (e->open == OPEN_TOOL && e->tool == c->tool) {
        close_block(e, out);
    }
}

/* ---- the other chunks ---- */

/* Of a call of another family: told when a block has ended. */
static void keep_proof(struct messages_encoder *e, const struct chunk *c)
{
    const struct messages_waiting *t = waiting_tool(e, c->tool);
    struct str id = {e->tool_id, e->tool_id_len};
    if (t) {
        id = (struct str){t->id, t->id_len};
    }
    if (c->family == FAMILY_MESSAGES || e->n_proofs == PROOFS_MAX || c->text.len > PROOF_BYTES ||
        id.len == 0 || (!t && !(e->open == OPEN_TOOL && e->tool == c->tool))) {
        return;
    }
    struct str proof = messages_signature_text(e->scratch_arena, c->family, id, c->text);
    if (proof.ptr) {
        e->proofs[e->n_proofs++] = proof;
    }
}

static void put_signature(struct messages_encoder *e, const struct chunk *c, struct buffer *out)
{
    if (c->text.len == 0) {
        return;
    }
    if (c->tool >= 0) {
        keep_proof(e, c);
        return;
    }
    if (e->open != OPEN_THINKING || e->signed_) {
        close_all(e, out);
        messages_open_block(e, out, OPEN_THINKING);
    }
    messages_put_delta(e, out, "signature_delta", "signature",
                       messages_signature_text(e->scratch_arena, c->family, STR_NONE, c->text));
    e->signed_ = true;
}

static void put_citation(struct messages_encoder *e, const struct citation *citation,
                         struct buffer *out)
{
    struct messages_event v;
    if (!citation) {
        return;
    }
    need_block(e, out, OPEN_TEXT);
    messages_event_begin(e, &v, out, "content_block_delta");
    json_field_u64(&v.w, "index", e->index);
    json_name(&v.w, "delta");
    json_object_begin(&v.w);
    json_field_z(&v.w, "type", "citations_delta");
    json_name(&v.w, "citation");
    messages_write_citation(&v.w, citation);
    json_object_end(&v.w);
    messages_event_end(e, &v, out);
}

static void put_text(struct messages_encoder *e, struct str text, struct buffer *out)
{
    if (text.len) {
        need_block(e, out, OPEN_TEXT);
        messages_put_delta(e, out, "text_delta", "text", text);
    }
}

static void put_thinking(struct messages_encoder *e, struct str text, struct buffer *out)
{
    if (text.len == 0) {
        return;
    }
    if (e->open == OPEN_THINKING && e->signed_) {
        close_all(e, out);
    }
    need_block(e, out, OPEN_THINKING);
    messages_put_delta(e, out, "thinking_delta", "thinking", text);
}

static void put_media(struct messages_encoder *e, const struct part *p, struct buffer *out)
{
    struct messages_event v;
    if (!p) {
        return;
    }
    if (p->type == PART_AUDIO || p->type == PART_TEXT) {
        put_text(e, p->text, out);
        return;
    }
    if (p->type != PART_NATIVE || p->family != FAMILY_MESSAGES || !p->raw.ptr) {
        return; /* Anthropic's answers have no place for it */
    }
    close_all(e, out);
    messages_block_begin(e, &v, out, NULL);
    json_put_raw(&v.w, p->raw);
    messages_event_end(e, &v, out);
    messages_put_stop(e, out);
}

/* ---- the end ---- */

static enum finish finish_to_say(const struct messages_encoder *e)
{
    if (e->finish != FINISH_STOP && e->finish != FINISH_NONE && e->finish != FINISH_OTHER) {
        return e->finish;
    }
    return e->called ? FINISH_TOOL_CALLS : e->refused ? FINISH_REFUSAL : e->finish;
}

/* What InvokeModel tells beside the last event. */
static void put_metrics(struct messages_encoder *e, struct json_writer *w)
{
    const struct usage *u = &e->usage;
    uint64_t beside = u->cached + u->cache_write_5m + u->cache_write_1h;
    if (!e->aws || !u->found) {
        return;
    }
    json_name(w, "amazon-bedrock-invocationMetrics");
    json_object_begin(w);
    json_field_u64(w, "inputTokenCount", u->input > beside ? u->input - beside : 0);
    json_field_u64(w, "outputTokenCount", u->output);
    if (beside) {
        json_field_u64(w, "cacheReadInputTokenCount", u->cached);
        json_field_u64(w, "cacheWriteInputTokenCount", u->cache_write_5m + u->cache_write_1h);
    }
    json_object_end(w);
}

static void put_end(struct messages_encoder *e, struct buffer *out)
{
    struct messages_event v;
    close_all(e, out);
    messages_event_begin(e, &v, out, "message_delta");
    json_name(&v.w, "delta");
    json_object_begin(&v.w);
    json_field_z(&v.w, "stop_reason", messages_finish_name(finish_to_say(e)));
    json_field_str(&v.w, "stop_sequence",
                   e->has_stop ? (struct str){e->stop_sequence, e->stop_len} : STR_NONE);
    json_object_end(&v.w);
    json_name(&v.w, "usage");
    messages_write_usage(&v.w, &e->usage, STR_NONE);
    messages_event_end(e, &v, out);
    messages_event_begin(e, &v, out, "message_stop");
    put_metrics(e, &v.w);
    messages_event_end(e, &v, out);
}

static void put_error(struct messages_encoder *e, const struct provider_error *p,
                      struct buffer *out)
{
    struct error own = ERROR_INIT;
    struct failure f = {.error = &own, .provider = p, .request_id = e->x->request_id};
    own.code = ERR_UPSTREAM_CLOSED;
    f.status = anthropic_error_status(&f);
    if (!e->aws) {
        (void)buffer_append_str(out, anthropic_error_event(e->a, &f, FRAMING_SSE));
        return;
    }
    struct json_writer w;
    buffer_clear(&e->scratch);
    json_writer_init(&w, &e->scratch);
    json_object_begin(&w);
    json_field_str(&w, "message", p ? p->message : str_of(error_text(&own)));
    json_object_end(&w);
    bool slow = p && (p->class == FAILURE_RATE_LIMIT || p->class == FAILURE_QUOTA);
    if (!aws_exception_write(
            out, slow ? STR_LIT("throttlingException") : STR_LIT("modelStreamErrorException"),
            buffer_str(&e->scratch))) {
        out->failed = true;
    }
}

static void take_usage(struct messages_encoder *e, const struct chunk *c)
{
    if (c->usage) {
        usage_merge(&e->usage, c->usage);
    }
    if (c->service_tier.len && c->service_tier.len <= sizeof(e->tier)) {
        memcpy(e->tier, c->service_tier.ptr, c->service_tier.len);
        e->tier_len = c->service_tier.len;
    }
}

static void take_finish(struct messages_encoder *e, const struct chunk *c)
{
    e->finish = c->finish;
    if (c->stop_sequence.ptr) {
        e->has_stop = true;
        e->stop_len = messages_copy_name(e->stop_sequence, c->stop_sequence);
    }
}

static void put_ping(struct messages_encoder *e, struct buffer *out)
{
    struct messages_event v;
    messages_event_begin(e, &v, out, "ping");
    messages_event_end(e, &v, out);
}

static void put_content(struct messages_encoder *e, const struct chunk *c, struct buffer *out)
{
    switch (c->type) {
    case CHUNK_REFUSAL:
        e->refused = true;
        put_text(e, c->text, out);
        break;
    case CHUNK_TEXT:
    case CHUNK_AUDIO:
        put_text(e, c->text, out);
        break;
    case CHUNK_THINKING:
        put_thinking(e, c->text, out);
        break;
    case CHUNK_SIGNATURE:
        put_signature(e, c, out);
        break;
    case CHUNK_REDACTED:
        close_all(e, out);
        messages_put_whole(e, out, "redacted_thinking", "data",
                           messages_signature_text(e->scratch_arena, c->family, STR_NONE, c->text));
        break;
    case CHUNK_TOOL_BEGIN:
        tool_begin(e, c, out);
        break;
    case CHUNK_TOOL_ARGUMENTS:
        tool_arguments(e, c, out);
        break;
    case CHUNK_TOOL_END:
        tool_end(e, c, out);
        break;
    case CHUNK_BREAK:
        close_block(e, out);
        break;
    case CHUNK_MEDIA:
        put_media(e, c->part, out);
        break;
    case CHUNK_CITATION:
        put_citation(e, c->citation, out);
        break;
    default:
        break;
    }
}

bool messages_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out)
{
    struct messages_encoder *e = encoder;
    if (e->ended || (c->choice > 0 && c->type != CHUNK_USAGE)) {
        return !out->failed; /* Anthropic has one choice */
    }
    if (e->n_proofs == 0) {
        arena_reset(e->scratch_arena);
    }
    switch (c->type) {
    case CHUNK_START:
        take_usage(e, c);
        messages_put_start(e, c, out);
        break;
    case CHUNK_USAGE:
        take_usage(e, c);
        break;
    case CHUNK_FINISH:
        take_finish(e, c);
        break;
    case CHUNK_PING:
        if (e->started) {
            put_ping(e, out);
        }
        break;
    case CHUNK_ERROR:
        e->ended = true;
        put_error(e, c->error, out);
        break;
    case CHUNK_END:
        messages_put_start(e, NULL, out);
        put_end(e, out);
        e->ended = true;
        break;
    default:
        messages_put_start(e, NULL, out);
        put_content(e, c, out);
        break;
    }
    return !out->failed;
}
