/* Each job removes what is past its time, leaves the rest alone, and only one instance is at it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/jobs/schedule.h"
#include "controlplane/store/db_upkeep.h"
#include "pg_fixture.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct job_settings settings;

static void owner_runs(const char *sql)
{
    char search[2048];
    snprintf(search, sizeof search, "SET search_path = weir; %s", sql);
    const char *statements[] = {search};
    assert_true(pg_fixture_run(pg.owner_url, statements, 1));
}

static int64_t number(const char *sql)
{
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct tx *t = tx_begin(pool, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    if (!tx_exec(t, &rows, &err, sql)) {
        fail_msg("%s", error_text(&err));
    }
    int64_t n = db_i64(rows, 0, 0);
    db_rows_free(rows);
    tx_rollback(t);
    return n;
}

static size_t run(const char *name, bool *ret_ran)
{
    struct error err = ERROR_INIT;
    size_t n = 0;
    for (size_t i = 0; i < jobs_count; i++) {
        if (strcmp(jobs[i].name, name) == 0) {
            if (!job_run(pool, &jobs[i], &settings, ret_ran, &n, &err)) {
                fail_msg("%s", error_text(&err));
            }
            return n;
        }
    }
    fail_msg("no job %s", name);
    return 0;
}

static size_t run_alone(const char *name)
{
    bool ran = false;
    size_t n = run(name, &ran);
    assert_true(ran);
    return n;
}

static const char partitions_sql[] =
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'weir' AND c.relkind = 'r' AND c.relname ~ '^usage_[a-z]+_[0-9]{8}$'";

static void partitions_stand_three_days_ahead(void **state)
{
    (void)state;
    assert_int_equal(number(partitions_sql), 0);
    assert_int_equal(run_alone("usage_partitions"), 3 * 5); /* yesterday to three days from now */
    assert_int_equal(number(partitions_sql), 15);
    assert_int_equal(run_alone("usage_partitions"), 0);
    assert_int_equal(number("SELECT count(*) FROM pg_class WHERE relname ="
                            " 'usage_events_' || to_char(current_date + 3, 'YYYYMMDD')"),
                     1);
}

static void a_day_that_began_in_the_default_partition_stays_there(void **state)
{
    (void)state;
    owner_runs(
        "INSERT INTO usage_events (day, id, organization_id, started_at, duration_us, endpoint, "
        "status, outcome) VALUES (current_date + 30, gen_random_uuid(), gen_random_uuid(), "
        "now(), 1, '/', 200, 'ok')");
    assert_int_equal(number("SELECT ensure_usage_partitions(current_date + 30, current_date + 30)"),
                     2);
    assert_int_equal(number("SELECT count(*) FROM usage_events"), 1);
}

static void what_has_ended_goes_and_the_rest_stays(void **state)
{
    (void)state;
    owner_runs(
        "INSERT INTO users (id, email) VALUES ('00000000-0000-7000-8000-0000000000aa', 'a@b.c');"
        "INSERT INTO sessions (id, user_id, token_hash, csrf_hash, expires_at)"
        " SELECT gen_random_uuid(), '00000000-0000-7000-8000-0000000000aa', "
        "sha256(i::text::bytea), '', "
        " now() + i * interval '1 minute' FROM generate_series(-3, 2) i WHERE i <> 0;"
        "INSERT INTO idempotency_keys (actor, key, request_hash, created_at)"
        " VALUES ('a', 'old', '', now() - interval '25 hours'), ('a', 'new', '', now() - interval "
        "'23 hours');"
        "INSERT INTO enrolment_tokens (id, group_id, token_hash, expires_at)"
        " SELECT gen_random_uuid(), g.id, sha256(i::text::bytea), now() - i * interval '1 hour'"
        " FROM data_plane_groups g, generate_series(23, 25) i;"
        "INSERT INTO login_throttle (kind, subject, window_start, locked_until)"
        " VALUES ('account', 'old', now() - interval '2 days', NULL),"
        " ('account', 'locked', now() - interval '2 days', now() + interval '1 hour'),"
        " ('account', 'new', now(), NULL)");
    assert_int_equal(run_alone("expire_sessions"), 3);
    assert_int_equal(number("SELECT count(*) FROM sessions"), 2);
    assert_int_equal(run_alone("expire_idempotency_keys"), 1);
    assert_int_equal(number("SELECT count(*) FROM idempotency_keys WHERE key = 'new'"), 1);
    assert_int_equal(run_alone("expire_enrolment_tokens"), 2); /* 24 and 25 hours ago */
    assert_int_equal(number("SELECT count(*) FROM enrolment_tokens"), 1);
    assert_int_equal(run_alone("expire_login_throttle"), 1);
    assert_int_equal(number("SELECT count(*) FROM login_throttle WHERE subject <> 'old'"), 2);
    assert_int_equal(run_alone("expire_sessions"), 0);
}

