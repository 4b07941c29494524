/* A provider's stream of typed events. Deltas go out as they come; where a stream gives only the
 * whole (`….done`, or the finished item), that is taken instead. The state knows of each output
 * item what of it was given already. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_freeform.h"
#include "dataplane/dialects/openai_responses.h"
#include "dataplane/dialects/openai_target.h"

#define ITEMS_MAX 256 /* output items; what comes past them is passed over */

struct item {
    bool used, begun, filled, ended, thought;
    int tool;
    uint64_t id_hash;
    uint64_t texts; /* bit per content part that gave some text */
};

struct decoder {
    const struct exchange_context *x;
    struct arena *a;
    chunk_fn emit;
    void *arg;
    bool started, ended, any_call;
    int n_tools;
    uint64_t searches;
    struct item items[ITEMS_MAX];
};

struct at {
    struct decoder *d;
    struct arena *scratch;
    struct json_value event;
    struct item *item; /* NULL: past the ceiling, or the event names none */
    uint64_t part;     /* content_index or summary_index */
};

void *openai_responses_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                                   void *arg)
{
    struct decoder *d = arena_zalloc(a, sizeof(*d));
    if (d) {
        d->x = x;
        d->a = a;
        d->emit = emit;
        d->arg = arg;
    }
    return d;
}

static void emit(struct decoder *d, struct chunk c)
{
    d->emit(d->arg, &c);
}

static void emit_text(struct at *e, enum chunk_type type, struct str text)
{
    if (text.len) {
        emit(e->d, (struct chunk){.type = type, .tool = -1, .text = text});
    }
}

/* By output_index; by the item's id where a provider leaves that out. */
static struct item *item_find(struct decoder *d, struct json_value event, struct str id)
{
    struct json_value v;
    uint64_t h = openai_hash(id), at = ITEMS_MAX;
    if (read_get(event, "output_index", &v) && v.type == JSON_NUMBER) {
        at = read_get_u64(event, "output_index");
    } else if (h) {
        for (at = 0; at < ITEMS_MAX && d->items[at].used && d->items[at].id_hash != h;) {
            at++;
        }
    }
    if (at >= ITEMS_MAX) {
        return NULL;
    }
    if (!d->items[at].used) {
        d->items[at] = (struct item){.used = true, .tool = -1, .id_hash = h};
    }
    return &d->items[at];
}

static void start(struct decoder *d, struct arena *scratch, struct json_value response)
{
    if (d->started) {
        return;
    }
    d->started = true;
    emit(d, (struct chunk){.type = CHUNK_START,
                           .tool = -1,
                           .id = read_get_text(scratch, response, "id"),
                           .model = read_get_text(scratch, response, "model"),
                           .created = (int64_t)(read_get_u64(response, "created_at") & INT64_MAX)});
}

static bool is_call(struct str type)
{
    return str_eqz(type, "function_call") || str_eqz(type, "custom_tool_call");
}

static void call_begin(struct at *e, struct json_value item)
{
    struct str id = read_get_text(e->scratch, item, "call_id");
    if (e->item->begun) {
        return;
    }
    e->item->begun = true;
    e->item->tool = e->d->n_tools++;
    e->d->any_call = true;
    if (!id.len) {
        id = read_get_text(e->scratch, item, "id");
    }
    struct str name = read_get_text(e->scratch, item, "name");
    emit(e->d, (struct chunk){
                   .type = CHUNK_TOOL_BEGIN,
                   .tool = e->item->tool,
                   .id = id,
                   .name = openai_tool_name_back(e->scratch, e->d->x, FAMILY_RESPONSES, name)});
}

static void call_fill(struct at *e, struct str text)
{
    if (e->item && e->item->begun && !e->item->ended && text.len) {
        e->item->filled = true;
        emit(e->d,
             (struct chunk){.type = CHUNK_TOOL_ARGUMENTS, .tool = e->item->tool, .text = text});
    }
}

