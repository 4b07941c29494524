/* A provider's stream of chat completion chunks, of OpenAI or any compatible provider. The state
 * knows of each choice only which calls were begun: nothing that grows with the stream is kept. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_chat_codec.h"
#include "dataplane/dialects/openai_target.h"

#define CHOICES_MAX 128 /* OpenAI's own limit of n */
#define CALLS_MAX 256   /* per choice; what comes past it is passed over */

struct call {
    uint64_t id_hash; /* 0: no id came */
    uint64_t index;   /* the provider's; UINT64_MAX: it gave none */
    bool begun;       /* TOOL_BEGIN was given: its name is known */
    char id[72];      /* kept until then */
    size_t id_len;
};

struct choice {
    struct call *calls;
    unsigned n_calls, cap_calls;
    int legacy; /* the call that function_call fills; -1 */
    bool finished;
};

struct decoder {
    const struct exchange_context *x;
    struct arena *a;
    chunk_fn emit;
    void *arg;
    bool started, ended, any_finish;
    bool cited; /* an annotation came, or the sources were named */
    struct choice *choices[CHOICES_MAX];
};

struct at { /* of one event */
    struct decoder *d;
    struct arena *scratch;
    struct json_value event;
    struct choice *state;
    unsigned choice;
};

void *openai_chat_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
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

static void emit_text(const struct at *e, enum chunk_type type, struct str text)
{
    if (text.len) {
        emit(e->d, (struct chunk){.type = type, .choice = e->choice, .tool = -1, .text = text});
    }
}

static struct choice *choice_state(struct decoder *d, unsigned index)
{
    if (index >= CHOICES_MAX) {
        return NULL;
    }
    if (!d->choices[index] && (d->choices[index] = arena_zalloc(d->a, sizeof(struct choice)))) {
        d->choices[index]->legacy = -1;
    }
    return d->choices[index];
}

static int call_add(struct at *e, uint64_t index, struct str id)
{
    struct choice *s = e->state;
    if (s->n_calls == CALLS_MAX) {
        return -1;
    }
    if (s->n_calls == s->cap_calls) {
        unsigned cap = s->cap_calls ? s->cap_calls * 2 : 8;
        struct call *grown = arena_zalloc(e->d->a, cap * sizeof(*grown));
        if (!grown) {
            return -1;
        }
        if (s->n_calls) {
            memcpy(grown, s->calls, s->n_calls * sizeof(*grown));
        }
        s->calls = grown;
        s->cap_calls = cap;
    }
    struct call *c = &s->calls[s->n_calls];
    *c = (struct call){.index = index, .id_hash = openai_hash(id)};
    c->id_len = id.len < sizeof(c->id) ? id.len : 0;
    if (c->id_len) {
        memcpy(c->id, id.ptr, c->id_len);
    }
    return (int)s->n_calls++;
}

/* Which call a fragment belongs to. Most give an index; some give it 0 for every call but each its
 * own id, some only ids, some neither, one whole call per entry. -1: none. */
static int call_find(struct at *e, uint64_t index, struct str id, struct str name)
{
    struct choice *s = e->state;
    uint64_t h = openai_hash(id);
    for (unsigned i = s->n_calls; i-- > 0;) {
        const struct call *c = &s->calls[i];
        if (index != UINT64_MAX ? c->index != index : id.len && c->id_hash != h) {
            continue;
        }
        if (index == UINT64_MAX && !id.len && name.len && c->begun) {
            break; /* neither index nor id: a name begins the next one */
        }
        if (id.len && c->id_hash && c->id_hash != h && name.len && c->begun) {
            break; /* the same index anew */
        }
        return (int)i;
    }
    return call_add(e, index, id);
}

static void call_begin(struct at *e, int tool, struct str id, struct str name)
{
    struct call *c = &e->state->calls[tool];
    struct str kept = {c->id, c->id_len};
    if (!id.len) {
        id = kept;
    }
    if (!id.len) {
        id = arena_printf(e->scratch, "call_%.*s_%u_%d", STR_ARG(e->d->x->unique), e->choice, tool);
    }
    c->begun = true;
    name = openai_tool_name_back(e->scratch, e->d->x, FAMILY_CHAT, name);
    emit(e->d, (struct chunk){.type = CHUNK_TOOL_BEGIN,
                              .choice = e->choice,
                              .tool = tool,
                              .id = id,
                              .name = name.ptr ? name : STR_LIT("")});
}

static void call_fill(struct at *e, int tool, struct json_value function)
{
    struct json_value v;
    if (!read_get(function, "arguments", &v)) {
        return;
    }
    struct str text = v.type == JSON_STRING ? read_text(e->scratch, v) : v.raw;
    if (text.len) {
        emit(e->d,
             (struct chunk){
                 .type = CHUNK_TOOL_ARGUMENTS, .choice = e->choice, .tool = tool, .text = text});
    }
}

