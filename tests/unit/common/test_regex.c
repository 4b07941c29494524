#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/regex.h"

static const struct regex *made(struct arena *a, const char *pattern)
{
    const struct regex *x = NULL;
    struct error err = ERROR_INIT;
    if (!regex_compile(str_of(pattern), a, &x, &err)) {
        fail_msg("%s: %s", pattern, err.text);
    }
    return x;
}

static bool matches(const char *pattern, const char *text)
{
    struct arena *a = arena_new(0);
    bool found = regex_matches(made(a, pattern), str_of(text));
    arena_free(a);
    return found;
}

static void matches_anywhere_as_javascript(void **state)
{
    (void)state;
    assert_true(matches("gpt-4", "openai/gpt-4o"));
    assert_false(matches("GPT", "gpt"));
    assert_true(matches("^a$", "a"));
    assert_false(matches("^a$", "a\n")); /* "$" is the very end */
    assert_false(matches("a.b", "a\nb"));
    assert_false(matches("a.b", "a\rb"));
    assert_true(matches("^.$", "\xc3\xa9"));
    assert_true(matches("\\u00e9", "caf\xc3\xa9"));
    assert_false(matches("\\d", "\xd9\xa3")); /* digits are ASCII's */
    assert_true(matches("^(a)?\\1$", ""));    /* a group that took no part matches nothing */
    assert_false(matches("[]", "x"));
    assert_true(matches("[^]", "\n"));
    assert_true(matches("", ""));
    assert_true(matches("(?:EU|US)-\\d{2,4}", "in US-2026"));
    assert_true(matches("(?<=id=)\\w+(?!\\w)", "id=7"));
}

static void says_what_cannot_be_read(void **state)
{
    static const struct {
        const char *pattern;
        int64_t offset;
    } rows[] = {{"(", 1}, {"a)", 1}, {"[a", 2}, {"*a", 0}, {"a{2000}", -1}, {"(a{1,1001})", -1}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *a = arena_new(0);
        const struct regex *x = NULL;
        struct error err = ERROR_INIT;
        assert_false(regex_compile(str_of(rows[i].pattern), a, &x, &err));
        assert_null(x);
        assert_int_equal(err.code, ERR_INVALID_FIELD);
        assert_int_equal(err.offset, rows[i].offset);
        arena_free(a);
    }
    assert_true(matches("a\\{2000\\}", "a{2000}"));
    assert_true(matches("^a{1000}$", "x") == false);
}

static void text_need_not_be_valid(void **state)
{
    (void)state;
    assert_true(matches("chat", "\xff\xfe chat"));
    assert_false(matches("^.$", "\xff"));
    struct arena *a = arena_new(0);
    const struct regex *x = made(a, "b$");
    assert_false(regex_matches(x, STR_NONE));
    assert_true(regex_matches(x, (struct str){"a\0b", 3}));
    arena_free(a);
}

static void long_texts_are_cut(void **state)
{
    size_t n = 70 * 1024;
    char *text = mem_alloc(n);
    struct arena *a = arena_new(0);
    (void)state;
    memset(text, 'a', n);
    text[65535] = 'x';
    text[65536] = 'y';
    assert_true(regex_matches(made(a, "x"), (struct str){text, n}));
    assert_false(regex_matches(made(a, "y"), (struct str){text, n}));
    arena_free(a);
    mem_free(text);
}

/* Each of these would take minutes and more; the test's own time limit is the bound. */
static void no_pattern_hangs(void **state)
{
    static const char *const patterns[] = {
        "(a+)+$",          "(a|a)*b",
        "(a|aa)+$",        "a*a*a*a*b",
        ".*?.*?x",         "(.*)(.*)\\1c",
        "a*+[bc]",         "(a*)\\1b",
        "[ab]{1000}c",     "(?:a{500}){2}[cd]",
        "(?=(a+))a*b",     "(a?){100}a{100}c",
        "(?:(?:a*)*)*[x]", "^(([a-z])+.)+[A-Z]([a-z])+$",
    };
    size_t n = 64 * 1024;
    char *text = mem_alloc(n);
    struct arena *a = arena_new(0);
    (void)state;
    memset(text, 'a', n);
    text[n - 1] = '!';
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        assert_false(regex_matches(made(a, patterns[i]), (struct str){text, n}));
    }
    arena_free(a);
    mem_free(text);
}

/* Many hard ones together take no longer than one, where they share their steps. */
static void steps_may_be_shared(void **state)
{
    char text[3000];
    struct arena *a = arena_new(0);
    uint64_t left = 1500000, before;
    (void)state;
    memset(text, 'a', sizeof(text));
    struct str all = {text, sizeof(text)};
    const struct regex *hard = made(a, "^(a+a+)+[bc]$"), *easy = made(a, "^a");
    assert_true(regex_matches_within(easy, all, &left));
    assert_true(left < 1500000 && left > 1499000);
    for (unsigned i = 0; i < 40 && left; i++) {
        before = left;
        assert_false(regex_matches_within(hard, all, &left));
        assert_true(left < before);
    }
    left = 0;
    assert_false(regex_matches_within(easy, all, &left));
    assert_true(regex_matches(easy, all)); /* by itself it has its own */
    arena_free(a);
}

/* The bounds are wide enough for honest patterns on long texts. */
static void honest_patterns_pass_the_bounds(void **state)
{
    static const char words[] = "please write a poem on the sea, 12 lines; ";
    size_t n = 60 * 1024;
    char *text = mem_alloc(n);
    struct arena *a = arena_new(0);
    (void)state;
    for (size_t i = 0; i < n; i++) {
        text[i] = words[i % (sizeof(words) - 1)];
    }
    memcpy(text + n - 16, "mail bob@ex.com ", 16);
    struct str all = {text, n};
    assert_true(regex_matches(made(a, "bob"), all));
    assert_true(regex_matches(made(a, "\\b(?:refund|bob)\\b"), all));
    assert_true(regex_matches(made(a, "[a-z]+@[a-z]+\\.com"), all));
    assert_true(regex_matches(made(a, ".*ex\\.com"), all));
    arena_free(a);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_anywhere_as_javascript),
        cmocka_unit_test(says_what_cannot_be_read),
        cmocka_unit_test(text_need_not_be_valid),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(no_pattern_hangs),
        cmocka_unit_test(steps_may_be_shared),
        cmocka_unit_test(honest_patterns_pass_the_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
