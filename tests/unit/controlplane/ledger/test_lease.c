/* Leases: what is granted, to whom, and that messages may be lost, repeated and late. */
#include "controlplane/ledger/books.h"

#include <pthread.h>
#include <stdatomic.h>

static void test_a_lease_is_a_slice_and_the_same_question_has_the_same_answer(void **state)
{
    (void)state;
    struct uuid budget = books_budget(16000, "day", NULL);
    struct holder h = books_holder(&plane_a, &budget, DAY_START_S);
    struct ledger_answer r = books_ask(&h, 0, 0); /* a look makes no account */
    assert_int_equal(r.state, QUOTA_GRANTED);
    assert_int_equal(r.amount, 16000);
    assert_int_equal(books_row("ledger", &budget, DAY_START_S).n, 0);
    r = books_ask(&h, 10, 100000);
    assert_int_equal(r.state, QUOTA_GRANTED);
    assert_int_equal(r.granted_total, 1000); /* an eighth of the half that is a plane's */
    assert_int_equal(r.held, 1000);
    assert_int_equal(r.reset_ms, (DAY_START_S + 86400) * 1000);
    assert_false(r.scarce);
    h.granted = 0; /* the reply was lost: what was granted is told, and nothing more is given */
    r = books_ask(&h, 10, 500);
    assert_int_equal(r.granted_total, 1000);
    assert_row("ledger", &budget, DAY_START_S, 0, 1000);
    h.granted = 0; /* lost again, and more waits by now */
    r = books_ask(&h, 1010, 1010);
    assert_int_equal(r.granted_total, 1010);
    h.returned = 1000;
    r = books_ask(&h, 0, 0);
    assert_int_equal(r.held, 10);
    h.returned = 400; /* an older message overtakes */
    h.granted = 500;
    r = books_ask(&h, 0, 0);
    assert_int_equal(r.granted_total, 1010);
    assert_row("ledger", &budget, DAY_START_S, 0, 10);
}

static void test_what_is_held_is_waited_for_and_what_is_spent_is_over(void **state)
{
    (void)state;
    struct uuid budget = books_budget(100, "total", NULL);
    struct holder a = books_holder(&plane_a, &budget, 0), b = books_holder(&plane_b, &budget, 0);
    assert_int_equal(books_ask(&a, 60, 60).state, QUOTA_GRANTED);
    struct ledger_answer r = books_ask(&b, 41, 41);
    assert_int_equal(r.state, QUOTA_HELD);
    assert_int_equal(r.granted_total, 0);
    assert_int_equal(r.reset_ms, 0);
    r = books_ask(&a, 0, 0);
    assert_true(r.scarce); /* others wait: the holder is told */
    a.now_ms += LEDGER_SCARCE_MS;
    assert_false(books_ask(&a, 0, 0).scarce);
    assert_int_equal(books_ask(&b, 40, 1000).granted_total, 40); /* exactly what is needed */
    assert_int_equal(books_ask(&b, 1, 1).state, QUOTA_HELD);
    books_charge(&a, &org, true, 60, false);
    books_charge(&b, &org, true, 30, false);
    assert_row("ledger", &budget, 0, 90, 10);
    assert_int_equal(books_ask(&a, 11, 11).state, QUOTA_EXCEEDED);
    assert_int_equal(books_ask(&a, 10, 10).state, QUOTA_HELD);
    b.returned = 10;
    (void)books_ask(&b, 0, 0);
    assert_int_equal(books_ask(&a, 10, 10).state, QUOTA_GRANTED);
    assert_row("ledger", &budget, 0, 90, 10);
    books_alter("budgets", &budget, "extra_amount = 50, extra_until = '2026-03-10 12:00:01+00'");
    b.now_ms = a.now_ms = NOW_S * 1000;
    r = books_ask(&b, 50, 50);
    assert_int_equal(r.state, QUOTA_GRANTED);
    assert_int_equal(r.amount, 150);
    a.now_ms += 1000; /* the increase is over */
    assert_int_equal(books_ask(&a, 1, 1).state, QUOTA_HELD);
}

