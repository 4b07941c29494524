/* Anthropic's stream to chunks: message_start, then per block content_block_start, its deltas and
 * content_block_stop, then message_delta and message_stop. One block is open at a time; its kind is
 * all that is kept, but for a built-in tool's own block, whose input is collected so that the block
 * can be handed over whole. What is past the ceiling, and blocks with deltas that are not known,
 * are left out. */
#include "dataplane/dialects/citation_hold.h"
#include "dataplane/dialects/messages_inside.h"

#define NATIVE_MAX (1u << 20)

enum block_kind {
    BLOCK_NONE = 0,
    BLOCK_TEXT,
    BLOCK_THINKING,
    BLOCK_REDACTED,
    BLOCK_TOOL,
    BLOCK_JSON, /* the tool call that is the wanted JSON answer */
    BLOCK_NATIVE
};

struct decoder {
    const struct exchange_context *x;
    struct arena *a;
    chunk_fn emit;
    void *arg;
    bool started, finished, ended;
    enum block_kind block;
    int tool, n_tools;  /* of the open block; how many there were */
    bool input_given;   /* the tool's input stood whole in the start */
    bool argued;        /* any argument was given */
    bool json_answered; /* the JSON answer was a tool call: the reason is not "tool_use" */
    bool broken;        /* the native block cannot be told whole */
    struct buffer native, input;
    struct citation_hold citations;
    struct messages_counts counts;
};

static void release(void *arg)
{
    struct decoder *d = arg;
    buffer_release(&d->native);
    buffer_release(&d->input);
    citation_hold_release(&d->citations);
}

void *messages_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                           void *arg)
{
    struct decoder *d = arena_zalloc(a, sizeof(*d));
    if (!d) {
        return NULL;
    }
    *d = (struct decoder){.x = x, .a = a, .emit = emit, .arg = arg, .tool = -1};
    buffer_init(&d->native, NATIVE_MAX);
    buffer_init(&d->input, NATIVE_MAX);
    citation_hold_init(&d->citations);
    return arena_on_release(a, release, d) ? d : NULL;
}

static void give(struct decoder *d, struct chunk c)
{
    d->emit(d->arg, &c);
}

static void give_text(struct decoder *d, enum chunk_type type, int tool, struct str text)
{
    if (text.len) {
        give(d,
             (struct chunk){.type = type, .tool = tool, .text = text, .family = FAMILY_MESSAGES});
    }
}

static void start(struct decoder *d, struct arena *scratch, struct json_value message)
{
    struct json_value usage;
    struct chunk c = {.type = CHUNK_START, .tool = -1};
    struct usage u;
    if (d->started) {
        return;
    }
    d->started = true;
    c.id = read_get_text(scratch, message, "id");
    c.model = read_get_text(scratch, message, "model");
    if (read_get(message, "usage", &usage)) {
        messages_counts_read(&d->counts, usage);
        c.service_tier = messages_read_tier(scratch, usage);
    }
    if (d->counts.found) {
        u = messages_counts_usage(&d->counts);
        u.output_found = false; /* what is said of the output here is its first piece only */
        c.usage = &u;
    }
    give(d, c);
}

/* A stream that lacks its beginning is tolerated. */
static void must_start(struct decoder *d)
{
    if (!d->started) {
        start(d, NULL, (struct json_value){.type = JSON_NULL});
    }
}

/* ---- blocks ---- */

static void start_tool(struct decoder *d, struct arena *scratch, struct json_value block)
{
    struct json_value input, first;
    size_t pos = 0;
    struct str name = read_get_text(scratch, block, "name");
    name = messages_tool_name_back(scratch, d->x, name);
    d->argued = d->input_given = false;
    if (messages_is_json_answer(d->x, name)) {
        d->block = BLOCK_JSON;
        d->json_answered = true;
    } else {
        d->block = BLOCK_TOOL;
        d->tool = d->n_tools++;
        give(d, (struct chunk){.type = CHUNK_TOOL_BEGIN,
                               .tool = d->tool,
                               .id = read_get_text(scratch, block, "id"),
                               .name = name.ptr ? name : STR_LIT("")});
    }
    if (read_get(block, "input", &input) && input.type == JSON_OBJECT &&
        json_next(input, &pos, NULL, &first)) {
        d->input_given = d->argued = true;
        give_text(d, d->block == BLOCK_JSON ? CHUNK_TEXT : CHUNK_TOOL_ARGUMENTS, d->tool,
                  input.raw);
    }
}

static void start_native(struct decoder *d, struct json_value block)
{
    d->block = BLOCK_NATIVE;
    buffer_clear(&d->native);
    buffer_clear(&d->input);
    d->broken = !buffer_append_str(&d->native, block.raw);
}

