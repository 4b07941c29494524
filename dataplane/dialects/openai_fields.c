/* Members that OpenAI's two request forms share; see openai_fields.h. */
#include "dataplane/dialects/openai_fields.h"

#include "dataplane/dialects/openai_freeform.h"

#include <stdio.h>

#define MODEL_MAX_BYTES 512
#define CALLS_LOOKED_AT 1024 /* for a result's name: no square in the length of a history */

void openai_decode_init(struct openai_decode *d, struct arena *a, struct chat_request *q,
                        struct error *err)
{
    *q = (struct chat_request){.parallel_tool_calls = -1,
                               .schema_strict = -1,
                               .logprobs = -1,
                               .top_logprobs = -1,
                               .store = -1,
                               .reasoning = {.budget = -1, .include = -1}};
    *d = (struct openai_decode){.a = a, .q = q, .err = err};
}

static size_t path_put(struct openai_decode *d, const char *text)
{
    size_t mark = d->path_len, n = strlen(text), room = sizeof(d->path) - 1 - mark;
    if (n > room) {
        n = room;
    }
    memcpy(d->path + mark, text, n);
    d->path_len = mark + n;
    d->path[d->path_len] = '\0';
    return mark;
}

size_t openai_path_name(struct openai_decode *d, const char *name)
{
    size_t mark = d->path_len;
    if (mark) {
        (void)path_put(d, ".");
    }
    (void)path_put(d, name);
    return mark;
}

size_t openai_path_index(struct openai_decode *d, size_t i)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "[%zu]", i);
    return path_put(d, text);
}

void openai_path_back(struct openai_decode *d, size_t mark)
{
    d->path_len = mark;
    d->path[mark] = '\0';
}

bool openai_bad(struct openai_decode *d, const char *what)
{
    return error_set_param(d->err, ERR_INVALID_FIELD, d->path, "%s %s",
                           d->path[0] ? d->path : "body", what);
}

bool openai_no_room(struct openai_decode *d)
{
    return error_set(d->err, ERR_INTERNAL, "out of room for the request");
}

bool openai_add_extra(struct openai_decode *d, const char *name, struct str raw)
{
    return extra_add(d->a, d->q, &d->cap_extras, str_of(name), raw) || openai_no_room(d);
}

bool openai_read_fields(struct openai_decode *d, struct json_value object,
                        const struct openai_field *fields, size_t n)
{
    struct json_value name, value;
    for (size_t pos = 0; json_next(object, &pos, &name, &value);) {
        const struct openai_field *f = NULL;
        for (size_t i = 0; i < n && !f; i++) {
            f = json_text_eq(name, str_of(fields[i].name)) ? &fields[i] : NULL;
        }
        if (!f) {
            struct str text = read_text(d->a, name);
            if (!text.ptr || !extra_add(d->a, d->q, &d->cap_extras, text, value.raw)) {
                return openai_no_room(d);
            }
            continue;
        }
        if (!f->read || value.type == JSON_NULL) {
            continue;
        }
        struct json_member m = {.name = str_of(f->name), .found = true, .value = value};
        size_t mark = openai_path_name(d, f->name);
        if (!f->read(d, &m, (char *)d->q + f->offset)) {
            return false;
        }
        openai_path_back(d, mark);
    }
    return true;
}

bool openai_read_text(struct openai_decode *d, const struct json_member *m, void *at)
{
    return read_text_member(d->a, m, d->path, at, d->err);
}

bool openai_read_number(struct openai_decode *d, const struct json_member *m, void *at)
{
    return read_number_member(m, d->path, at, d->err);
}

bool openai_read_u64(struct openai_decode *d, const struct json_member *m, void *at)
{
    return read_u64_member(m, d->path, at, d->err);
}

bool openai_read_i64(struct openai_decode *d, const struct json_member *m, void *at)
{
    uint64_t v = 0;
    if (!read_u64_member(m, d->path, &v, d->err)) {
        return false;
    }
    *(int64_t *)at = v > INT64_MAX ? INT64_MAX : (int64_t)v;
    return true;
}

bool openai_read_flag(struct openai_decode *d, const struct json_member *m, void *at)
{
    return read_bool_member(m, d->path, at, d->err);
}

bool openai_read_truth(struct openai_decode *d, const struct json_member *m, void *at)
{
    int v = 0;
    if (!read_bool_member(m, d->path, &v, d->err)) {
        return false;
    }
    *(bool *)at = v == 1;
    return true;
}

bool openai_read_raw(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)d;
    *(struct str *)at = read_raw(m);
    return true;
}

