/* canonical/schema.c: JSON schemas as Gemini takes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/canonical/read.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void becomes(const char *schema, const char *want)
{
    struct str got = schema_openapi(arena, str_of(schema));
    struct json_value v;
    assert_non_null(got.ptr);
    assert_true(read_json(got, &v));
    assert_string_equal(got.ptr, want);
}

static void plain_objects_stay(void **state)
{
    (void)state;
    becomes(
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"description\":\"A\"},"
        "\"n\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}},\"required\":[\"a\"]}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"description\":\"A\"},"
        "\"n\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}},\"required\":[\"a\"]}");
    becomes("{\"type\":\"OBJECT\",\"properties\":{\"b\":{\"type\":\"BOOLEAN\"}}}",
            "{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"boolean\"}}}");
}

static void what_google_refuses_is_left_out(void **state)
{
    (void)state;
    becomes("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$id\":\"x\",\"type\":"
            "\"object\",\"additionalProperties\":false,\"properties\":{\"u\":{\"type\":\"string\","
            "\"format\":\"uri\",\"default\":\"x\",\"examples\":[\"y\"]},\"d\":{\"type\":\"string\","
            "\"format\":\"date-time\"},\"i\":{\"type\":\"integer\",\"format\":\"int32\","
            "\"multipleOf\":2}},\"patternProperties\":{\"^x\":{}},\"not\":{},\"required\":[\"u\","
            "\"gone\",\"u\"]}",
            "{\"type\":\"object\",\"properties\":{\"u\":{\"type\":\"string\"},\"d\":{\"type\":"
            "\"string\",\"format\":\"date-time\"},\"i\":{\"type\":\"integer\",\"format\":\"int32\"}"
            "},\"required\":[\"u\"]}");
}

static void references_are_followed(void **state)
{
    (void)state;
    becomes("{\"$defs\":{\"P\":{\"type\":\"object\",\"description\":\"own\",\"properties\":{\"x\":"
            "{\"$ref\":\"#/definitions/N\"}}}},\"definitions\":{\"N\":{\"type\":\"number\"}},"
            "\"type\":\"object\",\"properties\":{\"p\":{\"$ref\":\"#/$defs/P\",\"description\":"
            "\"beside\"},\"q\":{\"$ref\":\"#/$defs/P\"}}}",
            "{\"type\":\"object\",\"properties\":{\"p\":{\"type\":\"object\",\"description\":"
            "\"beside\",\"properties\":{\"x\":{\"type\":\"number\"}}},\"q\":{\"type\":\"object\","
            "\"description\":\"own\",\"properties\":{\"x\":{\"type\":\"number\"}}}}}");
    /* $defs beside the property that uses them, and a pointer with escapes */
    becomes(
        "{\"type\":\"object\",\"properties\":{\"a\":{\"$defs\":{\"X/Y z\":{\"type\":\"boolean\"}"
        "},\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/X~1Y%20z\"}}}}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":"
        "\"boolean\"}}}}");
}

static void recursion_is_cut(void **state)
{
    (void)state;
    becomes("{\"$ref\":\"#/$defs/T\",\"$defs\":{\"T\":{\"type\":\"object\",\"properties\":{\"v\":"
            "{\"type\":\"string\"},\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/T\"}}"
            "}}}}",
            "{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"string\"},\"kids\":{\"type\":"
            "\"array\",\"items\":{\"type\":\"object\"}}}}");
    becomes("{\"type\":\"object\",\"properties\":{\"me\":{\"$ref\":\"#\"}}}",
            "{\"type\":\"object\",\"properties\":{\"me\":{\"type\":\"object\"}}}");
    becomes("{\"$ref\":\"#/$defs/none\"}", "{\"type\":\"object\"}");
}

static void null_becomes_nullable(void **state)
{
    (void)state;
    becomes("{\"type\":[\"string\",\"null\"]}", "{\"type\":\"string\",\"nullable\":true}");
    becomes("{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}],\"title\":\"T\","
            "\"description\":\"D\"}",
            "{\"type\":\"integer\",\"title\":\"T\",\"description\":\"D\",\"nullable\":true}");
    becomes("{\"type\":\"string\",\"enum\":[\"a\",null]}",
            "{\"type\":\"string\",\"enum\":[\"a\"],\"nullable\":true}");
    becomes("{\"type\":\"string\",\"nullable\":true}", "{\"type\":\"string\",\"nullable\":true}");
    becomes("{\"type\":\"null\"}", "{\"type\":\"string\",\"nullable\":true}");
}

static void unions_stand_alone(void **state)
{
    (void)state;
    becomes(
        "{\"description\":\"D\",\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":"
        "{\"type\":\"string\"},\"description\":\"own\"},{\"type\":\"null\"}]}",
        "{\"anyOf\":[{\"type\":\"string\",\"description\":\"D\",\"nullable\":true},{\"type\":"
        "\"array\",\"description\":\"own\",\"items\":{\"type\":\"string\"},\"nullable\":true}]}");
    becomes("{\"type\":[\"string\",\"number\",\"null\"]}",
            "{\"anyOf\":[{\"type\":\"string\",\"nullable\":true},{\"type\":\"number\",\"nullable\":"
            "true}]}");
    /* variants of required only narrow an object that is already described */
    becomes("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"anyOf\":[{"
            "\"required\":[\"a\"]},{\"required\":[\"b\"]}]}",
            "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}");
}

