/* The chains of the audit log: numbers without gaps, hashes that anybody can make again, one chain
 * for each organization. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/buffer.h"
#include "controlplane/config_rows.h"
#include "controlplane/store/audit_read.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct uuid org_a, org_b;
static const struct uuid nil;

static struct tx *begin(enum tx_role role, const struct uuid *organization)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(pool, role, organization, &err);
    assert_non_null(t);
    return t;
}

static void note(struct tx *t, const struct uuid *organization, const char *action,
                 const char *after)
{
    struct error err = ERROR_INIT;
    assert_true(
        tx_audit(t, action, "key", organization, NULL, "a \"name\"\n\u00fc", NULL, after, &err));
}

/* The head of a chain, after all its rows were made again from their texts. */
static uint64_t verified(const struct uuid *chain)
{
    struct error err = ERROR_INIT;
    struct arena *a = arena_new(0);
    struct audit_head *heads;
    struct audit_link *links;
    size_t n_heads, n;
    char hash[65] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct tx *t = begin(TX_SYSTEM, NULL);
    assert_true(audit_heads(t, chain, a, &heads, &n_heads, &err));
    uint64_t seq = n_heads == 1 ? heads[0].seq : 0;
    assert_true(audit_links(t, chain, 0, UINT32_MAX, 100000, a, &links, &n, &err));
    assert_int_equal(n, seq);
    for (size_t i = 0; i < n; i++) {
        uint8_t sum[CRYPTO_SHA256_LEN];
        struct str text = arena_printf(a, "%s\n%.*s", hash, STR_ARG(links[i].text));
        assert_int_equal(links[i].seq, i + 1);
        crypto_sha256(text.ptr, text.len, sum);
        crypto_hex(sum, sizeof sum, hash);
        assert_true(str_eqz(links[i].hash, hash));
    }
    if (n > 0) {
        assert_true(str_eqz(heads[0].hash, hash));
    }
    tx_rollback(t);
    arena_free(a);
    return seq;
}

static void each_organization_has_its_own_chain(void **state)
{
    (void)state;
    struct tx *t = begin(TX_TENANT, &org_a);
    note(t, &org_a, "key.create", "{\"models\": [\"*\"], \"n\": 1.50}");
    note(t, &org_a, "key.update", NULL);
    rows_commit(t, NULL);
    t = begin(TX_SYSTEM, NULL);
    note(t, &org_b, "key.create", NULL);
    note(t, NULL, "organization.create", NULL);
    note(t, &org_a, "key.delete", NULL);
    rows_commit(t, NULL);
    assert_int_equal(verified(&org_a), 3);
    assert_int_equal(verified(&org_b), 1);
    assert_int_equal(verified(&nil), 1);
}

static void what_is_rolled_back_leaves_no_gap(void **state)
{
    (void)state;
    uint64_t before = verified(&org_a);
    struct tx *t = begin(TX_TENANT, &org_a);
    note(t, &org_a, "key.create", NULL);
    tx_rollback(t);
    t = begin(TX_TENANT, &org_a);
    note(t, &org_a, "key.update", NULL);
    rows_commit(t, NULL);
    assert_int_equal(verified(&org_a), before + 1);
}

static void a_tenant_appends_to_its_own_chain_only(void **state)
{
    (void)state;
    const struct uuid *others[] = {&org_b, &nil};
    for (size_t i = 0; i < 2; i++) {
        struct error err = ERROR_INIT;
        struct tx *t = begin(TX_TENANT, &org_a);
        note(t, others[i], "key.create", NULL);
        assert_false(tx_commit(t, NULL, &err));
    }
    struct error err = ERROR_INIT;
    struct arena *a = arena_new(0);
    struct audit_head *heads;
    size_t n;
    struct tx *t = begin(TX_TENANT, &org_a);
    assert_true(audit_heads(t, NULL, a, &heads, &n, &err));
    assert_int_equal(n, 1);
    assert_true(uuid_eq(&heads[0].organization, &org_a));
    tx_rollback(t);
    arena_free(a);
}

static void a_row_that_cannot_be_written_undoes_its_change(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    uint64_t before = verified(&org_a);
    struct tx *t = begin(TX_TENANT, &org_a);
    ROWS_EXEC(t, "UPDATE organizations SET name = 'other' WHERE id = $1", DB_UUID(&org_a));
    note(t, &org_a, "key.update", "{broken");
    assert_false(tx_commit(t, NULL, &err));
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM organizations WHERE name = 'other'"),
                     0);
    assert_int_equal(verified(&org_a), before);
}

static void many_rows_are_appended_at_once(void **state)
{
    (void)state;
    uint64_t before = verified(&org_b);
    struct tx *t = begin(TX_TENANT, &org_b);
    for (int i = 0; i < 2000; i++) {
        note(t, &org_b, "key.create", "{\"name\": \"one of many\"}");
    }
    rows_commit(t, NULL);
    assert_int_equal(verified(&org_b), before + 2000);
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
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "INSERT INTO organizations (id, name) VALUES ($1, 'a'), ($2, 'b')",
              DB_UUID(&org_a), DB_UUID(&org_b));
    rows_commit(t, NULL);
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
        cmocka_unit_test(each_organization_has_its_own_chain),
        cmocka_unit_test(what_is_rolled_back_leaves_no_gap),
        cmocka_unit_test(a_tenant_appends_to_its_own_chain_only),
        cmocka_unit_test(a_row_that_cannot_be_written_undoes_its_change),
        cmocka_unit_test(many_rows_are_appended_at_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
