/* A stream written for a client of Gemini: SSE frames of one GenerateContentResponse each (nothing
 * else, Google's SDK reads no comments), or one JSON array, element by element. Calls go out whole:
 * their arguments are collected, a mebibyte at most each; a longer one is left out and its choice
 * ends as MALFORMED_FUNCTION_CALL. The last frame, at END, tells how each choice ended and the
 * usage. Neither PING nor ERROR write anything: the caller ends a failed stream by the dialect's
 * error_event. See gemini_inside.h. */
#include "dataplane/dialects/citation_hold.h"
#include "dataplane/dialects/gemini_inside.h"

#define OPEN_CALLS 64  /* being collected at once */
#define NAMES_MAX 8192 /* of a call's id, name and signature together */
#define SCRATCH_MAX (64u << 20)
#define CITES_MAX 262144 /* JSON of the places cited */

struct open_call {
    bool used, overflow;
    unsigned choice;
    int tool;
    struct buffer names; /* id, name, signature, one after the other */
    size_t id_len, name_len, signature_len;
    struct buffer arguments;
};

struct choice_state {
    bool seen, finished, content, overflow;
    enum finish finish;
    char word[40];
    size_t word_len;
    struct buffer places;   /* groundingChunks' elements */
    struct buffer supports; /* groundingSupports' elements */
    struct buffer block;    /* the text since the last break: what citations count in */
    uint64_t said, before;  /* bytes of all text, and of what came before that block */
    size_t n_places;
};

struct encoder {
    const struct exchange_context *x;
    struct arena *a, *scratch; /* scratch: of one chunk */
    struct str id, model;
    bool array, begun, ended;
    size_t frames;
    struct usage usage;
    struct choice_state c[GEMINI_CANDIDATES];
    struct open_call calls[OPEN_CALLS];
    struct buffer text; /* the frame at hand, so that nothing half made goes out */
};

static void encoder_release(void *arg)
{
    struct encoder *e = arg;
    for (size_t i = 0; i < OPEN_CALLS; i++) {
        buffer_release(&e->calls[i].names);
        buffer_release(&e->calls[i].arguments);
    }
    for (size_t i = 0; i < GEMINI_CANDIDATES; i++) {
        buffer_release(&e->c[i].places);
        buffer_release(&e->c[i].supports);
        buffer_release(&e->c[i].block);
    }
    buffer_release(&e->text);
    arena_free(e->scratch);
}

void *gemini_encoder_new(const struct exchange_context *x, struct arena *a)
{
    struct encoder *e = arena_zalloc(a, sizeof(*e));
    if (!e) {
        return NULL;
    }
    e->x = x;
    e->a = a;
    e->array = x->client_framing == FRAMING_JSON_ARRAY;
    for (size_t i = 0; i < OPEN_CALLS; i++) {
        buffer_init(&e->calls[i].names, NAMES_MAX);
        buffer_init(&e->calls[i].arguments, GEMINI_COLLECT_MAX);
    }
    for (size_t i = 0; i < GEMINI_CANDIDATES; i++) {
        buffer_init(&e->c[i].places, CITES_MAX);
        buffer_init(&e->c[i].supports, CITES_MAX);
        buffer_init(&e->c[i].block, GEMINI_COLLECT_MAX);
    }
    buffer_init(&e->text, 256u << 20);
    e->scratch = arena_new(SCRATCH_MAX);
    if (!arena_on_release(a, encoder_release, e)) {
        encoder_release(e);
        return NULL;
    }
    return e;
}

/* ---- frames ---- */

static void frame_begin(struct encoder *e, struct json_writer *w)
{
    buffer_clear(&e->text);
    json_writer_init(w, &e->text);
    json_object_begin(w);
}

static bool frame_end(struct encoder *e, struct json_writer *w, struct buffer *out)
{
    json_field_str(w, "modelVersion", e->model.ptr ? e->model : e->x->model);
    json_field_str(w, "responseId", e->id.ptr ? e->id : e->x->unique);
    json_object_end(w);
    if (e->text.failed) {
        return false;
    }
    if (e->array) {
        (void)buffer_append_z(out, e->frames ? ",\r\n" : "[");
    } else {
        (void)buffer_append_z(out, "data: ");
    }
    e->frames++;
    (void)buffer_append_str(out, buffer_str(&e->text));
    return buffer_append_z(out, e->array ? "\n" : "\r\n\r\n");
}

