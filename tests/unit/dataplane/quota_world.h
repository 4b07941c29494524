/* Budgets and limits in the fake world: a real table of leases and a real ledger behind it, which
 * books what the events charge. What must hold whenever nothing is under way: nothing is reserved
 * or waited for, and each account has just what its events say. */
#ifndef TESTS_UNIT_DATAPLANE_QUOTA_WORLD_H
#define TESTS_UNIT_DATAPLANE_QUOTA_WORLD_H

#include <unistd.h>

#include "common/crypto.h"
#include "common/rules/catalogue.h"
#include "dataplane/limits/own_ledger.h"
#include "dataplane/limits/quota_inside.h"
#include "dataplane/request/holds.h"
#include "proto/usage.pb-c.h"

#define LEDGER_ACCOUNTS 8192
#define LEDGER_POSTS 1024
#define LEDGER_ASKS 64

struct charged {
    struct uuid quota;
    char bucket[QUOTA_BUCKET_MAX + 1];
    size_t bucket_len;
    int64_t start_s;
    uint64_t sum, leased; /* leased: what of it was out of a lease of ours */
};

static struct {
    struct quota_table *table;
    struct own_ledger *ledger;
    struct catalogue *catalogue;
    char folder[64];
    int64_t now_ms;
    struct charged charged[LEDGER_ACCOUNTS];
    size_t n_charged;
    uint64_t overruns, charges; /* charges: of the last event */
    uint64_t cost;              /* of the last event */
    struct {
        void (*fn)(void *arg);
        void *arg;
    } posts[LEDGER_POSTS];
    unsigned n_posts;
} books;

static int64_t books_now(void *arg)
{
    (void)arg;
    return books.now_ms;
}

static const struct snap_quota *books_find(void *arg, const struct uuid *id, void **ret_pin)
{
    struct snapshot *root = swap_current(world.hub);
    (void)arg;
    *ret_pin = root;
    const struct snap_quota *q = snapshot_quota(root, id);
    if (!q) {
        snapshot_unref(root);
    }
    return q;
}

static void books_release(void *arg, void *pin)
{
    (void)arg;
    snapshot_unref(pin);
}

static bool books_post(void (*fn)(void *arg), void *arg)
{
    assert_true(books.n_posts < LEDGER_POSTS);
    books.posts[books.n_posts].fn = fn;
    books.posts[books.n_posts++].arg = arg;
    return true;
}

static struct charged *charged_of(const Weir__Charge *c)
{
    struct str bucket = str_of(c->bucket);
    for (size_t i = 0; i < books.n_charged; i++) {
        struct charged *x = &books.charged[i];
        if (memcmp(x->quota.b, c->quota_id.data, 16) == 0 && x->start_s == c->window_start_s &&
            str_eq((struct str){x->bucket, x->bucket_len}, bucket)) {
            return x;
        }
    }
    assert_true(books.n_charged < LEDGER_ACCOUNTS);
    struct charged *x = &books.charged[books.n_charged++];
    *x = (struct charged){.start_s = c->window_start_s, .bucket_len = bucket.len};
    memcpy(x->quota.b, c->quota_id.data, 16);
    memcpy(x->bucket, bucket.ptr, bucket.len);
    return x;
}

/* An open covers what its recovery would charge, and an event is booked at once. */
static void books_record(bool open, struct str record)
{
    struct error err = ERROR_INIT;
    struct buffer out;
    buffer_init(&out, 1u << 20);
    if (open) {
        assert_true(event_recover(NULL, record, &out));
        record = buffer_str(&out);
    }
    Weir__Event *e = weir__event__unpack(NULL, record.len, (const uint8_t *)record.ptr);
    assert_non_null(e);
    if (!open) {
        assert_true(own_ledger_book(books.ledger, &record, 1, &err));
        books.charges = e->n_charges;
        books.cost = e->cost_nanousd;
    }
    for (size_t i = 0; i < e->n_charges; i++) {
        const Weir__Charge *c = e->charges[i];
        assert_int_equal(c->quota_id.len, 16);
        if (!open) {
            charged_of(c)->sum += c->amount;
            charged_of(c)->leased += c->holder.len ? c->amount : 0;
            books.overruns += c->overrun;
        }
    }
    weir__event__free_unpacked(e, NULL);
    buffer_release(&out);
}

