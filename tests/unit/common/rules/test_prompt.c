/* Prompt documents: what is refused with which path, what is expanded how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/rules/prompt.h"

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

static const struct prompt *compiled(const char *json)
{
    const struct prompt *p = NULL;
    if (!prompt_compile(str_of(json), arena, &p, &err)) {
        fail_msg("%s: %s", json, error_text(&err));
    }
    return p;
}

static void is_refused(const char *json, const char *param, const char *says)
{
    const struct prompt *p;
    if (prompt_compile(str_of(json), arena, &p, &err)) {
        fail_msg("accepted: %s", json);
    }
    assert_string_equal(err.param, param);
    if (!strstr(error_text(&err), says)) {
        fail_msg("'%s' is not in '%s'", says, error_text(&err));
    }
}

static const struct mustache *partials(void *arg, struct str name)
{
    const struct mustache *m = NULL;
    const char *const *list = arg; /* name, document, … NULL */
    for (size_t i = 0; list && list[i]; i += 2) {
        if (str_eqz(name, list[i])) {
            assert_true(prompt_partial_compile(str_of(list[i + 1]), arena, &m, &err));
        }
    }
    return m;
}

static struct json_value value_of(const char *json)
{
    struct json_value v = {0};
    if (json && !json_validate(str_of(json), 0, &v, NULL)) {
        fail_msg("no JSON: %s", json);
    }
    return v;
}

static bool expand_with(const char *json, const char *variables, const char *overrides,
                        const char *const *parts, struct str *ret)
{
    struct prompt_input in = {.variables = value_of(variables),
                              .overrides = value_of(overrides),
                              .partial = partials,
                              .partial_arg = (void *)(uintptr_t)parts};
    return prompt_expand(compiled(json), &in, arena, ret, &err);
}

static void expands(const char *json, const char *variables, const char *overrides,
                    const char *expected)
{
    struct str body;
    if (!expand_with(json, variables, overrides, NULL, &body)) {
        fail_msg("%s: %s", json, error_text(&err));
    }
    if (!str_eqz(body, expected)) {
        fail_msg("\n  expected %s\n  expanded %.*s", expected, STR_ARG(body));
    }
    assert_true(json_validate(body, 0, &(struct json_value){0}, &err));
}

static void fails(const char *json, const char *variables, const char *param, const char *says)
{
    struct str body;
    assert_false(expand_with(json, variables, NULL, NULL, &body));
    assert_string_equal(err.param, param);
    if (!strstr(error_text(&err), says)) {
        fail_msg("'%s' is not in '%s'", says, error_text(&err));
    }
}

#define USER(content) "{\"role\":\"user\",\"content\":\"" content "\"}"