static void candidate_begin(struct json_writer *w)
{
    json_name(w, "candidates");
    json_array_begin(w);
    json_object_begin(w);
    json_name(w, "content");
    json_object_begin(w);
    json_name(w, "parts");
    json_array_begin(w);
}

static void candidate_content_end(struct json_writer *w)
{
    json_array_end(w);
    json_field_z(w, "role", "model");
    json_object_end(w);
}

static void candidate_end(struct json_writer *w, unsigned choice)
{
    json_field_u64(w, "index", choice);
    json_object_end(w);
    json_array_end(w);
}

static void put_empty_text(struct json_writer *w)
{
    json_object_begin(w);
    json_field_z(w, "text", "");
    json_object_end(w);
}

static bool send_part(struct encoder *e, unsigned choice, const struct part *p, struct buffer *out)
{
    struct json_writer w;
    frame_begin(e, &w);
    candidate_begin(&w);
    if (!gemini_put_part(&w, e->scratch, p, e->x)) {
        return true; /* nothing that this client can be told */
    }
    candidate_content_end(&w);
    candidate_end(&w, choice);
    e->c[choice].content = true;
    return frame_end(e, &w, out);
}

static bool send_text(struct encoder *e, const struct chunk *c, enum part_type type,
                      struct buffer *out)
{
    struct part p = {.type = type, .text = c->text};
    if (type == PART_TEXT) {
        (void)buffer_append_str(&e->c[c->choice].block, c->text);
        e->c[c->choice].said += c->text.len;
    }
    return c->text.len == 0 || send_part(e, c->choice, &p, out);
}

/* ---- calls ---- */

static bool call_send(struct encoder *e, struct open_call *o, struct buffer *out)
{
    struct str names = buffer_str(&o->names);
    struct json_writer w;
    o->used = false;
    e->c[o->choice].content = true;
    if (o->overflow || o->arguments.failed || o->names.failed) {
        e->c[o->choice].overflow = true;
        return true;
    }
    frame_begin(e, &w);
    candidate_begin(&w);
    gemini_put_call(&w, str_slice(names, 0, o->id_len), str_slice(names, o->id_len, o->name_len),
                    buffer_str(&o->arguments),
                    str_slice(names, o->id_len + o->name_len, o->signature_len));
    candidate_content_end(&w);
    candidate_end(&w, o->choice);
    return frame_end(e, &w, out);
}

static bool calls_send(struct encoder *e, unsigned choice, struct buffer *out)
{
    /* in the order in which they were begun: by number, as the grammar counts them */
    for (;;) {
        struct open_call *first = NULL;
        for (size_t i = 0; i < OPEN_CALLS; i++) {
            struct open_call *o = &e->calls[i];
            if (o->used && o->choice == choice && (!first || o->tool < first->tool)) {
                first = o;
            }
        }
        if (!first) {
            return true;
        }
        if (!call_send(e, first, out)) {
            return false;
        }
    }
}

static struct open_call *call_of(struct encoder *e, const struct chunk *c)
{
    for (size_t i = 0; i < OPEN_CALLS; i++) {
        if (e->calls[i].used && e->calls[i].choice == c->choice && e->calls[i].tool == c->tool) {
            return &e->calls[i];
        }
    }
    return NULL;
}

static bool call_begin(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct open_call *o = NULL;
    for (size_t i = 0; i < OPEN_CALLS && !o; i++) {
        o = e->calls[i].used ? NULL : &e->calls[i];
    }
    if (!o) {
        o = &e->calls[0];
        if (!call_send(e, o, out)) {
            return false;
        }
    }
    buffer_clear(&o->names);
    buffer_clear(&o->arguments);
    o->used = true;
    o->overflow = false;
    o->choice = c->choice;
    o->tool = c->tool;
    o->signature_len = 0;
    if (c->id.len > 0) {
        (void)buffer_append_str(&o->names, c->id);
        o->id_len = c->id.len;
    } else {
        (void)buffer_printf(&o->names, "call_%.*s_%u_%d", STR_ARG(e->x->unique), c->choice,
                            c->tool);
        o->id_len = o->names.len;
    }
    (void)buffer_append_str(&o->names, c->name);
    o->name_len = c->name.len;
    return true;
}

