/* bootstrap-admin: makes all in one go, again changes nothing, and what it prints is what is
 * stored. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/bootstrap.h"
#include "controlplane/secrets/password.h"
#include "controlplane/store/db.h"
#include "pg_fixture.h"

static struct pg_fixture pg;
static struct db_pool *pool;

static struct bootstrap_options options(void)
{
    static char email[] = "Admin@Example.com", organization[] = "Acme", workspace[] = "main",
                token[] = "deploy", key[] = "dev";
    return (struct bootstrap_options){.email = email,
                                      .organization = organization,
                                      .workspace = workspace,
                                      .admin_token = token,
                                      .key = key};
}

static struct bootstrap_result run(const struct bootstrap_options *o)
{
    struct error err = ERROR_INIT;
    struct bootstrap_result r;
    if (!bootstrap_admin(pool, o, &r, &err)) {
        fail_msg("%s", error_text(&err));
    }
    return r;
}

static struct db_rows *query(struct tx **ret_tx, const char *sql, const struct uuid *id)
{
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    *ret_tx = tx_begin(pool, TX_SYSTEM, NULL, &err);
    if (!*ret_tx || !tx_exec(*ret_tx, &rows, &err, sql, DB_UUID(id))) {
        fail_msg("%s", error_text(&err));
    }
    return rows;
}

static bool password_is(const struct uuid *user, const char *password)
{
    struct tx *t;
    char hash[PASSWORD_HASH_MAX];
    struct db_rows *rows = query(&t, "SELECT password_hash FROM users WHERE id = $1", user);
    snprintf(hash, sizeof hash, "%.*s", STR_ARG(db_text(rows, 0, 0)));
    db_rows_free(rows);
    tx_rollback(t);
    return password_verify(str_of(password), hash);
}

static void hash_is(const char *sql, const struct uuid *id, const char *text)
{
    struct tx *t;
    uint8_t hash[32];
    struct arena *a = arena_new(0);
    struct db_rows *rows = query(&t, sql, id);
    apikey_hash(str_of(text), hash);
    assert_int_equal(db_count(rows), 1);
    assert_true(str_eq(db_bytes(rows, 0, 0, a), (struct str){(char *)hash, 32}));
    db_rows_free(rows);
    tx_rollback(t);
    arena_free(a);
}

static void makes_everything_then_nothing(void **state)
{
    (void)state;
    bool valid = false;
    struct tx *t;
    struct bootstrap_options o = options();
    struct bootstrap_result r = run(&o);
    assert_true(r.organization_made && r.workspace_made && r.user_made && r.token_made &&
                r.key_made);
    assert_true(password_is(&r.user, r.password));
    assert_true(apikey_is_ours(str_of(r.token_text), &valid) && valid);
    assert_true(apikey_is_ours(str_of(r.key_text), &valid) && valid);
    hash_is(
        "SELECT secret_hash FROM admin_tokens WHERE id = $1 AND organization_id IS NULL AND role ="
        " 'platform_admin'",
        &r.token, r.token_text);
    hash_is("SELECT secret_hash FROM virtual_keys WHERE id = $1", &r.key, r.key_text);

    o.email[0] = 'a'; /* addresses and names know no case */
    struct bootstrap_result again = run(&o);
    o.email[0] = 'A';
    assert_false(again.organization_made || again.workspace_made || again.user_made ||
                 again.token_made || again.key_made || again.password_reset);
    assert_true(uuid_eq(&again.organization, &r.organization));
    assert_true(uuid_eq(&again.key, &r.key));
    assert_string_equal(again.password, "");
    assert_string_equal(again.token_text, "");
    assert_string_equal(again.key_text, "");
    assert_true(password_is(&r.user, r.password));

    /* one version for all of it, an audit row for each, an owner */
    struct db_rows *rows =
        query(&t,
              "SELECT (SELECT count(DISTINCT version) FROM change_log),"
              " (SELECT count(*) FROM change_log), (SELECT count(*) FROM audit_log),"
              " (SELECT role FROM memberships WHERE user_id = $1)",
              &r.user);
    assert_int_equal(db_i64(rows, 0, 0), 1);
    assert_int_equal(db_i64(rows, 0, 1), 3);
    assert_int_equal(db_i64(rows, 0, 2), 6);
    assert_true(str_eqz(db_text(rows, 0, 3), "owner"));
    db_rows_free(rows);
    tx_rollback(t);
}

static void reset_gives_a_new_password(void **state)
{
    (void)state;
    struct bootstrap_options o = options();
    o.reset_password = true;
    struct bootstrap_result r = run(&o);
    assert_true(r.password_reset);
    assert_true(password_is(&r.user, r.password));
}

static void a_password_file_is_used(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct bootstrap_result r;
    char path[] = "/tmp/weir-test-password-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "hunter2 hunter2\nmore\n", 21), 21);
    close(fd);
    struct bootstrap_options o = options();
    o.reset_password = true;
    o.password_file = path;
    r = run(&o);
    assert_string_equal(r.password, "");
    assert_true(password_is(&r.user, "hunter2 hunter2"));
    assert_int_equal(truncate(path, 5), 0); /* too short */
    assert_false(bootstrap_admin(pool, &o, &r, &err));
    unlink(path);
    assert_false(bootstrap_admin(pool, &o, &r, &err));
    assert_true(password_is(&r.user, "hunter2 hunter2"));
}

static void faults_leave_nothing_behind(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct bootstrap_result r;
    struct bootstrap_options o = options();
    char bad[] = "nobody", name[101 + 1], organization[] = "Other";
    o.email = bad;
    assert_false(bootstrap_admin(pool, &o, &r, &err));
    assert_string_equal(err.param, "email");
    o = options();
    memset(name, 'x', 101);
    name[101] = '\0';
    o.organization = organization;
    o.key = name; /* too long: all of it is undone */
    assert_false(bootstrap_admin(pool, &o, &r, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    struct tx *t;
    static const struct uuid nil;
    struct db_rows *rows =
        query(&t, "SELECT count(*) FROM organizations WHERE id <> $1 AND name = 'Other'", &nil);
    assert_int_equal(db_i64(rows, 0, 0), 0);
    db_rows_free(rows);
    tx_rollback(t);
}

static int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 2);
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
        cmocka_unit_test(makes_everything_then_nothing),
        cmocka_unit_test(reset_gives_a_new_password),
        cmocka_unit_test(a_password_file_is_used),
        cmocka_unit_test(faults_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
