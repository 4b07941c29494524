/* Usage batches into PostgreSQL: each event once, whatever comes with it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/base/clock.h"
#include "controlplane/config_rows.h"
#include "controlplane/ingest/receive.h"
#include "controlplane/store/usage_write.h"
#include "proto/usage.pb-c.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct uuid plane, org;

static int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 4);
    plane = uuid_v7();
    org = uuid_v7();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

static bool serves_all(void *arg, const struct uuid *o, const struct uuid *w)
{
    (void)arg, (void)w;
    return uuid_eq(o, &org);
}

/* Events under construction: messages whose bytes are kept until the batch is sent. */
struct making {
    Weir__Batch batch;
    ProtobufCBinaryData *events;
};

static void making_init(struct making *m, uint64_t number, size_t max)
{
    weir__batch__init(&m->batch);
    m->batch.number = number;
    m->events = mem_alloc(max * sizeof(*m->events));
    m->batch.events = m->events;
}

static void making_add_raw(struct making *m, const void *p, size_t n)
{
    m->events[m->batch.n_events++] = (ProtobufCBinaryData){n, mem_dup(p, n)};
}

static ProtobufCBinaryData bytes(const struct uuid *u)
{
    return (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)u->b};
}

typedef void (*alter_fn)(Weir__Event *e);

static void making_add(struct making *m, const struct uuid *id, alter_fn alter)
{
    Weir__Event e = WEIR__EVENT__INIT;
    Weir__Attempt a = WEIR__ATTEMPT__INIT, *attempts = &a;
    Weir__Quantity q[2] = {WEIR__QUANTITY__INIT, WEIR__QUANTITY__INIT}, *list[2] = {&q[0], &q[1]};
    q[0].unit = WEIR__UNIT__UNIT_TOKEN_IN;
    q[0].quantity = 11;
    q[0].source = WEIR__SOURCE__SOURCE_PROVIDER;
    q[1] = q[0];
    q[1].unit = WEIR__UNIT__UNIT_TOKEN_CACHE_WRITE_5M;
    q[1].quantity = 3;
    q[1].price_picousd = 2500000;
    a.number = 1;
    a.provider = (char *)(uintptr_t) "openai";
    a.model = (char *)(uintptr_t) "gpt-4o";
    a.status = 200;
    a.outcome = WEIR__OUTCOME__OUTCOME_OK;
    a.n_quantities = 2;
    a.quantities = list;
    e.id = bytes(id);
    e.organization_id = bytes(&org);
    e.started_us = clock_wall_us();
    e.duration_us = 1234;
    e.endpoint = (char *)(uintptr_t) "chat.completions";
    e.status = 200;
    e.outcome = WEIR__OUTCOME__OUTCOME_CLIENT_GONE;
    e.metadata_json = (char *)(uintptr_t) "{\"team\":\"a\"}";
    e.n_attempts = 1;
    e.attempts = &attempts;
    if (alter) {
        alter(&e);
    }
    size_t n = weir__event__get_packed_size(&e);
    uint8_t *p = mem_alloc(n + 1);
    weir__event__pack(&e, p);
    making_add_raw(m, p, n);
    mem_free(p);
}

static bool try_send(struct making *m, struct ingest_ack *ack, struct error *err)
{
    size_t n = weir__batch__get_packed_size(&m->batch);
    uint8_t *p = mem_alloc(n + 1);
    weir__batch__pack(&m->batch, p);
    bool ok = ingest_receive(pool, &plane, serves_all, NULL, (struct str){(char *)p, n}, ack, err);
    mem_free(p);
    return ok;
}

static struct ingest_ack send_batch(struct making *m)
{
    struct ingest_ack ack = {0};
    struct error err = ERROR_INIT;
    if (!try_send(m, &ack, &err)) {
        fail_msg("batch: %s", error_text(&err));
    }
    assert_true(ack.number == m->batch.number);
    assert_int_equal(ack.stored + ack.duplicates + ack.quarantined, m->batch.n_events);
    return ack;
}

static void making_release(struct making *m)
{
    for (size_t i = 0; i < m->batch.n_events; i++) {
        mem_free(m->events[i].data);
    }
    mem_free(m->events);
}