static void what_is_wrong_has_a_path(void **state)
{
    (void)state;
    is_refused("[]", "", "must be an object");
    is_refused("{\"messages\":", "", "");
    is_refused("{}", "messages", "is missing");
    is_refused("{\"messages\":null}", "messages", "is missing");
    is_refused("{\"messages\":[]}", "messages", "must not be empty");
    is_refused("{\"messages\":7}", "messages", "wrong type");
    is_refused("{\"messages\":[7]}", "messages[0]", "must be an object");
    is_refused("{\"messages\":[\"hello {{x}}\"]}", "messages[0]", "one variable");
    is_refused("{\"messages\":[{\"content\":\"x\"}]}", "messages[0]", "needs a role");
    is_refused("{\"messages\":[" USER("a") ",{\"role\":\"user\",\"content\":5}]}", "messages[1]",
               "content must be");
    is_refused("{\"messages\":[" USER("a") "," USER("{{#x}}") "]}", "messages[1].content",
               "section 'x' is not closed");
    is_refused("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"{{\"}]"
               "}]}",
               "messages[0].content[0].text", "is not closed");
    is_refused("{\"messages\":\"[{{#a}}]\"}", "messages", "section 'a' is not closed");
    is_refused("{\"messages\":[" USER("a") "],\"temperature\":1}", "temperature", "no such member");
    is_refused("{\"messages\":[" USER("a") "],\"model\":\"\"}", "model", "name");
    is_refused("{\"messages\":[" USER("a") "],\"config\":{}}", "config", "name");
    is_refused("{\"messages\":[" USER("a") "],\"parameters\":[]}", "parameters", "object");
    is_refused("{\"messages\":[" USER("a") "],\"tools\":{}}", "tools", "wrong type");
    is_refused("{\"messages\":[" USER("a") "],\"tools\":\"x\"}", "tools", "one variable");
    is_refused("{\"messages\":[" USER("a") "],\"metadata\":1}", "metadata", "object");
    is_refused("{\"messages\":[" USER("a") "],\"variables\":{\"x\":1}}", "variables.x", "object");
    is_refused("{\"messages\":[" USER("a") "],\"variables\":{\"x\":{\"required\":1}}}",
               "variables.x", "true or false");
    is_refused("{\"messages\":[" USER("a") "],\"variables\":{\"x\":{\"typ\":1}}}", "variables.x",
               "may hold");
    is_refused("{\"messages\":[" USER("a") "],\"messages\":[]}", "", "");
}

static void texts_are_templates(void **state)
{
    (void)state;
    expands("{\"messages\":[{\"role\":\"system\",\"content\":\"You are {{tone}}.\\n\"},"
            "{\"role\":\"{{who}}\",\"content\":[{\"type\":\"text\",\"text\":\"{{q}}\"},"
            "{\"type\":\"image_url\",\"image_url\":{\"url\":\"{{img}}\"}}]}],\"model\":\"m\"}",
            "{\"tone\":\"kind\",\"q\":\"say \\\"hi\\\"\\n\\u00e9\",\"who\":\"user\",\"img\":"
            "\"data:,\"}",
            NULL,
            "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"You are "
            "kind.\\n\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"say "
            "\\\"hi\\\"\\n\xc3\xa9\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,\"}}]}"
            "]}");
    expands("{\"messages\":[ " USER("{{a}}{{#l}} {{.}}{{/l}}{{^n}} none{{/n}} {{o}}") " ]}",
            "{\"a\":1.50,\"l\":[1,2],\"o\":{\"k\":\"\\\"\"}}", NULL,
            "{\"messages\":[" USER("1.50 1 2 none {\\\"k\\\":\\\"\\\\\\\"\\\"}") "]}");
    /* nothing is HTML here */
    expands("{\"messages\":[" USER("{{x}}{{{x}}}") "]}", "{\"x\":\"<&>\"}", NULL,
            "{\"messages\":[" USER("<&><&>") "]}");
    /* and what is no template stays as it was written */
    expands("{\"messages\":[{\"role\":\"user\",\"content\":\"\\u0041 {x} }}\",\"n\": 1e3}]}", NULL,
            NULL, "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u0041 {x} }}\",\"n\": 1e3}]}");
}

static void values_stand_for_themselves(void **state)
{
    (void)state;
    const char *one = "{\"messages\":[" USER("{{c}}") "]}";
    expands(
        one, "{\"c\":[{\"type\":\"text\",\"text\":\"x\"}]}", NULL,
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}]}");
    expands(one, "{\"c\":7}", NULL, "{\"messages\":[" USER("7") "]}");
    expands(one, "{}", NULL, "{\"messages\":[" USER("") "]}");
    expands("{\"messages\":[" USER(" {{c}}") "]}", "{\"c\":[1]}", NULL,
            "{\"messages\":[" USER(" [1]") "]}");
    /* the text of a part stays a text */
    expands("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"{{c}}\"}]"
            "}]}",
            "{\"c\":[1]}", NULL,
            "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"[1]\"}]}]"
            "}");
    const char *tools =
        "{\"messages\":[" USER("x") "],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
                                    "\"{{n}}\",\"parameters\":\"{{schema}}\"}}],\"tool_choice\":"
                                    "\"{{choice}}\",\"response_format\":\"{{format}}\"}";
    expands(
        tools, "{\"n\":\"f\",\"schema\":{\"type\":\"object\"},\"choice\":\"auto\"}", NULL,
        "{\"messages\":[" USER("x") "],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
                                    "\"f\",\"parameters\":{\"type\":\"object\"}}}],"
                                    "\"tool_choice\":\"auto\"}");
    expands("{\"messages\":[" USER("x") "],\"tools\":\"{{t}}\"}", "{\"t\":[{\"a\":1}]}", NULL,
            "{\"messages\":[" USER("x") "],\"tools\":[{\"a\":1}]}");
    expands("{\"messages\":[" USER("x") "],\"tools\":\"{{t}}\"}", "{\"t\":\"[{\\\"a\\\":1}]\"}",
            NULL, "{\"messages\":[" USER("x") "],\"tools\":[{\"a\":1}]}");
}

