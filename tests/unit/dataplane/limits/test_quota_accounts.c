/* The accounts of the quota table: their windows, their number, and what they do without an
 * authority. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "dataplane/limits/quota_bench.h"

static void test_authority_goes(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(1000));
    struct quota_account *a = account(&b);
    struct client c, d, l;
    assert_int_equal(take(&b, a, 100, &c), QUOTA_PARKED);
    (void)talk(&b);
    quota_settle(a, 100, 10);
    assert_int_equal(take(&b, a, 500, &d), QUOTA_PARKED);
    l = (struct client){.w = {.loop = b.loop, .on_answer = on_answer, .arg = &l}};
    now_ms += 300;
    assert_int_equal(quota_look(a, &l.w), QUOTA_PARKED);
    quota_reachable(b.t, false);
    loop_turn(b.loop, 0);
    assert_int_equal(d.answer, QUOTA_NO_AUTHORITY);
    assert_int_equal(l.answer, QUOTA_NO_AUTHORITY);
    assert_int_equal(quota_look(a, &l.w), QUOTA_NO_AUTHORITY);
    /* what is leased is still spent */
    assert_int_equal(take(&b, a, 90, &c), QUOTA_TAKEN);
    assert_int_equal(take(&b, a, 500, &d), QUOTA_NO_AUTHORITY);
    struct quota_counts n;
    quota_counts(b.t, &n);
    assert_int_equal(n.without_authority, 2);
    quota_reachable(b.t, true);
    assert_int_equal(take(&b, a, 500, &d), QUOTA_PARKED);
    (void)talk(&b);
    assert_int_equal(d.answer, QUOTA_TAKEN);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_local_share(void **state)
{
    (void)state;
    struct quota_rule rule = LIMIT(60, WINDOW_MINUTE);
    rule.when_unavailable = ABSENT_LOCAL;
    struct bench b = bench_open(rule);
    struct client c;
    b.g.planes = 4;
    struct quota_account *a = account(&b);
    assert_int_equal(take(&b, a, 1, &c), QUOTA_PARKED);
    (void)talk(&b);
    quota_settle(a, 1, 1);
    quota_reachable(b.t, false);
    unsigned taken = 1;
    while (take(&b, a, 1, &c) == QUOTA_TAKEN) {
        quota_settle(a, 1, 1);
        taken++;
    }
    assert_int_equal(c.answer, QUOTA_OVER);
    assert_int_equal(taken, 15); /* a quarter of 60, with what had been taken */
    quota_account_unref(a);
    now_ms += 60000;
    a = account(&b);
    assert_int_equal(take(&b, a, 15, &c), QUOTA_TAKEN);
    assert_int_equal(take(&b, a, 1, &c), QUOTA_OVER);
    /* there is somebody to ask again: what was unused of the own share is not added to his */
    quota_settle(a, 15, 5);
    quota_reachable(b.t, true);
    assert_int_equal(take(&b, a, 1, &c), QUOTA_TAKEN);
    quota_settle(a, 1, 0);
    pass(&b, 1500);
    assert_int_equal(lease(&b, a)->granted, lease(&b, a)->returned + lease(&b, a)->used);
    assert_int_equal(lease(&b, a)->used, 0);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_windows_turn(void **state)
{
    (void)state;
    struct bench b = bench_open(LIMIT(10, WINDOW_SECOND));
    struct client c;
    struct quota_counts n;
    unsigned parked = 0, first = 0;
    for (int s = 0; s < 20; s++) {
        unsigned taken = 0;
        for (int i = 0; i < 100; i++) {
            struct quota_account *a = account(&b);
            enum quota_answer answer = take(&b, a, 1, &c);
            if (answer == QUOTA_PARKED) {
                parked++;
                first += i == 0;
                (void)talk(&b);
                answer = c.answer;
            }
            if (answer == QUOTA_TAKEN) {
                taken++;
                quota_settle(a, 1, 1);
            }
            quota_account_unref(a);
            now_ms += 10;
            (void)talk(&b);
        }
        assert_true(taken >= 9 && taken <= 10);
    }
    assert_true(parked < 320); /* of 2000: those that pass, and four asks a second for the rest */
    assert_true(first <= 2);   /* what a window begins with was asked for at its start */
    quota_counts(b.t, &n);
    assert_true(n.accounts <= 4); /* those of windows that ended are gone */
    pass(&b, 3000);
    quota_counts(b.t, &n);
    assert_int_equal(n.accounts, 0);
    bench_close(&b);
}

static void test_old_windows_are_kept_until_told(void **state)
{
    (void)state;
    struct quota_rule rule = BUDGET(1000);
    rule.window = WINDOW_HOUR;
    struct bench b = bench_open(rule);
    struct client c;
    struct quota_counts n;
    struct quota_account *a = account(&b);
    assert_int_equal(take(&b, a, 100, &c), QUOTA_PARKED);
    (void)talk(&b);
    int64_t start = quota_window_start(a);
    struct rig_lease *l = lease(&b, a);
    now_ms += 3600000;
    struct quota_account *next = account(&b);
    assert_ptr_not_equal(next, a);
    assert_true(quota_window_start(next) > start);
    pass(&b, 2000);
    quota_settle(a, 100, 60); /* into the window that it was reserved in */
    rig_event(&b.g, STR_LIT("x"), start, 0, 60, now_ms);
    quota_account_unref(a);
    quota_account_unref(next);
    pass(&b, 3000);
    assert_int_equal(lease_open(l), 0);
    quota_counts(b.t, &n);
    assert_int_equal(n.accounts, 1);
    /* a clock that goes back does not open it again */
    now_ms -= 7200000;
    struct quota_account *again = account(&b);
    assert_ptr_equal(again, next);
    quota_account_unref(again);
    bench_close(&b);
}

static void test_few_buckets(void **state)
{
    (void)state;
    struct quota_rule rule = BUDGET(1000);
    struct bench b = bench_open(rule);
    char name[400];
    struct quota_account *a[4], *rest, *same, *big;
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof(name), "bucket %u", i);
        a[i] = quota_account(b.t, &quota_id, &rule, str_of(name), 3);
        assert_non_null(a[i]);
    }
    assert_true(str_eqz(quota_bucket(a[2]), "bucket 2"));
    assert_true(str_eqz(quota_bucket(a[3]), QUOTA_BUCKET_REST));
    rest = quota_account(b.t, &quota_id, &rule, STR_LIT("yet another"), 3);
    assert_ptr_equal(rest, a[3]);
    same = quota_account(b.t, &quota_id, &rule, STR_LIT("bucket 1"), 3);
    assert_ptr_equal(same, a[1]);
    /* too long to be kept: told apart all the same */
    memset(name, 'y', sizeof(name));
    big = quota_account(b.t, &quota_id, &rule, (struct str){name, 300}, 0);
    struct quota_account *bigger = quota_account(b.t, &quota_id, &rule, (struct str){name, 301}, 0);
    assert_ptr_not_equal(big, bigger);
    assert_true(quota_bucket(big).len <= QUOTA_BUCKET_MAX);
    for (unsigned i = 0; i < 4; i++) {
        quota_account_unref(a[i]);
    }
    quota_account_unref(rest);
    quota_account_unref(same);
    quota_account_unref(big);
    quota_account_unref(bigger);
    bench_close(&b);
}

