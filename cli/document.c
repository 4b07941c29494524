/* jansson's only includer in the command line. `struct document` is a json_t under another name. */
#include "cli/document.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"

#define SHOW_MAX (1u << 20)
#define DUMP_MAX ((size_t)1 << 30)

static json_t *unwrap(const struct document *d)
{
    return (json_t *)(uintptr_t)d; /* jansson counts references through const-less pointers */
}

static struct document *wrap(json_t *j)
{
    return (struct document *)(void *)j;
}

struct document *document_parse(struct str text, struct error *err)
{
    json_error_t why;
    json_t *j = json_loadb(text.ptr ? text.ptr : "", text.len,
                           JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (!j) {
        error_set(err, ERR_INVALID_JSON, "%s", why.text);
        err->line = why.line;
        err->column = why.column;
        err->offset = why.position;
    }
    return wrap(j);
}

void document_free(struct document *d)
{
    json_decref(unwrap(d));
}

/* The shortest spelling that reads back as the same number: 0.7, not 0.69999999999999996. */
static void dump_real(struct buffer *b, double v)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    buffer_append_z(b, text);
    if (!strpbrk(text, ".eE")) {
        buffer_append_z(b, ".0"); /* it was no integer, and stays none */
    }
}

static void dump(struct buffer *b, json_t *j)
{
    const char *name, *comma = "";
    json_t *item;
    size_t i;
    if (json_is_object(j)) {
        buffer_append_z(b, "{");
        json_object_foreach(j, name, item)
        {
            json_t *key = json_string(name);
            buffer_append_z(b, comma);
            dump(b, key);
            buffer_append_z(b, ":");
            dump(b, item);
            json_decref(key);
            comma = ",";
        }
        buffer_append_z(b, "}");
    } else if (json_is_array(j)) {
        buffer_append_z(b, "[");
        json_array_foreach(j, i, item)
        {
            buffer_append_z(b, i ? "," : "");
            dump(b, item);
        }
        buffer_append_z(b, "]");
    } else if (json_is_real(j)) {
        dump_real(b, json_real_value(j));
    } else {
        char *theirs = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
        buffer_append_z(b, theirs ? theirs : "null");
        free(theirs); /* jansson's allocator is the default one */
    }
}

char *document_dump(const struct document *d)
{
    struct buffer b;
    buffer_init(&b, DUMP_MAX);
    dump(&b, unwrap(d));
    return buffer_detach(&b);
}

enum document_type document_type(const struct document *d)
{
    switch (d ? json_typeof(unwrap(d)) : JSON_NULL) {
    case JSON_TRUE:
    case JSON_FALSE:
        return DOCUMENT_BOOL;
    case JSON_INTEGER:
    case JSON_REAL:
        return DOCUMENT_NUMBER;
    case JSON_STRING:
        return DOCUMENT_TEXT;
    case JSON_ARRAY:
        return DOCUMENT_LIST;
    case JSON_OBJECT:
        return DOCUMENT_OBJECT;
    case JSON_NULL:
        break;
    }
    return DOCUMENT_NULL;
}

const struct document *document_get(const struct document *d, const char *path)
{
    struct str rest = str_of(path), head;
    json_t *j = unwrap(d);
    while (j && rest.len) {
        struct str tail = STR_NONE;
        if (!str_cut(rest, '.', &head, &tail)) {
            head = rest;
        }
        j = json_object_getn(j, head.ptr, head.len);
        rest = tail;
    }
    return wrap(j);
}

struct document *document_edit(struct document *d, const char *path)
{
    return wrap(unwrap(document_get(d, path)));
}

size_t document_count(const struct document *d)
{
    return json_is_object(unwrap(d)) ? json_object_size(unwrap(d)) : json_array_size(unwrap(d));
}

const struct document *document_at(const struct document *list, size_t i)
{
    return wrap(json_array_get(unwrap(list), i));
}

bool document_next(const struct document *object, const void **pos, const char **ret_name,
                   const struct document **ret)
{
    json_t *j = unwrap(object);
    void *at = *pos ? json_object_iter_next(j, (void *)(uintptr_t)*pos) : json_object_iter(j);
    if (!at) {
        return false;
    }
    *pos = at;
    *ret_name = json_object_iter_key(at);
    *ret = wrap(json_object_iter_value(at));
    return true;
}

const char *document_text(const struct document *d, const char *path)
{
    const char *z = json_string_value(unwrap(document_get(d, path)));
    return z ? z : "";
}

int64_t document_integer(const struct document *d, const char *path)
{
    return json_integer_value(unwrap(document_get(d, path)));
}

bool document_bool(const struct document *d, const char *path)
{
    return json_is_true(unwrap(document_get(d, path)));
}

static void show(struct buffer *b, json_t *j, unsigned depth)
{
    json_t *item;
    size_t i;
    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_TRUE:
        buffer_append_z(b, "yes");
        break;
    case JSON_FALSE:
        buffer_append_z(b, "no");
        break;
    case JSON_INTEGER:
        buffer_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
        break;
    case JSON_REAL:
        buffer_printf(b, "%g", json_real_value(j));
        break;
    case JSON_STRING:
        buffer_append(b, json_string_value(j), json_string_length(j));
        break;
    case JSON_ARRAY:
        json_array_foreach(j, i, item)
        {
            buffer_append_z(b, i ? ", " : "");
            if (depth == 0) {
                show(b, item, depth + 1);
            }
        }
        break;
    case JSON_OBJECT:
    case JSON_NULL:
        break;
    }
}

char *document_show(const struct document *d, const char *path)
{
    struct buffer b;
    buffer_init(&b, SHOW_MAX);
    show(&b, unwrap(document_get(d, path)), 0);
    return buffer_detach(&b);
}

void document_extend(struct document *to, const struct document *from)
{
    (void)json_array_extend(unwrap(to), unwrap(from));
}

void document_trim(struct document *list, size_t n)
{
    while (json_array_size(unwrap(list)) > n) {
        (void)json_array_remove(unwrap(list), json_array_size(unwrap(list)) - 1);
    }
}

void document_set_null(struct document *object, const char *name)
{
    (void)json_object_set_new(unwrap(object), name, json_null());
}
