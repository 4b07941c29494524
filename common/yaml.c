/* libyaml's event stream into a small tree in an arena: the only includer of yaml.h's namesake.
 * What makes YAML dangerous in configuration (aliases that explode, tags, merged documents, doubled
 * keys) is refused, and depth is bounded, because the builder recurses. */
#include "common/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <yaml.h>

#include "common/base/map.h"
#include "common/base/mem.h"

#define MAX_DEPTH 64

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    struct error *err;
};

/* children of one node while their number is not known */
struct item {
    struct item *next;
    struct yaml_node *name, *value;
};

static bool fail_at(struct builder *b, yaml_mark_t mark, const char *what)
{
    (void)error_set(b->err, ERR_INVALID_FIELD, "%s", what);
    b->err->line = (int)mark.line + 1;
    b->err->column = (int)mark.column + 1;
    return false;
}

static bool fail_memory(struct builder *b)
{
    return error_set(b->err, ERR_BODY_TOO_LARGE, "document needs too much memory");
}

static bool fail_parser(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem ? p->problem : "not valid YAML";
    if (p->error == YAML_MEMORY_ERROR) {
        return fail_memory(b);
    }
    if (p->error == YAML_READER_ERROR) {
        (void)error_set(b->err, ERR_INVALID_FIELD, "%s at byte %zu", problem, p->problem_offset);
        b->err->offset = (int64_t)p->problem_offset;
        return false;
    }
    (void)fail_at(b, p->problem_mark, problem);
    if (p->context) {
        int line = b->err->line, column = b->err->column;
        (void)error_set(b->err, ERR_INVALID_FIELD, "%s %s", problem, p->context);
        b->err->line = line;
        b->err->column = column;
    }
    return false;
}

static bool next_event(struct builder *b, yaml_event_t *ret)
{
    return yaml_parser_parse(&b->parser, ret) ? true : fail_parser(b);
}

static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, yaml_mark_t mark)
{
    struct yaml_node *n = arena_zalloc(b->arena, sizeof(*n));
    if (!n) {
        (void)fail_memory(b);
        return NULL;
    }
    n->kind = kind;
    n->line = (int)mark.line + 1;
    n->column = (int)mark.column + 1;
    return n;
}

static bool refuse_extras(struct builder *b, const yaml_event_t *e)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return fail_at(b, e->start_mark, "aliases are not allowed");
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    default:
        break;
    }
    if (anchor) {
        return fail_at(b, e->start_mark, "anchors are not allowed");
    }
    return tag ? fail_at(b, e->start_mark, "tags are not allowed") : true;
}

static struct yaml_node *build_scalar(struct builder *b, const yaml_event_t *e)
{
    struct str text = {(const char *)e->data.scalar.value, e->data.scalar.length};
    if (text.len && memchr(text.ptr, '\0', text.len)) {
        (void)fail_at(b, e->start_mark, "a text may not hold a NUL byte");
        return NULL;
    }
    struct yaml_node *n = node_new(b, YAML_SCALAR, e->start_mark);
    if (!n) {
        return NULL;
    }
    n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    n->text = arena_str(b->arena, text);
    if (!n->text.ptr) {
        (void)fail_memory(b);
        return NULL;
    }
    return n;
}

static bool refuse_duplicates(struct builder *b, const struct yaml_node *map)
{
    struct map *seen = map_new();
    bool ok = true;
    for (size_t i = 0; i < map->n && ok; i++) {
        const struct yaml_node *first = map_put(seen, map->names[i]->text, map->names[i]);
        if (first) {
            (void)error_set(b->err, ERR_INVALID_FIELD,
                            "\"%s\" stands here twice (first on line %d)", first->text.ptr,
                            first->line);
            b->err->line = map->names[i]->line;
            b->err->column = map->names[i]->column;
            ok = false;
        }
    }
    map_free(seen);
    return ok;
}

