/* Price groups and the price book of a manifest: read as the control plane would have them, and
 * what is wrong is found in the file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rules/manifest.h"
#include "common/rules/price_book.h"
#include "common/yaml.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static bool parse(const char *yaml, struct manifest *ret, struct error *err)
{
    struct yaml_node *root;
    return yaml_parse(str_of(yaml), 1u << 20, a, &root, err) && manifest_parse(root, a, ret, err);
}

static void groups_and_the_book_are_read(void **state)
{
    struct manifest m = {.version = 0};
    struct error err = ERROR_INIT;
    struct price_book *book;
    (void)state;
    if (!parse("version: 1\n"
               "price_groups:\n"
               "  - {name: internal, ratio: 0.1, description: us}\n"
               "  - name: partners\n"
               "    ratio: '.8'\n"
               "    overrides:\n"
               "      - {provider: azure*, ratio: 1}\n"
               "      - {model: gpt-4o*, ratio: 1e-6}\n"
               "price_book:\n"
               "  description: contracts\n"
               "  document:\n"
               "    rules: [{ratio: 0.93, provider: openai}, {prices: {token_in: 7}}]\n",
               &m, &err)) {
        fail_msg("%d:%d %s", err.line, err.column, error_text(&err));
    }
    assert_int_equal(m.n_price_groups, 2);
    assert_true(str_eqz(m.price_groups[0].name, "internal"));
    assert_true(str_eqz(m.price_groups[0].description, "us"));
    assert_int_equal(m.price_groups[0].ratio_ppm, 100000);
    assert_int_equal(m.price_groups[0].n_overrides, 0);
    assert_int_equal(m.price_groups[1].ratio_ppm, 800000);
    assert_int_equal(m.price_groups[1].n_overrides, 2);
    assert_true(str_eqz(m.price_groups[1].overrides[0].provider, "azure*"));
    assert_null(m.price_groups[1].overrides[0].model.ptr);
    assert_int_equal(m.price_groups[1].overrides[1].ratio_ppm, 1);
    assert_true(str_eqz(m.price_book.name, "prices"));
    assert_true(str_eqz(m.price_book.description, "contracts"));
    assert_true(price_book_new(m.price_book.json, &book, &err));
    assert_int_equal(price_book_rules(book), 2);
    price_book_free(book);
    /* a ratio keeps its text on the way to JSON */
    assert_non_null(memmem(m.price_book.json.ptr, m.price_book.json.len, "\"ratio\":0.93", 12));
}

static void none_is_none(void **state)
{
    static const char *const texts[] = {"version: 1\n", "version: 1\nprice_book:\n",
                                        "version: 1\nprice_groups: []\nprice_book: null\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct manifest m = {.version = 0};
        struct error err = ERROR_INIT;
        assert_true(parse(texts[i], &m, &err));
        assert_int_equal(m.n_price_groups, 0);
        assert_null(m.price_book.json.ptr);
    }
}

static void mistakes_are_found_in_the_file(void **state)
{
    static const struct {
        const char *yaml, *param;
        int line;
    } bad[] = {
        {"price_groups: [{name: a}]", "price_groups[0].ratio", 2},
        {"price_groups: [{ratio: 1}]", "price_groups[0].name", 2},
        {"price_groups: [{name: a, ratio: -1}]", "price_groups[0].ratio", 2},
        {"price_groups: [{name: a, ratio: 1001}]", "price_groups[0].ratio", 2},
        {"price_groups: [{name: a, ratio: 0.0000001}]", "price_groups[0].ratio", 2},
        {"price_groups: [{name: a, ratio: [1]}]", "price_groups[0].ratio", 2},
        {"price_groups: [{name: a, ratio: 1, more: 1}]", "price_groups[0].more", 2},
        {"price_groups: [{name: a, ratio: 1}, {name: a, ratio: 1}]", "price_groups[1].name", 2},
        {"price_groups: [{name: a, ratio: 1, overrides: [{ratio: 1}]}]",
         "price_groups[0].overrides[0]", 2},
        {"price_groups: [{name: a, ratio: 1, overrides: [{model: b}]}]",
         "price_groups[0].overrides[0].ratio", 2},
        {"price_book: []", "price_book", 2},
        {"price_book: {name: b}", "price_book.document", 2},
        {"price_book: {document: []}", "price_book.document", 2},
        {"price_book: {document: {}}", "price_book.document.rules", 2},
        {"price_book:\n  document:\n    rules:\n      - {ratio: 1}\n      - {ratio: x}",
         "price_book.document.rules[1].ratio", 6},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct manifest m = {.version = 0};
        struct error err = ERROR_INIT;
        struct str text = arena_printf(a, "version: 1\n%s\n", bad[i].yaml);
        if (parse(text.ptr, &m, &err)) {
            fail_msg("%s is no manifest", bad[i].yaml);
        }
        if (strcmp(err.param, bad[i].param) != 0 || err.line != bad[i].line) {
            fail_msg("%s: %s at %d: %s", bad[i].yaml, err.param, err.line, error_text(&err));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_and_the_book_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(none_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mistakes_are_found_in_the_file, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
