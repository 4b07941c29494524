/* Gemini's schemas (a subset of OpenAPI 3.0: types in capitals, `nullable`, numbers as strings) as
 * the JSON schemas that everybody else reads. The way back is schema_openapi
 * (dataplane/canonical/schema.c). */
#include "dataplane/dialects/gemini_inside.h"

#define SCHEMA_DEPTH 20 /* of the writer's 63 levels, three for each */

static void put_schema(struct json_writer *w, struct json_value v, unsigned depth);

static void put_lower(struct json_writer *w, struct json_value type)
{
    char word[16];
    size_t len = 0;
    if (!json_unescape(type, word, sizeof(word), &len)) {
        json_put_raw(w, type.raw);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        word[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i]);
    }
    json_put_str(w, (struct str){word, len});
}

static void put_type(struct json_writer *w, struct json_value type, bool nullable)
{
    size_t pos = 0;
    struct json_value one;
    if (json_text_eq(type, STR_LIT("TYPE_UNSPECIFIED"))) {
        return;
    }
    json_name(w, "type");
    if (type.type == JSON_ARRAY || nullable) {
        json_array_begin(w);
        if (type.type == JSON_STRING) {
            put_lower(w, type);
        }
        while (json_next(type, &pos, NULL, &one)) {
            put_lower(w, one);
        }
        if (nullable) {
            json_put_z(w, "null");
        }
        json_array_end(w);
    } else {
        put_lower(w, type);
    }
}

static void put_map(struct json_writer *w, struct json_value map, unsigned depth)
{
    size_t pos = 0;
    struct json_value name, value;
    json_object_begin(w);
    while (json_next(map, &pos, &name, &value)) {
        gemini_put_name(w, name);
        put_schema(w, value, depth);
    }
    json_object_end(w);
}

static void put_list(struct json_writer *w, struct json_value list, unsigned depth)
{
    size_t pos = 0;
    struct json_value value;
    json_array_begin(w);
    while (json_next(list, &pos, NULL, &value)) {
        put_schema(w, value, depth);
    }
    json_array_end(w);
}

/* Keywords that hold schemas or are spelled otherwise; everything else is copied. */
static bool put_keyword(struct json_writer *w, struct json_value name, struct json_value value,
                        unsigned depth)
{
    static const char *const maps[] = {"properties", "$defs", "defs", "definitions"};
    static const char *const lists[] = {"anyOf", "oneOf", "allOf", "prefixItems"};
    static const char *const counts[] = {"minItems",  "maxItems",      "minLength",
                                         "maxLength", "minProperties", "maxProperties"};
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        if (value.type == JSON_OBJECT && gemini_name_is(name, str_of(maps[i]))) {
            json_name(w, i == 2 ? "$defs" : maps[i]);
            put_map(w, value, depth);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (value.type == JSON_ARRAY && gemini_name_is(name, str_of(lists[i]))) {
            json_name(w, lists[i]);
            put_list(w, value, depth);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (gemini_name_is(name, str_of(counts[i]))) {
            json_field_u64(w, counts[i], gemini_u64(value));
            return true;
        }
    }
    if (value.type == JSON_OBJECT && (gemini_name_is(name, STR_LIT("items")) ||
                                      gemini_name_is(name, STR_LIT("additionalProperties")))) {
        json_name(w, gemini_name_is(name, STR_LIT("items")) ? "items" : "additionalProperties");
        put_schema(w, value, depth);
        return true;
    }
    return false;
}

static void put_schema(struct json_writer *w, struct json_value v, unsigned depth)
{
    size_t pos = 0;
    struct json_value name, value, nullable;
    if (v.type != JSON_OBJECT || depth == 0) {
        json_put_raw(w, v.raw);
        return;
    }
    bool null_too = gemini_get(v, "nullable", &nullable) && nullable.type == JSON_TRUE;
    json_object_begin(w);
    while (json_next(v, &pos, &name, &value)) {
        if (gemini_name_is(name, STR_LIT("type"))) {
            put_type(w, value, null_too);
        } else if (gemini_name_is(name, STR_LIT("nullable")) ||
                   gemini_name_is(name, STR_LIT("propertyOrdering")) ||
                   gemini_name_is(name, STR_LIT("example")) || value.type == JSON_NULL ||
                   (gemini_name_is(name, STR_LIT("format")) &&
                    json_text_eq(value, STR_LIT("enum")))) {
            continue;
        } else if (!put_keyword(w, name, value, depth - 1)) {
            gemini_put_name(w, name);
            json_put_raw(w, value.raw);
        }
    }
    json_object_end(w);
}

struct str gemini_schema_json(struct arena *a, struct str schema)
{
    struct json_value v;
    struct buffer out;
    struct json_writer w;
    if (!read_json(schema, &v) || v.type != JSON_OBJECT) {
        return schema;
    }
    buffer_init(&out, 4 * schema.len + 64);
    json_writer_init(&w, &out);
    put_schema(&w, v, SCHEMA_DEPTH);
    struct str text = out.failed ? STR_NONE : arena_str(a, buffer_str(&out));
    buffer_release(&out);
    return text.ptr ? text : schema;
}
