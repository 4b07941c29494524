/* What stands behind the code: roles, row-level security, and versions that become visible in
 * order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "controlplane/store/db.h"
#include "pg_fixture.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct uuid org_a, org_b;

static void must(bool ok, const struct error *err)
{
    if (!ok) {
        fail_msg("%s", error_text(err));
    }
}

static struct tx *begin(enum tx_role role, const struct uuid *organization)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(pool, role, organization, &err);
    must(t != NULL, &err);
    return t;
}

static int64_t count(struct tx *t, const char *sql)
{
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    must(tx_exec(t, &rows, &err, sql), &err);
    int64_t n = db_i64(rows, 0, 0);
    db_rows_free(rows);
    return n;
}

static void the_service_passes_the_check(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    must(db_pool_check(pool, &err), &err);
}

static void refused(const char *url, const char *word)
{
    struct error err = ERROR_INIT;
    struct db_pool *p = db_pool_new(url, 1);
    assert_false(db_pool_check(p, &err));
    assert_int_equal(err.code, ERR_DATABASE);
    if (!strstr(err.text, word)) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, word);
    }
    db_pool_free(p);
}

static void owner_runs(const char *sql)
{
    assert_true(pg_fixture_run(pg.owner_url, &sql, 1));
}

static void other_roles_are_refused(void **state)
{
    (void)state;
    char url[768], sql[512], role[64];
    refused(pg.owner_url, "owns the schema");

    /* A plain role that nobody made the service's, then one that inherits what it should ask for.
     */
    snprintf(role, sizeof role, "weir_test_plain_%ld", (long)getpid());
    assert_true(pg_fixture_url(pg.server_url, pg.database, role, "plain", url, sizeof url));
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN PASSWORD 'plain'", role);
    owner_runs(sql);
    refused(url, "was not made the service's");
    snprintf(sql, sizeof sql,
             "SET search_path = weir; SELECT grant_service('%s'); ALTER ROLE %s INHERIT", role,
             role);
    owner_runs(sql);
    refused(url, "inherits");
    snprintf(sql, sizeof sql, "GRANT %s TO current_user; DROP OWNED BY %s; DROP ROLE %s", role,
             role, role);
    owner_runs(sql);
}

static void an_old_schema_is_refused(void **state)
{
    (void)state;
    owner_runs("DELETE FROM weir.schema_migrations WHERE number > 1");
    refused(pg.service_url, "schema is at 1");
    /* and one that is newer than this program is fine (N-1 on N) */
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO weir.schema_migrations (number, name, sha256) "
             "SELECT n, 'x', '' FROM generate_series(2, %u) n",
             migrate_known() + 1);
    owner_runs(sql);
    struct error err = ERROR_INIT;
    must(db_pool_check(pool, &err), &err);
}

static void a_query_that_forgot_its_role_is_refused(void **state)
{
    (void)state;
    static const char *const sql[] = {
        "SELECT * FROM weir.organizations", "SELECT * FROM weir.virtual_keys",
        "SELECT * FROM weir.usage_events",  "SELECT * FROM weir.users",
        "DELETE FROM weir.audit_log",       "SELECT weir.log_changes('{}', '{}', '{}', '{}')",
        "CREATE TABLE weir.mine (id int)"};
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        char sqlstate[6];
        assert_true(pg_fixture_sqlstate(pg.service_url, sql[i], sqlstate));
        assert_string_equal(sqlstate, "42501"); /* insufficient_privilege */
    }
}

static void a_query_that_forgot_its_tenant_returns_nothing(void **state)
{
    (void)state;
    static const char *const tables[] = {
        "organizations",    "workspaces",       "memberships",   "users",     "virtual_keys",
        "providers",        "models",           "admin_tokens",  "audit_log", "usage_events",
        "usage_attempts",   "usage_quantities", "model_targets", "configs",   "prompts",
        "config_documents", "prompt_documents"};
    char sql[128];
    struct tx *t = begin(TX_TENANT, NULL);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        snprintf(sql, sizeof sql, "SELECT count(id) FROM (SELECT 1 AS id FROM %s) t", tables[i]);
        assert_int_equal(count(t, sql), 0);
    }
    tx_rollback(t);
}