static void test_an_overrun_is_booked_and_made_up_for(void **state)
{
    (void)state;
    struct uuid budget = books_budget(1000, "total", NULL);
    struct holder h = books_holder(&plane_a, &budget, 0);
    (void)books_ask(&h, 10, 10);
    books_charge(&h, &org, true, 30, true);
    struct books_row row = books_row("ledger", &budget, 0);
    assert_int_equal(row.settled, 30);
    assert_int_equal(row.held, 0);
    assert_int_equal(row.overrun, 30);
    /* the holder owes 20 and needs 5: 25 are granted, of which 5 can be spent */
    assert_int_equal(books_ask(&h, 25, 25).granted_total, 35);
    assert_row("ledger", &budget, 0, 30, 5);
    books_charge(&h, &org, true, 5, false);
    assert_row("ledger", &budget, 0, 35, 0);
}

static void test_a_dead_holders_rest_is_free_when_its_events_are_stored(void **state)
{
    (void)state;
    struct uuid budget = books_budget(100, "total", NULL);
    struct holder dead = books_holder(&plane_a, &budget, 0), next = dead,
                  other = books_holder(&plane_b, &budget, 0);
    next.id = uuid_v7();
    (void)books_ask(&dead, 50, 50);
    (void)books_ask(&other, 20, 20);
    assert_int_equal(books_ask(&next, 40, 40).state, QUOTA_HELD);
    books_charge(&dead, &org, true, 15, false); /* from the spool */
    next.former = true;
    assert_int_equal(books_ask(&next, 40, 40).state, QUOTA_GRANTED);
    assert_row("ledger", &budget, 0, 15, 60); /* the other plane's lease is untouched */
    assert_int_equal(books_ask(&next, 1, 1).granted_total, 41);
    assert_row("ledger", &budget, 0, 15, 61);
}

static void test_a_late_word_of_a_former_run_frees_nothing_of_its_successors(void **state)
{
    (void)state;
    struct uuid budget = books_budget(100, "total", NULL), limit = books_limit(10, "", "");
    struct uuid plane = books_plane("twice", "0 s");
    struct holder runs[3], slots = books_holder(&plane, &limit, 0);
    for (size_t i = 0; i < 3; i++) {
        runs[i] = books_holder(&plane, &budget, 0);
    }
    (void)books_ask(&runs[0], 30, 30);
    (void)books_ask(&runs[1], 20, 20);
    (void)books_ask(&runs[2], 10, 10);
    slots.id = runs[2].id;
    (void)books_ask(&slots, 4, 4);
    runs[1].former = true; /* sent before the second run died, and heard only now */
    (void)books_ask(&runs[1], 0, 0);
    assert_row("ledger", &budget, 0, 0, 60);
    assert_row("limit", &limit, 0, 0, 4);
    runs[0].former = true;
    (void)books_ask(&runs[0], 0, 0);
    assert_row("ledger", &budget, 0, 0, 60);
    runs[2].former = true;
    (void)books_ask(&runs[2], 0, 0);
    assert_row("ledger", &budget, 0, 0, 10);
    assert_row("limit", &limit, 0, 0, 4);
}

static bool nobody(void *arg, const struct uuid *organization, const struct uuid *workspace)
{
    (void)arg;
    (void)organization;
    (void)workspace;
    return false;
}

