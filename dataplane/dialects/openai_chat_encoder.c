/* A stream of chat completion chunks for a client. Each neutral chunk is written as it comes; the
 * state knows which choices and calls were begun, and the usage so far. */
#include <stdio.h>

#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_chat_codec.h"

#define CHOICES_MAX 128
#define CALLS_MAX 256

struct choice {
    bool role;           /* was told */
    int64_t said, block; /* characters of the text so far, and before the block at hand */
    uint64_t begun[CALLS_MAX / 64];
    uint64_t filled[CALLS_MAX / 64]; /* some text of the arguments has gone out */
};

struct encoder {
    const struct exchange_context *x;
    struct arena *a;
    struct str id, model, service_tier, fingerprint;
    int64_t created;
    bool stream_usage, over;
    struct usage usage;
    struct choice *choices[CHOICES_MAX];
};

void *openai_chat_encoder_new(const struct exchange_context *x, struct arena *a)
{
    struct encoder *e = arena_zalloc(a, sizeof(*e));
    if (!e) {
        return NULL;
    }
    e->x = x;
    e->a = a;
    e->created = x->created;
    e->model = x->model;
    e->id = arena_printf(a, "chatcmpl-%.*s", STR_ARG(x->unique));
    e->stream_usage = x->request && x->request->stream_usage;
    return e->id.ptr ? e : NULL;
}

static struct choice *choice_state(struct encoder *e, unsigned index)
{
    if (index >= CHOICES_MAX) {
        return NULL;
    }
    if (!e->choices[index]) {
        e->choices[index] = arena_zalloc(e->a, sizeof(struct choice));
    }
    return e->choices[index];
}

static void event_begin(struct encoder *e, struct json_writer *w, struct buffer *out)
{
    (void)buffer_append_z(out, "data: ");
    json_writer_init(w, out);
    json_object_begin(w);
    json_field_str(w, "id", e->id);
    json_field_z(w, "object", "chat.completion.chunk");
    json_field_i64(w, "created", e->created);
    json_field_str(w, "model", e->model.ptr ? e->model : STR_LIT(""));
    if (e->service_tier.len) {
        json_field_str(w, "service_tier", e->service_tier);
    }
    if (e->fingerprint.len) {
        json_field_str(w, "system_fingerprint", e->fingerprint);
    }
    json_name(w, "choices");
    json_array_begin(w);
}

static void event_end(struct encoder *e, struct json_writer *w, const struct usage *usage)
{
    json_array_end(w);
    if (usage) {
        json_name(w, "usage");
        openai_put_chat_usage(w, usage);
    } else if (e->stream_usage) {
        json_name(w, "usage");
        json_put_null(w);
    }
    json_object_end(w);
    (void)buffer_append_z(w->out, "\n\n");
}

static void choice_begin(struct encoder *e, struct json_writer *w, struct buffer *out,
                         unsigned choice)
{
    event_begin(e, w, out);
    json_object_begin(w);
    json_field_u64(w, "index", choice);
    json_name(w, "delta");
    json_object_begin(w);
}

static void choice_end(struct encoder *e, struct json_writer *w, struct str logprobs,
                       const char *finish)
{
    json_object_end(w);
    json_name(w, "logprobs");
    json_put_raw(w, logprobs.ptr ? logprobs : STR_LIT("null"));
    if (finish) {
        json_field_z(w, "finish_reason", finish);
    } else {
        json_name(w, "finish_reason");
        json_put_null(w);
    }
    json_object_end(w);
    event_end(e, w, NULL);
}

/* The role comes first, in a delta of its own as OpenAI's own stream has it. */
static void tell_role(struct encoder *e, struct buffer *out, unsigned choice)
{
    struct json_writer w;
    struct choice *s = choice_state(e, choice);
    if (s && s->role) {
        return;
    }
    if (s) {
        s->role = true;
    }
    choice_begin(e, &w, out, choice);
    json_field_z(&w, "role", "assistant");
    json_field_z(&w, "content", "");
    json_name(&w, "refusal");
    json_put_null(&w);
    choice_end(e, &w, STR_NONE, NULL);
}

/* Citations count within their block; here all blocks are one text. */
static int64_t block_start(struct encoder *e, unsigned choice)
{
    const struct choice *s = choice_state(e, choice);
    return s ? s->block : 0;
}

static void note_text(struct encoder *e, const struct chunk *c)
{
    struct choice *s = choice_state(e, c->choice);
    if (s && c->type == CHUNK_TEXT) {
        s->said += openai_characters(c->text);
    } else if (s && c->type == CHUNK_BREAK) {
        s->block = s->said;
    }
}

