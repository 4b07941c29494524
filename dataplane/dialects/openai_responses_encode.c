/* A provider's request of the Responses API. */
#include <stdio.h>

#include "dataplane/dialects/openai_chat_encode.h"
#include "dataplane/dialects/openai_responses.h"
#include "dataplane/dialects/openai_target.h"

#define OUTPUT_MIN 16 /* max_output_tokens at OpenAI */

struct writer {
    struct json_writer w;
    const struct chat_request *q;
    const struct exchange_context *x;
    struct arena *a;
    struct error *err;
};

static void put_text(struct json_writer *w, const char *name, struct str text)
{
    if (text.ptr) {
        json_field_str(w, name, text);
    }
}

static void put_raw(struct json_writer *w, const char *name, struct str raw)
{
    if (raw.ptr) {
        json_name(w, name);
        json_put_raw(w, raw);
    }
}

static bool kin(const struct chat_request *q)
{
    return q->family == FAMILY_CHAT || q->family == FAMILY_RESPONSES;
}

static void put_text_part(struct writer *c, const char *type, struct str text)
{
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", type);
    json_field_str(&c->w, str_eqz(STR_LIT("refusal"), type) ? "refusal" : "text",
                   text.ptr ? text : STR_LIT(""));
    if (str_eqz(STR_LIT("output_text"), type)) {
        json_name(&c->w, "annotations");
        json_array_begin(&c->w);
        json_array_end(&c->w);
    }
    json_object_end(&c->w);
}

static bool put_image(struct writer *c, const struct part *p)
{
    struct str url = media_url(c->a, &p->media);
    bool file = p->media.file_id.ptr && kin(c->q);
    if (!url.len && !file) {
        openai_lose(c->q, c->x, FIELD_IMAGE);
        return false;
    }
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "input_image");
    if (url.len) {
        json_field_str(&c->w, "image_url", url);
    } else {
        json_field_str(&c->w, "file_id", p->media.file_id);
    }
    put_text(&c->w, "detail", p->media.detail);
    json_object_end(&c->w);
    return true;
}

static bool put_document(struct writer *c, const struct part *p)
{
    struct media m = p->media;
    openai_lose_if(m.citations, c->q, c->x, FIELD_CITATIONS);
    if (m.text.ptr) {
        put_text_part(c, "input_text", m.text);
        return true;
    }
    if (!m.data.ptr && !m.url.ptr && !(m.file_id.ptr && kin(c->q))) {
        openai_lose(c->q, c->x, FIELD_DOCUMENT);
        return false;
    }
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "input_file");
    if (m.data.ptr) {
        struct str format = media_format_of_type(m.media_type);
        m.media_type = m.media_type.len ? m.media_type : STR_LIT("application/pdf");
        json_field_str(&c->w, "filename",
                       m.name.len   ? m.name
                       : format.len ? arena_printf(c->a, "document.%.*s", STR_ARG(format))
                                    : STR_LIT("document.pdf"));
        json_field_str(&c->w, "file_data", media_url(c->a, &m));
    } else if (m.url.ptr) {
        json_field_str(&c->w, "file_url", m.url);
    } else {
        json_field_str(&c->w, "file_id", m.file_id);
    }
    json_object_end(&c->w);
    return true;
}

static bool put_part(struct writer *c, const struct part *p)
{
    openai_lose_if(p->cache != CACHE_NONE, c->q, c->x, FIELD_CACHE_CONTROL);
    switch (p->type) {
    case PART_TEXT:
        put_text_part(c, "input_text", p->text);
        return true;
    case PART_IMAGE:
        return put_image(c, p);
    case PART_DOCUMENT:
        return put_document(c, p);
    case PART_AUDIO:
        openai_lose(c->q, c->x, FIELD_AUDIO);
        return false;
    case PART_VIDEO:
        openai_lose(c->q, c->x, FIELD_VIDEO);
        return false;
    default:
        openai_lose(c->q, c->x, FIELD_CONTENT);
        return false;
    }
}

static bool put_input_message(struct writer *c, const struct message *m, size_t index)
{
    static const char *const roles[] = {"system", "developer", "user"};
    size_t written = 0;
    char path[64];
    openai_lose_if(m->name.len > 0, c->q, c->x, FIELD_NAME);
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "message");
    json_field_z(&c->w, "role", roles[m->role]);
    json_name(&c->w, "content");
    json_array_begin(&c->w);
    for (size_t i = 0; i < m->n_parts; i++) {
        written += put_part(c, &m->parts[i]);
    }
    json_array_end(&c->w);
    json_object_end(&c->w);
    if (written || !m->n_parts) {
        return true;
    }
    (void)snprintf(path, sizeof(path), "messages[%zu].content[0]", index);
    return error_set_param(c->err, ERR_INVALID_FIELD, path,
                           "%s is of a kind that this model cannot be given", path);
}

