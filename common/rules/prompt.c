/* From a prompt's document to pieces: what is constant is copied, what holds a tag is compiled, and
 * whatever is wrong is told with its path, when the document is saved rather than when it is used.
 * See prompt.h. */
#include "common/rules/prompt_inside.h"

#include <stdio.h>
#include <string.h>

#include "common/base/map.h"

#define MODEL_MAX 200
#define NAME_MAX_BYTES 200

/* ---- members ---- */

static bool put_member(struct prompt_compiler *c, struct str name)
{
    struct prompt *p = c->p;
    struct prompt_member m = {.name = name, .pieces = c->pieces, .n = c->n};
    c->pieces = NULL;
    c->n = c->cap = 0;
    for (size_t i = 0; i < p->n_members; i++) {
        if (str_eq(p->members[i].name, name)) {
            p->members[i] = m;
            return true;
        }
    }
    if (p->n_members == PROMPT_MAX_MEMBERS) {
        return prompt_wrong(c, "parameters", "has too many members");
    }
    p->members[p->n_members++] = m;
    return true;
}

static bool put_raw(struct prompt_compiler *c, struct str name, struct json_value v)
{
    return prompt_pieces_raw(c, v) && put_member(c, name);
}

static bool put_templated(struct prompt_compiler *c, const char *name, struct json_value v,
                          unsigned forms)
{
    return prompt_pieces_templated(c, name, v, forms) && put_member(c, str_of(name));
}

static bool read_parameters(struct prompt_compiler *c, struct json_value v)
{
    struct json_value name, value;
    size_t pos = 0;
    if (v.type != JSON_OBJECT) {
        return prompt_wrong(c, "parameters", "must be an object");
    }
    while (json_next(v, &pos, &name, &value)) {
        struct str text = prompt_text(c->a, name);
        if (!text.ptr) {
            return prompt_no_room(c);
        }
        if (!put_raw(c, text, value)) {
            return false;
        }
    }
    return true;
}

/* ---- variables ---- */

static bool read_variable(struct prompt_compiler *c, struct json_value name, struct json_value v,
                          struct prompt_variable *ret)
{
    struct json_value member, value;
    size_t pos = 0;
    (void)snprintf(c->path, sizeof(c->path), "variables.%.*s",
                   STR_ARG(str_slice(name.raw, 1, name.raw.len - 2 > 60 ? 60 : name.raw.len - 2)));
    ret->name = prompt_text(c->a, name);
    if (!ret->name.ptr) {
        return prompt_no_room(c);
    }
    if (ret->name.len == 0 || ret->name.len > NAME_MAX_BYTES ||
        memchr(ret->name.ptr, '.', ret->name.len)) {
        return prompt_wrong(c, c->path, "is no name of a variable: no dots, at most 200 bytes");
    }
    if (v.type != JSON_OBJECT) {
        return prompt_wrong(c, c->path, "must be an object: {\"default\": …, \"required\": true}");
    }
    while (json_next(v, &pos, &member, &value)) {
        if (json_text_eq(member, STR_LIT("default"))) {
            ret->fallback = value.type == JSON_NULL ? (struct json_value){0} : value;
        } else if (json_text_eq(member, STR_LIT("required"))) {
            if (value.type != JSON_TRUE && value.type != JSON_FALSE && value.type != JSON_NULL) {
                return prompt_wrong(c, c->path, "required must be true or false");
            }
            ret->required = value.type == JSON_TRUE;
        } else if (json_text_eq(member, STR_LIT("description"))) {
            if (value.type != JSON_STRING && value.type != JSON_NULL) {
                return prompt_wrong(c, c->path, "description must be a text");
            }
        } else {
            return prompt_wrong(c, c->path, "may hold default, required and description only");
        }
    }
    c->p->has_defaults |= ret->fallback.raw.ptr != NULL;
    return true;
}

