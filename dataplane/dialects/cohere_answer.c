/* What comes back from Cohere's /v2/chat, whole and in events; see cohere_chat.h. */
#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/cohere_chat.h"

static const struct {
    const char *word;
    enum finish finish;
} finishes[] = {
    {"COMPLETE", FINISH_STOP},       {"STOP_SEQUENCE", FINISH_STOP_SEQUENCE},
    {"MAX_TOKENS", FINISH_LENGTH},   {"TOOL_CALL", FINISH_TOOL_CALLS},
    {"ERROR_LIMIT", FINISH_CONTEXT}, {"ERROR_TOXIC", FINISH_CONTENT_FILTER},
};

static enum finish finish_of(struct str word)
{
    for (size_t i = 0; i < sizeof(finishes) / sizeof(finishes[0]); i++) {
        if (str_eq_nocase(word, str_of(finishes[i].word))) {
            return finishes[i].finish;
        }
    }
    return FINISH_OTHER;
}

/* ---- usage ---- */

/* A whole count, rounded where Cohere writes a fraction of its units. */
static bool count_of(struct json_value o, const char *name, uint64_t *ret)
{
    struct json_value v;
    int64_t n;
    if (!read_get(o, name, &v) || v.type != JSON_NUMBER || !json_decimal(v, 0, &n) || n < 0) {
        return false;
    }
    *ret = (uint64_t)n;
    return true;
}

/* `billed_units` is what Cohere charges for; `tokens` also counts the prompt that Cohere puts
 * around the messages itself (tools' preamble, documents' frame), which costs the caller nothing.
 * Weir's usage is what its prices are multiplied with, so billed_units count, each number by
 * itself, and `tokens` only where one is missing. */
void cohere_usage_read(struct json_value usage, struct usage *ret)
{
    struct json_value billed = {.type = JSON_NULL}, tokens = {.type = JSON_NULL};
    bool searches;
    (void)read_get(usage, "billed_units", &billed);
    (void)read_get(usage, "tokens", &tokens);
    ret->input_found = count_of(billed, "input_tokens", &ret->input) ||
                       count_of(tokens, "input_tokens", &ret->input);
    ret->output_found = count_of(billed, "output_tokens", &ret->output) ||
                        count_of(tokens, "output_tokens", &ret->output);
    searches = count_of(billed, "search_units", &ret->searches);
    ret->found = ret->input_found || ret->output_found || searches;
    if (count_of(usage, "cached_tokens", &ret->cached) && ret->cached > ret->input) {
        ret->cached = ret->input;
    }
}

/* ---- citations ---- */

/* "doc_3" (cohere_request.c's) and "doc:3", "doc:3:1" (Cohere's own) are document 3. */
static int64_t document_of(struct str id)
{
    uint64_t n = 0;
    size_t i = 4;
    if (id.len < 5 || memcmp(id.ptr, "doc", 3) != 0 || (id.ptr[3] != '_' && id.ptr[3] != ':')) {
        return -1;
    }
    for (; i < id.len && i < 10 && id.ptr[i] >= '0' && id.ptr[i] <= '9'; i++) {
        n = n * 10 + (uint64_t)(id.ptr[i] - '0');
    }
    return i > 4 && (i == id.len || id.ptr[i] == ':') ? (int64_t)n : -1;
}

static void source_read(struct arena *a, struct json_value source, struct citation *c)
{
    struct json_value from;
    c->source = read_get_text(a, source, "id");
    c->document = c->source.len ? document_of(c->source) : -1;
    if (!read_get(source, "document", &from) && !read_get(source, "tool_output", &from)) {
        return;
    }
    c->title = read_get_text(a, from, "title");
    c->url = read_get_text(a, from, "url");
    c->cited_text = read_get_text(a, from, "text");
    if (!c->cited_text.len) {
        c->cited_text = read_get_text(a, from, "snippet");
    }
}

typedef bool (*citation_fn)(void *arg, const struct citation *c);

/* One neutral citation per source; Cohere's `text` is the answer's own span, which start and end
 * tell already. False: fn said so. */
