/* A client's Converse request to the neutral form; see converse_parts.h. */
#include "dataplane/dialects/converse_parts.h"

#include <stdio.h>

enum {
    MESSAGES,
    SYSTEM,
    INFERENCE,
    TOOLS,
    ADDITIONAL,
    OUTPUT,
    GUARDRAIL,
    METADATA,
    TIER,
    INPUT, /* CountTokens: {"input":{"converse":{…}}} */
    WANTED
};

static bool out_of_room(struct error *err)
{
    return error_set(err, ERR_INTERNAL, "out of room for the conversation");
}

static bool wrong(struct error *err, const char *param, const char *what)
{
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s %s", param, what);
}

/* ---- messages ---- */

/* Results of tools have a role of their own in the neutral form: a user's message is cut where its
 * parts change from results to others. */
static bool add_user_parts(struct arena *a, struct chat_request *q, size_t *cap,
                           const struct converse_list *list)
{
    size_t from = 0;
    while (from < list->n || (from == 0 && list->n == 0)) {
        bool result = list->n && list->parts[from].type == PART_TOOL_RESULT;
        size_t to = from;
        while (to < list->n && (list->parts[to].type == PART_TOOL_RESULT) == result) {
            to++;
        }
        struct message *m = message_add(a, &q->messages, &q->n_messages, cap);
        if (!m) {
            return false;
        }
        *m = (struct message){.role = result ? ROLE_TOOL : ROLE_USER,
                              .parts = list->n ? list->parts + from : NULL,
                              .n_parts = to - from};
        if (list->n == 0) {
            break;
        }
        from = to;
    }
    return true;
}

static bool read_message(struct arena *a, struct json_value v, size_t i, struct chat_request *q,
                         size_t *cap, struct error *err)
{
    char path[64];
    struct json_value content;
    struct converse_list list = {.n = 0};
    struct str role = read_get_text(a, v, "role");
    (void)snprintf(path, sizeof(path), "messages[%zu].role", i);
    bool assistant = str_eqz(role, "assistant");
    if (!assistant && !str_eqz(role, "user")) {
        return wrong(err, path, "must be user or assistant");
    }
    (void)snprintf(path, sizeof(path), "messages[%zu].content", i);
    if (!read_get(v, "content", &content) || content.type != JSON_ARRAY) {
        return wrong(err, path, "must be a list of content blocks");
    }
    if (!converse_read_blocks(a, content, path, &list, err)) {
        return false;
    }
    if (!assistant) {
        return add_user_parts(a, q, cap, &list) || out_of_room(err);
    }
    struct message *m = message_add(a, &q->messages, &q->n_messages, cap);
    if (!m) {
        return out_of_room(err);
    }
    *m = (struct message){.role = ROLE_ASSISTANT, .parts = list.parts, .n_parts = list.n};
    return true;
}

static bool read_messages(struct arena *a, struct json_member *wanted, struct chat_request *q,
                          struct error *err)
{
    size_t pos = 0, cap = 0, i = 0;
    struct json_value v;
    if (read_there(&wanted[SYSTEM])) {
        struct converse_list list = {.n = 0};
        if (wanted[SYSTEM].value.type != JSON_ARRAY) {
            return wrong(err, "system", "must be a list");
        }
        if (!converse_read_blocks(a, wanted[SYSTEM].value, "system", &list, err)) {
            return false;
        }
        struct message *m = list.n ? message_add(a, &q->messages, &q->n_messages, &cap) : NULL;
        if (list.n && !m) {
            return out_of_room(err);
        }
        if (m) {
            *m = (struct message){.role = ROLE_SYSTEM, .parts = list.parts, .n_parts = list.n};
        }
    }
    if (!read_there(&wanted[MESSAGES])) {
        return true; /* a stored prompt (promptVariables) brings its own */
    }
    if (wanted[MESSAGES].value.type != JSON_ARRAY) {
        return wrong(err, "messages", "must be a list");
    }
    while (json_next(wanted[MESSAGES].value, &pos, NULL, &v)) {
        if (!read_message(a, v, i++, q, &cap, err)) {
            return false;
        }
    }
    return true;
}

