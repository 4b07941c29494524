/* request/config_memo.c: what callers' texts cost, and how long trees live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/buffer.h"
#include "dataplane/request/config_memo.h"
#include "dataplane/request/env.h"

static struct request_env env;
static struct arena *user;

static int set_up(void **state)
{
    (void)state;
    env = (struct request_env){.loop = NULL};
    user = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(user);
    config_memo_release(&env);
    return 0;
}

static const struct route_tree *get(struct str json, struct arena *a)
{
    struct error err = ERROR_INIT;
    return config_memo_get(&env, a, json, &err);
}

/* A document of `n` conditions, each with the pattern. */
static struct str conditions(unsigned n, const char *pattern, unsigned seed)
{
    struct buffer b;
    buffer_init(&b, 4u << 20);
    buffer_printf(&b, "{\"strategy\":{\"mode\":\"conditional\",\"default\":\"a\",\"conditions\":[");
    for (unsigned i = 0; i < n; i++) {
        buffer_printf(&b, "%s{\"query\":{\"model\":{\"$regex\":\"%s%u\"}},\"then\":\"a\"}",
                      i ? "," : "", pattern, seed + i);
    }
    buffer_printf(&b, "]},\"targets\":[{\"name\":\"a\",\"model\":\"x\"}]}");
    struct str text = arena_str(user, buffer_str(&b));
    buffer_release(&b);
    return text;
}

static void equal_texts_are_compiled_once(void **state)
{
    (void)state;
    const struct route_tree *t = get(STR_LIT("{\"provider\":\"a\"}"), user);
    char copy[] = "{\"provider\":\"a\"}";
    assert_non_null(t);
    assert_ptr_equal(get(str_of(copy), user), t);
    assert_ptr_not_equal(get(STR_LIT("{\"provider\":\"b\"}"), user), t);
}

static void small_patterns_make_no_large_programs(void **state)
{
    (void)state;
    /* 50 KB that would become 60 MB */
    assert_null(get(conditions(800, "(?:[a-c]{30}){900}", 0), user));
    assert_non_null(get(conditions(800, "^tier-[a-z]+[0-9]{1,3}$|", 0), user));
    assert_non_null(get(conditions(3, "(?:[a-c]{30}){90}", 0), user));
}

static void a_tree_lives_as_long_as_who_uses_it(void **state)
{
    (void)state;
    const struct route_tree *t = get(STR_LIT("{\"provider\":\"a\",\"model\":\"kept\"}"), user);
    for (unsigned i = 0; i < 300; i++) {
        struct arena *passing = arena_new(0);
        assert_non_null(get(conditions(40, "(?:[a-c]{20}){20}", i * 1000), passing));
        arena_free(passing);
    }
    assert_true(str_eqz(t->root->model, "kept"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_texts_are_compiled_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_patterns_make_no_large_programs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_tree_lives_as_long_as_who_uses_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