static void old_changes_are_trimmed_behind_a_horizon(void **state)
{
    (void)state;
    owner_runs("INSERT INTO change_log (version, position, kind, entity_id, deleted, at)"
               " SELECT v, 1, 3, gen_random_uuid(), false, now() - (12 - v) * interval '1 day' + "
               "interval '1 hour'"
               " FROM generate_series(2, 11) v; UPDATE config_version SET version = 11");
    assert_int_equal(run_alone("trim_change_log"), 4); /* 12 - v > 7 */
    assert_int_equal(number("SELECT horizon FROM config_version"), 4);
    assert_int_equal(number("SELECT min(version) FROM change_log"), 5);
    assert_int_equal(number("SELECT count(*) FROM change_log"), 7);
    assert_int_equal(run_alone("trim_change_log"), 0);
    assert_int_equal(number("SELECT horizon FROM config_version"), 4);
}

static void what_a_lost_proxy_holds_is_dealt_with_as_told(void **state)
{
    (void)state;
    owner_runs(
        "INSERT INTO organizations (id, name) VALUES ('00000000-0000-7000-8000-0000000000bb', "
        "'o');"
        "INSERT INTO data_planes (id, group_id, name, last_seen_at) SELECT gen_random_uuid(), "
        "g.id, i::text, now() - i * interval '1 minute' FROM data_plane_groups g, "
        "generate_series(0, 1) i;"
        "INSERT INTO ledger_accounts (organization_id, quota_id, bucket, window_start, held) "
        "VALUES ('00000000-0000-7000-8000-0000000000bb', gen_random_uuid(), '', 0, 10);"
        "INSERT INTO limit_accounts (organization_id, quota_id, bucket, window_start, held) "
        "VALUES ('00000000-0000-7000-8000-0000000000bb', gen_random_uuid(), '', 0, 10);"
        "INSERT INTO ledger_leases (account_id, holder, organization_id, data_plane_id, granted) "
        "SELECT a.id, gen_random_uuid(), a.organization_id, p.id, 5 FROM ledger_accounts a, "
        "data_planes p;"
        "INSERT INTO limit_leases (account_id, holder, organization_id, data_plane_id, granted) "
        "SELECT a.id, gen_random_uuid(), a.organization_id, p.id, 5 FROM limit_accounts a, "
        "data_planes p");
    assert_int_equal(run_alone("free_limit_leases"), 1);
    assert_int_equal(number("SELECT held FROM limit_accounts"), 5);
    assert_int_equal(run_alone("write_off_leases"), 0); /* not told to */
    settings.lease_writeoff_ms = 300000;
    assert_int_equal(run_alone("write_off_leases"), 0); /* not yet */
    settings.lease_writeoff_ms = 30000;
    assert_int_equal(run_alone("write_off_leases"), 1);
    assert_int_equal(run_alone("write_off_leases"), 0);
    settings.lease_writeoff_ms = 0;
    assert_int_equal(number("SELECT held FROM ledger_accounts WHERE settled = 5"), 5);
    assert_int_equal(number("SELECT count(*) FROM audit_log WHERE action = 'ledger.write_off' AND "
                            "organization_id IS NOT NULL"),
                     1);
    (void)run_alone("trim_ledger");
}

static void only_one_instance_is_at_a_job(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    bool mine = false, ran = true;
    struct tx *t = tx_begin(pool, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    assert_true(upkeep_lock(t, "expire_sessions", &mine, &err));
    assert_true(mine);
    (void)run("expire_sessions", &ran);
    assert_false(ran);
    (void)run_alone("trim_change_log"); /* another job is free */
    tx_rollback(t);
    (void)run_alone("expire_sessions");
}

static void the_schedule_runs_all_at_once_and_stops(void **state)
{
    (void)state;
    owner_runs("INSERT INTO idempotency_keys (actor, key, request_hash, created_at)"
               " VALUES ('b', 'old', '', now() - interval '2 days')");
    struct schedule *s = schedule_start(pool, &settings, NULL);
    assert_int_equal(number("SELECT count(*) FROM idempotency_keys WHERE actor = 'b'"), 0);
    schedule_stop(s);
    schedule_stop(NULL);
}

static int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_stand_three_days_ahead),
        cmocka_unit_test(a_day_that_began_in_the_default_partition_stays_there),
        cmocka_unit_test(what_has_ended_goes_and_the_rest_stays),
        cmocka_unit_test(old_changes_are_trimmed_behind_a_horizon),
        cmocka_unit_test(what_a_lost_proxy_holds_is_dealt_with_as_told),
        cmocka_unit_test(only_one_instance_is_at_a_job),
        cmocka_unit_test(the_schedule_runs_all_at_once_and_stops),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
