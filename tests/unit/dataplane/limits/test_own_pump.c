/* Table of leases, thread and own ledger together, as in a proxy on its own. */
#include "dataplane/limits/own_rig.h"

#include <time.h>

#include "dataplane/limits/own_pump.h"
#include "dataplane/net/loop.h"

#define WAIT_MS 5000u

struct rig {
    struct loop *loop;
    struct own_pump *pump;
    struct quota_table *table;
    struct own_ledger *ledger;
    uint64_t events;
};

static void open_all(struct rig *r)
{
    struct error err = ERROR_INIT;
    struct own_ledger_config c = rig_config();
    memset(r, 0, sizeof(*r));
    for (unsigned i = 0; i < QUOTAS; i++) {
        quotas[i].rule.window = WINDOW_TOTAL;
    }
    r->loop = loop_new();
    r->pump = own_pump_new();
    struct quota_table_config tc = {
        .wake = own_pump_wake, .arg = r->pump, .holder = our_holder, .now_ms = test_now};
    own_pump_wake(r->pump); /* before anything runs */
    r->table = quota_table_new(&tc);
    r->ledger = rig_open_as(&c);
    assert_true(own_pump_start(r->pump, r->table, r->ledger, &err));
}

static void close_all(struct rig *r)
{
    own_pump_stop(r->pump);
    own_ledger_close(r->ledger);
    quota_table_free(r->table);
    own_pump_free(r->pump);
    loop_free(r->loop);
}

struct told {
    unsigned times;
    enum quota_answer answer;
    struct quota_waiter waiter;
};

static void on_answer(void *arg, enum quota_answer answer)
{
    struct told *t = arg;
    t->times++;
    t->answer = answer;
}

static uint64_t kernel_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void until_told(struct rig *r, const struct told *t)
{
    uint64_t from = kernel_ms();
    while (!t->times) {
        assert_true(kernel_ms() - from < WAIT_MS);
        loop_turn(r->loop, 1);
        now_ms++; /* the table's time, to the last millisecond */
    }
}

static enum quota_answer take(struct rig *r, struct quota_account *a, uint64_t amount)
{
    struct told t = {0};
    t.waiter.loop = r->loop;
    t.waiter.on_answer = on_answer;
    t.waiter.arg = &t;
    enum quota_answer answer = quota_take(a, amount, &t.waiter);
    if (answer != QUOTA_PARKED) {
        return answer;
    }
    until_told(r, &t);
    return t.answer;
}

static void spend(struct rig *r, struct quota_account *a, unsigned quota, uint64_t reserved,
                  uint64_t used)
{
    struct event_charge c = charge_of(quota, "b", used);
    c.holder = our_holder;
    c.window_start_s = quota_window_start(a);
    quota_settle(a, reserved, used);
    assert_true(book_charge(r->ledger, r->events++, c));
}

static void test_spent_to_the_end(void **state)
{
    (void)state;
    struct rig r;
    struct uuid id = quota_id(0);
    uint64_t settled, held;
    unsigned taken = 0;
    quotas[0].rule.amount = 1000;
    open_all(&r);
    own_ledger_caught_up(r.ledger);
    struct quota_account *a = quota_account(r.table, &id, &quotas[0].rule, STR_LIT("b"), 0);
    assert_non_null(a);
    while (take(&r, a, 40) == QUOTA_TAKEN) { /* reserved at four times of what it comes to */
        spend(&r, a, 0, 40, 10);
        taken++;
        (void)own_ledger_sums(r.ledger, &id, STR_LIT("b"), 0, &settled, &held);
        assert_true(settled + held <= 1000);
        assert_true(taken <= 100);
    }
    assert_true(taken >= 96); /* 960 and 40 do not fit twice */
    assert_int_equal(take(&r, a, 41), QUOTA_OVER);
    assert_int_equal(settled, taken * 10);
    quota_account_unref(a);
    close_all(&r);
}

static void test_waits_until_the_former_is_booked(void **state)
{
    (void)state;
    struct rig r;
    struct uuid id = quota_id(0);
    struct told t = {0};
    quotas[0].rule.amount = 1000;
    open_all(&r);
    struct quota_account *a = quota_account(r.table, &id, &quotas[0].rule, STR_LIT("b"), 0);
    t.waiter.loop = r.loop;
    t.waiter.on_answer = on_answer;
    t.waiter.arg = &t;
    assert_int_equal(quota_take(a, 300, &t.waiter), QUOTA_PARKED);
    for (unsigned i = 0; i < 5; i++) {
        loop_turn(r.loop, 5);
    }
    assert_int_equal(t.times, 0);
    struct event_charge c = charge_of(0, "b", 700); /* of a former process */
    c.window_start_s = 0;
    assert_true(book_charge(r.ledger, r.events++, c));
    own_ledger_caught_up(r.ledger);
    own_pump_wake(r.pump);
    until_told(&r, &t);
    assert_int_equal(t.answer, QUOTA_TAKEN);
    assert_int_equal(take(&r, a, 301), QUOTA_OVER);
    quota_settle(a, 300, 0);
    assert_int_equal(take(&r, a, 300), QUOTA_TAKEN);
    quota_settle(a, 300, 0);
    quota_account_unref(a);
    close_all(&r);
}

static void test_limits_by_the_minute(void **state)
{
    (void)state;
    struct rig r;
    struct uuid id = quota_id(1);
    open_all(&r);
    quotas[1].rule = (struct quota_rule){
        .limit = true, .metric = METRIC_REQUESTS, .window = WINDOW_MINUTE, .amount = 60};
    for (unsigned minute = 0; minute < 3; minute++) {
        unsigned taken = 0;
        struct quota_account *a = quota_account(r.table, &id, &quotas[1].rule, STR_LIT("b"), 0);
        while (taken < 100 && take(&r, a, 1) == QUOTA_TAKEN) {
            quota_settle(a, 1, 1);
            taken++;
        }
        assert_int_equal(taken, 60);
        quota_account_unref(a);
        now_ms += 60000;
    }
    close_all(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_spent_to_the_end),
        WITH_FOLDER(test_waits_until_the_former_is_booked),
        WITH_FOLDER(test_limits_by_the_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
