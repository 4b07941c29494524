/* Migrations: order, checksums, failures, and who may run them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

#include "controlplane/store/db.h"
#include "controlplane/store/migrate_files.h"
#include "pg_fixture.h"

static struct pg_fixture pg;
static char folder[64];

static void put_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static unsigned must_migrate(const char *from)
{
    struct error err = ERROR_INIT;
    unsigned applied = 99;
    if (!migrate_run(pg.owner_url, from, NULL, &applied, &err)) {
        fail_msg("%s", error_text(&err));
    }
    return applied;
}

static void must_fail(const char *from, const char *word, int line)
{
    struct error err = ERROR_INIT;
    unsigned applied = 99;
    assert_false(migrate_run(pg.owner_url, from, NULL, &applied, &err));
    if (!strstr(err.text, word)) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, word);
    }
    assert_int_equal(err.line, line);
    assert_int_equal(applied, 99); /* outputs are untouched on failure */
}

static bool succeeds(const char *sql)
{
    char sqlstate[6];
    assert_true(pg_fixture_sqlstate(pg.owner_url, sql, sqlstate));
    return sqlstate[0] == '\0';
}

static void statements_are_cut_where_the_server_would(void **state)
{
    (void)state;
    static const char text[] =
        "-- a; comment\n"
        "SELECT 'it''s; here', E'back\\'; slash', \"odd;name\";\n"
        "/* block; /* nested; */ still; */ SELECT $$ body; $$ || $t$ x $$ ; $t$;;\n"
        "\n"
        "SELECT $1; -- trailing; comment\n"
        "SELECT a$b$c;\n"
        "  SELECT 'ends without semicolon'  \n";
    static const struct {
        const char *starts, *ends;
        int line;
    } expected[] = {{"SELECT 'it''s", "\"odd;name\"", 2},
                    {"SELECT $$ body", "$t$", 3},
                    {"SELECT $1", "$1", 5},
                    {"SELECT a$b$c", "c", 6},
                    {"SELECT 'ends", "  \n", 7}};
    struct str statement;
    size_t pos = 0;
    int line = 0;
    for (size_t i = 0; i < 5; i++) {
        assert_true(migration_statement(STR_LIT(text), &pos, &statement, &line));
        assert_true(str_starts(statement, str_of(expected[i].starts)));
        assert_true(str_ends(statement, str_of(expected[i].ends)));
        assert_int_equal(line, expected[i].line);
    }
    assert_false(migration_statement(STR_LIT(text), &pos, &statement, &line));
    pos = 0;
    assert_false(migration_statement(STR_LIT("  -- nothing\n;"), &pos, &statement, &line));
    pos = 0; /* unterminated: goes to the server whole, which says so */
    assert_true(migration_statement(STR_LIT("SELECT 'open"), &pos, &statement, &line));
    assert_true(str_eqz(statement, "SELECT 'open"));
}

static void the_embedded_ones_are_those_of_the_folder(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct arena *a = arena_new(0);
    struct migration_file *one = NULL, *two = NULL;
    size_t n_one = 0, n_two = 0;
    assert_true(migration_files_load("migrations", a, &one, &n_one, &err));
    assert_true(migration_files_load(NULL, a, &two, &n_two, &err));
    assert_int_equal(n_one, n_two);
    assert_int_equal(n_one, migrate_known());
    for (size_t i = 0; i < n_one; i++) {
        assert_string_equal(one[i].name, two[i].name);
        assert_true(str_eq(one[i].text, two[i].text));
    }
    arena_free(a);
}