static void call_end(struct at *e, struct json_value holder)
{
    struct json_value v;
    if (!e->item || !e->item->begun || e->item->ended) {
        return;
    }
    if (!e->item->filled && read_get(holder, "arguments", &v)) {
        call_fill(e, v.type == JSON_STRING ? read_text(e->scratch, v) : v.raw);
    } else if (!e->item->filled && read_get(holder, "input", &v) && v.type == JSON_STRING) {
        call_fill(e, openai_freeform_arguments(e->scratch, read_text(e->scratch, v)));
    }
    e->item->ended = true;
    emit(e->d, (struct chunk){.type = CHUNK_TOOL_END, .tool = e->item->tool});
}

static void take_delta(struct at *e, enum chunk_type type)
{
    struct json_value probs;
    emit_text(e, type, read_get_text(e->scratch, e->event, "delta"));
    if (e->item) {
        e->item->texts |= 1ULL << (e->part % 64);
        e->item->thought |= type == CHUNK_THINKING;
    }
    if (type == CHUNK_TEXT && read_get(e->event, "logprobs", &probs) && probs.type == JSON_ARRAY &&
        probs.raw.len > 2) {
        struct str raw =
            arena_printf(e->scratch, "{\"content\":%.*s,\"refusal\":null}", STR_ARG(probs.raw));
        if (raw.ptr) {
            emit(e->d, (struct chunk){.type = CHUNK_LOGPROBS, .tool = -1, .raw = raw});
        }
    }
}

/* The whole text of a part of which no delta came. */
static void take_whole(struct at *e, enum chunk_type type, const char *member)
{
    if (!e->item || (e->item->texts & 1ULL << (e->part % 64))) {
        return;
    }
    emit_text(e, type, read_get_text(e->scratch, e->event, member));
    e->item->texts |= 1ULL << (e->part % 64);
    e->item->thought |= type == CHUNK_THINKING;
}

static void take_annotation(struct at *e)
{
    struct json_value v;
    struct citation c;
    if (read_get(e->event, "annotation", &v) &&
        openai_read_annotation(e->scratch, v, FAMILY_RESPONSES, &c)) {
        emit(e->d, (struct chunk){.type = CHUNK_CITATION, .tool = -1, .citation = &c});
    }
}

static void take_part(struct at *e, const struct part *p)
{
    switch (p->type) {
    case PART_TEXT:
    case PART_REFUSAL:
        emit_text(e, p->type == PART_TEXT ? CHUNK_TEXT : CHUNK_REFUSAL, p->text);
        for (size_t i = 0; i < p->n_citations; i++) {
            emit(e->d,
                 (struct chunk){.type = CHUNK_CITATION, .tool = -1, .citation = &p->citations[i]});
        }
        break;
    case PART_THINKING:
        if (p->name.ptr) { /* a call's proof, of a gateway behind us: no thought's */
            break;
        }
        emit_text(e, CHUNK_THINKING, e->item && e->item->thought ? STR_NONE : p->text);
        if (p->signature.ptr) {
            emit(e->d, (struct chunk){.type = CHUNK_SIGNATURE,
                                      .tool = -1,
                                      .text = p->signature,
                                      .family = p->signature_family});
        }
        emit(e->d, (struct chunk){.type = CHUNK_BREAK, .tool = -1});
        break;
    case PART_REDACTED_THINKING:
        emit(e->d, (struct chunk){.type = CHUNK_REDACTED,
                                  .tool = -1,
                                  .text = p->signature,
                                  .family = p->signature_family});
        break;
    case PART_IMAGE:
    case PART_NATIVE:
        emit(e->d, (struct chunk){.type = CHUNK_MEDIA, .tool = -1, .part = p});
        break;
    default:
        break;
    }
}

