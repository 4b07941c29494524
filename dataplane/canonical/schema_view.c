/* Finding things in a JSON schema; see schema_view.h. */
#include "dataplane/canonical/schema_view.h"

#define POINTER_MAX 512

bool schema_keyword(const struct schema_view *s, const char *name, struct json_value *ret)
{
    for (size_t i = 0; i < s->n; i++) {
        if (read_get(s->sources[i], name, ret)) {
            return true;
        }
    }
    return false;
}

bool schema_spent(const struct schema_place *p)
{
    return p->most && p->work > p->most;
}

size_t schema_count(struct json_value container)
{
    struct json_value v;
    size_t pos = 0, n = 0;
    while (json_next(container, &pos, NULL, &v)) {
        n++;
    }
    return n;
}

/* One step of a JSON pointer: "~1" and "~0", "%20" undone. */
static struct str step_text(char *buf, struct str step)
{
    size_t n = 0;
    for (size_t i = 0; i < step.len && n < POINTER_MAX; i++) {
        char ch = step.ptr[i];
        unsigned hex = 0;
        if (ch == '~' && i + 1 < step.len && (step.ptr[i + 1] == '0' || step.ptr[i + 1] == '1')) {
            ch = step.ptr[++i] == '0' ? '~' : '/';
        } else if (ch == '%' && i + 2 < step.len) {
            bool ok = true;
            for (size_t k = 1; k <= 2; k++) {
                char h = (char)(step.ptr[i + k] | 0x20);
                ok = ok && ((h >= '0' && h <= '9') || (h >= 'a' && h <= 'f'));
                hex = hex * 16 + (unsigned)(h <= '9' ? h - '0' : h - 'a' + 10);
            }
            if (ok) {
                ch = (char)hex;
                i += 2;
            }
        }
        buf[n++] = ch;
    }
    return (struct str){buf, n};
}

