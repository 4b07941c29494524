/* ConverseStream events to chunks; see converse_parts.h. The events are
 *
 *     messageStart (contentBlockStart? contentBlockDelta* contentBlockStop)* messageStop metadata
 *
 * or an exception in place of any. The answer has come to its end with messageStop; metadata may
 * still come behind it with the usage, so END waits for it, or for the end of the bytes. */
#include "dataplane/dialects/citation_hold.h"
#include "dataplane/dialects/converse_parts.h"
#include "dataplane/dialects/tool_shape.h"

#define SLOTS 64 /* blocks that may be open at a time; older ones are forgotten */

enum slot_kind { SLOT_TEXT = 0, SLOT_TOOL, SLOT_JSON, SLOT_IMAGE, SLOT_SKIP };

struct slot {
    bool used;
    uint64_t index;
    enum slot_kind kind;
    int tool;
    char format[8]; /* of an image */
};

struct decoder {
    const struct exchange_context *x;
    chunk_fn emit;
    void *arg;
    bool json_tool; /* calls of CONVERSE_JSON_TOOL are text */
    bool started, finished, ended, json_seen;
    int n_tools;
    struct citation_hold citations;
    struct slot slots[SLOTS];
};

static void release(void *arg)
{
    struct decoder *d = arg;
    citation_hold_release(&d->citations);
}

void *converse_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                           void *arg)
{
    struct decoder *d = arena_zalloc(a, sizeof(*d));
    if (!d) {
        return NULL;
    }
    d->x = x;
    d->emit = emit;
    d->arg = arg;
    d->json_tool = converse_json_tool(x->request);
    citation_hold_init(&d->citations);
    return arena_on_release(a, release, d) ? d : NULL;
}

static void send(struct decoder *d, struct chunk *c)
{
    d->emit(d->arg, c);
}

static void start(struct decoder *d)
{
    if (!d->started) {
        struct chunk c = {.type = CHUNK_START, .tool = -1};
        d->started = true;
        send(d, &c);
    }
}

static void send_text(struct decoder *d, enum chunk_type type, int tool, struct str text)
{
    struct chunk c = {.type = type, .tool = tool, .text = text, .family = FAMILY_MESSAGES};
    if (text.len > 0) {
        send(d, &c);
    }
}

static struct slot *slot_of(struct decoder *d, uint64_t index)
{
    struct slot *s = &d->slots[index % SLOTS];
    if (!s->used || s->index != index) {
        *s = (struct slot){.used = true, .index = index, .kind = SLOT_TEXT, .tool = -1};
    }
    return s;
}

static void on_block_start(struct decoder *d, struct arena *a, struct json_value data)
{
    struct json_value begin, v, type;
    struct slot *s = &d->slots[read_get_u64(data, "contentBlockIndex") % SLOTS];
    s->used = false;
    s = slot_of(d, read_get_u64(data, "contentBlockIndex"));
    if (!read_get(data, "start", &begin)) {
        return;
    }
    if (read_get(begin, "toolUse", &v)) {
        struct str name = read_get_text(a, v, "name");
        if (read_get(v, "type", &type)) {
            s->kind = SLOT_SKIP; /* a tool that Bedrock itself runs */
            return;
        }
        if (d->json_tool && str_eqz(name, CONVERSE_JSON_TOOL)) {
            s->kind = SLOT_JSON;
            d->json_seen = true;
            return;
        }
        name = tool_text_back(a, d->x->request, name, CONVERSE_TOOL_MAX);
        s->kind = SLOT_TOOL;
        s->tool = d->n_tools++;
        struct chunk c = {.type = CHUNK_TOOL_BEGIN,
                          .tool = s->tool,
                          .id = read_get_text(a, v, "toolUseId"),
                          .name = name.ptr ? name : STR_LIT("")};
        send(d, &c);
    } else if (read_get(begin, "image", &v)) {
        struct str format = read_get_text(a, v, "format");
        s->kind = SLOT_IMAGE;
        if (format.len < sizeof(s->format)) {
            memcpy(s->format, format.ptr ? format.ptr : "", format.len);
        }
    } else {
        s->kind = SLOT_SKIP;
    }
}

static void on_reasoning(struct decoder *d, struct arena *a, struct json_value v)
{
    send_text(d, CHUNK_THINKING, -1, read_get_text(a, v, "text"));
    send_text(d, CHUNK_SIGNATURE, -1, read_get_text(a, v, "signature"));
    send_text(d, CHUNK_REDACTED, -1, read_get_text(a, v, "redactedContent"));
}

struct giving {
    struct decoder *d;
    struct arena *a;
};

/* A block per cited statement: it is about the whole. */
static void give_citation(void *arg, struct json_value v, int64_t characters)
{
    const struct giving *g = arg;
    struct citation citation;
    struct chunk c = {.type = CHUNK_CITATION, .tool = -1, .citation = &citation};
    converse_read_citation(g->a, v, &citation);
    citation.start = 0;
    citation.end = characters;
    send(g->d, &c);
}

static void give_citations(struct decoder *d, struct arena *a)
{
    struct giving g = {d, a};
    citation_hold_give(&d->citations, give_citation, &g);
}