static void test_what_is_not_there_or_not_now_is_unknown(void **state)
{
    (void)state;
    struct uuid budget = books_budget(100, "hour", NULL), none = uuid_v7();
    struct holder h = books_holder(&plane_a, &none, NOW_S);
    assert_int_equal(books_ask(&h, 1, 1).state, QUOTA_UNKNOWN);
    h.quota = budget;
    const int64_t hours[] = {NOW_S - 3600, NOW_S, NOW_S + 3600, NOW_S + 1, NOW_S - 7200, -3600};
    const int64_t at[] = {NOW_S + 599, NOW_S + 3000, NOW_S + 3000, NOW_S, NOW_S, NOW_S};
    const int want[] = {QUOTA_GRANTED, QUOTA_GRANTED, QUOTA_GRANTED,
                        QUOTA_UNKNOWN, QUOTA_UNKNOWN, QUOTA_UNKNOWN};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        h.granted = 0;
        h.window_s = hours[i];
        h.now_ms = at[i] * 1000;
        assert_int_equal(books_ask(&h, 1, 1).state, want[i]);
    }
    h.window_s = NOW_S;
    h.now_ms = NOW_S * 1000;
    h.granted = 1;
    char long_bucket[300];
    memset(long_bucket, 'x', sizeof long_bucket);
    long_bucket[299] = '\0';
    h.bucket = long_bucket;
    assert_int_equal(books_ask(&h, 1, 1).state, QUOTA_UNKNOWN);
    h.bucket = "\xff";
    assert_int_equal(books_ask(&h, 1, 1).state, QUOTA_UNKNOWN);
    h.bucket = "";
    h.serves = nobody;
    h.returned = 1;
    struct ledger_answer r = books_ask(&h, 1, 1);
    assert_int_equal(r.state, QUOTA_UNKNOWN); /* a group that does not serve the organization */
    assert_int_equal(r.held + r.settled + r.amount + r.granted_total, 0);
    h.serves = books_serves;
    h.granted = 1;
    books_alter("budgets", &budget, "disabled = true");
    r = books_ask(&h, 1, 1); /* nothing is granted, and what comes back is taken */
    assert_int_equal(r.state, QUOTA_UNKNOWN);
    assert_row("ledger", &budget, NOW_S, 0, 0);
}

static void test_who_was_put_into_another_group_gives_back_and_learns_nothing(void **state)
{
    (void)state;
    struct uuid budget = books_budget(100, "total", NULL), limit = books_limit(10, "", "");
    struct holder moved = books_holder(&plane_a, &budget, 0), slots = moved, other = moved;
    slots.quota = limit;
    other.id = uuid_v7();
    other.plane = plane_b;
    (void)books_ask(&moved, 60, 60);
    (void)books_ask(&slots, 6, 6);
    (void)books_ask(&other, 10, 10);
    moved.serves = slots.serves = other.serves = nobody;
    moved.returned = 50;
    slots.used = 0;
    slots.returned = 6;
    struct ledger_answer r = books_ask(&moved, 5, 5);
    assert_int_equal(r.state, QUOTA_UNKNOWN); /* it gets nothing */
    assert_int_equal(r.held + r.settled + r.amount + r.granted_total, 0);
    assert_row("ledger", &budget, 0, 0, 20);
    (void)books_ask(&slots, 0, 0);
    assert_row("limit", &limit, 0, 0, 0);
    /* nobody else's: the account is there, and they have no lease of it */
    struct holder stranger_there = books_holder(&plane_b, &budget, 0), thief = other;
    stranger_there.serves = nobody;
    stranger_there.granted = stranger_there.returned = 50;
    (void)books_ask(&stranger_there, 0, 0);
    thief.plane = plane_a; /* of another plane's holder neither */
    thief.returned = 10;
    (void)books_ask(&thief, 0, 0);
    assert_row("ledger", &budget, 0, 0, 20);
}

static void test_counters_beyond_all_numbers_refuse_and_do_not_fail(void **state)
{
    (void)state;
    struct uuid limit = books_limit(10, "hour", "sliding");
    struct holder h = books_holder(&plane_a, &limit, NOW_S), other = h;
    h.granted = h.used = UINT64_MAX;
    (void)books_ask(&h, 0, 0);
    other.id = uuid_v7();
    h.granted = UINT64_MAX;
    books_alter("limits", &limit, "amount = 1000000000000000000");
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "UPDATE limit_accounts SET held = 5 WHERE quota_id = $1", DB_UUID(&limit));
    rows_commit(t, NULL);
    other.window_s = NOW_S + 3600;
    other.now_ms = (NOW_S + 3600) * 1000;
    assert_int_equal(books_ask(&other, 1, 1).state, QUOTA_EXCEEDED);
}

static void test_buckets_have_accounts_of_their_own(void **state)
{
    (void)state;
    struct uuid budget = books_budget(10, "total", NULL);
    struct holder x = books_holder(&plane_a, &budget, 0), y = x;
    x.bucket = "a\x1f"
               "b";
    y.bucket = QUOTA_BUCKET_REST;
    assert_int_equal(books_ask(&x, 10, 10).state, QUOTA_GRANTED);
    assert_int_equal(books_ask(&y, 10, 10).state, QUOTA_GRANTED);
    assert_int_equal(books_ask(&y, 1, 1).state, QUOTA_HELD);
    assert_int_equal(books_row("ledger", &budget, 0).n, 2);
}