static void put_call(struct writer *c, const struct part *p)
{
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "function_call");
    json_field_str(&c->w, "call_id", openai_call_id(c->a, c->q, FAMILY_RESPONSES, p->id));
    json_field_str(&c->w, "name", openai_tool_name(c->a, c->q, FAMILY_RESPONSES, p->name));
    json_field_str(&c->w, "arguments", p->arguments.len ? p->arguments : STR_LIT("{}"));
    json_object_end(&c->w);
    openai_lose_if(p->signature.ptr != NULL, c->q, c->x, FIELD_THINKING);
    openai_lose_if(p->cache != CACHE_NONE, c->q, c->x, FIELD_CACHE_CONTROL);
}

static void put_thought(struct writer *c, const struct part *p)
{
    if (!p->signature.ptr || p->signature_family != FAMILY_RESPONSES) {
        openai_lose_if(p->signature.ptr != NULL, c->q, c->x, FIELD_THINKING);
        return;
    }
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "reasoning");
    put_text(&c->w, "id", p->id);
    json_name(&c->w, "summary");
    json_array_begin(&c->w);
    if (p->text.len) {
        put_text_part(c, "summary_text", p->text);
    }
    json_array_end(&c->w);
    json_field_str(&c->w, "encrypted_content", p->signature);
    json_object_end(&c->w);
}

/* Texts that follow each other are one message; reasoning and calls are items between them. */
static void put_assistant(struct writer *c, const struct message *m)
{
    bool open = false;
    for (size_t i = 0; i <= m->n_parts; i++) {
        const struct part *p = i < m->n_parts ? &m->parts[i] : NULL;
        bool text = p && (p->type == PART_TEXT || p->type == PART_REFUSAL);
        if (text && !open) {
            json_object_begin(&c->w);
            json_field_z(&c->w, "type", "message");
            json_field_z(&c->w, "role", "assistant");
            json_name(&c->w, "content");
            json_array_begin(&c->w);
            open = true;
        } else if (!text && open) {
            json_array_end(&c->w);
            json_object_end(&c->w);
            open = false;
        }
        if (!p) {
            break;
        }
        openai_lose_if(text && p->cache != CACHE_NONE, c->q, c->x, FIELD_CACHE_CONTROL);
        if (text) {
            put_text_part(c, p->type == PART_TEXT ? "output_text" : "refusal", p->text);
        } else if (p->type == PART_TOOL_CALL) {
            put_call(c, p);
        } else if (p->type == PART_THINKING || p->type == PART_REDACTED_THINKING) {
            put_thought(c, p);
        } else if (p->type == PART_NATIVE && p->family == FAMILY_RESPONSES) {
            json_put_raw(&c->w, p->raw);
        } else {
            openai_lose(c->q, c->x,
                        p->type == PART_IMAGE   ? FIELD_IMAGE
                        : p->type == PART_AUDIO ? FIELD_AUDIO
                                                : FIELD_CONTENT);
        }
    }
}

static void put_results(struct writer *c, const struct message *m)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        bool skipped = false;
        if (p->type != PART_TOOL_RESULT) {
            openai_lose(c->q, c->x, FIELD_CONTENT);
            continue;
        }
        struct str text = parts_text(c->a, p->parts, p->n_parts, STR_LIT(""), &skipped);
        json_object_begin(&c->w);
        json_field_z(&c->w, "type", "function_call_output");
        json_field_str(&c->w, "call_id", openai_call_id(c->a, c->q, FAMILY_RESPONSES, p->id));
        json_name(&c->w, "output");
        if (skipped) {
            json_array_begin(&c->w);
            for (size_t k = 0; k < p->n_parts; k++) {
                (void)put_part(c, &p->parts[k]);
            }
            json_array_end(&c->w);
        } else {
            json_put_str(&c->w, text.ptr ? text : STR_LIT(""));
        }
        json_object_end(&c->w);
        openai_lose_if(p->cache != CACHE_NONE, c->q, c->x, FIELD_CACHE_CONTROL);
    }
}

/* A system text at the front is `instructions`. */
static size_t put_instructions(struct writer *c)
{
    const struct message *m = c->q->messages;
    bool skipped = true;
    if (!c->q->n_messages || m->role != ROLE_SYSTEM || m->name.len) {
        return 0;
    }
    struct str text = parts_text(c->a, m->parts, m->n_parts, STR_LIT("\n\n"), &skipped);
    if (skipped || !text.ptr) {
        return 0;
    }
    for (size_t i = 0; i < m->n_parts; i++) {
        openai_lose_if(m->parts[i].cache != CACHE_NONE, c->q, c->x, FIELD_CACHE_CONTROL);
    }
    json_field_str(&c->w, "instructions", text);
    return 1;
}

