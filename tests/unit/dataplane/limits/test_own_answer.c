/* Leases of a proxy on its own: never more than is left, whatever was lost, and by the rules of
 * now. */
#include "dataplane/limits/own_rig.h"

static struct lease_ask ask_of(unsigned quota, const char *bucket, uint64_t need, uint64_t want)
{
    return (struct lease_ask){.quota = quota_id(quota),
                              .bucket = str_of(bucket),
                              .window_start_s = TODAY_S,
                              .need = need,
                              .want = want};
}

static struct lease_answer answer(struct own_ledger *l, const struct lease_ask *ask)
{
    struct lease_answer a;
    own_ledger_answer(l, ask, 1, &a);
    return a;
}

static struct own_ledger *open_caught_up(void)
{
    struct own_ledger *l = rig_open();
    assert_false(own_ledger_is_caught_up(l));
    own_ledger_caught_up(l);
    return l;
}

static void test_grants_what_is_left(void **state)
{
    (void)state;
    struct own_ledger *l = open_caught_up();
    quotas[0].rule.amount = 1000;
    struct lease_ask ask = ask_of(0, "b", 100, 100);
    struct lease_answer a = answer(l, &ask);
    assert_int_equal(a.state, QUOTA_GRANTED);
    assert_int_equal(a.granted_total, 100);
    assert_int_equal(a.amount, 1000);
    assert_int_equal(a.settled, 0);
    assert_int_equal(a.held, 100);
    assert_int_equal(a.reset_ms, (TODAY_S + DAY_S) * 1000);
    a = answer(l, &ask); /* the answer was lost: nothing more is needed */
    assert_int_equal(a.granted_total, 100);
    assert_int_equal(a.held, 100);
    ask.granted_total = 100;
    struct event_charge c = charge_of(0, "b", 60);
    c.holder = our_holder;
    assert_true(book_charge(l, 1, c)); /* out of the lease */
    ask.need = ask.want = 900;
    a = answer(l, &ask);
    assert_int_equal(a.state, QUOTA_GRANTED);
    assert_int_equal(a.granted_total, 1000);
    assert_int_equal(a.settled, 60);
    assert_int_equal(a.held, 940);
    ask.granted_total = 1000;
    ask.need = ask.want = 1;
    a = answer(l, &ask);
    assert_int_equal(a.state, QUOTA_HELD); /* by ourselves */
    ask.need = 941;
    assert_int_equal(answer(l, &ask).state, QUOTA_EXCEEDED);
    ask.need = ask.want = 0;
    ask.returned_total = 500;
    a = answer(l, &ask);
    assert_int_equal(a.state, QUOTA_GRANTED);
    assert_int_equal(a.held, 440);
    assert_int_equal(answer(l, &ask).held, 440); /* told twice */
    ask.need = ask.want = 500;
    a = answer(l, &ask);
    assert_int_equal(a.granted_total, 1500);
    assert_int_equal(a.held, 940);
    own_ledger_close(l);
}

/* What another run had spent is spent; what it had leased is not held by anybody. */
static void test_a_former_process(void **state)
{
    (void)state;
    struct own_ledger *l = open_caught_up();
    quotas[0].rule.amount = 1000;
    struct lease_ask ask = ask_of(0, "", 900, 900);
    assert_int_equal(answer(l, &ask).granted_total, 900);
    struct event_charge c = charge_of(0, "", 300);
    c.holder = our_holder;
    assert_true(book_charge(l, 1, c));
    own_ledger_close(l);
    struct own_ledger_config config = rig_config();
    config.holder.b[0] = 0x99;
    l = rig_open_as(&config);
    ask = ask_of(0, "", 100, 100);
    struct lease_answer a = answer(l, &ask); /* its spool may still hold events */
    assert_int_equal(a.state, QUOTA_HELD);
    assert_int_equal(a.granted_total, 0);
    quotas[1].rule = (struct quota_rule){
        .limit = true, .metric = METRIC_REQUESTS, .window = WINDOW_DAY, .amount = 5};
    struct lease_ask limit = ask_of(1, "", 5, 5);
    assert_int_equal(answer(l, &limit).granted_total, 5); /* of limits nothing is left over */
    ask.need = ask.want = 0;
    assert_int_equal(answer(l, &ask).state, QUOTA_GRANTED); /* a look */
    assert_int_equal(answer(l, &ask).settled, 300);
    c.amount = 200; /* an event that it left, and one without an end at its bound */
    assert_true(book_charge(l, 2, c));
    own_ledger_caught_up(l);
    ask.need = ask.want = 501;
    assert_int_equal(answer(l, &ask).state, QUOTA_EXCEEDED);
    ask.need = ask.want = 500;
    a = answer(l, &ask);
    assert_int_equal(a.granted_total, 500);
    assert_int_equal(a.held, 500);
    own_ledger_close(l);
}

