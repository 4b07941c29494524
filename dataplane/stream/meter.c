/* meter: reads usage beside the answer, never instead of it. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/request/pricing.h"
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
                           text_bytes(e->data, STR_LIT("\"reasoning\"")) +
                           text_bytes(e->data, STR_LIT("\"refusal\"")) +
                           text_bytes(e->data, STR_LIT("\"arguments\""));
    }
    return SSE_KEEP;
}

static void on_bytes(struct relay *rl, struct str bytes)
{
    if (rl->events || rl->looking) {
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

static void add_some(struct attempt *t, enum event_unit unit, uint64_t quantity)
{
    if (quantity) {
        add(t, unit, quantity, SOURCE_PROVIDER);
    }
}

static uint64_t less(uint64_t whole, uint64_t part)
{
    return whole > part ? whole - part : 0;
}

static void add_input(struct attempt *t, const struct usage *u)
{
    uint64_t plain = less(u->input, u->cached);
    uint64_t audio = less(u->audio_in, u->audio_cached);
    uint64_t image = less(u->image_in, u->image_cached);
    plain = less(less(plain, u->cache_write_5m), u->cache_write_1h);
    plain = less(less(less(plain, audio), image), u->video_in);
    add(t, UNIT_TOKEN_IN, plain, SOURCE_PROVIDER);
    add_some(t, UNIT_TOKEN_CACHED, less(less(u->cached, u->audio_cached), u->image_cached));
    add_some(t, UNIT_TOKEN_CACHE_WRITE_5M, u->cache_write_5m);
    add_some(t, UNIT_TOKEN_CACHE_WRITE_1H, u->cache_write_1h);
    add_some(t, UNIT_AUDIO_IN, audio);
    add_some(t, UNIT_IMAGE_IN, image);
    add_some(t, UNIT_VIDEO_IN, u->video_in);
    add_some(t, UNIT_AUDIO_CACHED, u->audio_cached);
    add_some(t, UNIT_IMAGE_CACHED, u->image_cached);
}

static void add_output(struct attempt *t, const struct usage *u)
{
    add(t, UNIT_TOKEN_OUT, less(less(u->output, u->audio_out), u->image_out), SOURCE_PROVIDER);
    add_some(t, UNIT_TOKEN_REASONING, u->reasoning);
    add_some(t, UNIT_AUDIO_OUT, u->audio_out);
    add_some(t, UNIT_IMAGE_OUT, u->image_out);
}

static uint64_t tokens_of_bytes(uint64_t bytes)
{
    return (bytes + 3) / 4;
}

static bool makes_text(const struct request *r)
{
    const struct candidate *c = &r->candidates[r->candidate];
    return r->kind == REQUEST_CHAT ||
           provider_api_kind(c->step ? c->api : r->face_api) == API_KIND_CHAT;
}

static uint64_t request_bytes(const struct request *r)
{
    const struct step *step = r->candidates[r->candidate].step;
    return step ? step->body.len : r->body.len;
}

/* What a codec heard. An answer that did not come to its end may have told only of its beginning
 * (Anthropic says output_tokens 1 there): what was received then counts where it is more. */
static void add_heard(const struct request *r, const struct heard *h, struct attempt *t)
{
    struct usage u = h->usage;
    bool ended = h->whole || h->finish_seen;
    bool nothing_made = ended && u.input_found && h->text_bytes == 0; /* a refused prompt */
    if (u.input_found) {
        add_input(t, &u);
    } else if (makes_text(r)) {
        add(t, UNIT_TOKEN_IN, tokens_of_bytes(request_bytes(r)), SOURCE_ESTIMATED);
    }
    if (u.output_found && (ended || u.output >= tokens_of_bytes(h->text_bytes))) {
        add_output(t, &u);
    } else if (makes_text(r) && !nothing_made) {
        add(t, UNIT_TOKEN_OUT, tokens_of_bytes(h->text_bytes), SOURCE_ESTIMATED);
    }
    add_some(t, UNIT_SEARCH, u.searches);
}

/* Whether the object tells what OpenAI's own reader has no place for: image tokens, writes to
 * caches, other providers' names for hits, searches. Most do not, and are not read again. */
