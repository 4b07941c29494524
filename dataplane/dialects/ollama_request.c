/* What is sent to Ollama's /api/chat; see ollama_chat.h.
 *
 * Ollama's own ways: a message's content is one text, its images a list of base64 beside it;
 * arguments of calls are objects; calls have no ids, so a result names its tool and the order does
 * the rest; sampling stands in `options`; there is no tool_choice, but tools that must not be used
 * need not be sent. */
#include <stdio.h>

#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/ollama_chat.h"
#include "dataplane/dialects/plain_target.h"

struct writing {
    const struct chat_request *q;
    const struct exchange_context *x;
    struct arena *a;
    struct json_writer w;
    struct error *err;
};

static void lose(struct writing *t, enum chat_field field)
{
    losses_add(t->x->losses, t->q->family, field);
}

/* ---- messages ---- */

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

/* The text that a part gives to its message's content; NULL ptr: none. */
static struct str text_of(const struct part *p)
{
    if (p->type == PART_TEXT || p->type == PART_REFUSAL) {
        return p->text.ptr ? p->text : STR_LIT("");
    }
    return p->type == PART_DOCUMENT ? p->media.text : STR_NONE;
}

static bool is_image(const struct part *p)
{
    return p->type == PART_IMAGE && p->media.data.len;
}

/* All texts as one. */
static struct str content_of(struct writing *t, const struct part *parts, size_t n)
{
    struct str all = STR_NONE;
    size_t room = 1, at = 0, texts = 0;
    for (size_t i = 0; i < n; i++) {
        struct str one = text_of(&parts[i]);
        if (one.ptr) {
            all = one;
            room += one.len + 2;
            texts++;
        }
    }
    if (texts <= 1) {
        return all.ptr ? all : STR_LIT("");
    }
    char *out = arena_alloc(t->a, room);
    if (!out) {
        return STR_LIT("");
    }
    for (size_t i = 0; i < n; i++) {
        struct str one = text_of(&parts[i]);
        if (one.ptr && at) {
            out[at++] = '\n';
            out[at++] = '\n';
        }
        if (one.len) {
            memcpy(out + at, one.ptr, one.len);
            at += one.len;
        }
    }
    return (struct str){out, at};
}

static void put_images(struct writing *t, const struct part *parts, size_t n)
{
    size_t images = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_image(&parts[i])) {
            continue;
        }
        if (images++ == 0) {
            json_name(&t->w, "images");
            json_array_begin(&t->w);
        }
        json_put_str(&t->w, parts[i].media.data);
    }
    if (images) {
        json_array_end(&t->w);
    }
}

/* Names what neither content nor images can hold; false when that is all there is. */
static bool check_parts(struct writing *t, const struct part *parts, size_t n, size_t *ret_bad)
{
    size_t fits = 0;
    for (size_t i = 0; i < n; i++) {
        if (text_of(&parts[i]).ptr || is_image(&parts[i])) {
            fits++;
        } else {
            lose(t, field_of(parts[i].type));
            *ret_bad = i;
        }
    }
    return fits || n == 0;
}

static bool put_user(struct writing *t, const struct message *m, size_t number)
{
    size_t bad = 0;
    if (!check_parts(t, m->parts, m->n_parts, &bad)) {
        char param[64];
        (void)snprintf(param, sizeof(param), "messages[%zu].content[%zu]", number, bad);
        return error_set_param(t->err, ERR_INVALID_FIELD, param,
                               "%s has a form that this provider cannot take", param);
    }
    json_object_begin(&t->w);
    json_field_z(&t->w, "role", m->role == ROLE_USER ? "user" : "system");
    json_field_str(&t->w, "content", content_of(t, m->parts, m->n_parts));
    put_images(t, m->parts, m->n_parts);
    json_object_end(&t->w);
    return true;
}

static void put_call(struct writing *t, const struct part *p)
{
    json_object_begin(&t->w);
    json_name(&t->w, "function");
    json_object_begin(&t->w);
    json_field_str(&t->w, "name", p->name);
    json_name(&t->w, "arguments");
    json_put_raw(&t->w, arguments_of(t->a, p->arguments));
    json_object_end(&t->w);
    json_object_end(&t->w);
}

