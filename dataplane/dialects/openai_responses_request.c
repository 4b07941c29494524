/* A client's request of the Responses API. */
#include "dataplane/dialects/openai_responses.h"

#define AT(member) offsetof(struct chat_request, member)

static bool read_input(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    if (m->value.type != JSON_STRING && m->value.type != JSON_ARRAY) {
        return openai_bad(d, "must be a string or an array of items");
    }
    d->messages = m->value;
    return true;
}

static bool read_instructions(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    if (m->value.type != JSON_STRING) {
        return openai_bad(d, "must be a string");
    }
    d->instructions = m->value;
    return true;
}

static bool read_text_options(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct json_value v;
    (void)at;
    if (m->value.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    d->q->verbosity = read_get_text(d->a, m->value, "verbosity");
    if (!read_get(m->value, "format", &v)) {
        return true;
    }
    (void)openai_path_name(d, "format");
    return openai_read_format(d, v);
}

static bool read_reasoning(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct reasoning *r = &d->q->reasoning;
    (void)at;
    if (m->value.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    r->effort = effort_of(read_get_text(d->a, m->value, "effort"));
    r->summary = read_get_text(d->a, m->value, "summary");
    if (!r->summary.ptr) {
        r->summary = read_get_text(d->a, m->value, "generate_summary");
    }
    if (r->summary.ptr) {
        r->include = 1;
    }
    return true;
}

/* What this asks for is either given anyway (encrypted reasoning), or carried as logprobs. */
static bool read_include(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct json_value item;
    bool others = false;
    (void)at;
    if (m->value.type != JSON_ARRAY) {
        return openai_bad(d, "must be an array");
    }
    for (size_t pos = 0; json_next(m->value, &pos, NULL, &item);) {
        if (json_text_eq(item, STR_LIT("message.output_text.logprobs"))) {
            d->q->logprobs = 1;
        } else {
            others |= !json_text_eq(item, STR_LIT("reasoning.encrypted_content"));
        }
    }
    return !others || openai_add_extra(d, "include", m->value.raw);
}

/* "disabled" is what happens anyway. */
static bool read_truncation(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    return json_text_eq(m->value, STR_LIT("disabled")) ||
           openai_add_extra(d, "truncation", m->value.raw);
}

static bool read_background(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    return m->value.type == JSON_FALSE || openai_add_extra(d, "background", m->value.raw);
}

/* A request is decoded only to be given to another dialect (its own passes as it is), and nothing
 * there has what OpenAI keeps: earlier responses, conversations, stored prompts. Without them the
 * model would answer to something else, so whatever the target, that is refused here. */
static bool refuse_kept(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    (void)m;
    return openai_bad(d, "names what another provider's API keeps, and would be lost with this "
                         "model; send the whole input");
}

static const struct openai_field fields[] = {
    {"model", openai_read_model, 0},
    {"input", read_input, 0},
    {"instructions", read_instructions, 0},
    {"stream", openai_read_truth, AT(stream)},
    {"stream_options", NULL, 0},
    {"tools", openai_read_tools, 0},
    {"tool_choice", openai_read_tool_choice, 0},
    {"parallel_tool_calls", openai_read_flag, AT(parallel_tool_calls)},
    {"text", read_text_options, 0},
    {"reasoning", read_reasoning, 0},
    {"temperature", openai_read_number, AT(temperature)},
    {"top_p", openai_read_number, AT(top_p)},
    {"top_logprobs", openai_read_i64, AT(top_logprobs)},
    {"max_output_tokens", openai_read_u64, AT(max_tokens)},
    {"include", read_include, 0},
    {"truncation", read_truncation, 0},
    {"background", read_background, 0},
    {"store", openai_read_flag, AT(store)},
    {"previous_response_id", refuse_kept, 0},
    {"conversation", refuse_kept, 0},
    {"prompt", refuse_kept, 0},
    {"metadata", openai_read_raw, AT(metadata)},
    {"user", openai_read_text, AT(user)},
    {"service_tier", openai_read_text, AT(service_tier)},
};

/* Neighbouring items of one side are one message: reasoning, text and calls of an answer. */
static struct message *message_of(struct openai_decode *d, enum chat_role role, size_t *cap)
{
    struct chat_request *q = d->q;
    if (role == ROLE_ASSISTANT && q->n_messages &&
        q->messages[q->n_messages - 1].role == ROLE_ASSISTANT) {
        return &q->messages[q->n_messages - 1];
    }
    *cap = 0;
    return openai_message(d, role);
}

static bool read_output(struct openai_decode *d, struct json_value item)
{
    struct json_value v;
    struct part *p = openai_result(d);
    size_t cap = 0;
    if (!p) {
        return false;
    }
    p->id = read_get_text(d->a, item, "call_id");
    if (!p->id.len) {
        (void)openai_path_name(d, "call_id");
        return openai_bad(d, "must be the id of a function call");
    }
    p->name = openai_call_name(d->q, p->id);
    (void)openai_path_name(d, "output");
    if (!read_get(item, "output", &v)) {
        return true;
    }
    return openai_responses_read_content(d, v, &p->parts, &p->n_parts, &cap);
}

static bool role_of(struct str word, enum chat_role *ret)
{
    static const char *const words[] = {"system", "developer", "user", "assistant"};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eqz(word, words[i])) {
            *ret = (enum chat_role)i;
            return true;
        }
    }
    return false;
}