static void call_signature(struct at *e, int tool, struct json_value call)
{
    struct json_value v, inner;
    struct str text = STR_NONE;
    if (read_get(call, "extra_content", &v) && read_get(v, "google", &inner)) {
        text = read_get_text(e->scratch, inner, "thought_signature");
    } else if (read_get(call, "provider_specific_fields", &v)) {
        text = read_get_text(e->scratch, v, "thought_signature");
    }
    if (text.len) {
        emit(e->d, (struct chunk){.type = CHUNK_SIGNATURE,
                                  .choice = e->choice,
                                  .tool = tool,
                                  .text = text,
                                  .family = FAMILY_GEMINI});
    }
}

static void take_call(struct at *e, struct json_value call)
{
    struct json_value function, v;
    struct str id = read_get_text(e->scratch, call, "id");
    uint64_t index = UINT64_MAX;
    if (!read_get(call, "function", &function) || function.type != JSON_OBJECT) {
        function = (struct json_value){.type = JSON_OBJECT, .raw = STR_LIT("{}")};
    }
    struct str name = read_get_text(e->scratch, function, "name");
    if (read_get(call, "index", &v) && v.type == JSON_NUMBER) {
        index = read_get_u64(call, "index");
    }
    int tool = call_find(e, index, id, name);
    if (tool < 0) {
        return;
    }
    bool arguments = read_get(function, "arguments", &v) && v.raw.len > 2;
    if (!e->state->calls[tool].begun) {
        if (!name.len && !arguments) {
            return; /* the name comes by and by */
        }
        call_begin(e, tool, id, name);
    }
    call_signature(e, tool, call);
    call_fill(e, tool, function);
}

static void take_legacy_call(struct at *e, struct json_value call)
{
    struct choice *s = e->state;
    if (s->legacy < 0) {
        s->legacy = call_add(e, UINT64_MAX - 1, STR_NONE);
        if (s->legacy < 0) {
            return;
        }
        call_begin(e, s->legacy, STR_NONE, read_get_text(e->scratch, call, "name"));
    }
    call_fill(e, s->legacy, call);
}

static void take_image(struct at *e, struct str url)
{
    struct part p = {.type = PART_IMAGE};
    if (url.len && media_of_url(e->scratch, url, &p.media)) {
        emit(e->d,
             (struct chunk){.type = CHUNK_MEDIA, .choice = e->choice, .tool = -1, .part = &p});
    }
}

static struct str image_url(struct at *e, struct json_value o)
{
    struct json_value v;
    if (!read_get(o, "image_url", &v)) {
        return STR_NONE;
    }
    return v.type == JSON_STRING ? read_text(e->scratch, v) : read_get_text(e->scratch, v, "url");
}

/* Mistral's content: texts and thoughts as parts. */
static void take_parts(struct at *e, struct json_value parts)
{
    struct json_value o, v, inner;
    for (size_t pos = 0; json_next(parts, &pos, NULL, &o);) {
        if (o.type == JSON_STRING) {
            emit_text(e, CHUNK_TEXT, read_text(e->scratch, o));
            continue;
        }
        if (!read_get(o, "thinking", &v)) {
            emit_text(e, CHUNK_TEXT, read_get_text(e->scratch, o, "text"));
            take_image(e, image_url(e, o));
            continue;
        }
        if (v.type == JSON_STRING) {
            emit_text(e, CHUNK_THINKING, read_text(e->scratch, v));
        }
        for (size_t at = 0; v.type == JSON_ARRAY && json_next(v, &at, NULL, &inner);) {
            emit_text(e, CHUNK_THINKING, read_get_text(e->scratch, inner, "text"));
        }
    }
}

static void emit_proof(struct at *e, enum chunk_type type, struct str text, enum family family)
{
    if (text.len) {
        emit(e->d,
             (struct chunk){
                 .type = type, .choice = e->choice, .tool = -1, .text = text, .family = family});
    }
}

static void take_thinking(struct at *e, struct json_value delta)
{
    struct json_value list, o;
    struct openai_detail t;
    struct str text = openai_reasoning_text(e->scratch, delta);
    if (read_get(delta, "reasoning_details", &list) && list.type == JSON_ARRAY &&
        list.raw.len > 2) {
        for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
            if (openai_read_detail(e->scratch, o, &t)) {
                emit_text(e, CHUNK_THINKING, t.text);
                emit_proof(e, t.encrypted ? CHUNK_REDACTED : CHUNK_SIGNATURE, t.signature,
                           t.family);
            }
        }
        return;
    }
    emit_text(e, CHUNK_THINKING, text);
    if (!read_get(delta, "thinking_blocks", &list) || list.type != JSON_ARRAY) {
        return;
    }
    for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
        enum family f =
            openai_family_named(read_get_text(e->scratch, o, "signature_from"), FAMILY_MESSAGES);
        emit_proof(e, CHUNK_REDACTED, read_get_text(e->scratch, o, "data"), f);
        emit_proof(e, CHUNK_SIGNATURE, read_get_text(e->scratch, o, "signature"), f);
    }
}

