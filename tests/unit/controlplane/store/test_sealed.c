/* Sealed columns: none is forgotten, all are renewed, and nothing that others change is lost. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "controlplane/config_rows.h"
#include "controlplane/store/idempotency.h"
#include "controlplane/store/sealed.h"

#define NEW_KEY "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define OLD_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct seal_keys *old_keys, *both, *only_new;

/* Columns of type bytea that hold no seal, and what they hold instead. */
static const char *const others[] = {
    "sessions.token_hash",
    "sessions.csrf_hash", /* hashes of tokens */
    "admin_tokens.secret_hash",
    "virtual_keys.secret_hash",
    "virtual_keys.former_hash",
    "enrolment_tokens.token_hash",
    "login_flows.state_hash",
    "login_flows.cookie_hash",
    "idempotency_keys.request_hash",
    "data_planes.root_hash",
    "audit_log.hash",
    "audit_heads.hash",
    "schema_migrations.sha256",
    "usage_quarantine.payload_hash",
    "usage_quarantine.payload", /* events, without texts and secrets */
    "plane_commands.body",      /* questions to proxies */
};

static bool is_known(const char *name)
{
    char text[128];
    for (size_t i = 0; i < sealed_columns_count; i++) {
        (void)snprintf(text, sizeof text, "%s.%s", sealed_columns[i].table,
                       sealed_columns[i].column);
        if (strcmp(text, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(others[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void every_column_of_the_schema_is_in_the_table(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    size_t seen = 0;
    struct tx *t = rows_begin(pool);
    /* pg_attribute, because information_schema shows a role only what it may use */
    assert_true(tx_exec(t, &rows, &err,
                        "SELECT c.relname || '.' || a.attname, t.typname FROM pg_attribute a JOIN "
                        "pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid "
                        "WHERE c.relnamespace = 'weir'::regnamespace AND c.relkind IN ('r', 'p') "
                        "AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND "
                        "(t.typname = 'bytea' OR a.attname LIKE '%\\_kek')"));
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < db_count(rows); i++) {
        char *name = (char *)(uintptr_t)arena_str(a, db_text(rows, i, 0)).ptr;
        size_t len = strlen(name);
        if (len > 4 && strcmp(name + len - 4, "_kek") == 0) {
            name[len - 4] = '\0'; /* whose key it names */
        }
        if (!is_known(name)) {
            fail_msg("%s: a sealed column belongs into sealed_columns (store/sealed.c), any other "
                     "into `others` here",
                     name);
        }
        for (size_t k = 0; k < sealed_columns_count; k++) {
            size_t table = strlen(sealed_columns[k].table);
            seen += str_eqz(db_text(rows, i, 1), "bytea") &&
                    strncmp(name, sealed_columns[k].table, table) == 0 && name[table] == '.' &&
                    strcmp(name + table + 1, sealed_columns[k].column) == 0;
        }
    }
    assert_int_equal(seen, sealed_columns_count);
    arena_free(a);
    db_rows_free(rows);
    tx_rollback(t);
}

static void opens(const struct seal_keys *keys, const char *sql, const char *place,
                  const struct uuid *row, const char *column, const char *wanted)
{
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    struct arena *a = arena_new(0);
    struct str plain = STR_NONE;
    struct tx *t = rows_begin(pool);
    assert_true(tx_exec(t, &rows, &err, sql, DB_UUID(row)));
    assert_int_equal(db_count(rows), 1);
    struct str kek = arena_str(a, db_text(rows, 0, 1));
    if (!seal_open(keys, kek.ptr, place, row, column, db_bytes(rows, 0, 0, a), a, &plain, &err)) {
        fail_msg("%s: %s", place, error_text(&err));
    }
    assert_true(str_eqz(plain, wanted));
    db_rows_free(rows);
    tx_rollback(t);
    arena_free(a);
}

static const struct sealed_column *column_of(const char *table)
{
    for (size_t i = 0; i < sealed_columns_count; i++) {
        if (strcmp(sealed_columns[i].table, table) == 0) {
            return &sealed_columns[i];
        }
    }
    fail_msg("no column of %s", table);
    return NULL;
}

static struct sealed_count renew(const struct seal_keys *keys, const char *table)
{
    struct error err = ERROR_INIT;
    struct sealed_count n;
    if (!sealed_renew(pool, keys, column_of(table), &n, &err)) {
        fail_msg("%s", error_text(&err));
    }
    return n;
}

#define PROVIDER_SQL "SELECT credential, credential_kek FROM providers WHERE id = $1"

static struct uuid org;

static void all_rows_are_renewed_once(void **state)
{
    (void)state;
    struct uuid ids[450];
    for (size_t i = 0; i < 450; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "p-%zu", i);
        ids[i] = rows_provider(pool, old_keys, &org, name, name);
    }
    struct sealed_count n = renew(both, "providers");
    assert_int_equal(n.resealed, 450);
    assert_int_equal(n.current, 450);
    assert_int_equal(n.failed, 0);
    opens(only_new, PROVIDER_SQL, "providers", &ids[0], "credential", "p-0");
    opens(only_new, PROVIDER_SQL, "providers", &ids[449], "credential", "p-449");
    n = renew(only_new, "providers");
    assert_int_equal(n.resealed, 0);
    assert_int_equal(n.current, 450);
}

static void stored_answers_and_documents_are_renewed(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid config = rows_config(pool, old_keys, &org, "c", "hidden");
    struct arena *a = arena_new(0);
    struct uuid row = idempotency_row(STR_LIT("user_1"), STR_LIT("my key"));
    struct str sealed =
        seal_close(old_keys, "idempotency_keys", &row, "response", STR_LIT("1\n{}"), a);
    const char *kek = seal_current_id(old_keys);
    char *stored = arena_alloc(a, 17 + sealed.len);
    stored[0] = 16;
    memcpy(stored + 1, kek, 16);
    memcpy(stored + 17, sealed.ptr, sealed.len);
    const struct idempotency id = {.actor = STR_LIT("user_1"), .key = STR_LIT("my key")};
    struct tx *t = rows_begin(pool);
    assert_true(idempotency_save(t, &id, 200, (struct str){stored, 17 + sealed.len}, &err));
    rows_commit(t, NULL);
    assert_int_equal(renew(both, "idempotency_keys").resealed, 1);
    assert_int_equal(renew(both, "idempotency_keys").resealed, 0);
    struct idempotency_answer found;
    struct str plain;
    t = rows_begin(pool);
    assert_true(idempotency_find(t, &id, a, &found, &err));
    tx_rollback(t);
    assert_memory_equal(found.response.ptr + 1, seal_current_id(only_new), 16);
    assert_true(seal_open(only_new, seal_current_id(only_new), "idempotency_keys", &row, "response",
                          str_slice(found.response, 17, found.response.len), a, &plain, &err));
    assert_true(str_eqz(plain, "1\n{}"));
    arena_free(a);
    assert_int_equal(renew(both, "config_documents").resealed, 1);
    opens(only_new,
          "SELECT secrets, secrets_kek FROM config_documents WHERE owner_id = $1 AND number = 1",
          "configs", &config, "secrets", "{\"1\":\"hidden\"}");
}

static void what_cannot_be_opened_stays_and_is_counted(void **state)
{
    (void)state;
    struct uuid id = rows_provider(pool, old_keys, &org, "foreign", "kept");
    struct sealed_count n = renew(only_new, "providers");
    assert_int_equal(n.resealed, 0);
    assert_int_equal(n.failed, 1);
    opens(old_keys, PROVIDER_SQL, "providers", &id, "credential", "kept");
    assert_int_equal(renew(both, "providers").resealed, 1);
}

struct held {
    struct uuid id;
    struct tx *t;
};

/* Somebody changes the row while it is renewed; they commit when the renewal has gone by it. */
static void *commit_later(void *arg)
{
    struct held *h = arg;
    struct timespec pause = {0, 150000000};
    (void)nanosleep(&pause, NULL);
    rows_commit(h->t, NULL);
    return NULL;
}

static void a_change_at_the_same_time_is_not_lost(void **state)
{
    (void)state;
    struct held h = {.id = rows_provider(pool, old_keys, &org, "busy", "before")};
    struct arena *a = arena_new(0);
    struct str sealed = seal_close(old_keys, "providers", &h.id, "credential", STR_LIT("after"), a);
    pthread_t thread;
    h.t = rows_begin(pool);
    ROWS_EXEC(h.t, "UPDATE providers SET credential = $2 WHERE id = $1", DB_UUID(&h.id),
              DB_BYTES(sealed.ptr, sealed.len));
    assert_int_equal(pthread_create(&thread, NULL, commit_later, &h), 0);
    struct sealed_count n = renew(both, "providers");
    pthread_join(thread, NULL);
    assert_int_equal(n.failed, 0);
    opens(only_new, PROVIDER_SQL, "providers", &h.id, "credential", "after");
    arena_free(a);
}

static int setup(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 4);
    old_keys = seal_keys_parse(STR_LIT(OLD_KEY), &err);
    both = seal_keys_parse(STR_LIT(NEW_KEY "," OLD_KEY), &err);
    only_new = seal_keys_parse(STR_LIT(NEW_KEY), &err);
    org = uuid_v7();
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "INSERT INTO organizations (id, name) VALUES ($1, 'acme')", DB_UUID(&org));
    rows_commit(t, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    seal_keys_free(old_keys);
    seal_keys_free(both);
    seal_keys_free(only_new);
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_column_of_the_schema_is_in_the_table),
        cmocka_unit_test(all_rows_are_renewed_once),
        cmocka_unit_test(stored_answers_and_documents_are_renewed),
        cmocka_unit_test(what_cannot_be_opened_stays_and_is_counted),
        cmocka_unit_test(a_change_at_the_same_time_is_not_lost),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
