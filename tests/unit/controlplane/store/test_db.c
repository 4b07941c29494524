/* The database wrapper against a real PostgreSQL: parameters and results, failures and their codes,
 * the pool. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "controlplane/store/db.h"
#include "pg_fixture.h"

static struct pg_fixture pg;
static struct db_pool *pool;

static struct tx *begin(enum tx_role role, const struct uuid *organization)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(pool, role, organization, &err);
    if (!t) {
        fail_msg("%s", error_text(&err));
    }
    return t;
}

static void must(bool ok, const struct error *err)
{
    if (!ok) {
        fail_msg("%s", error_text(err));
    }
}

static struct uuid make_organization(const char *name)
{
    struct error err = ERROR_INIT;
    struct uuid id = uuid_v7();
    struct tx *t = begin(TX_SYSTEM, NULL);
    must(tx_exec(t, NULL, &err, "INSERT INTO organizations (id, name) VALUES ($1, $2)",
                 DB_UUID(&id), DB_Z(name)),
         &err);
    must(tx_commit(t, NULL, &err), &err);
    return id;
}

static void every_type_goes_in_and_comes_out(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct uuid id = uuid_v7();
    uint8_t bytes[] = {0, 1, 0xff, '\\', 'x', 0};
    struct tx *t = begin(TX_SYSTEM, NULL);
    must(tx_exec(t, &rows, &err,
                 "SELECT $1::text, $2, $3, $4, $5, $6, $7::text, $8, octet_length($5), $9",
                 DB_Z("Zoë \"quoted\" \\ 'text'"), DB_UUID(&id), DB_I64(INT64_MIN), DB_BOOL(true),
                 DB_BYTES(bytes, sizeof bytes), DB_TIME_MS(1795301611123), DB_NULL, DB_BOOL(false),
                 DB_TIME_MS(0)),
         &err);
    assert_int_equal(db_count(rows), 1);
    assert_true(str_eqz(db_text(rows, 0, 0), "Zoë \"quoted\" \\ 'text'"));
    struct uuid back = db_uuid(rows, 0, 1);
    assert_true(uuid_eq(&back, &id));
    assert_true(db_i64(rows, 0, 2) == INT64_MIN);
    assert_true(db_bool(rows, 0, 3));
    struct arena *a = arena_new(0);
    struct str b = db_bytes(rows, 0, 4, a);
    assert_int_equal(b.len, sizeof bytes);
    assert_memory_equal(b.ptr, bytes, sizeof bytes);
    assert_int_equal(db_time_ms(rows, 0, 5), 1795301611123);
    assert_true(db_is_null(rows, 0, 6));
    assert_null(db_text(rows, 0, 6).ptr);
    assert_int_equal(db_i64(rows, 0, 6), 0);
    assert_false(db_bool(rows, 0, 7));
    assert_int_equal(db_i64(rows, 0, 8), 6);
    assert_true(db_is_null(rows, 0, 9)); /* time 0 is no time */
    arena_free(a);
    db_rows_free(rows);
    tx_rollback(t);
}

static void arrays_keep_every_text(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct str in[] = {STR_LIT("plain"), STR_LIT(""),      STR_LIT("a,b{c}\"d\"\\e"), STR_NONE,
                       STR_LIT("NULL"),  STR_LIT(" two "), STR_LIT("new\nline ë")};
    size_t n = sizeof in / sizeof *in;
    struct tx *t = begin(TX_SYSTEM, NULL);
    must(tx_exec(t, &rows, &err, "SELECT $1, cardinality($1), $2, NULL::text[]", DB_TEXTS(in, n),
                 DB_TEXTS(NULL, 0)),
         &err);
    struct arena *a = arena_new(0);
    struct str *out = NULL;
    assert_int_equal(db_i64(rows, 0, 1), n);
    assert_int_equal(db_texts(rows, 0, 0, a, &out), n);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eq(in[i], out[i]));
        assert_int_equal(in[i].ptr == NULL, out[i].ptr == NULL);
    }
    assert_int_equal(db_texts(rows, 0, 2, a, &out), 0);
    assert_int_equal(db_texts(rows, 0, 3, a, &out), 0);
    arena_free(a);
    db_rows_free(rows);
    tx_rollback(t);
}

