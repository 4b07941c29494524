/* Promises of common/base/mem.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"

/* the sanitizers' allocators stop at absurd sizes unless told otherwise */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void zeroes_copies_and_frees(void **state)
{
    (void)state;
    unsigned char *p = mem_alloc(64);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(p[i], 0);
    }
    p[0] = 7;
    p = mem_realloc(p, 128);
    assert_int_equal(p[0], 7);
    mem_free_secret(p, 128);
    char *copy = mem_strdup("text");
    assert_string_equal(copy, "text");
    mem_free(copy);
    copy = mem_dup("ab", 2);
    assert_memory_equal(copy, "ab", 2);
    mem_free(copy);
    mem_free(NULL);
    mem_free_secret(NULL, 8);
    void *empty = mem_alloc(0);
    assert_non_null(empty);
    mem_free(empty);
}

static void tries_fail_softly(void **state)
{
    (void)state;
    void *p = mem_try_alloc(16);
    volatile size_t huge = (size_t)1 << 62;
    assert_non_null(p);
    assert_null(mem_try_alloc(huge));
    assert_null(mem_try_realloc(p, huge)); /* p stays */
    p = mem_try_realloc(p, 32);
    assert_non_null(p);
    mem_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(zeroes_copies_and_frees),
                                       cmocka_unit_test(tries_fail_softly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