static void take_audio(struct at *e, struct json_value audio)
{
    struct chunk c = {.type = CHUNK_AUDIO, .choice = e->choice, .tool = -1};
    c.id = read_get_text(e->scratch, audio, "id");
    c.text = read_get_text(e->scratch, audio, "transcript");
    c.audio = read_get_text(e->scratch, audio, "data");
    if (c.id.len || c.text.len || c.audio.len) {
        emit(e->d, c);
    }
}

static void take_annotations(struct at *e, struct json_value list)
{
    struct json_value o;
    struct citation c;
    for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
        if (openai_read_annotation(e->scratch, o, FAMILY_CHAT, &c)) {
            e->d->cited = true;
            emit(e->d,
                 (struct chunk){
                     .type = CHUNK_CITATION, .choice = e->choice, .tool = -1, .citation = &c});
        }
    }
}

static void take_delta(struct at *e, struct json_value delta)
{
    struct json_value v, o;
    take_thinking(e, delta);
    if (read_get(delta, "content", &v)) {
        if (v.type == JSON_ARRAY) {
            take_parts(e, v);
        } else {
            emit_text(e, CHUNK_TEXT, read_text(e->scratch, v));
        }
    }
    emit_text(e, CHUNK_REFUSAL, read_get_text(e->scratch, delta, "refusal"));
    if (read_get(delta, "annotations", &v) && v.type == JSON_ARRAY) {
        take_annotations(e, v);
    }
    if (read_get(delta, "images", &v) && v.type == JSON_ARRAY) {
        for (size_t pos = 0; json_next(v, &pos, NULL, &o);) {
            take_image(e, image_url(e, o));
        }
    }
    if (read_get(delta, "audio", &v) && v.type == JSON_OBJECT) {
        take_audio(e, v);
    }
    if (read_get(delta, "tool_calls", &v) && v.type == JSON_ARRAY) {
        for (size_t pos = 0; json_next(v, &pos, NULL, &o);) {
            if (o.type == JSON_OBJECT) {
                take_call(e, o);
            }
        }
    }
    if (read_get(delta, "function_call", &v) && v.type == JSON_OBJECT) {
        take_legacy_call(e, v);
    }
}

/* Sources stand in every chunk or only in the last: they are told once, behind the text. */
static void take_sources(struct at *e)
{
    struct json_value list, o;
    struct citation c;
    if (e->d->cited || e->choice != 0 || !openai_find_sources(e->event, &list)) {
        return;
    }
    e->d->cited = true;
    for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
        if (openai_read_source(e->scratch, o, &c)) {
            emit(e->d, (struct chunk){.type = CHUNK_CITATION, .tool = -1, .citation = &c});
        }
    }
}

static void take_finish(struct at *e, struct json_value choice)
{
    struct str word = read_get_text(e->scratch, choice, "finish_reason");
    enum finish f = openai_finish_of(word);
    if (f == FINISH_NONE || e->state->finished) {
        return;
    }
    struct str hit = openai_stop_hit(e->scratch, choice, e->d->x);
    take_sources(e);
    if (f == FINISH_STOP && e->state->n_calls) {
        f = FINISH_TOOL_CALLS;
    } else if (f == FINISH_STOP && hit.ptr) {
        f = FINISH_STOP_SEQUENCE;
    }
    e->state->finished = e->d->any_finish = true;
    emit(e->d, (struct chunk){.type = CHUNK_FINISH,
                              .choice = e->choice,
                              .tool = -1,
                              .finish = f,
                              .text = word,
                              .stop_sequence = hit});
}

static void take_choice(struct decoder *d, struct arena *scratch, struct json_value event,
                        struct json_value choice)
{
    struct json_value v;
    uint64_t index = read_get_u64(choice, "index");
    struct at e = {.d = d, .scratch = scratch, .event = event};
    if (choice.type != JSON_OBJECT || index >= CHOICES_MAX ||
        !(e.state = choice_state(d, (unsigned)index))) {
        return;
    }
    e.choice = (unsigned)index;
    if (read_get(choice, "delta", &v) && v.type == JSON_OBJECT) {
        take_delta(&e, v);
    } else if (read_get(choice, "message", &v) && v.type == JSON_OBJECT) {
        take_delta(&e, v);
    } else {
        emit_text(&e, CHUNK_TEXT, read_get_text(scratch, choice, "text"));
    }
    if (read_get(choice, "logprobs", &v) && v.type == JSON_OBJECT) {
        emit(d,
             (struct chunk){.type = CHUNK_LOGPROBS, .choice = e.choice, .tool = -1, .raw = v.raw});
    }
    take_finish(&e, choice);
}

