/* A provider's whole chat completion, of OpenAI or any compatible provider. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_chat_codec.h"
#include "dataplane/dialects/openai_target.h"

static bool read_annotations(struct openai_decode *d, struct json_value list, struct part *p)
{
    struct json_value o;
    size_t n = 0;
    for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
        n++;
    }
    struct citation *c = n ? arena_zalloc(d->a, n * sizeof(*c)) : NULL;
    if (n && !c) {
        return openai_no_room(d);
    }
    p->citations = c;
    for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
        p->n_citations +=
            openai_read_annotation(d->a, o, FAMILY_CHAT, &p->citations[p->n_citations]);
    }
    return true;
}

/* The sources that stand beside the choices. */
static bool read_sources(struct openai_decode *d, struct json_value answer, struct part *p)
{
    struct json_value list, o;
    size_t n = 0;
    if (!openai_find_sources(answer, &list)) {
        return true;
    }
    for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
        n++;
    }
    struct citation *c = n ? arena_zalloc(d->a, n * sizeof(*c)) : NULL;
    if (n && !c) {
        return openai_no_room(d);
    }
    p->citations = c;
    for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
        p->n_citations += openai_read_source(d->a, o, &p->citations[p->n_citations]);
    }
    return true;
}

static bool read_images(struct openai_decode *d, struct json_value message, struct chat_choice *c,
                        size_t *cap)
{
    struct json_value images;
    return !read_get(message, "images", &images) || images.type != JSON_ARRAY ||
           openai_chat_read_content(d, images, &c->parts, &c->n_parts, cap);
}

static bool read_audio(struct openai_decode *d, struct json_value message, struct chat_choice *c,
                       size_t *cap, const struct exchange_context *x)
{
    struct json_value v;
    struct part *p;
    if (!read_get(message, "audio", &v) || v.type != JSON_OBJECT) {
        return true;
    }
    if (!(p = openai_part(d, &c->parts, &c->n_parts, cap, PART_AUDIO))) {
        return false;
    }
    p->id = read_get_text(d->a, v, "id");
    p->text = read_get_text(d->a, v, "transcript");
    p->media.data = read_get_text(d->a, v, "data");
    p->media.format =
        x->request && x->request->audio_format.len ? x->request->audio_format : STR_LIT("wav");
    p->media.media_type = media_type_of_format(p->media.format);
    return true;
}

static bool read_calls(struct openai_decode *d, struct json_value message, struct chat_choice *c,
                       size_t *cap)
{
    struct json_value list, call, v;
    struct part *p;
    if (read_get(message, "tool_calls", &list)) {
        for (size_t pos = 0; list.type == JSON_ARRAY && json_next(list, &pos, NULL, &call);) {
            size_t before = c->n_parts;
            if (!openai_chat_read_call(d, call, &c->parts, &c->n_parts, cap)) {
                if (d->err->code == ERR_INTERNAL) {
                    return false;
                }
                c->n_parts = before;
            }
        }
    }
    if (!read_get(message, "function_call", &call) || call.type != JSON_OBJECT) {
        return true;
    }
    if (!(p = openai_part(d, &c->parts, &c->n_parts, cap, PART_TOOL_CALL))) {
        return false;
    }
    p->name = read_get_text(d->a, call, "name");
    p->arguments =
        arguments_of(d->a, read_get(call, "arguments", &v) ? read_text(d->a, v) : STR_LIT(""));
    return p->arguments.ptr || openai_no_room(d);
}

/* Calls get the client's own name of their tool, and those without an id one of this request's. */
static bool name_calls(struct openai_decode *d, struct chat_choice *c,
                       const struct exchange_context *x, bool *ret_any)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        struct part *p = &c->parts[i];
        if (p->type != PART_TOOL_CALL) {
            continue;
        }
        *ret_any = true;
        p->name = openai_tool_name_back(d->a, x, FAMILY_CHAT, p->name);
        if (!p->id.len) {
            p->id = arena_printf(d->a, "call_%.*s_%zu", STR_ARG(x->unique), i);
            if (!p->id.ptr) {
                return openai_no_room(d);
            }
        }
    }
    return true;
}

