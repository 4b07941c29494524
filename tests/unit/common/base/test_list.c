/* Promises of common/base/list.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/list.h"

struct thing {
    int n;
    struct list node;
};

static void keeps_order_and_removes_anywhere(void **state)
{
    (void)state;
    struct list head;
    struct thing a = {.n = 1}, b = {.n = 2}, c = {.n = 3};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    list_push_back(&head, &b.node);
    list_push_back(&head, &c.node);
    list_push_front(&head, &a.node);
    list_remove(&b.node);
    list_remove(&b.node); /* harmless */
    assert_int_equal(LIST_ENTRY(list_pop_front(&head), struct thing, node)->n, 1);
    assert_int_equal(LIST_ENTRY(list_pop_front(&head), struct thing, node)->n, 3);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_order_and_removes_anywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