static bool read_variables(struct prompt_compiler *c, struct json_value v)
{
    struct json_value name, value;
    size_t pos = 0, n = 0;
    if (v.type != JSON_OBJECT) {
        return prompt_wrong(c, "variables", "must be an object");
    }
    while (json_next(v, &pos, NULL, &value)) {
        n++;
    }
    c->p->variables = arena_zalloc(c->a, (n + 1) * sizeof(*c->p->variables));
    if (!c->p->variables) {
        return prompt_no_room(c);
    }
    for (pos = 0; json_next(v, &pos, &name, &value);) {
        if (!read_variable(c, name, value, &c->p->variables[c->p->n_variables++])) {
            return false;
        }
    }
    return true;
}

/* ---- the document ---- */

enum {
    MODEL,
    MESSAGES,
    PARAMETERS,
    TOOLS,
    TOOL_CHOICE,
    RESPONSE_FORMAT,
    VARIABLES,
    CONFIG,
    METADATA,
    WANTED
};

static const char *const known[WANTED] = {"model",     "messages",    "parameters",
                                          "tools",     "tool_choice", "response_format",
                                          "variables", "config",      "metadata"};

static bool check_names(struct prompt_compiler *c, struct json_value root)
{
    struct json_value name, value;
    size_t pos = 0;
    while (json_next(root, &pos, &name, &value)) {
        bool found = false;
        for (size_t i = 0; i < WANTED && !found; i++) {
            found = json_text_eq(name, str_of(known[i]));
        }
        if (!found) {
            char param[64];
            (void)snprintf(
                param, sizeof(param), "%.*s",
                STR_ARG(str_slice(name.raw, 1, name.raw.len - 2 > 60 ? 60 : name.raw.len - 2)));
            return error_set_param(c->err, ERR_INVALID_FIELD, param,
                                   "%s: a prompt has no such member; it may hold messages, model, "
                                   "parameters, tools, tool_choice, response_format, variables, "
                                   "config and metadata",
                                   param);
        }
    }
    return true;
}

static bool read_name(struct prompt_compiler *c, const char *field, struct json_value v,
                      struct str *ret)
{
    *ret = prompt_text(c->a, v);
    if (v.type != JSON_STRING || ret->len == 0 || ret->len > MODEL_MAX) {
        return prompt_wrong(c, field, "must be a name of at most 200 bytes");
    }
    return true;
}

static bool read_members(struct prompt_compiler *c, struct json_member *m)
{
    static const struct {
        unsigned which, form;
    } templated[] = {
        {TOOLS, PROMPT_FORM_LIST | PROMPT_FORM_SOLE},
        {TOOL_CHOICE, PROMPT_FORM_OBJECT | PROMPT_FORM_TEXT},
        {RESPONSE_FORMAT, PROMPT_FORM_OBJECT | PROMPT_FORM_SOLE},
    };
    if (m[MODEL].found && (!read_name(c, "model", m[MODEL].value, &c->p->model) ||
                           !put_raw(c, STR_LIT("model"), m[MODEL].value))) {
        return false;
    }
    if (!m[MESSAGES].found) {
        return prompt_wrong(c, "messages", "is missing");
    }
    /* the parameters before what has a member of its own, which counts */
    if ((m[PARAMETERS].found && !read_parameters(c, m[PARAMETERS].value)) ||
        (m[MODEL].found && !put_raw(c, STR_LIT("model"), m[MODEL].value)) ||
        !put_templated(c, "messages", m[MESSAGES].value, PROMPT_FORM_LIST | PROMPT_FORM_DOCUMENT)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(templated) / sizeof(templated[0]); i++) {
        const struct json_member *t = &m[templated[i].which];
        if (t->found && !put_templated(c, known[templated[i].which], t->value, templated[i].form)) {
            return false;
        }
    }
    if (m[METADATA].found) {
        if (m[METADATA].value.type != JSON_OBJECT) {
            return prompt_wrong(c, "metadata", "must be an object");
        }
        if (!put_raw(c, STR_LIT("metadata"), m[METADATA].value)) {
            return false;
        }
    }
    return (!m[CONFIG].found || read_name(c, "config", m[CONFIG].value, &c->p->config)) &&
           (!m[VARIABLES].found || read_variables(c, m[VARIABLES].value));
}

