/* Taking from the quota table, settling and waiting, against a ledger that answers by
 * quota_decide. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/limits/quota_bench.h"

static void test_take_and_settle(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(1000));
    struct quota_account *a = account(&b);
    struct client c;
    assert_ptr_equal(account(&b), a);
    assert_int_equal(take(&b, a, 40, &c), QUOTA_PARKED);
    assert_int_equal(wakes, 1);
    assert_int_equal(quota_due_ms(b.t), 0);
    assert_true(talk(&b) > 0);
    assert_int_equal(c.told, 1);
    assert_int_equal(c.answer, QUOTA_TAKEN);
    assert_true(lease(&b, a)->granted >= 40);
    /* what was not spent is there at once, without asking */
    uint64_t asks = b.g.asks;
    quota_settle(a, 40, 10);
    assert_int_equal(take(&b, a, 30, &c), QUOTA_TAKEN);
    assert_int_equal(b.g.asks, asks);
    quota_settle(a, 30, 30);
    assert_int_equal(take(&b, a, 1001, &c), QUOTA_OVER); /* could never fit */
    assert_int_equal(take(&b, a, UINT64_MAX, &c), QUOTA_OVER);
    rig_event(&b.g, quota_bucket(a), 0, 0, 40, now_ms);
    /* idle: everything goes back, once */
    pass(&b, 2000);
    assert_int_equal(lease_open(lease(&b, a)), 0);
    asks = b.g.asks;
    pass(&b, 5000);
    assert_int_equal(b.g.asks, asks);
    struct quota_counts n;
    quota_counts(b.t, &n);
    assert_int_equal(n.taken, 2);
    assert_int_equal(n.refused, 2);
    assert_int_equal(n.accounts, 1);
    assert_int_equal(n.waiting, 0);
    quota_account_unref(a);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_over_and_held(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(100));
    struct quota_account *a = account(&b);
    struct client c, d, e;
    assert_int_equal(take(&b, a, 80, &c), QUOTA_PARKED);
    (void)talk(&b);
    assert_int_equal(c.answer, QUOTA_TAKEN);
    /* 80 are held by a request under way here: it would fit if they came back, so it waits */
    assert_int_equal(take(&b, a, 60, &d), QUOTA_PARKED);
    pass(&b, 500);
    assert_int_equal(d.told, 0);
    assert_true(b.g.asks < 20); /* asked again, now and then */
    quota_settle(a, 80, 10);
    loop_turn(b.loop, 0);
    assert_int_equal(d.answer, QUOTA_TAKEN); /* no round trip */
    rig_event(&b.g, quota_bucket(a), 0, 0, 10, now_ms);
    /* what is held for too long */
    assert_int_equal(take(&b, a, 50, &e), QUOTA_PARKED);
    pass(&b, 2200);
    assert_int_equal(e.told, 1);
    assert_int_equal(e.answer, QUOTA_OCCUPIED);
    quota_settle(a, 60, 60);
    rig_event(&b.g, quota_bucket(a), 0, 0, 60, now_ms);
    /* 30 are left: 31 do not fit, which is remembered; 30 do */
    assert_int_equal(take(&b, a, 31, &c), QUOTA_PARKED);
    assert_int_equal(take(&b, a, 20, &d), QUOTA_PARKED);
    (void)talk(&b);
    assert_int_equal(c.answer, QUOTA_OVER);
    assert_int_equal(d.answer, QUOTA_TAKEN);
    quota_settle(a, 20, 0);
    assert_int_equal(take(&b, a, 31, &c), QUOTA_PARKED); /* what came back made it ask again */
    (void)talk(&b);
    assert_int_equal(c.answer, QUOTA_OVER);
    uint64_t asks = b.g.asks;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(take(&b, a, 31, &c), QUOTA_OVER);
    }
    assert_int_equal(talk(&b), 0);
    assert_int_equal(b.g.asks, asks);
    now_ms += 251;
    assert_int_equal(take(&b, a, 31, &c), QUOTA_PARKED);
    (void)talk(&b);
    assert_int_equal(c.answer, QUOTA_OVER);
    /* the amount is raised: at once */
    b.g.rule.amount = 200;
    struct quota_account *same = account(&b);
    assert_ptr_equal(same, a);
    assert_int_equal(take(&b, a, 31, &c), QUOTA_PARKED);
    (void)talk(&b);
    assert_int_equal(c.answer, QUOTA_TAKEN);
    quota_settle(a, 31, 31);
    assert_int_equal(b.g.overspent, 0);
    quota_account_unref(a);
    quota_account_unref(same);
    bench_close(&b);
}