/* ---- settings ---- */

static bool add_extra(struct arena *a, struct chat_request *q, size_t *cap, const char *within,
                      struct json_value name, struct str raw, struct error *err)
{
    struct str text = read_text(a, name);
    if (*within) {
        text = arena_printf(a, "%s.%.*s", within, STR_ARG(text));
    }
    return (text.ptr && extra_add(a, q, cap, text, raw)) || out_of_room(err);
}

static bool read_stops(struct arena *a, struct json_value list, struct chat_request *q,
                       struct error *err)
{
    size_t pos = 0, n = 0;
    struct json_value v;
    while (json_next(list, &pos, NULL, &v)) {
        n++;
    }
    q->stop = arena_alloc(a, (n + 1) * sizeof(struct str));
    if (!q->stop) {
        return out_of_room(err);
    }
    for (pos = 0; json_next(list, &pos, NULL, &v);) {
        struct str s = read_text(a, v);
        if (!s.ptr) {
            return wrong(err, "inferenceConfig.stopSequences", "must be a list of strings");
        }
        q->stop[q->n_stop++] = s;
    }
    return true;
}

static bool read_inference(struct arena *a, struct json_value config, struct chat_request *q,
                           size_t *cap, struct error *err)
{
    size_t pos = 0;
    struct json_value name, v;
    while (json_next(config, &pos, &name, &v)) {
        struct json_member m = {.found = true, .value = v};
        bool ok = true;
        /* the second spellings are those of Nova's InvokeModel body */
        if (json_text_eq(name, STR_LIT("maxTokens")) ||
            json_text_eq(name, STR_LIT("max_new_tokens"))) {
            ok = read_u64_member(&m, "inferenceConfig.maxTokens", &q->max_tokens, err);
        } else if (json_text_eq(name, STR_LIT("temperature"))) {
            ok = read_number_member(&m, "inferenceConfig.temperature", &q->temperature, err);
        } else if (json_text_eq(name, STR_LIT("topK")) || json_text_eq(name, STR_LIT("top_k"))) {
            ok = read_number_member(&m, "inferenceConfig.topK", &q->top_k, err);
        } else if (json_text_eq(name, STR_LIT("topP")) || json_text_eq(name, STR_LIT("top_p"))) {
            ok = read_number_member(&m, "inferenceConfig.topP", &q->top_p, err);
        } else if (json_text_eq(name, STR_LIT("stopSequences"))) {
            ok = read_stops(a, v, q, err);
        } else if (v.type != JSON_NULL) {
            ok = add_extra(a, q, cap, "inferenceConfig", name, v.raw, err);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static void read_thinking(struct arena *a, struct json_value v, struct chat_request *q)
{
    struct str type = read_get_text(a, v, "type");
    if (str_eqz(type, "enabled")) {
        q->reasoning.budget = (int64_t)read_get_u64(v, "budget_tokens");
    } else if (str_eqz(type, "adaptive")) {
        q->reasoning.adaptive = true;
    } else if (str_eqz(type, "disabled")) {
        q->reasoning.effort = EFFORT_NONE;
    }
}

/* additionalModelRequestFields is the model's own vocabulary; what Claude's has an equal for in the
 * neutral form is read, the rest kept. */
static bool read_additional(struct arena *a, struct json_value fields, struct chat_request *q,
                            size_t *cap, struct error *err)
{
    size_t pos = 0;
    struct json_value name, v;
    while (json_next(fields, &pos, &name, &v)) {
        if (json_text_eq(name, STR_LIT("thinking")) && v.type == JSON_OBJECT) {
            read_thinking(a, v, q);
        } else if ((json_text_eq(name, STR_LIT("top_k")) || json_text_eq(name, STR_LIT("topK"))) &&
                   v.type == JSON_NUMBER) {
            q->top_k = v.raw;
        } else if (json_text_eq(name, STR_LIT("reasoning_effort")) &&
                   effort_of(read_text(a, v)) != EFFORT_UNSET) {
            q->reasoning.effort = effort_of(read_text(a, v));
        } else if (!add_extra(a, q, cap, "additionalModelRequestFields", name, v.raw, err)) {
            return false;
        }
    }
    return true;
}

/* outputConfig{textFormat{type,structure{jsonSchema{schema,name,description}}}}; the schema is a
 * JSON text in a string. */
static bool read_output(struct arena *a, struct json_value config, struct chat_request *q,
                        size_t *cap, struct error *err)
{
    size_t pos = 0;
    struct json_value name, v, structure, schema, parsed;
    while (json_next(config, &pos, &name, &v)) {
        if (!json_text_eq(name, STR_LIT("textFormat"))) {
            if (v.type != JSON_NULL && !add_extra(a, q, cap, "outputConfig", name, v.raw, err)) {
                return false;
            }
            continue;
        }
        if (!read_get(v, "structure", &structure) || !read_get(structure, "jsonSchema", &schema)) {
            continue;
        }
        q->output = OUTPUT_SCHEMA;
        q->schema = read_get_text(a, schema, "schema");
        if (!q->schema.ptr && read_get(schema, "schema", &parsed)) {
            q->schema = parsed.raw;
        }
        if (!read_json(q->schema, &parsed) || parsed.type != JSON_OBJECT) {
            return wrong(err, "outputConfig.textFormat", "needs a JSON schema");
        }
        q->schema_name = read_get_text(a, schema, "name");
        q->schema_description = read_get_text(a, schema, "description");
    }
    return true;
}

/* ---- tools ---- */

static bool read_tool(struct arena *a, struct json_value v, size_t i, struct chat_request *q,
                      size_t *cap, struct error *err)
{
    struct json_value spec, schema, json;
    char path[64];
    if (read_get(v, "cachePoint", &spec)) {
        if (q->n_tools) {
            q->tools[q->n_tools - 1].cache = converse_read_cache_point(a, spec);
        }
        return true;
    }
    struct tool *t = tool_add(a, &q->tools, &q->n_tools, cap);
    if (!t) {
        return out_of_room(err);
    }
    if (!read_get(v, "toolSpec", &spec)) {
        t->builtin = true;
        t->family = FAMILY_CONVERSE;
        t->raw = v.raw;
        return true;
    }
    t->name = read_get_text(a, spec, "name");
    (void)snprintf(path, sizeof(path), "toolConfig.tools[%zu].toolSpec.name", i);
    if (!t->name.ptr) {
        return wrong(err, path, "must be a string");
    }
    t->description = read_get_text(a, spec, "description");
    if (read_get(spec, "inputSchema", &schema) && read_get(schema, "json", &json)) {
        t->parameters = json.raw;
    }
    if (read_get(spec, "strict", &json)) {
        t->strict = json.type == JSON_TRUE;
    }
    return true;
}

static bool read_tools(struct arena *a, struct json_value config, struct chat_request *q,
                       struct error *err)
{
    struct json_value list, v, choice;
    size_t pos = 0, cap = 0, i = 0;
    if (read_get(config, "tools", &list)) {
        while (json_next(list, &pos, NULL, &v)) {
            if (!read_tool(a, v, i++, q, &cap, err)) {
                return false;
            }
        }
    }
    if (!read_get(config, "toolChoice", &choice)) {
        return true;
    }
    if (read_get(choice, "auto", &v)) {
        q->tool_choice = CHOICE_AUTO;
    } else if (read_get(choice, "any", &v)) {
        q->tool_choice = CHOICE_REQUIRED;
    } else if (read_get(choice, "tool", &v)) {
        q->tool_choice = CHOICE_NAMED;
        q->tool_choice_name = read_get_text(a, v, "name");
        if (!q->tool_choice_name.ptr) {
            return wrong(err, "toolConfig.toolChoice.tool.name", "must be a string");
        }
    }
    return true;
}

/* ---- the whole ---- */

static bool is_wanted(const struct json_member *wanted, struct json_value name)
{
    for (size_t i = 0; i < INPUT; i++) {
        if (json_text_eq(name, wanted[i].name)) {
            return true;
        }
    }
    return json_text_eq(name, STR_LIT("schemaVersion")); /* of Nova's InvokeModel body */
}

/* Members without a place in the neutral form. */
static bool keep_rest(struct arena *a, struct str body, const struct json_member *wanted,
                      struct chat_request *q, size_t *cap, struct error *err)
{
    struct json_value whole, name, v;
    size_t pos = 0;
    if (!read_json(body, &whole)) {
        return error_set(err, ERR_INVALID_JSON, "body is not valid JSON");
    }
    while (json_next(whole, &pos, &name, &v)) {
        if (!is_wanted(wanted, name) && v.type != JSON_NULL &&
            !add_extra(a, q, cap, "", name, v.raw, err)) {
            return false;
        }
    }
    return true;
}

static bool is_object(const struct json_member *m, struct error *err, const char *name)
{
    return !read_there(m) || m->value.type == JSON_OBJECT || wrong(err, name, "must be an object");
}

static bool read_settings(struct arena *a, struct json_member *m, struct chat_request *q,
                          size_t *cap, struct error *err)
{
    static const struct {
        int at;
        const char *name;
    } objects[] = {{INFERENCE, "inferenceConfig"},
                   {TOOLS, "toolConfig"},
                   {ADDITIONAL, "additionalModelRequestFields"},
                   {OUTPUT, "outputConfig"}};
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        if (!is_object(&m[objects[i].at], err, objects[i].name)) {
            return false;
        }
    }
    q->safety = read_raw(&m[GUARDRAIL]);
    q->metadata = read_raw(&m[METADATA]);
    if (read_there(&m[TIER])) {
        q->service_tier = read_get_text(a, m[TIER].value, "type");
    }
    return (!read_there(&m[INFERENCE]) || read_inference(a, m[INFERENCE].value, q, cap, err)) &&
           (!read_there(&m[TOOLS]) || read_tools(a, m[TOOLS].value, q, err)) &&
           (!read_there(&m[ADDITIONAL]) || read_additional(a, m[ADDITIONAL].value, q, cap, err)) &&
           (!read_there(&m[OUTPUT]) || read_output(a, m[OUTPUT].value, q, cap, err));
}

bool converse_decode_request(const struct wire_request *w, struct arena *a,
                             struct chat_request *ret, struct error *err)
{
    struct json_member m[WANTED] = {
        [MESSAGES] = {.name = STR_LIT("messages")},
        [SYSTEM] = {.name = STR_LIT("system")},
        [INFERENCE] = {.name = STR_LIT("inferenceConfig")},
        [TOOLS] = {.name = STR_LIT("toolConfig")},
        [ADDITIONAL] = {.name = STR_LIT("additionalModelRequestFields")},
        [OUTPUT] = {.name = STR_LIT("outputConfig")},
        [GUARDRAIL] = {.name = STR_LIT("guardrailConfig")},
        [METADATA] = {.name = STR_LIT("requestMetadata")},
        [TIER] = {.name = STR_LIT("serviceTier")},
        [INPUT] = {.name = STR_LIT("input")},
    };
    struct json_value inner;
    size_t cap = 0;
    struct chat_request q = {.family = FAMILY_CONVERSE,
                             .model = w->model,
                             .stream = w->stream,
                             .stream_usage = true,
                             .parallel_tool_calls = -1,
                             .schema_strict = -1,
                             .logprobs = -1,
                             .top_logprobs = -1,
                             .store = -1,
                             .reasoning = {.budget = -1, .include = -1}};
    struct str body = w->body;
    if (!json_scan(body, m, WANTED, 0, err)) {
        return false;
    }
    if (!read_there(&m[MESSAGES]) && read_there(&m[INPUT]) &&
        read_get(m[INPUT].value, "converse", &inner)) {
        body = inner.raw;
        if (!json_scan(body, m, WANTED, 0, err)) {
            return false;
        }
    }
    if (!read_messages(a, m, &q, err) || !read_settings(a, m, &q, &cap, err) ||
        !keep_rest(a, body, m, &q, &cap, err)) {
        return false;
    }
    *ret = q;
    return true;
}