static bool put_input(struct writer *c)
{
    size_t i = put_instructions(c);
    json_name(&c->w, "input");
    json_array_begin(&c->w);
    for (; i < c->q->n_messages; i++) {
        const struct message *m = &c->q->messages[i];
        if (m->role == ROLE_ASSISTANT) {
            put_assistant(c, m);
        } else if (m->role == ROLE_TOOL) {
            put_results(c, m);
        } else if (!put_input_message(c, m, i)) {
            return false;
        }
    }
    json_array_end(&c->w);
    return true;
}

static void put_tool(struct writer *c, const struct tool *t)
{
    struct json_writer *w = &c->w;
    openai_lose_if(t->cache != CACHE_NONE, c->q, c->x, FIELD_CACHE_CONTROL);
    if (t->builtin) {
        openai_lose_if(t->family != FAMILY_RESPONSES, c->q, c->x, FIELD_TOOLS);
        if (t->family == FAMILY_RESPONSES) {
            json_put_raw(w, t->raw);
        }
        return;
    }
    json_object_begin(w);
    json_field_z(w, "type", "function");
    json_field_str(w, "name", openai_tool_name(c->a, c->q, FAMILY_RESPONSES, t->name));
    put_text(w, "description", t->description);
    put_raw(w, "parameters",
            t->parameters.ptr ? t->parameters : STR_LIT("{\"type\":\"object\",\"properties\":{}}"));
    /* strict is this API's default, and of no other */
    if (t->strict >= 0 || c->q->family != FAMILY_RESPONSES) {
        json_field_bool(w, "strict", t->strict == 1);
    }
    json_object_end(w);
}

static void put_tools(struct writer *c)
{
    static const char *const words[] = {NULL, "auto", "none", "required"};
    const struct chat_request *q = c->q;
    bool any = false;
    for (size_t i = 0; i < q->n_tools; i++) {
        any |= !q->tools[i].builtin || q->tools[i].family == FAMILY_RESPONSES;
    }
    if (any) {
        json_name(&c->w, "tools");
        json_array_begin(&c->w);
    }
    for (size_t i = 0; i < q->n_tools; i++) {
        put_tool(c, &q->tools[i]);
    }
    if (!any) {
        openai_lose_if(q->tool_choice == CHOICE_REQUIRED || q->tool_choice == CHOICE_NAMED, q, c->x,
                       FIELD_TOOL_CHOICE);
        return;
    }
    json_array_end(&c->w);
    if (q->tool_choice == CHOICE_NAMED) {
        json_name(&c->w, "tool_choice");
        json_object_begin(&c->w);
        json_field_z(&c->w, "type", "function");
        json_field_str(&c->w, "name",
                       openai_tool_name(c->a, q, FAMILY_RESPONSES, q->tool_choice_name));
        json_object_end(&c->w);
    } else if (q->tool_choice != CHOICE_UNSET) {
        json_field_z(&c->w, "tool_choice", words[q->tool_choice]);
    }
    if (q->parallel_tool_calls >= 0) {
        json_field_bool(&c->w, "parallel_tool_calls", q->parallel_tool_calls == 1);
    }
}

static void put_format(struct writer *c)
{
    struct json_writer *w = &c->w;
    const struct chat_request *q = c->q;
    if (q->output == OUTPUT_UNSET && !q->verbosity.len) {
        return;
    }
    json_name(w, "text");
    json_object_begin(w);
    if (q->output != OUTPUT_UNSET) {
        json_name(w, "format");
        json_object_begin(w);
        json_field_z(w, "type",
                     q->output == OUTPUT_TEXT     ? "text"
                     : q->output == OUTPUT_SCHEMA ? "json_schema"
                                                  : "json_object");
        if (q->output == OUTPUT_SCHEMA) {
            json_field_str(w, "name", q->schema_name.len ? q->schema_name : STR_LIT("response"));
            put_text(w, "description", q->schema_description);
            put_raw(w, "schema", q->schema.ptr ? q->schema : STR_LIT("{}"));
            if (q->schema_strict >= 0) {
                json_field_bool(w, "strict", q->schema_strict == 1);
            }
        }
        json_object_end(w);
    }
    if (q->verbosity.len) {
        json_field_str(w, "verbosity", q->verbosity);
    }
    json_object_end(w);
}

