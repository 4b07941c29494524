/* From template text to nodes: tags are found by the delimiters of the moment, and what the
 * specification says of lines is settled here, so that rendering knows nothing of it: a section's
 * tag, a comment, new delimiters or a partial that has a line for itself takes that line with it.
 * See mustache.h. */
#include "common/mustache_inside.h"

#include <string.h>

#define DELIMITER_MAX 16

/* Where the template ends a line that a tag has for itself. */
struct tag {
    size_t at, end; /* all of it: from the opening delimiter to behind the closing one */
    char sigil;     /* '#', '^', '/', '>', '*' (dynamic), '&', '=', '!', or 0 */
    struct str name;
};

struct compiler {
    struct str text;
    size_t pos; /* what follows has not been turned into nodes */
    struct str open, close;
    struct arena *a;
    struct error *err;
    struct mustache_node *nodes;
    size_t n, cap;
    struct {
        size_t node;
        size_t at;
    } sections[MUSTACHE_MAX_DEPTH];
    unsigned depth;
    bool failed;
};

static void locate(const struct compiler *c, size_t at, int *ret_line, int *ret_column)
{
    int line = 1;
    size_t begin = 0;
    for (size_t i = 0; i < at && i < c->text.len; i++) {
        if (c->text.ptr[i] == '\n') {
            line++;
            begin = i + 1;
        }
    }
    *ret_line = line;
    *ret_column = (int)(at - begin) + 1;
}

/* fmt holds one %.*s at most, for `name`. */
static bool fail(struct compiler *c, size_t at, const char *before, struct str name,
                 const char *after)
{
    int line, column;
    if (c->failed) {
        return false;
    }
    c->failed = true;
    locate(c, at, &line, &column);
    if (name.ptr) {
        (void)error_set(c->err, ERR_INVALID_FIELD, "%s '%.*s' %s (line %d, column %d)", before,
                        STR_ARG(str_slice(name, 0, 80)), after, line, column);
    } else {
        (void)error_set(c->err, ERR_INVALID_FIELD, "%s %s (line %d, column %d)", before, after,
                        line, column);
    }
    if (c->err) {
        c->err->line = line;
        c->err->column = column;
        c->err->offset = (int64_t)at;
    }
    return false;
}

static bool out_of_room(struct compiler *c)
{
    c->failed = true;
    return error_set(c->err, ERR_INTERNAL, "out of room for the template");
}

static struct mustache_node *add(struct compiler *c, enum mustache_kind kind)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 8;
        struct mustache_node *grown = arena_alloc(c->a, cap * sizeof(*grown));
        if (!grown) {
            (void)out_of_room(c);
            return NULL;
        }
        if (c->n) {
            memcpy(grown, c->nodes, c->n * sizeof(*grown));
        }
        c->nodes = grown;
        c->cap = cap;
    }
    struct mustache_node *node = &c->nodes[c->n++];
    *node = (struct mustache_node){.kind = kind};
    return node;
}

static bool begins_line(const struct compiler *c, size_t at)
{
    return at == 0 || c->text.ptr[at - 1] == '\n';
}

static bool add_text(struct compiler *c, size_t end)
{
    struct mustache_node *node = add(c, MUSTACHE_TEXT);
    if (!node) {
        return false;
    }
    node->text = str_slice(c->text, c->pos, end - c->pos);
    node->line_start = begins_line(c, c->pos);
    return true;
}

/* A line that begins with a tag, and stays: a text without length stands there, for the indentation
 * of a partial. */
static bool add_line_start(struct compiler *c, size_t at)
{
    c->pos = at;
    return !begins_line(c, at) || add_text(c, at);
}