static bool citation_read(struct arena *a, struct json_value v, citation_fn fn, void *arg)
{
    struct json_value sources, source, n;
    struct citation c = {.start = -1, .end = -1, .document = -1, .page_start = -1, .page_end = -1};
    struct str type = read_get_text(a, v, "type");
    size_t pos = 0, told = 0;
    if (v.type != JSON_OBJECT || str_eqz(type, "PLAN") || str_eqz(type, "THINKING_CONTENT")) {
        return true; /* of thoughts, whose text is shown to nobody */
    }
    if (read_get(v, "start", &n) && !json_i64(n, &c.start)) {
        c.start = -1;
    }
    if (read_get(v, "end", &n) && !json_i64(n, &c.end)) {
        c.end = -1;
    }
    c.raw = v.raw;
    c.family = FAMILY_COHERE;
    if (read_get(v, "sources", &sources) && sources.type == JSON_ARRAY) {
        while (json_next(sources, &pos, NULL, &source)) {
            struct citation one = c;
            source_read(a, source, &one);
            told++;
            if (!fn(arg, &one)) {
                return false;
            }
        }
    }
    return told || fn(arg, &c);
}

/* Calls fn for one citation or a list of them. */
static bool citations_read(struct arena *a, struct json_value v, citation_fn fn, void *arg)
{
    struct json_value item;
    size_t pos = 0;
    if (v.type == JSON_OBJECT) {
        return citation_read(a, v, fn, arg);
    }
    while (v.type == JSON_ARRAY && json_next(v, &pos, NULL, &item)) {
        if (!citation_read(a, item, fn, arg)) {
            return false;
        }
    }
    return true;
}

/* ---- log probabilities ---- */

static void put_logprob(struct json_writer *w, struct str token, struct json_value number)
{
    json_object_begin(w);
    json_field_str(w, "token", token.ptr ? token : STR_LIT(""));
    json_name(w, "logprob");
    json_put_raw(w, number.type == JSON_NUMBER ? number.raw : STR_LIT("0"));
    json_name(w, "bytes");
    json_put_null(w);
    json_name(w, "top_logprobs");
    json_array_begin(w);
    json_array_end(w);
    json_object_end(w);
}

/* Cohere's {text, token_ids, logprobs} has one text for several tokens: the first bears it. */
static void put_logprob_item(struct json_writer *w, struct arena *a, struct json_value item)
{
    struct json_value list, number;
    struct str text = read_get_text(a, item, "text");
    size_t pos = 0;
    if (!read_get(item, "logprobs", &list)) {
        return;
    }
    while (json_next(list, &pos, NULL, &number)) {
        put_logprob(w, text, number);
        text = STR_LIT("");
    }
}

#define LOGPROBS_MAX (4u << 20)

