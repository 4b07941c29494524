/* Row-level security, table by table as the database itself lists them: whatever has an
 * organization_id is protected, shows nothing without a tenant, and nothing of one tenant to
 * another. A table that a later migration adds is walked without being named here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/store/db.h"
#include "pg_fixture.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct uuid org_a, org_b;

/* Tables with an organization_id, partitions left out: they are reached by their parent. */
#define TENANT_TABLES                                                                        \
    "SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace " \
    "JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'organization_id' "           \
    "AND NOT t.attisdropped WHERE n.nspname = 'weir' AND c.relkind IN ('r', 'p') "           \
    "AND NOT c.relispartition"

static struct tx *begin(enum tx_role role, const struct uuid *organization)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(pool, role, organization, &err);
    if (!t) {
        fail_msg("%s", error_text(&err));
    }
    return t;
}

static struct db_rows *query(struct tx *t, const char *sql)
{
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, &err, sql)) {
        fail_msg("%s: %s", sql, error_text(&err));
    }
    return rows;
}

/* Names in a query's first column, shown; the test fails when there are any. */
static void expect_none(const char *what, const char *sql)
{
    struct tx *t = begin(TX_SYSTEM, NULL);
    struct db_rows *rows = query(t, sql);
    size_t n = db_count(rows);
    for (size_t i = 0; i < n; i++) {
        struct str name = db_text(rows, i, 0);
        print_message("%s: %.*s\n", what, STR_ARG(name));
    }
    db_rows_free(rows);
    tx_rollback(t);
    assert_int_equal(n, 0);
}

static void every_tenant_table_has_the_tenants_policy(void **state)
{
    (void)state;
    struct tx *t = begin(TX_SYSTEM, NULL);
    struct db_rows *rows = query(t, "SELECT count(*) FROM (" TENANT_TABLES ") t");
    assert_true(db_i64(rows, 0, 0) >= 25); /* the walk itself sees them */
    db_rows_free(rows);
    tx_rollback(t);
    expect_none("row-level security is off",
                "SELECT t.relname FROM (" TENANT_TABLES ") t JOIN pg_class c USING (oid) "
                "WHERE NOT c.relrowsecurity");
    /* one policy for the tenant's role that says exactly this, for reading and for writing, and no
     * other that would widen it */
    expect_none("the tenant's policy is another",
                "SELECT t.relname FROM (" TENANT_TABLES ") t WHERE NOT EXISTS ("
                "SELECT FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles) "
                "WHERE p.polrelid = t.oid AND r.rolname = 'weir_tenant' AND p.polpermissive "
                "AND pg_get_expr(p.polqual, p.polrelid) ~ "
                "'organization_id = (weir\\.)?current_organization\\(\\)')");
    expect_none("a policy for the tenant lets more through",
                "SELECT t.relname || '.' || p.polname FROM (" TENANT_TABLES ") t "
                "JOIN pg_policy p ON p.polrelid = t.oid "
                "WHERE (0 = ANY (p.polroles) OR EXISTS (SELECT FROM pg_roles r "
                "WHERE r.oid = ANY (p.polroles) AND r.rolname = 'weir_tenant')) "
                "AND (coalesce(pg_get_expr(p.polqual, p.polrelid), '') !~ "
                "'current_organization|^.organization_id IS NULL.$' AND p.polcmd <> 'a' "
                "OR coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') !~ "
                "'current_organization' AND p.polcmd IN ('a', 'w', '*'))");
}

/* The tenant's role reaches no table beside those: what has no organization_id holds what is the
 * installation's own, or what is nobody's. */
static void the_tenants_role_reaches_nothing_unprotected(void **state)
{
    (void)state;
    expect_none("the tenant's role may read it, and it is not protected",
                "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = 'weir' AND c.relkind IN ('r', 'p', 'v', 'm') "
                "AND NOT c.relispartition AND NOT c.relrowsecurity "
                "AND (has_table_privilege('weir_tenant', c.oid, 'SELECT') "
                "OR has_any_column_privilege('weir_tenant', c.oid, 'SELECT')) "
                "AND c.relname NOT IN ('idempotency_keys', 'config_version', 'schema_migrations')");
}

/* One row of organization a in each: constraints are taken away first, which is what this database
 * is for; values that must be there are made up by their type. */
