/* dialects/openai_chat.c: what is read of a body, and that splicing changes nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "dataplane/dialects/openai_chat.h"

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

/* The body that the provider would get. */
static char *written(const char *body, const char *model, bool *ret_added)
{
    struct openai_chat c;
    struct openai_chat_body out;
    struct error err = ERROR_INIT;
    size_t at = 0;
    assert_true(openai_chat_read(str_of(body), arena, &c, &err));
    assert_true(openai_chat_write(str_of(body), &c, str_of(model), arena, &out));
    char *text = arena_alloc(arena, out.len_bytes + 1);
    for (size_t i = 0; i < out.n; i++) {
        memcpy(text + at, out.pieces[i].ptr, out.pieces[i].len);
        at += out.pieces[i].len;
    }
    assert_int_equal(at, out.len_bytes);
    text[at] = '\0';
    struct error valid = ERROR_INIT;
    assert_true(json_validate((struct str){text, at}, 0, NULL, &valid));
    if (ret_added) {
        *ret_added = out.usage_added;
    }
    return text;
}

static void same_model_leaves_every_byte(void **state)
{
    (void)state;
    bool added;
    const char *body = " {\"messages\" : [ ],\n\t\"model\" : \"gpt-4o\" , \"x\":1e5} ";
    assert_string_equal(written(body, "gpt-4o", &added), body);
    assert_false(added);
}

static void model_is_spliced_and_nothing_else(void **state)
{
    (void)state;
    assert_string_equal(
        written("{ \"model\" :\"fast\",\"messages\":[{\"content\":\"\\u00e9 fast\"}]}",
                "gpt-4o-mini", NULL),
        "{ \"model\" :\"gpt-4o-mini\",\"messages\":[{\"content\":\"\\u00e9 fast\"}]}");
    assert_string_equal(written("{\"messages\":[],\"mod\\u0065l\":\"a\"}", "b\"c\\d", NULL),
                        "{\"messages\":[],\"mod\\u0065l\":\"b\\\"c\\\\d\"}");
}

static void usage_is_asked_for_in_every_shape(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
    } cases[] = {
        {"{\"model\":\"m\",\"stream\":true}",
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}"},
        {" { \"stream\":true,\"model\":\"m\"}",
         " {\"stream_options\":{\"include_usage\":true}, \"stream\":true,\"model\":\"m\"}"},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":null}",
         "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{ }}",
         "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true }}"},
        {"{\"stream_options\":{\"a\":1},\"model\":\"m\",\"stream\":true}",
         "{\"stream_options\":{\"include_usage\":true,\"a\":1},\"model\":\"m\",\"stream\":true}"},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":false}}",
         "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":null,\"a\":[]}}",
         "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"a\":[]}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool added = false;
        assert_string_equal(written(cases[i].body, "m", &added), cases[i].want);
        assert_true(added);
    }
}

static void usage_and_model_in_either_order(void **state)
{
    (void)state;
    assert_string_equal(
        written("{\"model\":\"a\",\"stream\":true,\"stream_options\":{}}", "bb", NULL),
        "{\"model\":\"bb\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    assert_string_equal(
        written("{\"stream_options\":{},\"stream\":true,\"model\":\"a\"}", "bb", NULL),
        "{\"stream_options\":{\"include_usage\":true},\"stream\":true,\"model\":\"bb\"}");
}

static void usage_is_left_alone_otherwise(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"model\":\"m\"}",
        "{\"model\":\"m\",\"stream\":false,\"stream_options\":{}}",
        "{\"model\":\"m\",\"stream\":null}",
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
        /* the provider's to refuse */
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":7}",
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":\"yes\"}}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        bool added = true;
        assert_string_equal(written(bodies[i], "m", &added), bodies[i]);
        assert_false(added);
    }
}

static void refused(const char *body, enum error_code code, const char *param)
{
    struct openai_chat c;
    struct error err = ERROR_INIT;
    assert_false(openai_chat_read(str_of(body), arena, &c, &err));
    assert_int_equal(err.code, code);
    assert_string_equal(err.param, param);
}

static void bad_fields_are_named(void **state)
{
    (void)state;
    refused("{}", ERR_INVALID_FIELD, "model");
    refused("{\"model\":5}", ERR_INVALID_FIELD, "model");
    refused("{\"model\":\"\"}", ERR_INVALID_FIELD, "model");
    refused("{\"model\":\"a\\r\\nb\"}", ERR_INVALID_FIELD, "model");
    refused("{\"model\":\"m\",\"stream\":\"yes\"}", ERR_INVALID_FIELD, "stream");
    refused("[]", ERR_INVALID_JSON, "");
    refused("{\"model\":\"a\",\"model\":\"b\"}", ERR_INVALID_JSON, "");
    refused("", ERR_INVALID_JSON, "");
}

static void malformed_json_tells_where(void **state)
{
    (void)state;
    struct openai_chat c;
    struct error err = ERROR_INIT;
    assert_false(openai_chat_read(str_of("{\"model\":\"m\",\n \"x\":tru}"), arena, &c, &err));
    assert_int_equal(err.code, ERR_INVALID_JSON);
    assert_int_equal(err.line, 2);
    assert_true(err.column > 5 && err.offset > 17);
}

static void escaped_model_is_decoded(void **state)
{
    (void)state;
    struct openai_chat c;
    struct error err = ERROR_INIT;
    assert_true(
        openai_chat_read(str_of("{\"model\":\"gpt\\u002d4o\",\"stream\":true}"), arena, &c, &err));
    assert_true(str_eqz(c.model, "gpt-4o"));
    assert_true(c.stream);
    assert_false(c.usage_asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_model_leaves_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(model_is_spliced_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(usage_is_asked_for_in_every_shape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(usage_and_model_in_either_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(usage_is_left_alone_otherwise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_fields_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_json_tells_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escaped_model_is_decoded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
