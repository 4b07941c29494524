/* meter: reads usage beside the answer, never instead of it. */
#include "dataplane/stream/sink.h"

/* Bytes of text in one chunk, roughly: what stands in members that end in `content` or are
 * `arguments`. Only for the estimate of an answer whose usage never came, so it looks for marks
 * instead of reading the JSON again. */
static uint64_t text_bytes(struct str data, struct str mark)
{
    uint64_t sum = 0;
    const char *p = data.ptr, *end = data.ptr + data.len;
    while ((p = memmem(p, (size_t)(end - p), mark.ptr, mark.len)) != NULL) {
        p += mark.len;
        while (p < end && (*p == ' ' || *p == ':')) {
            p++;
        }
        if (p == end || *p != '"') {
            continue;
        }
        const char *from = ++p;
        while (p < end && *p != '"') {
            p += *p == '\\' ? 2 : 1;
        }
        p = p < end ? p : end;
        sum += (uint64_t)(p - from);
    }
    return sum;
}

static enum sse_verdict on_event(struct relay *rl, const struct sse_event *e)
{
    if (e->too_large) {
        rl->chunk = OPENAI_CHUNK_OTHER;
        rl->delta_bytes += e->end - e->begin;
        return SSE_KEEP;
    }
    rl->chunk = openai_usage_chunk(e->data, &rl->usage);
    if (rl->chunk == OPENAI_CHUNK_CONTENT) {
        rl->delta_bytes += text_bytes(e->data, STR_LIT("content\"")) +
                           text_bytes(e->data, STR_LIT("\"arguments\""));
    }
    return SSE_KEEP;
}

static void on_bytes(struct relay *rl, struct str bytes)
{
    if (rl->events) {
        return;
    }
    if (!rl->reader) {
        if ((int64_t)bytes.len == rl->content_length) {
            (void)openai_usage_body(bytes, &rl->usage);
            return;
        }
        rl->reader = arena_alloc(rl->request->arena, sizeof(*rl->reader));
        if (!rl->reader) {
            return;
        }
        openai_reader_init(rl->reader, &rl->usage);
    }
    openai_reader_feed(rl->reader, bytes);
}

const struct sink sink_meter = {
    .name = "meter",
    .phase = SINK_METER,
    .on_event = on_event,
    .on_bytes = on_bytes,
};

/* ---- settling ---- */

static void add(struct attempt *t, enum event_unit unit, uint64_t quantity,
                enum event_source source)
{
    if (t->n_quantities < ATTEMPT_QUANTITIES) {
        t->quantities[t->n_quantities++] =
            (struct event_quantity){.unit = unit, .source = source, .quantity = quantity};
    }
}

static uint64_t less(uint64_t whole, uint64_t part)
{
    return whole > part ? whole - part : 0;
}

static void add_found(struct attempt *t, enum event_unit unit, const struct openai_count *c)
{
    if (c->found && c->value) {
        add(t, unit, c->value, SOURCE_PROVIDER);
    }
}

static void add_usage(struct attempt *t, const struct openai_usage *u)
{
    if (u->prompt_tokens.found) {
        uint64_t plain = less(u->prompt_tokens.value, u->cached_tokens.value);
        add(t, UNIT_TOKEN_IN, less(plain, u->audio_in_tokens.value), SOURCE_PROVIDER);
    }
    uint64_t out = u->completion_tokens.value;
    if (!u->completion_tokens.found && u->total_tokens.found) {
        out = less(u->total_tokens.value, u->prompt_tokens.value);
    }
    add(t, UNIT_TOKEN_OUT, less(out, u->audio_out_tokens.value), SOURCE_PROVIDER);
    add_found(t, UNIT_TOKEN_CACHED, &u->cached_tokens);
    add_found(t, UNIT_TOKEN_REASONING, &u->reasoning_tokens);
    add_found(t, UNIT_AUDIO_IN, &u->audio_in_tokens);
    add_found(t, UNIT_AUDIO_OUT, &u->audio_out_tokens);
}

static struct str keep(const struct request *r, struct str s)
{
    return s.len ? arena_str(r->arena, s) : STR_NONE;
}

void meter_settle(const struct request *r, const struct relay *rl, struct attempt *t)
{
    t->n_quantities = 0;
    if (rl) {
        t->answered_model = keep(r, openai_usage_model(&rl->usage));
        t->finish_reason = keep(r, openai_usage_finish_reason(&rl->usage));
        if (rl->usage.found) {
            add_usage(t, &rl->usage);
            return;
        }
    }
    if (r->kind != REQUEST_CHAT || t->status >= 300) {
        return;
    }
    add(t, UNIT_TOKEN_IN, (r->body.len + 3) / 4, SOURCE_ESTIMATED);
    uint64_t out = rl ? (rl->events ? rl->delta_bytes : rl->received) : 0;
    add(t, UNIT_TOKEN_OUT, (out + 3) / 4, SOURCE_ESTIMATED);
}