static void a_tenant_sees_and_changes_only_its_own(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid id = uuid_v7();
    struct tx *t = begin(TX_TENANT, &org_a);
    assert_int_equal(count(t, "SELECT count(*) FROM organizations"), 1);
    assert_int_equal(count(t, "SELECT count(*) FROM workspaces"), 1);
    assert_int_equal(count(t, "SELECT count(*) FROM workspaces WHERE name = 'wa'"), 1);
    struct db_rows *rows = NULL;
    must(tx_exec(t, &rows, &err, "UPDATE workspaces SET name = 'taken' WHERE organization_id = $1",
                 DB_UUID(&org_b)),
         &err);
    assert_int_equal(db_affected(rows), 0);
    db_rows_free(rows);
    assert_false(tx_exec(t, NULL, &err,
                         "INSERT INTO workspaces (id, organization_id, name) VALUES ($1, $2, 'x')",
                         DB_UUID(&id), DB_UUID(&org_b)));
    tx_rollback(t);

    t = begin(TX_TENANT, &org_a);
    assert_false(tx_exec(t, NULL, &err, "SELECT password_hash FROM users"));
    tx_rollback(t);
    t = begin(TX_SYSTEM, NULL);
    assert_true(count(t, "SELECT count(*) FROM workspaces") >= 2);
    tx_rollback(t);
    /* and the tenant ends with its transaction */
    struct db_pool *one = db_pool_new(pg.service_url, 1);
    t = tx_begin(one, TX_TENANT, &org_a, &err);
    must(t && tx_commit(t, NULL, &err), &err);
    t = tx_begin(one, TX_TENANT, NULL, &err);
    must(t != NULL, &err);
    assert_int_equal(count(t, "SELECT count(*) FROM organizations"), 0);
    tx_rollback(t);
    db_pool_free(one);
}

static void history_cannot_be_rewritten(void **state)
{
    (void)state;
    static const char *const sql[] = {
        "UPDATE audit_log SET action = 'x'",        "DELETE FROM audit_log",
        "UPDATE usage_events SET cost_nanousd = 0", "DELETE FROM usage_events",
        "UPDATE config_version SET version = 1",    "DELETE FROM change_log"};
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        struct error err = ERROR_INIT;
        struct tx *t = begin(TX_SYSTEM, NULL);
        assert_false(tx_exec(t, NULL, &err, sql[i]));
        assert_non_null(strstr(err.text, "42501"));
        tx_rollback(t);
    }
}

static void audit_rows_name_their_actor(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct uuid user = uuid_v7(), object = uuid_v7();
    const struct tx_actor actor = {"user", user, "ann@example.com", "192.0.2.1", "req_1"};
    struct tx *t = begin(TX_TENANT, &org_a);
    tx_set_actor(t, &actor);
    must(
        tx_audit(t, "key.create", "key", &org_a, &object, "dev", NULL, "{\"name\": \"dev\"}", &err),
        &err);
    must(tx_commit(t, NULL, &err), &err);
    t = begin(TX_TENANT, &org_a);
    must(tx_exec(
             t, &rows, &err,
             "SELECT actor_kind, actor_id, actor_name, address, request_id, after->>'name', before "
             "FROM audit_log WHERE object_id = $1",
             DB_UUID(&object)),
         &err);
    assert_int_equal(db_count(rows), 1);
    struct uuid who = db_uuid(rows, 0, 1);
    assert_true(str_eqz(db_text(rows, 0, 0), "user"));
    assert_true(uuid_eq(&who, &user));
    assert_true(str_eqz(db_text(rows, 0, 2), "ann@example.com"));
    assert_true(str_eqz(db_text(rows, 0, 3), "192.0.2.1"));
    assert_true(str_eqz(db_text(rows, 0, 5), "dev"));
    assert_true(db_is_null(rows, 0, 6));
    db_rows_free(rows);
    /* not into another tenant's history, and nothing platform-wide */
    must(tx_audit(t, "key.create", "key", &org_b, &object, "dev", NULL, NULL, &err), &err);
    assert_false(tx_commit(t, NULL, &err));
    t = begin(TX_TENANT, &org_a);
    err = (struct error)ERROR_INIT;
    must(tx_audit(t, "key.create", "key", NULL, &object, "dev", NULL, NULL, &err), &err);
    assert_false(tx_commit(t, NULL, &err));
}

static void one_version_for_a_transaction(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid ids[3] = {uuid_v7(), uuid_v7(), uuid_v7()};
    uint64_t version = 99, next = 0;
    struct tx *t = begin(TX_TENANT, &org_a);
    must(tx_commit(t, &version, &err), &err);
    assert_int_equal(version, 0); /* nothing changed, no version */

    t = begin(TX_TENANT, &org_a);
    for (unsigned i = 0; i < 3; i++) {
        tx_change(t, 3, &org_a, &ids[i], i == 2);
    }
    must(tx_commit(t, &version, &err), &err);
    t = begin(TX_SYSTEM, NULL);
    tx_change(t, 4, NULL, &ids[0], false);
    must(tx_commit(t, &next, &err), &err);
    assert_int_equal(next, version + 1);

    struct db_rows *rows = NULL;
    t = begin(TX_SYSTEM, NULL);
    must(tx_exec(t, &rows, &err,
                 "SELECT entity_id, kind, organization_id, deleted FROM change_log "
                 "WHERE version = $1 ORDER BY position",
                 DB_I64(version)),
         &err);
    assert_int_equal(db_count(rows), 3);
    for (unsigned i = 0; i < 3; i++) {
        struct uuid id = db_uuid(rows, i, 0), org = db_uuid(rows, i, 2);
        assert_true(uuid_eq(&id, &ids[i]));
        assert_int_equal(db_i64(rows, i, 1), 3);
        assert_true(uuid_eq(&org, &org_a));
        assert_int_equal(db_bool(rows, i, 3), i == 2);
    }
    db_rows_free(rows);
    tx_rollback(t);

    /* rolled back: no version was spent */
    t = begin(TX_SYSTEM, NULL);
    tx_change(t, 4, NULL, &ids[0], false);
    tx_rollback(t);
    t = begin(TX_SYSTEM, NULL);
    assert_int_equal(count(t, "SELECT version FROM config_version"), next);
    tx_rollback(t);
}

