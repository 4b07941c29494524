/* Promises of common/rules/model_name.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rules/model_name.h"

static void patterns_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool want;
    } cases[] = {
        {"*", "", true},
        {"*", "a/b", true},
        {"", "", true},
        {"", "a", false},
        {"gpt-4o", "gpt-4o", true},
        {"gpt-4o", "gpt-4O", false},
        {"gpt-4o", "gpt-4o-mini", false},
        {"gpt-*", "gpt-4o", true},
        {"gpt-*", "gpt", false},
        {"*/gpt-*", "openai/gpt-4o", true},
        {"*mini", "gpt-4o-mini", true},
        {"*mini", "gpt-4o-mini2", false},
        {"a*b*c", "aXbXbXc", true},
        {"a*b*c", "aXcXb", false},
        {"**", "x", true},
        {"a.c", "abc", false},
        {"[a]", "a", false},
        {"?", "a", false},
        {"*ab", "aab", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(model_name_matches(str_of(cases[i].pattern), str_of(cases[i].name)) ==
                    cases[i].want);
    }
}

static void many_stars_stay_cheap(void **state)
{
    (void)state;
    char pattern[200], name[200];
    for (size_t i = 0; i < 199; i++) {
        pattern[i] = i % 2 ? 'a' : '*';
        name[i] = 'a';
    }
    pattern[198] = 'b';
    assert_false(model_name_matches((struct str){pattern, 199}, (struct str){name, 199}));
}

static void splits_at_the_first_slash(void **state)
{
    (void)state;
    struct str provider = STR_NONE, model = STR_NONE;
    assert_true(model_name_split(STR_LIT("openai/gpt-4o"), &provider, &model));
    assert_true(str_eqz(provider, "openai") && str_eqz(model, "gpt-4o"));
    assert_true(model_name_split(STR_LIT("@hub/meta/llama"), &provider, &model));
    assert_true(str_eqz(provider, "hub") && str_eqz(model, "meta/llama"));
    static const char *const no[] = {"gpt-4o", "/gpt", "openai/", "@/x", "", "@", "/"};
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        assert_false(model_name_split(str_of(no[i]), &provider, &model));
    }
    assert_true(str_eqz(provider, "hub")); /* untouched */
}

static void names_are_plain(void **state)
{
    (void)state;
    char longest[201];
    memset(longest, 'm', sizeof(longest));
    assert_true(model_name_valid((struct str){longest, 200}));
    assert_false(model_name_valid((struct str){longest, 201}));
    static const char *const good[] = {"gpt-4o", "meta/llama:8b", "a@b", "x.y_z+1", "*"};
    static const char *const bad[] = {"", "@a", "a b", "a\"b", "a'b", "a\nb", "\xc3\xa9", "a\x7f"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(model_name_valid(str_of(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(model_name_valid(str_of(bad[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(many_stars_stay_cheap),
        cmocka_unit_test(splits_at_the_first_slash),
        cmocka_unit_test(names_are_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
