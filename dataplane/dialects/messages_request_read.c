/* A client's Messages request to the neutral form: /v1/messages, and Bedrock's InvokeModel with the
 * same body. */
#include "dataplane/dialects/messages_inside.h"

enum {
    M_MODEL,
    M_MAX_TOKENS,
    M_SYSTEM,
    M_MESSAGES,
    M_TOOLS,
    M_TOOL_CHOICE,
    M_STOP,
    M_TEMPERATURE,
    M_TOP_P,
    M_TOP_K,
    M_METADATA,
    M_THINKING,
    M_OUTPUT_CONFIG,
    M_OUTPUT_FORMAT,
    M_SERVICE_TIER,
    M_STREAM,
    M_VERSION,
    M_KNOWN
};

static const char *const names[M_KNOWN] = {
    [M_MODEL] = "model",
    [M_MAX_TOKENS] = "max_tokens",
    [M_SYSTEM] = "system",
    [M_MESSAGES] = "messages",
    [M_TOOLS] = "tools",
    [M_TOOL_CHOICE] = "tool_choice",
    [M_STOP] = "stop_sequences",
    [M_TEMPERATURE] = "temperature",
    [M_TOP_P] = "top_p",
    [M_TOP_K] = "top_k",
    [M_METADATA] = "metadata",
    [M_THINKING] = "thinking",
    [M_OUTPUT_CONFIG] = "output_config",
    [M_OUTPUT_FORMAT] = "output_format",
    [M_SERVICE_TIER] = "service_tier",
    [M_STREAM] = "stream",
    [M_VERSION] = "anthropic_version", /* each flavour writes its own */
};

struct request_reader {
    struct messages_reader r;
    struct chat_request *q;
    size_t messages_cap, tools_cap, extras_cap;
};

static bool wrong(struct error *err, const char *param, const char *text)
{
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s: %s", param, text);
}

static bool out_of_room(struct error *err)
{
    return error_set(err, ERR_INTERNAL, "out of room for the request");
}

/* The wanted object; absent is fine. */
static bool object_or_none(const struct json_member *m, const char *name, struct error *err)
{
    return !read_there(m) || m->value.type == JSON_OBJECT ||
           wrong(err, name, "an object is required");
}

/* ---- messages ---- */

static struct message *add_message(struct request_reader *rr, enum chat_role role,
                                   struct part *parts, size_t n)
{
    struct chat_request *q = rr->q;
    struct message *m = message_add(rr->r.a, &q->messages, &q->n_messages, &rr->messages_cap);
    if (m) {
        *m = (struct message){.role = role, .parts = parts, .n_parts = n};
    }
    return m;
}

/* Results go first, in their order: other dialects want all of a turn's calls answered before
 * anything else is said. */
static bool results_first(struct request_reader *rr, struct part *parts, size_t n)
{
    struct part *rest = n ? arena_alloc(rr->r.a, n * sizeof(*rest)) : NULL;
    size_t n_rest = 0, kept = 0;
    for (size_t i = 0; rest && i < n; i++) {
        if (parts[i].type == PART_TOOL_RESULT) {
            parts[kept++] = parts[i];
        } else {
            rest[n_rest++] = parts[i];
        }
    }
    if (n_rest) {
        memcpy(parts + kept, rest, n_rest * sizeof(*rest));
    }
    return n == 0 || rest;
}

/* Tool results stand in messages of their own role, each in its own. */
static bool add_turn(struct request_reader *rr, enum chat_role role, struct part *parts, size_t n)
{
    size_t from = 0;
    bool any = false;
    if (role != ROLE_USER) {
        messages_settle_signatures(parts, &n);
        return add_message(rr, role, parts, n) || out_of_room(rr->r.err);
    }
    if (!results_first(rr, parts, n)) {
        return out_of_room(rr->r.err);
    }
    for (size_t i = 0; i <= n; i++) {
        bool result = i < n && parts[i].type == PART_TOOL_RESULT;
        if (i < n && !result) {
            continue;
        }
        if (i > from) {
            any = true;
            if (!add_message(rr, ROLE_USER, parts + from, i - from)) {
                return out_of_room(rr->r.err);
            }
        }
        if (result) {
            any = true;
            if (!add_message(rr, ROLE_TOOL, parts + i, 1)) {
                return out_of_room(rr->r.err);
            }
        }
        from = i + 1;
    }
    return any || add_message(rr, ROLE_USER, parts, 0) || out_of_room(rr->r.err);
}

