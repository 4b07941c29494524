/* What templates do beyond the specification: faults with their place, escaping as JSON,
 * strictness, bounds, the names that a template asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/mustache.h"

static struct arena *arena;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    err = (struct error)ERROR_INIT;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct json_value value_of(const char *json)
{
    struct json_value v;
    if (!json_validate(str_of(json), 0, &v, NULL)) {
        fail_msg("no JSON: %s", json);
    }
    return v;
}

static const struct mustache *compiled(const char *text)
{
    const struct mustache *m = NULL;
    if (!mustache_compile(str_of(text), arena, &m, &err)) {
        fail_msg("%s: %s", text, error_text(&err));
    }
    return m;
}

static bool render(const char *text, const char *json, struct mustache_options o, size_t room,
                   char *to, size_t size)
{
    struct buffer out;
    buffer_init(&out, room);
    bool good = mustache_render(compiled(text), value_of(json), &o, arena, &out, &err);
    (void)snprintf(to, size, "%.*s", STR_ARG(buffer_str(&out)));
    buffer_release(&out);
    return good;
}

static void renders(const char *text, const char *json, enum mustache_escape escape,
                    const char *expected)
{
    char got[4096];
    if (!render(text, json, (struct mustache_options){.escape = escape}, 1 << 20, got,
                sizeof(got))) {
        fail_msg("%s: %s", text, error_text(&err));
    }
    assert_string_equal(got, expected);
}

static void is_faulty(const char *text, const char *says, int line, int column)
{
    const struct mustache *m;
    assert_false(mustache_compile(str_of(text), arena, &m, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    if (!strstr(error_text(&err), says)) {
        fail_msg("'%s' is not in '%s'", says, error_text(&err));
    }
    assert_int_equal(err.line, line);
    assert_int_equal(err.column, column);
}

static void faults_have_a_place(void **state)
{
    (void)state;
    is_faulty("a\nb {{#x}}\nc", "section 'x' is not closed", 2, 3);
    is_faulty("{{#x}}{{#y}}{{/x}}{{/y}}", "section 'x' is closed where another", 1, 13);
    is_faulty("\n{{/x}}", "section 'x' is closed but was not opened", 2, 1);
    is_faulty("{{x", "'{{' opens is not closed", 1, 1);
    is_faulty("{{{x}}", "is not closed", 1, 1);
    is_faulty("{{ a {{b}}", "before the next", 1, 1);
    is_faulty("ab{{ }}", "has no name", 1, 3);
    is_faulty("{{>*}}", "has no name", 1, 1);
    is_faulty("{{=a=}}", "delimiters", 1, 1);
    is_faulty("{{=a b c=}}", "delimiters", 1, 1);
    is_faulty("{{= a= b =}}", "delimiters", 1, 1);
    is_faulty("{{=| |=}}|x", "'|' opens is not closed", 1, 10);
}

static void braces_that_are_no_tags_stay(void **state)
{
    (void)state;
    renders("{ \"a\": {\"b\": 1}} } {x}", "{}", MUSTACHE_PLAIN, "{ \"a\": {\"b\": 1}} } {x}");
    renders("", "{}", MUSTACHE_PLAIN, "");
    renders("\xc3\xa9 {{x}} \xf0\x9f\x8d\x8a", "{\"x\":\"\\u00e9\\n\"}", MUSTACHE_PLAIN,
            "\xc3\xa9 \xc3\xa9\n \xf0\x9f\x8d\x8a");
}

static void values_are_written_as_they_are(void **state)
{
    (void)state;
    const char *data = "{\"n\":1.50,\"big\":123456789012345678901234567890,\"t\":true,\"f\":false,"
                       "\"o\":{\"a\": [1,\"x\"]},\"l\":[\"p\",2],\"s\":\"<&\\\"\"}";
    renders("{{n}} {{big}} {{t}} {{f}}", data, MUSTACHE_PLAIN,
            "1.50 123456789012345678901234567890 true false");
    renders("{{o}} {{l}}", data, MUSTACHE_PLAIN, "{\"a\": [1,\"x\"]} [\"p\",2]");
    renders("{{s}} {{{s}}}", data, MUSTACHE_PLAIN, "<&\" <&\"");
    renders("{{l}} {{{l}}}", data, MUSTACHE_HTML, "[&quot;p&quot;,2] [\"p\",2]");
}

static void empty_values_are_false(void **state)
{
    (void)state;
    const char *data = "{\"s\":\"\",\"z\":0,\"zz\":-0.0e5,\"l\":[],\"o\":{},\"one\":0.01,\"b\":\" "
                       "\"}";
    renders("{{#s}}s{{/s}}{{#z}}z{{/z}}{{#zz}}z{{/zz}}{{#l}}l{{/l}}", data, MUSTACHE_PLAIN, "");
    renders("{{#o}}o{{/o}}{{#one}}1{{/one}}{{#b}}b{{/b}}", data, MUSTACHE_PLAIN, "o1b");
    renders("{{^s}}s{{/s}}{{^z}}z{{/z}}{{^o}}o{{/o}}", data, MUSTACHE_PLAIN, "sz");
}

static void json_templates_stay_json(void **state)
{
    (void)state;
    const char *data = "{\"s\":\"a\\\"b\\n\\u00e9\",\"o\":{\"k\":\"v\\\\\"},\"n\":3,\"none\":null,"
                       "\"json\":\"{\\\"x\\\":1}\",\"l\":[1,2]}";
    renders("{\"a\":\"{{s}}|{{{s}}}\"}", data, MUSTACHE_JSON,
            "{\"a\":\"a\\\"b\\n\\u00e9|a\\\"b\\n\\u00e9\"}");
    renders("[\"{{o}}\",\"\\\"{{l}}\",\"{{n}}{{none}}\"]", data, MUSTACHE_JSON,
            "[\"{\\\"k\\\":\\\"v\\\\\\\\\\\"}\",\"\\\"[1,2]\",\"3\"]");
    renders("[{{o}},{{l}},{{n}},{{none}}]", data, MUSTACHE_JSON,
            "[{\"k\":\"v\\\\\"},[1,2],3,null]");
    /* a text outside of quotes brings its own, unless it is JSON that was meant to go in */
    renders("[{{s}},{{json}},{{{json}}},{{{s}}}]", data, MUSTACHE_JSON,
            "[\"a\\\"b\\n\\u00e9\",\"{\\\"x\\\":1}\",{\"x\":1},\"a\\\"b\\n\\u00e9\"]");
}

