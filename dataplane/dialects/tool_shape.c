/* See tool_shape.h. */
#include "dataplane/dialects/tool_shape.h"

#include <inttypes.h>

#include "dataplane/canonical/read.h"

#define HASH_BYTES 9 /* "_" and eight digits */

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static bool fits(struct str s, size_t max)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!plain(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0 && s.len <= max;
}

/* FNV-1a */
static uint32_t hash_of(struct str s)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (unsigned char)s.ptr[i]) * 16777619u;
    }
    return h;
}

struct str tool_text(struct arena *a, struct str text, size_t max)
{
    if (fits(text, max)) {
        return text;
    }
    struct str head = text.len > max - HASH_BYTES ? str_slice(text, 0, max - HASH_BYTES) : text;
    struct str s = arena_printf(a, "%.*s_%08" PRIx32, STR_ARG(head), hash_of(text));
    char *p = (char *)(uintptr_t)s.ptr; /* just made, ours */
    for (size_t i = 0; i < s.len; i++) {
        if (!plain(p[i])) {
            p[i] = '_';
        }
    }
    return s;
}

static bool has_tool(const struct chat_request *q, struct str name)
{
    for (size_t i = 0; i < q->n_tools; i++) {
        if (!q->tools[i].builtin && str_eq(q->tools[i].name, name)) {
            return true;
        }
    }
    return false;
}

struct str tool_text_back(struct arena *a, const struct chat_request *q, struct str name,
                          size_t max)
{
    if (!q || has_tool(q, name)) {
        return name;
    }
    for (size_t i = 0; i < q->n_tools; i++) {
        const struct tool *t = &q->tools[i];
        if (!t->builtin && t->name.ptr && !fits(t->name, max) &&
            str_eq(tool_text(a, t->name, max), name)) {
            return t->name;
        }
    }
    return name;
}

struct str tool_schema(struct arena *a, struct str schema)
{
    static const struct str empty = STR_LIT("{\"type\":\"object\",\"properties\":{}}");
    struct json_value v, type, first;
    size_t pos = 0;
    if (!schema.len || !read_json(schema, &v) || v.type != JSON_OBJECT) {
        return schema.len ? schema : empty;
    }
    if (!json_next(v, &pos, NULL, &first)) {
        return empty;
    }
    if (read_get(v, "type", &type)) {
        return schema;
    }
    struct str s =
        arena_printf(a, "{\"type\":\"object\",%.*s", (int)(v.raw.len - 1), v.raw.ptr + 1);
    return s.ptr ? s : schema;
}
