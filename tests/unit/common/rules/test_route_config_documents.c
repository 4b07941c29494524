/* The documents of route_documents.json, which tests/e2e/routing_schema.test.mjs holds against the
 * JSON Schema too: each is compiled or refused as it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/rules/route_config_inside.h"

static void file_read(const char *path, struct buffer *b)
{
    char piece[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    buffer_init(b, 4u << 20);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0) {
        assert_true(buffer_append(b, piece, n));
    }
    (void)fclose(f);
}

static struct str text_of(struct json_value v, struct arena *a)
{
    char *room = arena_alloc(a, v.raw.len + 1);
    size_t len;
    assert_true(json_unescape(v, room, v.raw.len, &len));
    room[len] = '\0';
    return (struct str){room, len};
}

/* All that are wrong are told, not the first alone. */
static bool document_check(struct json_value row, struct arena *a)
{
    struct json_member m[] = {
        {.name = STR_LIT("name")}, {.name = STR_LIT("document")}, {.name = STR_LIT("ok")},
        {.name = STR_LIT("code")}, {.name = STR_LIT("param")},    {.name = STR_LIT("text")},
    };
    const struct route_tree *tree = NULL;
    struct error err = ERROR_INIT;
    assert_true(json_members(row, m, 6, NULL));
    const char *name = text_of(m[0].value, a).ptr;
    bool ok = route_config_compile(m[1].value.raw, a, &tree, &err);
    bool right = ok == (m[2].value.type == JSON_TRUE) && ok == (tree != NULL);
    if (!ok && right) {
        right = str_eqz(text_of(m[3].value, a), error_code_name(err.code)) &&
                str_eqz(text_of(m[4].value, a), err.param) &&
                (!m[5].found || str_eqz(text_of(m[5].value, a), err.text));
    }
    if (!right) {
        print_error("%s: %s %s: %s (%s)\n", name, ok ? "accepted" : "refused",
                    error_code_name(err.code), err.text, err.param);
    }
    return right;
}

static void documents_have_their_verdicts(void **state)
{
    struct buffer b;
    struct json_value list, row;
    size_t pos = 0, n = 0, wrong = 0;
    (void)state;
    file_read("tests/unit/common/rules/route_documents.json", &b);
    assert_true(json_validate(buffer_str(&b), 0, &list, NULL));
    while (json_next(list, &pos, NULL, &row)) {
        struct arena *a = arena_new(0);
        wrong += !document_check(row, a);
        arena_free(a);
        n++;
    }
    assert_true(n > 120);
    assert_int_equal(wrong, 0);
    buffer_release(&b);
}

/* The schema's members of a node are those that the compiler knows, no more and no fewer. */
static void schema_has_every_member(void **state)
{
    struct buffer b;
    struct json_member defs = {.name = STR_LIT("$defs")}, node = {.name = STR_LIT("node")},
                       properties = {.name = STR_LIT("properties")};
    size_t n, in_schema = 0, pos = 0;
    const struct str *names = route_member_names(&n);
    (void)state;
    file_read("docs/schema/routing-config.schema.json", &b);
    assert_true(json_scan(buffer_str(&b), &defs, 1, 0, NULL));
    assert_true(json_members(defs.value, &node, 1, NULL));
    assert_true(json_members(node.value, &properties, 1, NULL));
    for (size_t i = 0; i < n; i++) {
        struct json_member one = {.name = names[i]};
        assert_int_equal(route_member_named(names[i]), i);
        if (!json_members(properties.value, &one, 1, NULL) || !one.found) {
            fail_msg("the schema lacks \"%s\"", names[i].ptr);
        }
    }
    while (json_next(properties.value, &pos, NULL, NULL)) {
        in_schema++;
    }
    assert_int_equal(in_schema, n);
    assert_int_equal(route_member_named(STR_LIT("provide")), -1);
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_have_their_verdicts),
        cmocka_unit_test(schema_has_every_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
