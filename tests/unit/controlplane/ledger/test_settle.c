/* What is spent: charges, alerts, write-offs, and who may see it. */
#include "controlplane/ledger/books.h"

#include "controlplane/store/ledger.h"

static int64_t alerts_of(const struct uuid *budget)
{
    char sql[200], text[37];
    uuid_format(budget, text);
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM alert_events WHERE budget_id = '%s'",
                   text);
    return rows_count(pool, sql);
}

static void test_a_soft_budget_is_charged_without_a_lease(void **state)
{
    (void)state;
    struct uuid budget = books_budget(100, "month", "mode = 'soft', zone = 'Europe/Berlin'");
    const int64_t march = 1772319600; /* 2026-03-01 00:00 in Berlin */
    struct holder h = books_holder(&plane_a, &budget, march);
    books_charge(&h, &org, false, 70, false);
    books_charge(&h, &org, false, 70, false);
    struct books_row r = books_row("ledger", &budget, march);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.settled, 140);
    assert_int_equal(r.held, 0);
    /* the summer time that begins meanwhile makes the month an hour shorter */
    assert_int_equal(rows_count(pool, "SELECT window_end - window_start FROM ledger_accounts "
                                      "WHERE window_start = 1772319600"),
                     31 * 86400 - 3600);
}

static void test_a_charge_of_another_organization_is_left_alone(void **state)
{
    (void)state;
    struct uuid budget = books_budget(100, "total", NULL), limit = books_limit(5, "minute", ""),
                none = uuid_v7();
    struct holder h = books_holder(&plane_a, &budget, 0);
    (void)books_ask(&h, 10, 10);
    books_charge(&h, &stranger, true, 10, false);
    assert_row("ledger", &budget, 0, 0, 10);
    h.quota = none; /* no budget and no account: nobody's */
    books_charge(&h, &org, false, 10, false);
    assert_int_equal(books_row("ledger", &none, 0).n, 0);
    h.quota = limit; /* limits are not charged by events */
    books_charge(&h, &org, false, 10, false);
    assert_int_equal(books_row("ledger", &limit, 0).n, 0);
}

static void test_an_account_outlives_its_budget(void **state)
{
    (void)state;
    struct uuid budget = books_budget(100, "total", NULL);
    struct holder h = books_holder(&plane_a, &budget, 0);
    (void)books_ask(&h, 10, 10);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "DELETE FROM budgets WHERE id = $1", DB_UUID(&budget));
    rows_commit(t, NULL);
    books_charge(&h, &stranger, true, 1, false);
    books_charge(&h, &org, true, 4, false);
    assert_row("ledger", &budget, 0, 4, 6);
    h.returned = 6;
    assert_int_equal(books_ask(&h, 1, 1).state, QUOTA_UNKNOWN);
    assert_row("ledger", &budget, 0, 4, 0);
}

static void test_an_alert_is_raised_once_for_each_percent(void **state)
{
    (void)state;
    struct uuid budget = books_budget(1000, "total", "alert_percents = '{50,80,100,0}'");
    struct holder h = books_holder(&plane_a, &budget, 0);
    books_charge(&h, &org, false, 499, false);
    assert_int_equal(alerts_of(&budget), 0);
    books_charge(&h, &org, false, 1, false);
    assert_int_equal(alerts_of(&budget), 1);
    books_charge(&h, &org, false, 299, false);
    assert_int_equal(alerts_of(&budget), 1);
    books_charge(&h, &org, false, 500, false); /* two at once */
    assert_int_equal(alerts_of(&budget), 3);
    books_alter("budgets", &budget, "amount = 10000");
    books_charge(&h, &org, false, 8000, false);
    assert_int_equal(alerts_of(&budget), 3);
    assert_int_equal(rows_count(pool, "SELECT settled FROM alert_events WHERE percent = 50 AND "
                                      "amount = 1000 AND kind = 'budget_threshold'"),
                     500);
}

static void test_a_full_account_does_not_overflow(void **state)
{
    (void)state;
    struct uuid budget = books_budget(INT64_MAX, "total", "alert_percents = '{100}'");
    struct holder h = books_holder(&plane_a, &budget, 0);
    (void)books_ask(&h, INT64_MAX / 2, INT64_MAX);
    books_charge(&h, &org, true, INT64_MAX, true);
    books_charge(&h, &org, true, INT64_MAX, true);
    assert_int_equal(books_row("ledger", &budget, 0).settled, INT64_MAX);
    assert_int_equal(books_ask(&h, 1, 1).state, QUOTA_EXCEEDED);
    assert_int_equal(alerts_of(&budget), 1);
}

/* ---- write-off ---- */

static struct ledger_written_off write_off(const struct uuid *plane, const struct uuid *of)
{
    struct error err = ERROR_INIT;
    struct ledger_written_off r = {.leases = 0}, *list = NULL;
    struct arena *a = arena_new(0);
    size_t n = 0;
    struct tx *t = rows_begin(pool);
    if (!ledger_write_off(t, plane, of, LEDGER_PRESENT_MS, a, &list, &n, &err)) {
        fail_msg("write-off: %s", error_text(&err));
    }
    rows_commit(t, NULL);
    assert_true(n <= 1);
    r = n > 0 ? list[0] : r;
    assert_true(n == 0 || uuid_eq(&r.organization, &org));
    arena_free(a);
    return r;
}