static bool fill_children(struct builder *b, struct yaml_node *node, const struct item *items,
                          size_t n)
{
    node->n = n;
    if (n == 0) {
        return true;
    }
    node->items = arena_alloc(b->arena, n * sizeof(*node->items));
    node->names = node->kind == YAML_MAP ? arena_alloc(b->arena, n * sizeof(*node->names)) : NULL;
    if (!node->items || (node->kind == YAML_MAP && !node->names)) {
        return fail_memory(b);
    }
    for (; items; items = items->next) {
        /* the chain stands last first */
        n--;
        node->items[n] = items->value;
        if (node->names) {
            node->names[n] = items->name;
        }
    }
    return node->kind == YAML_MAP ? refuse_duplicates(b, node) : true;
}

static struct yaml_node *build(struct builder *b, yaml_event_t *e, int depth);

/* The next node of a container; *ret_end when the container ends instead. */
static struct yaml_node *build_next(struct builder *b, int depth, bool *ret_end)
{
    yaml_event_t e;
    if (!next_event(b, &e)) {
        return NULL;
    }
    *ret_end = e.type == YAML_MAPPING_END_EVENT || e.type == YAML_SEQUENCE_END_EVENT;
    struct yaml_node *n = *ret_end ? NULL : build(b, &e, depth);
    yaml_event_delete(&e);
    return n;
}

static struct yaml_node *build_container(struct builder *b, enum yaml_kind kind, yaml_mark_t mark,
                                         int depth)
{
    struct item *items = NULL;
    size_t n = 0;
    struct yaml_node *node = node_new(b, kind, mark);
    if (!node) {
        return NULL;
    }
    if (depth >= MAX_DEPTH) {
        (void)fail_at(b, mark, "nested too deeply");
        return NULL;
    }
    for (;;) {
        bool end = false;
        struct item it = {.next = items};
        if (kind == YAML_MAP) {
            it.name = build_next(b, depth + 1, &end);
            if (!end && it.name && it.name->kind != YAML_SCALAR) {
                (void)error_set(b->err, ERR_INVALID_FIELD, "a map's key must be a text");
                b->err->line = it.name->line;
                b->err->column = it.name->column;
                return NULL;
            }
            if (!end && !it.name) {
                return NULL;
            }
        }
        if (!end) {
            it.value = build_next(b, depth + 1, &end);
        }
        if (end) {
            break;
        }
        items = it.value ? arena_alloc(b->arena, sizeof(*items)) : NULL;
        if (!items) {
            return it.value ? (fail_memory(b), NULL) : NULL;
        }
        *items = it;
        n++;
    }
    return fill_children(b, node, items, n) ? node : NULL;
}

static struct yaml_node *build(struct builder *b, yaml_event_t *e, int depth)
{
    if (!refuse_extras(b, e)) {
        return NULL;
    }
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return build_scalar(b, e);
    case YAML_MAPPING_START_EVENT:
        return build_container(b, YAML_MAP, e->start_mark, depth);
    case YAML_SEQUENCE_START_EVENT:
        return build_container(b, YAML_SEQ, e->start_mark, depth);
    default:
        (void)fail_at(b, e->start_mark, "not valid YAML");
        return NULL;
    }
}

static bool take_event(struct builder *b, yaml_event_type_t *ret_type, yaml_mark_t *ret_mark)
{
    yaml_event_t e;
    if (!next_event(b, &e)) {
        return false;
    }
    *ret_type = e.type;
    *ret_mark = e.start_mark;
    yaml_event_delete(&e);
    return true;
}

static bool build_stream(struct builder *b, struct yaml_node **ret)
{
    yaml_event_type_t type;
    yaml_mark_t mark;
    if (!take_event(b, &type, &mark) || !take_event(b, &type, &mark)) {
        return false;
    }
    if (type == YAML_STREAM_END_EVENT) {
        struct yaml_node *empty = node_new(b, YAML_MAP, (yaml_mark_t){0});
        *ret = empty ? empty : *ret;
        return empty != NULL;
    }
    bool end;
    struct yaml_node *root = build_next(b, 0, &end);
    if (!root || !take_event(b, &type, &mark) || !take_event(b, &type, &mark)) {
        return false;
    }
    if (type != YAML_STREAM_END_EVENT) {
        return fail_at(b, mark, "only one document is allowed");
    }
    if (root->kind == YAML_SCALAR && !root->quoted && root->text.len == 0) {
        root->kind = YAML_MAP; /* "---" and nothing else */
    }
    *ret = root;
    return true;
}

