/* The mustache specification. Its own test files (of version 1.1.2, as the npm package `mote`
 * carries them) are read from tests/e2e/node_modules; what versions 1.2 to 1.4 and the module of
 * dynamic names ask for besides stands in a table here, in words of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/mustache.h"

#define SPEC_FOLDER "tests/e2e/node_modules/mote/spec/specs/"

struct partials {
    struct json_value object; /* name to text; raw NULL ptr: none */
    struct arena *a;
};

static struct str text_of(struct arena *a, struct json_value v)
{
    size_t len = 0;
    char *text = arena_alloc(a, v.raw.len + 1);
    assert_non_null(text);
    assert_true(json_unescape(v, text, v.raw.len, &len));
    return (struct str){text, len};
}

static const struct mustache *find_partial(void *arg, struct str name)
{
    struct partials *p = arg;
    struct json_member m = {.name = name};
    const struct mustache *compiled;
    if (!p->object.raw.ptr || !json_members(p->object, &m, 1, NULL) || !m.found) {
        return NULL;
    }
    assert_true(mustache_compile(text_of(p->a, m.value), p->a, &compiled, NULL));
    return compiled;
}

static void check(const char *name, struct str template, struct json_value data,
                  struct json_value partials, struct str expected)
{
    struct arena *a = arena_new(0);
    struct partials p = {partials, a};
    struct mustache_options o = {
        .escape = MUSTACHE_HTML, .partial = find_partial, .partial_arg = &p};
    struct buffer out;
    struct error err = ERROR_INIT;
    const struct mustache *m;
    buffer_init(&out, 1 << 20);
    if (!mustache_compile(template, a, &m, &err) || !mustache_render(m, data, &o, a, &out, &err)) {
        fail_msg("%s: %s", name, error_text(&err));
    }
    if (!str_eq(buffer_str(&out), expected)) {
        fail_msg("%s:\n  template '%.*s'\n  expected '%.*s'\n  rendered '%.*s'", name,
                 STR_ARG(template), STR_ARG(expected), STR_ARG(buffer_str(&out)));
    }
    buffer_release(&out);
    arena_free(a);
}

static struct str read_file(struct arena *a, const char *path)
{
    char *text = arena_alloc(a, 1 << 16);
    FILE *f = fopen(path, "r");
    if (!f) {
        fail_msg("no %s: install the packages of tests/e2e first (npm ci)", path);
    }
    size_t n = fread(text, 1, 1 << 16, f);
    assert_true(n > 0 && n < 1 << 16);
    (void)fclose(f);
    return (struct str){text, n};
}

static unsigned run_case(struct arena *a, const char *file, struct json_value c)
{
    struct json_member m[] = {{.name = STR_LIT("name")},
                              {.name = STR_LIT("template")},
                              {.name = STR_LIT("data")},
                              {.name = STR_LIT("expected")},
                              {.name = STR_LIT("partials")}};
    char name[200];
    assert_true(json_members(c, m, 5, NULL));
    assert_true(m[0].found && m[1].found && m[2].found && m[3].found);
    (void)snprintf(name, sizeof(name), "%s: %.*s", file, STR_ARG(m[0].value.raw));
    check(name, text_of(a, m[1].value), m[2].value, m[4].value, text_of(a, m[3].value));
    return 1;
}

static unsigned run_file(const char *file)
{
    char path[200];
    struct arena *a = arena_new(0);
    struct json_member tests = {.name = STR_LIT("tests")};
    struct json_value c;
    size_t pos = 0;
    unsigned n = 0;
    (void)snprintf(path, sizeof(path), SPEC_FOLDER "%s.json", file);
    assert_true(json_scan(read_file(a, path), &tests, 1, 0, NULL) && tests.found);
    while (json_next(tests.value, &pos, NULL, &c)) {
        n += run_case(a, file, c);
    }
    arena_free(a);
    return n;
}

static void its_own_tests_pass(void **state)
{
    (void)state;
    assert_int_equal(run_file("comments"), 11);
    assert_int_equal(run_file("delimiters"), 14);
    assert_int_equal(run_file("interpolation"), 30);
    assert_int_equal(run_file("inverted"), 21);
    assert_int_equal(run_file("partials"), 11);
    assert_int_equal(run_file("sections"), 25);
}