static int64_t count_of(const char *table, const char *column, const struct uuid *id)
{
    char sql[256], text[37];
    uuid_format(id, text);
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE %s = '%s'", table, column,
                   text);
    return rows_count(pool, sql);
}

static void test_an_event_is_stored_whole_and_once(void **state)
{
    (void)state;
    struct making m;
    struct uuid id = uuid_v7();
    making_init(&m, 7, 2);
    making_add(&m, &id, NULL);
    making_add(&m, &id, NULL); /* twice in one batch */
    struct ingest_ack ack = send_batch(&m);
    assert_int_equal(ack.stored, 1);
    assert_int_equal(ack.duplicates, 1);
    ack = send_batch(&m); /* and the batch again */
    assert_int_equal(ack.stored, 0);
    assert_int_equal(ack.duplicates, 2);
    assert_int_equal(count_of("usage_events", "id", &id), 1);
    assert_int_equal(count_of("usage_attempts", "event_id", &id), 1);
    assert_int_equal(count_of("usage_quantities", "event_id", &id), 2);
    assert_int_equal(
        rows_count(pool, "SELECT count(*) FROM usage_events WHERE outcome = 'client_gone' AND "
                         "metadata->>'team' = 'a' AND key_id IS NULL AND first_byte_us IS NULL AND "
                         "day = (now() AT TIME ZONE 'UTC')::date AND "
                         "abs(extract(epoch FROM now() - started_at)) < 60 AND duration_us = 1234"),
        1);
    assert_int_equal(rows_count(pool, "SELECT sum(quantity) FROM usage_quantities WHERE "
                                      "source = 'provider' AND unit IN "
                                      "('token_in', 'token_cache_write_5m')"),
                     14);
    making_release(&m);
}

static struct uuid followed, prompted, copied;

static void with_routing(Weir__Event *e)
{
    Weir__Attempt *a = e->attempts[0];
    a->kind = (char *)(uintptr_t) "fallback";
    a->option = (char *)(uintptr_t) "config.targets[1]";
    a->credential = 2;
    a->quantities[0]->unit = WEIR__UNIT__UNIT_IMAGE_IN;
    a->quantities[1]->unit = WEIR__UNIT__UNIT_PAGE;
    e->cache_status = (char *)(uintptr_t) "miss";
    e->config_id = bytes(&followed);
    e->config_number = 12;
    e->assignment = (char *)(uintptr_t) "canary/eu";
    e->prompt_id = bytes(&prompted);
    e->prompt_version = 3;
    e->mirror_of = bytes(&copied);
}

/* A hit has no attempts. */
static void a_hit(Weir__Event *e)
{
    e->n_attempts = 0;
    e->cache_status = (char *)(uintptr_t) "hit";
    e->saved_nanousd = INT64_MAX;
    e->saved_us = 1250000;
}

static void test_routing_and_cache_are_stored(void **state)
{
    (void)state;
    struct making m;
    struct uuid id = uuid_v7(), hit = uuid_v7();
    char text[37], sql[700];
    followed = uuid_v7();
    prompted = uuid_v7();
    copied = uuid_v7();
    making_init(&m, 9, 2);
    making_add(&m, &id, with_routing);
    making_add(&m, &hit, a_hit);
    struct ingest_ack ack = send_batch(&m);
    assert_int_equal(ack.stored, 2);
    uuid_format(&followed, text);
    (void)snprintf(
        sql, sizeof(sql),
        "SELECT count(*) FROM usage_events e JOIN usage_attempts a ON a.event_id = e.id "
        "WHERE e.config_id = '%s' AND e.config_number = 12 AND e.assignment = "
        "'canary/eu' AND e.cache_status = 'miss' AND e.prompt_version = 3 AND "
        "e.prompt_id IS NOT NULL AND e.mirror_of IS NOT NULL AND e.saved_nanousd = 0 "
        "AND a.kind = 'fallback' AND a.option = 'config.targets[1]' AND a.credential = 2",
        text);
    assert_int_equal(rows_count(pool, sql), 1);
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM usage_quantities WHERE unit IN "
                                      "('image_in', 'page')"),
                     2);
    assert_int_equal(count_of("usage_attempts", "event_id", &hit), 0);
    assert_int_equal(
        rows_count(pool, "SELECT count(*) FROM usage_events WHERE cache_status = 'hit' AND "
                         "cost_nanousd = 0 AND saved_nanousd = 9223372036854775807 AND "
                         "saved_us = 1250000 AND config_id IS NULL AND prompt_id IS NULL AND "
                         "mirror_of IS NULL"),
        1);
    making_release(&m);
}