static bool read_message(struct request_reader *rr, int64_t at, struct json_value v)
{
    struct messages_where where = {"messages", at, -1, -1};
    struct json_value role, content;
    struct part *parts;
    size_t n;
    enum chat_role r;
    if (v.type != JSON_OBJECT) {
        return messages_wrong(rr->r.err, &where, "", "an object is required");
    }
    if (!read_get(v, "role", &role)) {
        return messages_wrong(rr->r.err, &where, "role", "a role is required");
    }
    if (json_text_eq(role, STR_LIT("user"))) {
        r = ROLE_USER;
    } else if (json_text_eq(role, STR_LIT("assistant"))) {
        r = ROLE_ASSISTANT;
    } else if (json_text_eq(role, STR_LIT("system"))) {
        r = ROLE_SYSTEM;
    } else {
        return messages_wrong(rr->r.err, &where, "role", "must be \"user\" or \"assistant\"");
    }
    if (!read_get(v, "content", &content)) {
        return messages_wrong(rr->r.err, &where, "content", "content is required");
    }
    return messages_read_content(&rr->r, &where, false, content, &parts, &n) &&
           add_turn(rr, r, parts, n);
}

static bool read_messages(struct request_reader *rr, const struct json_member *m)
{
    struct json_value v;
    size_t pos = 0;
    int64_t n = 0;
    if (!read_there(m)) {
        return wrong(rr->r.err, "messages", "field required");
    }
    if (m->value.type != JSON_ARRAY) {
        return wrong(rr->r.err, "messages", "an array is required");
    }
    while (json_next(m->value, &pos, NULL, &v)) {
        if (!read_message(rr, n++, v)) {
            return false;
        }
    }
    return n > 0 || wrong(rr->r.err, "messages", "at least one message is required");
}

static bool read_system(struct request_reader *rr, const struct json_member *m)
{
    struct messages_where where = {"system", -1, -1, -1};
    struct part *parts;
    size_t n;
    if (!read_there(m)) {
        return true;
    }
    if (!messages_read_content(&rr->r, &where, false, m->value, &parts, &n)) {
        return false;
    }
    return n == 0 || add_message(rr, ROLE_SYSTEM, parts, n) || out_of_room(rr->r.err);
}

/* ---- tools ---- */

static bool known_tool_member(struct json_value name)
{
    static const char *const known[] = {"type",         "name",   "description",
                                        "input_schema", "strict", "cache_control"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (json_text_eq(name, str_of(known[i]))) {
            return true;
        }
    }
    return false;
}

static bool read_tool(struct request_reader *rr, int64_t at, struct json_value v)
{
    struct messages_where where = {"tools", at, -1, -1};
    struct json_value type, schema, name, value;
    struct chat_request *q = rr->q;
    size_t pos = 0;
    if (v.type != JSON_OBJECT) {
        return messages_wrong(rr->r.err, &where, "", "an object is required");
    }
    struct tool *t = tool_add(rr->r.a, &q->tools, &q->n_tools, &rr->tools_cap);
    if (!t) {
        return out_of_room(rr->r.err);
    }
    *t = (struct tool){.strict = -1, .family = FAMILY_MESSAGES, .cache = messages_read_cache(v)};
    t->name = read_get_text(rr->r.a, v, "name");
    if (read_get(v, "type", &type) && !json_text_eq(type, STR_LIT("custom"))) {
        t->builtin = true;
        t->raw = v.raw;
        return type.type == JSON_STRING ||
               messages_wrong(rr->r.err, &where, "type", "a string is required");
    }
    if (t->name.len == 0) {
        return messages_wrong(rr->r.err, &where, "name", "a name is required");
    }
    t->description = read_get_text(rr->r.a, v, "description");
    if (read_get(v, "input_schema", &schema)) {
        if (schema.type != JSON_OBJECT) {
            return messages_wrong(rr->r.err, &where, "input_schema", "an object is required");
        }
        t->parameters = schema.raw;
    }
    if (read_get(v, "strict", &value)) {
        t->strict = value.type == JSON_TRUE;
    }
    while (json_next(v, &pos, &name, &value)) {
        if (!known_tool_member(name)) {
            t->raw = v.raw; /* only the own family can carry all of it */
        }
    }
    return true;
}

