/* Chunks to ConverseStream's frames; see converse_parts.h.
 *
 * Simple readers want one block after the other, and fragments of calls may interleave: so a call's
 * block is stopped as soon as its arguments are one whole JSON object, which for all providers that
 * give one call after the other is before the next begins; calls that do interleave stay open side
 * by side, told apart by contentBlockIndex. */
#include <stdio.h>

#include "dataplane/dialects/bedrock_error.h"
#include "dataplane/dialects/converse_parts.h"
#include "dataplane/net/aws_event.h"

#define TOOLS_MAX 128 /* calls of one answer; more are left out */
#define EVENT_MAX_BYTES (16u << 20)

enum open_kind { OPEN_NONE = 0, OPEN_TEXT, OPEN_THINKING };

struct tool_state {
    bool open, begun;
    uint64_t index;
    unsigned depth; /* of the JSON seen so far */
    bool in_string, escaped, whole;
};

struct encoder {
    const struct exchange_context *x;
    bool started, stopped, ended;
    uint64_t next; /* contentBlockIndex of the next block */
    enum open_kind kind;
    uint64_t index; /* of the open text or thinking */
    struct usage usage;
    struct tool_state tools[TOOLS_MAX];
    struct str tier;
    char tier_text[32];
};

void *converse_encoder_new(const struct exchange_context *x, struct arena *a)
{
    struct encoder *e = arena_zalloc(a, sizeof(*e));
    if (e) {
        e->x = x;
    }
    return e;
}

/* One event's payload under way. */
struct event {
    struct buffer payload;
    struct json_writer w;
};

static void event_begin(struct event *v)
{
    buffer_init(&v->payload, EVENT_MAX_BYTES);
    json_writer_init(&v->w, &v->payload);
    json_object_begin(&v->w);
}

static bool event_end(struct event *v, struct buffer *out, const char *type)
{
    json_object_end(&v->w);
    bool ok = !v->payload.failed && aws_event_write(out, str_of(type), STR_LIT("application/json"),
                                                    buffer_str(&v->payload));
    buffer_release(&v->payload);
    return ok;
}

/* ---- blocks ---- */

static bool start(struct encoder *e, struct buffer *out)
{
    struct event v;
    if (e->started) {
        return true;
    }
    e->started = true;
    event_begin(&v);
    json_field_z(&v.w, "role", "assistant");
    return event_end(&v, out, "messageStart");
}

static bool stop_block(struct buffer *out, uint64_t index)
{
    struct event v;
    event_begin(&v);
    json_field_u64(&v.w, "contentBlockIndex", index);
    return event_end(&v, out, "contentBlockStop");
}

/* Ends the open text or thinking. */
static bool close_open(struct encoder *e, struct buffer *out)
{
    if (e->kind == OPEN_NONE) {
        return true;
    }
    e->kind = OPEN_NONE;
    return stop_block(out, e->index);
}

static bool close_tool(struct tool_state *t, struct buffer *out)
{
    if (!t->open) {
        return true;
    }
    t->open = false;
    return stop_block(out, t->index);
}

static bool close_all(struct encoder *e, struct buffer *out)
{
    bool ok = close_open(e, out);
    for (size_t i = 0; i < TOOLS_MAX; i++) {
        ok = close_tool(&e->tools[i], out) && ok;
    }
    return ok;
}

static bool open_block(struct encoder *e, enum open_kind kind, struct buffer *out)
{
    if (e->kind == kind) {
        return true;
    }
    bool ok = close_open(e, out);
    e->kind = kind;
    e->index = e->next++;
    return ok;
}

static void delta_begin(struct event *v, uint64_t index)
{
    event_begin(v);
    json_field_u64(&v->w, "contentBlockIndex", index);
    json_name(&v->w, "delta");
    json_object_begin(&v->w);
}

static bool delta_end(struct event *v, struct buffer *out)
{
    json_object_end(&v->w);
    return event_end(v, out, "contentBlockDelta");
}

static bool put_text(struct encoder *e, struct str text, struct buffer *out)
{
    struct event v;
    if (text.len == 0) {
        return true;
    }
    if (!open_block(e, OPEN_TEXT, out)) {
        return false;
    }
    delta_begin(&v, e->index);
    json_field_str(&v.w, "text", text);
    return delta_end(&v, out);
}