struct later {
    const char *name, *template, *data, *partials, *expected;
};

static void run_table(const struct later *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct json_value data, partials = {0};
        assert_true(json_validate(str_of(list[i].data), 0, &data, NULL));
        if (list[i].partials) {
            assert_true(json_validate(str_of(list[i].partials), 0, &partials, NULL));
        }
        check(list[i].name, str_of(list[i].template), data, partials, str_of(list[i].expected));
    }
}

static void later_versions_are_kept(void **state)
{
    static const struct later cases[] = {
        {"null is empty", "<{{x}}|{{{x}}}|{{&x}}>", "{\"x\":null}", NULL, "<||>"},
        {"null is false", "{{#x}}no{{/x}}{{^x}}yes{{/x}}", "{\"x\":null}", NULL, "yes"},
        {"a null hides an outer value", "{{#a}}[{{x}}]{{/a}}", "{\"x\":1,\"a\":{\"x\":null}}", NULL,
         "[]"},
        {"a dotted name is no single key", "[{{a.b}}]", "{\"a.b\":\"c\"}", NULL, "[]"},
        {"nor hidden by one", "[{{a.b}}]", "{\"a.b\":\"c\",\"a\":{\"b\":\"d\"}}", NULL, "[d]"},
        {"its first part decides", "{{#a}}[{{b.c}}]{{/a}}",
         "{\"a\":{\"b\":{}},\"b\":{\"c\":\"e\"}}", NULL, "[]"},
        {"outer contexts are asked", "{{#in}}{{one}}-{{two}}-{{far.off}}{{/in}}",
         "{\"one\":1,\"two\":0,\"in\":{\"two\":2},\"far\":{\"off\":3}}", NULL, "1-2-3"},
        {"a text is a context", "{{#who}}{{.}}={{who}}{{/who}}", "{\"who\":\"Ada\"}", NULL,
         "Ada=Ada"},
        {"lists within lists",
         "{{#rows}}{{#cells}}{{row.up}}{{name}}{{#ends}}{{row.low}}{{name}}"
         "{{.}};{{/ends}}{{/cells}}{{/rows}}",
         "{\"rows\":[{\"row\":{\"up\":\"R\",\"low\":\"r\"},\"cells\":[{\"name\":7,\"ends\":[\"x\","
         "\"y\"]}]}]}",
         NULL, "R7r7x;r7y;"},
        {"a text is no list", "{{#s}}once{{/s}}", "{\"s\":\"abc\"}", NULL, "once"},
        {"the dot over nested lists", "{{#l}}<{{#.}}{{.}}{{/.}}>{{/l}}",
         "{\"l\":[[1,2],[\"a\",\"b\"]]}", NULL, "<12><ab>"},
        {"the dot is escaped", "{{#l}}{{.}}{{/l}} {{#l}}{{{.}}}{{/l}} {{#l}}{{&.}}{{/l}}",
         "{\"l\":[\"&\",\"<\"]}", NULL, "&amp;&lt; &< &<"},
        {"the root may be a list", "{{#.}}({{v}}){{/.}}", "[{\"v\":1},{\"v\":2}]", NULL, "(1)(2)"},
        {"and a text", "{{.}}{{{.}}}", "\"<\"", NULL, "&lt;<"},
        {"a comment beside a name of its text", "[{{! x }}]", "{\"! x\":1,\"!x\":2,\"x\":3}", NULL,
         "[]"},
        {"comments may hold braces", "a{{! {b} }}c", "{}", NULL, "ac"},
        {"a leading dot asks the value at hand alone", "{{#a}}[{{.n}}]{{/a}}{{#b}}[{{.n}}]{{/b}}",
         "{\"a\":{\"z\":1},\"b\":{\"n\":\"in\"},\"n\":\"out\"}", NULL, "[][in]"},
        {"an inverted null in a list", "{{#l}}{{^.}}none{{/.}}{{/l}}", "{\"l\":[null,1]}", NULL,
         "none"},
        {"partials see the item at hand", "{{#l}}{{>p}}{{/l}}", "{\"l\":[{\"n\":1},{\"n\":2}]}",
         "{\"p\":\"<{{n}}>\"}", "<1><2>"},
        {"a partial keeps to its own delimiters", "{{=| |=}}|>p| |n|", "{\"n\":5}",
         "{\"p\":\"{{n}} |n|\"}", "5 |n| 5"},
        {"indentation within indentation", " {{>a}}\n", "{}",
         "{\"a\":\"1\\n {{>b}}\\n{{>b}}\\n\","
         "\"b\":\"2\\n3\\n\"}",
         " 1\n  2\n  3\n 2\n 3\n"},
        {"indentation spares empty lines, and sections' own lines", "  {{>a}}\n", "{\"t\":true}",
         "{\"a\":\"{{#t}}\\nx\\n\\ny\\n{{/t}}\\nz\"}", "  x\n\n  y\n  z"},
        {"indentation before a tag that begins a line", "  {{>a}}\n", "{\"l\":[1,2]}",
         "{\"a\":\"{{#l}}{{.}}{{/l}}\\n{{! c }}d\"}", "  12\n  d"},
        {"and before one that ends a section", " {{>a}}", "{\"l\":[1,2]}",
         "{\"a\":\"{{#l}}\\n{{.}}\\n{{/l}}.\"}", " 1\n  2\n ."},
    };
    (void)state;
    run_table(cases, sizeof(cases) / sizeof(cases[0]));
}