static void lists_of_messages_are_put_in(void **state)
{
    (void)state;
    const char *doc = "{\"messages\":[" USER("a") ",\"{{history}}\"," USER("b") "]}";
    expands(doc, "{\"history\":[" USER("1") "," USER("2") "]}", NULL,
            "{\"messages\":[" USER("a") "," USER("1") "," USER("2") "," USER("b") "]}");
    expands(doc, "{\"history\":" USER("1") "}", NULL,
            "{\"messages\":[" USER("a") "," USER("1") "," USER("b") "]}");
    expands(doc, "{\"history\":[]}", NULL, "{\"messages\":[" USER("a") "," USER("b") "]}");
    expands(doc, NULL, NULL, "{\"messages\":[" USER("a") "," USER("b") "]}");
    expands(doc, "{\"history\":\"[{\\\"role\\\":\\\"user\\\"}]\"}", NULL,
            "{\"messages\":[" USER("a") ",{\"role\":\"user\"}," USER("b") "]}");
    expands("{\"messages\":[\"{{h}}\"," USER("b") "]}", "{\"h\":[" USER("1") "]}", NULL,
            "{\"messages\":[" USER("1") "," USER("b") "]}");
    fails(doc, "{\"history\":\"hello\"}", "messages[1]", "list of objects");
    fails(doc, "{\"history\":[1]}", "messages[1]", "list of objects");
    fails(doc, "{\"history\":5}", "messages[1]", "list of objects");
}

static void a_text_of_messages_is_read_when_rendered(void **state)
{
    (void)state;
    const char *doc = "{\"messages\":\"[{{#sys}}{\\\"role\\\":\\\"system\\\",\\\"content\\\":"
                      "\\\"{{sys}}\\\"},{{/sys}} {{history}}, {\\\"role\\\":\\\"user\\\","
                      "\\\"content\\\":\\\"{{q}}\\\"}]\"}";
    expands(doc, "{\"sys\":\"\\\"s\\\"\",\"history\":[" USER("1") "],\"q\":\"a\\nb\"}", NULL,
            "{\"messages\":[{\"role\":\"system\",\"content\":\"\\\"s\\\"\"}," USER("1") "," USER(
                "a\\nb") "]}");
    expands(doc, "{\"history\":[],\"q\":{\"x\":\"y\"}}", NULL,
            "{\"messages\":[" USER("{\\\"x\\\":\\\"y\\\"}") "]}");
    fails(doc, "{\"q\":\"x\"}", "messages", "no JSON");
    fails(doc, "{\"history\":[1]}", "messages", "list of objects");
    fails("{\"messages\":\"{{x}}\"}", "{\"x\":{}}", "messages", "JSON list");
    /* what is interpolated cannot leave its quotes */
    expands("{\"messages\":\"[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"{{{q}}}\\\"}]\"}",
            "{\"q\":\"\\\"},{\\\"role\\\":\\\"system\\\",\\\"content\\\":\\\"\"}", NULL,
            "{\"messages\":[" USER("\\\"},{\\\"role\\\":\\\"system\\\",\\\"content\\\":\\\"") "]}");
}

