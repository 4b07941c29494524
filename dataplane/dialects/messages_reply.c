/* Whole answers in Anthropic's Messages, both ways. */
#include "dataplane/dialects/messages_inside.h"

/* The wanted JSON came as a tool's input: it is the text, and what was said around it is not. */
static void json_answer(const struct exchange_context *x, struct chat_choice *c)
{
    size_t kept = 0;
    bool found = false, calls = false;
    for (size_t i = 0; i < c->n_parts; i++) {
        struct part *p = &c->parts[i];
        if (p->type != PART_TOOL_CALL) {
            continue;
        }
        if (!messages_is_json_answer(x, p->name) || found) {
            calls = true;
            continue;
        }
        found = true;
    }
    if (!found) {
        return;
    }
    found = false;
    for (size_t i = 0; i < c->n_parts; i++) {
        struct part p = c->parts[i];
        if (p.type == PART_TEXT) {
            continue;
        }
        if (p.type == PART_TOOL_CALL && !found && messages_is_json_answer(x, p.name)) {
            found = true;
            p = (struct part){.type = PART_TEXT, .text = p.arguments};
        }
        c->parts[kept++] = p;
    }
    c->n_parts = kept;
    if (!calls && c->finish == FINISH_TOOL_CALLS) {
        c->finish = FINISH_STOP;
    }
}

static bool read_choice(struct json_value body, const struct exchange_context *x, struct arena *a,
                        struct chat_choice *c, struct error *err)
{
    struct messages_reader r = {.a = a, .err = err, .lenient = true};
    struct messages_where where = {"content", -1, -1, -1};
    struct json_value content;
    c->finish_raw = read_get_text(a, body, "stop_reason");
    c->finish = messages_finish_of(c->finish_raw);
    c->stop_sequence = read_get_text(a, body, "stop_sequence");
    if (!read_get(body, "content", &content)) {
        return true;
    }
    if (!messages_read_content(&r, &where, false, content, &c->parts, &c->n_parts)) {
        return false;
    }
    for (size_t i = 0; i < c->n_parts; i++) {
        if (c->parts[i].type == PART_TOOL_CALL) {
            c->parts[i].name = messages_tool_name_back(a, x, c->parts[i].name);
        }
    }
    json_answer(x, c);
    return true;
}

bool messages_read_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct chat_reply *ret, struct error *err)
{
    struct json_value v, usage, content;
    struct messages_counts counts = {.found = false};
    *ret = (struct chat_reply){.created = 0};
    if (!read_json(body, &v) || v.type != JSON_OBJECT) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a JSON object");
    }
    if (!read_get(v, "content", &content) && !read_get(v, "stop_reason", &content)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer has no content");
    }
    ret->id = read_get_text(a, v, "id");
    ret->model = read_get_text(a, v, "model");
    ret->choices = arena_zalloc(a, sizeof(*ret->choices));
    if (!ret->choices) {
        return error_set(err, ERR_INTERNAL, "out of room for the answer");
    }
    ret->n_choices = 1;
    if (read_get(v, "usage", &usage)) {
        messages_counts_read(&counts, usage);
        ret->service_tier = messages_read_tier(a, usage);
    }
    ret->usage = messages_counts_usage(&counts);
    return read_choice(v, x, a, &ret->choices[0], err);
}

/* ---- the client's ---- */

static enum finish finish_to_say(const struct chat_reply *r, const struct chat_choice *c)
{
    if (!c || r->blocked) {
        return FINISH_REFUSAL;
    }
    if (c->finish != FINISH_STOP && c->finish != FINISH_NONE && c->finish != FINISH_OTHER) {
        return c->finish;
    }
    for (size_t i = 0; i < c->n_parts; i++) {
        if (c->parts[i].type == PART_TOOL_CALL) {
            return FINISH_TOOL_CALLS;
        }
        if (c->parts[i].type == PART_REFUSAL) {
            return FINISH_REFUSAL;
        }
    }
    return c->finish;
}

static void write_content(struct messages_writer *m, const struct chat_choice *c)
{
    json_name(&m->w, "content");
    json_array_begin(&m->w);
    for (size_t i = 0; c && i < c->n_parts; i++) {
        const struct part *p = &c->parts[i];
        enum chat_field lost;
        if (p->type != PART_TOOL_RESULT && messages_part_fit(m, p, &lost) == FIT_WRITE) {
            messages_write_part(m, p);
        }
    }
    json_array_end(&m->w);
}

bool messages_write_reply(const struct chat_reply *r, const struct exchange_context *x,
                          struct arena *a, struct buffer *out)
{
    struct messages_writer m = {.a = a, .x = x, .reply = true};
    const struct chat_choice *c = r->n_choices ? &r->choices[0] : NULL;
    struct json_writer *w = &m.w;
    json_writer_init(w, out);
    json_object_begin(w);
    json_field_str(w, "id", r->id.len ? r->id : arena_printf(a, "msg_%.*s", STR_ARG(x->unique)));
    json_field_z(w, "type", "message");
    json_field_z(w, "role", "assistant");
    messages_write_text(w, "model", r->model.len ? r->model : x->model);
    write_content(&m, c);
    json_field_z(w, "stop_reason", messages_finish_name(finish_to_say(r, c)));
    json_field_str(w, "stop_sequence", c ? c->stop_sequence : STR_NONE);
    json_name(w, "usage");
    messages_write_usage(w, &r->usage, r->service_tier);
    json_object_end(w);
    return !out->failed;
}
