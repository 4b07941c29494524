/* A JSON schema as Gemini's `parameters` and `responseSchema` take it: a subset of OpenAPI 3.0. See
 * schema_openapi in read.h, and schema_view.h for how a schema is looked at: a keyword is the first
 * source's that has it; properties and required are those of all. What the subset cannot say is
 * left out, never invented, but for a type where Google insists on one (a string).
 *
 * Hostile schemas: recursion through $ref is cut where it repeats, depth and the number of schemas
 * written have a ceiling; what is cut becomes an object without properties. */
#include "dataplane/canonical/schema_view.h"

#define SCHEMAS_MAX 1000 /* written in all */
#define NAMES_MAX 256    /* properties of one object */
/* Looking is quadratic in depth and in references: past so much in all, schemas are cut. Honest
 * ones of a megabyte stay below. */
#define WORK_LEAST ((size_t)256 << 20)
#define WORK_FACTOR 64u
#define OUTPUT_MAX (4u << 20)

struct converter {
    struct arena *a;
    struct json_writer w;
    struct schema_place at;
    size_t written;
};

static void put_schema(struct converter *c, struct json_value v, struct str description,
                       bool nullable);

/* ---- writing pieces ---- */

static void put_name(struct json_writer *w, struct json_value name)
{
    json_put_raw(w, name.raw);
    (void)buffer_append(w->out, ":", 1);
    w->after_name = true;
}

static bool type_is(struct json_value v, const char *word)
{
    return v.type == JSON_STRING && !v.escaped && str_eq_nocase(json_text(v), str_of(word));
}

static const char *const type_words[] = {"string",  "number", "integer",
                                         "boolean", "array",  "object"};

static const char *known_type(struct json_value v)
{
    for (size_t i = 0; i < sizeof(type_words) / sizeof(type_words[0]); i++) {
        if (type_is(v, type_words[i])) {
            return type_words[i];
        }
    }
    return NULL;
}

/* The values of enum or const that may stand in `enum`: texts that say something. */
static size_t put_enum(struct json_writer *w, const struct schema_view *s, bool *ret_null)
{
    struct json_value list, one;
    size_t pos = 0, n = 0;
    bool single = schema_keyword(s, "const", &list);
    if (!single && !schema_keyword(s, "enum", &list)) {
        return 0;
    }
    if (single && list.type == JSON_STRING && list.raw.len > 2) {
        json_name(w, "enum");
        json_array_begin(w);
        json_put_raw(w, list.raw);
        json_array_end(w);
        return 1;
    }
    while (!single && json_next(list, &pos, NULL, &one)) {
        *ret_null = *ret_null || one.type == JSON_NULL;
        if (one.type != JSON_STRING || one.raw.len <= 2) {
            continue;
        }
        if (n++ == 0) {
            json_name(w, "enum");
            json_array_begin(w);
        }
        json_put_raw(w, one.raw);
    }
    if (n > 0) {
        json_array_end(w);
    }
    return n;
}

/* Numbers and truths cannot stand in Google's enum: they go into the description. */
static struct str described(struct converter *c, const struct schema_view *s,
                            struct str description, const char *type)
{
    struct json_value list;
    if (!type || (strcmp(type, "integer") != 0 && strcmp(type, "number") != 0 &&
                  strcmp(type, "boolean") != 0)) {
        return description;
    }
    bool single = schema_keyword(s, "const", &list);
    if (!single && !schema_keyword(s, "enum", &list)) {
        return description;
    }
    struct str text =
        arena_printf(c->a, "%.*s%s%s %.*s", STR_ARG(description), description.len ? " " : "",
                     single ? "Always" : "One of", STR_ARG(list.raw));
    return text.ptr ? text : description;
}

static void put_count(struct json_writer *w, const struct schema_view *s, const char *name)
{
    struct json_value v;
    uint64_t n;
    if (schema_keyword(s, name, &v) && json_u64(v, &n)) {
        json_field_u64(w, name, n);
    }
}

/* minimum, or exclusiveMinimum one step further in where numbers have steps. */
static void put_bound(struct json_writer *w, const struct schema_view *s, const char *name,
                      const char *exclusive, int64_t step, bool whole)
{
    struct json_value v;
    int64_t n;
    if (schema_keyword(s, name, &v) && v.type == JSON_NUMBER) {
        json_name(w, name);
        json_put_raw(w, v.raw);
    } else if (schema_keyword(s, exclusive, &v) && v.type == JSON_NUMBER) {
        json_name(w, name);
        if (whole && json_i64(v, &n) && n > INT64_MIN && n < INT64_MAX) {
            json_put_i64(w, n + step);
        } else {
            json_put_raw(w, v.raw);
        }
    }
}