static void test_what_a_dead_plane_holds_is_written_off_and_told_later(void **state)
{
    (void)state;
    struct uuid gone = books_plane("gone", "11 s"),
                budget = books_budget(100, "total", "alert_percents = '{50}'");
    struct holder dead = books_holder(&gone, &budget, 0), live = books_holder(&plane_a, &budget, 0);
    (void)books_ask(&dead, 60, 60);
    (void)books_ask(&live, 20, 20);
    assert_int_equal(write_off(&gone, &stranger).leases, 0);
    assert_int_equal(write_off(&plane_a, &org).leases, 0); /* in session */
    struct ledger_written_off r = write_off(&gone, &org);
    assert_int_equal(r.leases, 1);
    assert_int_equal(r.cost_nanousd, 60);
    assert_int_equal(write_off(&gone, NULL).leases, 0);
    assert_row("ledger", &budget, 0, 60, 20);
    assert_int_equal(books_row("ledger", &budget, 0).presumed, 60);
    assert_int_equal(alerts_of(&budget), 1);
    books_charge(&dead, &org, true, 25, false); /* its spool was found: that was within */
    assert_row("ledger", &budget, 0, 60, 20);
    assert_int_equal(books_row("ledger", &budget, 0).presumed, 35);
    dead.returned = 5; /* and it is there again: what it holds, it holds */
    (void)books_ask(&dead, 0, 0);
    assert_row("ledger", &budget, 0, 25, 50);
    (void)write_off(&gone, NULL);
    struct holder next = dead;
    next = books_holder(&gone, &budget, 0);
    next.former = true; /* it was killed, but all that it did is stored by now */
    (void)books_ask(&next, 0, 0);
    assert_row("ledger", &budget, 0, 25, 20);
    assert_int_equal(books_row("ledger", &budget, 0).presumed, 0);
}

/* ---- rows ---- */

static void assert_tenant(const struct uuid *tenant, const char *sql, int64_t want)
{
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct tx *t = tx_begin(pool, TX_TENANT, tenant, &err);
    assert_non_null(t);
    bool ok = tx_exec(t, &rows, &err, sql);
    assert_int_equal(ok, want >= 0);
    if (ok) {
        assert_int_equal(db_i64(rows, 0, 0), want);
    }
    db_rows_free(rows);
    tx_rollback(t);
}

static void test_a_tenant_reads_its_own_and_writes_nothing(void **state)
{
    (void)state;
    static const char *const tables[] = {"ledger_accounts", "ledger_leases", "limit_accounts",
                                         "limit_leases", "alert_events"};
    struct uuid budget = books_budget(10, "total", "alert_percents = '{10}'"),
                limit = books_limit(10, "minute", "");
    struct holder h = books_holder(&plane_a, &budget, 0), k = books_holder(&plane_a, &limit, NOW_S);
    (void)books_ask(&h, 5, 5);
    books_charge(&h, &org, true, 5, false);
    (void)books_ask(&k, 5, 5);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char count[80], set[80], delete[80];
        (void)snprintf(count, sizeof count, "SELECT count(*) FROM %s", tables[i]);
        (void)snprintf(set, sizeof set, "UPDATE %s SET organization_id = organization_id",
                       tables[i]);
        (void)snprintf(delete, sizeof delete, "DELETE FROM %s", tables[i]);
        assert_true(rows_count(pool, count) > 0);
        assert_tenant(&stranger, count, 0);
        assert_tenant(&org, count, rows_count(pool, count));
        assert_tenant(&org, set, -1);
        assert_tenant(&org, delete, -1);
    }
}

static void test_what_is_long_over_is_cleared_away(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid hour = books_budget(10, "hour", NULL), total = books_budget(10, "total", NULL),
                minute = books_limit(10, "minute", "sliding"), slots = books_limit(10, "", "");
    const struct uuid *quotas[] = {&hour, &total, &minute, &slots};
    const int64_t starts[] = {NOW_S, 0, NOW_S, 0};
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        struct holder h = books_holder(&plane_a, quotas[i], starts[i]);
        (void)books_ask(&h, 1, 1);
    }
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "UPDATE ledger_accounts SET updated_at = now() - interval '500 days', window_end "
              "= 1 WHERE quota_id = $1",
              DB_UUID(&hour));
    ROWS_EXEC(t,
              "UPDATE ledger_accounts SET updated_at = now() - interval '500 days' WHERE "
              "quota_id = $1",
              DB_UUID(&total));
    ROWS_EXEC(t,
              "UPDATE limit_accounts SET window_start = 60, window_end = 120 WHERE quota_id = "
              "$1",
              DB_UUID(&minute));
    assert_true(ledger_prune(t, LEDGER_KEEP_DAYS, &n, &err));
    assert_int_equal(n, 1);
    assert_true(ledger_prune_limits(t, &n, &err));
    assert_true(n >= 1);
    rows_commit(t, NULL);
    assert_int_equal(books_row("ledger", &hour, NOW_S).n, 0);
    assert_int_equal(books_row("ledger", &total, 0).n, 1);
    assert_int_equal(books_row("limit", &minute, 60).n, 0);
    assert_int_equal(books_row("limit", &slots, 0).n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_soft_budget_is_charged_without_a_lease),
        cmocka_unit_test(test_a_charge_of_another_organization_is_left_alone),
        cmocka_unit_test(test_an_account_outlives_its_budget),
        cmocka_unit_test(test_an_alert_is_raised_once_for_each_percent),
        cmocka_unit_test(test_a_full_account_does_not_overflow),
        cmocka_unit_test(test_what_a_dead_plane_holds_is_written_off_and_told_later),
        cmocka_unit_test(test_a_tenant_reads_its_own_and_writes_nothing),
        cmocka_unit_test(test_what_is_long_over_is_cleared_away),
    };
    return cmocka_run_group_tests(tests, books_setup, books_teardown);
}