bool openai_read_model(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    if (!openai_read_text(d, m, &d->q->model)) {
        return false;
    }
    if (d->q->model.len == 0 || d->q->model.len > MODEL_MAX_BYTES) {
        return openai_bad(d, "must be a model name");
    }
    return true;
}

bool openai_read_stop(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct json_value v = m->value, item;
    size_t n = 0, i = 0;
    (void)at;
    if (v.type != JSON_STRING && v.type != JSON_ARRAY) {
        return openai_bad(d, "must be a string or an array of strings");
    }
    for (size_t pos = 0; v.type == JSON_ARRAY && json_next(v, &pos, NULL, &item);) {
        n++;
    }
    n = v.type == JSON_STRING ? 1 : n;
    struct str *list = arena_zalloc(d->a, (n + 1) * sizeof(*list));
    if (!list) {
        return openai_no_room(d);
    }
    if (v.type == JSON_STRING) {
        list[i++] = read_text(d->a, v);
    }
    for (size_t pos = 0; v.type == JSON_ARRAY && json_next(v, &pos, NULL, &item); i++) {
        if (item.type != JSON_STRING) {
            (void)openai_path_index(d, i);
            return openai_bad(d, "must be a string");
        }
        list[i] = read_text(d->a, item);
    }
    d->q->stop = list;
    d->q->n_stop = n;
    return true;
}

/* A word that no one knows yet is kept for targets of the client's own family. */
bool openai_read_effort(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct str word;
    (void)at;
    if (!read_text_member(d->a, m, d->path, &word, d->err)) {
        return false;
    }
    enum effort e = effort_of(word);
    if (e == EFFORT_UNSET) {
        return extra_add(d->a, d->q, &d->cap_extras, m->name, m->value.raw) || openai_no_room(d);
    }
    d->q->reasoning.effort = e;
    return true;
}

enum cache_mark openai_cache_mark(struct arena *a, struct json_value object)
{
    struct json_value mark;
    if (!read_get(object, "cache_control", &mark) || mark.type != JSON_OBJECT) {
        return CACHE_NONE;
    }
    return str_eqz(read_get_text(a, mark, "ttl"), "1h") ? CACHE_1H : CACHE_5M;
}

/* One function; `o` holds name, description and parameters. */
static bool read_function(struct openai_decode *d, struct json_value o, enum cache_mark cache)
{
    struct json_value v;
    struct tool *t = tool_add(d->a, &d->q->tools, &d->q->n_tools, &d->cap_tools);
    if (!t) {
        return openai_no_room(d);
    }
    t->strict = -1;
    t->cache = cache != CACHE_NONE ? cache : openai_cache_mark(d->a, o);
    t->name = read_get_text(d->a, o, "name");
    if (!t->name.len) {
        (void)openai_path_name(d, "name");
        return openai_bad(d, "must be the function's name");
    }
    t->description = read_get_text(d->a, o, "description");
    if (read_get(o, "parameters", &v)) {
        if (v.type != JSON_OBJECT) {
            (void)openai_path_name(d, "parameters");
            return openai_bad(d, "must be a JSON schema");
        }
        t->parameters = v.raw;
    }
    if (read_get(o, "strict", &v)) {
        t->strict = v.type == JSON_TRUE;
    }
    return true;
}