static void put_assistant(struct writing *t, const struct message *m)
{
    size_t calls = 0;
    struct str thinking = plain_thinking(t->q, m, FAMILY_OLLAMA, t->a, t->x->losses);
    json_object_begin(&t->w);
    json_field_z(&t->w, "role", "assistant");
    json_field_str(&t->w, "content", content_of(t, m->parts, m->n_parts));
    if (thinking.len) {
        json_field_str(&t->w, "thinking", thinking);
    }
    put_images(t, m->parts, m->n_parts);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        if (p->type != PART_TOOL_CALL) {
            if (!text_of(p).ptr && !is_image(p) && p->type != PART_THINKING &&
                p->type != PART_REDACTED_THINKING) {
                lose(t, field_of(p->type));
            }
            continue;
        }
        if (calls++ == 0) {
            json_name(&t->w, "tool_calls");
            json_array_begin(&t->w);
        }
        put_call(t, p);
    }
    if (calls) {
        json_array_end(&t->w);
    }
    json_object_end(&t->w);
}

/* The name of the call with this id, among the messages before `until`. */
static struct str name_of_call(const struct chat_request *q, size_t until, struct str id)
{
    for (size_t i = until; i-- > 0;) {
        for (size_t k = 0; k < q->messages[i].n_parts; k++) {
            const struct part *p = &q->messages[i].parts[k];
            if (p->type == PART_TOOL_CALL && str_eq(p->id, id)) {
                return p->name;
            }
        }
    }
    return STR_NONE;
}

static void put_results(struct writing *t, const struct message *m, size_t number)
{
    size_t bad = 0;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        if (p->type != PART_TOOL_RESULT) {
            lose(t, field_of(p->type));
            continue;
        }
        struct str name = p->name.len ? p->name : name_of_call(t->q, number, p->id);
        (void)check_parts(t, p->parts, p->n_parts, &bad);
        json_object_begin(&t->w);
        json_field_z(&t->w, "role", "tool");
        if (name.len) {
            json_field_str(&t->w, "tool_name", name);
        }
        json_field_str(&t->w, "content", content_of(t, p->parts, p->n_parts));
        put_images(t, p->parts, p->n_parts);
        json_object_end(&t->w);
    }
}

static bool put_messages(struct writing *t)
{
    json_name(&t->w, "messages");
    json_array_begin(&t->w);
    for (size_t i = 0; i < t->q->n_messages; i++) {
        const struct message *m = &t->q->messages[i];
        for (size_t k = 0; k < m->n_parts; k++) {
            if (m->parts[k].cache != CACHE_NONE) {
                lose(t, FIELD_CACHE_CONTROL);
            }
        }
        if (m->name.len) {
            lose(t, FIELD_NAME);
        }
        if (m->role == ROLE_ASSISTANT) {
            put_assistant(t, m);
        } else if (m->role == ROLE_TOOL) {
            put_results(t, m, i);
        } else if (!put_user(t, m, i)) {
            return false;
        }
    }
    json_array_end(&t->w);
    return true;
}

/* ---- tools ---- */

static void put_tool(struct writing *t, const struct tool *tool)
{
    json_object_begin(&t->w);
    json_field_z(&t->w, "type", "function");
    json_name(&t->w, "function");
    json_object_begin(&t->w);
    json_field_str(&t->w, "name", tool->name);
    json_field_str(&t->w, "description", tool->description.ptr ? tool->description : STR_LIT(""));
    json_name(&t->w, "parameters");
    json_put_raw(&t->w, tool->parameters.ptr ? tool->parameters
                                             : STR_LIT("{\"type\":\"object\",\"properties\":{}}"));
    json_object_end(&t->w);
    json_object_end(&t->w);
}

