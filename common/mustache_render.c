/* Nodes and data to text. Rendering recurses by sections and partials, both bounded. See
 * mustache.h. */
#include "common/mustache_inside.h"

#include <stdio.h>
#include <string.h>

#include "common/base/map.h"

/* Sections and partials together: a partial that includes itself over a tree of data opens one of
 * each per level. */
#define RENDER_MAX_DEPTH (4 * MUSTACHE_MAX_DEPTH)

struct renderer {
    const struct mustache_options *o;
    struct mustache_data *data;
    struct arena *a;
    struct buffer *out;
    struct error *err;
    unsigned depth, partials;
    /* MUSTACHE_JSON: where in JSON the template's own text has led */
    bool in_string, behind_backslash;
};

static bool render(struct renderer *r, const struct mustache *m, size_t from, size_t to,
                   const struct mustache_frame *top, struct str indent);

/* ---- text ---- */

static void follow_quotes(struct renderer *r, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (r->behind_backslash) {
            r->behind_backslash = false;
        } else if (text.ptr[i] == '"') {
            r->in_string = !r->in_string;
        } else {
            r->behind_backslash = r->in_string && text.ptr[i] == '\\';
        }
    }
}

static void put_literal(struct renderer *r, struct str text)
{
    (void)buffer_append_str(r->out, text);
    if (r->o->escape == MUSTACHE_JSON) {
        follow_quotes(r, text);
    }
}

static bool is_blank_line(struct str text, size_t at)
{
    char c = text.ptr[at];
    return c == '\n' || (c == '\r' && at + 1 < text.len && text.ptr[at + 1] == '\n');
}

/* `indent` goes before each line that begins in it. */
static void put_text(struct renderer *r, const struct mustache_node *node, struct str indent)
{
    struct str text = node->text;
    bool begins = node->line_start;
    if (indent.len == 0) {
        put_literal(r, text);
        return;
    }
    if (text.len == 0 && begins) {
        put_literal(r, indent);
    }
    for (size_t at = 0; at < text.len && !r->out->failed;) {
        if (begins && !is_blank_line(text, at)) {
            put_literal(r, indent);
        }
        const char *feed = memchr(text.ptr + at, '\n', text.len - at);
        size_t end = feed ? (size_t)(feed - text.ptr) + 1 : text.len;
        put_literal(r, str_slice(text, at, end - at));
        at = end;
        begins = true;
    }
}

/* ---- values ---- */

static void put_html(struct buffer *out, struct str text)
{
    size_t done = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        const char *entity = c == '&'   ? "&amp;"
                             : c == '<' ? "&lt;"
                             : c == '>' ? "&gt;"
                             : c == '"' ? "&quot;"
                                        : NULL;
        if (entity) {
            (void)buffer_append_str(out, str_slice(text, done, i - done));
            (void)buffer_append_z(out, entity);
            done = i + 1;
        }
    }
    (void)buffer_append_str(out, str_slice(text, done, text.len));
}

/* The decoded text of a string; STR_NONE when out of room. */
static struct str decoded(struct renderer *r, struct json_value v)
{
    if (!v.escaped) {
        return json_text(v);
    }
    size_t len = 0;
    char *text = arena_alloc(r->a, v.raw.len);
    bool read = text && json_unescape(v, text, v.raw.len, &len);
    r->out->failed |= !read;
    return read ? (struct str){text, len} : STR_NONE;
}

static void put_decoded(struct renderer *r, struct json_value v)
{
    size_t len = 0;
    if (!v.escaped) {
        (void)buffer_append_str(r->out, json_text(v));
    } else if (buffer_reserve(r->out, v.raw.len)) {
        bool read = json_unescape(v, r->out->ptr + r->out->len, v.raw.len, &len);
        r->out->failed |= !read;
        r->out->len += len;
    }
}

/* As a string of JSON holds it, without the quotes. */
static void put_quoted(struct renderer *r, struct str text)
{
    struct json_writer w;
    size_t at = r->out->len;
    json_writer_init(&w, r->out);
    json_put_str(&w, text);
    if (!r->out->failed && r->out->len >= at + 2) {
        memmove(r->out->ptr + at, r->out->ptr + at + 1, r->out->len - at - 2);
        r->out->len -= 2;
    }
}