/* In chat completions' form; STR_NONE when there are none. */
static struct str logprobs_read(struct arena *a, struct json_value v)
{
    struct buffer b;
    struct json_writer w;
    struct json_value item;
    size_t pos = 0;
    struct str ret = STR_NONE;
    if (v.type != JSON_ARRAY && v.type != JSON_OBJECT) {
        return STR_NONE;
    }
    buffer_init(&b, LOGPROBS_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_name(&w, "content");
    json_array_begin(&w);
    if (v.type == JSON_OBJECT) {
        put_logprob_item(&w, a, v);
    }
    while (v.type == JSON_ARRAY && json_next(v, &pos, NULL, &item)) {
        put_logprob_item(&w, a, item);
    }
    json_array_end(&w);
    json_name(&w, "refusal");
    json_put_null(&w);
    json_object_end(&w);
    if (!b.failed) {
        ret = arena_str(a, buffer_str(&b));
    }
    buffer_release(&b);
    return ret;
}

/* ---- the whole answer ---- */

struct parts {
    struct arena *a;
    struct part *list;
    size_t n, cap;
    size_t citations_cap;
};

static bool add_text(struct parts *p, enum part_type type, struct str text)
{
    if (!text.len) {
        return true;
    }
    struct part *part = part_add(p->a, &p->list, &p->n, &p->cap);
    if (part) {
        part->type = type;
        part->text = text;
    }
    return part != NULL;
}

static bool add_content(struct parts *p, struct json_value content)
{
    struct json_value item;
    size_t pos = 0;
    bool ok = true;
    if (content.type == JSON_STRING) {
        return add_text(p, PART_TEXT, read_text(p->a, content));
    }
    while (ok && content.type == JSON_ARRAY && json_next(content, &pos, NULL, &item)) {
        struct str type = read_get_text(p->a, item, "type");
        if (str_eqz(type, "thinking")) {
            ok = add_text(p, PART_THINKING, read_get_text(p->a, item, "thinking"));
        } else if (str_eqz(type, "text") || !type.len) {
            ok = add_text(p, PART_TEXT, read_get_text(p->a, item, "text"));
        }
    }
    return ok;
}

static bool add_tool_calls(struct parts *p, struct json_value calls,
                           const struct exchange_context *x)
{
    struct json_value call, function, arguments;
    size_t pos = 0;
    for (size_t i = 0; calls.type == JSON_ARRAY && json_next(calls, &pos, NULL, &call); i++) {
        struct part *part = part_add(p->a, &p->list, &p->n, &p->cap);
        if (!part) {
            return false;
        }
        part->type = PART_TOOL_CALL;
        part->id = read_get_text(p->a, call, "id");
        if (!part->id.len) {
            part->id = arena_printf(p->a, "call_%.*s_%zu", STR_ARG(x->unique), i);
        }
        part->name = STR_LIT("");
        part->arguments = STR_LIT("{}");
        if (!read_get(call, "function", &function)) {
            continue;
        }
        struct str name = read_get_text(p->a, function, "name");
        part->name = name.ptr ? name : part->name;
        if (read_get(function, "arguments", &arguments)) {
            part->arguments = arguments_of(
                p->a, arguments.type == JSON_STRING ? read_text(p->a, arguments) : arguments.raw);
        }
    }
    return true;
}

/* Citations belong to the answer's text; its first part where there are more. */
static bool add_citation(void *arg, const struct citation *c)
{
    struct parts *p = arg;
    struct part *text = NULL;
    for (size_t i = 0; i < p->n && !text; i++) {
        text = p->list[i].type == PART_TEXT ? &p->list[i] : NULL;
    }
    if (!text) {
        return true;
    }
    if (text->n_citations == p->citations_cap) {
        size_t more = p->citations_cap ? p->citations_cap * 2 : 8;
        struct citation *bigger = arena_alloc(p->a, more * sizeof(*bigger));
        if (!bigger) {
            return false;
        }
        if (text->n_citations) {
            memcpy(bigger, text->citations, text->n_citations * sizeof(*bigger));
        }
        text->citations = bigger;
        p->citations_cap = more;
    }
    text->citations[text->n_citations++] = *c;
    return true;
}

static bool message_read(struct json_value message, const struct exchange_context *x,
                         struct parts *p)
{
    struct json_value v;
    return add_text(p, PART_THINKING, read_get_text(p->a, message, "tool_plan")) &&
           (!read_get(message, "content", &v) || add_content(p, v)) &&
           (!read_get(message, "tool_calls", &v) || add_tool_calls(p, v, x)) &&
           (!read_get(message, "citations", &v) || citations_read(p->a, v, add_citation, p));
}

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct chat_reply *ret, struct error *err)
{
    struct json_value o, message, v;
    struct parts p = {.a = a};
    if (!read_json(body, &o)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer is not valid JSON");
    }
    if (o.type != JSON_OBJECT || !read_get(o, "message", &message) || message.type != JSON_OBJECT) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer holds no message");
    }
    struct chat_reply r = {.id = read_get_text(a, o, "id"), .model = x->model};
    struct chat_choice *choice = arena_zalloc(a, sizeof(*choice));
    if (!choice || !message_read(message, x, &p)) {
        return error_set(err, ERR_INTERNAL, "the provider's answer is too large");
    }
    choice->parts = p.list;
    choice->n_parts = p.n;
    choice->finish_raw = read_get_text(a, o, "finish_reason");
    choice->finish = finish_of(choice->finish_raw);
    if (read_get(o, "logprobs", &v)) {
        choice->logprobs = logprobs_read(a, v);
    }
    if (read_get(o, "usage", &v)) {
        cohere_usage_read(v, &r.usage);
    }
    r.choices = choice;
    r.n_choices = 1;
    *ret = r;
    return true;
}

/* ---- the stream ---- */

#define CALLS_MAX 128 /* told apart by Cohere's index; later ones by being the latest */