static bool read_tools(struct request_reader *rr, const struct json_member *m)
{
    struct json_value v;
    size_t pos = 0;
    int64_t n = 0;
    if (!read_there(m)) {
        return true;
    }
    if (m->value.type != JSON_ARRAY) {
        return wrong(rr->r.err, "tools", "an array is required");
    }
    while (json_next(m->value, &pos, NULL, &v)) {
        if (!read_tool(rr, n++, v)) {
            return false;
        }
    }
    return true;
}

static bool read_tool_choice(struct request_reader *rr, const struct json_member *m)
{
    struct json_value v;
    struct chat_request *q = rr->q;
    if (!read_there(m)) {
        return true;
    }
    struct str type = read_get_text(rr->r.a, m->value, "type");
    if (str_eqz(type, "auto")) {
        q->tool_choice = CHOICE_AUTO;
    } else if (str_eqz(type, "any")) {
        q->tool_choice = CHOICE_REQUIRED;
    } else if (str_eqz(type, "none")) {
        q->tool_choice = CHOICE_NONE;
    } else if (str_eqz(type, "tool")) {
        q->tool_choice = CHOICE_NAMED;
        q->tool_choice_name = read_get_text(rr->r.a, m->value, "name");
        if (q->tool_choice_name.len == 0) {
            return wrong(rr->r.err, "tool_choice.name", "a name is required");
        }
    } else {
        return wrong(rr->r.err, "tool_choice.type",
                     "must be \"auto\", \"any\", \"tool\" or \"none\"");
    }
    if (read_get(m->value, "disable_parallel_tool_use", &v)) {
        q->parallel_tool_calls = v.type != JSON_TRUE;
    }
    return true;
}

/* ---- the small members ---- */

static bool read_stop(struct request_reader *rr, const struct json_member *m)
{
    struct json_value v;
    size_t pos = 0, n = 0;
    struct chat_request *q = rr->q;
    if (!read_there(m)) {
        return true;
    }
    if (m->value.type != JSON_ARRAY) {
        return wrong(rr->r.err, "stop_sequences", "an array of strings is required");
    }
    while (json_next(m->value, &pos, NULL, &v)) {
        if (v.type != JSON_STRING) {
            return wrong(rr->r.err, "stop_sequences", "an array of strings is required");
        }
        n++;
    }
    q->stop = n ? arena_zalloc(rr->r.a, n * sizeof(*q->stop)) : NULL;
    if (n && !q->stop) {
        return out_of_room(rr->r.err);
    }
    for (pos = 0; q->n_stop < n && json_next(m->value, &pos, NULL, &v);) {
        q->stop[q->n_stop++] = read_text(rr->r.a, v);
    }
    return true;
}

/* Members of a known object that have no neutral place: extras named "metadata.x". */
static bool keep_rest(struct request_reader *rr, struct json_value object, const char *prefix,
                      const char *const *known)
{
    struct json_value name, v;
    size_t pos = 0;
    while (json_next(object, &pos, &name, &v)) {
        bool is_known = false;
        for (size_t i = 0; known[i]; i++) {
            is_known = is_known || json_text_eq(name, str_of(known[i]));
        }
        if (is_known || v.type == JSON_NULL) {
            continue;
        }
        struct str path =
            arena_printf(rr->r.a, "%s%.*s", prefix, STR_ARG(read_text(rr->r.a, name)));
        if (!path.ptr || !extra_add(rr->r.a, rr->q, &rr->extras_cap, path, v.raw)) {
            return out_of_room(rr->r.err);
        }
    }
    return true;
}