/* ---- what governance adds ---- */

static struct uuid team, account, book, budget, holder, key;

static void with_governance(Weir__Event *e)
{
    static char *tags[] = {(char *)(uintptr_t) "plain", (char *)(uintptr_t) "a \"b\\c\", {d}",
                           (char *)(uintptr_t) ""};
    static Weir__Charge charges[2], *list[2] = {&charges[0], &charges[1]};
    weir__charge__init(&charges[0]);
    charges[0].quota_id = bytes(&budget);
    charges[0].bucket = (char *)(uintptr_t) "x\x1fy";
    charges[0].holder = bytes(&holder);
    charges[0].amount = 70;
    charges[1] = charges[0];
    charges[1].amount = 5;
    charges[1].overrun = true;
    e->key_id = bytes(&key);
    e->team_id = bytes(&team);
    e->service_account_id = bytes(&account);
    e->end_user = (char *)(uintptr_t) "someone";
    e->price_group = (char *)(uintptr_t) "internal";
    e->list_nanousd = 750;
    e->custom_nanousd = 3;
    e->price_book_id = bytes(&book);
    e->downgraded_from = (char *)(uintptr_t) "gpt-5";
    e->tags = tags;
    e->n_tags = 3;
    e->charges = list;
    e->n_charges = 2;
    e->attempts[0]->list_nanousd = 750;
    e->attempts[0]->ratio_ppm = 100000;
    e->attempts[0]->service_tier = (char *)(uintptr_t) "flex";
}

static void add_rows(void)
{
    org = rows_organization(pool, "governed");
    struct uuid ws = rows_workspace(pool, &org, "governed");
    budget = uuid_v7();
    team = uuid_v7();
    account = uuid_v7();
    book = uuid_v7();
    holder = uuid_v7();
    key = rows_key(pool, &org, &ws, "governed", NULL);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO budgets (id, organization_id, name, metric, amount, time_window, "
              "alert_percents) VALUES ($1, $2, 'governed', 'cost', 100, 'total', '{50,80}')",
              DB_UUID(&budget), DB_UUID(&org));
    rows_commit(t, NULL);
}

static void test_governance_is_stored_and_charged_once(void **state)
{
    (void)state;
    struct making m;
    struct uuid id = uuid_v7();
    add_rows();
    int64_t version = rows_count(pool, "SELECT version FROM config_version");
    making_init(&m, 21, 2);
    making_add(&m, &id, with_governance);
    assert_int_equal(send_batch(&m).stored, 1);
    assert_int_equal(send_batch(&m).duplicates, 1);
    assert_int_equal(
        rows_count(pool, "SELECT count(*) FROM usage_events e JOIN usage_attempts a ON a.event_id "
                         "= e.id WHERE e.end_user = 'someone' AND e.price_group = 'internal' AND "
                         "e.list_nanousd = 750 AND e.custom_nanousd = 3 AND e.downgraded_from = "
                         "'gpt-5' AND e.team_id IS NOT NULL AND e.service_account_id IS NOT NULL "
                         "AND e.price_book_id IS NOT NULL AND e.tags = ARRAY['plain', 'a "
                         "\"b\\c\", {d}', ''] AND a.list_nanousd = 750 AND a.ratio_ppm = 100000 "
                         "AND a.service_tier = 'flex' AND jsonb_array_length(e.charges) = 2 AND "
                         "e.charges->0->>'bucket' = E'x\\u001Fy' AND "
                         "(e.charges->0->>'amount')::int8 = 70 AND e.charges->0->'overrun' IS NULL "
                         "AND e.charges->1->'overrun' = 'true'"),
        1);
    assert_int_equal(count_of("ledger_accounts", "quota_id", &budget), 1);
    assert_int_equal(rows_count(pool, "SELECT settled FROM ledger_accounts WHERE overrun = 5"), 75);
    assert_int_equal(rows_count(pool, "SELECT settled FROM ledger_leases WHERE granted = 0"), 75);
    assert_int_equal(count_of("alert_events", "budget_id", &budget), 1);
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM virtual_keys WHERE name = 'governed' "
                                      "AND last_used_at > now() - interval '1 minute'"),
                     1);
    assert_int_equal(rows_count(pool, "SELECT version FROM config_version"), version);
    making_release(&m);
}

