/* What is sent to Cohere's /v2/chat; see cohere_chat.h.
 *
 * Cohere's own ways: text documents stand beside the messages, not in them; a tool's result is a
 * message of its own; the model's thoughts before a tool call are its `tool_plan`; a named tool
 * cannot be forced, so it is the only one sent and some tool is required. */
#include <stdio.h>

#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/cohere_chat.h"
#include "dataplane/dialects/tool_shape.h"
#include "dataplane/dialects/plain_target.h"

struct writing {
    const struct chat_request *q;
    const struct exchange_context *x;
    struct arena *a;
    struct json_writer w;
    struct error *err;
    bool grounded; /* tools or documents go along */
};

static void lose(struct writing *t, enum chat_field field)
{
    losses_add(t->x->losses, t->q->family, field);
}

/* ---- contents ---- */

static bool image_fits(const struct media *m)
{
    return m->url.len || m->data.len;
}

static void put_image(struct writing *t, const struct media *m)
{
    json_object_begin(&t->w);
    json_field_z(&t->w, "type", "image_url");
    json_name(&t->w, "image_url");
    json_object_begin(&t->w);
    json_field_str(&t->w, "url", media_url(t->a, m));
    if (m->detail.len) {
        json_field_str(&t->w, "detail", m->detail);
    }
    json_object_end(&t->w);
    json_object_end(&t->w);
}

static enum chat_field field_of(enum part_type type)
{
    switch (type) {
    case PART_IMAGE:
        return FIELD_IMAGE;
    case PART_AUDIO:
        return FIELD_AUDIO;
    case PART_VIDEO:
        return FIELD_VIDEO;
    case PART_DOCUMENT:
        return FIELD_DOCUMENT;
    case PART_THINKING:
    case PART_REDACTED_THINKING:
        return FIELD_THINKING;
    default:
        return FIELD_CONTENT;
    }
}

static bool is_text(const struct part *p)
{
    return p->type == PART_TEXT || p->type == PART_REFUSAL;
}

/* Whether the part goes into a user's message or, a document, beside it. */
static bool part_fits(const struct part *p)
{
    return is_text(p) || (p->type == PART_IMAGE && image_fits(&p->media)) ||
           (p->type == PART_DOCUMENT && p->media.text.ptr);
}

static void check_cache(struct writing *t, const struct message *m)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        if (m->parts[i].cache != CACHE_NONE) {
            lose(t, FIELD_CACHE_CONTROL);
        }
    }
}

/* A system or user message: a plain text where there is one part, else a list. */
static bool put_user(struct writing *t, const struct message *m, size_t number)
{
    size_t n_here = 0, n_fits = 0, bad = 0;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        if (!part_fits(p)) {
            lose(t, field_of(p->type));
            bad = i;
            continue;
        }
        n_fits++;
        n_here += p->type != PART_DOCUMENT && !(is_text(p) && p->text.len == 0);
    }
    if (m->n_parts && n_fits == 0) {
        char param[64];
        (void)snprintf(param, sizeof(param), "messages[%zu].content[%zu]", number, bad);
        return error_set_param(t->err, ERR_INVALID_FIELD, param,
                               "%s has a type that this provider cannot take", param);
    }
    json_object_begin(&t->w);
    json_field_z(&t->w, "role", m->role == ROLE_USER ? "user" : "system");
    json_name(&t->w, "content");
    if (n_here == 0 || (n_here == 1 && n_fits == 1 && is_text(&m->parts[0]))) {
        json_put_str(&t->w, n_here ? m->parts[0].text : STR_LIT(""));
        json_object_end(&t->w);
        return true;
    }
    json_array_begin(&t->w);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        if (is_text(p) && p->text.len) {
            json_object_begin(&t->w);
            json_field_z(&t->w, "type", "text");
            json_field_str(&t->w, "text", p->text);
            json_object_end(&t->w);
        } else if (p->type == PART_IMAGE && image_fits(&p->media)) {
            put_image(t, &p->media);
        }
    }
    json_array_end(&t->w);
    json_object_end(&t->w);
    return true;
}

