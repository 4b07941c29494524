/* A client's chat completions request. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_chat_codec.h"

#define AT(member) offsetof(struct chat_request, member)

static bool read_messages(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    d->messages = m->value;
    return true;
}

static bool read_max_tokens(struct openai_decode *d, const struct json_member *m, void *at)
{
    uint64_t v = 0;
    (void)at;
    if (!read_u64_member(m, d->path, &v, d->err)) {
        return false;
    }
    /* both spellings may stand there: the newer one counts */
    if (d->q->max_tokens == 0 || str_eqz(m->name, "max_completion_tokens")) {
        d->q->max_tokens = v;
    }
    return true;
}

static bool read_response_format(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    return openai_read_format(d, m->value);
}

/* OpenRouter's {"effort","max_tokens","exclude","enabled"}. */
static bool read_reasoning(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct json_value v;
    struct reasoning *r = &d->q->reasoning;
    (void)at;
    if (m->value.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    enum effort e = effort_of(read_get_text(d->a, m->value, "effort"));
    r->effort = e != EFFORT_UNSET ? e : r->effort;
    if (read_get_u64(m->value, "max_tokens")) {
        r->budget = (int64_t)(read_get_u64(m->value, "max_tokens") & INT64_MAX);
    }
    if (read_get(m->value, "exclude", &v)) {
        r->include = v.type != JSON_TRUE;
    }
    if (read_get(m->value, "enabled", &v)) {
        if (v.type == JSON_FALSE) {
            r->effort = EFFORT_NONE;
        } else if (r->effort == EFFORT_UNSET && r->budget < 0) {
            r->adaptive = true;
        }
    }
    return true;
}

/* Anthropic's {"type":"enabled","budget_tokens"}, which LiteLLM's clients and Z.ai's write too. */
static bool read_thinking(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct reasoning *r = &d->q->reasoning;
    (void)at;
    if (m->value.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    struct str type = read_get_text(d->a, m->value, "type");
    uint64_t budget = read_get_u64(m->value, "budget_tokens");
    if (str_eqz(type, "disabled")) {
        r->effort = EFFORT_NONE;
    } else if (budget) {
        r->budget = (int64_t)(budget & INT64_MAX);
    } else if (r->effort == EFFORT_UNSET) {
        r->adaptive = true;
    }
    return true;
}

static bool read_modalities(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct json_value item;
    (void)at;
    if (m->value.type != JSON_ARRAY) {
        return openai_bad(d, "must be an array");
    }
    d->q->modalities_given = true;
    for (size_t pos = 0; json_next(m->value, &pos, NULL, &item);) {
        d->q->wants_audio |= json_text_eq(item, STR_LIT("audio"));
        d->q->wants_image |= json_text_eq(item, STR_LIT("image"));
    }
    return true;
}

static bool read_audio(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct json_value v;
    (void)at;
    if (m->value.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    d->q->audio_format = read_get_text(d->a, m->value, "format");
    if (read_get(m->value, "voice", &v)) {
        d->q->audio_voice =
            v.type == JSON_OBJECT ? read_get_text(d->a, v, "id") : read_text(d->a, v);
    }
    return true;
}

static bool read_stream_options(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct json_value v;
    (void)at;
    if (m->value.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    d->q->stream_usage = read_get(m->value, "include_usage", &v) && v.type == JSON_TRUE;
    return true;
}

static const struct openai_field fields[] = {
    {"model", openai_read_model, 0},
    {"messages", read_messages, 0},
    {"stream", openai_read_truth, AT(stream)},
    {"stream_options", read_stream_options, 0},
    {"tools", openai_read_tools, 0},
    {"functions", openai_read_functions, 0},
    {"tool_choice", openai_read_tool_choice, 0},
    {"function_call", openai_read_tool_choice, 0},
    {"parallel_tool_calls", openai_read_flag, AT(parallel_tool_calls)},
    {"response_format", read_response_format, 0},
    {"temperature", openai_read_number, AT(temperature)},
    {"top_p", openai_read_number, AT(top_p)},
    {"top_k", openai_read_number, AT(top_k)},
    {"min_p", openai_read_number, AT(min_p)},
    {"frequency_penalty", openai_read_number, AT(frequency_penalty)},
    {"presence_penalty", openai_read_number, AT(presence_penalty)},
    {"repetition_penalty", openai_read_number, AT(repetition_penalty)},
    {"seed", openai_read_number, AT(seed)},
    {"max_tokens", read_max_tokens, 0},
    {"max_completion_tokens", read_max_tokens, 0},
    {"n", openai_read_u64, AT(n)},
    {"stop", openai_read_stop, 0},
    {"logprobs", openai_read_flag, AT(logprobs)},
    {"top_logprobs", openai_read_i64, AT(top_logprobs)},
    {"logit_bias", openai_read_raw, AT(logit_bias)},
    {"user", openai_read_text, AT(user)},
    {"metadata", openai_read_raw, AT(metadata)},
    {"store", openai_read_flag, AT(store)},
    {"service_tier", openai_read_text, AT(service_tier)},
    {"verbosity", openai_read_text, AT(verbosity)},
    {"reasoning_effort", openai_read_effort, 0},
    {"reasoning", read_reasoning, 0},
    {"thinking", read_thinking, 0},
    {"modalities", read_modalities, 0},
    {"audio", read_audio, 0},
    {"prediction", openai_read_raw, AT(prediction)},
    {"web_search_options", openai_read_raw, AT(web_search)},
};

static bool read_calls(struct openai_decode *d, struct json_value message, struct message *m,
                       size_t *cap)
{
    struct json_value calls, call;
    size_t i = 0;
    if (!read_get(message, "tool_calls", &calls)) {
        return true;
    }
    size_t mark = openai_path_name(d, "tool_calls");
    if (calls.type != JSON_ARRAY) {
        return openai_bad(d, "must be an array");
    }
    for (size_t pos = 0; json_next(calls, &pos, NULL, &call); i++) {
        size_t inner = openai_path_index(d, i);
        if (!openai_chat_read_call(d, call, &m->parts, &m->n_parts, cap)) {
            return false;
        }
        openai_path_back(d, inner);
    }
    openai_path_back(d, mark);
    return true;
}

/* The call of before tools had ids: one is made, and the next `function` message answers it. */
static bool read_legacy_call(struct openai_decode *d, struct json_value message, struct message *m,
                             size_t *cap)
{
    struct json_value call, v;
    if (!read_get(message, "function_call", &call) || call.type != JSON_OBJECT) {
        return true;
    }
    struct part *p = openai_part(d, &m->parts, &m->n_parts, cap, PART_TOOL_CALL);
    if (!p) {
        return false;
    }
    p->name = read_get_text(d->a, call, "name");
    p->arguments =
        arguments_of(d->a, read_get(call, "arguments", &v) ? read_text(d->a, v) : STR_LIT(""));
    p->id = arena_printf(d->a, "call_function_%zu", d->q->n_messages);
    d->legacy_id = p->id;
    return (p->arguments.ptr && p->id.ptr) || openai_no_room(d);
}

static bool read_assistant(struct openai_decode *d, struct json_value o, struct message *m,
                           size_t *cap)
{
    struct json_value v;
    struct part *p;
    struct str refusal = read_get_text(d->a, o, "refusal");
    if (refusal.len) {
        if (!(p = openai_part(d, &m->parts, &m->n_parts, cap, PART_REFUSAL))) {
            return false;
        }
        p->text = refusal;
    }
    if (read_get(o, "audio", &v) && v.type == JSON_OBJECT) {
        if (!(p = openai_part(d, &m->parts, &m->n_parts, cap, PART_AUDIO))) {
            return false;
        }
        p->media.file_id = read_get_text(d->a, v, "id");
        p->text = read_get_text(d->a, v, "transcript");
    }
    return read_calls(d, o, m, cap) && read_legacy_call(d, o, m, cap);
}

static bool read_result(struct openai_decode *d, struct json_value o, struct json_value content,
                        bool legacy)
{
    struct chat_request *q = d->q;
    struct part *p = openai_result(d);
    size_t cap = 0;
    if (!p) {
        return false;
    }
    p->name = read_get_text(d->a, o, "name");
    p->id = legacy ? d->legacy_id : read_get_text(d->a, o, "tool_call_id");
    if (!legacy && !p->id.len) {
        (void)openai_path_name(d, "tool_call_id");
        return openai_bad(d, "must be the id of a tool call");
    }
    if (!p->id.len) {
        p->id = p->name;
    }
    if (!p->name.len) {
        p->name = openai_call_name(q, p->id);
    }
    p->cache = openai_cache_mark(d->a, o);
    (void)openai_path_name(d, "content");
    return openai_chat_read_content(d, content, &p->parts, &p->n_parts, &cap);
}

static bool role_of(struct str word, enum chat_role *ret, bool *ret_legacy)
{
    static const struct {
        const char *word;
        enum chat_role role;
    } roles[] = {{"system", ROLE_SYSTEM}, {"developer", ROLE_DEVELOPER},
                 {"user", ROLE_USER},     {"assistant", ROLE_ASSISTANT},
                 {"tool", ROLE_TOOL},     {"function", ROLE_TOOL}};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (str_eqz(word, roles[i].word)) {
            *ret = roles[i].role;
            *ret_legacy = i == 5;
            return true;
        }
    }
    return false;
}

static bool read_message(struct openai_decode *d, struct json_value o)
{
    enum chat_role role;
    bool legacy = false;
    size_t cap = 0;
    struct json_value content = {.type = JSON_NULL};
    if (o.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    if (!role_of(read_get_text(d->a, o, "role"), &role, &legacy)) {
        (void)openai_path_name(d, "role");
        return openai_bad(d,
                          "must be one of system, developer, user, assistant, tool and function");
    }
    bool there = read_get(o, "content", &content);
    if (role == ROLE_TOOL) {
        return read_result(d, o, content, legacy);
    }
    struct message *m = openai_message(d, role);
    if (!m) {
        return false;
    }
    m->name = read_get_text(d->a, o, "name");
    if (role == ROLE_ASSISTANT && !openai_chat_read_thinking(d, o, &m->parts, &m->n_parts, &cap)) {
        return false;
    }
    size_t mark = openai_path_name(d, "content");
    if (!there && role != ROLE_ASSISTANT) {
        return openai_bad(d, "must be a string or an array of content parts");
    }
    /* an answer that was only tool calls is often sent back with an empty text beside them */
    bool blank = role == ROLE_ASSISTANT && content.type == JSON_STRING && content.raw.len == 2;
    if (!blank && !openai_chat_read_content(d, content, &m->parts, &m->n_parts, &cap)) {
        return false;
    }
    openai_path_back(d, mark);
    if (role == ROLE_ASSISTANT) {
        openai_chat_read_text_proof(d, o, m->parts, m->n_parts);
    }
    if (role == ROLE_ASSISTANT && !read_assistant(d, o, m, &cap)) {
        return false;
    }
    enum cache_mark cache = openai_cache_mark(d->a, o);
    if (cache != CACHE_NONE && m->n_parts) {
        m->parts[m->n_parts - 1].cache = cache;
    }
    return true;
}

bool openai_chat_decode_request(const struct wire_request *w, struct arena *a,
                                struct chat_request *ret, struct error *err)
{
    struct openai_decode d;
    struct json_value top, item;
    size_t i = 0;
    openai_decode_init(&d, a, ret, err);
    ret->family = FAMILY_CHAT;
    if (!json_scan(w->body, NULL, 0, 0, err)) {
        return false;
    }
    top = (struct json_value){JSON_OBJECT, false, str_trim(w->body)};
    if (!openai_read_fields(&d, top, fields, sizeof(fields) / sizeof(fields[0]))) {
        return false;
    }
    (void)openai_path_name(&d, "messages");
    if (d.messages.type != JSON_ARRAY) {
        return openai_bad(&d, "must be an array");
    }
    for (size_t pos = 0; json_next(d.messages, &pos, NULL, &item); i++) {
        size_t mark = openai_path_index(&d, i);
        if (!read_message(&d, item)) {
            return false;
        }
        openai_path_back(&d, mark);
    }
    if (i == 0) {
        return openai_bad(&d, "must hold at least one message");
    }
    openai_apply_allowed(&d);
    if (w->model.ptr) {
        ret->model = w->model;
    }
    ret->stream |= w->stream;
    return true;
}

const struct chat_codec openai_chat_codec = {
    .family = FAMILY_CHAT,
    .framing = FRAMING_SSE,
    .decode_request = openai_chat_decode_request,
    .encode_request = openai_chat_encode_request,
    .decode_reply = openai_chat_decode_reply,
    .encode_reply = openai_chat_encode_reply,
    .decoder_new = openai_chat_decoder_new,
    .decode_event = openai_chat_decode_event,
    .decode_end = openai_chat_decode_end,
    .encoder_new = openai_chat_encoder_new,
    .encode_chunk = openai_chat_encode_chunk,
};