static void names_may_be_dynamic(void **state)
{
    static const struct later cases[] = {
        {"the value names the partial", "[{{>*which}}]", "{\"which\":\"p\"}", "{\"p\":\"yes\"}",
         "[yes]"},
        {"the asterisk is no part of the name", "[{{>*w}}]", "{\"w\":\"p\",\"*w\":\"q\"}",
         "{\"p\":\"yes\",\"q\":\"no\"}", "[yes]"},
        {"nowhere: nothing", "[{{>*w}}]", "{}", "{\"w\":\"no\"}", "[]"},
        {"no such partial: nothing", "[{{>*w}}]", "{\"w\":\"p\"}", "{\"q\":\"no\"}", "[]"},
        {"the context stays", "[{{>*a.b}}]", "{\"a\":{\"b\":\"p\",\"n\":\"no\"},\"n\":\"yes\"}",
         "{\"p\":\"{{n}}\"}", "[yes]"},
        {"the whole name is resolved first", "[{{>*a.b}}]", "{\"a\":\"t\",\"t\":{\"b\":\"p\"}}",
         "{\"p\":\"no\"}", "[]"},
        {"once only", "[{{>**w}}]", "{\"w\":\"v\",\"v\":\"p\"}", "{\"p\":\"no\"}", "[]"},
        {"not in parts", "[{{>*a.*b}}]", "{\"a\":\"x\",\"b\":\"y\",\"x\":{\"y\":\"p\"}}",
         "{\"p\":\"no\"}", "[]"},
        {"in lists", "{{#l}}{{>*kind}};{{/l}}",
         "{\"l\":[{\"kind\":\"a\",\"v\":1},{\"kind\":\"b\",\"v\":2}]}",
         "{\"a\":\"A{{v}}\",\"b\":\"B{{v}}\"}", "A1;B2;"},
        {"recursion", "{{>*t}}", "{\"t\":\"node\",\"v\":\"X\",\"n\":[{\"v\":\"Y\",\"n\":[]}]}",
         "{\"node\":\"{{v}}<{{#n}}{{>*t}}{{/n}}>\"}", "X<Y<>>"},
        {"indentation", "\\\n  {{> * w }}\n/", "{\"w\":\"p\",\"c\":\"<\\n-\"}",
         "{\"p\":\"|\\n{{{c}}}\\n\"}", "\\\n  |\n  <\n-\n/"},
        {"as Portkey writes it", "[{{>>w}}{{>> w }}]", "{\"w\":\"p\"}", "{\"p\":\"yes\"}",
         "[yesyes]"},
    };
    (void)state;
    run_table(cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_own_tests_pass),
        cmocka_unit_test(later_versions_are_kept),
        cmocka_unit_test(names_may_be_dynamic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