/* ---- the model's turns and tools' results ---- */

static void put_tool_calls(struct writing *t, const struct message *m)
{
    json_name(&t->w, "tool_calls");
    json_array_begin(&t->w);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        if (p->type != PART_TOOL_CALL) {
            continue;
        }
        json_object_begin(&t->w);
        json_field_str(&t->w, "id", p->id.ptr ? p->id : STR_LIT(""));
        json_field_z(&t->w, "type", "function");
        json_name(&t->w, "function");
        json_object_begin(&t->w);
        json_field_str(&t->w, "name", p->name);
        json_field_str(&t->w, "arguments", arguments_of(t->a, p->arguments));
        json_object_end(&t->w);
        json_object_end(&t->w);
    }
    json_array_end(&t->w);
}

static void put_assistant(struct writing *t, const struct message *m)
{
    bool calls = false, texts = false;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        calls = calls || p->type == PART_TOOL_CALL;
        texts = texts || (is_text(p) && p->text.len);
        if (!is_text(p) && p->type != PART_TOOL_CALL && p->type != PART_THINKING &&
            p->type != PART_REDACTED_THINKING) {
            lose(t, field_of(p->type));
        }
    }
    /* Without a call there is no plan: models take no thoughts of turns that are over. */
    struct str plan = plain_thinking(t->q, m, FAMILY_COHERE, t->a, t->x->losses);
    json_object_begin(&t->w);
    json_field_z(&t->w, "role", "assistant");
    if (texts || !calls) {
        json_field_str(&t->w, "content", parts_text(t->a, m->parts, m->n_parts, STR_LIT(""), NULL));
    }
    if (calls && plan.len) {
        json_field_str(&t->w, "tool_plan", plan);
    }
    if (calls) {
        put_tool_calls(t, m);
    }
    json_object_end(&t->w);
}

static void put_results(struct writing *t, const struct message *m)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        if (p->type != PART_TOOL_RESULT) {
            lose(t, field_of(p->type));
            continue;
        }
        for (size_t k = 0; k < p->n_parts; k++) {
            if (!is_text(&p->parts[k])) {
                lose(t, field_of(p->parts[k].type));
            }
        }
        json_object_begin(&t->w);
        json_field_z(&t->w, "role", "tool");
        json_field_str(&t->w, "tool_call_id", p->id.ptr ? p->id : STR_LIT(""));
        json_field_str(&t->w, "content", parts_text(t->a, p->parts, p->n_parts, STR_LIT(""), NULL));
        json_object_end(&t->w);
    }
}

static bool put_messages(struct writing *t)
{
    json_name(&t->w, "messages");
    json_array_begin(&t->w);
    for (size_t i = 0; i < t->q->n_messages; i++) {
        const struct message *m = &t->q->messages[i];
        check_cache(t, m);
        if (m->name.len) {
            lose(t, FIELD_NAME);
        }
        if (m->role == ROLE_ASSISTANT) {
            put_assistant(t, m);
        } else if (m->role == ROLE_TOOL) {
            put_results(t, m);
        } else if (!put_user(t, m, i)) {
            return false;
        }
    }
    json_array_end(&t->w);
    return true;
}

/* Text documents of all messages, numbered as they come; cohere_answer.c reads the numbers back. */
static void put_documents(struct writing *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->q->n_messages; i++) {
        const struct message *m = &t->q->messages[i];
        for (size_t k = 0; m->role != ROLE_ASSISTANT && k < m->n_parts; k++) {
            const struct media *d = &m->parts[k].media;
            if (m->parts[k].type != PART_DOCUMENT || !d->text.ptr) {
                continue;
            }
            if (n == 0) {
                json_name(&t->w, "documents");
                json_array_begin(&t->w);
            }
            json_object_begin(&t->w);
            json_field_str(&t->w, "id", arena_printf(t->a, "doc_%zu", n++));
            json_name(&t->w, "data");
            json_object_begin(&t->w);
            if (d->name.len) {
                json_field_str(&t->w, "title", d->name);
            }
            if (d->context.len) {
                json_field_str(&t->w, "context", d->context);
            }
            json_field_str(&t->w, "text", d->text);
            json_object_end(&t->w);
            json_object_end(&t->w);
        }
    }
    if (n) {
        json_array_end(&t->w);
        t->grounded = true;
    }
}

