/* What the ledger's test programs share: a database with two organizations and two planes, budgets
 * and limits by SQL, and one ask at a time. */
#ifndef TESTS_UNIT_CONTROLPLANE_LEDGER_BOOKS_H
#define TESTS_UNIT_CONTROLPLANE_LEDGER_BOOKS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "controlplane/ledger/ledger.h"
#include "controlplane/config_rows.h"

/* 2026-03-10 12:00:00 UTC, a tuesday; all tests' clock */
#define NOW_S INT64_C(1773144000)
#define DAY_START_S (NOW_S - 43200)

static struct pg_fixture pg;
static struct db_pool *pool;
static struct uuid org, stranger, plane_a, plane_b;

static inline struct uuid books_plane(const char *name, const char *seen)
{
    struct uuid id = uuid_v7(), group;
    assert_true(uuid_parse(STR_LIT(ROWS_GROUP), &group));
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO data_planes (id, group_id, name, last_seen_at) VALUES ($1, $2, $3, "
              "now() - $4::text::interval)",
              DB_UUID(&id), DB_UUID(&group), DB_Z(name), DB_Z(seen));
    rows_commit(t, NULL);
    return id;
}

static inline int books_setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 12);
    org = rows_organization(pool, "org");
    stranger = rows_organization(pool, "stranger");
    plane_a = books_plane("a", "0 s");
    plane_b = books_plane("b", "0 s");
    return 0;
}

static inline int books_teardown(void **state)
{
    (void)state;
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

/* SET clauses: "amount = 5, alert_percents = '{50}'". */
static inline void books_alter(const char *table, const struct uuid *id, const char *set)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s WHERE id = $1", table, set);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, sql, DB_UUID(id));
    rows_commit(t, NULL);
}

static inline struct uuid books_budget(int64_t amount, const char *window, const char *set)
{
    struct uuid id = uuid_v7();
    char name[37];
    uuid_format(&id, name);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO budgets (id, organization_id, name, metric, amount, time_window) "
              "VALUES ($1, $2, $3, 'cost', $4, $5)",
              DB_UUID(&id), DB_UUID(&org), DB_Z(name), DB_I64(amount), DB_Z(window));
    rows_commit(t, NULL);
    if (set) {
        books_alter("budgets", &id, set);
    }
    return id;
}

static inline struct uuid books_limit(int64_t amount, const char *window, const char *algorithm)
{
    struct uuid id = uuid_v7();
    char name[37];
    uuid_format(&id, name);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO limits (id, organization_id, name, metric, amount, time_window, "
              "algorithm) VALUES ($1, $2, $3, $4, $5, $6, $7)",
              DB_UUID(&id), DB_UUID(&org), DB_Z(name), DB_Z(*window ? "requests" : "concurrency"),
              DB_I64(amount), DB_Z(window), DB_Z(algorithm));
    rows_commit(t, NULL);
    return id;
}

static inline bool books_serves(void *arg, const struct uuid *organization,
                                const struct uuid *workspace)
{
    (void)arg;
    (void)workspace;
    return uuid_eq(organization, &org);
}

/* A holder and what it knows of one account. */
struct holder {
    struct uuid plane, id, quota;
    const char *bucket;
    int64_t window_s, now_ms;
    uint64_t granted, returned, used;
    bool former;
    bool (*serves)(void *arg, const struct uuid *organization, const struct uuid *workspace);
};

static inline struct holder books_holder(const struct uuid *plane, const struct uuid *quota,
                                         int64_t window_s)
{
    return (struct holder){.plane = *plane,
                           .id = uuid_v7(),
                           .quota = *quota,
                           .bucket = "",
                           .window_s = window_s,
                           .now_ms = NOW_S * 1000,
                           .serves = books_serves};
}

static inline bool books_try(struct db_pool *p, struct holder *h, uint64_t need, uint64_t want,
                             struct ledger_answer *ret, struct error *err)
{
    struct ledger_request q = {.plane = h->plane,
                               .holder = h->id,
                               .former_delivered = h->former,
                               .now_ms = h->now_ms,
                               .serves = h->serves};
    struct ledger_ask ask = {.quota = h->quota,
                             .bucket = str_of(h->bucket),
                             .window_start_s = h->window_s,
                             .granted_total = h->granted,
                             .returned_total = h->returned,
                             .used_total = h->used,
                             .need = need,
                             .want = want};
    unsigned planes = 0;
    return ledger_lease(p, &q, &ask, 1, ret, &planes, err) && planes >= 1;
}

/* Asks; the answer reaches the holder. */
static inline struct ledger_answer books_ask(struct holder *h, uint64_t need, uint64_t want)
{
    struct ledger_answer r;
    struct error err = ERROR_INIT;
    if (!books_try(pool, h, need, want, &r, &err)) {
        fail_msg("lease: %s", error_text(&err));
    }
    h->granted = r.granted_total;
    return r;
}

static inline void books_charge(const struct holder *h, const struct uuid *organization,
                                bool with_holder, int64_t amount, bool overrun)
{
    struct error err = ERROR_INIT;
    struct ledger_charge c = {.organization = *organization,
                              .quota = h->quota,
                              .bucket = str_of(h->bucket),
                              .window_start_s = h->window_s,
                              .amount = amount,
                              .overrun = overrun};
    if (with_holder) {
        c.holder = h->id;
    }
    struct tx *t = rows_begin(pool);
    if (!ledger_settle(t, &h->plane, &c, 1, h->now_ms, &err)) {
        fail_msg("settle: %s", error_text(&err));
    }
    rows_commit(t, NULL);
}

struct books_row {
    int64_t n, settled, held, overrun, presumed, leased;
};

/* The account's row in `book` ("ledger", "limit"); leased: what is left of its leases, which is
 * what held must be. */
static inline struct books_row books_row(const char *book, const struct uuid *quota,
                                         int64_t window_s)
{
    char sql[1024];
    struct error err = ERROR_INIT;
    struct db_rows *rows = NULL;
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*), coalesce(sum(settled), 0), coalesce(sum(held), 0), "
                   "coalesce(sum(overrun), 0), coalesce(sum(presumed), 0), coalesce((SELECT "
                   "sum(greatest(l.granted - l.returned - l.settled - l.presumed, 0)) FROM "
                   "%s_leases l JOIN %s_accounts b ON b.id = l.account_id WHERE b.quota_id = $1 "
                   "AND b.window_start = $2), 0) FROM %s_accounts WHERE quota_id = $1 AND "
                   "window_start = $2",
                   book, book, book);
    struct tx *t = rows_begin(pool);
    if (!tx_exec(t, &rows, &err, sql, DB_UUID(quota), DB_I64(window_s))) {
        fail_msg("%s", error_text(&err));
    }
    struct books_row r = {db_i64(rows, 0, 0), db_i64(rows, 0, 1), db_i64(rows, 0, 2),
                          db_i64(rows, 0, 3), db_i64(rows, 0, 4), db_i64(rows, 0, 5)};
    db_rows_free(rows);
    rows_commit(t, NULL);
    return r;
}

static inline void assert_row(const char *book, const struct uuid *quota, int64_t window_s,
                              int64_t settled, int64_t held)
{
    struct books_row r = books_row(book, quota, window_s);
    assert_int_equal(r.settled, settled);
    assert_int_equal(r.held, held);
    assert_int_equal(r.leased, held);
}

#endif