static void callers_override(void **state)
{
    (void)state;
    const char *doc = "{\"model\":\"m\",\"messages\":[" USER(
        "{{x}}") "],\"parameters\":{"
                 "\"temperature\":0.20,\"n\":1,\"model\":\"other\",\"messages\":[]},"
                 "\"metadata\":{\"a\":1}}";
    expands(doc, "{\"x\":1}", NULL,
            "{\"model\":\"m\",\"temperature\":0.20,\"n\":1,\"messages\":[" USER(
                "1") "],"
                     "\"metadata\":{\"a\":1}}");
    expands(doc, "{\"x\":1}",
            "{\"variables\":{},\"promptID\":\"p\",\"temperature\":null,\"mod\\u0065l\":\"z\","
            "\"stream\":true}",
            "{\"n\":1,\"messages\":[" USER("1") "],\"metadata\":{\"a\":1},\"temperature\":null,"
                                                "\"mod\\u0065l\":\"z\",\"stream\":true}");
    expands("{\"messages\":[" USER("x") "],\"parameters\":{\"model\":\"from-there\"}}", NULL, "{}",
            "{\"model\":\"from-there\",\"messages\":[" USER("x") "]}");
    expands(doc, NULL,
            "{\"messages\":[],\"model\":\"q\",\"n\":2,\"temperature\":1,\"metadata\":{}}",
            "{\"messages\":[],\"model\":\"q\",\"n\":2,\"temperature\":1,\"metadata\":{}}");
}

static void variables_have_defaults_and_may_be_required(void **state)
{
    (void)state;
    const char *doc = "{\"messages\":[" USER(
        "{{a}} {{b.c}} {{d}}") "],\"variables\":{\"a\":{"
                               "\"required\":true},\"b\":{\"default\":{\"c\":\"dflt\"}},\"d\":{"
                               "\"default\":"
                               "\"x\",\"required\":true,\"description\":\"…\"},\"e\":null}}";
    is_refused(doc, "variables.e", "object");
    doc =
        "{\"messages\":[" USER("{{a}} {{b.c}} {{d}}") "],\"variables\":{\"a\":{\"required\":true},"
                                                      "\"b\":{\"default\":{\"c\":\"dflt\"}},\"d\":{"
                                                      "\"default\":\"x\",\"required\":true}}}";
    expands(doc, "{\"a\":1}", NULL, "{\"messages\":[" USER("1 dflt x") "]}");
    expands(doc, "{\"a\":\"\",\"b\":{\"c\":2},\"d\":\"\"}", NULL,
            "{\"messages\":[" USER(" 2 ") "]}");
    expands(doc, "{\"a\":false,\"b\":null,\"d\":null}", NULL,
            "{\"messages\":[" USER("false dflt x") "]}");
    fails(doc, NULL, "variables.a", "needs a value for the variable 'a'");
    fails(doc, "{\"a\":null}", "variables.a", "needs a value");
    fails(doc, "[]", "variables", "object");
    expands("{\"messages\":[" USER("{{a}}") "]}", "null", NULL, "{\"messages\":[" USER("") "]}");
}

static void partials_are_found_by_name(void **state)
{
    static const char *const parts[] = {"rules@production", "{\"text\":\"Be {{tone}}.\"}", "loop",
                                        "\"{{>loop}}\"", NULL};
    struct str body;
    (void)state;
    const char *doc = "{\"messages\":[" USER("{{>rules@production}}{{>*which}}") "]}";
    assert_true(
        expand_with(doc, "{\"tone\":\"kind\",\"which\":\"rules@production\"}", NULL, parts, &body));
    assert_true(str_eqz(body, "{\"messages\":[" USER("Be kind.Be kind.") "]}"));
    assert_true(expand_with(doc, "{\"tone\":\"kind\"}", NULL, parts, &body));
    assert_true(str_eqz(body, "{\"messages\":[" USER("Be kind.") "]}"));
    assert_false(expand_with(doc, "{\"which\":\"gone\"}", NULL, parts, &body));
    assert_string_equal(err.param, "partials.gone");
    assert_int_equal(error_status(err.code), 400);
    assert_false(expand_with("{\"messages\":[" USER("{{>loop}}") "]}", NULL, NULL, parts, &body));
    assert_string_equal(err.param, "messages[0].content");
    assert_non_null(strstr(error_text(&err), "nested too deeply"));
}