static bool signature(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct open_call *o = c->tool >= 0 ? call_of(e, c) : NULL;
    if (c->tool < 0) {
        struct part p = {.type = PART_THINKING,
                         .text = STR_LIT(""),
                         .signature = c->text,
                         .signature_family = c->family};
        return c->text.len == 0 || send_part(e, c->choice, &p, out);
    }
    if (o && o->signature_len == 0) {
        struct str s = gemini_signature_text(e->scratch, c->family, false, c->text);
        (void)buffer_append_str(&o->names, s);
        o->signature_len = s.len;
    }
    return true;
}

/* ---- the rest ---- */

static bool logprobs(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct json_writer w;
    frame_begin(e, &w);
    candidate_begin(&w);
    put_empty_text(&w);
    candidate_content_end(&w);
    gemini_put_logprobs(&w, c->raw);
    candidate_end(&w, c->choice);
    return frame_end(e, &w, out);
}

static bool audio(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct part p = {.type = PART_AUDIO, .text = c->text, .media = {.data = c->audio}};
    if (!c->audio.len) {
        return send_text(e, c, PART_TEXT, out);
    }
    return send_part(e, c->choice, &p, out);
}

/* Where the place just added, `chunk`, is spoken of: in a stream all text is one part. */
static void support(struct choice_state *s, const struct citation *c, size_t chunk)
{
    struct buffer *b = &s->supports;
    struct str text = buffer_str(&s->block);
    struct json_writer w;
    size_t before = b->len;
    if (b->failed || s->block.failed || c->start < 0 || c->end < c->start ||
        c->end > citation_characters(text)) {
        return;
    }
    if (before > 0) {
        (void)buffer_append(b, ",", 1);
    }
    json_writer_init(&w, b);
    gemini_put_support(&w, text, s->before, 0, c, chunk);
    if (b->failed) {
        b->len = before;
    }
}

static void block_end(struct choice_state *s)
{
    s->before = s->said;
    buffer_clear(&s->block);
}

static void cite(struct encoder *e, const struct chunk *c)
{
    struct buffer *b = &e->c[c->choice].places;
    struct json_writer w;
    size_t before = b->len;
    if (!c->citation || b->failed) {
        return;
    }
    if (before > 0) {
        (void)buffer_append(b, ",", 1);
    }
    json_writer_init(&w, b);
    if (!gemini_put_chunk(&w, c->citation) || b->failed) {
        b->len = before; /* full, or no place: what is there stays whole */
        return;
    }
    support(&e->c[c->choice], c->citation, e->c[c->choice].n_places++);
}

static void finish(struct encoder *e, const struct chunk *c)
{
    struct choice_state *s = &e->c[c->choice];
    s->finished = true;
    s->finish = c->finish;
    s->word_len = c->text.len < sizeof(s->word) ? c->text.len : 0;
    if (s->word_len) {
        memcpy(s->word, c->text.ptr, s->word_len);
    }
}

static void put_last(struct encoder *e, struct json_writer *w, unsigned i)
{
    struct choice_state *s = &e->c[i];
    struct str word = {s->word, s->word_len};
    json_object_begin(w);
    json_name(w, "content");
    json_object_begin(w);
    json_name(w, "parts");
    json_array_begin(w);
    put_empty_text(w);
    candidate_content_end(w);
    json_field_str(w, "finishReason",
                   s->overflow ? STR_LIT("MALFORMED_FUNCTION_CALL")
                               : gemini_finish_text(s->finish, word));
    json_field_u64(w, "index", i);
    if (s->places.len > 0) {
        json_name(w, "groundingMetadata");
        json_object_begin(w);
        json_name(w, "groundingChunks");
        json_array_begin(w);
        json_put_raw(w, buffer_str(&s->places));
        json_array_end(w);
        if (s->supports.len > 0) {
            json_name(w, "groundingSupports");
            json_array_begin(w);
            json_put_raw(w, buffer_str(&s->supports));
            json_array_end(w);
        }
        json_object_end(w);
    }
    json_object_end(w);
}