static void each_is_applied_once(void **state)
{
    (void)state;
    put_file("0001_first.sql", "CREATE TABLE first (id int);\nINSERT INTO first VALUES (1);\n");
    put_file("notes.txt", "not a migration");
    assert_int_equal(must_migrate(folder), 1);
    assert_int_equal(must_migrate(folder), 0);
    put_file("0002_second.sql", "ALTER TABLE first ADD COLUMN name text;");
    put_file("0003_third.sql", "CREATE TABLE third (id int);");
    assert_int_equal(must_migrate(folder), 2);
    assert_int_equal(must_migrate(folder), 0);
    assert_true(succeeds("SELECT name FROM weir.first, weir.third"));
    assert_true(succeeds("SELECT 1 / (count(*) = 3)::int FROM weir.schema_migrations"));
}

static void an_edited_one_is_refused(void **state)
{
    (void)state;
    put_file("0002_second.sql", "ALTER TABLE first ADD COLUMN name varchar;");
    put_file("0004_fourth.sql", "CREATE TABLE fourth (id int);");
    must_fail(folder, "\"0002_second.sql\" was edited after it was applied", 0);
    assert_false(succeeds("SELECT FROM weir.fourth")); /* and nothing else is done */
    put_file("0002_second.sql", "ALTER TABLE first ADD COLUMN name text;");
    assert_int_equal(must_migrate(folder), 1);
}

static void an_older_program_runs_on_a_newer_schema(void **state)
{
    (void)state;
    remove_file("0004_fourth.sql");
    assert_int_equal(must_migrate(folder), 0);
    put_file("0004_fourth.sql", "CREATE TABLE fourth (id int);");
    assert_int_equal(must_migrate(folder), 0);
}

static void gaps_and_doubles_are_refused(void **state)
{
    (void)state;
    put_file("0006_sixth.sql", "SELECT 1;");
    must_fail(folder, "migration 0005 is missing", 0);
    remove_file("0006_sixth.sql");
    put_file("0004_other.sql", "SELECT 1;");
    must_fail(folder, "have the same number", 0);
    remove_file("0004_other.sql");
    put_file("5_odd.sql", "SELECT 1;");
    must_fail(folder, "is not named NNNN_what.sql", 0);
    remove_file("5_odd.sql");
    must_fail("/nonexistent/folder", "cannot open folder", 0);
}

static void a_failing_one_is_undone_and_names_its_line(void **state)
{
    (void)state;
    put_file("0005_fails.sql", "CREATE TABLE fifth (id int);\n"
                               "-- é is one character\n"
                               "CREATE TABLE sixth (\n"
                               "    id int,\n"
                               "    name nonsense\n"
                               ");\n");
    must_fail(folder, "0005_fails.sql:5: type \"nonsense\" does not exist", 5);
    assert_false(succeeds("SELECT FROM weir.fifth"));
    put_file("0005_fails.sql", "CREATE TABLE fifth (id int PRIMARY KEY);\n\n"
                               "INSERT INTO fifth VALUES (1), (1);\n");
    must_fail(folder,
              "0005_fails.sql:3: ", 3); /* a failure without a position: the statement's line */
    assert_false(succeeds("SELECT FROM weir.fifth"));
    put_file("0005_fails.sql", "CREATE TABLE fifth (id int);\nCOMMIT;\n");
    must_fail(folder, "ends the transaction", 2);
    assert_true(
        succeeds("DROP TABLE weir.fifth")); /* which it could do only by breaking the rule */
    remove_file("0005_fails.sql");
}

static void one_without_transaction_may_build_concurrently(void **state)
{
    (void)state;
    put_file("0005_index.sql", "CREATE INDEX CONCURRENTLY first_id ON first (id);");
    must_fail(folder, "cannot run inside a transaction block", 1);
    put_file("0005_index.sql",
             "-- weir: no transaction\n"
             "CREATE INDEX CONCURRENTLY IF NOT EXISTS first_id ON first (id);\n"
             "CREATE INDEX CONCURRENTLY IF NOT EXISTS first_name ON first (name);\n");
    assert_int_equal(must_migrate(folder), 1);
    assert_true(succeeds("DROP INDEX weir.first_id, weir.first_name"));
}