bool yaml_parse(struct str text, size_t max_bytes, struct arena *a, struct yaml_node **ret,
                struct error *err)
{
    struct builder b = {.arena = a, .err = err};
    if (max_bytes && text.len > max_bytes) {
        return error_set(err, ERR_BODY_TOO_LARGE, "document is larger than %zu bytes", max_bytes);
    }
    if (!yaml_parser_initialize(&b.parser)) {
        return fail_memory(&b);
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)(text.ptr ? text.ptr : ""),
                                 text.len);
    bool ok = build_stream(&b, ret);
    yaml_parser_delete(&b.parser);
    return ok;
}

/* The whole file, at most max_bytes + 1 of it, into heap. */
static char *read_file(const char *path, size_t max_bytes, size_t *ret_len, struct error *err)
{
    size_t len = 0, cap = 0;
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)error_set(err, ERR_NOT_FOUND, "cannot open \"%s\": %m", path);
        return NULL;
    }
    for (;;) {
        if (len == cap && cap <= max_bytes) {
            cap = cap ? cap * 2 : 4096;
            text = mem_realloc(text, cap);
        }
        ssize_t n = len > max_bytes ? 0 : read(fd, text + len, cap - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            (void)error_set(err, ERR_NOT_FOUND, "cannot read \"%s\": %m", path);
            mem_free(text);
            text = NULL;
        }
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    (void)close(fd);
    *ret_len = len;
    return text;
}

bool yaml_parse_file(const char *path, size_t max_bytes, struct arena *a, struct yaml_node **ret,
                     struct error *err)
{
    size_t len = 0;
    char *text = read_file(path, max_bytes ? max_bytes : SIZE_MAX / 4, &len, err);
    if (!text) {
        return false;
    }
    bool ok = yaml_parse((struct str){text, len}, max_bytes, a, ret, err);
    mem_free_secret(text, len);
    return ok;
}

struct yaml_node *yaml_get(const struct yaml_node *map, const char *name)
{
    if (!map || map->kind != YAML_MAP) {
        return NULL;
    }
    for (size_t i = 0; i < map->n; i++) {
        if (str_eqz(map->names[i]->text, name)) {
            return map->items[i];
        }
    }
    return NULL;
}

static bool is_one_of(const struct yaml_node *n, const char *const *words)
{
    if (n->kind != YAML_SCALAR || n->quoted) {
        return false;
    }
    for (; *words; words++) {
        if (str_eqz(n->text, *words)) {
            return true;
        }
    }
    return false;
}

bool yaml_bool(const struct yaml_node *n, bool *ret)
{
    static const char *const yes[] = {"true", "True", "TRUE", NULL};
    static const char *const no[] = {"false", "False", "FALSE", NULL};
    if (is_one_of(n, yes)) {
        *ret = true;
        return true;
    }
    if (is_one_of(n, no)) {
        *ret = false;
        return true;
    }
    return false;
}

static bool parse_based(struct str digits, unsigned base, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 16;
        if (d >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
            __builtin_add_overflow(v, (uint64_t)d, &v)) {
            return false;
        }
    }
    *ret = v;
    return digits.len > 0;
}

bool yaml_u64(const struct yaml_node *n, uint64_t *ret)
{
    if (n->kind != YAML_SCALAR || n->quoted) {
        return false;
    }
    if (str_starts(n->text, STR_LIT("0x"))) {
        return parse_based(str_slice(n->text, 2, n->text.len), 16, ret);
    }
    if (str_starts(n->text, STR_LIT("0o"))) {
        return parse_based(str_slice(n->text, 2, n->text.len), 8, ret);
    }
    return str_to_u64(str_slice(n->text, str_starts(n->text, STR_LIT("+")) ? 1 : 0, n->text.len),
                      ret);
}

bool yaml_is_null(const struct yaml_node *n)
{
    static const char *const null[] = {"", "~", "null", "Null", "NULL", NULL};
    return is_one_of(n, null);
}