static void strictness_names_what_is_missing(void **state)
{
    char got[100];
    struct mustache_options strict = {.strict = true};
    (void)state;
    assert_false(render("{{a}}{{b.c}}", "{\"a\":1,\"b\":{}}", strict, 100, got, sizeof(got)));
    assert_string_equal(err.param, "b.c");
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_false(render("{{>p}}", "{}", strict, 100, got, sizeof(got)));
    assert_string_equal(err.param, "p");
    assert_true(render("{{a}}{{#b}}{{c}}{{/b}}{{^d}}.{{/d}}", "{\"a\":null}", strict, 100, got,
                       sizeof(got)));
    assert_string_equal(got, ".");
}

static const struct mustache *itself(void *arg, struct str name)
{
    return str_eqz(name, "self") ? *(const struct mustache **)arg : NULL;
}

static void depth_is_bounded(void **state)
{
    struct buffer out, text;
    const struct mustache *self = compiled("{{>self}}"), *m;
    struct mustache_options o = {.partial = itself, .partial_arg = &self};
    (void)state;
    buffer_init(&out, 1000);
    buffer_init(&text, 10000);
    assert_false(mustache_render(self, value_of("{}"), &o, arena, &out, &err));
    assert_non_null(strstr(error_text(&err), "nested too deeply"));
    for (unsigned i = 0; i < MUSTACHE_MAX_DEPTH + 1; i++) {
        (void)buffer_append_z(&text, "{{#a}}");
    }
    assert_false(mustache_compile(buffer_str(&text), arena, &m, &err));
    assert_non_null(strstr(error_text(&err), "nested too deeply"));
    buffer_release(&out);
    buffer_release(&text);
}