static void test_too_many_accounts(void **state)
{
    (void)state;
    struct quota_table_config c = {.now_ms = test_now, .max_accounts = 2};
    struct quota_rule rule = BUDGET(1000);
    struct quota_table *t = quota_table_new(&c);
    struct quota_account *a = quota_account(t, &quota_id, &rule, STR_LIT("1"), 0);
    struct quota_account *b = quota_account(t, &quota_id, &rule, STR_LIT("2"), 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(quota_account(t, &quota_id, &rule, STR_LIT("3"), 0));
    quota_account_unref(NULL);
    assert_int_equal(quota_take(a, 5, NULL), QUOTA_NO_AUTHORITY); /* nobody was there yet */
    quota_account_unref(a);
    quota_account_unref(b);
    quota_table_free(t);
    quota_table_free(NULL);
}

static void test_unknown(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(1000));
    struct quota_account *a = account(&b);
    struct client c;
    b.g.unknown = true; /* this instance has not heard of it yet */
    assert_int_equal(take(&b, a, 10, &c), QUOTA_PARKED);
    pass(&b, 500);
    assert_int_equal(c.told, 0);
    assert_true(b.g.asks < 20);
    b.g.unknown = false;
    pass(&b, 200);
    assert_int_equal(c.answer, QUOTA_TAKEN);
    quota_settle(a, 10, 0);
    b.g.unknown = true;
    assert_int_equal(take(&b, a, 900, &c), QUOTA_PARKED);
    pass(&b, 1500);
    assert_int_equal(c.answer, QUOTA_NO_AUTHORITY);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_drain(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(1000));
    struct quota_account *a = account(&b);
    struct client c, d;
    assert_int_equal(take(&b, a, 100, &c), QUOTA_PARKED);
    (void)talk(&b);
    assert_int_equal(take(&b, a, 999, &d), QUOTA_PARKED);
    quota_drain(b.t);
    (void)talk(&b);
    assert_int_equal(d.answer, QUOTA_NO_AUTHORITY);
    assert_int_equal(lease_open(lease(&b, a)), 100); /* but for what is reserved */
    quota_settle(a, 100, 30);
    pass(&b, 1000);
    assert_int_equal(lease_open(lease(&b, a)), 30); /* which the event speaks for */
    assert_int_equal(take(&b, a, 1, &c), QUOTA_NO_AUTHORITY);
    quota_account_unref(a);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authority_goes),
        cmocka_unit_test(test_local_share),
        cmocka_unit_test(test_windows_turn),
        cmocka_unit_test(test_old_windows_are_kept_until_told),
        cmocka_unit_test(test_few_buckets),
        cmocka_unit_test(test_too_many_accounts),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
