/* A compiled prompt and a caller's values to the body of a chat completion. See prompt.h. */
#include "common/rules/prompt_inside.h"

#include <stdio.h>

struct expansion {
    const struct prompt_input *in;
    struct arena *a;
    struct error *err;
    struct buffer *out;
    struct mustache_data *data;
    struct json_value values;
    struct str missing; /* a partial; NULL ptr: none is */
};

static bool no_room(struct expansion *x)
{
    return error_set(x->err, ERR_INTERNAL, "out of room for the prompt");
}

static void put_quoted(struct buffer *out, struct str text)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_put_str(&w, text.ptr ? text : STR_LIT(""));
}

/* What goes before a member of an object whose brace stands at the buffer's beginning. */
static void put_comma(struct buffer *out)
{
    (void)buffer_append_z(out, out->len > 1 ? "," : "");
}

static void put_as_written(struct buffer *out, struct json_value name, struct json_value value)
{
    put_comma(out);
    (void)buffer_append_str(out, name.raw);
    (void)buffer_append_z(out, ":");
    (void)buffer_append_str(out, value.raw);
}

/* ---- values ---- */

static const struct prompt_variable *declared(const struct prompt *p, struct json_value name)
{
    for (size_t i = 0; i < p->n_variables; i++) {
        if (json_text_eq(name, p->variables[i].name)) {
            return &p->variables[i];
        }
    }
    return NULL;
}

static bool check_required(struct expansion *x, const struct prompt *p, const bool *given)
{
    for (size_t i = 0; i < p->n_variables; i++) {
        const struct prompt_variable *v = &p->variables[i];
        if (v->required && !given[i] && !v->fallback.raw.ptr) {
            char param[64];
            struct str name = str_slice(v->name, 0, 50);
            (void)snprintf(param, sizeof(param), "variables.%.*s", STR_ARG(name));
            return error_set_param(x->err, ERR_INVALID_FIELD, param,
                                   "the prompt needs a value for the variable '%.*s'",
                                   STR_ARG(name));
        }
    }
    return true;
}

/* The caller's values, and the defaults of those that it did not give. */
static bool merge_defaults(struct expansion *x, const struct prompt *p, const bool *given)
{
    struct buffer text;
    struct json_value name, value;
    size_t pos = 0;
    buffer_init(&text, PROMPT_MAX_BODY + PROMPT_MAX_DOCUMENT);
    (void)buffer_append_z(&text, "{");
    while (json_next(x->values, &pos, &name, &value)) {
        if (value.type != JSON_NULL || !declared(p, name)) {
            put_as_written(&text, name, value);
        }
    }
    for (size_t i = 0; i < p->n_variables; i++) {
        if (!given[i] && p->variables[i].fallback.raw.ptr) {
            put_comma(&text);
            put_quoted(&text, p->variables[i].name);
            (void)buffer_append_z(&text, ":");
            (void)buffer_append_str(&text, p->variables[i].fallback.raw);
        }
    }
    (void)buffer_append_z(&text, "}");
    struct str merged = text.failed ? STR_NONE : arena_str(x->a, buffer_str(&text));
    buffer_release(&text);
    x->values = (struct json_value){.type = JSON_OBJECT, .raw = merged};
    return merged.ptr || error_set(x->err, ERR_BODY_TOO_LARGE, "variables are too large");
}

static bool take_values(struct expansion *x, const struct prompt *p)
{
    struct json_value given_values = x->in->variables, name, value;
    size_t pos = 0;
    bool *given = arena_zalloc(x->a, p->n_variables + 1);
    x->values = (struct json_value){.type = JSON_OBJECT, .raw = STR_LIT("{}")};
    if (!given) {
        return no_room(x);
    }
    if (given_values.raw.ptr && given_values.type != JSON_NULL) {
        if (given_values.type != JSON_OBJECT) {
            return error_set_param(x->err, ERR_INVALID_FIELD, "variables",
                                   "variables must be an object");
        }
        x->values = given_values;
    }
    while (json_next(x->values, &pos, &name, &value)) {
        const struct prompt_variable *v = p->n_variables ? declared(p, name) : NULL;
        if (v) {
            given[v - p->variables] = value.type != JSON_NULL;
        }
    }
    if (!check_required(x, p, given) || (p->has_defaults && !merge_defaults(x, p, given))) {
        return false;
    }
    x->data = mustache_data_new(x->values, x->a);
    return x->data || no_room(x);
}

/* ---- pieces ---- */

static const struct mustache *find_partial(void *arg, struct str name)
{
    struct expansion *x = arg;
    const struct mustache *m = x->in->partial ? x->in->partial(x->in->partial_arg, name) : NULL;
    if (!m && !x->missing.ptr) {
        x->missing = arena_str(x->a, str_slice(name, 0, 50));
    }
    return m;
}