static void put_json(struct renderer *r, struct json_value v, bool raw)
{
    struct json_value ignored;
    if (r->in_string) {
        if (v.type == JSON_STRING) {
            (void)buffer_append_str(r->out, str_slice(v.raw, 1, v.raw.len - 2));
        } else if (v.type != JSON_NULL) {
            put_quoted(r, v.raw);
        }
        return;
    }
    if (raw && v.type == JSON_STRING) {
        struct str text = decoded(r, v);
        if (json_validate(text, 0, &ignored, NULL)) {
            (void)buffer_append_str(r->out, text);
            return;
        }
    }
    (void)buffer_append_str(r->out, v.raw);
}

static void put_value(struct renderer *r, struct json_value v, bool raw)
{
    bool html = r->o->escape == MUSTACHE_HTML && !raw;
    if (r->o->escape == MUSTACHE_JSON) {
        put_json(r, v, raw);
    } else if (v.type == JSON_NULL) {
        return;
    } else if (v.type == JSON_STRING && html) {
        put_html(r->out, decoded(r, v));
    } else if (v.type == JSON_STRING) {
        put_decoded(r, v);
    } else if (html) {
        put_html(r->out, v.raw);
    } else {
        (void)buffer_append_str(r->out, v.raw);
    }
}

/* ---- nodes ---- */

static bool is_missing(struct renderer *r, const char *what, struct str name)
{
    char param[64];
    struct str shown = str_slice(name, 0, 60);
    (void)snprintf(param, sizeof(param), "%.*s", STR_ARG(shown));
    return error_set_param(r->err, ERR_INVALID_FIELD, param, "%s '%.*s' is missing", what,
                           STR_ARG(shown));
}

static bool interpolate(struct renderer *r, const struct mustache_node *node,
                        const struct mustache_frame *top)
{
    struct json_value v;
    if (mustache_data_find(r->data, &node->path, top, &v)) {
        put_value(r, v, node->kind == MUSTACHE_RAW_VALUE);
        return true;
    }
    return !r->o->strict || is_missing(r, "variable", node->text);
}

static bool render_list(struct renderer *r, const struct mustache *m, size_t index,
                        const struct mustache_frame *top, struct json_value list, struct str indent)
{
    struct mustache_frame item = {.outer = top};
    size_t pos = 0;
    while (json_next(list, &pos, NULL, &item.value)) {
        if (!mustache_data_spend(r->data, item.value.raw.len / 8 + 1) ||
            !render(r, m, index + 1, m->nodes[index].end, &item, indent)) {
            return false;
        }
    }
    return true;
}

static bool render_section(struct renderer *r, const struct mustache *m, size_t index,
                           const struct mustache_frame *top, struct str indent)
{
    const struct mustache_node *node = &m->nodes[index];
    struct mustache_frame inner = {.outer = top};
    bool found = mustache_data_find(r->data, &node->path, top, &inner.value);
    bool holds = found && mustache_is_true(inner.value);
    if (node->kind == MUSTACHE_INVERTED) {
        return holds || render(r, m, index + 1, node->end, top, indent);
    }
    if (!holds) {
        return true;
    }
    if (inner.value.type == JSON_ARRAY) {
        return render_list(r, m, index, top, inner.value, indent);
    }
    return render(r, m, index + 1, node->end, &inner, indent);
}

/* The name that stands in the data; "" for what is no text. */
static bool dynamic_name(struct renderer *r, const struct mustache_node *node,
                         const struct mustache_frame *top, struct str *ret)
{
    struct json_value v;
    *ret = STR_LIT("");
    if (!mustache_data_find(r->data, &node->path, top, &v)) {
        return !r->o->strict || is_missing(r, "variable", node->text);
    }
    if (v.type == JSON_STRING) {
        *ret = decoded(r, v);
    } else if (v.type == JSON_NUMBER) {
        *ret = v.raw;
    }
    return true;
}