/* ---- limits ---- */

static void test_a_limit_counts_what_holders_say_they_used(void **state)
{
    (void)state;
    struct uuid limit = books_limit(10, "minute", "");
    struct holder a = books_holder(&plane_a, &limit, NOW_S),
                  b = books_holder(&plane_b, &limit, NOW_S);
    assert_int_equal(books_ask(&a, 6, 6).state, QUOTA_GRANTED);
    assert_int_equal(books_ask(&b, 5, 5).state, QUOTA_HELD);
    a.used = 5;
    a.returned = 1;
    (void)books_ask(&a, 0, 0);
    assert_row("limit", &limit, NOW_S, 5, 0);
    assert_int_equal(books_ask(&b, 5, 5).state, QUOTA_GRANTED);
    b.used = 5;
    struct ledger_answer r = books_ask(&b, 1, 1);
    assert_int_equal(r.state, QUOTA_EXCEEDED);
    assert_int_equal(r.reset_ms, (NOW_S + 60) * 1000);
    b.used = 3; /* late */
    (void)books_ask(&b, 0, 0);
    assert_row("limit", &limit, NOW_S, 10, 0);
    struct holder next = books_holder(&plane_a, &limit, NOW_S + 60);
    assert_int_equal(books_ask(&next, 10, 10).state, QUOTA_GRANTED);
}

static void test_a_sliding_limit_remembers_the_window_before(void **state)
{
    (void)state;
    struct uuid limit = books_limit(100, "minute", "sliding");
    struct holder h = books_holder(&plane_a, &limit, NOW_S), next = h;
    (void)books_ask(&h, 80, 80);
    h.used = 80;
    (void)books_ask(&h, 0, 0);
    next.window_s = NOW_S + 60;
    next.now_ms = (NOW_S + 60 + 15) * 1000; /* three quarters of the 80 still count */
    struct ledger_answer r = books_ask(&next, 41, 41);
    assert_int_equal(r.state, QUOTA_EXCEEDED);
    assert_int_equal(r.settled, 60);
    assert_true(r.reset_ms > next.now_ms && r.reset_ms < next.now_ms + 2000);
    next.now_ms = r.reset_ms;
    assert_int_equal(books_ask(&next, 41, 41).state, QUOTA_GRANTED);
}

static void test_a_bucket_is_refilled_and_takes_back(void **state)
{
    (void)state;
    struct uuid limit = books_limit(60, "minute", "token_bucket");
    struct holder h = books_holder(&plane_a, &limit, 0);
    assert_int_equal(books_ask(&h, 60, 60).state, QUOTA_GRANTED);
    h.used = 50;
    h.returned = 10;
    struct ledger_answer r = books_ask(&h, 0, 0);
    assert_int_equal(r.amount - r.settled - r.held, 10);
    r = books_ask(&h, 15, 15);
    assert_int_equal(r.state, QUOTA_EXCEEDED);
    assert_int_equal(r.reset_ms, h.now_ms + 5000);
    h.now_ms += 5000;
    assert_int_equal(books_ask(&h, 15, 15).granted_total, 75);
    assert_int_equal(books_ask(&h, 1, 1).state, QUOTA_HELD);
}

static void test_counters_that_were_lost_are_taken_from_their_holders(void **state)
{
    (void)state;
    struct uuid limit = books_limit(100, "minute", ""), budget = books_budget(100, "total", NULL);
    struct holder h = books_holder(&plane_a, &limit, NOW_S);
    h.granted = 50; /* of rows that a crash has emptied */
    h.used = 30;
    h.returned = 5;
    struct ledger_answer r = books_ask(&h, 0, 0);
    assert_int_equal(r.granted_total, 50);
    assert_row("limit", &limit, NOW_S, 30, 15);
    struct holder b = books_holder(&plane_a, &budget, 0);
    b.granted = 1000; /* held is never beyond the amount */
    b.returned = 10;
    assert_int_equal(books_ask(&b, 0, 0).granted_total, 1000);
    assert_row("ledger", &budget, 0, 0, 100);
    books_charge(&b, &org, true, 100, false);
    assert_row("ledger", &budget, 0, 100, 0);
    /* a bucket that was cleared away goes on: nothing of long ago is taken out of it */
    struct uuid bucket = books_limit(60, "minute", "token_bucket");
    struct holder c = books_holder(&plane_a, &bucket, 0);
    c.granted = 500;
    c.used = 400;
    c.returned = 100;
    r = books_ask(&c, 50, 50);
    assert_int_equal(r.state, QUOTA_GRANTED);
    assert_int_equal(r.granted_total, 550);
    assert_int_equal(r.amount - r.settled - r.held, 10);
}

