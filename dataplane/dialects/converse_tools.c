/* Converse's toolConfig from the neutral tools; see converse_parts.h. */
#include "dataplane/dialects/converse_parts.h"
#include "dataplane/dialects/tool_shape.h"

#define HISTORY_TOOLS_MAX 128

struct writer {
    struct json_writer *w;
    const struct chat_request *q;
    const struct exchange_context *x;
    struct arena *a;
    size_t n; /* tools written */
};

static void lose(struct writer *s, enum chat_field field)
{
    losses_add(s->x->losses, s->q->family, field);
}

static void begin_tool(struct writer *s)
{
    if (s->n++ == 0) {
        json_name(s->w, "toolConfig");
        json_object_begin(s->w);
        json_name(s->w, "tools");
        json_array_begin(s->w);
    }
}

static void put_spec(struct writer *s, struct str name, struct str description, struct str schema,
                     int strict)
{
    begin_tool(s);
    json_object_begin(s->w);
    json_name(s->w, "toolSpec");
    json_object_begin(s->w);
    json_field_str(s->w, "name", tool_text(s->a, name, CONVERSE_TOOL_MAX));
    if (description.len) {
        json_field_str(s->w, "description", description);
    }
    json_name(s->w, "inputSchema");
    json_object_begin(s->w);
    json_name(s->w, "json");
    json_put_raw(s->w, tool_schema(s->a, schema));
    json_object_end(s->w);
    if (strict >= 0) {
        json_field_bool(s->w, "strict", strict);
    }
    json_object_end(s->w);
    json_object_end(s->w);
}

static void put_tool(struct writer *s, const struct tool *t)
{
    bool own = s->q->family == FAMILY_CONVERSE;
    if (t->builtin && t->family != FAMILY_CONVERSE) {
        lose(s, FIELD_TOOLS);
        return;
    }
    if (t->builtin) {
        begin_tool(s);
        json_put_raw(s->w, t->raw);
    } else {
        if (t->strict == 1 && !own) {
            lose(s, FIELD_TOOL_STRICT);
        }
        put_spec(s, t->name, t->description, t->parameters, own ? t->strict : -1);
    }
    if (t->cache == CACHE_NONE) {
        return;
    }
    if (own || converse_model_is(s->x->model, "anthropic.")) {
        converse_put_cache_point(s->w, t->cache);
    } else {
        lose(s, FIELD_CACHE_CONTROL);
    }
}

static bool in_list(const struct str *list, size_t n, struct str s)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(list[i], s)) {
            return true;
        }
    }
    return false;
}

/* Bedrock refuses a history with calls unless tools are declared: names alone will do. */
static void put_history_tools(struct writer *s)
{
    struct str seen[HISTORY_TOOLS_MAX];
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < s->q->n_messages; i++) {
        const struct message *m = &s->q->messages[i];
        for (size_t k = 0; k < m->n_parts; k++) {
            const struct part *p = &m->parts[k];
            any = any || p->type == PART_TOOL_CALL || p->type == PART_TOOL_RESULT;
            if (p->type == PART_TOOL_CALL && p->name.len && n < HISTORY_TOOLS_MAX &&
                !in_list(seen, n, p->name)) {
                seen[n++] = p->name;
                put_spec(s, p->name, STR_NONE, STR_NONE, -1);
            }
        }
    }
    if (any && n == 0) {
        put_spec(s, STR_LIT("tool"), STR_NONE, STR_NONE, -1);
    }
}

static bool history_has_tools(const struct chat_request *q)
{
    for (size_t i = 0; i < q->n_messages; i++) {
        for (size_t k = 0; k < q->messages[i].n_parts; k++) {
            enum part_type t = q->messages[i].parts[k].type;
            if (t == PART_TOOL_CALL || t == PART_TOOL_RESULT) {
                return true;
            }
        }
    }
    return false;
}

bool converse_forces_tool(const struct chat_request *q)
{
    return q->tool_choice == CHOICE_REQUIRED || q->tool_choice == CHOICE_NAMED ||
           converse_json_tool(q);
}

/* Models that know `auto` only refuse the others. */
static bool can_choose(const struct exchange_context *x)
{
    return !converse_model_is(x->model, "meta.") && !converse_model_is(x->model, "cohere.") &&
           !converse_model_is(x->model, "ai21.");
}

/* named empty: any */
static void put_choice(struct writer *s, struct str named)
{
    json_name(s->w, "toolChoice");
    json_object_begin(s->w);
    json_name(s->w, named.len ? "tool" : "any");
    json_object_begin(s->w);
    if (named.len) {
        json_field_str(s->w, "name", tool_text(s->a, named, CONVERSE_TOOL_MAX));
    }
    json_object_end(s->w);
    json_object_end(s->w);
}

static void put_tool_choice(struct writer *s, bool json_tool)
{
    const struct chat_request *q = s->q;
    if (converse_forces_tool(q) && !can_choose(s->x) && q->family != FAMILY_CONVERSE) {
        lose(s, json_tool ? FIELD_RESPONSE_FORMAT : FIELD_TOOL_CHOICE);
        return;
    }
    if (q->tool_choice == CHOICE_NAMED) {
        put_choice(s, q->tool_choice_name);
    } else if (q->tool_choice == CHOICE_REQUIRED || (json_tool && s->n > 1)) {
        put_choice(s, STR_LIT(""));
    } else if (json_tool) {
        put_choice(s, STR_LIT(CONVERSE_JSON_TOOL));
    } else if (q->tool_choice == CHOICE_AUTO) {
        json_name(s->w, "toolChoice");
        json_put_raw(s->w, STR_LIT("{\"auto\":{}}"));
    }
}

void converse_put_tools(struct json_writer *w, const struct chat_request *q,
                        const struct exchange_context *x, struct arena *a)
{
    struct writer s = {w, q, x, a, 0};
    bool history = history_has_tools(q), json_tool = converse_json_tool(q);
    if (q->tool_choice != CHOICE_NONE || history) {
        for (size_t i = 0; i < q->n_tools; i++) {
            put_tool(&s, &q->tools[i]);
        }
    }
    /* Bedrock has no word for "none": without tools it is the same, and with a history that needs
     * them it is not */
    if (q->tool_choice == CHOICE_NONE && s.n > 0) {
        lose(&s, FIELD_TOOL_CHOICE);
    }
    if (s.n == 0 && history) {
        put_history_tools(&s);
    }
    if (json_tool) {
        put_spec(&s, STR_LIT(CONVERSE_JSON_TOOL),
                 q->schema_description.len ? q->schema_description
                                           : STR_LIT("Give the answer by calling this tool."),
                 q->schema, -1);
    }
    if (s.n == 0) {
        return;
    }
    json_array_end(w);
    put_tool_choice(&s, json_tool);
    json_object_end(w);
}