static bool render_partial(struct renderer *r, const struct mustache_node *node,
                           const struct mustache_frame *top, struct str indent)
{
    struct str name = node->text;
    if (node->kind == MUSTACHE_DYNAMIC && !dynamic_name(r, node, top, &name)) {
        return false;
    }
    const struct mustache *m =
        name.len && r->o->partial ? r->o->partial(r->o->partial_arg, name) : NULL;
    if (!m) {
        return !r->o->strict || is_missing(r, "partial", name);
    }
    if (r->partials == MUSTACHE_MAX_DEPTH) {
        return error_set(r->err, ERR_INVALID_FIELD, "partials are nested too deeply at '%.*s'",
                         STR_ARG(str_slice(name, 0, 60)));
    }
    if (!node->indent.ptr) {
        indent = STR_LIT(""); /* on a line with others: that line has been indented already */
    } else if (node->indent.len) {
        indent = arena_printf(r->a, "%.*s%.*s", STR_ARG(indent), STR_ARG(node->indent));
        r->out->failed |= !indent.ptr;
    }
    r->partials++;
    bool good = render(r, m, 0, m->n, top, indent);
    r->partials--;
    return good;
}

static bool render_node(struct renderer *r, const struct mustache *m, size_t index,
                        const struct mustache_frame *top, struct str indent)
{
    const struct mustache_node *node = &m->nodes[index];
    switch (node->kind) {
    case MUSTACHE_TEXT:
        put_text(r, node, indent);
        return true;
    case MUSTACHE_VALUE:
    case MUSTACHE_RAW_VALUE:
        return interpolate(r, node, top);
    case MUSTACHE_SECTION:
    case MUSTACHE_INVERTED:
        return render_section(r, m, index, top, indent);
    default:
        return render_partial(r, node, top, indent);
    }
}

static bool render(struct renderer *r, const struct mustache *m, size_t from, size_t to,
                   const struct mustache_frame *top, struct str indent)
{
    if (r->depth == RENDER_MAX_DEPTH) {
        return error_set(r->err, ERR_INVALID_FIELD, "sections and partials are nested too deeply");
    }
    r->depth++;
    bool good = true;
    for (size_t i = from; good && i < to; i++) {
        good =
            mustache_data_spend(r->data, 1) && !r->out->failed && render_node(r, m, i, top, indent);
        if (m->nodes[i].kind == MUSTACHE_SECTION || m->nodes[i].kind == MUSTACHE_INVERTED) {
            i = m->nodes[i].end - 1;
        }
    }
    r->depth--;
    return good;
}

bool mustache_render(const struct mustache *m, struct json_value data,
                     const struct mustache_options *o, struct arena *a, struct buffer *out,
                     struct error *err)
{
    struct error why = ERROR_INIT;
    struct renderer r = {.o = o,
                         .data = o->data ? o->data : mustache_data_new(data, a),
                         .a = a,
                         .out = out,
                         .err = &why};
    struct mustache_frame top = {.value = data};
    if (!r.data) {
        return error_set(err, ERR_INTERNAL, "out of room for the template");
    }
    bool good = render(&r, m, 0, m->n, &top, STR_LIT(""));
    if (why.code == ERR_NONE && out->failed) {
        (void)error_set(&why, ERR_BODY_TOO_LARGE, "the rendered template exceeds %zu bytes",
                        out->max);
    } else if (why.code == ERR_NONE && (!good || !mustache_data_spend(r.data, 1))) {
        (void)error_set(&why, ERR_INVALID_FIELD,
                        "rendering the template takes too much work with this data");
    }
    if (why.code != ERR_NONE && err) {
        *err = why;
    }
    return why.code == ERR_NONE;
}

/* ---- names ---- */

/* A partial's name and a variable's are two. */
static bool is_new(struct map *seen[2], const struct mustache_node *node)
{
    struct map *m = seen[node->kind == MUSTACHE_PARTIAL];
    return !map_put(m, node->text, (void *)(uintptr_t)node);
}

void mustache_each_name(const struct mustache *m,
                        bool (*fn)(void *arg, const struct mustache_name *n), void *arg)
{
    struct map *seen[2] = {map_new(), map_new()};
    bool on = true;
    for (size_t i = 0; on && i < m->n; i++) {
        const struct mustache_node *node = &m->nodes[i];
        bool dot = node->kind != MUSTACHE_PARTIAL && node->path.n == 0;
        if (node->kind == MUSTACHE_TEXT || dot || !is_new(seen, node)) {
            continue;
        }
        struct mustache_name name = {.name = node->text,
                                     .section = node->kind == MUSTACHE_SECTION,
                                     .inverted = node->kind == MUSTACHE_INVERTED,
                                     .partial = node->kind == MUSTACHE_PARTIAL};
        on = fn(arg, &name);
    }
    map_free(seen[0]);
    map_free(seen[1]);
}
