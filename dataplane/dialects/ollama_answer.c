/* What comes back from Ollama's /api/chat: one object, or one per line, each with the same fields;
 * see ollama_chat.h. */
#include "common/base/clock.h"
#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/ollama_chat.h"

/* Ollama says "stop" after tool calls too; "load" and "unload" answer an empty prompt; old servers
 * say nothing. */
static enum finish finish_of(struct str word, bool called)
{
    if (str_eqz(word, "length")) {
        return FINISH_LENGTH;
    }
    if (called) {
        return FINISH_TOOL_CALLS;
    }
    return !word.len || str_eqz(word, "stop") || str_eqz(word, "load") || str_eqz(word, "unload")
               ? FINISH_STOP
               : FINISH_OTHER;
}

static void usage_read(struct json_value o, struct usage *ret)
{
    struct json_value v;
    ret->input_found = read_get(o, "prompt_eval_count", &v) && json_u64(v, &ret->input);
    ret->output_found = read_get(o, "eval_count", &v) && json_u64(v, &ret->output);
    ret->found = ret->input_found || ret->output_found;
}

/* "2023-08-04T08:52:19.385406455-07:00" in seconds; 0 when it does not say. */
static int64_t created_of(struct arena *a, struct json_value o)
{
    uint64_t ms;
    struct str text = read_get_text(a, o, "created_at");
    return text.len && clock_parse_rfc3339(text, &ms) ? (int64_t)(ms / 1000) : 0;
}

/* Ollama's list has chat completions' items already. */
static struct str logprobs_of(struct arena *a, struct json_value o)
{
    struct json_value v;
    if (!read_get(o, "logprobs", &v) || v.type != JSON_ARRAY) {
        return STR_NONE;
    }
    return arena_printf(a, "{\"content\":%.*s,\"refusal\":null}", STR_ARG(v.raw));
}

/* One call of a message, as a part. Calls have an id in new servers only. */
static void call_read(struct arena *a, const struct exchange_context *x, struct json_value call,
                      int number, struct part *ret)
{
    struct json_value function, arguments;
    *ret = (struct part){.type = PART_TOOL_CALL,
                         .id = read_get_text(a, call, "id"),
                         .name = STR_LIT(""),
                         .arguments = STR_LIT("{}")};
    if (!ret->id.len) {
        ret->id = arena_printf(a, "call_%.*s_%d", STR_ARG(x->unique), number);
    }
    if (!read_get(call, "function", &function)) {
        return;
    }
    struct str name = read_get_text(a, function, "name");
    ret->name = name.ptr ? name : ret->name;
    if (read_get(function, "arguments", &arguments)) {
        ret->arguments = arguments_of(a, arguments.type == JSON_STRING ? read_text(a, arguments)
                                                                       : arguments.raw);
    }
}

/* ---- the whole answer ---- */

struct parts {
    struct part *list;
    size_t n, cap;
};

static bool add_text(struct arena *a, struct parts *p, enum part_type type, struct str text)
{
    if (!text.len) {
        return true;
    }
    struct part *part = part_add(a, &p->list, &p->n, &p->cap);
    if (part) {
        part->type = type;
        part->text = text;
    }
    return part != NULL;
}

static bool add_calls(struct arena *a, struct parts *p, const struct exchange_context *x,
                      struct json_value message, bool *ret_called)
{
    struct json_value calls, call;
    size_t pos = 0;
    if (!read_get(message, "tool_calls", &calls)) {
        return true;
    }
    for (int i = 0; calls.type == JSON_ARRAY && json_next(calls, &pos, NULL, &call); i++) {
        struct part *part = part_add(a, &p->list, &p->n, &p->cap);
        if (!part) {
            return false;
        }
        call_read(a, x, call, i, part);
        *ret_called = true;
    }
    return true;
}

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct chat_reply *ret, struct error *err)
{
    struct json_value o, message;
    struct parts p = {.n = 0};
    bool called = false;
    if (!read_json(body, &o)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer is not valid JSON");
    }
    if (o.type != JSON_OBJECT || !read_get(o, "message", &message) || message.type != JSON_OBJECT) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer holds no message");
    }
    struct chat_reply r = {.created = created_of(a, o)};
    struct chat_choice *choice = arena_zalloc(a, sizeof(*choice));
    if (!choice || !add_text(a, &p, PART_THINKING, read_get_text(a, message, "thinking")) ||
        !add_text(a, &p, PART_TEXT, read_get_text(a, message, "content")) ||
        !add_calls(a, &p, x, message, &called)) {
        return error_set(err, ERR_INTERNAL, "the provider's answer is too large");
    }
    struct str model = read_get_text(a, o, "model");
    r.model = model.len ? model : x->model;
    choice->parts = p.list;
    choice->n_parts = p.n;
    choice->finish_raw = read_get_text(a, o, "done_reason");
    choice->finish = finish_of(choice->finish_raw, called);
    choice->logprobs = logprobs_of(a, o);
    usage_read(o, &r.usage);
    r.choices = choice;
    r.n_choices = 1;
    *ret = r;
    return true;
}