static void test_many_wait(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(100));
    struct quota_account *a = account(&b);
    struct client c[8];
    unsigned taken = 0, over = 0;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(take(&b, a, 16, &c[i]), QUOTA_PARKED);
    }
    struct quota_counts n;
    quota_counts(b.t, &n);
    assert_int_equal(n.waiting, 8);
    for (int i = 0; i < 20; i++) {
        pass(&b, 20);
        for (int k = 0; k < 8; k++) {
            if (c[k].told == 1 && c[k].answer == QUOTA_TAKEN) {
                quota_settle(a, 16, 16);
                rig_event(&b.g, quota_bucket(a), 0, 0, 16, now_ms);
                c[k].told++;
                taken++;
                assert_int_equal(k, taken - 1); /* first come first served */
            }
        }
    }
    for (int k = 0; k < 8; k++) {
        over += c[k].told == 1 && c[k].answer == QUOTA_OVER;
    }
    assert_int_equal(taken, 6);
    assert_int_equal(over, 2);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_steady_state_parks_nobody(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(1000000000));
    struct quota_account *a = account(&b);
    struct client c;
    unsigned parked = 0, after = 0;
    for (int i = 0; i < 3000; i++) {
        enum quota_answer answer = take(&b, a, 400, &c);
        if (answer == QUOTA_PARKED) {
            parked++;
            after += i > 600;
            (void)talk(&b);
        }
        assert_int_equal(c.answer, QUOTA_TAKEN);
        quota_settle(a, 400, 100);
        rig_event(&b.g, quota_bucket(a), 0, 0, 100, now_ms);
        now_ms += 2;
        if (i % 10 == 9) {
            (void)talk(&b); /* every 20 ms */
        }
    }
    assert_true(parked < 20);
    assert_int_equal(after, 0);
    assert_true(b.g.asks < 200);
    /* no more than some seconds of spending lie here */
    assert_true(lease_open(lease(&b, a)) < 4 * 50000);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_overrun(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(100));
    struct quota_account *a = account(&b);
    struct client c;
    struct quota_view v;
    assert_int_equal(take(&b, a, 20, &c), QUOTA_PARKED);
    (void)talk(&b);
    quota_settle(a, 20, 50); /* the provider billed more than it could */
    rig_event(&b.g, quota_bucket(a), 0, 0, 50, now_ms);
    b.g.overspent = 0;
    assert_int_equal(take(&b, a, 50, &c), QUOTA_PARKED);
    (void)talk(&b);
    quota_view(a, &v);
    assert_int_equal(v.settled, 50);
    assert_int_equal(c.told, 1);
    pass(&b, 3000);
    assert_int_equal(c.told, 1);
    if (c.answer == QUOTA_TAKEN) {
        quota_settle(a, 50, 0);
    }
    assert_int_equal(take(&b, a, 51, &c), QUOTA_PARKED); /* it owes: 50 are left in all */
    pass(&b, 2500);
    assert_int_equal(c.answer, QUOTA_OVER);
    assert_int_equal(b.g.overspent, 0);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_cancel(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(100));
    struct quota_account *a = account(&b);
    struct client c, d, e;
    assert_int_equal(take(&b, a, 90, &c), QUOTA_PARKED);
    assert_int_equal(take(&b, a, 10, &d), QUOTA_PARKED);
    quota_cancel(&c.w);
    quota_cancel(&c.w); /* harmless */
    (void)talk(&b);
    assert_int_equal(c.told, 0);
    assert_int_equal(d.answer, QUOTA_TAKEN);
    quota_settle(a, 10, 10);
    /* the answer is on its way: it is not told, and what it brought goes back */
    assert_int_equal(take(&b, a, 60, &c), QUOTA_PARKED);
    assert_true(rig_exchange(&b.g, b.t, 0, now_ms) > 0);
    quota_cancel(&c.w);
    loop_turn(b.loop, 0);
    assert_int_equal(c.told, 0);
    assert_int_equal(take(&b, a, 60, &e), QUOTA_TAKEN);
    quota_settle(a, 60, 0);
    /* one that stands before smaller ones goes: they are served from what is here */
    assert_int_equal(take(&b, a, 40, &e), QUOTA_TAKEN);
    assert_int_equal(take(&b, a, 61, &c), QUOTA_PARKED);
    assert_int_equal(take(&b, a, 20, &d), QUOTA_PARKED);
    quota_cancel(&c.w);
    loop_turn(b.loop, 0);
    assert_int_equal(d.answer, QUOTA_TAKEN);
    struct quota_counts n;
    quota_counts(b.t, &n);
    assert_int_equal(n.waiting, 0);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_loop_end(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(100));
    struct quota_account *a = account(&b);
    struct client c, d;
    assert_int_equal(take(&b, a, 60, &c), QUOTA_PARKED);
    assert_int_equal(take(&b, a, 30, &d), QUOTA_PARKED);
    loop_end(b.loop);
    while (rig_exchange(&b.g, b.t, 0, now_ms) > 0) {
    }
    assert_int_equal(c.told + d.told, 0);
    quota_cancel(&c.w);
    quota_cancel(&d.w);
    struct quota_counts n;
    quota_counts(b.t, &n);
    assert_int_equal(n.waiting, 0);
    quota_drain(b.t);
    while (rig_exchange(&b.g, b.t, 0, now_ms) > 0) {
    }
    assert_int_equal(lease_open(lease(&b, a)), 0);
    assert_int_equal(c.told + d.told, 0);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_answers_are_lost(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(1000));
    struct quota_account *a = account(&b);
    struct client c;
    struct lease_ask asks[4];
    struct lease_answer answer;
    assert_int_equal(take(&b, a, 40, &c), QUOTA_PARKED);
    assert_int_equal(quota_gather_asks(b.t, 4, asks), 1);
    assert_int_equal(quota_due_ms(b.t), UINT64_MAX);
    rig_ask(&b.g, &asks[0], 0, now_ms, &answer);
    uint64_t granted = answer.granted_total;
    assert_true(granted >= 40);
    quota_lost(b.t);
    assert_int_equal(quota_due_ms(b.t), 0);
    assert_int_equal(c.told, 0);
    assert_int_equal(quota_gather_asks(b.t, 4, asks), 1);
    assert_int_equal(asks[0].granted_total, 0);
    rig_ask(&b.g, &asks[0], 0, now_ms, &answer);
    assert_false(quota_answered(b.t, STR_LIT("\x0a\xff"))); /* cannot be read: as lost */
    assert_false(quota_answered_list(b.t, &answer, 2, 1));
    assert_int_equal(quota_gather_asks(b.t, 4, asks), 1);
    rig_ask(&b.g, &asks[0], 0, now_ms, &answer);
    assert_true(quota_answered_list(b.t, &answer, 1, 1));
    loop_turn(b.loop, 0);
    assert_int_equal(c.answer, QUOTA_TAKEN); /* out of what was granted the first time */
    quota_settle(a, 40, 0);
    pass(&b, 2000);
    assert_int_equal(lease_open(lease(&b, a)), 0); /* all that was ever granted came back */
    /* a total that goes beyond all that was asked for belongs to somebody else */
    assert_int_equal(take(&b, a, 40, &c), QUOTA_PARKED);
    assert_int_equal(quota_gather_asks(b.t, 4, asks), 1);
    answer = (struct lease_answer){.state = QUOTA_GRANTED, .granted_total = 100000, .amount = 1000};
    assert_true(quota_answered_list(b.t, &answer, 1, 1));
    loop_turn(b.loop, 0);
    assert_int_equal(c.told, 0);
    quota_cancel(&c.w);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_scarce_goes_back_at_once(void **state)
{
    (void)state;
    struct bench b = bench_open(BUDGET(100));
    struct quota_account *a = account(&b);
    struct client c;
    assert_int_equal(take(&b, a, 60, &c), QUOTA_PARKED);
    (void)talk(&b);
    /* another proxy waits for more than there is */
    struct lease_ask other = {.quota = quota_id, .bucket = STR_LIT("x"), .need = 60, .want = 60};
    struct lease_answer answer;
    rig_ask(&b.g, &other, 1, now_ms, &answer);
    assert_int_equal(answer.state, QUOTA_HELD);
    /* it is heard of with the next answer, whatever that was for */
    struct client l = {.w = {.loop = b.loop, .on_answer = on_answer, .arg = &l}};
    now_ms += 300;
    assert_int_equal(take(&b, a, 39, &c), QUOTA_PARKED);
    (void)talk(&b);
    (void)l;
    quota_settle(a, 60, 0);
    if (c.answer == QUOTA_TAKEN) {
        quota_settle(a, 39, 0);
    }
    (void)talk(&b);
    loop_turn(b.loop, 0);
    if (c.told) {
        (void)talk(&b);
    }
    rig_ask(&b.g, &other, 1, now_ms, &answer);
    assert_int_equal(answer.state, QUOTA_GRANTED);
    assert_int_equal(b.g.overspent, 0);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_view_and_look(void **state)
{
    (void)state;
    struct quota_rule rule = BUDGET(1000);
    rule.window = WINDOW_DAY;
    struct bench b = bench_open(rule);
    struct quota_account *a = account(&b);
    struct client c, l;
    struct quota_view v;
    quota_view(a, &v);
    assert_false(v.known);
    assert_int_equal(v.amount, 1000);
    assert_int_equal(v.remaining, 1000);
    assert_true(v.reset_ms > now_ms && v.reset_ms <= now_ms + 86400000);
    assert_int_equal(v.window_start_s * 1000, v.reset_ms - 86400000);
    l = (struct client){.w = {.loop = b.loop, .on_answer = on_answer, .arg = &l}};
    assert_int_equal(quota_look(a, &l.w), QUOTA_PARKED);
    assert_int_equal(talk(&b), 1);
    assert_int_equal(l.answer, QUOTA_TAKEN);
    assert_int_equal(lease(&b, a)->granted, 0); /* nothing is reserved by looking */
    assert_int_equal(quota_look(a, &l.w), QUOTA_TAKEN);
    assert_int_equal(talk(&b), 0);
    assert_int_equal(take(&b, a, 200, &c), QUOTA_PARKED);
    (void)talk(&b);
    quota_view(a, &v);
    assert_true(v.known);
    assert_int_equal(v.remaining, 800);
    quota_settle(a, 200, 50);
    quota_view(a, &v);
    assert_int_equal(v.remaining, 950);
    rig_event(&b.g, quota_bucket(a), quota_window_start(a), 0, 50, now_ms);
    pass(&b, 1500);
    quota_view(a, &v);
    assert_int_equal(v.remaining, 950);
    assert_int_equal(v.settled, 50);
    /* a look that is taken back is not told */
    now_ms += 1000;
    assert_int_equal(quota_look(a, &l.w), QUOTA_PARKED);
    l.told = 0;
    quota_cancel(&l.w);
    (void)talk(&b);
    assert_int_equal(l.told, 0);
    quota_account_unref(a);
    bench_close(&b);
}

static void test_concurrency(void **state)
{
    (void)state;
    struct quota_rule rule = {.limit = true, .metric = METRIC_CONCURRENCY, .amount = 3};
    struct bench b = bench_open(rule);
    struct quota_account *a = account(&b);
    struct client c[4];
    for (int i = 0; i < 3; i++) {
        (void)take(&b, a, 1, &c[i]);
        (void)talk(&b);
        assert_int_equal(c[i].answer, QUOTA_TAKEN);
    }
    assert_int_equal(take(&b, a, 1, &c[3]), QUOTA_PARKED);
    pass(&b, 300);
    assert_int_equal(c[3].told, 0);
    quota_settle(a, 1, 0);
    loop_turn(b.loop, 0);
    assert_int_equal(c[3].answer, QUOTA_TAKEN);
    assert_int_equal(quota_take(a, 1, NULL), QUOTA_OCCUPIED);
    /* who waits for a slot is not kept for long */
    assert_int_equal(take(&b, a, 1, &c[3]), QUOTA_PARKED);
    pass(&b, 1200);
    assert_int_equal(c[3].told, 1);
    assert_int_equal(c[3].answer, QUOTA_OVER);
    quota_settle(a, 1, 0);
    quota_settle(a, 1, 0);
    quota_settle(a, 1, 0);
    pass(&b, 2000);
    assert_int_equal(lease_open(lease(&b, a)), 0);
    assert_int_equal(b.g.overspent, 0);
    quota_account_unref(a);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_and_settle),
        cmocka_unit_test(test_over_and_held),
        cmocka_unit_test(test_many_wait),
        cmocka_unit_test(test_steady_state_parks_nobody),
        cmocka_unit_test(test_overrun),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_loop_end),
        cmocka_unit_test(test_answers_are_lost),
        cmocka_unit_test(test_scarce_goes_back_at_once),
        cmocka_unit_test(test_view_and_look),
        cmocka_unit_test(test_concurrency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