static void put_format(struct json_writer *w, const struct schema_view *s, const char *type)
{
    static const struct {
        const char *type, *format;
    } formats[] = {{"string", "date-time"},
                   {"number", "float"},
                   {"number", "double"},
                   {"integer", "int32"},
                   {"integer", "int64"}};
    struct json_value v;
    if (!schema_keyword(s, "format", &v)) {
        return;
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(type, formats[i].type) == 0 && type_is(v, formats[i].format)) {
            json_field_z(w, "format", formats[i].format);
        }
    }
}

/* ---- objects ---- */

struct names {
    struct json_value *list;
    size_t n, cap;
};

/* Room for the members of that keyword of all sources. */
static bool names_init(struct converter *c, const struct schema_view *s, const char *word,
                       struct names *ret)
{
    struct json_value v;
    *ret = (struct names){.n = 0};
    for (size_t i = 0; i < s->n; i++) {
        ret->cap += read_get(s->sources[i], word, &v) ? schema_count(v) : 0;
    }
    ret->cap = ret->cap < NAMES_MAX ? ret->cap : NAMES_MAX;
    ret->list = arena_alloc(c->a, (ret->cap + 1) * sizeof(*ret->list));
    if (!ret->list) {
        c->w.out->failed = true;
    }
    return ret->list != NULL;
}

static bool has_name(const struct names *names, struct json_value name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (str_eq(names->list[i].raw, name.raw)) {
            return true;
        }
    }
    return false;
}

static void put_properties(struct converter *c, const struct schema_view *s, struct names *names)
{
    struct json_value map, name, value;
    for (size_t i = 0; i < s->n; i++) {
        size_t pos = 0;
        if (!read_get(s->sources[i], "properties", &map) || map.type != JSON_OBJECT) {
            continue;
        }
        while (names->n < names->cap && c->written < SCHEMAS_MAX &&
               json_next(map, &pos, &name, &value)) {
            if (value.type == JSON_FALSE || has_name(names, name)) {
                continue;
            }
            if (names->n == 0) {
                json_name(&c->w, "properties");
                json_object_begin(&c->w);
            }
            names->list[names->n++] = name;
            put_name(&c->w, name);
            put_schema(c, value, STR_NONE, false);
        }
    }
    if (names->n > 0) {
        json_object_end(&c->w);
    }
}

/* Of all sources, those that are properties, each once: Google refuses others. */
static void put_names(struct converter *c, const struct schema_view *s, const struct names *names,
                      const char *word)
{
    struct json_value list, one;
    struct names put;
    if (!names_init(c, s, word, &put)) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        size_t pos = 0;
        if (!read_get(s->sources[i], word, &list) || list.type != JSON_ARRAY) {
            continue;
        }
        while (put.n < put.cap && json_next(list, &pos, NULL, &one)) {
            if (one.type != JSON_STRING || !has_name(names, one) || has_name(&put, one)) {
                continue;
            }
            if (put.n == 0) {
                json_name(&c->w, word);
                json_array_begin(&c->w);
            }
            put.list[put.n++] = one;
            json_put_raw(&c->w, one.raw);
        }
    }
    if (put.n > 0) {
        json_array_end(&c->w);
    }
}

static void put_object(struct converter *c, const struct schema_view *s)
{
    struct names names;
    if (!names_init(c, s, "properties", &names)) {
        return;
    }
    put_properties(c, s, &names);
    put_names(c, s, &names, "required");
    put_names(c, s, &names, "propertyOrdering");
    put_count(&c->w, s, "minProperties");
    put_count(&c->w, s, "maxProperties");
}

/* ---- arrays ---- */

static void put_string(struct json_writer *w)
{
    json_object_begin(w);
    json_field_z(w, "type", "string");
    json_object_end(w);
}