static void test_the_limits_of_an_absent_plane_are_free_until_it_is_back(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    size_t n = 0;
    struct uuid gone = books_plane("gone", "11 s"), limit = books_limit(10, "", ""),
                bucket = books_limit(10, "day", "token_bucket");
    struct holder h = books_holder(&gone, &limit, 0), k = books_holder(&gone, &bucket, 0),
                  other = books_holder(&plane_a, &limit, 0);
    (void)books_ask(&h, 8, 8);
    (void)books_ask(&k, 8, 8);
    (void)books_ask(&other, 2, 2);
    assert_int_equal(books_ask(&other, 1, 1).state, QUOTA_HELD);
    struct tx *t = rows_begin(pool);
    assert_true(ledger_free_limits(t, LEDGER_PRESENT_MS, &n, &err));
    rows_commit(t, NULL);
    assert_int_equal(n, 2);
    assert_row("limit", &limit, 0, 0, 2);
    assert_row("limit", &bucket, 0, 0, 0);
    t = rows_begin(pool);
    assert_true(ledger_free_limits(t, LEDGER_PRESENT_MS, &n, &err));
    rows_commit(t, NULL);
    assert_int_equal(n, 0);
    h.returned = 3; /* it still had them, and says so */
    (void)books_ask(&h, 0, 0);
    assert_row("limit", &limit, 0, 0, 7);
}

/* ---- many at once ---- */

enum { RUNNERS = 8, ROUNDS = 60, POT = 400 };

struct runner {
    struct db_pool *pool;
    struct holder holders[2];
    unsigned seed;
    atomic_bool *failed;
    uint64_t spent[2];
};

static bool runner_settle(struct runner *r, int k, int64_t amount)
{
    struct error err = ERROR_INIT;
    struct holder *h = &r->holders[k];
    struct ledger_charge c = {.organization = org,
                              .quota = h->quota,
                              .holder = h->id,
                              .bucket = STR_LIT(""),
                              .amount = amount};
    struct tx *t = tx_begin(r->pool, TX_SYSTEM, NULL, &err);
    if (!t) {
        return false;
    }
    if (!ledger_settle(t, &h->plane, &c, 1, h->now_ms, &err)) {
        tx_rollback(t);
        return false;
    }
    r->spent[k] += (uint64_t)amount;
    return tx_commit(t, NULL, &err);
}

/* Takes, spends some of it by an event, gives the rest back; half of the answers are lost. Both
 * accounts are asked in either order in one request. */
static void *run(void *arg)
{
    struct runner *r = arg;
    for (int i = 0; i < ROUNDS && !atomic_load(r->failed); i++) {
        struct ledger_ask asks[2];
        struct ledger_answer answers[2];
        struct error err = ERROR_INIT;
        unsigned planes, first = (unsigned)rand_r(&r->seed) % 2;
        for (unsigned k = 0; k < 2; k++) {
            const struct holder *h = &r->holders[k];
            asks[k ^ first] = (struct ledger_ask){.quota = h->quota,
                                                  .bucket = STR_LIT(""),
                                                  .granted_total = h->granted,
                                                  .returned_total = h->returned,
                                                  .need = 1 + (unsigned)rand_r(&r->seed) % 5,
                                                  .want = (unsigned)rand_r(&r->seed) % 40};
        }
        struct ledger_request q = {.plane = r->holders[0].plane,
                                   .holder = r->holders[0].id,
                                   .now_ms = NOW_S * 1000,
                                   .serves = books_serves};
        bool ok = ledger_lease(r->pool, &q, asks, 2, answers, &planes, &err);
        for (int k = 0; ok && k < 2; k++) {
            struct holder *h = &r->holders[k];
            if (rand_r(&r->seed) % 2) {
                continue; /* the reply is lost */
            }
            h->granted = answers[(unsigned)k ^ first].granted_total;
            uint64_t has = h->granted - h->returned - r->spent[k];
            int64_t spend = has > 0 ? (int64_t)((uint64_t)rand_r(&r->seed) % (has + 1)) : 0;
            ok = spend == 0 || runner_settle(r, k, spend);
            h->returned = h->granted - r->spent[k];
        }
        if (!ok) {
            fprintf(stderr, "%s\n", error_text(&err));
            atomic_store(r->failed, true);
        }
    }
    return NULL;
}