static void take_item_done(struct at *e, struct json_value item)
{
    struct chat_request none;
    struct openai_decode d;
    struct error err = ERROR_INIT;
    struct part *parts = NULL;
    size_t n = 0, cap = 0;
    struct str type = read_get_text(e->scratch, item, "type");
    if (!e->item || e->item->ended) {
        return;
    }
    if (is_call(type)) {
        call_begin(e, item);
        call_end(e, item);
        return;
    }
    e->d->searches += str_eqz(type, "web_search_call");
    e->item->ended = true;
    if (str_eqz(type, "message") && e->item->texts) {
        emit(e->d, (struct chunk){.type = CHUNK_BREAK, .tool = -1});
        return;
    }
    openai_decode_init(&d, e->scratch, &none, &err);
    d.lenient = true;
    if (!openai_responses_read_item(&d, item, type, &parts, &n, &cap)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        take_part(e, &parts[i]);
    }
}

static void take_end(struct at *e, struct json_value response)
{
    struct json_value v, item;
    struct usage usage = {.found = false};
    struct decoder *d = e->d;
    enum finish f = FINISH_STOP;
    struct str status = read_get_text(e->scratch, response, "status");
    if (read_get(response, "output", &v) && v.type == JSON_ARRAY) {
        size_t at = 0;
        for (size_t pos = 0; json_next(v, &pos, NULL, &item) && at < ITEMS_MAX; at++) {
            e->item = &d->items[at];
            if (!e->item->used) { /* streams that give the output only at their end */
                *e->item = (struct item){.used = true, .tool = -1};
                take_item_done(e, item);
            }
        }
    }
    if (str_eqz(status, "incomplete")) {
        struct str reason = read_get(response, "incomplete_details", &v)
                                ? read_get_text(e->scratch, v, "reason")
                                : STR_NONE;
        f = str_eqz(reason, "content_filter") ? FINISH_CONTENT_FILTER : FINISH_LENGTH;
        status = reason.len ? reason : status;
    } else if (d->any_call) {
        f = FINISH_TOOL_CALLS;
    }
    emit(d, (struct chunk){.type = CHUNK_FINISH, .tool = -1, .finish = f, .text = status});
    if (read_get(response, "usage", &v) && openai_read_usage(v, d->x, &usage)) {
        usage.searches = d->searches;
        emit(d,
             (struct chunk){.type = CHUNK_USAGE,
                            .tool = -1,
                            .usage = &usage,
                            .service_tier = read_get_text(e->scratch, response, "service_tier")});
    }
    d->ended = true;
    emit(d, (struct chunk){.type = CHUNK_END, .tool = -1});
}

/* response.failed and response.cancelled hold the error in the response; `error` is one itself. */
static void take_error(struct at *e, struct json_value response, struct str data)
{
    struct provider_error err = {.raw = data, .raw_is_json = true};
    struct json_value v;
    if (response.type == JSON_OBJECT) {
        if (read_get(response, "error", &v)) {
            err.message = read_get_text(e->scratch, v, "message");
            err.code = read_get_text(e->scratch, v, "code");
        }
        err.class = str_eqz(err.code, "rate_limit_exceeded")   ? FAILURE_RATE_LIMIT
                    : str_starts(err.code, STR_LIT("invalid")) ? FAILURE_INVALID
                                                               : FAILURE_SERVER;
    } else {
        provider_error_read(data, 0, STR_NONE, e->scratch, &err);
        err.class = err.class == FAILURE_NONE ? FAILURE_SERVER : err.class;
    }
    if (!err.message.len) {
        err.message = STR_LIT("the provider's response failed");
    }
    provider_error_refine(&err);
    e->d->ended = true;
    emit(e->d, (struct chunk){.type = CHUNK_ERROR, .tool = -1, .error = &err});
}

