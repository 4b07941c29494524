/* Promises of common/yaml.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/yaml.h"

static struct arena *a;
static struct error err;

static struct yaml_node *parse(const char *text)
{
    struct yaml_node *root = NULL;
    err = (struct error)ERROR_INIT;
    return yaml_parse(str_of(text), 4096, a, &root, &err) ? root : NULL;
}

static int setup(void **state)
{
    (void)state;
    a = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static void builds_a_tree_with_positions(void **state)
{
    (void)state;
    struct yaml_node *root = parse("version: 1\nlist:\n  - a\n  - {b: \"c\"}\n");
    assert_non_null(root);
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->n, 2);
    assert_string_equal(root->names[1]->text.ptr, "list");
    struct yaml_node *list = yaml_get(root, "list");
    assert_int_equal(list->kind, YAML_SEQ);
    assert_int_equal(list->n, 2);
    assert_null(list->names);
    assert_string_equal(list->items[0]->text.ptr, "a");
    struct yaml_node *c = yaml_get(list->items[1], "b");
    assert_true(c->quoted);
    assert_int_equal(c->line, 4);
    assert_int_equal(c->column, 9);
    assert_null(yaml_get(root, "absent"));
    assert_null(yaml_get(list, "a"));
}

static void takes_json(void **state)
{
    (void)state;
    struct yaml_node *root = parse("{\"a\": [1, true, null, \"x\\u00e9\\/\"], \"b\": {}}");
    assert_non_null(root);
    struct yaml_node *list = yaml_get(root, "a");
    bool yes = false;
    assert_true(yaml_bool(list->items[1], &yes) && yes);
    assert_true(yaml_is_null(list->items[2]));
    assert_string_equal(list->items[3]->text.ptr, "x\xc3\xa9/");
    assert_int_equal(yaml_get(root, "b")->n, 0);
}

static void empty_documents_are_empty_maps(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "# only a comment\n", "---\n", "{}"};
    for (size_t i = 0; i < 4; i++) {
        struct yaml_node *root = parse(empty[i]);
        assert_non_null(root);
        assert_int_equal(root->kind, YAML_MAP);
        assert_int_equal(root->n, 0);
    }
}

static void refuses_what_configuration_need_not_have(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
        int line, column;
    } bad[] = {
        {"a: 1\nb: 2\na: 3\n", "\"a\" stands here twice (first on line 1)", 3, 1},
        {"a: &x 1\n", "anchors are not allowed", 1, 4},
        {"a: *x\n", "aliases are not allowed", 1, 4},
        {"a: !!str 1\n", "tags are not allowed", 1, 4},
        {"a: 1\n---\nb: 2\n", "only one document is allowed", 2, 1},
        {"[a]: 1\n", "a map's key must be a text", 1, 1},
        {"a: \"x\\0y\"\n", "a text may not hold a NUL byte", 1, 4},
        {"a: [1, 2\n", NULL, 2, 1},
        {"\ta: 1\n", NULL, 1, 1},
        {"a: \"x\n", NULL, 2, 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(parse(bad[i].text));
        assert_true(err.text[0]);
        if (bad[i].what) {
            assert_string_equal(err.text, bad[i].what);
        }
        assert_int_equal(err.line, bad[i].line);
        assert_int_equal(err.column, bad[i].column);
    }
    assert_null(parse("a: \xff\n"));
    assert_int_equal(err.offset, 3);
}

static void bounds_size_depth_and_memory(void **state)
{
    (void)state;
    char deep[300];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = '\0';
    assert_null(parse(deep));
    assert_string_equal(err.text, "nested too deeply");
    deep[140] = '\0';
    assert_non_null(parse(deep + 60)); /* 40 deep */

    struct yaml_node *root = NULL;
    assert_false(yaml_parse(STR_LIT("a: 12345"), 7, a, &root, &err));
    assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
    struct arena *small = arena_new(256);
    assert_false(yaml_parse(STR_LIT("[a, b, c, d, e, f, g, h]"), 99, small, &root, &err));
    assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
    arena_free(small);
    assert_null(root);
}

static void core_rules_for_scalars(void **state)
{
    (void)state;
    struct yaml_node *list = parse("[true, FALSE, no, \"true\", 010, 0x1F, 0o17, +5, -1, 1.0, "
                                   "\"7\", ~, '', null, 99999999999999999999]");
    bool b = true;
    uint64_t u = 99;
    assert_non_null(list);
    assert_true(yaml_bool(list->items[0], &b) && b);
    assert_true(yaml_bool(list->items[1], &b) && !b);
    assert_false(yaml_bool(list->items[2], &b));
    assert_false(yaml_bool(list->items[3], &b));
    assert_true(yaml_u64(list->items[4], &u) && u == 10);
    assert_true(yaml_u64(list->items[5], &u) && u == 31);
    assert_true(yaml_u64(list->items[6], &u) && u == 15);
    assert_true(yaml_u64(list->items[7], &u) && u == 5);
    for (size_t i = 8; i < list->n; i++) {
        assert_false(yaml_u64(list->items[i], &u));
    }
    assert_int_equal(u, 5);
    assert_true(yaml_is_null(list->items[11]));
    assert_false(yaml_is_null(list->items[12]));
    assert_true(yaml_is_null(list->items[13]));
    assert_false(yaml_is_null(list));
}

static void reads_files(void **state)
{
    (void)state;
    struct yaml_node *root = NULL;
    assert_true(yaml_parse_file("docs/examples/weir.yaml", 65536, a, &root, &err));
    assert_non_null(yaml_get(root, "version"));
    assert_false(yaml_parse_file("docs/examples/weir.yaml", 10, a, &root, &err));
    assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
    assert_false(yaml_parse_file("docs/examples/none.yaml", 10, a, &root, &err));
    assert_string_equal(err.text,
                        "cannot open \"docs/examples/none.yaml\": No such file or directory");
    assert_false(yaml_parse_file("docs", 10, a, &root, &err));
    assert_string_equal(err.text, "cannot read \"docs\": Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_a_tree_with_positions),
        cmocka_unit_test(takes_json),
        cmocka_unit_test(empty_documents_are_empty_maps),
        cmocka_unit_test(refuses_what_configuration_need_not_have),
        cmocka_unit_test(bounds_size_depth_and_memory),
        cmocka_unit_test(core_rules_for_scalars),
        cmocka_unit_test(reads_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
