/* JSON as a tree: values keep their spelling, texts are decoded, parts can be taken out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/json_tree.h"
#include "common/json.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

static struct arena *a;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(0);
    err = (struct error)ERROR_INIT;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static void assert_written(const struct yaml_node *n, const char *expected)
{
    struct json_writer w;
    struct buffer b;
    buffer_init(&b, 1 << 16);
    json_writer_init(&w, &b);
    manifest_put_json(n, &w);
    assert_false(b.failed);
    buffer_append(&b, "", 1);
    assert_string_equal(b.ptr, expected);
    buffer_release(&b);
}

static void what_is_read_is_written_again(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "0.70",
                                        "-1e3",
                                        "\"1\"",
                                        "\"true\"",
                                        "true",
                                        "null",
                                        "\"\"",
                                        "\"null\"",
                                        "{\"a\":[1,{\"b\":\"c: #\"}],\"\":false}",
                                        "\"\xf0\x9f\x98\x80\"",
                                        "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct yaml_node *n = json_tree_parse(str_of(texts[i]), a, &err);
        assert_non_null(n);
        assert_written(n, texts[i]);
    }
    /* escapes that YAML's reader does not know */
    struct yaml_node *n = json_tree_parse(STR_LIT("\"\\ud83d\\ude00\\/\\u0041\""), a, &err);
    assert_non_null(n);
    assert_written(n, "\"\xf0\x9f\x98\x80/A\"");
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_null(json_tree_parse(STR_LIT("{\"a\":\n tru}"), a, &err));
    assert_int_equal(err.line, 2);
    assert_null(json_tree_parse(STR_LIT(""), a, &err));
    assert_null(json_tree_parse(STR_LIT("{} {}"), a, &err));
}

static void parts_are_taken_out_by_their_path(void **state)
{
    (void)state;
    struct yaml_node *n = json_tree_parse(
        STR_LIT("{\"a\":1,\"t\":[{\"x\":1,\"y\":2},{\"x\":3}],\"z\":{\"y\":null}}"), a, &err);
    assert_true(json_tree_remove(n, "t[0].x"));
    assert_written(n, "{\"a\":1,\"t\":[{\"y\":2},{\"x\":3}],\"z\":{\"y\":null}}");
    assert_true(json_tree_remove(n, "t[1]"));
    assert_true(json_tree_remove(n, "a"));
    assert_true(json_tree_remove(n, "z.y"));
    assert_written(n, "{\"t\":[{\"y\":2}],\"z\":{}}");
    /* what is not there, or is the whole */
    assert_false(json_tree_remove(n, ""));
    assert_false(json_tree_remove(n, "t[5]"));
    assert_false(json_tree_remove(n, "t[0].nothing"));
    assert_false(json_tree_remove(n, "q.y"));
    assert_written(n, "{\"t\":[{\"y\":2}],\"z\":{}}");
}

static void members_are_read_by_their_kind(void **state)
{
    (void)state;
    struct yaml_node *n = json_tree_parse(
        STR_LIT("{\"s\":\"x\",\"n\":0.5,\"q\":\"7\",\"l\":[1],\"m\":{},\"z\":null}"), a, &err);
    int64_t v = 0;
    assert_string_equal(json_tree_text(n, "s"), "x");
    assert_string_equal(json_tree_text(n, "z"), "");
    assert_string_equal(json_tree_text(n, "l"), "");
    assert_string_equal(json_tree_text(NULL, "s"), "");
    assert_true(json_tree_milli(n, "n", &v) && v == 500);
    assert_true(json_tree_milli(n, "q", &v) && v == 7000); /* header values are texts */
    assert_false(json_tree_milli(n, "s", &v));
    assert_false(json_tree_milli(n, "absent", &v));
    assert_non_null(json_tree_list(n, "l"));
    assert_null(json_tree_list(n, "m"));
    assert_non_null(json_tree_map(n, "m"));
    assert_null(json_tree_map(n, "l"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_read_is_written_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_json_is_refused_with_its_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(parts_are_taken_out_by_their_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_are_read_by_their_kind, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
