/* Promises of common/base/arena.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"

static void aligns_and_keeps_apart(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    char *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = arena_alloc(a, i * 37 % 3000);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)i, i * 37 % 3000);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < i * 37 % 3000; k++) {
            assert_int_equal((unsigned char)blocks[i][k], i);
        }
    }
    char *big = arena_zalloc(a, 1 << 20);
    assert_non_null(big);
    assert_int_equal(big[12345], 0);
    arena_free(a);
    arena_free(NULL);
}

static void holds_its_ceiling(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096);
    assert_non_null(arena_alloc(a, 4000));
    assert_null(arena_alloc(a, 200));
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_alloc(a, SIZE_MAX / 2));
    assert_non_null(arena_alloc(a, 64));
    assert_null(arena_str(a, (struct str){"x", 100000}).ptr);
    assert_true(arena_used(a) <= 4096);
    arena_reset(a);
    assert_int_equal(arena_used(a), 0);
    assert_non_null(arena_alloc(a, 4096));
    assert_false(arena_on_release(a, NULL, NULL)); /* no room: not registered */
    arena_free(a);
}

static char order[8];
static char digits[] = "123";

static void note(void *arg)
{
    order[strlen(order)] = *(char *)arg;
}

static void runs_hooks_backwards_once(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    memset(order, 0, sizeof(order));
    assert_true(arena_on_release(a, note, &digits[0]));
    assert_true(arena_on_release(a, note, &digits[1]));
    arena_reset(a);
    assert_string_equal(order, "21");
    assert_true(arena_on_release(a, note, &digits[2]));
    arena_free(a);
    assert_string_equal(order, "213");
}

static void copies_texts(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct str s = arena_str(a, str_slice(STR_LIT("abcdef"), 0, 3));
    assert_string_equal(s.ptr, "abc");
    struct str f = arena_printf(a, "%s-%d", "x", 42);
    assert_string_equal(f.ptr, "x-42");
    assert_int_equal(f.len, 4);
    assert_non_null(arena_str(a, STR_NONE).ptr);
    arena_free(a);
}

static void reset_keeps_the_first_chunk(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    void *first = arena_alloc(a, 100);
    arena_alloc(a, 100000);
    arena_reset(a);
    assert_ptr_equal(arena_alloc(a, 100), first);
    arena_free(a);
}

static void keeps_buffers_until_its_release(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096);
    struct buffer *made = arena_buffer(a, 8), kept;
    assert_non_null(made);
    assert_true(buffer_append_str(made, STR_LIT("12345678")));
    assert_false(buffer_append_str(made, STR_LIT("9"))); /* its ceiling holds */
    buffer_init(&kept, 100);
    assert_true(buffer_append_str(&kept, STR_LIT("x")));
    assert_true(arena_keep_buffer(a, &kept));
    arena_free(a); /* what they held goes with it: a leak would be reported */

    struct arena *full = arena_new(16);
    while (arena_alloc(full, 16)) {
    }
    assert_null(arena_buffer(full, 8));
    buffer_init(&kept, 100);
    assert_true(buffer_append_str(&kept, STR_LIT("x")));
    assert_false(arena_keep_buffer(full, &kept));
    assert_int_equal(kept.len, 0); /* released at once */
    arena_free(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns_and_keeps_apart),
        cmocka_unit_test(holds_its_ceiling),
        cmocka_unit_test(runs_hooks_backwards_once),
        cmocka_unit_test(copies_texts),
        cmocka_unit_test(reset_keeps_the_first_chunk),
        cmocka_unit_test(keeps_buffers_until_its_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