static bool put_reasoning(struct encoder *e, const char *member, struct str text,
                          struct buffer *out)
{
    struct event v;
    if (text.len == 0) {
        return true;
    }
    if (!open_block(e, OPEN_THINKING, out)) {
        return false;
    }
    delta_begin(&v, e->index);
    json_name(&v.w, "reasoningContent");
    json_object_begin(&v.w);
    json_field_str(&v.w, member, text);
    json_object_end(&v.w);
    return delta_end(&v, out);
}

/* ---- tools ---- */

static struct tool_state *tool_of(struct encoder *e, int tool)
{
    return tool >= 0 && tool < TOOLS_MAX ? &e->tools[tool] : NULL;
}

static bool begin_tool(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct event v;
    struct tool_state *t = tool_of(e, c->tool);
    if (!t || t->begun) {
        return true;
    }
    if (!close_open(e, out)) {
        return false;
    }
    *t = (struct tool_state){.open = true, .begun = true, .index = e->next++};
    event_begin(&v);
    json_field_u64(&v.w, "contentBlockIndex", t->index);
    json_name(&v.w, "start");
    json_object_begin(&v.w);
    json_name(&v.w, "toolUse");
    json_object_begin(&v.w);
    if (c->id.len) {
        json_field_str(&v.w, "toolUseId", c->id);
    } else {
        char id[80];
        (void)snprintf(id, sizeof(id), "call_%.*s_%d",
                       (int)(e->x->unique.len < 48 ? e->x->unique.len : 48),
                       e->x->unique.ptr ? e->x->unique.ptr : "", c->tool);
        json_field_z(&v.w, "toolUseId", id);
    }
    json_field_str(&v.w, "name", c->name.ptr ? c->name : STR_LIT(""));
    json_object_end(&v.w);
    json_object_end(&v.w);
    return event_end(&v, out, "contentBlockStart");
}

/* Follows the braces of the arguments until the outermost is closed. */
static void follow(struct tool_state *t, struct str text)
{
    for (size_t i = 0; i < text.len && !t->whole; i++) {
        char c = text.ptr[i];
        if (t->escaped) {
            t->escaped = false;
        } else if (t->in_string) {
            t->escaped = c == '\\';
            t->in_string = c != '"';
        } else if (c == '"') {
            t->in_string = true;
        } else if (c == '{' || c == '[') {
            t->depth++;
        } else if ((c == '}' || c == ']') && t->depth > 0) {
            t->whole = --t->depth == 0;
        }
    }
}

static bool put_arguments(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct event v;
    struct tool_state *t = tool_of(e, c->tool);
    if (!t || !t->open || c->text.len == 0) {
        return true;
    }
    follow(t, c->text);
    delta_begin(&v, t->index);
    json_name(&v.w, "toolUse");
    json_object_begin(&v.w);
    json_field_str(&v.w, "input", c->text);
    json_object_end(&v.w);
    return delta_end(&v, out) && (!t->whole || close_tool(t, out));
}

/* ---- the rest of the content ---- */

static bool put_redacted(struct encoder *e, struct str data, struct buffer *out)
{
    return close_open(e, out) && put_reasoning(e, "redactedContent", data, out) &&
           close_open(e, out);
}

static bool put_citation(struct encoder *e, const struct citation *citation, struct buffer *out)
{
    struct event v;
    if (!citation || !open_block(e, OPEN_TEXT, out)) {
        return citation == NULL;
    }
    delta_begin(&v, e->index);
    json_name(&v.w, "citation");
    converse_put_citation(&v.w, citation);
    return delta_end(&v, out);
}