static bool read_metadata(struct request_reader *rr, const struct json_member *m)
{
    static const char *const known[] = {"user_id", NULL};
    if (!object_or_none(m, "metadata", rr->r.err)) {
        return false;
    }
    if (!read_there(m)) {
        return true;
    }
    rr->q->user = read_get_text(rr->r.a, m->value, "user_id");
    return keep_rest(rr, m->value, "metadata.", known);
}

static bool read_thinking_setting(struct request_reader *rr, const struct json_member *m)
{
    static const char *const known[] = {"type", "budget_tokens", "display", NULL};
    struct reasoning *g = &rr->q->reasoning;
    struct json_value v;
    if (!object_or_none(m, "thinking", rr->r.err)) {
        return false;
    }
    if (!read_there(m)) {
        return true;
    }
    struct str type = read_get_text(rr->r.a, m->value, "type");
    if (str_eqz(type, "enabled")) {
        if (!read_get(m->value, "budget_tokens", &v) || !json_i64(v, &g->budget) || g->budget < 0) {
            return wrong(rr->r.err, "thinking.budget_tokens", "a number of tokens is required");
        }
    } else if (str_eqz(type, "adaptive")) {
        g->adaptive = true;
    } else if (str_eqz(type, "disabled")) {
        g->effort = EFFORT_NONE;
    } else if (type.ptr) { /* one that came later: Anthropic's own models know it */
        return extra_add(rr->r.a, rr->q, &rr->extras_cap, STR_LIT("thinking"), m->value.raw) ||
               out_of_room(rr->r.err);
    } else {
        return wrong(rr->r.err, "thinking.type",
                     "must be \"enabled\", \"adaptive\" or \"disabled\"");
    }
    struct str display = read_get_text(rr->r.a, m->value, "display");
    if (display.ptr) {
        g->include = !str_eqz(display, "omitted");
    }
    return keep_rest(rr, m->value, "thinking.", known);
}

static bool read_format(struct request_reader *rr, struct json_value format, const char *path)
{
    struct json_value schema;
    struct chat_request *q = rr->q;
    if (format.type != JSON_OBJECT) {
        return wrong(rr->r.err, path, "an object is required");
    }
    struct str type = read_get_text(rr->r.a, format, "type");
    if (!str_eqz(type, "json_schema")) {
        return wrong(rr->r.err, path, "its type must be \"json_schema\"");
    }
    if (!read_get(format, "schema", &schema) || schema.type != JSON_OBJECT) {
        return wrong(rr->r.err, path, "its schema must be an object");
    }
    q->output = OUTPUT_SCHEMA;
    q->schema = schema.raw;
    q->schema_name = read_get_text(rr->r.a, format, "name");
    q->schema_strict = 1; /* Anthropic's are always followed */
    return true;
}

static bool read_output(struct request_reader *rr, const struct json_member *config,
                        const struct json_member *format)
{
    static const char *const known[] = {"effort", "format", NULL};
    struct json_value v;
    if (!object_or_none(config, "output_config", rr->r.err)) {
        return false;
    }
    if (read_there(format) && !read_format(rr, format->value, "output_format")) {
        return false;
    }
    if (!read_there(config)) {
        return true;
    }
    if (read_get(config->value, "format", &v) && !read_format(rr, v, "output_config.format")) {
        return false;
    }
    if (read_get(config->value, "effort", &v)) {
        enum effort e = effort_of(read_text(rr->r.a, v));
        if (e != EFFORT_UNSET && rr->q->reasoning.effort == EFFORT_UNSET) {
            rr->q->reasoning.effort = e;
        } else if (!extra_add(rr->r.a, rr->q, &rr->extras_cap, STR_LIT("output_config.effort"),
                              v.raw)) {
            return out_of_room(rr->r.err);
        }
    }
    return keep_rest(rr, config->value, "output_config.", known);
}

