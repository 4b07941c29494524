/* splice: edits that leave everything else where it lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/canonical/splice.h"

static void edits_come_in_any_order(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct str text = STR_LIT("0123456789");
    struct splice s;
    assert_true(splice_init(&s, a, text));
    assert_true(splice_join(&s).ptr == text.ptr); /* nothing copied */
    assert_true(splice_replace(&s, text.ptr + 8, 1, STR_LIT("EIGHT")));
    assert_true(splice_replace(&s, text.ptr + 2, 2, STR_LIT("")));
    assert_true(splice_replace(&s, text.ptr + 5, 0, STR_LIT("+")));
    assert_true(splice_replace(&s, text.ptr, 1, STR_LIT("zero")));
    assert_true(splice_replace(&s, text.ptr + 10, 0, STR_LIT(".")));
    assert_true(str_eqz(splice_join(&s), "zero14+567EIGHT9."));
    assert_int_equal(s.len_bytes, strlen("zero14+567EIGHT9."));
    arena_free(a);
}

static void overlapping_edits_are_refused(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct str text = STR_LIT("0123456789");
    struct splice s;
    assert_true(splice_init(&s, a, text));
    assert_true(splice_replace(&s, text.ptr + 3, 3, STR_LIT("x")));
    assert_false(splice_replace(&s, text.ptr + 4, 1, STR_LIT("y")));
    assert_false(splice_replace(&s, text.ptr + 2, 2, STR_LIT("y")));
    assert_false(splice_replace(&s, text.ptr + 9, 2, STR_LIT("y")));
    assert_true(str_eqz(splice_join(&s), "012x6789"));
    arena_free(a);
}

static void many_edits_grow_the_list(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    char text[400];
    struct splice s;
    memset(text, 'a', sizeof(text));
    assert_true(splice_init(&s, a, (struct str){text, sizeof(text)}));
    for (size_t i = 0; i < sizeof(text); i += 2) {
        assert_true(splice_replace(&s, text + i, 1, STR_LIT("bb")));
    }
    struct str all = splice_join(&s);
    assert_int_equal(all.len, 600);
    for (size_t i = 0; i < all.len; i++) {
        assert_int_equal(all.ptr[i], i % 3 == 2 ? 'a' : 'b');
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_come_in_any_order),
        cmocka_unit_test(overlapping_edits_are_refused),
        cmocka_unit_test(many_edits_grow_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