static void put_reasoning(struct writer *c)
{
    const struct reasoning *r = &c->q->reasoning;
    bool lost = false;
    const char *word = openai_target_effort(c->x, r, &lost);
    bool thinks = !openai_target_never_reasons(c->x);
    struct str summary = r->summary;
    openai_lose_if(lost, c->q, c->x, FIELD_REASONING);
    if (!summary.ptr && r->include == 1) {
        summary = STR_LIT("auto");
    }
    if (!word && (!summary.ptr || !thinks)) {
        return;
    }
    json_name(&c->w, "reasoning");
    json_object_begin(&c->w);
    if (word) {
        json_field_z(&c->w, "effort", word);
    }
    if (thinks) {
        put_text(&c->w, "summary", summary);
    }
    json_object_end(&c->w);
}

static void put_include(struct writer *c, bool encrypted)
{
    bool logprobs = c->q->logprobs == 1;
    for (size_t i = 0; i < c->q->n_extras; i++) {
        if (str_eqz(c->q->extras[i].name, "include") && c->q->family == FAMILY_RESPONSES) {
            return; /* the client's own list says it all */
        }
    }
    if (!encrypted && !logprobs) {
        return;
    }
    json_name(&c->w, "include");
    json_array_begin(&c->w);
    if (encrypted) {
        json_put_z(&c->w, "reasoning.encrypted_content");
    }
    if (logprobs) {
        json_put_z(&c->w, "message.output_text.logprobs");
    }
    json_array_end(&c->w);
}

static void put_rest(struct writer *c)
{
    const struct chat_request *q = c->q;
    struct json_writer *w = &c->w;
    bool stores = q->store == 1 || (q->store < 0 && q->family == FAMILY_RESPONSES);
    put_raw(w, "temperature", openai_sampling(q, c->x, q->temperature, "1", FIELD_TEMPERATURE));
    put_raw(w, "top_p", openai_sampling(q, c->x, q->top_p, "1", FIELD_TOP_P));
    if (q->max_tokens) { /* fewer are refused: clients that only try a model out ask for one */
        bool few = q->max_tokens < OUTPUT_MIN && openai_target_is_openai(c->x);
        openai_lose_if(few, q, c->x, FIELD_MAX_TOKENS);
        json_field_u64(w, "max_output_tokens", few ? OUTPUT_MIN : q->max_tokens);
    }
    if (q->top_logprobs >= 0) {
        json_field_i64(w, "top_logprobs", q->top_logprobs);
    }
    put_text(w, "user", openai_user(q, c->x));
    put_raw(w, "metadata", q->metadata);
    if (!stores || q->store == 1) {
        /* of another dialect's client nothing is kept unless it asked: only here is that default */
        json_field_bool(w, "store", stores);
    }
    put_include(c, !stores && openai_target_reasons(c->x));
    if (q->service_tier.len) {
        struct str tier = openai_service_tier(q->service_tier);
        put_text(w, "service_tier", tier);
        openai_lose_if(!tier.ptr, q, c->x, FIELD_SERVICE_TIER);
    }
    if (q->stream) {
        json_field_bool(w, "stream", true);
    }
}

static void name_losses(struct writer *c)
{
    const struct chat_request *q = c->q;
    const struct {
        bool is;
        enum chat_field field;
    } lost[] = {
        {q->top_k.ptr != NULL, FIELD_TOP_K},
        {q->min_p.ptr != NULL, FIELD_MIN_P},
        {q->frequency_penalty.ptr != NULL, FIELD_FREQUENCY_PENALTY},
        {q->presence_penalty.ptr != NULL, FIELD_PRESENCE_PENALTY},
        {q->repetition_penalty.ptr != NULL, FIELD_REPETITION_PENALTY},
        {q->seed.ptr != NULL, FIELD_SEED},
        {q->n_stop > 0, FIELD_STOP},
        {q->n > 1, FIELD_N},
        {q->logit_bias.ptr != NULL, FIELD_LOGIT_BIAS},
        {q->wants_audio || q->wants_image, FIELD_MODALITIES},
        {q->prediction.ptr != NULL, FIELD_PREDICTION},
        {q->web_search.ptr != NULL, FIELD_WEB_SEARCH},
        {q->safety.ptr != NULL, FIELD_SAFETY},
        {q->cached_content.ptr != NULL, FIELD_CACHED_CONTENT},
    };
    for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        openai_lose_if(lost[i].is, q, c->x, lost[i].field);
    }
}

bool openai_responses_encode_request(const struct chat_request *q, const struct exchange_context *x,
                                     struct arena *a, struct buffer *out, struct error *err)
{
    struct writer c = {.q = q, .x = x, .a = a, .err = err};
    json_writer_init(&c.w, out);
    json_object_begin(&c.w);
    json_field_str(&c.w, "model", x->model);
    if (!put_input(&c)) {
        return false;
    }
    put_tools(&c);
    put_format(&c);
    put_reasoning(&c);
    put_rest(&c);
    name_losses(&c);
    openai_put_extras(&c.w, q, x, FAMILY_RESPONSES);
    json_object_end(&c.w);
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the request");
}