static bool take_lifecycle(struct at *e, struct str type, struct str data)
{
    struct json_value response = {.type = JSON_NULL};
    bool has = read_get(e->event, "response", &response) && response.type == JSON_OBJECT;
    if (str_eqz(type, "error")) {
        take_error(e, (struct json_value){.type = JSON_NULL}, data);
        return true;
    }
    if (has) {
        start(e->d, e->scratch, response);
    }
    if (str_eqz(type, "response.failed") || str_eqz(type, "response.cancelled")) {
        take_error(e, has ? response : e->event, data);
        return true;
    }
    if (str_eqz(type, "response.completed") || str_eqz(type, "response.incomplete") ||
        str_eqz(type, "response.done")) {
        take_end(e, has ? response : e->event);
        return true;
    }
    return has;
}

static void take_typed(struct at *e, struct str type)
{
    struct json_value v;
    if (str_eqz(type, "response.output_text.delta")) {
        take_delta(e, CHUNK_TEXT);
    } else if (str_eqz(type, "response.output_text.done")) {
        take_whole(e, CHUNK_TEXT, "text");
    } else if (str_eqz(type, "response.refusal.delta")) {
        take_delta(e, CHUNK_REFUSAL);
    } else if (str_eqz(type, "response.refusal.done")) {
        take_whole(e, CHUNK_REFUSAL, "refusal");
    } else if (str_eqz(type, "response.reasoning_summary_text.delta") ||
               str_eqz(type, "response.reasoning_text.delta") ||
               str_eqz(type, "response.reasoning_summary.delta")) {
        if (e->part && e->item && e->item->texts && !(e->item->texts & 1ULL << (e->part % 64))) {
            emit_text(e, CHUNK_THINKING, STR_LIT("\n\n")); /* the next part of a summary */
        }
        take_delta(e, CHUNK_THINKING);
    } else if (str_eqz(type, "response.reasoning_summary_text.done") ||
               str_eqz(type, "response.reasoning_text.done")) {
        take_whole(e, CHUNK_THINKING, "text");
    } else if (str_eqz(type, "response.function_call_arguments.delta")) {
        call_fill(e, read_get_text(e->scratch, e->event, "delta"));
    } else if (str_eqz(type, "response.function_call_arguments.done") ||
               str_eqz(type, "response.custom_tool_call_input.done")) {
        call_end(e, e->event);
    } else if (str_eqz(type, "response.output_text.annotation.added")) {
        take_annotation(e);
    } else if (read_get(e->event, "item", &v) && v.type == JSON_OBJECT) {
        bool call = is_call(read_get_text(e->scratch, v, "type"));
        if (str_eqz(type, "response.output_item.done")) {
            take_item_done(e, v);
        } else if (call && e->item && str_eqz(type, "response.output_item.added")) {
            call_begin(e, v);
        }
    }
}

bool openai_responses_decode_event(void *decoder, struct arena *scratch, struct str name,
                                   struct str data)
{
    struct decoder *d = decoder;
    struct at e = {.d = d, .scratch = scratch};
    struct json_value v;
    if (d->ended || str_eqz(str_trim(data), "[DONE]")) {
        return true;
    }
    if (!json_validate(data, 0, &e.event, NULL) || e.event.type != JSON_OBJECT) {
        return false;
    }
    struct str type = read_get_text(scratch, e.event, "type");
    if (!str_starts(type, STR_LIT("response.")) &&
        (str_eqz(name, "error") || read_get(e.event, "error", &v))) {
        type = STR_LIT("error");
    }
    type = type.len ? type : name;
    if (take_lifecycle(&e, type, data)) {
        return true;
    }
    start(d, scratch, (struct json_value){.type = JSON_OBJECT, .raw = STR_LIT("{}")});
    struct str id = read_get_text(scratch, e.event, "item_id");
    if (!id.len && read_get(e.event, "item", &v)) {
        id = read_get_text(scratch, v, "id");
    }
    e.item = item_find(d, e.event, id);
    e.part = read_get(e.event, "summary_index", &v) ? read_get_u64(e.event, "summary_index")
                                                    : read_get_u64(e.event, "content_index");
    take_typed(&e, type);
    return true;
}

/* This dialect says itself when a response is over. */
void openai_responses_decode_end(void *decoder)
{
    (void)decoder;
}