static bool read_tool(struct openai_decode *d, struct json_value o)
{
    struct json_value function;
    struct str type;
    if (o.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    type = read_get_text(d->a, o, "type");
    if (!type.len) {
        (void)openai_path_name(d, "type");
        return openai_bad(d, "must be the tool's type");
    }
    if (str_eqz(type, "custom")) {
        return openai_read_freeform(d, o);
    }
    if (!str_eqz(type, "function")) {
        struct tool *t = tool_add(d->a, &d->q->tools, &d->q->n_tools, &d->cap_tools);
        if (!t) {
            return openai_no_room(d);
        }
        t->builtin = true;
        t->family = d->q->family;
        t->strict = -1;
        t->name = read_get_text(d->a, o, "name");
        if (!t->name.len) {
            t->name = type;
        }
        t->raw = o.raw;
        return true;
    }
    if (read_get(o, "function", &function)) {
        (void)openai_path_name(d, "function");
        return function.type == JSON_OBJECT ? read_function(d, function, openai_cache_mark(d->a, o))
                                            : openai_bad(d, "must be an object");
    }
    if (d->q->family == FAMILY_CHAT) {
        (void)openai_path_name(d, "function");
        return openai_bad(d, "must be an object");
    }
    return read_function(d, o, CACHE_NONE);
}

static bool read_tool_list(struct openai_decode *d, struct json_value list,
                           bool (*read)(struct openai_decode *d, struct json_value o))
{
    struct json_value item;
    size_t i = 0;
    if (list.type != JSON_ARRAY) {
        return openai_bad(d, "must be an array");
    }
    for (size_t pos = 0; json_next(list, &pos, NULL, &item); i++) {
        size_t mark = openai_path_index(d, i);
        if (!read(d, item)) {
            return false;
        }
        openai_path_back(d, mark);
    }
    return true;
}

bool openai_read_tools(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    return read_tool_list(d, m->value, read_tool);
}

static bool read_legacy_function(struct openai_decode *d, struct json_value o)
{
    return o.type == JSON_OBJECT ? read_function(d, o, CACHE_NONE)
                                 : openai_bad(d, "must be an object");
}

bool openai_read_functions(struct openai_decode *d, const struct json_member *m, void *at)
{
    (void)at;
    return read_tool_list(d, m->value, read_legacy_function);
}

static bool choice_word(struct openai_decode *d, struct str word)
{
    static const struct {
        const char *word;
        enum tool_choice choice;
    } words[] = {{"auto", CHOICE_AUTO},
                 {"none", CHOICE_NONE},
                 {"required", CHOICE_REQUIRED},
                 {"any", CHOICE_REQUIRED}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eqz(word, words[i].word)) {
            d->q->tool_choice = words[i].choice;
            return true;
        }
    }
    return openai_bad(d, "must be \"auto\", \"none\", \"required\" or name a tool");
}

/* {"type":"function","function":{"name"}}, the same flat, or the legacy {"name"}. */
static struct str named_tool(struct arena *a, struct json_value o)
{
    struct json_value inner;
    if (read_get(o, "function", &inner) || read_get(o, "custom", &inner)) {
        return read_get_text(a, inner, "name");
    }
    return read_get_text(a, o, "name");
}

bool openai_read_tool_choice(struct openai_decode *d, const struct json_member *m, void *at)
{
    struct json_value v = m->value, list;
    (void)at;
    if (v.type == JSON_STRING) {
        return choice_word(d, read_text(d->a, v));
    }
    if (v.type != JSON_OBJECT) {
        return openai_bad(d, "must be a string or an object");
    }
    if (str_eqz(read_get_text(d->a, v, "type"), "allowed_tools")) {
        if (read_get(v, "allowed_tools", &list)) {
            v = list;
        }
        if (!read_get(v, "tools", &list) || list.type != JSON_ARRAY) {
            (void)openai_path_name(d, "tools");
            return openai_bad(d, "must be an array");
        }
        d->allowed = list;
        struct str mode = read_get_text(d->a, v, "mode");
        return choice_word(d, mode.len ? mode : STR_LIT("auto"));
    }
    struct str name = named_tool(d->a, v);
    bool hosted = str_eqz(read_get_text(d->a, v, "type"), "mcp");
    if (!name.len || hosted) { /* only its own family can force it */
        return extra_add(d->a, d->q, &d->cap_extras, m->name, m->value.raw) || openai_no_room(d);
    }
    d->q->tool_choice = CHOICE_NAMED;
    d->q->tool_choice_name = name;
    return true;
}

static bool is_allowed(struct openai_decode *d, const struct tool *t)
{
    struct json_value item;
    for (size_t pos = 0; json_next(d->allowed, &pos, NULL, &item);) {
        struct str name = named_tool(d->a, item);
        if (!name.len) {
            name = read_get_text(d->a, item, "type");
        }
        if (str_eq(name, t->name)) {
            return true;
        }
    }
    return false;
}

void openai_apply_allowed(struct openai_decode *d)
{
    size_t kept = 0;
    if (d->allowed.type != JSON_ARRAY) {
        return;
    }
    for (size_t i = 0; i < d->q->n_tools; i++) {
        if (is_allowed(d, &d->q->tools[i])) {
            d->q->tools[kept++] = d->q->tools[i];
        }
    }
    d->q->n_tools = kept;
}