static bool render(struct expansion *x, const struct prompt_piece *piece,
                   enum mustache_escape escape, struct buffer *out)
{
    struct mustache_options o = {
        .escape = escape, .partial = find_partial, .partial_arg = x, .data = x->data};
    struct error why = ERROR_INIT;
    bool good = mustache_render(piece->template, x->values, &o, x->a, out, &why);
    if (x->missing.ptr) {
        char param[64];
        (void)snprintf(param, sizeof(param), "partials.%.*s", STR_ARG(x->missing));
        return error_set_param(x->err, ERR_INVALID_FIELD, param, "%.*s: there is no partial '%.*s'",
                               STR_ARG(piece->where), STR_ARG(x->missing));
    }
    if (!good) {
        char param[64];
        (void)snprintf(param, sizeof(param), "%.*s", STR_ARG(str_slice(piece->where, 0, 60)));
        return error_set_param(x->err, why.code, param, "%s: %s", param, error_text(&why));
    }
    return true;
}

static bool put_string(struct expansion *x, const struct prompt_piece *piece)
{
    struct buffer text;
    buffer_init(&text, PROMPT_MAX_BODY);
    bool good = render(x, piece, MUSTACHE_PLAIN, &text);
    if (good) {
        put_quoted(x->out, buffer_str(&text));
    }
    buffer_release(&text);
    return good;
}

static bool put_value(struct expansion *x, const struct prompt_piece *piece)
{
    struct json_value v;
    bool found = false;
    (void)mustache_sole_value(piece->template, x->data, &found, &v);
    if (!found || (v.type != JSON_OBJECT && v.type != JSON_ARRAY)) {
        return put_string(x, piece);
    }
    (void)buffer_append_str(x->out, v.raw);
    return true;
}

static void put_element(struct expansion *x, size_t *n, struct str raw)
{
    if ((*n)++) {
        (void)buffer_append_z(x->out, ",");
    }
    (void)buffer_append_str(x->out, raw);
}

static bool wrong_items(struct expansion *x, const struct prompt_piece *piece)
{
    char param[64];
    (void)snprintf(param, sizeof(param), "%.*s", STR_ARG(str_slice(piece->where, 0, 60)));
    return error_set_param(x->err, ERR_INVALID_FIELD, param,
                           "%s: the variable that stands here must be an object or a list of "
                           "objects",
                           param);
}

/* A text may be the JSON of it: callers that know texts only send it so. */
static bool put_items(struct expansion *x, const struct prompt_piece *piece, size_t *n)
{
    struct json_value v = {0}, item;
    bool found = false;
    size_t pos = 0;
    (void)mustache_sole_value(piece->template, x->data, &found, &v);
    if (!found || v.type == JSON_NULL) {
        return true;
    }
    if (v.type == JSON_STRING) {
        struct str text = prompt_text(x->a, v);
        if (text.ptr && str_trim(text).len == 0) {
            return true;
        }
        if (!text.ptr || !json_validate(text, 0, &v, NULL)) {
            return wrong_items(x, piece);
        }
    }
    if (v.type == JSON_OBJECT) {
        put_element(x, n, v.raw);
        return true;
    }
    if (v.type != JSON_ARRAY) {
        return wrong_items(x, piece);
    }
    while (json_next(v, &pos, NULL, &item)) {
        if (item.type != JSON_OBJECT) {
            return wrong_items(x, piece);
        }
        put_element(x, n, item.raw);
    }
    return true;
}

/* The rendered text as the list that it is to be; lists within it are taken as their items. */
static bool put_list(struct expansion *x, const struct prompt_piece *piece, struct str text)
{
    struct json_value list, element, item;
    struct error why = ERROR_INIT;
    size_t pos = 0, n = 0;
    if (!json_validate(text, 0, &list, &why)) {
        return error_set_param(x->err, ERR_INVALID_FIELD, "messages",
                               "messages: what the template renders to is no JSON: %s",
                               error_text(&why));
    }
    if (list.type != JSON_ARRAY) {
        return error_set_param(x->err, ERR_INVALID_FIELD, "messages",
                               "messages: the template must render to a JSON list");
    }
    (void)buffer_append_z(x->out, "[");
    while (json_next(list, &pos, NULL, &element)) {
        size_t inner = 0;
        if (element.type == JSON_OBJECT) {
            put_element(x, &n, element.raw);
        } else if (element.type != JSON_ARRAY) {
            return wrong_items(x, piece);
        }
        while (element.type == JSON_ARRAY && json_next(element, &inner, NULL, &item)) {
            if (item.type != JSON_OBJECT) {
                return wrong_items(x, piece);
            }
            put_element(x, &n, item.raw);
        }
    }
    (void)buffer_append_z(x->out, "]");
    return true;
}

static bool put_document(struct expansion *x, const struct prompt_piece *piece)
{
    struct buffer text;
    buffer_init(&text, PROMPT_MAX_BODY);
    bool good = render(x, piece, MUSTACHE_JSON, &text) && put_list(x, piece, buffer_str(&text));
    buffer_release(&text);
    return good;
}