static void give_signature(struct decoder *d, struct str text)
{
    struct str call, signature;
    enum family f = messages_signature_read(text, &call, &signature);
    if (signature.len && !call.ptr) {
        give(d,
             (struct chunk){.type = CHUNK_SIGNATURE, .tool = -1, .text = signature, .family = f});
    }
}

struct giving {
    struct decoder *d;
    struct arena *scratch;
};

/* Anthropic cuts a block per cited statement: it is about the whole. */
static void give_citation(void *arg, struct json_value v, int64_t characters)
{
    const struct giving *g = arg;
    struct citation c = messages_read_citation(g->scratch, v);
    c.start = 0;
    c.end = characters;
    give(g->d, (struct chunk){.type = CHUNK_CITATION, .tool = -1, .citation = &c});
}

/* Of the block that has ended, whether it said so or not. */
static void give_citations(struct decoder *d, struct arena *scratch)
{
    struct giving g = {d, scratch};
    citation_hold_give(&d->citations, give_citation, &g);
}

static void give_block_text(struct decoder *d, struct str text)
{
    citation_hold_text(&d->citations, text);
    give_text(d, CHUNK_TEXT, -1, text);
}

static void block_start(struct decoder *d, struct arena *scratch, struct json_value event)
{
    struct json_value block;
    d->block = BLOCK_NONE;
    d->tool = -1;
    give_citations(d, scratch);
    if (!read_get(event, "content_block", &block) || block.type != JSON_OBJECT) {
        return;
    }
    struct str type = read_get_text(scratch, block, "type");
    if (str_eqz(type, "text")) {
        struct json_value list, v;
        size_t pos = 0;
        d->block = BLOCK_TEXT;
        give_block_text(d, read_get_text(scratch, block, "text"));
        while (read_get(block, "citations", &list) && json_next(list, &pos, NULL, &v)) {
            if (v.type == JSON_OBJECT) {
                citation_hold_add(&d->citations, v);
            }
        }
    } else if (str_eqz(type, "thinking")) {
        d->block = BLOCK_THINKING;
        give_text(d, CHUNK_THINKING, -1, read_get_text(scratch, block, "thinking"));
        give_signature(d, read_get_text(scratch, block, "signature"));
    } else if (str_eqz(type, "redacted_thinking")) {
        d->block = BLOCK_REDACTED;
        give_text(d, CHUNK_REDACTED, -1, read_get_text(scratch, block, "data"));
    } else if (str_eqz(type, "tool_use")) {
        start_tool(d, scratch, block);
    } else {
        start_native(d, block);
    }
}

static void delta_input(struct decoder *d, struct str json)
{
    if (d->block == BLOCK_NATIVE) {
        d->broken = d->broken || !buffer_append_str(&d->input, json);
    } else if ((d->block == BLOCK_TOOL || d->block == BLOCK_JSON) && !d->input_given && json.len) {
        d->argued = true;
        give_text(d, d->block == BLOCK_JSON ? CHUNK_TEXT : CHUNK_TOOL_ARGUMENTS, d->tool, json);
    }
}

static void block_delta(struct decoder *d, struct arena *scratch, struct json_value event)
{
    struct json_value delta, v;
    if (!read_get(event, "delta", &delta)) {
        return;
    }
    struct str type = read_get_text(scratch, delta, "type");
    if (str_eqz(type, "text_delta")) {
        give_block_text(d, read_get_text(scratch, delta, "text"));
    } else if (str_eqz(type, "input_json_delta")) {
        delta_input(d, read_get_text(scratch, delta, "partial_json"));
    } else if (str_eqz(type, "thinking_delta")) {
        give_text(d, CHUNK_THINKING, -1, read_get_text(scratch, delta, "thinking"));
    } else if (str_eqz(type, "signature_delta")) {
        give_signature(d, read_get_text(scratch, delta, "signature"));
    } else if (str_eqz(type, "citations_delta")) {
        if (read_get(delta, "citation", &v) && v.type == JSON_OBJECT) {
            citation_hold_add(&d->citations, v);
        }
    } else if (d->block == BLOCK_NATIVE) {
        d->broken = true;
    }
}

/* The block of a built-in tool, with the input that came in pieces. */
static void give_native(struct decoder *d, struct arena *scratch)
{
    struct json_value block, name, v, input;
    struct buffer whole;
    size_t pos = 0;
    struct part p = {.type = PART_NATIVE, .family = FAMILY_MESSAGES};
    if (d->broken || !read_json(buffer_str(&d->native), &block)) {
        return;
    }
    p.raw = buffer_str(&d->native);
    buffer_init(&whole, 2 * NATIVE_MAX + 64);
    if (d->input.len) {
        struct json_writer w;
        if (!read_json(buffer_str(&d->input), &input)) {
            return;
        }
        json_writer_init(&w, &whole);
        json_object_begin(&w);
        while (json_next(block, &pos, &name, &v)) {
            struct str z = arena_str(scratch, read_text(scratch, name));
            json_name(&w, z.ptr ? z.ptr : "");
            json_put_raw(&w, json_text_eq(name, STR_LIT("input")) ? input.raw : v.raw);
        }
        json_object_end(&w);
        p.raw = buffer_str(&whole);
    }
    if (!whole.failed) {
        give(d, (struct chunk){.type = CHUNK_MEDIA, .tool = -1, .part = &p});
    }
    buffer_release(&whole);
}