static bool read_message(struct openai_decode *d, struct json_value answer,
                         struct json_value message, struct chat_choice *c,
                         const struct exchange_context *x)
{
    struct json_value v;
    size_t cap = 0;
    struct part *p;
    if (!openai_chat_read_thinking(d, message, &c->parts, &c->n_parts, &cap)) {
        return false;
    }
    size_t first = c->n_parts;
    if (read_get(message, "content", &v) && v.raw.len > 2 &&
        (v.type == JSON_STRING || v.type == JSON_ARRAY) &&
        !openai_chat_read_content(d, v, &c->parts, &c->n_parts, &cap)) {
        return false;
    }
    if (c->n_parts > first && c->parts[c->n_parts - 1].type == PART_TEXT) {
        p = &c->parts[c->n_parts - 1];
        bool own = read_get(message, "annotations", &v) && v.type == JSON_ARRAY && v.raw.len > 2;
        if (own ? !read_annotations(d, v, p) : !read_sources(d, answer, p)) {
            return false;
        }
    }
    struct str refusal = read_get_text(d->a, message, "refusal");
    if (refusal.len) {
        if (!(p = openai_part(d, &c->parts, &c->n_parts, &cap, PART_REFUSAL))) {
            return false;
        }
        p->text = refusal;
    }
    return read_images(d, message, c, &cap) && read_audio(d, message, c, &cap, x) &&
           read_calls(d, message, c, &cap);
}

static bool read_choice(struct openai_decode *d, struct json_value answer, struct json_value o,
                        struct chat_choice *c, const struct exchange_context *x)
{
    struct json_value v;
    bool calls = false;
    size_t cap = 0;
    if (read_get(o, "index", &v)) {
        uint64_t index = read_get_u64(o, "index");
        c->index = index < 4096 ? (unsigned)index : c->index;
    }
    if (read_get(o, "message", &v) || read_get(o, "delta", &v)) {
        if (v.type == JSON_OBJECT && !read_message(d, answer, v, c, x)) {
            return false;
        }
    } else if (read_get(o, "text", &v) && v.type == JSON_STRING &&
               !openai_chat_read_content(d, v, &c->parts, &c->n_parts, &cap)) {
        return false;
    }
    if (!name_calls(d, c, x, &calls)) {
        return false;
    }
    c->finish_raw = read_get_text(d->a, o, "finish_reason");
    c->finish = openai_finish_of(c->finish_raw);
    c->stop_sequence = openai_stop_hit(d->a, o, x);
    if (c->finish == FINISH_NONE) {
        c->finish = FINISH_STOP; /* it is whole all the same */
    }
    if (c->finish == FINISH_STOP && calls) {
        c->finish = FINISH_TOOL_CALLS; /* a forced call ends with "stop" */
    } else if (c->finish == FINISH_STOP && c->stop_sequence.ptr) {
        c->finish = FINISH_STOP_SEQUENCE;
    }
    if (read_get(o, "logprobs", &v) && v.type == JSON_OBJECT) {
        c->logprobs = v.raw;
    }
    return true;
}

bool openai_chat_decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                              struct chat_reply *ret, struct error *err)
{
    struct chat_request none;
    struct openai_decode d;
    struct error ignored = ERROR_INIT;
    struct json_value top, choices, o;
    struct chat_reply r = {.created = 0};
    if (!json_validate(body, 0, &top, &ignored) || top.type != JSON_OBJECT) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer is not a JSON object");
    }
    openai_decode_init(&d, a, &none, &ignored);
    d.lenient = true;
    if (!read_get(top, "choices", &choices) || choices.type != JSON_ARRAY) {
        struct provider_error e;
        if (!read_get(top, "error", &o)) {
            return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer holds no choices");
        }
        provider_error_read(body, 0, STR_NONE, a, &e);
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider failed: %.*s",
                         (int)(e.message.len < 180 ? e.message.len : 180),
                         e.message.ptr ? e.message.ptr : "");
    }
    if (openai_choice_error(choices, &o)) {
        struct provider_error e;
        provider_error_read(o.raw, 0, STR_NONE, a, &e);
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider failed: %.*s",
                         (int)(e.message.len < 180 ? e.message.len : 180),
                         e.message.ptr ? e.message.ptr : "");
    }
    for (size_t pos = 0; json_next(choices, &pos, NULL, &o);) {
        r.n_choices++;
    }
    r.choices = arena_zalloc(a, (r.n_choices + 1) * sizeof(*r.choices));
    if (!r.choices) {
        return error_set(err, ERR_INTERNAL, "out of room for the answer");
    }
    size_t i = 0;
    for (size_t pos = 0; json_next(choices, &pos, NULL, &o); i++) {
        r.choices[i].index = (unsigned)i;
        if (!read_choice(&d, top, o, &r.choices[i], x)) {
            return error_set(err, ERR_INTERNAL, "out of room for the answer");
        }
    }
    r.id = read_get_text(a, top, "id");
    r.model = read_get_text(a, top, "model");
    r.created = (int64_t)(read_get_u64(top, "created") & INT64_MAX);
    r.service_tier = read_get_text(a, top, "service_tier");
    r.system_fingerprint = read_get_text(a, top, "system_fingerprint");
    (void)openai_find_usage(top, x, &r.usage);
    *ret = r;
    return true;
}