static void start(struct decoder *d, struct arena *scratch, struct json_value event)
{
    struct chunk c = {.type = CHUNK_START, .tool = -1};
    d->started = true;
    c.id = read_get_text(scratch, event, "id");
    c.model = read_get_text(scratch, event, "model");
    c.created = (int64_t)(read_get_u64(event, "created") & INT64_MAX);
    c.service_tier = read_get_text(scratch, event, "service_tier");
    c.system_fingerprint = read_get_text(scratch, event, "system_fingerprint");
    emit(d, c);
}

static bool take_error(struct decoder *d, struct arena *scratch, struct str name, struct str data,
                       struct json_value event)
{
    struct json_value v = {.type = JSON_NULL}, list;
    struct provider_error e;
    if (read_get(event, "choices", &list) && openai_choice_error(list, &v)) {
        event = v;
        data = v.raw;
    }
    bool told = (read_get(event, "error", &v) && v.type != JSON_FALSE) || str_eqz(name, "error") ||
                str_eqz(read_get_text(scratch, event, "object"), "error");
    if (!told) {
        return false;
    }
    int status = (int)(read_get_u64(v, "code") % 1000);
    provider_error_read(data, 0, STR_NONE, scratch, &e);
    if (e.class == FAILURE_NONE && status >= 400 && status < 600) {
        e.class = failure_of_status(status); /* OpenRouter, vLLM: a status as the code */
    }
    provider_error_refine(&e);
    d->ended = true;
    emit(d, (struct chunk){.type = CHUNK_ERROR, .tool = -1, .error = &e});
    return true;
}

/* Some never say why a choice stopped: at the stream's own end it just did. */
static void finish_all(struct decoder *d)
{
    for (unsigned i = 0; i < CHOICES_MAX; i++) {
        struct choice *s = d->choices[i];
        if (s && !s->finished) {
            s->finished = true;
            emit(d, (struct chunk){.type = CHUNK_FINISH,
                                   .choice = i,
                                   .tool = -1,
                                   .finish = s->n_calls ? FINISH_TOOL_CALLS : FINISH_STOP});
        }
    }
}

bool openai_chat_decode_event(void *decoder, struct arena *scratch, struct str name,
                              struct str data)
{
    struct decoder *d = decoder;
    struct json_value event, choices = {.type = JSON_NULL}, o;
    struct usage usage;
    if (d->ended) {
        return true;
    }
    if (str_eqz(str_trim(data), "[DONE]")) {
        d->ended = true;
        if (!d->started) {
            start(d, scratch, (struct json_value){.type = JSON_OBJECT, .raw = STR_LIT("{}")});
        }
        finish_all(d);
        emit(d, (struct chunk){.type = CHUNK_END, .tool = -1});
        return true;
    }
    if (!json_validate(data, 0, &event, NULL) || event.type != JSON_OBJECT) {
        return false;
    }
    if (take_error(d, scratch, name, data, event)) {
        return true;
    }
    bool any =
        read_get(event, "choices", &choices) && choices.type == JSON_ARRAY && choices.raw.len > 2;
    bool counted = openai_find_usage(event, d->x, &usage);
    if (!d->started) {
        /* Azure's first chunk tells only of its filters, with empty id and model */
        if (!any && !counted && !read_get_text(scratch, event, "id").len) {
            return true;
        }
        start(d, scratch, event);
    }
    for (size_t pos = 0; any && json_next(choices, &pos, NULL, &o);) {
        take_choice(d, scratch, event, o);
    }
    if (counted) {
        emit(d, (struct chunk){.type = CHUNK_USAGE,
                               .tool = -1,
                               .usage = &usage,
                               .service_tier = read_get_text(scratch, event, "service_tier")});
    }
    return true;
}

/* Some providers leave [DONE] out: an answer whose every choice said why it stopped is whole. */
void openai_chat_decode_end(void *decoder)
{
    struct decoder *d = decoder;
    bool whole = d->any_finish;
    for (unsigned i = 0; i < CHOICES_MAX; i++) {
        whole &= !d->choices[i] || d->choices[i]->finished;
    }
    if (!d->ended && whole) {
        d->ended = true;
        emit(d, (struct chunk){.type = CHUNK_END, .tool = -1});
    }
}
