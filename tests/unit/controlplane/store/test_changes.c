/* Rows of governance as the snapshot reads them, from a real database: lists of objects, arrays,
 * times, and what is left out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "controlplane/config_rows.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct uuid org, ws;
static struct arena *memory;

static int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 4);
    memory = arena_new(0);
    org = rows_organization(pool, "one");
    ws = rows_workspace(pool, &org, "ws");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(memory);
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

/* The row, read by its id and found on the page of its kind; NULL: it does not travel. */
static const struct config_row *read_one(unsigned kind, const struct uuid *id)
{
    struct error err = ERROR_INIT;
    struct config_row *rows = NULL, *page = NULL;
    size_t n = 0, on_page = 0, found = 0;
    struct uuid start = {{0}};
    struct tx *t = tx_begin_snapshot(pool, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    if (!changes_rows(t, kind, id, 1, memory, &rows, &n, &err) ||
        !changes_page(t, kind, &start, 100, memory, &page, &on_page, &err)) {
        fail_msg("%s", error_text(&err));
    }
    tx_rollback(t);
    for (size_t i = 0; i < on_page; i++) {
        found += uuid_eq(&page[i].id, id);
    }
    assert_int_equal(found, n);
    return n ? &rows[0] : NULL;
}

static void test_budgets_and_limits(void **state)
{
    (void)state;
    struct uuid budget = uuid_v7(), limit = uuid_v7();
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO budgets (id, organization_id, name, scopes, metric, amount, "
              "time_window, zone, mode, alert_percents, extra_amount, extra_until) VALUES ($1, $2, "
              "'b', '[{\"kind\": \"user\", \"value\": \"*\"}, {\"kind\": \"metadata\", "
              "\"name\": \"env\", \"value\": \"caf\\u00e9 \\\"1\\\"\"}]', 'cost', 1000000001, "
              "'month', 'Europe/Berlin', 'soft', '{50,120}', 7, '2030-01-01T00:00:00.250Z')",
              DB_UUID(&budget), DB_UUID(&org));
    ROWS_EXEC(t,
              "INSERT INTO limits (id, organization_id, workspace_id, name, metric, amount, "
              "time_window, algorithm, burst, exact, disabled) VALUES ($1, $2, $3, 'l', "
              "'requests', 60, 'minute', 'token_bucket', 90, true, true)",
              DB_UUID(&limit), DB_UUID(&org), DB_UUID(&ws));
    rows_commit(t, NULL);
    const struct config_row *r = read_one(CONFIG_BUDGET, &budget);
    assert_non_null(r);
    assert_true(uuid_is_nil(&r->workspace_id) && uuid_eq(&r->organization_id, &org));
    assert_int_equal(r->quota.n_scopes, 2);
    assert_true(str_eqz(r->quota.scopes[0].kind, "user"));
    assert_true(str_eqz(r->quota.scopes[0].name, ""));
    assert_string_equal(r->quota.scopes[1].value.ptr, "caf\xc3\xa9 \"1\"");
    assert_int_equal(r->quota.amount, 1000000001);
    assert_true(r->quota.n_alert_percents == 2 && r->quota.alert_percents[1] == 120);
    assert_int_equal(r->quota.extra_until_ms, 1893456000250);
    assert_true(str_eqz(r->quota.zone, "Europe/Berlin") && str_eqz(r->quota.mode, "soft"));
    assert_true(str_eqz(r->quota.when_unavailable, "refuse") && r->quota.max_values == 10000);
    r = read_one(CONFIG_LIMIT, &limit);
    assert_true(r && r->disabled && r->quota.exact && r->quota.burst == 90);
    assert_true(uuid_eq(&r->workspace_id, &ws) && r->quota.n_scopes == 0);
    assert_true(str_eqz(r->quota.algorithm, "token_bucket"));
    assert_true(str_eqz(r->quota.when_unavailable, "local"));
    struct uuid nobody = uuid_v7();
    assert_null(read_one(CONFIG_BUDGET, &nobody));
}

static void test_keys_and_their_former_secret(void **state)
{
    (void)state;
    uint8_t former[32];
    struct uuid key = rows_key(pool, &org, &ws, "k", NULL), team = uuid_v7();
    memset(former, 9, sizeof(former));
    const struct config_row *r = read_one(CONFIG_KEY, &key);
    assert_true(r && r->former_hash.len == 0 && r->former_expires_at_ms == 0);
    assert_true(uuid_is_nil(&r->team_id) && r->bounds.n_ip_allow == 0 && r->price_group.len == 0);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO teams (id, organization_id, name, price_group) VALUES ($1, $2, 't', "
              "'vip')",
              DB_UUID(&team), DB_UUID(&org));
    ROWS_EXEC(t,
              "UPDATE virtual_keys SET former_hash = $2, former_expires_at = "
              "'2030-01-01T00:00:00Z', team_id = $3, ip_allow = '{10.0.0.0/8,::1}', endpoints = "
              "'{models}', required_metadata = '{env}', configs = '{a*}', mcp_tools = "
              "'{github/*}', price_group = 'internal' WHERE id = $1",
              DB_UUID(&key), DB_BYTES(former, 32), DB_UUID(&team));
    ROWS_EXEC(t, "UPDATE workspaces SET price_group = 'half' WHERE id = $1", DB_UUID(&ws));
    rows_commit(t, NULL);
    r = read_one(CONFIG_KEY, &key);
    assert_int_equal(r->former_hash.len, 32);
    assert_memory_equal(r->former_hash.ptr, former, 32);
    assert_int_equal(r->former_expires_at_ms, 1893456000000);
    assert_true(uuid_eq(&r->team_id, &team) && str_eqz(r->price_group, "internal"));
    assert_true(r->bounds.n_ip_allow == 2 && str_eqz(r->bounds.ip_allow[1], "::1"));
    assert_true(r->bounds.n_endpoints == 1 && r->bounds.n_required_metadata == 1);
    assert_true(str_eqz(r->bounds.configs[0], "a*"));
    assert_true(str_eqz(r->bounds.mcp_tools[0], "github/*"));
    assert_true(str_eqz(read_one(CONFIG_TEAM, &team)->price_group, "vip"));
    assert_true(str_eqz(read_one(CONFIG_WORKSPACE, &ws)->price_group, "half"));
}

static void test_keys_of_who_is_disabled_are_disabled(void **state)
{
    (void)state;
    struct uuid persons = rows_key(pool, &org, &ws, "persons", NULL), job = uuid_v7(),
                jobs = rows_key(pool, &org, &ws, "jobs", NULL), person = uuid_v7();
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "INSERT INTO users (id, email) VALUES ($1, 'gone@people.test')", DB_UUID(&person));
    ROWS_EXEC(t,
              "INSERT INTO service_accounts (id, organization_id, workspace_id, name) VALUES "
              "($1, $2, $3, 'job')",
              DB_UUID(&job), DB_UUID(&org), DB_UUID(&ws));
    ROWS_EXEC(t, "UPDATE virtual_keys SET user_id = $2 WHERE id = $1", DB_UUID(&persons),
              DB_UUID(&person));
    ROWS_EXEC(t, "UPDATE virtual_keys SET service_account_id = $2 WHERE id = $1", DB_UUID(&jobs),
              DB_UUID(&job));
    rows_commit(t, NULL);
    assert_false(read_one(CONFIG_KEY, &persons)->disabled);
    assert_false(read_one(CONFIG_KEY, &jobs)->disabled);
    t = rows_begin(pool);
    ROWS_EXEC(t, "UPDATE users SET disabled = true WHERE id = $1", DB_UUID(&person));
    rows_commit(t, NULL);
    assert_true(read_one(CONFIG_KEY, &persons)->disabled);
    assert_false(read_one(CONFIG_KEY, &jobs)->disabled);
    t = rows_begin(pool);
    ROWS_EXEC(t, "UPDATE service_accounts SET disabled = true WHERE id = $1", DB_UUID(&job));
    ROWS_EXEC(t, "UPDATE users SET disabled = false WHERE id = $1", DB_UUID(&person));
    rows_commit(t, NULL);
    assert_false(read_one(CONFIG_KEY, &persons)->disabled);
    assert_true(read_one(CONFIG_KEY, &jobs)->disabled);
}