/* ---- the stream ---- */

struct decoder {
    const struct exchange_context *x;
    chunk_fn emit;
    void *arg;
    int n_calls;
    bool started, finished;
};

static void *decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                         void *arg)
{
    struct decoder *d = arena_zalloc(a, sizeof(*d));
    if (d) {
        d->x = x;
        d->emit = emit;
        d->arg = arg;
    }
    return d;
}

static void emit_start(struct decoder *d, struct arena *a, struct json_value o)
{
    struct str model = read_get_text(a, o, "model");
    int64_t created = created_of(a, o);
    struct chunk c = {.type = CHUNK_START,
                      .tool = -1,
                      .model = model.len ? model : d->x->model,
                      .created = created ? created : d->x->created};
    d->started = true;
    d->emit(d->arg, &c);
}

static void emit_text(struct decoder *d, enum chunk_type type, struct str text)
{
    if (text.len) {
        struct chunk c = {.type = type, .tool = -1, .text = text};
        d->emit(d->arg, &c);
    }
}

/* Calls come whole. */
static void emit_calls(struct decoder *d, struct arena *a, struct json_value message)
{
    struct json_value calls, call;
    struct part part;
    size_t pos = 0;
    if (!read_get(message, "tool_calls", &calls) || calls.type != JSON_ARRAY) {
        return;
    }
    while (d->n_calls < INT32_MAX && json_next(calls, &pos, NULL, &call)) {
        call_read(a, d->x, call, d->n_calls, &part);
        struct chunk c = {
            .type = CHUNK_TOOL_BEGIN, .tool = d->n_calls++, .id = part.id, .name = part.name};
        d->emit(d->arg, &c);
        c = (struct chunk){.type = CHUNK_TOOL_ARGUMENTS, .tool = c.tool, .text = part.arguments};
        d->emit(d->arg, &c);
        c = (struct chunk){.type = CHUNK_TOOL_END, .tool = c.tool};
        d->emit(d->arg, &c);
    }
}

static void emit_error(struct decoder *d, struct arena *a, struct str data)
{
    struct provider_error e;
    provider_error_read(data, 0, STR_NONE, a, &e);
    e.provider = d->x->provider_kind;
    e.class = FAILURE_NONE;
    provider_error_refine(&e);
    struct chunk c = {.type = CHUNK_ERROR, .tool = -1, .error = &e};
    d->finished = true;
    d->emit(d->arg, &c);
}

static void emit_end(struct decoder *d, struct arena *a, struct json_value o)
{
    struct usage usage = {0};
    struct chunk c = {.type = CHUNK_USAGE, .tool = -1, .usage = &usage};
    struct str word = read_get_text(a, o, "done_reason");
    usage_read(o, &usage);
    if (usage.found) {
        d->emit(d->arg, &c);
    }
    c = (struct chunk){.type = CHUNK_FINISH,
                       .tool = -1,
                       .finish = finish_of(word, d->n_calls > 0),
                       .text = word.len ? word : STR_LIT("stop")};
    d->finished = true;
    d->emit(d->arg, &c);
    c = (struct chunk){.type = CHUNK_END, .tool = -1};
    d->emit(d->arg, &c);
}

static bool decode_event(void *decoder, struct arena *scratch, struct str name, struct str data)
{
    struct decoder *d = decoder;
    struct json_value o, message, v;
    (void)name;
    data = str_trim(data);
    if (d->finished || !data.len) {
        return true;
    }
    if (!read_json(data, &o) || o.type != JSON_OBJECT) {
        return false;
    }
    if (!d->started) {
        emit_start(d, scratch, o);
    }
    if (read_get(o, "error", &v)) {
        emit_error(d, scratch, data);
        return true;
    }
    if (read_get(o, "message", &message)) {
        struct chunk c = {.type = CHUNK_LOGPROBS, .tool = -1, .raw = logprobs_of(scratch, o)};
        emit_text(d, CHUNK_THINKING, read_get_text(scratch, message, "thinking"));
        emit_text(d, CHUNK_TEXT, read_get_text(scratch, message, "content"));
        emit_calls(d, scratch, message);
        if (c.raw.ptr) {
            d->emit(d->arg, &c);
        }
    }
    if (read_get(o, "done", &v) && v.type == JSON_TRUE) {
        emit_end(d, scratch, o);
    }
    return true;
}

/* Only the line with `done` ends an answer, and it has been told then. */
static void decode_end(void *decoder)
{
    (void)decoder;
}

const struct chat_codec ollama_chat_codec = {
    .family = FAMILY_OLLAMA,
    .framing = FRAMING_NDJSON,
    .encode_request = ollama_chat_encode,
    .decode_reply = decode_reply,
    .decoder_new = decoder_new,
    .decode_event = decode_event,
    .decode_end = decode_end,
};
