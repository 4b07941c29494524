/* The table: accounts by (quota, bucket, window), found through shards of chains. See quota.h. */
#include "dataplane/limits/quota.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/limits/quota_inside.h"

#define CHAINS_MIN 64u

/* ---- time ---- */

uint64_t quota_mono_ms(const struct quota_table *t)
{
    return t->config.now_ms ? (uint64_t)t->config.now_ms(t->config.arg) : clock_mono_ms();
}

/* Never back: a window that was left is not entered again. */
int64_t quota_wall_ms(struct quota_table *t)
{
    int64_t now_ms = t->config.now_ms ? t->config.now_ms(t->config.arg) : (int64_t)clock_wall_ms();
    int64_t latest = atomic_load_explicit(&t->latest_s, memory_order_relaxed);
    while (now_ms / 1000 > latest &&
           !atomic_compare_exchange_weak_explicit(&t->latest_s, &latest, now_ms / 1000,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return now_ms / 1000 < latest ? latest * 1000 : now_ms;
}

/* ---- life ---- */

struct quota_table *quota_table_new(const struct quota_table_config *c)
{
    struct quota_table *t = mem_alloc(sizeof(*t));
    t->config = *c;
    if (t->config.reserve_wait_ms == 0) {
        t->config.reserve_wait_ms = QUOTA_WAIT_DEFAULT_MS;
    }
    if (t->config.max_accounts == 0) {
        t->config.max_accounts = QUOTA_ACCOUNTS_DEFAULT;
    }
    for (unsigned i = 0; i < QUOTA_SHARDS; i++) {
        struct quota_shard *s = &t->shards[i];
        (void)pthread_mutex_init(&s->lock, NULL);
        s->n_chains = CHAINS_MIN;
        s->chains = mem_alloc(CHAINS_MIN * sizeof(struct quota_account *));
    }
    (void)pthread_mutex_init(&t->families_lock, NULL);
    quota_queue_init(&t->queue);
    atomic_init(&t->planes, 1);
    crypto_random(&t->random, sizeof(t->random));
    return t;
}

static void notes_free(struct list *notes)
{
    struct list *n;
    while ((n = list_pop_front(notes)) != NULL) {
        mem_free(LIST_ENTRY(n, struct quota_note, node));
    }
}

static void account_free(struct quota_account *a)
{
    notes_free(&a->waiters);
    notes_free(&a->looks);
    notes_free(&a->stranded);
    (void)pthread_mutex_destroy(&a->lock);
    mem_free(a->local);
    mem_free(a);
}

void quota_table_free(struct quota_table *t)
{
    if (!t) {
        return;
    }
    for (unsigned i = 0; i < QUOTA_SHARDS; i++) {
        struct quota_shard *s = &t->shards[i];
        for (size_t k = 0; k < s->n_chains; k++) {
            for (struct quota_account *a = s->chains[k], *next; a; a = next) {
                next = a->next;
                account_free(a);
            }
        }
        mem_free(s->chains);
        (void)pthread_mutex_destroy(&s->lock);
    }
    for (unsigned i = 0; i < QUOTA_FAMILY_BUCKETS; i++) {
        for (struct quota_family *f = t->families[i], *next; f; f = next) {
            next = f->next;
            mem_free(f);
        }
    }
    (void)pthread_mutex_destroy(&t->families_lock);
    quota_queue_release(&t->queue);
    mem_free(t->asked);
    mem_free(t->list);
    mem_free(t->answers);
    mem_free(t);
}

/* ---- families: how many buckets a quota has in a window ---- */

static struct quota_family **family_at(struct quota_table *t, const struct uuid *quota,
                                       int64_t start_s)
{
    uint64_t h = map_hash(quota->b, sizeof(quota->b)) ^ (uint64_t)start_s * 0x9e3779b97f4a7c15u;
    struct quota_family **at = &t->families[(h >> 20) % QUOTA_FAMILY_BUCKETS];
    while (*at && !((*at)->start_s == start_s && uuid_eq(&(*at)->quota, quota))) {
        at = &(*at)->next;
    }
    return at;
}

/* One more bucket; NULL: it would be one too many. */
static struct quota_family *family_join(struct quota_table *t, const struct uuid *quota,
                                        int64_t start_s, uint32_t max)
{
    (void)pthread_mutex_lock(&t->families_lock);
    struct quota_family **at = family_at(t, quota, start_s), *f = *at;
    if (!f) {
        f = *at = mem_alloc(sizeof(*f));
        f->quota = *quota;
        f->start_s = start_s;
    }
    bool room = f->accounts < max;
    f->accounts += room;
    (void)pthread_mutex_unlock(&t->families_lock);
    return room ? f : NULL;
}

static void family_leave(struct quota_table *t, struct quota_family *f)
{
    if (!f) {
        return;
    }
    (void)pthread_mutex_lock(&t->families_lock);
    if (--f->accounts == 0) {
        struct quota_family **at = family_at(t, &f->quota, f->start_s);
        *at = f->next;
        mem_free(f);
    }
    (void)pthread_mutex_unlock(&t->families_lock);
}

/* ---- accounts ---- */

struct wanted {
    struct uuid quota;
    struct quota_span span;
    struct str bucket;
    uint64_t hash;
};

static void wanted_hash(struct wanted *w)
{
    uint8_t key[sizeof(w->quota.b) + sizeof(int64_t) + QUOTA_BUCKET_MAX];
    memcpy(key, w->quota.b, sizeof(w->quota.b));
    memcpy(key + sizeof(w->quota.b), &w->span.start_s, sizeof(int64_t));
    if (w->bucket.len) {
        memcpy(key + sizeof(w->quota.b) + sizeof(int64_t), w->bucket.ptr, w->bucket.len);
    }
    w->hash = map_hash(key, sizeof(w->quota.b) + sizeof(int64_t) + w->bucket.len);
}

static struct quota_shard *shard_of(struct quota_table *t, uint64_t hash)
{
    return &t->shards[hash % QUOTA_SHARDS];
}

static struct quota_account **chain_of(struct quota_shard *s, uint64_t hash)
{
    return &s->chains[(hash / QUOTA_SHARDS) & (s->n_chains - 1)];
}

static struct quota_account *find(struct quota_shard *s, const struct wanted *w)
{
    struct quota_account *a = *chain_of(s, w->hash);
    while (a &&
           !(a->hash == w->hash && a->start_s == w->span.start_s && uuid_eq(&a->quota, &w->quota) &&
             str_eq((struct str){a->bucket, a->bucket_len}, w->bucket))) {
        a = a->next;
    }
    return a;
}

static void grow(struct quota_shard *s)
{
    size_t n = s->n_chains * 2;
    struct quota_account **old = s->chains;
    size_t n_old = s->n_chains;
    s->chains = mem_alloc(n * sizeof(struct quota_account *));
    s->n_chains = n;
    for (size_t i = 0; i < n_old; i++) {
        for (struct quota_account *a = old[i], *next; a; a = next) {
            struct quota_account **at = chain_of(s, a->hash);
            next = a->next;
            a->next = *at;
            *at = a;
        }
    }
    mem_free(old);
}

static struct quota_account *account_new(struct quota_table *t, const struct wanted *w,
                                         const struct quota_rule *rule)
{
    struct quota_account *a = mem_alloc(sizeof(*a) + w->bucket.len + 1);
    a->table = t;
    a->hash = w->hash;
    a->quota = w->quota;
    a->start_s = w->span.start_s;
    a->end_s = w->span.end_s;
    a->rule = *rule;
    a->rule.zone = NULL;
    list_init(&a->ready);
    list_init(&a->waiters);
    list_init(&a->looks);
    list_init(&a->stranded);
    (void)pthread_mutex_init(&a->lock, NULL);
    a->burn_ms = a->low_ms = quota_mono_ms(t);
    a->bucket_len = (uint16_t)w->bucket.len;
    if (w->bucket.len) {
        memcpy(a->bucket, w->bucket.ptr, w->bucket.len);
    }
    if (a->end_s < INT64_MAX / 1000) {
        int64_t left = a->end_s * 1000 - quota_wall_ms(t);
        quota_queue_at(a, a->low_ms + (uint64_t)(left > 0 ? left : 0));
    }
    return a;
}

/* The shard's lock is held. NULL: too many accounts. */
static struct quota_account *insert(struct quota_table *t, struct quota_shard *s,
                                    const struct wanted *w, const struct quota_rule *rule,
                                    struct quota_family *f)
{
    if (atomic_fetch_add_explicit(&t->accounts, 1, memory_order_relaxed) >=
        t->config.max_accounts) {
        (void)atomic_fetch_sub_explicit(&t->accounts, 1, memory_order_relaxed);
        return NULL;
    }
    if (s->n >= s->n_chains) {
        grow(s);
    }
    struct quota_account *a = account_new(t, w, rule), **at = chain_of(s, w->hash);
    a->family = f;
    a->next = *at;
    *at = a;
    s->n++;
    return a;
}

static bool same_rule(const struct quota_rule *a, const struct quota_rule *b)
{
    return a->amount == b->amount && a->burst == b->burst && a->extra_amount == b->extra_amount &&
           a->extra_until_ms == b->extra_until_ms && a->limit == b->limit &&
           a->metric == b->metric && a->window == b->window && a->algorithm == b->algorithm &&
           a->mode == b->mode && a->when_unavailable == b->when_unavailable;
}

static void follow(struct quota_account *a, const struct quota_rule *rule)
{
    (void)pthread_mutex_lock(&a->lock);
    if (!same_rule(&a->rule, rule)) {
        a->rule = *rule;
        a->rule.zone = NULL;
        a->over_ms = a->again_ms = a->prefetch_ms = a->unknown_ms = 0;
        if (!rule->limit || rule->algorithm != ALGORITHM_BUCKET) {
            a->amount = quota_amount_at(rule, quota_wall_ms(a->table));
        }
        if (quota_first(a)) {
            quota_queue_now(a);
        }
    }
    (void)pthread_mutex_unlock(&a->lock);
}

/* A reference to the account, made if `max_values` allows it (max_values 0: anyhow). *ret_full:
 * it does not. */
static struct quota_account *open_account(struct quota_table *t, const struct wanted *w,
                                          const struct quota_rule *rule, uint32_t max_values,
                                          bool *ret_full)
{
    struct quota_shard *s = shard_of(t, w->hash);
    (void)pthread_mutex_lock(&s->lock);
    struct quota_account *a = find(s, w);
    bool found = a != NULL;
    if (!a) {
        struct quota_family *f =
            max_values ? family_join(t, &w->quota, w->span.start_s, max_values) : NULL;
        *ret_full = max_values && !f;
        a = *ret_full ? NULL : insert(t, s, w, rule, f);
        if (!a) {
            family_leave(t, f);
        }
    }
    if (a) {
        (void)atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (found) {
        follow(a, rule);
    }
    return a;
}

/* Longer values are told apart by their digest. */
static struct str shortened(struct str bucket, char text[static 80])
{
    uint8_t digest[CRYPTO_SHA256_LEN];
    if (bucket.len <= QUOTA_BUCKET_MAX) {
        return bucket;
    }
    crypto_sha256(bucket.ptr, bucket.len, digest);
    memcpy(text, "sha256:", 7);
    crypto_hex(digest, sizeof(digest), text + 7);
    return (struct str){text, 7 + 2 * sizeof(digest)};
}

struct quota_account *quota_account(struct quota_table *t, const struct uuid *quota,
                                    const struct quota_rule *rule, struct str bucket,
                                    uint32_t max_values)
{
    char text[80];
    bool full = false;
    struct wanted w = {.quota = *quota,
                       .span = quota_span_of(rule, quota_wall_ms(t) / 1000),
                       .bucket = shortened(bucket, text)};
    wanted_hash(&w);
    struct quota_account *a =
        open_account(t, &w, rule, max_values ? max_values : QUOTA_VALUES_DEFAULT, &full);
    if (!a && full) {
        w.bucket = STR_LIT(QUOTA_BUCKET_REST);
        wanted_hash(&w);
        a = open_account(t, &w, rule, 0, &full);
    }
    return a;
}

void quota_account_unref(struct quota_account *a)
{
    if (a) {
        (void)atomic_fetch_sub_explicit(&a->refs, 1, memory_order_release);
    }
}

void quota_succeed(struct quota_account *a, const struct quota_rule *rule, uint64_t burn)
{
    struct quota_table *t = a->table;
    struct quota_account *next = quota_account(t, &a->quota, rule, quota_bucket(a),
                                               a->family ? UINT32_MAX : QUOTA_VALUES_DEFAULT);
    if (!next) {
        return;
    }
    if (next->start_s > a->start_s) {
        (void)pthread_mutex_lock(&next->lock);
        if (next->burn < burn) {
            next->burn = burn;
            next->burn_ms = quota_mono_ms(t);
        }
        (void)pthread_mutex_unlock(&next->lock);
        quota_queue_now(next);
    }
    quota_account_unref(next);
}

/* Nothing in it that anybody could still ask for or has to be told. */
static bool is_dead(struct quota_account *a, int64_t wall_ms)
{
    (void)pthread_mutex_lock(&a->lock);
    bool told =
        a->granted_total == 0 || (a->available <= 0 && a->returned_told == a->returned_total &&
                                  (!a->rule.limit || a->used_told == a->used_total));
    bool dead = quota_is_past(a, wall_ms) && told && a->in_flight == 0 && !a->asking &&
                list_empty(&a->waiters) && list_empty(&a->looks) && list_empty(&a->stranded);
    (void)pthread_mutex_unlock(&a->lock);
    return dead;
}

bool quota_bury(struct quota_account *a, int64_t wall_ms)
{
    struct quota_table *t = a->table;
    struct quota_shard *s = shard_of(t, a->hash);
    (void)pthread_mutex_lock(&s->lock);
    bool dead = atomic_load_explicit(&a->refs, memory_order_acquire) == 0 && is_dead(a, wall_ms);
    if (dead) {
        struct quota_account **at = chain_of(s, a->hash);
        while (*at != a) {
            at = &(*at)->next;
        }
        *at = a->next;
        s->n--;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (dead) {
        quota_queue_remove(&t->queue, a);
        family_leave(t, a->family);
        (void)atomic_fetch_sub_explicit(&t->accounts, 1, memory_order_relaxed);
        account_free(a);
    }
    return dead;
}

void quota_each(struct quota_table *t, void (*fn)(struct quota_account *a, void *arg), void *arg)
{
    for (unsigned i = 0; i < QUOTA_SHARDS; i++) {
        struct quota_shard *s = &t->shards[i];
        (void)pthread_mutex_lock(&s->lock);
        for (size_t k = 0; k < s->n_chains; k++) {
            for (struct quota_account *a = s->chains[k]; a; a = a->next) {
                fn(a, arg);
            }
        }
        (void)pthread_mutex_unlock(&s->lock);
    }
}

/* ---- what it says ---- */

struct str quota_bucket(const struct quota_account *a)
{
    return (struct str){a->bucket, a->bucket_len};
}

int64_t quota_window_start(const struct quota_account *a)
{
    return a->start_s;
}

const struct uuid *quota_holder(const struct quota_table *t)
{
    return &t->config.holder;
}

static uint64_t left_of(uint64_t amount, uint64_t used)
{
    return amount > used ? amount - used : 0;
}

void quota_view(struct quota_account *a, struct quota_view *ret)
{
    int64_t wall_ms = quota_wall_ms(a->table);
    (void)pthread_mutex_lock(&a->lock);
    uint64_t here = a->available > 0 ? (uint64_t)a->available : 0;
    struct quota_view v = {.known = a->known, .window_start_s = a->start_s};
    v.reset_ms = a->end_s < INT64_MAX / 1000 ? a->end_s * 1000 : 0;
    if (a->known) {
        v.amount = a->amount;
        v.settled = a->settled;
        v.held = a->held_all;
        v.reset_ms = a->reset_ms ? a->reset_ms : v.reset_ms;
        /* what was given back since is nobody's in the figures yet */
        here += a->returned_total - a->returned_told;
    } else {
        bool bucket = a->rule.limit && a->rule.algorithm == ALGORITHM_BUCKET && a->rule.burst;
        v.amount = bucket ? a->rule.burst : quota_amount_at(&a->rule, wall_ms);
        v.settled = a->used_total + a->local_used;
        v.held = a->in_flight;
        here = 0;
    }
    v.remaining = left_of(v.amount, v.settled + v.held) + here;
    v.remaining = v.remaining < v.amount ? v.remaining : v.amount;
    (void)pthread_mutex_unlock(&a->lock);
    *ret = v;
}

void quota_counts(struct quota_table *t, struct quota_counts *ret)
{
    struct quota_counts c = {
        .accounts = atomic_load_explicit(&t->accounts, memory_order_relaxed),
        .waiting = atomic_load_explicit(&t->waiting, memory_order_relaxed),
        .asks = atomic_load_explicit(&t->asks, memory_order_relaxed),
    };
    for (unsigned i = 0; i < QUOTA_SHARDS; i++) {
        const struct quota_shard *s = &t->shards[i];
        c.taken += atomic_load_explicit(&s->taken, memory_order_relaxed);
        c.refused += atomic_load_explicit(&s->refused, memory_order_relaxed);
        c.occupied += atomic_load_explicit(&s->occupied, memory_order_relaxed);
        c.without_authority += atomic_load_explicit(&s->without, memory_order_relaxed);
    }
    *ret = c;
}