static void failures_have_their_codes(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid id = make_organization("Codes"), other = uuid_v7();

    struct tx *t = begin(TX_SYSTEM, NULL);
    assert_false(tx_exec(t, NULL, &err, "INSERT INTO organizations (id, name) VALUES ($1, 'CODES')",
                         DB_UUID(&other)));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_string_equal(err.param, "organizations_name");
    tx_rollback(t);

    t = begin(TX_SYSTEM, NULL);
    assert_false(tx_exec(t, NULL, &err,
                         "INSERT INTO workspaces (id, organization_id, name) VALUES ($1, $1, 'w')",
                         DB_UUID(&other)));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, "workspaces_organization_id_fkey");
    tx_rollback(t);

    t = begin(TX_SYSTEM, NULL);
    assert_false(
        tx_exec(t, NULL, &err, "UPDATE organizations SET name = '' WHERE id = $1", DB_UUID(&id)));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, "organizations_name_check");
    tx_rollback(t);

    t = begin(TX_SYSTEM, NULL);
    assert_false(tx_exec(t, NULL, &err, "SELECT nonsense", DB_NULL));
    assert_int_equal(err.code, ERR_DATABASE);
    assert_false(tx_commit(t, NULL, &err)); /* never a commit after a failure */
    assert_int_equal(err.code, ERR_DATABASE);

    t = begin(TX_SYSTEM, NULL);
    assert_false(tx_exec(t, NULL, &err, "SELECT $1::text", DB_STR(((struct str){"a\0b", 3}))));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    tx_rollback(t);
}

static void affected_counts_rows(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct uuid id = make_organization("Affected");
    struct tx *t = begin(TX_SYSTEM, NULL);
    must(tx_exec(t, &rows, &err, "UPDATE organizations SET name = 'Touched' WHERE id = $1",
                 DB_UUID(&id)),
         &err);
    assert_int_equal(db_affected(rows), 1);
    db_rows_free(rows);
    tx_rollback(t);
    t = begin(TX_SYSTEM, NULL); /* and the roll-back undid it */
    must(tx_exec(t, &rows, &err, "SELECT name FROM organizations WHERE id = $1", DB_UUID(&id)),
         &err);
    assert_true(str_eqz(db_text(rows, 0, 0), "Affected"));
    db_rows_free(rows);
    tx_rollback(t);
}

static void snapshot_sees_one_moment(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct tx *t = tx_begin_snapshot(pool, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    must(tx_exec(t, &rows, &err, "SELECT count(*) FROM organizations"), &err);
    int64_t before = db_i64(rows, 0, 0);
    db_rows_free(rows);
    (void)make_organization("Later");
    must(tx_exec(t, &rows, &err, "SELECT count(*) FROM organizations"), &err);
    assert_int_equal(db_i64(rows, 0, 0), before);
    db_rows_free(rows);
    assert_false(tx_exec(t, NULL, &err, "DELETE FROM sessions"));
    tx_rollback(t);
}

static void broken_connection_is_replaced(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct db_pool *one = db_pool_new(pg.service_url, 1);
    struct tx *t = tx_begin(one, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    must(tx_exec(t, &rows, &err, "SELECT pg_backend_pid()"), &err);
    char kill[96];
    snprintf(kill, sizeof kill, "SELECT pg_terminate_backend(%lld, 5000)",
             (long long)db_i64(rows, 0, 0));
    db_rows_free(rows);
    must(tx_commit(t, NULL, &err), &err);

    char sqlstate[6];
    assert_true(pg_fixture_sqlstate(pg.service_url, kill, sqlstate));
    assert_string_equal(sqlstate, "");
    t = tx_begin(one, TX_SYSTEM, NULL, &err);
    must(t != NULL, &err);
    must(tx_exec(t, NULL, &err, "SELECT 1"), &err);
    must(tx_commit(t, NULL, &err), &err);
    db_pool_free(one);
}

static void unreachable_server_is_an_error(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_pool *none = db_pool_new("postgresql://nobody@127.0.0.1:1/none", 1);
    assert_null(tx_begin(none, TX_SYSTEM, NULL, &err));
    assert_int_equal(err.code, ERR_DATABASE);
    assert_null(tx_begin(none, TX_SYSTEM, NULL, &err)); /* its place was given back */
    assert_false(db_pool_check(none, &err));
    db_pool_free(none);
}

static void *begin_in_thread(void *arg)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(arg, TX_SYSTEM, NULL, &err);
    tx_rollback(t);
    return t ? arg : NULL;
}

static void a_waiter_gets_the_next_free_connection(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_pool *one = db_pool_new(pg.service_url, 1);
    struct tx *t = tx_begin(one, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, begin_in_thread, one), 0);
    must(tx_commit(t, NULL, &err), &err);
    pthread_join(thread, &result);
    assert_ptr_equal(result, one);
    db_pool_free(one);
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
        cmocka_unit_test(every_type_goes_in_and_comes_out),
        cmocka_unit_test(arrays_keep_every_text),
        cmocka_unit_test(failures_have_their_codes),
        cmocka_unit_test(affected_counts_rows),
        cmocka_unit_test(snapshot_sees_one_moment),
        cmocka_unit_test(broken_connection_is_replaced),
        cmocka_unit_test(unreachable_server_is_an_error),
        cmocka_unit_test(a_waiter_gets_the_next_free_connection),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