static void put_tools(struct writing *t)
{
    const struct chat_request *q = t->q;
    size_t sent = 0;
    for (size_t i = 0; i < q->n_tools; i++) {
        const struct tool *tool = &q->tools[i];
        if (tool->cache != CACHE_NONE) {
            lose(t, FIELD_CACHE_CONTROL);
        }
        if (tool->strict == 1) {
            lose(t, FIELD_TOOL_STRICT);
        }
        if (tool->builtin) {
            lose(t, FIELD_TOOLS);
            continue;
        }
        if (q->tool_choice == CHOICE_NONE ||
            (q->tool_choice == CHOICE_NAMED && !str_eq(tool->name, q->tool_choice_name))) {
            continue;
        }
        if (sent++ == 0) {
            json_name(&t->w, "tools");
            json_array_begin(&t->w);
        }
        put_tool(t, tool);
    }
    if (sent) {
        json_array_end(&t->w);
    }
    if (q->tool_choice == CHOICE_REQUIRED || q->tool_choice == CHOICE_NAMED) {
        lose(t, FIELD_TOOL_CHOICE);
    }
    if (q->parallel_tool_calls == 0) {
        lose(t, FIELD_PARALLEL_TOOL_CALLS);
    }
}

/* ---- the rest ---- */

static void put_options(struct writing *t)
{
    const struct chat_request *q = t->q;
    const struct {
        const char *name;
        struct str number;
    } numbers[] = {
        {"temperature", q->temperature},
        {"top_p", q->top_p},
        {"top_k", q->top_k},
        {"min_p", q->min_p},
        {"seed", q->seed},
        {"repeat_penalty", q->repetition_penalty},
        {"presence_penalty", q->presence_penalty},
        {"frequency_penalty", q->frequency_penalty},
    };
    size_t n = q->max_tokens || q->n_stop;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        n += numbers[i].number.len > 0;
    }
    if (n == 0) {
        return;
    }
    json_name(&t->w, "options");
    json_object_begin(&t->w);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i].number.len) {
            json_name(&t->w, numbers[i].name);
            json_put_raw(&t->w, numbers[i].number);
        }
    }
    if (q->max_tokens) {
        json_field_u64(&t->w, "num_predict", q->max_tokens);
    }
    if (q->n_stop) {
        json_name(&t->w, "stop");
        json_array_begin(&t->w);
        for (size_t i = 0; i < q->n_stop; i++) {
            json_put_str(&t->w, q->stop[i]);
        }
        json_array_end(&t->w);
    }
    json_object_end(&t->w);
}

/* Three levels, or just on and off. */
static void put_think(struct writing *t)
{
    const struct reasoning *r = &t->q->reasoning;
    enum effort effort = r->effort != EFFORT_UNSET ? r->effort : effort_of_budget(r->budget);
    if (effort == EFFORT_NONE) {
        json_field_bool(&t->w, "think", false);
    } else if (effort == EFFORT_MINIMAL || effort == EFFORT_LOW) {
        json_field_z(&t->w, "think", "low");
    } else if (effort == EFFORT_MEDIUM) {
        json_field_z(&t->w, "think", "medium");
    } else if (effort != EFFORT_UNSET) {
        json_field_z(&t->w, "think", "high");
    } else if (r->adaptive) {
        json_field_bool(&t->w, "think", true);
    }
}

static void put_format(struct writing *t)
{
    if (t->q->output == OUTPUT_SCHEMA && t->q->schema.ptr) {
        json_name(&t->w, "format");
        json_put_raw(&t->w, t->q->schema);
    } else if (t->q->output == OUTPUT_JSON || t->q->output == OUTPUT_SCHEMA) {
        json_field_z(&t->w, "format", "json");
    }
}

bool ollama_chat_encode(const struct chat_request *q, const struct exchange_context *x,
                        struct arena *a, struct buffer *out, struct error *err)
{
    struct writing t = {.q = q, .x = x, .a = a, .err = err};
    json_writer_init(&t.w, out);
    json_object_begin(&t.w);
    json_field_str(&t.w, "model", x->model);
    if (!put_messages(&t)) {
        return false;
    }
    put_tools(&t);
    put_format(&t);
    put_options(&t);
    put_think(&t);
    if (q->logprobs == 1) {
        json_field_bool(&t.w, "logprobs", true);
    }
    if (q->logprobs == 1 && q->top_logprobs >= 0) {
        json_field_i64(&t.w, "top_logprobs", q->top_logprobs);
    }
    plain_extras(&t.w, q, FAMILY_OLLAMA, a, x->losses);
    plain_losses(q, x->losses);
    json_field_bool(&t.w, "stream", x->stream);
    json_object_end(&t.w);
    return !out->failed ||
           error_set(err, ERR_BODY_TOO_LARGE, "the request is too large for the provider");
}