static bool step_into(struct schema_place *p, struct json_value from, struct str step,
                      struct json_value *ret)
{
    struct json_value name, value;
    size_t pos = 0;
    uint64_t index = 0, at = 0;
    p->work += from.raw.len;
    if (schema_spent(p)) {
        return false;
    }
    bool numbered = from.type == JSON_ARRAY && str_to_u64(step, &index);
    while (json_next(from, &pos, from.type == JSON_OBJECT ? &name : NULL, &value)) {
        if (from.type == JSON_OBJECT ? json_text_eq(name, step) : (numbered && at++ == index)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool pointer_follow(struct schema_place *p, struct json_value from, struct str pointer,
                           struct json_value *ret)
{
    char buf[POINTER_MAX];
    struct str rest = pointer, step;
    while (rest.len > 0) {
        if (rest.ptr[0] != '/') {
            return false;
        }
        struct str tail = str_slice(rest, 1, rest.len);
        if (!str_cut(tail, '/', &step, &rest)) {
            step = tail;
            rest = STR_LIT("");
        } else {
            rest = str_slice(tail, step.len, tail.len);
        }
        if (!step_into(p, from, step_text(buf, step), &from)) {
            return false;
        }
    }
    *ret = from;
    return true;
}

/* "#/$defs/X" from the root, else from any schema around (tools put their $defs anywhere). */
static bool ref_find(struct schema_place *p, struct json_value ref, struct json_value *ret)
{
    struct str text = read_text(p->a, ref);
    if (text.len == 0 || text.ptr[0] != '#') {
        return false;
    }
    struct str pointer = str_slice(text, 1, text.len);
    if (pointer_follow(p, p->root, pointer, ret)) {
        return true;
    }
    for (size_t i = p->n_scopes; i > 0; i--) {
        if (pointer_follow(p, p->scopes[i - 1], pointer, ret)) {
            return true;
        }
    }
    return false;
}

bool schema_is_null(struct json_value v)
{
    struct json_value t;
    size_t pos = 0;
    struct json_value only;
    if (read_get(v, "type", &t)) {
        if (t.type == JSON_ARRAY && schema_count(t) == 1) {
            return json_next(t, &pos, NULL, &only) && json_text_eq(only, STR_LIT("null"));
        }
        return json_text_eq(t, STR_LIT("null")) || json_text_eq(t, STR_LIT("NULL"));
    }
    if (read_get(v, "enum", &t) && schema_count(t) == 1) {
        return json_next(t, &pos, NULL, &only) && only.type == JSON_NULL;
    }
    pos = 0; /* {"const":null}: read_get calls null absent */
    struct json_value name;
    while (v.type == JSON_OBJECT && json_next(v, &pos, &name, &t)) {
        if (json_text_eq(name, STR_LIT("const"))) {
            return t.type == JSON_NULL;
        }
    }
    return false;
}

static void look_at_ref(struct schema_place *p, struct schema_view *s, struct json_value ref)
{
    struct json_value target;
    if (!ref_find(p, ref, &target)) {
        s->cut = true;
        return;
    }
    for (size_t i = 0; i < p->n_refs; i++) {
        if (p->refs[i] == target.raw.ptr) {
            s->cut = true;
            return;
        }
    }
    if (p->n_refs == sizeof(p->refs) / sizeof(p->refs[0])) {
        s->cut = true;
        return;
    }
    p->refs[p->n_refs++] = target.raw.ptr;
    schema_look(p, s, target);
}

/* anyOf and oneOf with one variant beside null are that variant, or null. */
static void look_at_variants(struct schema_place *p, struct schema_view *s, struct json_value list)
{
    struct json_value one, only = {.type = JSON_NULL};
    size_t pos = 0, n = 0;
    while (json_next(list, &pos, NULL, &one)) {
        if (schema_is_null(one)) {
            s->nullable = true;
        } else {
            only = one;
            n++;
        }
    }
    if (n == 1) {
        schema_look(p, s, only);
    }
}

void schema_look(struct schema_place *p, struct schema_view *s, struct json_value v)
{
    struct json_value t, one;
    size_t pos = 0;
    if (v.type != JSON_OBJECT || s->n == SCHEMA_SOURCES_MAX) {
        return;
    }
    s->sources[s->n++] = v;
    p->work += SCHEMA_LOOKS * v.raw.len;
    if (read_get(v, "nullable", &t) && t.type == JSON_TRUE) {
        s->nullable = true;
    }
    if (read_get(v, "$ref", &t)) {
        look_at_ref(p, s, t);
    }
    if (read_get(v, "allOf", &t)) {
        while (json_next(t, &pos, NULL, &one)) {
            schema_look(p, s, one);
        }
    }
    if (read_get(v, "anyOf", &t)) {
        look_at_variants(p, s, t);
    }
    if (read_get(v, "oneOf", &t)) {
        look_at_variants(p, s, t);
    }
}

static const char *type_of_value(struct json_value v)
{
    uint64_t whole;
    int64_t below;
    switch (v.type) {
    case JSON_STRING:
        return "string";
    case JSON_NUMBER:
        return json_u64(v, &whole) || json_i64(v, &below) ? "integer" : "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_NULL:
        break;
    }
    return NULL;
}

const char *schema_type_implied(const struct schema_view *s)
{
    static const struct {
        const char *keyword, *type;
    } signs[] = {
        {"properties", "object"},
        {"additionalProperties", "object"},
        {"patternProperties", "object"},
        {"required", "object"},
        {"items", "array"},
        {"prefixItems", "array"},
        {"minItems", "array"},
        {"pattern", "string"},
        {"minLength", "string"},
        {"maxLength", "string"},
        {"minimum", "number"},
        {"maximum", "number"},
        {"multipleOf", "number"},
    };
    struct json_value v, one;
    size_t pos = 0;
    if (schema_keyword(s, "const", &v)) {
        return type_of_value(v);
    }
    if (schema_keyword(s, "enum", &v)) {
        while (json_next(v, &pos, NULL, &one)) {
            if (one.type != JSON_NULL) {
                return type_of_value(one);
            }
        }
    }
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (schema_keyword(s, signs[i].keyword, &v)) {
            return signs[i].type;
        }
    }
    return NULL;
}