static void test_windows_turn(void **state)
{
    (void)state;
    struct own_ledger *l = open_caught_up();
    quotas[0].rule.amount = 1000;
    struct lease_ask old = ask_of(0, "", 1000, 1000), fresh = ask_of(0, "", 1000, 1000);
    assert_int_equal(answer(l, &old).granted_total, 1000);
    now_ms += DAY_S * 1000;
    fresh.window_start_s += DAY_S;
    assert_int_equal(answer(l, &fresh).granted_total, 1000); /* all of it is there again */
    struct event_charge c = charge_of(0, "", 400);
    c.holder = our_holder;
    assert_true(book_charge(l, 1, c)); /* a request that had begun before midnight */
    assert_int_equal(settled(l, 0, ""), 400);
    assert_int_equal(settled_at(l, 0, "", TODAY_S + DAY_S), 0);
    old.granted_total = 1000;
    old.returned_total = 600;
    old.need = old.want = 0;
    struct lease_answer a = answer(l, &old);
    assert_int_equal(a.state, QUOTA_UNKNOWN); /* not one of now, but what came back is known */
    assert_int_equal(a.granted_total, 1000);
    assert_int_equal(a.held, 0);
    old.need = 1;
    assert_int_equal(answer(l, &old).granted_total, 1000);
    own_ledger_close(l);
}

static void test_rules_change(void **state)
{
    (void)state;
    struct own_ledger *l = open_caught_up();
    quotas[0].rule.amount = 1000;
    struct lease_ask ask = ask_of(0, "", 300, 300);
    ask.granted_total = answer(l, &ask).granted_total;
    ask.need = ask.want = 100;
    quotas[0].rule.amount = 350; /* lowered */
    struct lease_answer a = answer(l, &ask);
    assert_int_equal(a.state, QUOTA_HELD);
    assert_int_equal(a.amount, 350);
    quotas[0].rule.amount = 200; /* below what is held: nothing is taken away */
    assert_int_equal(answer(l, &ask).held, 300);
    quotas[0].rule.extra_amount = 500;
    quotas[0].rule.extra_until_ms = now_ms + 1000;
    a = answer(l, &ask);
    assert_int_equal(a.state, QUOTA_GRANTED);
    assert_int_equal(a.amount, 700);
    ask.granted_total = a.granted_total;
    now_ms += 1000; /* the increase is over */
    assert_int_equal(answer(l, &ask).state, QUOTA_HELD);
    quotas[0].rule.window = WINDOW_TOTAL;
    assert_int_equal(answer(l, &ask).state, QUOTA_UNKNOWN);
    ask.window_start_s = 0;
    ask.granted_total = 0;
    assert_int_equal(answer(l, &ask).granted_total, 100);
    quotas[0].disabled = true;
    assert_int_equal(answer(l, &ask).state, QUOTA_UNKNOWN);
    quotas[0].disabled = false;
    quotas[0].rule.amount = 0; /* gone from weir.yaml */
    assert_int_equal(answer(l, &ask).state, QUOTA_UNKNOWN);
    ask.quota = quota_id(200);
    assert_int_equal(answer(l, &ask).state, QUOTA_UNKNOWN);
    own_ledger_close(l);
}

static void test_an_overrun_is_spent(void **state)
{
    (void)state;
    struct own_ledger *l = open_caught_up();
    quotas[0].rule.amount = 1000;
    struct lease_ask ask = ask_of(0, "", 100, 100);
    ask.granted_total = answer(l, &ask).granted_total;
    struct event_charge c = charge_of(0, "", 150);
    c.holder = our_holder;
    assert_true(book_charge(l, 1, c));
    struct lease_answer a = answer(l, &(struct lease_ask){.quota = quota_id(0),
                                                          .bucket = STR_LIT(""),
                                                          .window_start_s = TODAY_S,
                                                          .granted_total = 100});
    assert_int_equal(a.settled, 150);
    assert_int_equal(a.held, 0);
    ask.need = ask.want = 850; /* of it 50 make good what is owed: they are not held twice */
    a = answer(l, &ask);
    assert_int_equal(a.granted_total, 950);
    assert_int_equal(a.held, 800);
    own_ledger_close(l);
}