static void block_stop(struct decoder *d, struct arena *scratch)
{
    give_citations(d, scratch);
    switch (d->block) {
    case BLOCK_TOOL:
        give(d, (struct chunk){.type = CHUNK_TOOL_END, .tool = d->tool});
        break;
    case BLOCK_JSON:
        if (!d->argued) {
            give_text(d, CHUNK_TEXT, -1, STR_LIT("{}"));
        }
        give(d, (struct chunk){.type = CHUNK_BREAK, .tool = -1});
        break;
    case BLOCK_NATIVE:
        give_native(d, scratch);
        break;
    case BLOCK_NONE:
        break;
    default:
        give(d, (struct chunk){.type = CHUNK_BREAK, .tool = -1});
        break;
    }
    d->block = BLOCK_NONE;
    d->tool = -1;
}

/* ---- the message ---- */

static void message_delta(struct decoder *d, struct arena *scratch, struct json_value event)
{
    struct json_value delta, usage;
    give_citations(d, scratch);
    if (read_get(event, "delta", &delta) && !d->finished) {
        struct str word = read_get_text(scratch, delta, "stop_reason");
        enum finish f = messages_finish_of(word);
        if (f == FINISH_TOOL_CALLS && d->json_answered && d->n_tools == 0) {
            f = FINISH_STOP;
        }
        if (f != FINISH_NONE) {
            d->finished = true;
            give(d,
                 (struct chunk){.type = CHUNK_FINISH,
                                .tool = -1,
                                .finish = f,
                                .text = word,
                                .stop_sequence = read_get_text(scratch, delta, "stop_sequence")});
        }
    }
    if (read_get(event, "usage", &usage) && usage.type == JSON_OBJECT) {
        messages_counts_read(&d->counts, usage);
        struct usage u = messages_counts_usage(&d->counts);
        give(d, (struct chunk){.type = CHUNK_USAGE,
                               .tool = -1,
                               .usage = &u,
                               .service_tier = messages_read_tier(scratch, usage)});
    }
}

static void give_error(struct decoder *d, struct arena *scratch, struct str data,
                       struct str errortype)
{
    struct provider_error e;
    provider_error_read(data, 0, errortype, scratch, &e);
    provider_error_refine(&e);
    d->ended = true;
    give(d, (struct chunk){.type = CHUNK_ERROR, .tool = -1, .error = &e});
}

static void end(struct decoder *d)
{
    d->ended = true;
    give(d, (struct chunk){.type = CHUNK_END, .tool = -1});
}

bool messages_decode_event(void *decoder, struct arena *scratch, struct str name, struct str data)
{
    struct decoder *d = decoder;
    struct json_value event;
    static const struct str exception = STR_LIT("exception:");
    data = str_trim(data);
    if (d->ended || data.len == 0 || str_eqz(data, "[DONE]")) {
        return true;
    }
    if (str_starts(name, exception)) {
        give_error(d, scratch, data, str_slice(name, exception.len, name.len));
        return true;
    }
    if (!read_json(data, &event) || event.type != JSON_OBJECT) {
        return false;
    }
    struct str type = read_get_text(scratch, event, "type");
    if (!type.ptr) {
        type = name;
    }
    if (str_eqz(type, "ping")) {
        if (d->started) {
            give(d, (struct chunk){.type = CHUNK_PING, .tool = -1});
        }
        return true;
    }
    if (str_eqz(type, "error")) {
        give_error(d, scratch, data, STR_NONE);
        return true;
    }
    if (str_eqz(type, "message_start")) {
        struct json_value message = {.type = JSON_NULL};
        (void)read_get(event, "message", &message);
        start(d, scratch, message);
        return true;
    }
    bool content = str_starts(type, STR_LIT("content_block_"));
    if (!content && !str_starts(type, STR_LIT("message_"))) {
        return true; /* a kind of event that came later */
    }
    must_start(d);
    if (str_eqz(type, "content_block_start")) {
        block_start(d, scratch, event);
    } else if (str_eqz(type, "content_block_delta")) {
        block_delta(d, scratch, event);
    } else if (str_eqz(type, "content_block_stop")) {
        block_stop(d, scratch);
    } else if (str_eqz(type, "message_delta")) {
        message_delta(d, scratch, event);
    } else if (str_eqz(type, "message_stop")) {
        end(d);
    }
    return true;
}

void messages_decode_end(void *decoder)
{
    (void)decoder; /* message_stop is the end; without it the answer was cut */
}