static void test_prices(void **state)
{
    (void)state;
    struct uuid book = uuid_v7(), group = uuid_v7();
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO price_books (id, organization_id, name, published, latest) VALUES ($1, "
              "$2, 'book', 2, 3)",
              DB_UUID(&book), DB_UUID(&org));
    for (unsigned i = 1; i <= 3; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "{\"n\": %u}", i);
        ROWS_EXEC(t,
                  "INSERT INTO price_book_documents (organization_id, owner_id, number, document) "
                  "VALUES ($1, $2, $3, $4)",
                  DB_UUID(&org), DB_UUID(&book), DB_I64(i), DB_Z(text));
    }
    ROWS_EXEC(t,
              "INSERT INTO price_groups (id, organization_id, name, ratio_ppm, overrides) VALUES "
              "($1, $2, 'internal', 100000, '[{\"provider\": \"openai\", \"model\": \"gpt*\", "
              "\"ratio_ppm\": 500000}, {\"ratio_ppm\": 1}]')",
              DB_UUID(&group), DB_UUID(&org));
    rows_commit(t, NULL);
    const struct config_row *r = read_one(CONFIG_PRICE_BOOK, &book);
    assert_true(r && r->published == 2 && r->n_versions == 1 && r->versions[0].number == 2);
    assert_true(str_eqz(r->versions[0].document, "{\"n\": 2}"));
    r = read_one(CONFIG_PRICE_GROUP, &group);
    assert_true(r && r->ratio_ppm == 100000 && r->n_ratios == 2);
    assert_true(str_eqz(r->ratios[0].model, "gpt*") && r->ratios[0].ratio_ppm == 500000);
    assert_true(str_eqz(r->ratios[1].provider, "") && r->ratios[1].ratio_ppm == 1);
}