struct decoder {
    const struct exchange_context *x;
    chunk_fn emit;
    void *arg;
    uint64_t indexes[CALLS_MAX];
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

static void emit_text(struct decoder *d, enum chunk_type type, int tool, struct str text)
{
    if (text.len) {
        struct chunk c = {.type = type, .tool = tool, .text = text};
        d->emit(d->arg, &c);
    }
}

static void emit_start(struct decoder *d, struct str id)
{
    if (!d->started) {
        struct chunk c = {.type = CHUNK_START,
                          .tool = -1,
                          .id = id,
                          .model = d->x->model,
                          .created = d->x->created};
        d->started = true;
        d->emit(d->arg, &c);
    }
}

static void emit_error(struct decoder *d, struct arena *a, struct str data, struct str message,
                       enum failure_class class)
{
    struct provider_error e;
    provider_error_read(data, 0, STR_NONE, a, &e);
    if (message.len) {
        e.message = message;
    }
    e.class = class;
    e.provider = d->x->provider_kind;
    provider_error_refine(&e);
    struct chunk c = {.type = CHUNK_ERROR, .tool = -1, .error = &e};
    d->finished = true;
    d->emit(d->arg, &c);
}

/* delta.message.NAME */
static bool in_message(struct json_value event, const char *name, struct json_value *ret)
{
    struct json_value delta, message;
    return read_get(event, "delta", &delta) && read_get(delta, "message", &message) &&
           read_get(message, name, ret);
}

static void on_content(struct decoder *d, struct arena *a, struct json_value event)
{
    struct json_value content, v;
    struct chunk c = {.type = CHUNK_LOGPROBS, .tool = -1};
    if (in_message(event, "content", &content)) {
        emit_text(d, CHUNK_THINKING, -1, read_get_text(a, content, "thinking"));
        emit_text(d, CHUNK_TEXT, -1, read_get_text(a, content, "text"));
    }
    if (read_get(event, "logprobs", &v) && (c.raw = logprobs_read(a, v)).ptr) {
        d->emit(d->arg, &c);
    }
}

/* A call's fields, whether the list has braces or brackets around it. */
static bool call_of(struct json_value event, struct json_value *ret)
{
    size_t pos = 0;
    if (!in_message(event, "tool_calls", ret)) {
        return false;
    }
    return ret->type == JSON_OBJECT ||
           (ret->type == JSON_ARRAY && json_next(*ret, &pos, NULL, ret));
}

static int call_number(const struct decoder *d, struct json_value event)
{
    uint64_t index = read_get_u64(event, "index");
    int top = d->n_calls < CALLS_MAX ? d->n_calls : CALLS_MAX;
    for (int i = top; i-- > 0;) {
        if (d->indexes[i] == index) {
            return i;
        }
    }
    return d->n_calls - 1;
}

static void emit_arguments(struct decoder *d, struct arena *a, struct json_value call, int number)
{
    struct json_value function, v;
    if (read_get(call, "function", &function) && read_get(function, "arguments", &v)) {
        emit_text(d, CHUNK_TOOL_ARGUMENTS, number, v.type == JSON_STRING ? read_text(a, v) : v.raw);
    }
}

static void on_call_start(struct decoder *d, struct arena *a, struct json_value event)
{
    struct json_value call = {.type = JSON_NULL}, function = {.type = JSON_NULL};
    int number = d->n_calls;
    if (!call_of(event, &call) || number == INT32_MAX) {
        return;
    }
    if (number < CALLS_MAX) {
        d->indexes[number] = read_get_u64(event, "index");
    }
    d->n_calls++;
    (void)read_get(call, "function", &function);
    struct chunk c = {.type = CHUNK_TOOL_BEGIN,
                      .tool = number,
                      .id = read_get_text(a, call, "id"),
                      .name = read_get_text(a, function, "name")};
    if (!c.id.len) {
        c.id = arena_printf(a, "call_%.*s_%d", STR_ARG(d->x->unique), number);
    }
    d->emit(d->arg, &c);
    emit_arguments(d, a, call, number);
}

static void on_call_delta(struct decoder *d, struct arena *a, struct json_value event)
{
    struct json_value call;
    if (d->n_calls && call_of(event, &call)) {
        emit_arguments(d, a, call, call_number(d, event));
    }
}

static bool emit_citation(void *arg, const struct citation *citation)
{
    struct decoder *d = arg;
    struct chunk c = {.type = CHUNK_CITATION, .tool = -1, .citation = citation};
    d->emit(d->arg, &c);
    return true;
}

static void on_end(struct decoder *d, struct arena *a, struct str data, struct json_value event)
{
    struct json_value delta = {.type = JSON_NULL}, v;
    struct usage usage = {0};
    (void)read_get(event, "delta", &delta);
    struct str word = read_get_text(a, delta, "finish_reason");
    struct str error = read_get_text(a, delta, "error");
    if (read_get(delta, "usage", &v)) {
        struct chunk c = {.type = CHUNK_USAGE, .tool = -1, .usage = &usage};
        cohere_usage_read(v, &usage);
        if (usage.found) {
            d->emit(d->arg, &c);
        }
    }
    if (error.len || str_eqz(word, "ERROR") || str_eqz(word, "TIMEOUT")) {
        emit_error(d, a, data, error.len ? error : STR_LIT("the provider could not finish"),
                   str_eqz(word, "TIMEOUT") ? FAILURE_TIMEOUT : FAILURE_NONE);
        return;
    }
    struct chunk finish = {
        .type = CHUNK_FINISH, .tool = -1, .finish = finish_of(word), .text = word};
    struct chunk end = {.type = CHUNK_END, .tool = -1};
    d->finished = true;
    d->emit(d->arg, &finish);
    d->emit(d->arg, &end);
}

static void on_event(struct decoder *d, struct arena *a, struct str type, struct str data,
                     struct json_value event)
{
    struct json_value v;
    if (str_eqz(type, "content-delta") || str_eqz(type, "content-start")) {
        on_content(d, a, event);
    } else if (str_eqz(type, "content-end")) {
        struct chunk c = {.type = CHUNK_BREAK, .tool = -1};
        d->emit(d->arg, &c);
    } else if (str_eqz(type, "tool-plan-delta")) {
        if (in_message(event, "tool_plan", &v)) {
            emit_text(d, CHUNK_THINKING, -1, read_text(a, v));
        }
    } else if (str_eqz(type, "tool-call-start")) {
        on_call_start(d, a, event);
    } else if (str_eqz(type, "tool-call-delta")) {
        on_call_delta(d, a, event);
    } else if (str_eqz(type, "tool-call-end") && d->n_calls) {
        struct chunk c = {.type = CHUNK_TOOL_END, .tool = call_number(d, event)};
        d->emit(d->arg, &c);
    } else if (str_eqz(type, "citation-start")) {
        if (in_message(event, "citations", &v)) {
            (void)citations_read(a, v, emit_citation, d);
        }
    } else if (str_eqz(type, "message-end")) {
        on_end(d, a, data, event);
    }
}

static bool decode_event(void *decoder, struct arena *scratch, struct str name, struct str data)
{
    struct decoder *d = decoder;
    struct json_value event, v;
    struct str plain = str_trim(data);
    if (d->finished || !plain.len || str_eqz(plain, "[DONE]")) {
        return true;
    }
    if (!read_json(plain, &event) || event.type != JSON_OBJECT) {
        return false;
    }
    struct str type = read_get_text(scratch, event, "type");
    type = type.len ? type : name;
    emit_start(d, read_get_text(scratch, event, "id"));
    /* An error has no type of Cohere's: {"message": text} by itself, or OpenAI's {"error": …}. */
    if (str_eqz(type, "error") || read_get(event, "error", &v) ||
        (read_get(event, "message", &v) && v.type == JSON_STRING)) {
        emit_error(d, scratch, plain, STR_NONE, FAILURE_NONE);
        return true;
    }
    on_event(d, scratch, type, plain, event);
    return true;
}

/* Only message-end ends an answer, and it has been told then. */
static void decode_end(void *decoder)
{
    (void)decoder;
}

const struct chat_codec cohere_chat_codec = {
    .family = FAMILY_COHERE,
    .framing = FRAMING_SSE,
    .encode_request = cohere_chat_encode,
    .decode_reply = decode_reply,
    .decoder_new = decoder_new,
    .decode_event = decode_event,
    .decode_end = decode_end,
};
