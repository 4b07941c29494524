/* JSON with templates in it to pieces: what is constant is one literal, however long, and each
 * string that holds a tag is a template of its own. See prompt_inside.h. */
#include "common/rules/prompt_inside.h"

#include <stdio.h>
#include <string.h>

bool prompt_no_room(struct prompt_compiler *c)
{
    return error_set(c->err, ERR_INTERNAL, "out of room for the prompt");
}

bool prompt_wrong(struct prompt_compiler *c, const char *path, const char *what)
{
    return error_set_param(c->err, ERR_INVALID_FIELD, path, "%s: %s", path, what);
}

struct str prompt_text(struct arena *a, struct json_value v)
{
    size_t len = 0;
    if (v.type != JSON_STRING) {
        return STR_NONE;
    }
    if (!v.escaped) {
        return json_text(v);
    }
    char *text = arena_alloc(a, v.raw.len);
    return text && json_unescape(v, text, v.raw.len, &len) ? (struct str){text, len} : STR_NONE;
}

/* ---- pieces ---- */

static bool add_piece(struct prompt_compiler *c, struct prompt_piece piece)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 16;
        struct prompt_piece *grown = arena_alloc(c->a, cap * sizeof(*grown));
        if (!grown) {
            return prompt_no_room(c);
        }
        if (c->n) {
            memcpy(grown, c->pieces, c->n * sizeof(*grown));
        }
        c->pieces = grown;
        c->cap = cap;
    }
    c->pieces[c->n++] = piece;
    return true;
}

/* The document's own text up to `at`. */
static bool flush(struct prompt_compiler *c, const char *at)
{
    struct str text = {c->flushed, (size_t)(at - c->flushed)};
    c->flushed = at;
    return text.len == 0 ||
           add_piece(c, (struct prompt_piece){PIECE_LITERAL, text, NULL, STR_NONE});
}

bool prompt_compile_text(struct prompt_compiler *c, struct str text, const struct mustache **ret)
{
    struct error why = ERROR_INIT;
    if (text.ptr && mustache_compile(text, c->a, ret, &why)) {
        return true;
    }
    if (!text.ptr || why.code == ERR_INTERNAL) {
        return prompt_no_room(c);
    }
    (void)prompt_wrong(c, c->path, error_text(&why));
    if (c->err) {
        c->err->line = why.line;
        c->err->column = why.column;
    }
    return false;
}

static bool add_template(struct prompt_compiler *c, enum piece_kind kind, const struct mustache *m)
{
    struct str where = arena_str(c->a, str_of(c->path));
    return where.ptr ? add_piece(c, (struct prompt_piece){kind, STR_NONE, m, where})
                     : prompt_no_room(c);
}

static bool has_tag(struct str text)
{
    return text.len && memmem(text.ptr, text.len, "{{", 2) != NULL;
}

/* A string of the document. Without a tag it is part of the text around it. */
static bool add_string(struct prompt_compiler *c, struct json_value v, bool whole)
{
    const struct mustache *m;
    struct str text = prompt_text(c->a, v);
    if (text.ptr && !has_tag(text)) {
        return true;
    }
    if (!prompt_compile_text(c, text, &m) || !flush(c, v.raw.ptr)) {
        return false;
    }
    c->flushed = v.raw.ptr + v.raw.len;
    return add_template(c, whole && mustache_is_sole(m) ? PIECE_VALUE : PIECE_STRING, m);
}

/* Appends to the path; the length before, for taking it back. */
static size_t path_name(struct prompt_compiler *c, struct str name)
{
    size_t at = strlen(c->path);
    (void)snprintf(c->path + at, sizeof(c->path) - at, "%s%.*s", at ? "." : "",
                   STR_ARG(str_slice(name, 0, 60)));
    return at;
}

static size_t path_index(struct prompt_compiler *c, size_t index)
{
    size_t at = strlen(c->path);
    (void)snprintf(c->path + at, sizeof(c->path) - at, "[%zu]", index);
    return at;
}

/* depth: of the value within an element of messages. */
static bool add_value(struct prompt_compiler *c, struct json_value v, bool whole, unsigned depth)
{
    struct json_value name, value;
    size_t pos = 0, index = 0, at;
    if (v.type == JSON_STRING) {
        return add_string(c, v, whole);
    }
    while (json_next(v, &pos, &name, &value)) {
        bool inner = !c->messages;
        if (v.type == JSON_OBJECT) {
            at = path_name(c, str_slice(name.raw, 1, name.raw.len - 2));
            inner = inner || (depth == 0 && json_text_eq(name, STR_LIT("content")));
        } else {
            at = path_index(c, index++);
        }
        if (!add_value(c, value, inner, depth + 1)) {
            return false;
        }
        c->path[at] = '\0';
    }
    return true;
}