static void put_items(struct converter *c, const struct schema_view *s)
{
    struct json_value items, one;
    size_t pos = 0;
    json_name(&c->w, "items");
    if (!schema_keyword(s, "items", &items) ||
        (items.type != JSON_OBJECT && items.type != JSON_ARRAY)) {
        if (!schema_keyword(s, "prefixItems", &items)) {
            put_string(&c->w);
            return;
        }
    }
    if (items.type == JSON_OBJECT) {
        put_schema(c, items, STR_NONE, false);
        return;
    }
    size_t n = schema_count(items);
    if (n < 2) {
        if (json_next(items, &pos, NULL, &one)) {
            put_schema(c, one, STR_NONE, false);
        } else {
            put_string(&c->w);
        }
        return;
    }
    json_object_begin(&c->w); /* a tuple: each item is one of these */
    json_name(&c->w, "anyOf");
    json_array_begin(&c->w);
    while (json_next(items, &pos, NULL, &one)) {
        put_schema(c, one, STR_NONE, false);
    }
    json_array_end(&c->w);
    json_object_end(&c->w);
}

/* ---- schemas ---- */

static void put_typed(struct converter *c, const struct schema_view *s, const char *type,
                      struct str description, bool nullable)
{
    struct json_writer *w = &c->w;
    struct json_value v;
    bool null_too = false;
    json_object_begin(w);
    json_field_z(w, "type", type);
    if (schema_keyword(s, "title", &v) && v.type == JSON_STRING) {
        json_name(w, "title");
        json_put_raw(w, v.raw);
    }
    description = described(c, s, description, type);
    if (description.len > 0) {
        json_field_str(w, "description", description);
    }
    put_format(w, s, type);
    if (strcmp(type, "string") == 0) {
        (void)put_enum(w, s, &null_too);
        put_count(w, s, "minLength");
        put_count(w, s, "maxLength");
        if (schema_keyword(s, "pattern", &v) && v.type == JSON_STRING) {
            json_name(w, "pattern");
            json_put_raw(w, v.raw);
        }
    } else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0) {
        bool whole = strcmp(type, "integer") == 0;
        put_bound(w, s, "minimum", "exclusiveMinimum", 1, whole);
        put_bound(w, s, "maximum", "exclusiveMaximum", -1, whole);
    } else if (strcmp(type, "array") == 0) {
        put_items(c, s);
        put_count(w, s, "minItems");
        put_count(w, s, "maxItems");
    } else if (strcmp(type, "object") == 0) {
        put_object(c, s);
    }
    if (nullable || null_too) {
        json_field_bool(w, "nullable", true);
    }
    json_object_end(w);
}

/* A union of single words is one enum; false (nothing written) when it is something else. */
static bool put_union_of_words(struct converter *c, struct json_value list, struct str description,
                               bool nullable)
{
    struct json_value one, v, word;
    size_t pos = 0, at;
    while (json_next(list, &pos, NULL, &one)) {
        if (schema_is_null(one)) {
            continue;
        }
        if (read_get(one, "const", &v)) {
            if (v.type != JSON_STRING || v.raw.len <= 2) {
                return false;
            }
            continue;
        }
        if (!read_get(one, "enum", &v) || v.type != JSON_ARRAY || schema_count(v) == 0) {
            return false;
        }
        for (at = 0; json_next(v, &at, NULL, &word);) {
            if (word.type != JSON_STRING || word.raw.len <= 2) {
                return false;
            }
        }
    }
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "string");
    if (description.len > 0) {
        json_field_str(&c->w, "description", description);
    }
    json_name(&c->w, "enum");
    json_array_begin(&c->w);
    for (pos = 0; json_next(list, &pos, NULL, &one);) {
        if (schema_is_null(one)) {
            continue;
        }
        if (read_get(one, "const", &v)) {
            json_put_raw(&c->w, v.raw);
        } else if (read_get(one, "enum", &v)) {
            for (at = 0; json_next(v, &at, NULL, &word);) {
                json_put_raw(&c->w, word.raw);
            }
        }
    }
    json_array_end(&c->w);
    if (nullable) {
        json_field_bool(&c->w, "nullable", true);
    }
    json_object_end(&c->w);
    return true;
}

/* Two variants or more: anyOf alone, since Google wants nothing beside it; what was said beside it
 * goes into the variants. */
static void put_variants(struct converter *c, struct json_value list, struct str description,
                         bool nullable)
{
    struct json_value one;
    size_t pos = 0;
    if (put_union_of_words(c, list, description, nullable)) {
        return;
    }
    json_object_begin(&c->w);
    json_name(&c->w, "anyOf");
    json_array_begin(&c->w);
    while (json_next(list, &pos, NULL, &one)) {
        if (!schema_is_null(one)) {
            put_schema(c, one, description, nullable);
        }
    }
    json_array_end(&c->w);
    json_object_end(&c->w);
}