bool prompt_compile(struct str json, struct arena *a, const struct prompt **ret, struct error *err)
{
    struct json_member m[WANTED];
    struct json_value root;
    struct prompt_compiler c = {.a = a, .err = err, .p = arena_zalloc(a, sizeof(struct prompt))};
    if (json.len > PROMPT_MAX_DOCUMENT) {
        return error_set(err, ERR_INVALID_FIELD, "prompt is larger than %u bytes",
                         PROMPT_MAX_DOCUMENT);
    }
    if (!json_validate(json, 0, &root, err)) {
        return false;
    }
    if (root.type != JSON_OBJECT) {
        return error_set(err, ERR_INVALID_FIELD, "a prompt must be an object");
    }
    for (size_t i = 0; i < WANTED; i++) {
        m[i] = (struct json_member){.name = str_of(known[i])};
    }
    if (!check_names(&c, root) || !json_members(root, m, WANTED, err)) {
        return false;
    }
    for (size_t i = 0; i < WANTED; i++) { /* null is absent */
        m[i].found = m[i].found && m[i].value.type != JSON_NULL;
    }
    if (c.p) {
        c.p->members = arena_alloc(a, PROMPT_MAX_MEMBERS * sizeof(*c.p->members));
    }
    if (!c.p || !c.p->members) {
        return prompt_no_room(&c);
    }
    if (!read_members(&c, m)) {
        return false;
    }
    *ret = c.p;
    return true;
}

bool prompt_partial_compile(struct str json, struct arena *a, const struct mustache **ret,
                            struct error *err)
{
    struct json_value root;
    struct json_member m = {.name = STR_LIT("text")};
    struct prompt_compiler c = {.a = a, .err = err, .path = "text"};
    if (json.len > PROMPT_MAX_DOCUMENT) {
        return error_set(err, ERR_INVALID_FIELD, "partial is larger than %u bytes",
                         PROMPT_MAX_DOCUMENT);
    }
    if (!json_validate(json, 0, &root, err)) {
        return false;
    }
    if (root.type == JSON_OBJECT) {
        if (!json_members(root, &m, 1, err)) {
            return false;
        }
        root = m.found ? m.value : (struct json_value){0};
    }
    if (root.type != JSON_STRING) {
        return error_set_param(err, ERR_INVALID_FIELD, "text",
                               "a partial must be a text, or an object with the member text");
    }
    return prompt_compile_text(&c, prompt_text(a, root), ret);
}

struct str prompt_model(const struct prompt *p)
{
    return p->model;
}

struct str prompt_config(const struct prompt *p)
{
    return p->config;
}

/* ---- the variables that it asks for ---- */

struct visit {
    bool (*fn)(void *arg, struct str name, bool required, struct str default_json);
    void *arg;
    struct map *seen;
    bool on;
};

static bool visit_name(void *arg, const struct mustache_name *n)
{
    struct visit *v = arg;
    struct str name = n->name, rest;
    if (n->partial) {
        return true;
    }
    (void)str_cut(name, '.', &name, &rest);
    if (name.len && !map_put(v->seen, name, v)) {
        v->on = v->fn(v->arg, name, false, STR_NONE);
    }
    return v->on;
}

void prompt_each_variable(const struct prompt *p,
                          bool (*fn)(void *arg, struct str name, bool required,
                                     struct str default_json),
                          void *arg)
{
    struct visit v = {fn, arg, map_new(), true};
    for (size_t i = 0; v.on && i < p->n_variables; i++) {
        const struct prompt_variable *d = &p->variables[i];
        if (!map_put(v.seen, d->name, &v)) {
            v.on = fn(arg, d->name, d->required, d->fallback.raw);
        }
    }
    for (size_t i = 0; i < p->n_members; i++) {
        const struct prompt_member *m = &p->members[i];
        for (size_t k = 0; v.on && k < m->n; k++) {
            if (m->pieces[k].template) {
                mustache_each_name(m->pieces[k].template, visit_name, &v);
            }
        }
    }
    map_free(v.seen);
}