static const char fill[] =
    "DO $$ DECLARE tab record; col record; names text; made text; BEGIN "
    "FOR col IN SELECT conrelid::regclass AS rel, conname FROM pg_constraint "
    "JOIN pg_class k ON k.oid = conrelid JOIN pg_namespace n ON n.oid = k.relnamespace "
    "WHERE n.nspname = 'weir' AND contype IN ('c', 'f') AND coninhcount = 0 LOOP "
    "EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', col.rel, col.conname); "
    "END LOOP; "
    "FOR tab IN " TENANT_TABLES " LOOP names := ''; made := ''; "
    "FOR col IN SELECT a.attname, format_type(a.atttypid, NULL) AS type FROM pg_attribute a "
    "WHERE a.attrelid = tab.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' "
    "AND a.attidentity = '' AND (a.attname IN ('id', 'organization_id') "
    "OR (a.attnotnull AND NOT a.atthasdef)) LOOP "
    "names := names || ', ' || quote_ident(col.attname); "
    "made := made || ', ' || CASE WHEN col.attname = 'organization_id' "
    "OR (col.attname = 'id' AND tab.relname = 'organizations') "
    "THEN quote_literal(current_setting('weir.test_tenant')) || '::uuid' "
    "WHEN col.type = 'uuid' THEN 'gen_random_uuid()' WHEN col.type LIKE '%[]' THEN '''{}''' "
    "WHEN col.type = 'bytea' THEN '''x''' WHEN col.type = 'boolean' THEN 'true' "
    "WHEN col.type LIKE '%int%' THEN '1' WHEN col.type LIKE 'json%' THEN '''{}''' "
    "WHEN col.type LIKE 'timestamp%' OR col.type = 'date' THEN 'now()' ELSE '''x''' END; END LOOP; "
    "EXECUTE format('INSERT INTO %I (%s) VALUES (%s)', tab.relname, substr(names, 3), substr(made, "
    "3)); "
    "END LOOP; END $$";

static void a_tenant_sees_nothing_of_another_in_any_table(void **state)
{
    (void)state;
    static const char what[] = "SELECT relname::text FROM (" TENANT_TABLES ") t ORDER BY 1";
    struct tx *system = begin(TX_SYSTEM, NULL);
    struct db_rows *tables = query(system, what);
    const struct {
        const struct uuid *organization;
        int64_t seen;
    } eyes[] = {{NULL, 0}, {&org_b, 0}, {&org_a, 1}};
    unsigned wrong = 0;
    for (size_t e = 0; e < sizeof eyes / sizeof *eyes; e++) {
        for (size_t i = 0; i < db_count(tables); i++) {
            char sql[160];
            struct error err = ERROR_INIT;
            struct db_rows *rows = NULL;
            struct str name = db_text(tables, i, 0);
            struct tx *t = begin(TX_TENANT, eyes[e].organization);
            snprintf(sql, sizeof sql, "SELECT count(*) FROM (SELECT 1 FROM %.*s) t", STR_ARG(name));
            /* a table that the role may not read at all shows nothing either */
            bool refused = !tx_exec(t, &rows, &err, sql);
            bool right =
                refused ? strstr(err.text, "42501") != NULL : db_i64(rows, 0, 0) == eyes[e].seen;
            if (!right) {
                print_message("%.*s as tenant %zu: %s\n", STR_ARG(name), e,
                              refused ? error_text(&err) : "other rows than its own");
                wrong++;
            }
            db_rows_free(rows);
            tx_rollback(t);
        }
    }
    assert_true(db_count(tables) >= 25);
    db_rows_free(tables);
    tx_rollback(system);
    assert_int_equal(wrong, 0);
}

static int setup(void **state)
{
    char id[37], tenant[96];
    (void)state;
    org_a = uuid_v7();
    org_b = uuid_v7();
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    uuid_format(&org_a, id);
    snprintf(tenant, sizeof tenant, "SET weir.test_tenant = '%s'", id);
    const char *statements[] = {"SET search_path = weir", tenant, fill};
    pool = db_pool_new(pg.service_url, 2);
    return pg_fixture_run(pg.owner_url, statements, 3) ? 0 : -1;
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
        cmocka_unit_test(every_tenant_table_has_the_tenants_policy),
        cmocka_unit_test(the_tenants_role_reaches_nothing_unprotected),
        cmocka_unit_test(a_tenant_sees_nothing_of_another_in_any_table),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