static void put_types(struct converter *c, const struct schema_view *s, struct json_value types,
                      struct str description, bool nullable)
{
    const char *words[8];
    struct json_value one;
    size_t pos = 0, n = 0;
    while (json_next(types, &pos, NULL, &one)) {
        const char *word = known_type(one);
        nullable = nullable || type_is(one, "null");
        if (word && n < sizeof(words) / sizeof(words[0])) {
            words[n++] = word;
        }
    }
    if (n < 2) {
        put_typed(c, s, n ? words[0] : "string", description, nullable);
        return;
    }
    json_object_begin(&c->w);
    json_name(&c->w, "anyOf");
    json_array_begin(&c->w);
    for (size_t i = 0; i < n; i++) {
        put_typed(c, s, words[i], description, nullable);
    }
    json_array_end(&c->w);
    json_object_end(&c->w);
}

static void put_cut(struct converter *c, struct str description, bool nullable)
{
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "object");
    if (description.len > 0) {
        json_field_str(&c->w, "description", description);
    }
    if (nullable) {
        json_field_bool(&c->w, "nullable", true);
    }
    json_object_end(&c->w);
}

/* The union that a schema is, if it is one and has no properties of its own (variants that only say
 * which of those are required are left out). */
static bool is_union(const struct schema_view *s, struct json_value *ret)
{
    static const char *const words[] = {"anyOf", "oneOf"};
    struct json_value ignored, one;
    if (schema_keyword(s, "properties", &ignored)) {
        return false;
    }
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < 2; k++) {
            size_t pos = 0, n = 0;
            if (!read_get(s->sources[i], words[k], ret)) {
                continue;
            }
            while (json_next(*ret, &pos, NULL, &one)) {
                n += !schema_is_null(one);
            }
            if (n > 1) {
                return true;
            }
        }
    }
    return false;
}

static void put_view(struct converter *c, const struct schema_view *s, struct str description,
                     bool nullable)
{
    struct json_value v;
    const char *type;
    if (is_union(s, &v)) {
        put_variants(c, v, description, nullable);
    } else if (schema_keyword(s, "type", &v) && v.type == JSON_ARRAY) {
        put_types(c, s, v, description, nullable);
    } else if (schema_keyword(s, "type", &v) && (type = known_type(v)) != NULL) {
        put_typed(c, s, type, description, nullable);
    } else if (s->cut) {
        put_cut(c, description, nullable);
    } else {
        type = schema_type_implied(s);
        put_typed(c, s, type ? type : "string", description,
                  nullable || (s->n > 0 && schema_is_null(s->sources[0])));
    }
}

static void put_schema(struct converter *c, struct json_value v, struct str description,
                       bool nullable)
{
    struct json_value text;
    size_t refs = c->at.n_refs;
    struct schema_view *s =
        c->at.n_scopes < SCHEMA_DEPTH_MAX && c->written < SCHEMAS_MAX && !schema_spent(&c->at)
            ? arena_zalloc(c->a, sizeof(*s))
            : NULL;
    if (!s) {
        put_cut(c, description, nullable);
        return;
    }
    c->written++;
    c->at.scopes[c->at.n_scopes++] = v;
    schema_look(&c->at, s, v);
    if (schema_keyword(s, "description", &text) && text.type == JSON_STRING) {
        description = read_text(c->a, text);
    }
    put_view(c, s, description, nullable || s->nullable);
    c->at.n_scopes--;
    c->at.n_refs = refs;
}

struct str schema_openapi(struct arena *a, struct str schema)
{
    struct buffer out;
    struct converter *c = arena_zalloc(a, sizeof(*c));
    if (!c || !read_json(schema, &c->at.root)) {
        return STR_NONE;
    }
    c->a = c->at.a = a;
    c->at.most = WORK_LEAST + WORK_FACTOR * schema.len;
    buffer_init(&out, OUTPUT_MAX);
    json_writer_init(&c->w, &out);
    c->at.refs[c->at.n_refs++] = c->at.root.raw.ptr; /* "#" is recursion too */
    put_schema(c, c->at.root, STR_NONE, false);
    struct str text =
        out.failed ? STR_LIT("{\"type\":\"object\"}") : arena_str(a, buffer_str(&out));
    buffer_release(&out);
    return text;
}