static bool put_member(struct expansion *x, const struct prompt_member *m)
{
    size_t elements = 0;
    bool good = true;
    for (size_t i = 0; good && i < m->n; i++) {
        const struct prompt_piece *piece = &m->pieces[i];
        switch (piece->kind) {
        case PIECE_LITERAL:
            (void)buffer_append_str(x->out, piece->literal);
            break;
        case PIECE_STRING:
            good = put_string(x, piece);
            break;
        case PIECE_VALUE:
            good = put_value(x, piece);
            break;
        case PIECE_ELEMENT:
            put_element(x, &elements, STR_LIT(""));
            break;
        case PIECE_ITEMS:
            good = put_items(x, piece, &elements);
            break;
        case PIECE_DOCUMENT:
            good = put_document(x, piece);
            break;
        }
    }
    return good;
}

/* ---- the body ---- */

/* What the caller's body holds for Weir rather than for the model. */
static bool is_ours(struct json_value name)
{
    return json_text_eq(name, STR_LIT("variables")) || json_text_eq(name, STR_LIT("promptID")) ||
           json_text_eq(name, STR_LIT("prompt_id"));
}

static void mark_replaced(const struct prompt *p, struct json_value overrides, bool *replaced)
{
    struct json_value name, value;
    size_t pos = 0;
    while (json_next(overrides, &pos, &name, &value)) {
        for (size_t i = 0; i < p->n_members; i++) {
            replaced[i] = replaced[i] || json_text_eq(name, p->members[i].name);
        }
    }
}

/* A member that is one variable altogether (tools, response_format). *ret_omit: the caller gave
 * none, so there is no such member. A text is taken as the JSON of it where it is such. */
static bool sole_value(struct expansion *x, const struct prompt_member *m, bool *ret_omit,
                       struct json_value *ret)
{
    bool found = false;
    *ret_omit = false;
    if (m->n != 1 || m->pieces[0].kind != PIECE_VALUE) {
        return false;
    }
    (void)mustache_sole_value(m->pieces[0].template, x->data, &found, ret);
    *ret_omit = !found || ret->type == JSON_NULL;
    if (found && ret->type == JSON_STRING) {
        struct str text = prompt_text(x->a, *ret);
        struct json_value inner;
        if (text.ptr && json_validate(text, 0, &inner, NULL) &&
            (inner.type == JSON_OBJECT || inner.type == JSON_ARRAY)) {
            *ret = inner;
        }
    }
    return true;
}

static bool put_template(struct expansion *x, const struct prompt *p, const bool *replaced)
{
    for (size_t i = 0; i < p->n_members; i++) {
        const struct prompt_member *m = &p->members[i];
        struct json_value sole;
        bool omit, is_sole = sole_value(x, m, &omit, &sole);
        if (replaced[i] || omit) {
            continue;
        }
        put_comma(x->out);
        put_quoted(x->out, m->name);
        (void)buffer_append_z(x->out, ":");
        if (is_sole) {
            (void)buffer_append_str(x->out, sole.raw);
        } else if (!put_member(x, m)) {
            return false;
        }
    }
    return true;
}

static void put_overrides(struct expansion *x, struct json_value overrides)
{
    struct json_value name, value;
    size_t pos = 0;
    while (json_next(overrides, &pos, &name, &value)) {
        if (!is_ours(name)) {
            put_as_written(x->out, name, value);
        }
    }
}

bool prompt_expand(const struct prompt *p, const struct prompt_input *in, struct arena *a,
                   struct str *ret_body, struct error *err)
{
    struct buffer out;
    struct expansion x = {.in = in, .a = a, .err = err, .out = &out};
    struct json_value overrides = in->overrides;
    bool replaced[PROMPT_MAX_MEMBERS] = {false};
    struct str body = STR_NONE;
    if (!take_values(&x, p)) {
        return false;
    }
    if (!overrides.raw.ptr || overrides.type != JSON_OBJECT) {
        overrides = (struct json_value){.type = JSON_OBJECT, .raw = STR_LIT("{}")};
    }
    buffer_init(&out, PROMPT_MAX_BODY);
    mark_replaced(p, overrides, replaced);
    (void)buffer_append_z(&out, "{");
    bool good = put_template(&x, p, replaced);
    if (good) {
        put_overrides(&x, overrides);
        (void)buffer_append_z(&out, "}");
        if (out.failed) {
            good = error_set(err, ERR_BODY_TOO_LARGE, "the expanded prompt exceeds %u bytes",
                             PROMPT_MAX_BODY);
        } else {
            body = arena_str(a, buffer_str(&out));
            good = body.ptr || no_room(&x);
        }
    }
    buffer_release(&out);
    if (good) {
        *ret_body = body;
    }
    return good;
}