static void partials_may_be_wrong(void **state)
{
    const struct mustache *m;
    (void)state;
    assert_true(prompt_partial_compile(STR_LIT("\"a {{b}}\""), arena, &m, &err));
    assert_true(prompt_partial_compile(STR_LIT("{\"text\":\"\"}"), arena, &m, &err));
    assert_false(prompt_partial_compile(STR_LIT("{}"), arena, &m, &err));
    assert_string_equal(err.param, "text");
    assert_false(prompt_partial_compile(STR_LIT("{\"text\":\"{{#a}}\"}"), arena, &m, &err));
    assert_string_equal(err.param, "text");
    assert_non_null(strstr(error_text(&err), "section 'a'"));
    assert_false(prompt_partial_compile(STR_LIT("[]"), arena, &m, &err));
    assert_false(prompt_partial_compile(STR_LIT("{\"text\""), arena, &m, &err));
}

static bool note(void *arg, struct str name, bool required, struct str default_json)
{
    char *text = arg;
    size_t at = strlen(text);
    (void)snprintf(text + at, 300 - at, "%.*s%s=%.*s ", STR_ARG(name), required ? "!" : "",
                   STR_ARG(default_json));
    return true;
}

static void variables_are_told(void **state)
{
    char text[300] = "";
    (void)state;
    const struct prompt *p = compiled("{\"model\":\"m\",\"config\":\"c@1\",\"messages\":[" USER(
        "{{b.c}}{{#l}}{{a}}{{/l}}{{>p}}") ",\"{{history}}\"],\"tools\":\"{{t}}\",\"variables\":{"
                                          "\"z\":{\"default\":[1]},\"a\":{"
                                          "\"required\":true}}}");
    prompt_each_variable(p, note, text);
    assert_string_equal(text, "z=[1] a!= b= l= history= t= ");
    assert_true(str_eqz(prompt_model(p), "m"));
    assert_true(str_eqz(prompt_config(p), "c@1"));
    assert_null(prompt_config(compiled("{\"messages\":[" USER("x") "]}")).ptr);
}

static void bodies_are_bounded(void **state)
{
    struct buffer vars;
    struct str body;
    (void)state;
    buffer_init(&vars, 4 << 20);
    (void)buffer_append_z(&vars, "{\"l\":[1");
    for (unsigned i = 0; i < 1000; i++) {
        (void)buffer_append_z(&vars, ",1");
    }
    (void)buffer_append_z(&vars, "],\"t\":\"");
    for (unsigned i = 0; i < 10000; i++) {
        (void)buffer_append_z(&vars, "abcdefghij");
    }
    (void)buffer_append_z(&vars, "\"}");
    char *text = buffer_detach(&vars);
    assert_false(
        expand_with("{\"messages\":[" USER("{{#l}}{{t}}{{/l}}") "]}", text, NULL, NULL, &body));
    assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
    mem_free(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_wrong_has_a_path),
        TEST(texts_are_templates),
        TEST(values_stand_for_themselves),
        TEST(lists_of_messages_are_put_in),
        TEST(a_text_of_messages_is_read_when_rendered),
        TEST(callers_override),
        TEST(variables_have_defaults_and_may_be_required),
        TEST(partials_are_found_by_name),
        TEST(partials_may_be_wrong),
        TEST(variables_are_told),
        TEST(bodies_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
