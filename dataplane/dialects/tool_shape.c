/* See tool_shape.h. */
#include "dataplane/dialects/tool_shape.h"

#include <inttypes.h>

#include "dataplane/canonical/read.h"

#define HASH_BYTES 9 /* "_" and eight digits */

struct rule {
    size_t max;
    bool gemini;
};

static const struct rule gemini_rule = {64, true};

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool allowed(const struct rule *r, char c, bool first)
{
    if (r->gemini && first) {
        return letter(c);
    }
    return letter(c) || (c >= '0' && c <= '9') || c == '-' || (r->gemini && (c == '.' || c == ':'));
}

static bool fits(const struct rule *r, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!allowed(r, s.ptr[i], i == 0)) {
            return false;
        }
    }
    return s.len > 0 && s.len <= r->max;
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

static struct str shape(struct arena *a, struct str text, const struct rule *r)
{
    if (fits(r, text)) {
        return text;
    }
    size_t most = r->max - HASH_BYTES;
    struct str head = text.len > most ? str_slice(text, 0, most) : text;
    struct str s = arena_printf(a, "%.*s_%08" PRIx32, STR_ARG(head), hash_of(text));
    char *p = (char *)(uintptr_t)s.ptr; /* just made, ours */
    for (size_t i = 0; i < s.len; i++) {
        if (!allowed(r, p[i], i == 0)) {
            p[i] = '_';
        }
    }
    return s;
}

struct str tool_text(struct arena *a, struct str text, size_t max)
{
    return shape(a, text, &(struct rule){max, false});
}

struct str tool_gemini(struct arena *a, struct str name)
{
    return shape(a, name, &gemini_rule);
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

static struct str shape_back(struct arena *a, const struct chat_request *q, struct str name,
                             const struct rule *r)
{
    if (!q || has_tool(q, name)) {
        return name;
    }
    for (size_t i = 0; i < q->n_tools; i++) {
        const struct tool *t = &q->tools[i];
        if (!t->builtin && t->name.ptr && !fits(r, t->name) && str_eq(shape(a, t->name, r), name)) {
            return t->name;
        }
    }
    return name;
}

struct str tool_text_back(struct arena *a, const struct chat_request *q, struct str name,
                          size_t max)
{
    return shape_back(a, q, name, &(struct rule){max, false});
}

struct str tool_gemini_back(struct arena *a, const struct chat_request *q, struct str name)
{
    return shape_back(a, q, name, &gemini_rule);
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