struct other_commit {
    struct tx *tx;
    uint64_t version;
    bool ok;
};

static void *commit_in_thread(void *arg)
{
    struct other_commit *c = arg;
    struct error err = ERROR_INIT;
    c->ok = tx_commit(c->tx, &c->version, &err);
    return NULL;
}

static void versions_become_visible_in_order(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid a = uuid_v7(), b = uuid_v7();
    uint64_t first = 0;
    /* The one that began last commits first and has the lower number. */
    struct tx *early = begin(TX_SYSTEM, NULL), *late = begin(TX_SYSTEM, NULL);
    struct other_commit other = {.tx = early};
    tx_change(early, 3, &org_a, &a, true);
    tx_change(late, 3, &org_b, &b, false);
    must(tx_commit(late, &first, &err), &err);
    (void)commit_in_thread(&other);
    assert_true(other.ok);
    assert_int_equal(other.version, first + 1);

    /* While one holds its version and has not committed, the next waits: nobody sees N+1 before N.
     */
    early = begin(TX_SYSTEM, NULL);
    must(tx_exec(early, NULL, &err, "SELECT log_changes($1::uuid[], '{3}', $1::uuid[], '{f}')",
                 DB_TEXTS((&STR_LIT("00000000-0000-7000-8000-000000000009")), 1)),
         &err);
    late = begin(TX_SYSTEM, NULL);
    char waiting[96];
    snprintf(waiting, sizeof waiting,
             "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %lld",
             (long long)count(late, "SELECT pg_backend_pid()"));
    tx_change(late, 3, &org_b, &b, false);
    other = (struct other_commit){.tx = late};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, commit_in_thread, &other), 0);
    struct tx *reader = begin(TX_SYSTEM, NULL);
    while (count(reader, waiting) == 0) {
        sched_yield();
    }
    assert_int_equal(count(reader, "SELECT max(version) FROM change_log"), first + 1);
    must(tx_commit(early, NULL, &err), &err);
    pthread_join(thread, NULL);
    assert_true(other.ok);
    assert_int_equal(other.version, first + 3);
    assert_int_equal(count(reader, "SELECT max(version) FROM change_log"), first + 3);
    tx_rollback(reader);
}

static int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 4);
    org_a = uuid_v7();
    org_b = uuid_v7();
    struct error err = ERROR_INIT;
    const struct uuid *ids[] = {&org_a, &org_b};
    const char *names[] = {"a", "b"}, *workspaces[] = {"wa", "wb"};
    struct tx *t = begin(TX_SYSTEM, NULL);
    for (int i = 0; i < 2; i++) {
        struct uuid w = uuid_v7(), u = uuid_v7(), m = uuid_v7();
        must(tx_exec(t, NULL, &err, "INSERT INTO organizations (id, name) VALUES ($1, $2)",
                     DB_UUID(ids[i]), DB_Z(names[i])) &&
                 tx_exec(t, NULL, &err,
                         "INSERT INTO workspaces (id, organization_id, name) VALUES ($1, $2, $3)",
                         DB_UUID(&w), DB_UUID(ids[i]), DB_Z(workspaces[i])) &&
                 tx_exec(t, NULL, &err, "INSERT INTO users (id, email) VALUES ($1, $2)",
                         DB_UUID(&u), DB_Z(i ? "b@example.com" : "a@example.com")) &&
                 tx_exec(t, NULL, &err,
                         "INSERT INTO memberships (id, organization_id, user_id, role) "
                         "VALUES ($1, $2, $3, 'owner')",
                         DB_UUID(&m), DB_UUID(ids[i]), DB_UUID(&u)),
             &err);
    }
    must(tx_commit(t, NULL, &err), &err);
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
        cmocka_unit_test(the_service_passes_the_check),
        cmocka_unit_test(other_roles_are_refused),
        cmocka_unit_test(a_query_that_forgot_its_role_is_refused),
        cmocka_unit_test(a_query_that_forgot_its_tenant_returns_nothing),
        cmocka_unit_test(a_tenant_sees_and_changes_only_its_own),
        cmocka_unit_test(history_cannot_be_rewritten),
        cmocka_unit_test(audit_rows_name_their_actor),
        cmocka_unit_test(one_version_for_a_transaction),
        cmocka_unit_test(versions_become_visible_in_order),
        cmocka_unit_test(an_old_schema_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
