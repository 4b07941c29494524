/* The own ledger's accounts, and the events that it knows again. */
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/log.h"
#include "dataplane/limits/own_inside.h"

#define SWEEP_S 30
#define IDLE_S 600 /* accounts without a window's end that nobody asks about */
#define ACCOUNTS_MAX 1000000u

/* ---- keys ---- */

/* A bucket longer than any that the table makes is hashed, so that a record that was made by
 * another version has a place. */
struct str own_key(const struct uuid *quota, int64_t window_start_s, struct str bucket,
                   uint8_t buf[static OWN_KEY_MAX])
{
    memcpy(buf, quota->b, 16);
    memcpy(buf + 16, &window_start_s, 8);
    if (bucket.len > QUOTA_BUCKET_MAX) {
        crypto_sha256(bucket.ptr, bucket.len, buf + 24);
        return (struct str){(const char *)buf, 24 + CRYPTO_SHA256_LEN};
    }
    if (bucket.len) {
        memcpy(buf + 24, bucket.ptr, bucket.len);
    }
    return (struct str){(const char *)buf, 24 + bucket.len};
}

struct uuid own_account_quota(const struct own_account *a)
{
    struct uuid u;
    memcpy(u.b, a->key, sizeof(u.b));
    return u;
}

int64_t own_account_start(const struct own_account *a)
{
    int64_t start_s;
    memcpy(&start_s, a->key + 16, sizeof(start_s));
    return start_s;
}

struct str own_account_bucket(const struct own_account *a)
{
    return (struct str){(const char *)a->key + 24, a->key_len - 24};
}

/* ---- accounts ---- */

struct own_account *own_account_find(const struct own_ledger *l, struct str key)
{
    return map_get(l->accounts, key);
}

struct own_account *own_account_get(struct own_ledger *l, struct str key)
{
    struct own_account *a = map_get(l->accounts, key);
    if (!a) {
        a = mem_alloc(sizeof(*a) + key.len);
        a->key_len = key.len;
        memcpy(a->key, key.ptr, key.len);
        (void)map_put(l->accounts, (struct str){(const char *)a->key, a->key_len}, a);
        list_push_back(&l->passing, &a->node);
    }
    return a;
}

static size_t accounts_max(const struct own_ledger *l)
{
    return l->config.max_accounts ? l->config.max_accounts : ACCOUNTS_MAX;
}

struct own_account *own_account_book(struct own_ledger *l, struct str key)
{
    struct own_account *a = map_get(l->accounts, key);
    if (!(a && a->booked) && l->n_booked >= accounts_max(l)) {
        uint8_t buf[OWN_KEY_MAX];
        struct uuid quota;
        int64_t start_s;
        memcpy(quota.b, key.ptr, 16);
        memcpy(&start_s, key.ptr + 16, 8);
        key = own_key(&quota, start_s, STR_LIT(QUOTA_BUCKET_REST), buf);
        if (!l->crowded) {
            l->crowded = true;
            log_write(LOG_WARN, "ledger_crowded", "further buckets of budgets share one account",
                      LOG_U("accounts", l->n_booked));
        }
        a = own_account_get(l, key);
    } else if (!a) {
        a = own_account_get(l, key);
    }
    if (!a->booked) {
        a->booked = true;
        list_remove(&a->node);
        list_push_back(&l->booked, &a->node);
        l->n_booked++;
    }
    return a;
}

void own_account_settle(struct own_account *a, uint64_t amount, int64_t now_s)
{
    uint64_t *settled = &a->state.settled;
    *settled = *settled > UINT64_MAX - amount ? UINT64_MAX : *settled + amount;
    a->touched_s = now_s > a->touched_s ? now_s : a->touched_s;
}

void own_account_hold(struct own_account *a)
{
    uint64_t gone = a->returned > UINT64_MAX - a->spent ? UINT64_MAX : a->returned + a->spent;
    a->state.held = a->granted > gone ? a->granted - gone : 0;
}

void own_account_drop(struct own_ledger *l, struct own_account *a)
{
    (void)map_remove(l->accounts, (struct str){(const char *)a->key, a->key_len});
    list_remove(&a->node);
    l->n_booked -= a->booked;
    mem_free(a);
}

/* A sliding window looks back at the one before, so an account lives for two. */
static bool is_over(const struct own_account *a, int64_t now_s)
{
    if (a->end_s == 0 || a->end_s == INT64_MAX) {
        return a->state.held == 0 && a->touched_s + IDLE_S + a->keep_s < now_s;
    }
    return a->end_s + (a->end_s - own_account_start(a)) < now_s;
}

void own_accounts_sweep(struct own_ledger *l, int64_t now_s)
{
    if (now_s >= l->swept_s && now_s < l->swept_s + SWEEP_S) {
        return;
    }
    l->swept_s = now_s;
    for (struct list *n = l->passing.next, *next; n != &l->passing; n = next) {
        struct own_account *a = LIST_ENTRY(n, struct own_account, node);
        next = n->next;
        if (is_over(a, now_s)) {
            own_account_drop(l, a);
        }
    }
}

void own_accounts_free(struct own_ledger *l)
{
    while (!list_empty(&l->booked)) {
        own_account_drop(l, LIST_ENTRY(l->booked.next, struct own_account, node));
    }
    while (!list_empty(&l->passing)) {
        own_account_drop(l, LIST_ENTRY(l->passing.next, struct own_account, node));
    }
    map_free(l->accounts);
    map_free(l->seen);
    mem_free(l->ring);
}

/* ---- events ---- */

bool own_is_seen(const struct own_ledger *l, const struct uuid *id)
{
    return map_get(l->seen, (struct str){(const char *)id->b, sizeof(id->b)}) != NULL;
}

void own_see(struct own_ledger *l, const struct uuid *id)
{
    size_t max = l->config.remember ? l->config.remember : OWN_RING_LEN;
    if (!l->ring) {
        l->ring = mem_alloc(max * sizeof(*l->ring));
    }
    struct uuid *at = &l->ring[l->ring_at];
    struct str key = {(const char *)at->b, sizeof(at->b)};
    if (l->ring_len == max) {
        (void)map_remove(l->seen, key);
    } else {
        l->ring_len++;
    }
    *at = *id;
    (void)map_put(l->seen, key, at);
    l->ring_at = (l->ring_at + 1) % max;
}