/* ---- tools ---- */

static void put_tool(struct writing *t, const struct tool *tool)
{
    json_object_begin(&t->w);
    json_field_z(&t->w, "type", "function");
    json_name(&t->w, "function");
    json_object_begin(&t->w);
    json_field_str(&t->w, "name", tool->name);
    if (tool->description.ptr) {
        json_field_str(&t->w, "description", tool->description);
    }
    json_name(&t->w, "parameters");
    json_put_raw(&t->w, tool_schema(t->a, tool->parameters));
    json_object_end(&t->w);
    json_object_end(&t->w);
}

/* Strictness is one switch for all of Cohere's tools. */
static void put_tools(struct writing *t)
{
    const struct chat_request *q = t->q;
    bool named = q->tool_choice == CHOICE_NAMED;
    size_t sent = 0, strict = 0;
    for (size_t i = 0; i < q->n_tools; i++) {
        const struct tool *tool = &q->tools[i];
        if (tool->cache != CACHE_NONE) {
            lose(t, FIELD_CACHE_CONTROL);
        }
        if (tool->builtin) {
            lose(t, FIELD_TOOLS);
            continue;
        }
        if (named && !str_eq(tool->name, q->tool_choice_name)) {
            continue;
        }
        if (sent++ == 0) {
            json_name(&t->w, "tools");
            json_array_begin(&t->w);
        }
        strict += tool->strict == 1;
        put_tool(t, tool);
    }
    if (sent) {
        json_array_end(&t->w);
        t->grounded = true;
    }
    if (strict && strict == sent) {
        json_field_bool(&t->w, "strict_tools", true);
    } else if (strict) {
        lose(t, FIELD_TOOL_STRICT);
    }
    if (q->tool_choice == CHOICE_NONE && sent) {
        json_field_z(&t->w, "tool_choice", "NONE");
    } else if ((q->tool_choice == CHOICE_REQUIRED || named) && sent) {
        json_field_z(&t->w, "tool_choice", "REQUIRED");
    } else if (q->tool_choice == CHOICE_REQUIRED || named) {
        lose(t, FIELD_TOOL_CHOICE);
    }
    if (q->parallel_tool_calls == 0) {
        lose(t, FIELD_PARALLEL_TOOL_CALLS);
    }
}

/* ---- the rest ---- */

static void put_number(struct writing *t, const char *name, struct str number)
{
    if (number.len) {
        json_name(&t->w, name);
        json_put_raw(&t->w, number);
    }
}

/* Within Cohere's range, which is narrower than others'; what a client of another dialect says
 * beyond it becomes the nearest. */
static void put_within(struct writing *t, const char *name, struct str number, const char *least,
                       const char *most, enum chat_field field)
{
    struct json_value v = {.type = JSON_NUMBER, .raw = number};
    struct json_value low = {.type = JSON_NUMBER, .raw = str_of(least)};
    struct json_value high = {.type = JSON_NUMBER, .raw = str_of(most)};
    int64_t n, from = 0, to = 0;
    bool own = t->q->family == FAMILY_COHERE;
    if (number.len && !own && json_decimal(low, 6, &from) && json_decimal(high, 6, &to) &&
        json_decimal(v, 6, &n) && (n < from || n > to)) {
        number = str_of(n < from ? least : most);
        /* top_p 1 is everybody's "no limit", and so is Cohere's most */
        if (!(field == FIELD_TOP_P && n == 1000000)) {
            lose(t, field);
        }
    }
    put_number(t, name, number);
}

