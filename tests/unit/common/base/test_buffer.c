/* Promises of common/base/buffer.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"

static void grows_and_keeps_bytes(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1 << 20);
    assert_non_null(buffer_str(&b).ptr);
    for (unsigned i = 0; i < 10000; i++) {
        assert_true(buffer_append_u64(&b, i % 10));
    }
    assert_int_equal(b.len, 10000);
    for (unsigned i = 0; i < 10000; i++) {
        assert_int_equal(b.ptr[i], '0' + i % 10);
    }
    buffer_release(&b);
    assert_true(buffer_append_z(&b, "again"));
    assert_true(str_eqz(buffer_str(&b), "again"));
    buffer_release(&b);
}

static void stops_at_its_ceiling_and_remembers(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 8);
    assert_true(buffer_append_z(&b, "12345678")); /* exactly the ceiling fits */
    assert_false(buffer_append_z(&b, "9"));
    assert_true(b.failed);
    buffer_consume(&b, 4);
    assert_false(buffer_append_z(&b, "9")); /* failed stays */
    assert_true(str_eqz(buffer_str(&b), "5678"));
    buffer_clear(&b);
    assert_false(b.failed);
    assert_true(buffer_append_z(&b, "ok"));
    assert_false(buffer_printf(&b, "%s", "seven77"));
    buffer_release(&b);
    buffer_init(&b, 100);
    assert_false(buffer_reserve(&b, SIZE_MAX));
    buffer_release(&b);
}

static void prints_to_the_last_byte(void **state)
{
    (void)state;
    struct buffer b;
    char big[301];
    memset(big, 'x', 300);
    big[300] = '\0';
    buffer_init(&b, 303);
    assert_true(buffer_printf(&b, "%d:%s", 42, big)); /* 303 bytes, no room for a NUL */
    assert_int_equal(b.len, 303);
    assert_memory_equal(b.ptr, "42:xxx", 6);
    buffer_release(&b);
    assert_true(buffer_append_u64(&b, UINT64_MAX));
    assert_true(str_eqz(buffer_str(&b), "18446744073709551615"));
    buffer_release(&b);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 64);
    buffer_append_str(&b, STR_LIT("hello world"));
    buffer_consume(&b, 6);
    assert_true(str_eqz(buffer_str(&b), "world"));
    buffer_consume(&b, 99);
    assert_int_equal(b.len, 0);
    buffer_release(&b);
}

static void detaches_its_text(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 64);
    char *empty = buffer_detach(&b);
    assert_string_equal(empty, "");
    mem_free(empty);
    buffer_append_z(&b, "mine");
    char *text = buffer_detach(&b);
    assert_string_equal(text, "mine");
    assert_int_equal(b.len, 0);
    mem_free(text);
    assert_true(buffer_append_z(&b, "next"));
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_bytes),
        cmocka_unit_test(stops_at_its_ceiling_and_remembers),
        cmocka_unit_test(prints_to_the_last_byte),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(detaches_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
