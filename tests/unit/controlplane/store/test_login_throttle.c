/* The brake on guessing passwords: whom it counts, when it locks, what takes it off. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/store/db.h"
#include "controlplane/store/login_throttle.h"
#include "pg_fixture.h"

static struct pg_fixture pg;
static struct db_pool *pool;

static struct tx *begin(void)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(pool, TX_SYSTEM, NULL, &err);
    if (!t) {
        fail_msg("%s", error_text(&err));
    }
    return t;
}

/* Seconds to wait: 0, the attempt counts. */
static uint64_t attempt(const char *account, const char *address)
{
    struct error err = ERROR_INIT;
    uint64_t wait = 0;
    struct tx *t = begin();
    assert_true(login_throttle_take(t, str_of(account), str_of(address), &wait, &err));
    if (wait > 0) {
        tx_rollback(t);
    } else {
        assert_true(tx_commit(t, NULL, &err));
    }
    return wait;
}

static void succeed(const char *account, const char *address)
{
    struct error err = ERROR_INIT;
    struct tx *t = begin();
    assert_true(login_throttle_clear(t, str_of(account), str_of(address), &err));
    assert_true(tx_commit(t, NULL, &err));
}

static void run(const char *sql)
{
    assert_true(pg_fixture_run(pg.owner_url, &sql, 1));
}

/* Attempts on ever new accounts until the address is locked. */
static unsigned until_locked(const char *const *addresses, size_t n)
{
    char account[40];
    unsigned made = 0;
    for (; made < 4 * LOGIN_ADDRESS_FAILURES; made++) {
        (void)snprintf(account, sizeof account, "%s-%u", addresses[0], made);
        if (attempt(account, addresses[made % n]) > 0) {
            break;
        }
    }
    return made;
}

static void an_account_locks_from_wherever_it_is_tried(void **state)
{
    (void)state;
    char address[20];
    for (int i = 0; i < LOGIN_ACCOUNT_FAILURES; i++) {
        (void)snprintf(address, sizeof address, "192.0.2.%d", i + 1);
        assert_int_equal(attempt(i % 2 ? "One@example.org" : "one@EXAMPLE.org", address), 0);
    }
    uint64_t wait = attempt("one@example.org", "192.0.2.99");
    assert_in_range(wait, 1, 3600);
    assert_int_equal(attempt("two@example.org", "192.0.2.99"), 0);
}

static void an_address_locks_whatever_account_it_tries(void **state)
{
    (void)state;
    const char *one[] = {"198.51.100.1"};
    assert_int_equal(until_locked(one, 1), LOGIN_ADDRESS_FAILURES);
    assert_int_equal(attempt("fresh@example.org", "198.51.100.2"), 0);
}

static void a_network_of_ipv6_counts_as_one_address(void **state)
{
    (void)state;
    const char *same[] = {"2001:db8:1:2::1", "2001:db8:1:2:ffff::7", "2001:db8:1:2:a:b:c:d"};
    assert_int_equal(until_locked(same, 3), LOGIN_ADDRESS_FAILURES);
    assert_int_equal(attempt("fresh6@example.org", "2001:db8:1:3::1"), 0);
    const char *mapped[] = {"::ffff:203.0.113.9", "203.0.113.9"};
    assert_int_equal(until_locked(mapped, 2), LOGIN_ADDRESS_FAILURES);
    assert_int_equal(attempt("fresh4@example.org", "::ffff:203.0.113.10"), 0);
}

static void success_takes_back_its_own_attempt_and_no_other(void **state)
{
    (void)state;
    const char *address = "2001:db8:9:9::1";
    for (int i = 0; i < LOGIN_ADDRESS_FAILURES - 1; i++) {
        char account[40];
        (void)snprintf(account, sizeof account, "victim-%d@example.org", i);
        assert_int_equal(attempt(account, address), 0);
        /* whoever has an account here cannot wash off what they tried on others */
        assert_int_equal(attempt("mine@example.org", address), 0);
        succeed("mine@example.org", address);
    }
    assert_int_equal(attempt("victim-last@example.org", address), 0);
    assert_in_range(attempt("victim-more@example.org", address), 1, 3600);
}

static void a_lock_ends_and_the_next_one_is_longer(void **state)
{
    (void)state;
    for (int i = 0; i < LOGIN_ACCOUNT_FAILURES; i++) {
        assert_int_equal(attempt("long@example.org", ""), 0);
    }
    uint64_t first = attempt("long@example.org", "");
    run("UPDATE weir.login_throttle SET locked_until = now() - interval '1 second' WHERE subject = "
        "'long@example.org'");
    assert_int_equal(attempt("long@example.org", ""), 0);
    assert_true(attempt("long@example.org", "") > first);
    succeed("long@example.org", "");
    assert_int_equal(attempt("long@example.org", ""), 0);
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
        cmocka_unit_test(an_account_locks_from_wherever_it_is_tried),
        cmocka_unit_test(an_address_locks_whatever_account_it_tries),
        cmocka_unit_test(a_network_of_ipv6_counts_as_one_address),
        cmocka_unit_test(success_takes_back_its_own_attempt_and_no_other),
        cmocka_unit_test(a_lock_ends_and_the_next_one_is_longer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