static void put_sampling(struct writing *t)
{
    const struct chat_request *q = t->q;
    if (q->max_tokens) {
        json_field_u64(&t->w, "max_tokens", q->max_tokens);
    }
    put_number(t, "temperature", q->temperature);
    put_within(t, "p", q->top_p, "0.01", "0.99", FIELD_TOP_P);
    put_number(t, "k", q->top_k);
    put_number(t, "seed", q->seed);
    put_within(t, "frequency_penalty", q->frequency_penalty, "0", "1", FIELD_FREQUENCY_PENALTY);
    put_within(t, "presence_penalty", q->presence_penalty, "0", "1", FIELD_PRESENCE_PENALTY);
    if (q->n_stop) {
        json_name(&t->w, "stop_sequences");
        json_array_begin(&t->w);
        for (size_t i = 0; i < q->n_stop; i++) {
            json_put_str(&t->w, q->stop[i]);
        }
        json_array_end(&t->w);
    }
    if (q->logprobs == 1) {
        json_field_bool(&t->w, "logprobs", true);
    }
}

static void put_format(struct writing *t)
{
    const struct chat_request *q = t->q;
    if (q->output != OUTPUT_JSON && q->output != OUTPUT_SCHEMA) {
        return;
    }
    if (t->grounded && q->family != FAMILY_COHERE) {
        lose(t, FIELD_RESPONSE_FORMAT); /* Cohere takes it without tools and documents only */
        return;
    }
    json_name(&t->w, "response_format");
    json_object_begin(&t->w);
    json_field_z(&t->w, "type", "json_object");
    if (q->output == OUTPUT_SCHEMA && q->schema.ptr) {
        json_name(&t->w, "json_schema");
        json_put_raw(&t->w, q->schema);
    }
    json_object_end(&t->w);
}

static void put_thinking(struct writing *t)
{
    const struct reasoning *r = &t->q->reasoning;
    bool off = r->effort == EFFORT_NONE || (r->budget == 0 && r->effort == EFFORT_UNSET);
    if (!off && r->effort == EFFORT_UNSET && r->budget <= 0 && !r->adaptive) {
        return;
    }
    json_name(&t->w, "thinking");
    json_object_begin(&t->w);
    json_field_z(&t->w, "type", off ? "disabled" : "enabled");
    if (!off && r->budget > 0) {
        json_field_i64(&t->w, "token_budget", r->budget);
    } else if (!off && r->effort != EFFORT_UNSET) {
        json_field_i64(&t->w, "token_budget", effort_budget(r->effort));
    }
    json_object_end(&t->w);
}

static void name_losses(struct writing *t)
{
    const struct chat_request *q = t->q;
    plain_losses(q, t->x->losses);
    if (q->min_p.len) {
        lose(t, FIELD_MIN_P);
    }
    if (q->repetition_penalty.len) {
        lose(t, FIELD_REPETITION_PENALTY);
    }
    if (q->top_logprobs > 0) {
        lose(t, FIELD_TOP_LOGPROBS);
    }
}

bool cohere_chat_encode(const struct chat_request *q, const struct exchange_context *x,
                        struct arena *a, struct buffer *out, struct error *err)
{
    struct writing t = {.q = q, .x = x, .a = a, .err = err};
    json_writer_init(&t.w, out);
    json_object_begin(&t.w);
    json_field_str(&t.w, "model", x->model);
    if (!put_messages(&t)) {
        return false;
    }
    put_documents(&t);
    put_tools(&t);
    put_sampling(&t);
    put_format(&t);
    put_thinking(&t);
    plain_extras(&t.w, q, FAMILY_COHERE, a, x->losses);
    name_losses(&t);
    json_field_bool(&t.w, "stream", x->stream);
    json_object_end(&t.w);
    return !out->failed ||
           error_set(err, ERR_BODY_TOO_LARGE, "the request is too large for the provider");
}