static bool read_model(const struct wire_request *w, struct json_member *m, struct arena *a,
                       struct chat_request *q, struct error *err)
{
    if (w->model.ptr) {
        q->model = w->model;
        return true;
    }
    if (!read_text_member(a, m, "model", &q->model, err)) {
        return false;
    }
    return q->model.len > 0 || wrong(err, "model", "field required");
}

static bool read_numbers(struct request_reader *rr, struct json_member *m,
                         enum messages_flavour flavour)
{
    struct chat_request *q = rr->q;
    struct error *err = rr->r.err;
    int stream = 0;
    if (!read_u64_member(&m[M_MAX_TOKENS], "max_tokens", &q->max_tokens, err) ||
        !read_number_member(&m[M_TEMPERATURE], "temperature", &q->temperature, err) ||
        !read_number_member(&m[M_TOP_P], "top_p", &q->top_p, err) ||
        !read_number_member(&m[M_TOP_K], "top_k", &q->top_k, err) ||
        !read_text_member(rr->r.a, &m[M_SERVICE_TIER], "service_tier", &q->service_tier, err) ||
        !read_bool_member(&m[M_STREAM], "stream", &stream, err)) {
        return false;
    }
    q->stream = q->stream || stream == 1;
    if (flavour != MESSAGES_COUNT && !read_there(&m[M_MAX_TOKENS])) {
        return wrong(err, "max_tokens", "field required");
    }
    return flavour == MESSAGES_COUNT || q->max_tokens > 0 ||
           wrong(err, "max_tokens", "must be at least 1");
}

/* Everything at the top that is not known. */
static bool read_extras(struct request_reader *rr, struct str body)
{
    struct json_value object = {.type = JSON_OBJECT, .raw = str_trim(body)};
    const char *list[M_KNOWN + 1];
    memcpy(list, names, sizeof(names));
    list[M_KNOWN] = NULL;
    return keep_rest(rr, object, "", list);
}

bool messages_read_request(const struct wire_request *w, struct arena *a,
                           enum messages_flavour flavour, struct chat_request *ret,
                           struct error *err)
{
    struct json_member m[M_KNOWN];
    memset(m, 0, sizeof(m));
    for (size_t i = 0; i < M_KNOWN; i++) {
        m[i].name = str_of(names[i]);
    }
    if (!json_scan(w->body, m, M_KNOWN, 0, err)) {
        return false;
    }
    *ret = (struct chat_request){
        .family = FAMILY_MESSAGES,
        .stream = w->stream,
        .stream_usage = true,
        .parallel_tool_calls = -1,
        .schema_strict = -1,
        .logprobs = -1,
        .top_logprobs = -1,
        .store = -1,
        .reasoning = {.budget = -1, .include = -1},
    };
    struct request_reader rr = {.r = {.a = a, .err = err}, .q = ret};
    if (!read_model(w, &m[M_MODEL], a, ret, err) || !read_numbers(&rr, m, flavour) ||
        !read_system(&rr, &m[M_SYSTEM]) || !read_messages(&rr, &m[M_MESSAGES]) ||
        !read_tools(&rr, &m[M_TOOLS]) || !read_tool_choice(&rr, &m[M_TOOL_CHOICE]) ||
        !read_stop(&rr, &m[M_STOP]) || !read_metadata(&rr, &m[M_METADATA]) ||
        !read_thinking_setting(&rr, &m[M_THINKING]) ||
        !read_output(&rr, &m[M_OUTPUT_CONFIG], &m[M_OUTPUT_FORMAT])) {
        return false;
    }
    if (w->header) {
        ret->betas = w->header(w->arg, "anthropic-beta");
    }
    return read_extras(&rr, w->body);
}