static void test_a_key_s_last_use_is_written_once_a_minute(void **state)
{
    (void)state;
    static const int64_t ages_s[] = {30, 90};
    for (int i = 0; i < 2; i++) {
        struct making m;
        struct uuid id = uuid_v7();
        struct tx *t = rows_begin(pool);
        ROWS_EXEC(t,
                  "UPDATE virtual_keys SET last_used_at = now() - $2 * interval '1 second' WHERE "
                  "id = $1",
                  DB_UUID(&key), DB_I64(ages_s[i]));
        rows_commit(t, NULL);
        making_init(&m, 22, 1);
        making_add(&m, &id, with_governance);
        assert_int_equal(send_batch(&m).stored, 1);
        assert_int_equal(rows_count(pool, "SELECT count(*) FROM virtual_keys WHERE name = "
                                          "'governed' AND last_used_at > now() - interval '20 s'"),
                         i);
        making_release(&m);
    }
}

static void no_organization(Weir__Event *e)
{
    e->organization_id.len = 0;
}

static void other_organization(Weir__Event *e)
{
    e->organization_id = e->id;
}

static void bad_metadata(Weir__Event *e)
{
    e->metadata_json = (char *)(uintptr_t) "{\"a\":";
}

/* Well-formed JSON that PostgreSQL's jsonb refuses: found by the database, not by the checks. */
static void nul_in_metadata(Weir__Event *e)
{
    e->metadata_json = (char *)(uintptr_t) "{\"a\":\"\\u0000\"}";
}

static void bad_utf8(Weir__Event *e)
{
    e->model = (char *)(uintptr_t) "\xff\xfe";
}

static void huge_number(Weir__Event *e)
{
    e->cost_nanousd = UINT64_MAX;
}

static void huge_saving(Weir__Event *e)
{
    e->saved_nanousd = UINT64_MAX;
}

static void short_config(Weir__Event *e)
{
    e->config_id = bytes(&org);
    e->config_id.len = 15;
}

static Weir__Charge bad_charge, *bad_charges = &bad_charge;

static void charge_of_nothing(Weir__Event *e)
{
    weir__charge__init(&bad_charge);
    e->charges = &bad_charges;
    e->n_charges = 1;
}

/* Found by the database. */
static void charge_of_a_bad_bucket(Weir__Event *e)
{
    charge_of_nothing(e);
    bad_charge.quota_id = bytes(&org);
    bad_charge.bucket = (char *)(uintptr_t) "\xff";
}

static void charge_that_is_huge(Weir__Event *e)
{
    charge_of_nothing(e);
    bad_charge.quota_id = bytes(&org);
    bad_charge.amount = UINT64_MAX;
}

static void unknown_unit(Weir__Event *e)
{
    e->attempts[0]->quantities[0]->unit = (Weir__Unit)99;
}

static void same_unit_twice(Weir__Event *e)
{
    e->attempts[0]->quantities[1]->unit = e->attempts[0]->quantities[0]->unit;
}