static void test_limits(void **state)
{
    (void)state;
    struct own_ledger *l = open_caught_up();
    quotas[0].rule = (struct quota_rule){
        .limit = true, .metric = METRIC_REQUESTS, .window = WINDOW_MINUTE, .amount = 60};
    struct lease_ask ask = ask_of(0, "k", 40, 40);
    ask.granted_total = answer(l, &ask).granted_total;
    assert_int_equal(ask.granted_total, 40);
    ask.used_total = 40;
    ask.need = ask.want = 20;
    struct lease_answer a = answer(l, &ask);
    assert_int_equal(a.granted_total, 60);
    assert_int_equal(a.settled, 40);
    assert_int_equal(a.reset_ms, TODAY_S * 1000 + 60000);
    ask.granted_total = ask.used_total = 60;
    ask.need = ask.want = 1;
    assert_int_equal(answer(l, &ask).state, QUOTA_EXCEEDED);
    now_ms += 60000;
    struct lease_ask next = ask_of(0, "k", 60, 60);
    next.window_start_s += 60;
    assert_int_equal(answer(l, &next).granted_total, 60);

    quotas[1].rule = (struct quota_rule){
        .limit = true, .metric = METRIC_CONCURRENCY, .window = WINDOW_NONE, .amount = 3};
    struct lease_ask slots = ask_of(1, "", 3, 3);
    slots.window_start_s = 0;
    slots.granted_total = answer(l, &slots).granted_total;
    assert_int_equal(slots.granted_total, 3);
    slots.need = slots.want = 1;
    assert_int_equal(answer(l, &slots).state, QUOTA_HELD);
    slots.returned_total = 2;
    assert_int_equal(answer(l, &slots).granted_total, 4);

    quotas[2].rule = (struct quota_rule){.limit = true,
                                         .metric = METRIC_TOKENS,
                                         .window = WINDOW_MINUTE,
                                         .algorithm = ALGORITHM_BUCKET,
                                         .amount = 60,
                                         .burst = 10};
    struct lease_ask drops = ask_of(2, "", 10, 10);
    drops.window_start_s = 0;
    drops.granted_total = drops.used_total = answer(l, &drops).granted_total;
    assert_int_equal(drops.granted_total, 10);
    drops.need = drops.want = 3;
    a = answer(l, &drops);
    assert_int_equal(a.state, QUOTA_EXCEEDED);
    assert_int_equal(a.reset_ms, now_ms + 3000);
    now_ms += 3000;
    assert_int_equal(answer(l, &drops).granted_total, 13);
    own_ledger_close(l);
}

/* A sliding window counts what the one before spent. */
static void test_sliding_windows_look_back(void **state)
{
    (void)state;
    struct own_ledger *l = open_caught_up();
    quotas[0].rule = (struct quota_rule){.limit = true,
                                         .metric = METRIC_REQUESTS,
                                         .window = WINDOW_MINUTE,
                                         .algorithm = ALGORITHM_SLIDING,
                                         .amount = 60};
    struct lease_ask ask = ask_of(0, "", 60, 60);
    ask.granted_total = ask.used_total = answer(l, &ask).granted_total;
    ask.need = ask.want = 0;
    assert_int_equal(answer(l, &ask).settled, 60);
    now_ms += 60000;
    struct lease_ask next = ask_of(0, "", 1, 1);
    next.window_start_s += 60;
    assert_int_equal(answer(l, &next).granted_total, 0); /* all of it still lies in the window */
    now_ms += 30000;
    next.need = next.want = 31;
    assert_int_equal(answer(l, &next).granted_total, 0);
    next.need = next.want = 30;
    assert_int_equal(answer(l, &next).granted_total, 30);
    own_ledger_close(l);
}