static void words_become_one_enum(void **state)
{
    (void)state;
    becomes("{\"const\":\"x\"}", "{\"type\":\"string\",\"enum\":[\"x\"]}");
    becomes("{\"anyOf\":[{\"const\":\"a\"},{\"enum\":[\"b\",\"c\"]},{\"type\":\"null\"}]}",
            "{\"type\":\"string\",\"enum\":[\"a\",\"b\",\"c\"],\"nullable\":true}");
    becomes("{\"type\":\"string\",\"enum\":[\"\",\"a\"]}",
            "{\"type\":\"string\",\"enum\":[\"a\"]}");
    becomes("{\"type\":\"integer\",\"enum\":[1,2]}",
            "{\"type\":\"integer\",\"description\":\"One of [1,2]\"}");
    becomes("{\"const\":true,\"description\":\"D\"}",
            "{\"type\":\"boolean\",\"description\":\"D Always true\"}");
}

static void all_of_is_merged(void **state)
{
    (void)state;
    becomes("{\"allOf\":[{\"$ref\":\"#/$defs/B\"},{\"properties\":{\"y\":{\"type\":\"string\"}},"
            "\"required\":[\"y\"]}],\"$defs\":{\"B\":{\"type\":\"object\",\"properties\":{\"x\":{"
            "\"type\":\"string\"}},\"required\":[\"x\"]}}}",
            "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\"},\"y\":{\"type\":"
            "\"string\"}},\"required\":[\"x\",\"y\"]}");
}

static void bounds_and_missing_pieces(void **state)
{
    (void)state;
    becomes("{\"type\":\"integer\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":10}",
            "{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}");
    becomes("{\"type\":\"number\",\"exclusiveMinimum\":0.5}",
            "{\"type\":\"number\",\"minimum\":0.5}");
    becomes("{\"type\":\"integer\",\"exclusiveMinimum\":true,\"minimum\":3}",
            "{\"type\":\"integer\",\"minimum\":3}");
    becomes("{\"type\":\"array\"}", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}");
    becomes(
        "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"number\"}],"
        "\"minItems\":2}",
        "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]}"
        ",\"minItems\":2}");
    becomes("{\"properties\":{\"any\":{},\"yes\":true,\"no\":false}}",
            "{\"type\":\"object\",\"properties\":{\"any\":{\"type\":\"string\"},\"yes\":{\"type\":"
            "\"string\"}}}");
    becomes("{\"type\":\"object\",\"properties\":{}}", "{\"type\":\"object\"}");
    becomes("true", "{\"type\":\"string\"}");
}

static void no_json_gives_nothing(void **state)
{
    (void)state;
    assert_null(schema_openapi(arena, STR_LIT("{")).ptr);
    assert_null(schema_openapi(arena, STR_NONE).ptr);
}

/* Sixty definitions, each naming the next twice, would be 2^60 schemas. */
static void expansion_has_a_ceiling(void **state)
{
    struct buffer b;
    struct json_value v;
    (void)state;
    buffer_init(&b, 1u << 20);
    (void)buffer_append_z(&b, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (unsigned i = 0; i < 60; i++) {
        (void)buffer_printf(&b,
                            "\"d%u\":{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":"
                            "\"#/$defs/d%u\"},\"b\":{\"$ref\":\"#/$defs/d%u\"}}},",
                            i, i + 1, i + 1);
    }
    (void)buffer_append_z(&b, "\"d60\":{\"type\":\"string\"}}}");
    struct str got = schema_openapi(arena, buffer_str(&b));
    assert_true(read_json(got, &v));
    assert_true(got.len < 200000);
    buffer_clear(&b);
    for (unsigned i = 0; i < 100; i++) { /* deeper than the writer goes */
        (void)buffer_append_z(&b, "{\"items\":");
    }
    (void)buffer_append_z(&b, "{}");
    for (unsigned i = 0; i < 100; i++) {
        (void)buffer_append_z(&b, "}");
    }
    got = schema_openapi(arena, buffer_str(&b));
    assert_true(read_json(got, &v));
    buffer_release(&b);
}

/* A thousand references into a document of eight megabytes: followed while that is cheap. */
static void looking_has_a_ceiling(void **state)
{
    struct buffer b;
    struct json_value v;
    (void)state;
    buffer_init(&b, 16u << 20);
    (void)buffer_append_z(&b, "{\"type\":\"object\",\"properties\":{");
    for (unsigned i = 0; i < 200; i++) {
        (void)buffer_printf(&b, "%s\"p%u\":{\"$ref\":\"#/$defs/z\"}", i ? "," : "", i);
    }
    (void)buffer_append_z(&b, "},\"$defs\":{\"a\":\"");
    for (unsigned i = 0; i < 8u << 14; i++) {
        (void)buffer_append_z(&b,
                              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    }
    (void)buffer_append_z(&b, "\",\"z\":{\"type\":\"integer\"}}}");
    struct str got = schema_openapi(arena, buffer_str(&b));
    assert_true(read_json(got, &v));
    assert_non_null(strstr(got.ptr, "\"p0\":{\"type\":\"integer\"}"));
    assert_non_null(strstr(got.ptr, "\"p199\":{\"type\":\"object\"}"));
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain_objects_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_google_refuses_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(references_are_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(recursion_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(null_becomes_nullable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unions_stand_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(words_become_one_enum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_of_is_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_and_missing_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_json_gives_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expansion_has_a_ceiling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(looking_has_a_ceiling, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