static void put_call(struct json_writer *w, const struct chunk *c, struct encoder *e)
{
    json_name(w, "tool_calls");
    json_array_begin(w);
    json_object_begin(w);
    json_field_i64(w, "index", c->tool);
    if (c->type == CHUNK_TOOL_BEGIN) {
        char made[96];
        (void)snprintf(made, sizeof(made), "call_%.*s_%u_%d", STR_ARG(e->x->unique), c->choice,
                       c->tool);
        json_field_str(w, "id", c->id.len ? c->id : str_of(made));
        json_field_z(w, "type", "function");
    }
    if (c->type == CHUNK_SIGNATURE) {
        openai_put_thought_signature(w, c->text);
    } else {
        json_name(w, "function");
        json_object_begin(w);
        if (c->type == CHUNK_TOOL_BEGIN) {
            json_field_str(w, "name", c->name.ptr ? c->name : STR_LIT(""));
        }
        json_field_str(w, "arguments",
                       c->text.ptr && c->type != CHUNK_TOOL_BEGIN ? c->text : STR_LIT(""));
        json_object_end(w);
    }
    json_object_end(w);
    json_array_end(w);
}

/* Google's stands where Google's own endpoint has it: clients that put the pieces of a thought
 * together keep no word of whose it is. */
static void put_proof(struct json_writer *w, const struct chunk *c)
{
    bool redacted = c->type == CHUNK_REDACTED;
    if (c->family == FAMILY_GEMINI && !redacted) {
        openai_put_thought_signature(w, c->text);
        return;
    }
    json_name(w, "thinking_blocks");
    json_array_begin(w);
    json_object_begin(w);
    json_field_z(w, "type", redacted ? "redacted_thinking" : "thinking");
    if (!redacted) {
        json_field_z(w, "thinking", "");
    }
    json_field_str(w, redacted ? "data" : "signature", c->text);
    if (c->family != FAMILY_MESSAGES && c->family != FAMILY_NONE) {
        json_field_z(w, "signature_from", family_name(c->family));
    }
    json_object_end(w);
    json_array_end(w);
}

static void put_audio(struct json_writer *w, struct str id, struct str data, struct str text)
{
    json_name(w, "audio");
    json_object_begin(w);
    if (id.len) {
        json_field_str(w, "id", id);
    }
    if (data.len) {
        json_field_str(w, "data", data);
    }
    if (text.len) {
        json_field_str(w, "transcript", text);
    }
    json_object_end(w);
}

static void put_image(struct json_writer *w, const struct media *m)
{
    json_name(w, "images");
    json_array_begin(w);
    json_object_begin(w);
    json_field_z(w, "type", "image_url");
    json_name(w, "image_url");
    json_object_begin(w);
    json_name(w, "url");
    if (m->data.ptr) { /* of any size: it is written without being copied first */
        struct str type = m->media_type.len ? m->media_type : STR_LIT("image/png");
        bool plain = !memchr(type.ptr, '"', type.len) && !memchr(type.ptr, '\\', type.len) &&
                     !memchr(m->data.ptr, '"', m->data.len) &&
                     !memchr(m->data.ptr, '\\', m->data.len);
        json_put_raw(w, STR_LIT("\"data:"));
        (void)buffer_append_str(w->out, plain ? type : STR_LIT("image/png"));
        (void)buffer_append_z(w->out, ";base64,");
        (void)buffer_append_str(w->out, plain ? m->data : STR_LIT(""));
        (void)buffer_append_z(w->out, "\"");
    } else {
        json_put_str(w, m->url.ptr ? m->url : STR_LIT(""));
    }
    json_object_end(w);
    json_object_end(w);
    json_array_end(w);
}

/* What stands in the delta; false: nothing that this dialect can say. */
static bool put_delta(struct encoder *e, struct json_writer *w, const struct chunk *c)
{
    switch (c->type) {
    case CHUNK_TEXT:
        json_field_str(w, "content", c->text);
        return true;
    case CHUNK_REFUSAL:
        json_field_str(w, "refusal", c->text);
        return true;
    case CHUNK_THINKING:
        json_field_str(w, "reasoning_content", c->text);
        return true;
    case CHUNK_SIGNATURE:
    case CHUNK_REDACTED:
        if (c->tool >= 0 && c->type == CHUNK_SIGNATURE) {
            put_call(w, c, e);
        } else {
            put_proof(w, c);
        }
        return true;
    case CHUNK_TOOL_BEGIN:
    case CHUNK_TOOL_ARGUMENTS:
        put_call(w, c, e);
        return true;
    case CHUNK_AUDIO:
        put_audio(w, c->id, c->audio, c->text);
        return true;
    case CHUNK_MEDIA:
        if (c->part->type == PART_AUDIO) {
            put_audio(w, c->part->id, c->part->media.data, c->part->text);
        } else {
            put_image(w, &c->part->media);
        }
        return true;
    case CHUNK_CITATION:
        json_name(w, "annotations");
        json_array_begin(w);
        (void)openai_put_annotation(w, c->citation, true, block_start(e, c->choice));
        json_array_end(w);
        return true;
    default:
        return false;
    }
}