static bool tells_more(const struct openai_usage *u)
{
    static const struct str marks[] = {STR_LIT("image"), STR_LIT("cache_"), STR_LIT("search")};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (memmem(u->raw, u->raw_len, marks[i].ptr, marks[i].len)) {
            return true;
        }
    }
    return !u->cached_tokens.found && memmem(u->raw, u->raw_len, "cached", 6);
}

/* What OpenAI's own reader found, in the neutral form: read from the object itself by what reads it
 * for other dialects too, so that a call costs the same whichever way it went. */
static void neutral_of(const struct request *r, const struct openai_usage *from, struct usage *ret)
{
    struct json_value object;
    struct exchange_context x;
    if (from->raw_len && tells_more(from) &&
        json_validate((struct str){from->raw, from->raw_len}, 0, &object, NULL)) {
        const struct provider_row *row = r->candidates[r->candidate].provider->row;
        x = (struct exchange_context){.provider_kind = str_of(row ? row->name : "")};
        *ret = (struct usage){.found = false};
        if (openai_read_usage(object, &x, ret)) {
            return;
        }
    }
    *ret = (struct usage){
        .found = true,
        .input_found = from->prompt_tokens.found,
        .output_found = true,
        .input = from->prompt_tokens.value,
        .output = from->completion_tokens.value,
        .cached = from->cached_tokens.value,
        .reasoning = from->reasoning_tokens.value,
        .audio_in = from->audio_in_tokens.value,
        .audio_out = from->audio_out_tokens.value,
        .total = from->total_tokens.value,
    };
    if (!from->completion_tokens.found && from->total_tokens.found) {
        ret->output = less(from->total_tokens.value, from->prompt_tokens.value);
    }
}

static struct str keep(const struct request *r, struct str s)
{
    return s.len ? arena_str(r->arena, s) : STR_NONE;
}

/* True when the codec's view of the answer is the one that counts. */
static bool by_codec(const struct relay *rl)
{
    return rl->way != RELAY_PASS || rl->looking || rl->heard.whole;
}

/* Earlier calls of a series that did not come to its end: they were answered, and are billed. */
static bool add_series(const struct request *r, const struct relay *rl, struct attempt *t)
{
    const struct translation *series = r->translation;
    if (!series || series->n_done == 0 || (rl && rl->heard.whole)) {
        return false;
    }
    if (series->usage.input_found) {
        add_input(t, &series->usage);
    }
    return true;
}

static void fill(const struct request *r, const struct relay *rl, struct attempt *t)
{
    struct usage u;
    if (add_series(r, rl, t)) {
        return;
    }
    if (rl && by_codec(rl)) {
        t->answered_model = keep(r, (struct str){rl->heard.model, rl->heard.model_len});
        t->finish_reason = keep(r, (struct str){rl->heard.finish, rl->heard.finish_len});
        t->service_tier = keep(r, (struct str){rl->heard.tier, rl->heard.tier_len});
        if (t->status < 300) {
            add_heard(r, &rl->heard, t);
        }
        return;
    }
    if (rl) {
        t->answered_model = keep(r, openai_usage_model(&rl->usage));
        t->finish_reason = keep(r, openai_usage_finish_reason(&rl->usage));
        t->service_tier = keep(r, openai_usage_service_tier(&rl->usage));
        if (rl->usage.found) {
            neutral_of(r, &rl->usage, &u);
            if (u.input_found) {
                add_input(t, &u);
            }
            add_output(t, &u);
            return;
        }
    }
    if (!makes_text(r) || t->status >= 300) {
        return;
    }
    add(t, UNIT_TOKEN_IN, tokens_of_bytes(request_bytes(r)), SOURCE_ESTIMATED);
    uint64_t out = rl ? (rl->events ? rl->delta_bytes : rl->received) : 0;
    add(t, UNIT_TOKEN_OUT, tokens_of_bytes(out), SOURCE_ESTIMATED);
}

void meter_settle(struct request *r, const struct relay *rl, struct attempt *t)
{
    t->n_quantities = 0;
    fill(r, rl, t);
    pricing_attempt(r, &r->candidates[r->candidate], t);
}