static bool check_message(struct prompt_compiler *c, struct json_value v)
{
    struct json_member m[] = {{.name = STR_LIT("role")}, {.name = STR_LIT("content")}};
    struct error why = ERROR_INIT;
    if (!json_members(v, m, 2, &why)) {
        return prompt_wrong(c, c->path, error_text(&why));
    }
    if (!m[0].found || m[0].value.type != JSON_STRING || m[0].value.raw.len == 2) {
        return prompt_wrong(c, c->path, "a message needs a role");
    }
    enum json_type type = m[1].found ? m[1].value.type : JSON_NULL;
    return type == JSON_NULL || type == JSON_STRING || type == JSON_ARRAY ||
           prompt_wrong(c, c->path, "content must be a text or a list of parts");
}

static bool add_items(struct prompt_compiler *c, struct json_value v)
{
    const struct mustache *m;
    if (!prompt_compile_text(c, prompt_text(c->a, v), &m)) {
        return false;
    }
    if (!mustache_is_sole(m)) {
        return prompt_wrong(c, c->path,
                            "must be an object, or a text that is one variable: \"{{name}}\"");
    }
    c->flushed = v.raw.ptr + v.raw.len;
    return add_template(c, PIECE_ITEMS, m);
}

static bool add_element(struct prompt_compiler *c, struct json_value v)
{
    if (v.type == JSON_STRING) {
        return add_items(c, v);
    }
    if (v.type != JSON_OBJECT) {
        return prompt_wrong(c, c->path, "must be an object");
    }
    if ((c->messages && !check_message(c, v)) ||
        !add_piece(c, (struct prompt_piece){.kind = PIECE_ELEMENT})) {
        return false;
    }
    c->flushed = v.raw.ptr;
    return add_value(c, v, false, 0) && flush(c, v.raw.ptr + v.raw.len);
}

static bool add_list(struct prompt_compiler *c, struct json_value v)
{
    struct json_value element;
    size_t pos = 0, index = 0;
    if (!add_piece(c, (struct prompt_piece){.kind = PIECE_LITERAL, .literal = STR_LIT("[")})) {
        return false;
    }
    while (json_next(v, &pos, NULL, &element)) {
        size_t at = path_index(c, index++);
        if (!add_element(c, element)) {
            return false;
        }
        c->path[at] = '\0';
    }
    if (c->messages && index == 0) {
        return prompt_wrong(c, c->path, "must not be empty");
    }
    return add_piece(c, (struct prompt_piece){.kind = PIECE_LITERAL, .literal = STR_LIT("]")});
}

static bool add_document(struct prompt_compiler *c, struct json_value v)
{
    const struct mustache *m;
    return prompt_compile_text(c, prompt_text(c->a, v), &m) && add_template(c, PIECE_DOCUMENT, m);
}

bool prompt_pieces_raw(struct prompt_compiler *c, struct json_value v)
{
    return add_piece(c, (struct prompt_piece){.kind = PIECE_LITERAL, .literal = v.raw});
}

bool prompt_pieces_templated(struct prompt_compiler *c, const char *name, struct json_value v,
                             unsigned forms)
{
    const struct mustache *m;
    (void)snprintf(c->path, sizeof(c->path), "%s", name);
    c->messages = strcmp(name, "messages") == 0;
    c->flushed = v.raw.ptr;
    bool good = false;
    if (v.type == JSON_ARRAY && (forms & PROMPT_FORM_LIST)) {
        good = add_list(c, v);
    } else if (v.type == JSON_OBJECT && (forms & PROMPT_FORM_OBJECT)) {
        good = add_value(c, v, true, 1) && flush(c, v.raw.ptr + v.raw.len);
    } else if (v.type == JSON_STRING && (forms & PROMPT_FORM_DOCUMENT)) {
        good = add_document(c, v);
    } else if (v.type == JSON_STRING && (forms & (PROMPT_FORM_TEXT | PROMPT_FORM_SOLE))) {
        if (!prompt_compile_text(c, prompt_text(c->a, v), &m)) {
            return false;
        }
        if (!(forms & PROMPT_FORM_TEXT) && !mustache_is_sole(m)) {
            return prompt_wrong(c, name,
                                "must be a value, or a text that is one variable: \"{{name}}\"");
        }
        good = add_string(c, v, true) && flush(c, v.raw.ptr + v.raw.len);
    } else {
        return prompt_wrong(c, name, "is of the wrong type");
    }
    return good;
}