static bool put_image(struct encoder *e, const struct part *p, struct buffer *out)
{
    struct event v;
    struct str format = p && p->type == PART_IMAGE && p->media.data.len
                            ? converse_image_format(&p->media)
                            : STR_NONE;
    if (!format.ptr) {
        return true; /* nothing that a stream of Converse could hold */
    }
    if (!close_open(e, out)) {
        return false;
    }
    uint64_t index = e->next++;
    event_begin(&v);
    json_field_u64(&v.w, "contentBlockIndex", index);
    json_name(&v.w, "start");
    json_object_begin(&v.w);
    json_name(&v.w, "image");
    json_object_begin(&v.w);
    json_field_str(&v.w, "format", format);
    json_object_end(&v.w);
    json_object_end(&v.w);
    if (!event_end(&v, out, "contentBlockStart")) {
        return false;
    }
    delta_begin(&v, index);
    json_name(&v.w, "image");
    json_object_begin(&v.w);
    json_name(&v.w, "source");
    json_object_begin(&v.w);
    json_field_str(&v.w, "bytes", p->media.data);
    json_object_end(&v.w);
    json_object_end(&v.w);
    return delta_end(&v, out) && stop_block(out, index);
}

/* ---- the end ---- */

static bool stop_message(struct encoder *e, enum finish finish, struct str raw,
                         struct str stop_sequence, struct buffer *out)
{
    struct event v;
    if (e->stopped) {
        return true;
    }
    e->stopped = true;
    if (!close_all(e, out)) {
        return false;
    }
    event_begin(&v);
    json_field_z(&v.w, "stopReason", converse_stop_reason(finish, raw));
    if (stop_sequence.ptr) {
        json_name(&v.w, "additionalModelResponseFields");
        json_object_begin(&v.w);
        json_field_str(&v.w, "stop_sequence", stop_sequence);
        json_object_end(&v.w);
    }
    return event_end(&v, out, "messageStop");
}

static bool put_metadata(struct encoder *e, struct buffer *out)
{
    struct event v;
    event_begin(&v);
    converse_put_usage(&v.w, &e->usage);
    if (e->tier.ptr) {
        json_name(&v.w, "serviceTier");
        json_object_begin(&v.w);
        json_field_str(&v.w, "type", e->tier);
        json_object_end(&v.w);
    }
    return event_end(&v, out, "metadata");
}

static void keep_tier(struct encoder *e, struct str tier)
{
    if (tier.len > 0 && tier.len <= sizeof(e->tier_text)) {
        memcpy(e->tier_text, tier.ptr, tier.len);
        e->tier = (struct str){e->tier_text, tier.len};
    }
}

static bool put_content(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    switch (c->type) {
    case CHUNK_TEXT:
    case CHUNK_REFUSAL:
    case CHUNK_AUDIO: /* its transcript */
        return put_text(e, c->text, out);
    case CHUNK_THINKING:
        return put_reasoning(e, "text", c->text, out);
    case CHUNK_SIGNATURE:
        return c->tool >= 0 || !converse_signature_fits(c->family) ||
               put_reasoning(e, "signature", c->text, out);
    case CHUNK_REDACTED:
        return !converse_signature_fits(c->family) || put_redacted(e, c->text, out);
    case CHUNK_TOOL_BEGIN:
        return begin_tool(e, c, out);
    case CHUNK_TOOL_ARGUMENTS:
        return put_arguments(e, c, out);
    case CHUNK_TOOL_END:
        return !tool_of(e, c->tool) || close_tool(tool_of(e, c->tool), out);
    case CHUNK_BREAK:
        return close_open(e, out);
    case CHUNK_MEDIA:
        return put_image(e, c->part, out);
    case CHUNK_CITATION:
        return put_citation(e, c->citation, out);
    case CHUNK_FINISH:
        return stop_message(e, c->finish, c->text, c->stop_sequence, out);
    default:
        return true;
    }
}

bool converse_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out)
{
    struct encoder *e = encoder;
    if (e->ended) {
        return true;
    }
    if (c->usage) {
        usage_merge(&e->usage, c->usage);
    }
    keep_tier(e, c->service_tier);
    if (c->type == CHUNK_ERROR) {
        e->ended = true;
        return !c->error || bedrock_error_frame(out, c->error);
    }
    if (c->type == CHUNK_PING || c->type == CHUNK_USAGE) {
        return true;
    }
    if (!start(e, out)) {
        return false;
    }
    if (c->type == CHUNK_END) {
        e->ended = true;
        return stop_message(e, FINISH_STOP, STR_NONE, STR_NONE, out) && put_metadata(e, out);
    }
    /* one choice is all that Converse has; nothing may follow its end */
    return c->choice > 0 || (e->stopped && c->type != CHUNK_FINISH) || put_content(e, c, out);
}