static void books_begin(const char *yaml, const char *catalogue)
{
    struct error err = ERROR_INIT;
    memset(&books, 0, sizeof(books));
    books.now_ms = (int64_t)(clock_wall_ms() / 3600000 * 3600000); /* an hour's first moment */
    (void)snprintf(books.folder, sizeof(books.folder), "/tmp/weir-books-XXXXXX");
    assert_non_null(mkdtemp(books.folder));
    struct quota_table_config t = {.now_ms = books_now, .holder = {{1, 2, 3}}};
    books.table = quota_table_new(&t);
    struct own_ledger_config c = {.folder = books.folder,
                                  .holder = t.holder,
                                  .find = books_find,
                                  .release = books_release,
                                  .now_ms = books_now};
    books.ledger = own_ledger_open(&c, &err);
    assert_non_null(books.ledger);
    books.catalogue = catalogue_parse(str_of(catalogue), &err);
    assert_non_null(books.catalogue);
    own_ledger_caught_up(books.ledger);
    quota_reachable(books.table, true);
    world.policy.quotas = books.table;
    world.policy.catalogue = books.catalogue;
    world.on_record = books_record;
    on_post = books_post;
    world_publish(yaml);
}

/* The authority is asked, and who waited is told. */
static void books_pump(void)
{
    struct lease_ask asks[LEDGER_ASKS];
    struct lease_answer answers[LEDGER_ASKS];
    for (unsigned rounds = 0; rounds < 64; rounds++) {
        size_t n = quota_gather_asks(books.table, LEDGER_ASKS, asks);
        if (n > 0) {
            own_ledger_answer(books.ledger, asks, n, answers);
            assert_true(quota_answered_list(books.table, answers, n, 1));
        }
        if (n == 0 && books.n_posts == 0) {
            return;
        }
        for (unsigned i = 0; i < books.n_posts; i++) {
            books.posts[i].fn(books.posts[i].arg); /* may post more */
        }
        books.n_posts = 0;
    }
}

static void books_wait(int64_t ms)
{
    for (int64_t end = books.now_ms + ms; books.now_ms < end;) {
        books.now_ms += 100;
        books_pump();
    }
}

static void account_is_at_rest(struct quota_account *a, void *arg)
{
    (void)arg;
    assert_int_equal(a->in_flight, 0);
    assert_int_equal(a->n_waiting, 0);
    assert_true(list_empty(&a->waiters) && list_empty(&a->looks));
    for (size_t i = 0; !a->rule.limit && i < books.n_charged; i++) {
        const struct charged *x = &books.charged[i];
        if (uuid_eq(&x->quota, &a->quota) && x->start_s == a->start_s &&
            str_eq(quota_bucket(a), (struct str){x->bucket, x->bucket_len})) {
            assert_int_equal((int64_t)(a->granted_total - a->returned_total) - a->available,
                             x->leased);
        }
    }
}

/* Nothing is under way: no request holds anything. */
static void books_are_at_rest(void)
{
    struct quota_counts c;
    books_pump();
    quota_each(books.table, account_is_at_rest, NULL);
    quota_counts(books.table, &c);
    assert_int_equal(c.waiting, 0);
}

/* What the events charged is what was settled, and nothing is held once leases are idle. */
__attribute__((unused)) static void books_add_up(void)
{
    books_are_at_rest();
    books_wait(3000);
    for (size_t i = 0; i < books.n_charged; i++) {
        const struct charged *x = &books.charged[i];
        uint64_t settled = 0, held = 0;
        (void)own_ledger_sums(books.ledger, &x->quota, (struct str){x->bucket, x->bucket_len},
                              x->start_s, &settled, &held);
        assert_int_equal(settled, x->sum);
        assert_int_equal(held, 0);
    }
}

/* Behind world_end. */
static void books_end(void)
{
    char path[160];
    quota_table_free(books.table);
    own_ledger_close(books.ledger);
    catalogue_free(books.catalogue);
    (void)snprintf(path, sizeof(path), "rm -rf '%s'", books.folder);
    assert_int_equal(system(path), 0);
    on_post = NULL;
}

#endif