static bool end(struct encoder *e, struct buffer *out)
{
    struct json_writer w;
    bool any = false;
    for (unsigned i = 0; i < GEMINI_CANDIDATES; i++) {
        if (!calls_send(e, i, out)) {
            return false;
        }
        any = any || e->c[i].seen;
    }
    e->c[0].seen = e->c[0].seen || !any;
    frame_begin(e, &w);
    json_name(&w, "candidates");
    json_array_begin(&w);
    for (unsigned i = 0; i < GEMINI_CANDIDATES; i++) {
        if (e->c[i].seen) {
            put_last(e, &w, i);
        }
    }
    json_array_end(&w);
    if (e->usage.found || e->usage.estimated) {
        gemini_put_usage(&w, &e->usage);
    }
    e->ended = true;
    return frame_end(e, &w, out) && (!e->array || buffer_append_z(out, "]"));
}

/* The array is opened at once, so that an error may follow as a further element. */
static bool start(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct json_writer w;
    if (e->begun) {
        return true;
    }
    e->begun = true;
    e->id = c->id.len ? arena_str(e->a, c->id) : STR_NONE;
    e->model = c->model.len ? arena_str(e->a, c->model) : STR_NONE;
    if (!e->array) {
        return true;
    }
    frame_begin(e, &w);
    return frame_end(e, &w, out);
}

static bool choice_chunk(struct encoder *e, const struct chunk *c, struct buffer *out)
{
    struct open_call *o;
    struct part redacted = {
        .type = PART_REDACTED_THINKING, .signature = c->text, .signature_family = c->family};
    e->c[c->choice].seen = true;
    switch (c->type) {
    case CHUNK_TEXT:
    case CHUNK_REFUSAL:
        return send_text(e, c, PART_TEXT, out);
    case CHUNK_THINKING:
        return send_text(e, c, PART_THINKING, out);
    case CHUNK_SIGNATURE:
        return signature(e, c, out);
    case CHUNK_REDACTED:
        return send_part(e, c->choice, &redacted, out);
    case CHUNK_TOOL_BEGIN:
        return call_begin(e, c, out);
    case CHUNK_TOOL_ARGUMENTS:
        o = call_of(e, c);
        if (o && !buffer_append_str(&o->arguments, c->text)) {
            o->overflow = true;
        }
        return true;
    case CHUNK_TOOL_END:
        o = call_of(e, c);
        return !o || call_send(e, o, out);
    case CHUNK_BREAK:
        block_end(&e->c[c->choice]);
        return calls_send(e, c->choice, out);
    case CHUNK_MEDIA:
        return !c->part || send_part(e, c->choice, c->part, out);
    case CHUNK_AUDIO:
        return audio(e, c, out);
    case CHUNK_CITATION:
        cite(e, c);
        return true;
    case CHUNK_LOGPROBS:
        return logprobs(e, c, out);
    case CHUNK_FINISH:
        finish(e, c);
        return calls_send(e, c->choice, out);
    default:
        return true;
    }
}

bool gemini_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out)
{
    struct encoder *e = encoder;
    bool ok = true;
    if (e->ended) {
        return true;
    }
    arena_reset(e->scratch);
    switch (c->type) {
    case CHUNK_START:
        if (c->usage) {
            usage_merge(&e->usage, c->usage);
        }
        ok = start(e, c, out);
        break;
    case CHUNK_USAGE:
        if (c->usage) {
            usage_merge(&e->usage, c->usage);
        }
        break;
    case CHUNK_PING:
    case CHUNK_ERROR:
        break;
    case CHUNK_END:
        ok = end(e, out);
        break;
    default:
        if (c->choice < GEMINI_CANDIDATES) {
            ok = choice_chunk(e, c, out);
        }
        break;
    }
    return ok && !out->failed;
}