static void room_and_work_are_bounded(void **state)
{
    char got[200];
    struct buffer text, data;
    (void)state;
    assert_false(render("{{#l}}12345{{/l}}", "{\"l\":[1,1,1,1,1]}", (struct mustache_options){0},
                        16, got, sizeof(got)));
    assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
    /* 100 items, looked through in each item, and so on: 100^20 turns without a byte of output */
    buffer_init(&text, 10000);
    buffer_init(&data, 10000);
    for (unsigned i = 0; i < 40; i++) {
        (void)buffer_append_z(&text, i < 20 ? "{{#a}}" : "{{/a}}");
    }
    (void)buffer_append_z(&data, "{\"a\":[");
    for (unsigned i = 0; i < 100; i++) {
        (void)buffer_append_z(&data, i ? ",1" : "1");
    }
    (void)buffer_append_z(&data, "]}");
    char *t = buffer_detach(&text), *d = buffer_detach(&data);
    assert_false(render(t, d, (struct mustache_options){0}, 100, got, sizeof(got)));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_non_null(strstr(error_text(&err), "too much work"));
    mem_free(t);
    mem_free(d);
}

/* Past 512 bytes an object is read by a table of its members. */
static void large_objects_are_read_alike(void **state)
{
    struct buffer data;
    char got[200];
    (void)state;
    buffer_init(&data, 100000);
    (void)buffer_append_z(&data, "{\"twice\":1,");
    for (unsigned i = 0; i < 300; i++) {
        (void)buffer_printf(&data, "\"key%u\":{\"v\":%u},", i, i);
    }
    (void)buffer_append_z(&data,
                          "\"\\u00e9\":\"e\",\"twice\":2,\"in\":{\"key7\":{\"v\":\"own\"}}}");
    char *json = buffer_detach(&data);
    struct mustache_options o = {.escape = MUSTACHE_PLAIN};
    o.data = mustache_data_new(value_of(json), arena);
    assert_true(render("{{key0.v}} {{key299.v}} {{\xc3\xa9}} {{twice}} {{none}} "
                       "{{#in}}{{key7.v}} {{key8.v}}{{/in}}",
                       json, o, 1000, got, sizeof(got)));
    assert_string_equal(got, "0 299 e 2  own 8");
    mem_free(json);
}

struct seen {
    char text[400];
};

static bool note(void *arg, const struct mustache_name *n)
{
    struct seen *s = arg;
    size_t at = strlen(s->text);
    (void)snprintf(s->text + at, sizeof(s->text) - at, "%.*s%s ", STR_ARG(n->name),
                   n->partial    ? ">"
                   : n->section  ? "#"
                   : n->inverted ? "^"
                                 : "");
    return !str_eqz(n->name, "stop");
}

static void names_are_told_once(void **state)
{
    struct seen s = {{0}};
    (void)state;
    mustache_each_name(compiled("{{a}}{{#b}}{{.}}{{a}}{{c.d}}{{/b}}{{^b}}{{/b}}{{^e}}{{/e}}{{>a}}"
                                "{{>*f}}{{! g }}{{{h}}}{{stop}}{{i}}"),
                       note, &s);
    assert_string_equal(s.text, "a b# c.d e^ a> f h stop ");
}

static void a_sole_value_is_seen(void **state)
{
    struct json_value v;
    struct mustache_data *d = mustache_data_new(value_of("{\"l\":[1],\"a\":{\"b\":null}}"), arena);
    bool found = false;
    (void)state;
    assert_true(mustache_sole_value(compiled("{{l}}"), d, &found, &v));
    assert_true(found && v.type == JSON_ARRAY);
    assert_true(mustache_sole_value(compiled("{{{ a.b }}}"), d, &found, &v));
    assert_true(found && v.type == JSON_NULL);
    assert_true(mustache_sole_value(compiled("{{none}}"), d, &found, &v));
    assert_false(found);
    assert_false(mustache_is_sole(compiled(" {{l}}")));
    assert_false(mustache_is_sole(compiled("{{l}}{{l}}")));
    assert_false(mustache_is_sole(compiled("{{>l}}")));
    assert_false(mustache_is_sole(compiled("")));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(faults_have_a_place),
        TEST(braces_that_are_no_tags_stay),
        TEST(values_are_written_as_they_are),
        TEST(empty_values_are_false),
        TEST(json_templates_stay_json),
        TEST(strictness_names_what_is_missing),
        TEST(depth_is_bounded),
        TEST(room_and_work_are_bounded),
        TEST(large_objects_are_read_alike),
        TEST(names_are_told_once),
        TEST(a_sole_value_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