static void test_issuers_of_data_planes_alone(void **state)
{
    (void)state;
    struct uuid ours = uuid_v7(), login = uuid_v7(), key = uuid_v7();
    char ids[64], text[37];
    uuid_format(&key, text);
    (void)snprintf(ids, sizeof(ids), "{%s}", text);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO issuers (id, name, issuer, audiences, data_plane, key_ids, denied_jti) "
              "VALUES ($1, 'a', 'https://a.example', '{weir,x}', true, $2, '{j}')",
              DB_UUID(&ours), DB_Z(ids));
    ROWS_EXEC(t,
              "INSERT INTO issuers (id, organization_id, name, issuer) VALUES ($1, $2, 'b', "
              "'https://b.example')",
              DB_UUID(&login), DB_UUID(&org));
    rows_commit(t, NULL);
    const struct config_row *r = read_one(CONFIG_ISSUER, &ours);
    assert_non_null(r);
    assert_true(uuid_is_nil(&r->organization_id));
    assert_true(str_eqz(r->issuer.issuer, "https://a.example") && r->issuer.n_audiences == 2);
    assert_true(r->issuer.n_algorithms == 2 && str_eqz(r->issuer.algorithms[0], "RS256"));
    assert_true(r->issuer.n_key_ids == 1 && uuid_eq(&r->issuer.key_ids[0], &key));
    assert_true(r->issuer.n_denied_jti == 1 && r->issuer.leeway_s == 60);
    assert_true(str_eqz(r->issuer.jwks_json, "{\"keys\": []}"));
    assert_null(read_one(CONFIG_ISSUER, &login));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budgets_and_limits),
        cmocka_unit_test(test_keys_and_their_former_secret),
        cmocka_unit_test(test_keys_of_who_is_disabled_are_disabled),
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_issuers_of_data_planes_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
