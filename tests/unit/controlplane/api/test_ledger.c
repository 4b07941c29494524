/* What is spent, held and alerted, as the admin API shows it; and writing off what is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_fixture.h"
#include "controlplane/ledger/ledger.h"

#define BUDGET "0193f0c2-a1b2-7c3d-8e4f-5061728394a5"
#define BUDGET_ID "bud_0193f0c2a1b27c3d8e4f5061728394a5"
#define LIMIT "0193f0c2-a1b2-7c3d-8e4f-5061728394a6"
#define LIMIT_ID "lim_0193f0c2a1b27c3d8e4f5061728394a6"
#define GONE "0193f0c2-a1b2-7c3d-8e4f-5061728394a7"
#define HERE "0193f0c2-a1b2-7c3d-8e4f-5061728394a8"
#define TEAM_HEX "0193f0c2a1b27c3d8e4f5061728394a9"

static void run_sql(const char *sql)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(fx.pool, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    bool ok = tx_exec(t, NULL, &err, sql);
    ok = ok ? tx_commit(t, NULL, &err) : (tx_rollback(t), false);
    if (!ok) {
        fail_msg("%s: %s", sql, error_text(&err));
    }
}

static void accounts_show_what_is_spent_and_held(void **state)
{
    (void)state;
    struct answer a = call("GET", "/budgets/" BUDGET_ID "/accounts?limit=2", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.window_start"), "2026-11-21T00:00:00.000Z");
    assert_string_equal(at(&a, "data.0.window_end"), "2026-11-22T00:00:00.000Z");
    assert_string_equal(at(&a, "data.0.values.team"), "team_" TEAM_HEX);
    assert_string_equal(at(&a, "data.0.values.city"), "Ulm");
    assert_string_equal(at(&a, "data.0.amount"), "0.000000001"); /* as it was then */
    assert_string_equal(at(&a, "data.0.settled"), "0.50");
    assert_string_equal(at(&a, "data.0.held"), "0.25");
    assert_string_equal(at(&a, "data.0.remaining"), "0.00");
    assert_string_equal(at(&a, "data.0.overrun"), "0.000000007");
    assert_string_equal(at(&a, "data.1.bucket"), "x");
    char path[200];
    (void)snprintf(path, sizeof path, "/budgets/" BUDGET_ID "/accounts?limit=2&cursor=%s",
                   at(&a, "next_cursor"));
    a = call("GET", path, NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.window_start"), "2026-11-20T00:00:00.000Z");
    assert_string_equal(at(&a, "data.0.bucket"), "\x1e");
    assert_string_equal(at(&a, "data.0.values"), "{}");
    assert_string_equal(at(&a, "data.1.bucket"), "");
    assert_string_equal(at(&a, "next_cursor"), "null");
    a = call("GET", "/budgets/" BUDGET_ID "/accounts?bucket=%1e", NULL);
    assert_string_equal(at(&a, "data.0.bucket"), "\x1e");
    assert_string_equal(at(&a, "data.1.bucket"), "");
    a = call("GET", "/limits/" LIMIT_ID "/accounts", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.amount"), "10");
    assert_string_equal(at(&a, "data.0.remaining"), "7");
    assert_string_equal(at(&a, "data.0.window_end"), "null");
    assert_status(call("GET", "/budgets/" LIMIT "/accounts", NULL), 404);
}

static void an_open_window_has_the_amount_of_now(void **state)
{
    (void)state;
    run_sql("UPDATE ledger_accounts SET window_end = 4102444800, amount = 1 WHERE id = 1");
    run_sql("UPDATE budgets SET extra_amount = 1000000000, extra_until = now() + interval '1 hour' "
            "WHERE id = '" BUDGET "'");
    struct answer a = call("GET", "/budgets/" BUDGET_ID "/accounts", NULL);
    assert_string_equal(at(&a, "data.0.amount"), "3.00");
    assert_string_equal(at(&a, "data.0.remaining"), "2.25");
}

/* It has one account for ever, and what was used of it long ago is there again. */
static void a_token_bucket_shows_what_is_in_it(void **state)
{
    (void)state;
    run_sql("UPDATE limits SET algorithm = 'token_bucket', time_window = 'day', metric = "
            "'requests', burst = 20 WHERE id = '" LIMIT "'");
    run_sql("UPDATE limit_accounts SET settled = 1000000, held = 2, level_milli = 12000, level_ms "
            "= extract(epoch FROM now())::bigint * 1000 WHERE quota_id = '" LIMIT "'");
    struct answer a = call("GET", "/limits/" LIMIT_ID "/accounts", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.amount"), "20");
    assert_string_equal(at(&a, "data.0.settled"), "6");
    assert_string_equal(at(&a, "data.0.held"), "2");
    assert_string_equal(at(&a, "data.0.remaining"), "12");
}

static void leases_of_the_lost_are_written_off(void **state)
{
    (void)state;
    struct answer a = call("GET", "/ledger/leases", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.data_plane"), "gone");
    assert_string_equal(at(&a, "data.0.budget_id"), BUDGET_ID);
    assert_string_equal(at(&a, "data.0.held"), "0.20");
    assert_string_equal(at(&a, "data.1.held"), ""); /* the other one's is in session */
    assert_status(call("POST", "/ledger/leases/write-off", "{}"), 400);
    assert_status(call("POST", "/ledger/leases/write-off", "{\"data_plane_id\":\"x\"}"), 400);
    assert_status(call("POST", "/ledger/leases/write-off", "{\"data_plane_id\":\"" BUDGET "\"}"),
                  404);
    assert_status(call("POST", "/ledger/leases/write-off", "{\"data_plane_id\":\"" HERE "\"}"),
                  409);
    a = call("POST", "/ledger/leases/write-off", "{\"data_plane_id\":\"" GONE "\"}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "leases"), "1");
    assert_string_equal(at(&a, "cost"), "0.20");
    a = call("POST", "/ledger/leases/write-off", "{\"data_plane_id\":\"" GONE "\"}");
    assert_string_equal(at(&a, "leases"), "0");
    a = call("GET", "/ledger/leases", NULL);
    assert_string_equal(at(&a, "data.0.held"), "0.00");
    assert_string_equal(at(&a, "data.0.presumed"), "0.20");
    a = call("GET", "/budgets/" BUDGET_ID "/accounts", NULL);
    assert_string_equal(at(&a, "data.0.settled"), "0.70");
    assert_string_equal(at(&a, "data.0.presumed"), "0.20");
    a = call("GET", "/audit?action=ledger.write_off", NULL);
    assert_string_equal(at(&a, "data.0.after.cost"), "0.20");
    assert_string_equal(at(&a, "data.1.id"), "");
}

static void alerts_are_listed(void **state)
{
    (void)state;
    struct answer a = call("GET", "/alerts?budget_id=" BUDGET_ID, NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.percent"), "50");
    assert_string_equal(at(&a, "data.0.kind"), "budget_threshold");
    assert_string_equal(at(&a, "data.0.settled"), "1.00");
    assert_string_equal(at(&a, "data.0.amount"), "2.00");
    a = call("GET", "/alerts?budget_id=bud_0193f0c2a1b27c3d8e4f5061728394ff", NULL);
    assert_string_equal(at(&a, "data.0.percent"), "");
    assert_status(call("GET", "/alerts?budget_id=x", NULL), 400);
}

static void strangers_see_nothing(void **state)
{
    (void)state;
    assert_status(call("POST", "/organizations", "{\"name\":\"other\"}"), 201);
    (void)snprintf(fx.organization, sizeof fx.organization, "other");
    assert_status(call("GET", "/budgets/" BUDGET_ID "/accounts", NULL), 404);
    struct answer a = call("GET", "/alerts", NULL);
    assert_string_equal(at(&a, "data"), "[]");
    a = call("GET", "/ledger/leases", NULL);
    assert_string_equal(at(&a, "data"), "[]");
    a = call("POST", "/ledger/leases/write-off", "{\"data_plane_id\":\"" GONE "\"}");
    assert_string_equal(at(&a, "leases"), "0");
    (void)snprintf(fx.organization, sizeof fx.organization, "acme");
}

static void add_rows(void)
{
    run_sql("INSERT INTO budgets (id, organization_id, name, scopes, metric, amount, time_window) "
            "SELECT '" BUDGET "', id, 'b', '[{\"kind\":\"team\",\"value\":\"*\"},"
            "{\"kind\":\"model\",\"value\":\"gpt*\"},"
            "{\"kind\":\"metadata\",\"name\":\"city\",\"value\":\"*\"}]', 'cost', 2000000000, "
            "'day' FROM organizations WHERE name = 'acme'");
    run_sql("INSERT INTO limits (id, organization_id, name, metric, amount, time_window) SELECT "
            "'" LIMIT "', id, 'l', 'concurrency', 10, '' FROM organizations WHERE name = 'acme'");
    /* windows of 2026-11-20 and 21 */
    run_sql("INSERT INTO ledger_accounts (organization_id, quota_id, bucket, window_start, "
            "window_end, amount, settled, held, overrun) SELECT o.id, '" BUDGET "', v.* FROM "
            "organizations o, (VALUES ('" TEAM_HEX "' || chr(31) || 'Ulm', 1795219200::int8, "
            "1795305600::int8, 1::int8, 500000000::int8, 250000000::int8, 7::int8), (chr(30), "
            "1795132800, 1795219200, 5, 1, 1, 0), ('x', 1795132800, 1795219200, 5, 1, 1, 0)) v "
            "WHERE o.name = 'acme'");
    run_sql("INSERT INTO limit_accounts (organization_id, quota_id, bucket, window_start, held) "
            "SELECT id, '" LIMIT "', '', 0, 3 FROM organizations WHERE name = 'acme'");
    run_sql("INSERT INTO data_planes (id, group_id, name, last_seen_at) SELECT v.id::uuid, g.id, "
            "v.name, now() - v.age::interval FROM data_plane_groups g, (VALUES ('" GONE "', "
            "'gone', '1 h'), ('" HERE "', 'here', '0 s')) v (id, name, age)");
    run_sql("INSERT INTO ledger_leases (account_id, holder, organization_id, data_plane_id, "
            "granted) SELECT 1, gen_random_uuid(), o.id, p.id, CASE p.name WHEN 'gone' THEN "
            "200000000 ELSE 50000000 END FROM organizations o, data_planes p WHERE o.name = "
            "'acme'");
    run_sql("INSERT INTO alert_events (id, organization_id, kind, budget_id, metric, bucket, "
            "window_start, percent, settled, amount) SELECT gen_random_uuid(), id, "
            "'budget_threshold', '" BUDGET "', 'cost', '', 0, 50, 1000000000, 2000000000 FROM "
            "organizations WHERE name = 'acme'");
}

static int setup(void **state)
{
    if (fixture_setup(state) != 0 || sign_in(ADMIN_EMAIL, ADMIN_PASSWORD).status != 201 ||
        call("POST", "/organizations", "{\"name\":\"acme\"}").status != 201) {
        return -1;
    }
    (void)snprintf(fx.organization, sizeof fx.organization, "acme");
    add_rows();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_show_what_is_spent_and_held),
        cmocka_unit_test(an_open_window_has_the_amount_of_now),
        cmocka_unit_test(a_token_bucket_shows_what_is_in_it),
        cmocka_unit_test(leases_of_the_lost_are_written_off),
        cmocka_unit_test(alerts_are_listed),
        cmocka_unit_test(strangers_see_nothing),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