static void on_image(struct decoder *d, struct arena *a, const struct slot *s, struct json_value v)
{
    struct json_value source;
    struct part p = {.type = PART_IMAGE};
    struct chunk c = {.type = CHUNK_MEDIA, .tool = -1, .part = &p};
    if (!read_get(v, "source", &source)) {
        return;
    }
    p.media.data = read_get_text(a, source, "bytes");
    p.media.media_type = media_type_of_format(str_of(s->format));
    if (p.media.data.len) {
        send(d, &c);
    }
}

static void on_delta(struct decoder *d, struct arena *a, struct json_value data)
{
    struct json_value delta, v;
    struct slot *s = slot_of(d, read_get_u64(data, "contentBlockIndex"));
    if (!read_get(data, "delta", &delta)) {
        return;
    }
    if (read_get(delta, "text", &v)) {
        struct str text = read_text(a, v);
        citation_hold_text(&d->citations, text);
        send_text(d, CHUNK_TEXT, -1, text);
    }
    if (read_get(delta, "toolUse", &v)) {
        struct str input = read_get_text(a, v, "input");
        if (s->kind == SLOT_JSON) {
            send_text(d, CHUNK_TEXT, -1, input);
        } else if (s->kind == SLOT_TOOL) {
            send_text(d, CHUNK_TOOL_ARGUMENTS, s->tool, input);
        }
    }
    if (read_get(delta, "reasoningContent", &v)) {
        on_reasoning(d, a, v);
    }
    if (read_get(delta, "citation", &v)) {
        citation_hold_add(&d->citations, v);
    }
    if (read_get(delta, "image", &v)) {
        on_image(d, a, s, v);
    }
}

static void on_block_stop(struct decoder *d, struct arena *a, struct json_value data)
{
    give_citations(d, a);
    struct slot *s = slot_of(d, read_get_u64(data, "contentBlockIndex"));
    struct chunk c = {.type = s->kind == SLOT_TOOL ? CHUNK_TOOL_END : CHUNK_BREAK, .tool = s->tool};
    if (s->kind != SLOT_SKIP) {
        send(d, &c);
    }
    s->used = false;
}

static void on_message_stop(struct decoder *d, struct arena *a, struct json_value data)
{
    struct json_value v;
    struct chunk c = {.type = CHUNK_FINISH, .tool = -1};
    if (d->finished) {
        return;
    }
    d->finished = true;
    give_citations(d, a);
    c.text = read_get_text(a, data, "stopReason");
    c.finish = converse_finish_of(c.text);
    if (d->json_seen && d->n_tools == 0 && c.finish == FINISH_TOOL_CALLS) {
        c.finish = FINISH_STOP;
        c.text = STR_LIT("end_turn");
    }
    if (read_get(data, "additionalModelResponseFields", &v)) {
        c.stop_sequence = read_get_text(a, v, "stop_sequence");
    }
    send(d, &c);
}

static void end(struct decoder *d)
{
    struct chunk c = {.type = CHUNK_END, .tool = -1};
    d->ended = true;
    send(d, &c);
}

static void on_metadata(struct decoder *d, struct arena *a, struct json_value data)
{
    struct json_value v;
    struct usage usage = {.found = false};
    struct chunk c = {.type = CHUNK_USAGE, .tool = -1, .usage = &usage};
    if (read_get(data, "usage", &v)) {
        converse_read_usage(a, v, &usage);
    }
    if (read_get(data, "serviceTier", &v)) {
        c.service_tier = read_get_text(a, v, "type");
    }
    if (usage.found || c.service_tier.ptr) {
        send(d, &c);
    }
    if (d->finished) {
        end(d);
    }
}

static void on_exception(struct decoder *d, struct arena *a, struct str name, struct str data)
{
    struct provider_error e;
    struct chunk c = {.type = CHUNK_ERROR, .tool = -1, .error = &e};
    provider_error_read(data, 0, name, a, &e);
    if (!e.type.ptr) {
        e.type = name;
    }
    provider_error_refine(&e);
    d->ended = true;
    send(d, &c);
}

bool converse_decode_event(void *decoder, struct arena *scratch, struct str name, struct str data)
{
    static const struct str exception = STR_LIT("exception:");
    struct decoder *d = decoder;
    struct json_value v;
    if (d->ended) {
        return true;
    }
    if (str_starts(name, exception)) {
        on_exception(d, scratch, str_slice(name, exception.len, name.len), data);
        return true;
    }
    if (!read_json(data, &v) || v.type != JSON_OBJECT) {
        return false;
    }
    start(d);
    if (str_eqz(name, "contentBlockDelta")) {
        on_delta(d, scratch, v);
    } else if (str_eqz(name, "contentBlockStart")) {
        on_block_start(d, scratch, v);
    } else if (str_eqz(name, "contentBlockStop")) {
        on_block_stop(d, scratch, v);
    } else if (str_eqz(name, "messageStop")) {
        on_message_stop(d, scratch, v);
    } else if (str_eqz(name, "metadata")) {
        on_metadata(d, scratch, v);
    }
    return true;
}

void converse_decode_end(void *decoder)
{
    struct decoder *d = decoder;
    if (d->finished && !d->ended) {
        end(d);
    }
}