static void a_locked_table_is_waited_for_five_seconds_only(void **state)
{
    (void)state;
    PGconn *holder = PQconnectdb(pg.owner_url);
    PQclear(PQexec(holder, "BEGIN; LOCK TABLE weir.first"));
    put_file("0006_locked.sql", "\nALTER TABLE first ADD COLUMN x int;");
    must_fail(folder, "lock timeout", 2);
    PQfinish(holder);
    assert_int_equal(must_migrate(folder), 1);
}

static void *migrate_in_thread(void *arg)
{
    struct error err = ERROR_INIT;
    unsigned applied = 0;
    bool ok = migrate_run(pg.owner_url, folder, NULL, &applied, &err);
    *(unsigned *)arg = ok ? applied : 99;
    return NULL;
}

static void two_at_once_take_turns(void **state)
{
    (void)state;
    put_file("0007_once.sql", "CREATE TABLE once (id int); SELECT pg_sleep(0.05);");
    pthread_t threads[3];
    unsigned applied[3], sum = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, migrate_in_thread, &applied[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        sum += applied[i];
    }
    assert_int_equal(sum, 1);
}

static void a_role_that_does_not_own_is_refused(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    unsigned applied = 0;
    assert_false(migrate_run(pg.service_url, folder, NULL, &applied, &err));
    assert_int_equal(err.code, ERR_FORBIDDEN);
    assert_non_null(strstr(err.text, "does not own the schema"));

    struct pg_fixture empty;
    assert_true(pg_fixture_start_empty(&empty));
    assert_false(migrate_run(empty.service_url, folder, NULL, &applied, &err));
    assert_int_equal(err.code, ERR_FORBIDDEN);
    assert_non_null(strstr(err.text, "may not create a schema"));
    pg_fixture_stop(&empty);
}

static void the_service_role_is_checked(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    unsigned applied = 0;
    struct pg_fixture fresh;
    assert_true(pg_fixture_start_empty(&fresh));
    assert_true(pg_fixture_migrate(&fresh, NULL, &applied, &err)); /* those built in */
    assert_int_equal(applied, migrate_known());
    assert_false(migrate_run(fresh.owner_url, NULL, "weir_no_such_role", &applied, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(migrate_run(fresh.owner_url, NULL, "weir_tenant", &applied, &err));
    assert_non_null(strstr(err.text, "may not log in"));
    PGconn *owner = PQconnectdb(fresh.owner_url);
    assert_false(migrate_run(fresh.owner_url, NULL, PQuser(owner), &applied, &err));
    PQfinish(owner);
    assert_non_null(strstr(err.text, "owns the schema"));
    struct db_pool *pool = db_pool_new(fresh.service_url, 1);
    assert_true(db_pool_check(pool, &err));
    db_pool_free(pool);
    pg_fixture_stop(&fresh);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weir-test-migrate-XXXXXX");
    return mkdtemp(folder) && pg_fixture_start_empty(&pg) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    const struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            remove_file(e->d_name);
        }
    }
    closedir(d);
    rmdir(folder);
    pg_fixture_stop(&pg);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_cut_where_the_server_would),
        cmocka_unit_test(the_embedded_ones_are_those_of_the_folder),
        cmocka_unit_test(each_is_applied_once),
        cmocka_unit_test(an_edited_one_is_refused),
        cmocka_unit_test(an_older_program_runs_on_a_newer_schema),
        cmocka_unit_test(gaps_and_doubles_are_refused),
        cmocka_unit_test(a_failing_one_is_undone_and_names_its_line),
        cmocka_unit_test(one_without_transaction_may_build_concurrently),
        cmocka_unit_test(a_locked_table_is_waited_for_five_seconds_only),
        cmocka_unit_test(two_at_once_take_turns),
        cmocka_unit_test(a_role_that_does_not_own_is_refused),
        cmocka_unit_test(the_service_role_is_checked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