bool openai_read_format(struct openai_decode *d, struct json_value v)
{
    struct json_value o, schema;
    struct str type;
    if (v.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    type = read_get_text(d->a, v, "type");
    if (str_eqz(type, "text")) {
        d->q->output = OUTPUT_TEXT;
        return true;
    }
    if (str_eqz(type, "json_object")) {
        d->q->output = OUTPUT_JSON;
        if (read_get(v, "schema", &schema) && schema.type == JSON_OBJECT) {
            d->q->output = OUTPUT_SCHEMA; /* Together, Fireworks and llama.cpp write it so */
            d->q->schema = schema.raw;
        }
        return true;
    }
    if (!str_eqz(type, "json_schema")) {
        (void)openai_path_name(d, "type");
        return openai_bad(d, "must be \"text\", \"json_object\" or \"json_schema\"");
    }
    if (!read_get(v, "json_schema", &o)) {
        o = v;
    } else {
        (void)openai_path_name(d, "json_schema");
    }
    if (o.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    d->q->output = OUTPUT_SCHEMA;
    d->q->schema_name = read_get_text(d->a, o, "name");
    d->q->schema_description = read_get_text(d->a, o, "description");
    if (read_get(o, "strict", &schema)) {
        d->q->schema_strict = schema.type == JSON_TRUE;
    }
    if (read_get(o, "schema", &schema)) {
        if (schema.type != JSON_OBJECT) {
            (void)openai_path_name(d, "schema");
            return openai_bad(d, "must be a JSON schema");
        }
        d->q->schema = schema.raw;
    } else {
        d->q->schema = STR_LIT("{}");
    }
    return true;
}

struct message *openai_message(struct openai_decode *d, enum chat_role role)
{
    struct message *m = message_add(d->a, &d->q->messages, &d->q->n_messages, &d->cap_messages);
    if (!m) {
        (void)openai_no_room(d);
        return NULL;
    }
    m->role = role;
    return m;
}

struct part *openai_part(struct openai_decode *d, struct part **parts, size_t *n, size_t *cap,
                         enum part_type type)
{
    struct part *p = part_add(d->a, parts, n, cap);
    if (!p) {
        (void)openai_no_room(d);
        return NULL;
    }
    p->type = type;
    return p;
}

struct part *openai_result(struct openai_decode *d)
{
    struct chat_request *q = d->q;
    struct message *m = q->n_messages ? &q->messages[q->n_messages - 1] : NULL;
    if (!m || m->role != ROLE_TOOL) {
        m = openai_message(d, ROLE_TOOL);
        d->cap_results = 0;
    }
    return m ? openai_part(d, &m->parts, &m->n_parts, &d->cap_results, PART_TOOL_RESULT) : NULL;
}

struct str openai_call_name(const struct chat_request *q, struct str id)
{
    size_t left = CALLS_LOOKED_AT;
    for (size_t i = q->n_messages; i-- > 0 && left > 0;) {
        const struct message *m = &q->messages[i];
        left--;
        for (size_t k = 0; k < m->n_parts && m->role == ROLE_ASSISTANT && left > 0; k++, left--) {
            if (m->parts[k].type == PART_TOOL_CALL && str_eq(m->parts[k].id, id)) {
                return m->parts[k].name;
            }
        }
    }
    return STR_NONE;
}

static void set_type_of(struct part *p)
{
    if (str_starts(p->media.media_type, STR_LIT("image/"))) {
        p->type = PART_IMAGE;
    } else if (str_starts(p->media.media_type, STR_LIT("audio/"))) {
        p->type = PART_AUDIO;
        p->media.format = media_format_of_type(p->media.media_type);
    } else if (str_starts(p->media.media_type, STR_LIT("video/"))) {
        p->type = PART_VIDEO;
    }
}

bool openai_file_part(struct openai_decode *d, struct json_value file, struct part *p)
{
    struct str data = read_get_text(d->a, file, "file_data");
    struct str url = read_get_text(d->a, file, "file_url");
    struct str id = read_get_text(d->a, file, "file_id");
    struct str type = read_get_text(d->a, file, "format");
    if (!url.len && (str_starts(id, STR_LIT("https://")) || str_starts(id, STR_LIT("http://")) ||
                     str_starts(id, STR_LIT("gs://")))) {
        url = id; /* LiteLLM's way to name a file that lies elsewhere */
    }
    if (str_starts(data, STR_LIT("data:")) || str_starts(data, STR_LIT("http"))) {
        url = data;
        data = STR_NONE;
    }
    if (data.len) {
        p->media.data = data;
    } else if (url.len) {
        if (!media_of_url(d->a, url, &p->media)) {
            return openai_bad(d, "holds a data URL that is not base64");
        }
    } else if (id.len) {
        p->media.file_id = id;
    } else {
        return openai_bad(d, "must hold file_data, file_id or file_url");
    }
    p->media.name = read_get_text(d->a, file, "filename");
    if (type.len) {
        p->media.media_type = type;
    }
    if (!p->media.media_type.len) {
        p->media.media_type = media_type_of_name(p->media.name.len ? p->media.name : url);
    }
    set_type_of(p);
    return true;
}