static bool is_said(const struct chunk *c)
{
    switch (c->type) {
    case CHUNK_TEXT:
    case CHUNK_REFUSAL:
    case CHUNK_THINKING:
    case CHUNK_TOOL_ARGUMENTS:
    case CHUNK_REDACTED:
        return c->text.len > 0;
    case CHUNK_SIGNATURE:
        return c->text.len > 0 && (c->tool < 0 || c->family == FAMILY_GEMINI);
    case CHUNK_TOOL_BEGIN:
    case CHUNK_AUDIO:
        return true;
    case CHUNK_MEDIA:
        return c->part && (c->part->type == PART_IMAGE || c->part->type == PART_AUDIO);
    case CHUNK_CITATION:
        return c->citation && c->citation->url.len > 0;
    default:
        return false;
    }
}

static void note_call(struct encoder *e, const struct chunk *c)
{
    struct choice *s = choice_state(e, c->choice);
    if (!s || c->tool < 0 || c->tool >= CALLS_MAX) {
        return;
    }
    uint64_t bit = 1ULL << (c->tool % 64);
    if (c->type == CHUNK_TOOL_BEGIN) {
        s->begun[c->tool / 64] |= bit;
    } else if (c->type == CHUNK_TOOL_ARGUMENTS) {
        s->filled[c->tool / 64] |= bit;
    }
}

static void put_said(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct json_writer w;
    tell_role(e, out, c->choice);
    choice_begin(e, &w, out, c->choice);
    (void)put_delta(e, &w, c);
    choice_end(e, &w, STR_NONE, NULL);
    note_call(e, c);
}

/* SDKs parse the arguments: a call without any gets an empty object. */
static void fill_empty_calls(struct encoder *e, struct buffer *out, unsigned choice)
{
    struct choice *s = choice_state(e, choice);
    for (int tool = 0; s && tool < CALLS_MAX; tool++) {
        uint64_t bit = 1ULL << (tool % 64);
        if ((s->begun[tool / 64] & bit) && !(s->filled[tool / 64] & bit)) {
            put_said(e,
                     &(struct chunk){.type = CHUNK_TOOL_ARGUMENTS,
                                     .choice = choice,
                                     .tool = tool,
                                     .text = STR_LIT("{}")},
                     out);
        }
    }
}

static struct str keep(struct encoder *e, struct str text, struct str otherwise)
{
    struct str copy = text.len && text.len < 512 ? arena_str(e->a, text) : STR_NONE;
    return copy.ptr ? copy : otherwise;
}

static void put_start(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    e->id = keep(e, c->id, e->id);
    e->model = keep(e, c->model, e->model);
    e->service_tier = keep(e, c->service_tier, e->service_tier);
    e->fingerprint = keep(e, c->system_fingerprint, e->fingerprint);
    e->created = c->created ? c->created : e->created;
    tell_role(e, out, 0);
}

static void put_finish(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct json_writer w;
    tell_role(e, out, c->choice);
    fill_empty_calls(e, out, c->choice);
    choice_begin(e, &w, out, c->choice);
    choice_end(e, &w, STR_NONE, openai_finish_word(c->finish));
}

static void put_end(struct encoder *e, struct buffer *out)
{
    struct json_writer w;
    if (e->stream_usage && e->usage.found) {
        event_begin(e, &w, out);
        event_end(e, &w, &e->usage);
    }
    (void)buffer_append_z(out, "data: [DONE]\n\n");
    e->over = true;
}

bool openai_chat_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out)
{
    struct encoder *e = encoder;
    struct json_writer w;
    size_t from = out->len;
    if (e->over) {
        return !out->failed;
    }
    if (c->usage) {
        usage_merge(&e->usage, c->usage);
    }
    switch (c->type) {
    case CHUNK_START:
        put_start(e, c, out);
        break;
    case CHUNK_LOGPROBS:
        tell_role(e, out, c->choice);
        from = out->len + 6;
        choice_begin(e, &w, out, c->choice);
        choice_end(e, &w, c->raw, NULL);
        openai_one_line(out, from);
        (void)buffer_append_z(out, "\n\n");
        break;
    case CHUNK_FINISH:
        put_finish(e, c, out);
        break;
    case CHUNK_PING:
        (void)buffer_append_z(out, ": ping\n\n");
        break;
    case CHUNK_ERROR:
        (void)buffer_append_z(out, "data: ");
        json_writer_init(&w, out);
        json_object_begin(&w);
        openai_put_error(&w, c->error, 0);
        json_object_end(&w);
        openai_one_line(out, from);
        (void)buffer_append_z(out, "\n\n");
        e->over = true;
        break;
    case CHUNK_END:
        put_end(e, out);
        break;
    default:
        if (is_said(c)) {
            put_said(e, c, out);
        }
        note_text(e, c);
        break;
    }
    return !out->failed;
}