/* Index of `what` at or behind `from`; the text's length when there is none. */
static size_t find(const struct compiler *c, size_t from, struct str what)
{
    const char *at = from < c->text.len
                         ? memmem(c->text.ptr + from, c->text.len - from, what.ptr, what.len)
                         : NULL;
    return at ? (size_t)(at - c->text.ptr) : c->text.len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(const struct compiler *c, size_t at)
{
    while (at < c->text.len && is_blank(c->text.ptr[at])) {
        at++;
    }
    return at;
}

static struct str trim(struct str s)
{
    while (s.len && is_blank(s.ptr[0])) {
        s = str_slice(s, 1, s.len);
    }
    while (s.len && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* "{{>*name}}" and Portkey's "{{>>name}}". */
static void read_dynamic(struct tag *t)
{
    if (t->name.len && (t->name.ptr[0] == '*' || t->name.ptr[0] == '>')) {
        t->sigil = '*';
        t->name = trim(str_slice(t->name, 1, t->name.len));
    }
}

static bool read_tag(struct compiler *c, size_t at, struct tag *ret)
{
    char closing[DELIMITER_MAX + 1];
    struct str close = c->close;
    size_t from = skip_blanks(c, at + c->open.len), end;
    *ret = (struct tag){.at = at};
    if (from < c->text.len && strchr("#^/>&=!{", c->text.ptr[from]) && c->text.ptr[from]) {
        ret->sigil = c->text.ptr[from++];
    }
    if (ret->sigil == '{' || ret->sigil == '=') {
        closing[0] = ret->sigil == '{' ? '}' : '=';
        memcpy(closing + 1, close.ptr, close.len);
        close = (struct str){closing, close.len + 1};
        ret->sigil = ret->sigil == '{' ? '&' : '=';
    }
    end = find(c, from, close);
    if (end == c->text.len) {
        return fail(c, at, "a tag that", c->open, "opens is not closed");
    }
    ret->name = trim(str_slice(c->text, from, end - from));
    ret->end = end + close.len;
    if (ret->sigil == '!' || ret->sigil == '=') {
        return true;
    }
    if (ret->sigil == '>') {
        read_dynamic(ret);
    }
    if (ret->name.len == 0) {
        return fail(c, at, "a tag", STR_NONE, "has no name");
    }
    if (memmem(ret->name.ptr, ret->name.len, c->open.ptr, c->open.len)) {
        return fail(c, at, "a tag that", c->open, "opens is not closed before the next one");
    }
    return true;
}

/* What the tag takes away with it when its line holds nothing else. */
static bool stands_alone(const struct compiler *c, const struct tag *t, size_t *ret_begin,
                         size_t *ret_end)
{
    size_t begin = t->at, end = t->end;
    while (begin > c->pos && (c->text.ptr[begin - 1] == ' ' || c->text.ptr[begin - 1] == '\t')) {
        begin--;
    }
    while (end < c->text.len && (c->text.ptr[end] == ' ' || c->text.ptr[end] == '\t')) {
        end++;
    }
    if (!begins_line(c, begin)) {
        return false;
    }
    if (end < c->text.len) {
        end += c->text.ptr[end] == '\r' && end + 1 < c->text.len && c->text.ptr[end + 1] == '\n';
        if (c->text.ptr[end++] != '\n') {
            return false;
        }
    }
    *ret_begin = begin;
    *ret_end = end;
    return true;
}

static bool read_path(struct compiler *c, struct str name, struct mustache_path *ret)
{
    struct str rest = name, part;
    *ret = (struct mustache_path){.here = name.ptr[0] == '.'};
    if (str_eqz(name, ".")) {
        return true;
    }
    if (ret->here) {
        rest = str_slice(rest, 1, rest.len);
    }
    size_t n = 1;
    for (size_t i = 0; i < rest.len; i++) {
        n += rest.ptr[i] == '.';
    }
    struct str *parts = arena_alloc(c->a, n * sizeof(*parts));
    if (!parts) {
        return out_of_room(c);
    }
    ret->parts = parts;
    while (str_cut(rest, '.', &part, &rest)) {
        parts[ret->n++] = part;
    }
    parts[ret->n++] = rest;
    return true;
}

static bool add_name(struct compiler *c, enum mustache_kind kind, const struct tag *t,
                     struct str indent)
{
    struct mustache_node *node = add(c, kind);
    if (!node) {
        return false;
    }
    node->text = t->name;
    node->indent = indent;
    size_t index = c->n - 1;
    if (kind == MUSTACHE_SECTION || kind == MUSTACHE_INVERTED) {
        if (c->depth == MUSTACHE_MAX_DEPTH) {
            return fail(c, t->at, "section", t->name, "is nested too deeply");
        }
        c->sections[c->depth].node = index;
        c->sections[c->depth++].at = t->at;
    }
    return kind == MUSTACHE_PARTIAL || read_path(c, t->name, &node->path);
}

static bool close_section(struct compiler *c, const struct tag *t)
{
    if (c->depth == 0) {
        return fail(c, t->at, "section", t->name, "is closed but was not opened");
    }
    struct mustache_node *open = &c->nodes[c->sections[c->depth - 1].node];
    if (!str_eq(open->text, t->name)) {
        return fail(c, t->at, "section", t->name, "is closed where another one is open");
    }
    open->end = c->n;
    c->depth--;
    return true;
}

static bool set_delimiters(struct compiler *c, const struct tag *t)
{
    struct str open = t->name, close = STR_NONE;
    for (size_t i = 0; i < t->name.len; i++) {
        if (is_blank(t->name.ptr[i])) {
            open = str_slice(t->name, 0, i);
            close = trim(str_slice(t->name, i, t->name.len));
            break;
        }
    }
    bool good = open.len && open.len <= DELIMITER_MAX && close.len && close.len <= DELIMITER_MAX &&
                !memchr(open.ptr, '=', open.len);
    for (size_t i = 0; good && i < close.len; i++) {
        good = !is_blank(close.ptr[i]) && close.ptr[i] != '=';
    }
    if (!good) {
        return fail(c, t->at, "delimiters", t->name, "must be two short words without '='");
    }
    c->open = open;
    c->close = close;
    return true;
}

static bool take_tag(struct compiler *c, const struct tag *t)
{
    size_t begin = t->at, end = t->end;
    bool may = t->sigil != 0 && t->sigil != '&';
    bool alone = may && stands_alone(c, t, &begin, &end);
    struct str indent = alone ? str_slice(c->text, begin, t->at - begin) : STR_NONE;
    if ((begin > c->pos && !add_text(c, begin)) || (!alone && !add_line_start(c, begin))) {
        return false;
    }
    c->pos = end;
    switch (t->sigil) {
    case '#':
        return add_name(c, MUSTACHE_SECTION, t, indent);
    case '^':
        return add_name(c, MUSTACHE_INVERTED, t, indent);
    case '/':
        return close_section(c, t);
    case '>':
        return add_name(c, MUSTACHE_PARTIAL, t, indent);
    case '*':
        return add_name(c, MUSTACHE_DYNAMIC, t, indent);
    case '&':
        return add_name(c, MUSTACHE_RAW_VALUE, t, indent);
    case '=':
        return set_delimiters(c, t);
    case '!':
        return true;
    default:
        return add_name(c, MUSTACHE_VALUE, t, indent);
    }
}

static bool compile(struct compiler *c)
{
    struct tag t;
    for (;;) {
        size_t at = find(c, c->pos, c->open);
        if (at == c->text.len) {
            break;
        }
        if (!read_tag(c, at, &t) || !take_tag(c, &t)) {
            return false;
        }
    }
    if (c->depth) {
        size_t open = c->depth - 1;
        return fail(c, c->sections[open].at, "section", c->nodes[c->sections[open].node].text,
                    "is not closed");
    }
    return c->pos == c->text.len || add_text(c, c->text.len);
}

bool mustache_compile(struct str text, struct arena *a, const struct mustache **ret,
                      struct error *err)
{
    struct compiler c = {.text = text.ptr ? text : STR_LIT(""),
                         .open = STR_LIT("{{"),
                         .close = STR_LIT("}}"),
                         .a = a,
                         .err = err};
    struct mustache *m = arena_alloc(a, sizeof(*m));
    if (text.len > MUSTACHE_MAX_TEXT) {
        return error_set(err, ERR_INVALID_FIELD, "template is larger than %u bytes",
                         MUSTACHE_MAX_TEXT);
    }
    if (!m) {
        return out_of_room(&c);
    }
    if (!compile(&c)) {
        return false;
    }
    m->nodes = c.nodes;
    m->n = c.n;
    *ret = m;
    return true;
}