static void test_nothing_is_granted_twice_by_two_instances_at_once(void **state)
{
    (void)state;
    atomic_bool failed = false;
    struct uuid budgets[2] = {books_budget(POT, "total", NULL),
                              books_budget(POT * 2, "total", NULL)};
    struct db_pool *pools[2] = {db_pool_new(pg.service_url, RUNNERS),
                                db_pool_new(pg.service_url, RUNNERS)};
    struct runner runners[RUNNERS];
    pthread_t threads[RUNNERS];
    for (unsigned i = 0; i < RUNNERS; i++) {
        runners[i] = (struct runner){.pool = pools[i % 2], .seed = i + 1, .failed = &failed};
        for (int k = 0; k < 2; k++) {
            runners[i].holders[k] = books_holder(i % 2 ? &plane_a : &plane_b, &budgets[k], 0);
        }
        runners[i].holders[1].id = runners[i].holders[0].id;
        assert_int_equal(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
    }
    for (int n = 0; n < 100; n++) { /* samples while they run */
        for (int k = 0; k < 2; k++) {
            struct books_row r = books_row("ledger", &budgets[k], 0);
            if (r.settled + r.held > POT * (k + 1) || r.held != r.leased) {
                atomic_store(&failed, true);
            }
        }
    }
    for (int i = 0; i < RUNNERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_false(atomic_load(&failed));
    for (int k = 0; k < 2; k++) {
        int64_t spent = 0;
        struct books_row r = books_row("ledger", &budgets[k], 0);
        for (int i = 0; i < RUNNERS; i++) {
            spent += (int64_t)runners[i].spent[k];
        }
        assert_int_equal(r.settled, spent);
        assert_true(spent > 0 && r.settled + r.held <= POT * (k + 1));
        assert_int_equal(r.held, r.leased);
    }
    db_pool_free(pools[0]);
    db_pool_free(pools[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lease_is_a_slice_and_the_same_question_has_the_same_answer),
        cmocka_unit_test(test_what_is_held_is_waited_for_and_what_is_spent_is_over),
        cmocka_unit_test(test_an_overrun_is_booked_and_made_up_for),
        cmocka_unit_test(test_a_dead_holders_rest_is_free_when_its_events_are_stored),
        cmocka_unit_test(test_a_late_word_of_a_former_run_frees_nothing_of_its_successors),
        cmocka_unit_test(test_what_is_not_there_or_not_now_is_unknown),
        cmocka_unit_test(test_who_was_put_into_another_group_gives_back_and_learns_nothing),
        cmocka_unit_test(test_counters_beyond_all_numbers_refuse_and_do_not_fail),
        cmocka_unit_test(test_buckets_have_accounts_of_their_own),
        cmocka_unit_test(test_a_limit_counts_what_holders_say_they_used),
        cmocka_unit_test(test_a_sliding_limit_remembers_the_window_before),
        cmocka_unit_test(test_a_bucket_is_refilled_and_takes_back),
        cmocka_unit_test(test_counters_that_were_lost_are_taken_from_their_holders),
        cmocka_unit_test(test_the_limits_of_an_absent_plane_are_free_until_it_is_back),
        cmocka_unit_test(test_nothing_is_granted_twice_by_two_instances_at_once),
    };
    return cmocka_run_group_tests(tests, books_setup, books_teardown);
}