static void test_what_cannot_be_stored_is_quarantined_and_blocks_nobody(void **state)
{
    (void)state;
    static const alter_fn faults[] = {
        no_organization,    other_organization, bad_metadata,      nul_in_metadata,
        bad_utf8,           huge_number,        unknown_unit,      same_unit_twice,
        huge_saving,        short_config,       charge_of_nothing, charge_of_a_bad_bucket,
        charge_that_is_huge};
    enum { FAULTS = sizeof(faults) / sizeof(faults[0]) };
    struct making m;
    struct uuid good[FAULTS + 1], bad;
    int64_t before = rows_count(pool, "SELECT count(*) FROM usage_quarantine");
    making_init(&m, 8, 40);
    for (size_t i = 0; i < FAULTS; i++) {
        good[i] = uuid_v7();
        bad = uuid_v7();
        making_add(&m, &good[i], NULL);
        making_add(&m, &bad, faults[i]);
    }
    making_add_raw(&m, "\xff\xff\xff", 3);
    bad = uuid_v7();
    bad.b[6] = 0x40 | (bad.b[6] & 0xf); /* a random UUID has no day */
    making_add(&m, &bad, NULL);
    struct ingest_ack ack = send_batch(&m);
    assert_int_equal(ack.stored, FAULTS);
    assert_int_equal(ack.quarantined, FAULTS + 2);
    for (size_t i = 0; i < FAULTS; i++) {
        assert_int_equal(count_of("usage_events", "id", &good[i]), 1);
        assert_int_equal(count_of("usage_attempts", "event_id", &good[i]), 1);
    }
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM usage_quarantine"),
                     before + FAULTS + 2);
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM usage_quarantine WHERE reason = '' OR "
                                      "length(payload) = 0"),
                     0);
    ack = send_batch(&m); /* again: nothing is doubled */
    assert_int_equal(ack.duplicates, FAULTS);
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM usage_quarantine"),
                     before + FAULTS + 2);
    making_release(&m);
}

static void test_no_batch_at_all_is_refused(void **state)
{
    (void)state;
    struct ingest_ack ack;
    struct error err = ERROR_INIT;
    assert_false(ingest_receive(pool, &plane, serves_all, NULL, STR_LIT("\xff\xff"), &ack, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    struct making m;
    making_init(&m, 9, 1);
    ack = send_batch(&m); /* an empty one is acknowledged */
    assert_int_equal(ack.stored, 0);
    making_release(&m);
}

static void test_nothing_is_acknowledged_without_a_database(void **state)
{
    (void)state;
    struct making m;
    struct uuid id = uuid_v7();
    struct ingest_ack ack;
    struct error err = ERROR_INIT;
    struct db_pool *kept = pool;
    making_init(&m, 10, 1);
    making_add(&m, &id, NULL);
    pool = db_pool_new("postgresql://nobody@127.0.0.1:1/none", 1);
    assert_false(try_send(&m, &ack, &err));
    assert_int_equal(err.code, ERR_DATABASE);
    db_pool_free(pool);
    pool = kept;
    assert_int_equal(send_batch(&m).stored, 1);
    making_release(&m);
}

static void test_partitions_are_made_and_used(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct making m;
    struct uuid id = uuid_v7();
    assert_true(usage_prepare(pool, &err));
    assert_true(usage_prepare(pool, &err));
    uint64_t tomorrow = clock_wall_ms() + 86400000;
    for (int i = 0; i < 6; i++) {
        id.b[i] = (uint8_t)(tomorrow >> (8 * (5 - i)));
    }
    making_init(&m, 11, 1);
    making_add(&m, &id, NULL);
    assert_int_equal(send_batch(&m).stored, 1);
    char sql[256], text[37];
    uuid_format(&id, text);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM usage_events WHERE id = '%s' AND "
                   "tableoid::regclass::text NOT LIKE '%%default'",
                   text);
    assert_int_equal(rows_count(pool, sql), 1);
    making_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_is_stored_whole_and_once),
        cmocka_unit_test(test_routing_and_cache_are_stored),
        cmocka_unit_test(test_governance_is_stored_and_charged_once),
        cmocka_unit_test(test_a_key_s_last_use_is_written_once_a_minute),
        cmocka_unit_test(test_what_cannot_be_stored_is_quarantined_and_blocks_nobody),
        cmocka_unit_test(test_no_batch_at_all_is_refused),
        cmocka_unit_test(test_nothing_is_acknowledged_without_a_database),
        cmocka_unit_test(test_partitions_are_made_and_used),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