/* Minutes and buckets come and go; what they leave behind does not stay. */
static void test_accounts_pass(void **state)
{
    (void)state;
    struct own_ledger *l = open_caught_up();
    struct own_ledger_stats stats;
    quotas[0].rule = (struct quota_rule){
        .limit = true, .metric = METRIC_REQUESTS, .window = WINDOW_MINUTE, .amount = 60};
    quotas[1].rule = (struct quota_rule){
        .limit = true, .metric = METRIC_CONCURRENCY, .window = WINDOW_NONE, .amount = 3};
    quotas[2].rule = (struct quota_rule){.limit = true,
                                         .metric = METRIC_REQUESTS,
                                         .window = WINDOW_DAY,
                                         .algorithm = ALGORITHM_BUCKET,
                                         .amount = 100};
    struct lease_ask drops = ask_of(2, "", 100, 100), slot = ask_of(1, "held", 1, 1);
    drops.window_start_s = slot.window_start_s = 0;
    assert_int_equal(answer(l, &drops).granted_total, 100);
    drops.granted_total = drops.used_total = 100;
    assert_int_equal(answer(l, &slot).granted_total, 1); /* a request of hours */
    for (unsigned minute = 0; minute < 180; minute++) {
        char bucket[16];
        (void)snprintf(bucket, sizeof(bucket), "m%u", minute);
        struct lease_ask ask = ask_of(0, bucket, 5, 5), idle = ask_of(1, bucket, 1, 1);
        ask.window_start_s += 60 * minute;
        idle.window_start_s = 0;
        assert_int_equal(answer(l, &ask).granted_total, 5);
        idle.granted_total = answer(l, &idle).granted_total;
        idle.returned_total = 1;
        idle.need = idle.want = 0;
        assert_int_equal(answer(l, &idle).held, 0);
        now_ms += 60000;
    }
    own_ledger_stats(l, &stats);
    assert_true(stats.accounts < 30);
    slot.granted_total = 1;
    slot.need = slot.want = 2;
    assert_int_equal(answer(l, &slot).granted_total, 3);
    slot.granted_total = 3;
    slot.need = 1;
    assert_int_equal(answer(l, &slot).state, QUOTA_HELD);
    drops.need = drops.want = 20; /* an eighth of the day: 12 have dripped in */
    assert_int_equal(answer(l, &drops).state, QUOTA_EXCEEDED);
    drops.need = drops.want = 12;
    assert_int_equal(answer(l, &drops).granted_total, 112);
    own_ledger_close(l);
}

static uint64_t random_state = 2463534242u;

static uint64_t random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

/* A holder that asks, spends, gives back and loses answers at random: what is granted and not spent
 * is held, and settled + held never passes the amount. */
static void test_never_more_than_the_amount(void **state)
{
    (void)state;
    enum { AMOUNT = 100000 };
    struct own_ledger *l = open_caught_up();
    quotas[0].rule.amount = AMOUNT;
    uint64_t granted = 0, returned = 0, spent = 0, event = 0;
    bool exceeded = false;
    for (unsigned step = 0; step < 3000; step++) {
        uint64_t available = granted - returned - spent;
        struct lease_ask ask = ask_of(0, "", random_below(3000), random_below(9000));
        ask.granted_total = granted;
        if (available && random_below(3) == 0) {
            struct event_charge c = charge_of(0, "", 1 + random_below(available));
            c.holder = our_holder;
            assert_true(book_charge(l, ++event, c));
            spent += c.amount;
            available -= c.amount;
        }
        if (random_below(4) == 0) {
            returned += random_below(available + 1);
        }
        ask.returned_total = returned;
        struct lease_answer a = answer(l, &ask);
        assert_int_equal(a.settled, spent);
        assert_int_equal(a.held, a.granted_total - returned - spent);
        assert_true(a.settled + a.held <= AMOUNT);
        exceeded = exceeded || a.state == QUOTA_EXCEEDED;
        if (random_below(3)) {
            granted = a.granted_total;
        }
    }
    assert_true(exceeded);
    assert_true(spent > AMOUNT / 100 * 95);
    own_ledger_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_grants_what_is_left),
        WITH_FOLDER(test_a_former_process),
        WITH_FOLDER(test_windows_turn),
        WITH_FOLDER(test_rules_change),
        WITH_FOLDER(test_an_overrun_is_spent),
        WITH_FOLDER(test_limits),
        WITH_FOLDER(test_sliding_windows_look_back),
        WITH_FOLDER(test_accounts_pass),
        WITH_FOLDER(test_never_more_than_the_amount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
