/* The neutral form to a Messages request body: for Anthropic's API, for Vertex and for Bedrock's
 * InvokeModel. System messages go to `system` wherever they stood; the rest becomes turns that
 * alternate, tool results first in theirs. */
#include "dataplane/dialects/messages_inside.h"
#include "dataplane/dialects/tool_shape.h"

#include <stdio.h>

struct turn {
    bool assistant;
    const struct part **parts;
    size_t n;
};

struct request_writer {
    struct messages_writer m;
    const struct chat_request *q;
    struct messages_plan plan;
    struct turn *turns;
    size_t n_turns;
    const struct part **parts; /* of all turns, in order */
    size_t n_parts;
};

static bool out_of_room(struct error *err)
{
    return error_set(err, ERR_INTERNAL, "out of room for the provider's request");
}

static bool is_system(const struct message *m)
{
    return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

/* ---- turns ---- */

/* Keeps what can be written; a message whose every part is lost cannot be expressed. */
static bool take_message(struct request_writer *rw, size_t at, struct error *err)
{
    const struct message *m = &rw->q->messages[at];
    bool assistant = m->role == ROLE_ASSISTANT;
    size_t kept = 0, lost_at = m->n_parts;
    if (m->name.len) {
        messages_lose(&rw->m, FIELD_NAME);
    }
    for (size_t i = 0; i < m->n_parts; i++) {
        enum chat_field lost = FIELD_CONTENT;
        enum messages_fit fit = messages_part_fit(&rw->m, &m->parts[i], &lost);
        if (fit == FIT_LOSE) {
            lost_at = lost_at == m->n_parts ? i : lost_at;
            messages_lose(&rw->m, lost);
        }
        if (fit != FIT_WRITE) {
            continue;
        }
        if (rw->n_turns == 0 || rw->turns[rw->n_turns - 1].assistant != assistant) {
            rw->turns[rw->n_turns++] =
                (struct turn){.assistant = assistant, .parts = rw->parts + rw->n_parts};
        }
        rw->parts[rw->n_parts++] = &m->parts[i];
        rw->turns[rw->n_turns - 1].n++;
        kept++;
    }
    if (kept == 0 && lost_at < m->n_parts && !assistant) {
        char path[64];
        (void)snprintf(path, sizeof(path), "messages[%zu].content[%zu]", at, lost_at);
        return error_set_param(err, ERR_INVALID_FIELD, path,
                               "%s: the model of this request cannot take this content", path);
    }
    return true;
}

static bool make_turns(struct request_writer *rw, bool system_too, struct error *err)
{
    const struct chat_request *q = rw->q;
    size_t room = 0;
    for (size_t i = 0; i < q->n_messages; i++) {
        room += q->messages[i].n_parts;
    }
    rw->turns = arena_zalloc(rw->m.a, (q->n_messages + 1) * sizeof(*rw->turns));
    rw->parts = arena_zalloc(rw->m.a, (room + 1) * sizeof(*rw->parts));
    if (!rw->turns || !rw->parts) {
        return out_of_room(err);
    }
    for (size_t i = 0; i < q->n_messages; i++) {
        if ((system_too || !is_system(&q->messages[i])) && !take_message(rw, i, err)) {
            return false;
        }
    }
    return true;
}

/* Anthropic refuses an answer begun by the client that ends in white space. */
static void write_turn_part(struct request_writer *rw, const struct turn *t, const struct part *p,
                            bool last)
{
    if (!last || !t->assistant || p->type != PART_TEXT) {
        messages_write_part(&rw->m, p);
        return;
    }
    struct part cut = *p;
    while (cut.text.len > 0 && strchr(" \t\r\n", cut.text.ptr[cut.text.len - 1])) {
        cut.text.len--;
    }
    messages_write_part(&rw->m, &cut);
}

static void write_turns(struct request_writer *rw)
{
    struct json_writer *w = &rw->m.w;
    json_name(w, "messages");
    json_array_begin(w);
    for (size_t i = 0; i < rw->n_turns; i++) {
        const struct turn *t = &rw->turns[i];
        json_object_begin(w);
        json_field_z(w, "role", t->assistant ? "assistant" : "user");
        json_name(w, "content");
        json_array_begin(w);
        for (int results = 1; results >= 0; results--) { /* tool results first */
            for (size_t j = 0; j < t->n; j++) {
                if ((t->parts[j]->type == PART_TOOL_RESULT) == (results == 1)) {
                    write_turn_part(rw, t, t->parts[j], i + 1 == rw->n_turns && j + 1 == t->n);
                }
            }
        }
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_system(struct request_writer *rw)
{
    struct json_writer *w = &rw->m.w;
    bool begun = false;
    for (size_t i = 0; i < rw->q->n_messages; i++) {
        const struct message *m = &rw->q->messages[i];
        for (size_t j = 0; is_system(m) && j < m->n_parts; j++) {
            enum chat_field lost = FIELD_CONTENT;
            enum messages_fit fit = messages_part_fit(&rw->m, &m->parts[j], &lost);
            if (fit == FIT_WRITE && m->parts[j].type != PART_TEXT &&
                m->parts[j].type != PART_NATIVE) {
                fit = FIT_LOSE; /* a system prompt is text */
                lost = m->parts[j].type == PART_IMAGE ? FIELD_IMAGE : FIELD_CONTENT;
            }
            if (fit == FIT_LOSE) {
                messages_lose(&rw->m, lost);
            }
            if (fit != FIT_WRITE) {
                continue;
            }
            if (!begun) {
                json_name(w, "system");
                json_array_begin(w);
                begun = true;
            }
            messages_write_part(&rw->m, &m->parts[j]);
        }
    }
    if (begun) {
        json_array_end(w);
    }
}

/* ---- tools ---- */

static void write_tool(struct request_writer *rw, const struct tool *t)
{
    struct json_writer *w = &rw->m.w;
    if (t->raw.ptr && t->family == FAMILY_MESSAGES) {
        json_put_raw(w, t->raw);
        return;
    }
    json_object_begin(w);
    messages_write_text(w, "name", messages_tool_name(rw->m.a, t->name));
    if (t->description.ptr) {
        json_field_str(w, "description", t->description);
    }
    json_name(w, "input_schema");
    json_put_raw(w, tool_schema(rw->m.a, t->parameters));
    if (t->strict >= 0 && t->family == FAMILY_MESSAGES) {
        json_field_bool(w, "strict", t->strict == 1);
    } else if (t->strict == 1) {
        messages_lose(&rw->m, FIELD_TOOL_STRICT); /* Anthropic takes fewer schemas under it */
    }
    messages_write_cache(w, t->cache);
    json_object_end(w);
}

/* Anthropic takes schemas of objects only here; so do those who ask for one. */
static void write_json_tool(struct request_writer *rw)
{
    const struct chat_request *q = rw->q;
    struct json_writer *w = &rw->m.w;
    json_object_begin(w);
    json_field_z(w, "name", MESSAGES_JSON_TOOL);
    json_field_str(w, "description",
                   q->schema_description.len
                       ? q->schema_description
                       : STR_LIT("Gives the answer, as one JSON object. Call it once, with all of "
                                 "the answer."));
    json_name(w, "input_schema");
    json_put_raw(w, q->output == OUTPUT_SCHEMA && q->schema.ptr
                        ? q->schema
                        : STR_LIT("{\"type\":\"object\",\"additionalProperties\":true}"));
    json_object_end(w);
}

static void write_tools(struct request_writer *rw)
{
    struct json_writer *w = &rw->m.w;
    bool begun = false;
    for (size_t i = 0; i <= rw->q->n_tools; i++) {
        const struct tool *t = i < rw->q->n_tools ? &rw->q->tools[i] : NULL;
        if (t ? t->builtin && t->family != FAMILY_MESSAGES : !rw->plan.json_tool) {
            if (t) {
                messages_lose(&rw->m, FIELD_TOOLS);
            }
            continue;
        }
        if (!begun) {
            json_name(w, "tools");
            json_array_begin(w);
            begun = true;
        }
        if (t) {
            write_tool(rw, t);
        } else {
            write_json_tool(rw);
        }
    }
    if (begun) {
        json_array_end(w);
    } else {
        rw->plan.choice = CHOICE_UNSET;
    }
}

static void write_tool_choice(struct request_writer *rw)
{
    static const char *const words[] = {[CHOICE_UNSET] = "auto",
                                        [CHOICE_AUTO] = "auto",
                                        [CHOICE_NONE] = "none",
                                        [CHOICE_REQUIRED] = "any",
                                        [CHOICE_NAMED] = "tool"};
    struct json_writer *w = &rw->m.w;
    const struct messages_plan *p = &rw->plan;
    int parallel = rw->q->n_tools ? rw->q->parallel_tool_calls : -1;
    if (p->json_tool && p->choice == CHOICE_NAMED) {
        parallel = 0; /* one answer */
    }
    if (p->choice == CHOICE_UNSET && (parallel < 0 || rw->q->n_tools == 0)) {
        return;
    }
    json_name(w, "tool_choice");
    json_object_begin(w);
    json_field_z(w, "type", words[p->choice]);
    if (p->choice == CHOICE_NAMED) {
        json_field_str(w, "name", messages_tool_name(rw->m.a, p->choice_name));
    }
    if (parallel == 0 && p->choice != CHOICE_NONE) {
        json_field_bool(w, "disable_parallel_tool_use", true);
    }
    json_object_end(w);
}

static void write_front(struct request_writer *rw)
{
    struct json_writer *w = &rw->m.w;
    const struct exchange_context *x = rw->m.x;
    switch (rw->plan.flavour) {
    case MESSAGES_VERTEX:
        json_field_z(w, "anthropic_version", "vertex-2023-10-16");
        break;
    case MESSAGES_INVOKE:
        json_field_z(w, "anthropic_version", "bedrock-2023-05-31");
        break;
    default:
        json_field_str(w, "model", x->model.ptr ? x->model : STR_LIT(""));
        break;
    }
    if (rw->plan.flavour == MESSAGES_COUNT) {
        return;
    }
    json_field_u64(w, "max_tokens", rw->plan.max_tokens);
    if (x->stream && rw->plan.flavour != MESSAGES_INVOKE) {
        json_field_bool(w, "stream", true);
    }
}

bool messages_write_request(const struct chat_request *q, const struct exchange_context *x,
                            enum messages_flavour flavour, struct arena *a, struct buffer *out,
                            struct error *err)
{
    struct losses unheard = {.n = 0};
    struct exchange_context context = *x;
    if (!context.losses) {
        context.losses = &unheard;
    }
    struct request_writer rw = {
        .m = {.a = a, .x = &context, .client = q->family, .flavour = flavour},
        .q = q,
    };
    json_writer_init(&rw.m.w, out);
    messages_plan_make(q, &context, flavour, &rw.plan);
    bool only_system = true;
    for (size_t i = 0; i < q->n_messages; i++) {
        only_system = only_system && is_system(&q->messages[i]);
    }
    /* there must be a turn: a prompt that is all system is said by the user */
    if (!make_turns(&rw, only_system, err)) {
        return false;
    }
    json_object_begin(&rw.m.w);
    write_front(&rw);
    if (!only_system) {
        write_system(&rw);
    }
    write_turns(&rw);
    write_tools(&rw);
    write_tool_choice(&rw);
    messages_write_settings(&rw.m, q, &rw.plan);
    json_object_end(&rw.m.w);
    return !out->failed || out_of_room(err);
}