static bool read_item(struct openai_decode *d, struct json_value item, size_t *cap)
{
    enum chat_role role = ROLE_ASSISTANT;
    if (item.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    struct str type = read_get_text(d->a, item, "type");
    if (!type.len) {
        type = STR_LIT("message");
    }
    if (str_eqz(type, "function_call_output") || str_eqz(type, "custom_tool_call_output")) {
        return read_output(d, item);
    }
    if (str_eqz(type, "item_reference")) {
        return refuse_kept(d, NULL, NULL);
    }
    if (str_eqz(type, "message") && !role_of(read_get_text(d->a, item, "role"), &role)) {
        (void)openai_path_name(d, "role");
        return openai_bad(d, "must be one of system, developer, user and assistant");
    }
    struct message *m = message_of(d, role, cap);
    return m && openai_responses_read_item(d, item, type, &m->parts, &m->n_parts, cap);
}

static bool read_items(struct openai_decode *d)
{
    struct json_value item;
    size_t i = 0, cap = 0;
    if (d->messages.type == JSON_STRING) {
        struct message *m = openai_message(d, ROLE_USER);
        return m && openai_responses_read_content(d, d->messages, &m->parts, &m->n_parts, &cap);
    }
    for (size_t pos = 0; json_next(d->messages, &pos, NULL, &item); i++) {
        size_t mark = openai_path_index(d, i);
        if (!read_item(d, item, &cap)) {
            return false;
        }
        openai_path_back(d, mark);
    }
    return true;
}

bool openai_responses_decode_request(const struct wire_request *w, struct arena *a,
                                     struct chat_request *ret, struct error *err)
{
    struct openai_decode d;
    struct json_value top;
    size_t cap = 0;
    openai_decode_init(&d, a, ret, err);
    ret->family = FAMILY_RESPONSES;
    ret->stream_usage = true;
    if (!json_scan(w->body, NULL, 0, 0, err)) {
        return false;
    }
    top = (struct json_value){JSON_OBJECT, false, str_trim(w->body)};
    if (!openai_read_fields(&d, top, fields, sizeof(fields) / sizeof(fields[0]))) {
        return false;
    }
    if (d.instructions.type == JSON_STRING) {
        struct message *m = openai_message(&d, ROLE_SYSTEM);
        if (!m ||
            !openai_responses_read_content(&d, d.instructions, &m->parts, &m->n_parts, &cap)) {
            return false;
        }
    }
    (void)openai_path_name(&d, "input");
    if (d.messages.type == JSON_NULL) {
        return openai_bad(&d, "is missing");
    }
    if (!read_items(&d)) {
        return false;
    }
    for (size_t i = 0; i < ret->n_messages; i++) {
        openai_responses_settle(ret->messages[i].parts, &ret->messages[i].n_parts);
    }
    openai_apply_allowed(&d);
    if (ret->top_logprobs > 0) {
        ret->logprobs = 1;
    }
    if (w->model.ptr) {
        ret->model = w->model;
    }
    ret->stream |= w->stream;
    return true;
}

const struct chat_codec openai_responses_codec = {
    .family = FAMILY_RESPONSES,
    .framing = FRAMING_SSE,
    .decode_request = openai_responses_decode_request,
    .encode_request = openai_responses_encode_request,
    .decode_reply = openai_responses_decode_reply,
    .encode_reply = openai_responses_encode_reply,
    .decoder_new = openai_responses_decoder_new,
    .decode_event = openai_responses_decode_event,
    .decode_end = openai_responses_decode_end,
    .encoder_new = openai_responses_encoder_new,
    .encode_chunk = openai_responses_encode_chunk,
};
