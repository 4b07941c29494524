/* A shard's entries. An entry is a chain of blocks: its header, the answer's head, its body. Taking
 * blocks and linking an entry happen under the lock, the copying between them does not. Expired
 * entries go when they are met: by a look-up, by the hand that each put moves over some buckets,
 * or as anybody's least recently used. */
#include "dataplane/cache/shard.h"

#include <assert.h>

#define SWEEP_BUCKETS 4u
#define SWEEP_BUCKETS_FULL 24u /* when there is no room: before anything alive goes */
#define PURGE_STEP 256u        /* entries per hold of the lock */

struct entry {
    struct cache_key key;
    uint32_t chain; /* next in the hash bucket */
    uint32_t tenant, newer, older;
    uint32_t head_len, body_len;
    uint32_t n_blocks, last;
    uint32_t pins; /* readers that copy from it now */
    bool linked;   /* false: removed, and the last reader frees it */
    uint64_t stored_ms, expires_ms;
};

static uint8_t *block_of(const struct shard *s, uint32_t b)
{
    return s->blocks + (size_t)(b - 1) * SHARD_BLOCK_BYTES;
}

static struct entry *entry_of(const struct shard *s, uint32_t b)
{
    return (struct entry *)(void *)block_of(s, b);
}

/* ---- memory ---- */

static size_t aligned(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static uint32_t power_below(uint32_t n)
{
    uint32_t p = 1;
    while (p <= n / 2) {
        p *= 2;
    }
    return p;
}

/* Lays the arrays out for n blocks; returns their size. */
static size_t lay_out(struct shard *s, uint8_t *memory, uint32_t n)
{
    size_t at = 0;
    uint32_t buckets = power_below(n);
    s->blocks = memory;
    at += (size_t)n * SHARD_BLOCK_BYTES;
    s->next = (uint32_t *)(void *)(memory + at);
    at += aligned((n + 1) * sizeof(*s->next));
    s->buckets = (uint32_t *)(void *)(memory + at);
    at += aligned(buckets * sizeof(*s->buckets));
    s->tenant_buckets = (uint32_t *)(void *)(memory + at);
    at += aligned(buckets * sizeof(*s->tenant_buckets));
    s->heap = (uint32_t *)(void *)(memory + at);
    at += aligned(n * sizeof(*s->heap));
    s->tenants = (struct shard_tenant *)(void *)(memory + at);
    at += aligned((n + 1) * sizeof(*s->tenants));
    s->bucket_mask = s->tenant_mask = buckets - 1;
    s->n_blocks = s->n_free = n;
    return at;
}

bool shard_init(struct shard *s, void *memory, size_t bytes)
{
    memset(s, 0, sizeof(*s));
    uint32_t n = bytes / SHARD_BLOCK_BYTES > UINT32_MAX / 2 ? UINT32_MAX / 2
                                                            : (uint32_t)(bytes / SHARD_BLOCK_BYTES);
    n -= n / 64; /* near what the arrays leave; the loop finds it exactly */
    while (n >= 64 && lay_out(s, memory, n) > bytes) {
        n -= n / 512 + 1;
    }
    if (n < 64) {
        return false;
    }
    pthread_mutex_init(&s->lock, NULL);
    return true;
}

void shard_release(struct shard *s)
{
    pthread_mutex_destroy(&s->lock);
}

/* A chain of n blocks, which are there. */
static uint32_t blocks_take(struct shard *s, uint32_t n, uint32_t *ret_last)
{
    uint32_t first = 0, last = 0;
    assert(n > 0 && n <= s->n_free);
    s->n_free -= n;
    while (n-- > 0) {
        uint32_t b = s->free_head;
        if (b) {
            s->free_head = s->next[b];
        } else {
            b = ++s->fresh;
        }
        if (last) {
            s->next[last] = b;
        } else {
            first = b;
        }
        last = b;
    }
    s->next[last] = 0;
    *ret_last = last;
    return first;
}

static void blocks_give(struct shard *s, uint32_t first, uint32_t last, uint32_t n)
{
    s->next[last] = s->free_head;
    s->free_head = first;
    s->n_free += n;
}

struct cursor {
    uint32_t block;
    size_t at; /* within it */
};

static void cursor_step(const struct shard *s, struct cursor *c, size_t n)
{
    c->at += n;
    if (c->at == SHARD_BLOCK_BYTES) {
        c->block = s->next[c->block];
        c->at = 0;
    }
}

static size_t cursor_room(const struct cursor *c, size_t n)
{
    return n < SHARD_BLOCK_BYTES - c->at ? n : SHARD_BLOCK_BYTES - c->at;
}

static void chain_write(const struct shard *s, struct cursor *c, struct str bytes)
{
    for (size_t done = 0; done < bytes.len;) {
        size_t n = cursor_room(c, bytes.len - done);
        memcpy(block_of(s, c->block) + c->at, bytes.ptr + done, n);
        done += n;
        cursor_step(s, c, n);
    }
}

static void chain_read(const struct shard *s, struct cursor *c, char *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = cursor_room(c, len - done);
        memcpy(to + done, block_of(s, c->block) + c->at, n);
        done += n;
        cursor_step(s, c, n);
    }
}

/* ---- entries; the lock is held ---- */

static uint32_t *bucket_of(const struct shard *s, const struct cache_key *k)
{
    uint32_t h;
    memcpy(&h, k->digest + 8, sizeof(h)); /* the store chose the shard by the first bytes */
    return &s->buckets[h & s->bucket_mask];
}

static bool key_eq(const struct cache_key *a, const struct cache_key *b)
{
    return memcmp(a->digest, b->digest, CACHE_KEY_BYTES) == 0 && uuid_eq(&a->tenant, &b->tenant);
}

static uint32_t entry_find(const struct shard *s, const struct cache_key *k)
{
    uint32_t b = *bucket_of(s, k);
    while (b && !key_eq(&entry_of(s, b)->key, k)) {
        b = entry_of(s, b)->chain;
    }
    return b;
}

static void use_unlink(struct shard *s, uint32_t b)
{
    struct entry *e = entry_of(s, b);
    struct shard_tenant *t = &s->tenants[e->tenant];
    *(e->newer ? &entry_of(s, e->newer)->older : &t->head) = e->older;
    *(e->older ? &entry_of(s, e->older)->newer : &t->tail) = e->newer;
}

static void use_link(struct shard *s, uint32_t b)
{
    struct entry *e = entry_of(s, b);
    struct shard_tenant *t = &s->tenants[e->tenant];
    e->newer = 0;
    e->older = t->head;
    *(t->head ? &entry_of(s, t->head)->newer : &t->tail) = b;
    t->head = b;
}

static void entry_free(struct shard *s, uint32_t b)
{
    struct entry *e = entry_of(s, b);
    blocks_give(s, b, e->last, e->n_blocks);
}

static void entry_remove(struct shard *s, uint32_t b)
{
    struct entry *e = entry_of(s, b);
    uint32_t *link = bucket_of(s, &e->key);
    while (*link != b) {
        link = &entry_of(s, *link)->chain;
    }
    *link = e->chain;
    use_unlink(s, b);
    shard_tenant_use(s, e->tenant, -(int64_t)e->n_blocks);
    if (!s->tenants[e->tenant].head) {
        shard_tenant_drop(s, e->tenant);
    }
    s->entries--;
    e->linked = false;
    if (e->pins == 0) {
        entry_free(s, b);
    }
}

static void entry_insert(struct shard *s, uint32_t b)
{
    struct entry *e = entry_of(s, b);
    uint32_t before = entry_find(s, &e->key); /* another put was quicker */
    if (before) {
        entry_remove(s, before);
    }
    uint32_t *bucket = bucket_of(s, &e->key);
    e->chain = *bucket;
    *bucket = b;
    e->tenant = shard_tenant_make(s, &e->key.tenant);
    use_link(s, b);
    shard_tenant_use(s, e->tenant, e->n_blocks);
    e->linked = true;
    s->entries++;
    s->stored++;
}

static void sweep(struct shard *s, uint32_t buckets, uint64_t wall_ms)
{
    while (buckets-- > 0) {
        uint32_t b = s->buckets[s->hand++ & s->bucket_mask];
        while (b) {
            struct entry *e = entry_of(s, b);
            uint32_t next = e->chain;
            if (e->expires_ms <= wall_ms) {
                entry_remove(s, b);
                s->expired++;
            }
            b = next;
        }
    }
}

/* Makes n blocks free for the tenant: from who uses most, counting what it asks for as its own. So
 * it never takes from one that has less than it would then have itself. */
static bool make_room(struct shard *s, const struct uuid *tenant, uint32_t n, uint64_t wall_ms)
{
    if (s->n_free < n) {
        sweep(s, SWEEP_BUCKETS_FULL, wall_ms);
    }
    while (s->n_free < n) {
        if (s->n_heap == 0) {
            return false; /* what is left is being read or written */
        }
        uint32_t victim = s->heap[0], own = shard_tenant_find(s, tenant);
        uint64_t after = (uint64_t)n + (own ? s->tenants[own].used : 0);
        if (after >= s->tenants[victim].used) {
            victim = own;
        }
        if (!victim) {
            return false;
        }
        entry_remove(s, s->tenants[victim].tail);
        s->evicted++;
    }
    return true;
}

/* ---- calls ---- */

static void unpin(struct shard *s, uint32_t b)
{
    struct entry *e = entry_of(s, b);
    if (--e->pins == 0 && !e->linked) {
        entry_free(s, b);
    }
}

static uint32_t entry_live(struct shard *s, const struct cache_key *k, uint64_t wall_ms)
{
    uint32_t b = entry_find(s, k);
    if (b && entry_of(s, b)->expires_ms <= wall_ms) {
        entry_remove(s, b);
        s->expired++;
        b = 0;
    }
    return b;
}

/* The entry is pinned: its header and chain do not change. */
static bool entry_copy(const struct shard *s, uint32_t b, struct buffer *out,
                       struct cache_entry *ret)
{
    const struct entry *e = entry_of(s, b);
    struct cursor c = {b, sizeof(*e)};
    size_t len = (size_t)e->head_len + e->body_len;
    if (!buffer_reserve(out, len + 1)) { /* never nothing: ptr must be there */
        return false;
    }
    char *to = out->ptr + out->len;
    chain_read(s, &c, to, len);
    out->len += len;
    *ret = (struct cache_entry){.head = {to, e->head_len},
                                .body = {to + e->head_len, e->body_len},
                                .stored_ms = e->stored_ms,
                                .expires_ms = e->expires_ms};
    return true;
}

bool shard_get(struct shard *s, const struct cache_key *k, uint64_t wall_ms, struct buffer *out,
               struct cache_entry *ret)
{
    pthread_mutex_lock(&s->lock);
    uint32_t b = entry_live(s, k, wall_ms);
    if (!b) {
        s->misses++;
        pthread_mutex_unlock(&s->lock);
        return false;
    }
    use_unlink(s, b);
    use_link(s, b);
    entry_of(s, b)->pins++;
    pthread_mutex_unlock(&s->lock);

    bool copied = entry_copy(s, b, out, ret);

    pthread_mutex_lock(&s->lock);
    unpin(s, b);
    *(copied ? &s->hits : &s->misses) += 1;
    pthread_mutex_unlock(&s->lock);
    return copied;
}

static uint32_t blocks_needed(const struct shard *s, const struct cache_entry *e)
{
    if (e->head.len > CACHE_ENTRY_MAX || e->body.len > CACHE_ENTRY_MAX ||
        e->head.len + e->body.len > CACHE_ENTRY_MAX) {
        return 0;
    }
    size_t n = (sizeof(struct entry) + e->head.len + e->body.len + SHARD_BLOCK_BYTES - 1) /
               SHARD_BLOCK_BYTES;
    return n <= s->n_blocks / SHARD_ENTRY_PART ? (uint32_t)n : 0;
}

bool shard_put(struct shard *s, const struct cache_key *k, const struct cache_entry *e,
               uint64_t wall_ms)
{
    uint32_t n = e->expires_ms > wall_ms ? blocks_needed(s, e) : 0, b = 0, last = 0;
    pthread_mutex_lock(&s->lock);
    sweep(s, SWEEP_BUCKETS, wall_ms);
    uint32_t before = entry_find(s, k);
    if (before) {
        entry_remove(s, before);
    }
    if (n && make_room(s, &k->tenant, n, wall_ms)) {
        b = blocks_take(s, n, &last);
    }
    pthread_mutex_unlock(&s->lock);
    if (!b) {
        return false;
    }
    struct cursor c = {b, sizeof(struct entry)};
    *entry_of(s, b) = (struct entry){.key = *k,
                                     .head_len = (uint32_t)e->head.len,
                                     .body_len = (uint32_t)e->body.len,
                                     .n_blocks = n,
                                     .last = last,
                                     .stored_ms = e->stored_ms,
                                     .expires_ms = e->expires_ms};
    chain_write(s, &c, e->head);
    chain_write(s, &c, e->body);

    pthread_mutex_lock(&s->lock);
    entry_insert(s, b);
    pthread_mutex_unlock(&s->lock);
    return true;
}

bool shard_delete(struct shard *s, const struct cache_key *k)
{
    pthread_mutex_lock(&s->lock);
    uint32_t b = entry_find(s, k);
    if (b) {
        entry_remove(s, b);
    }
    pthread_mutex_unlock(&s->lock);
    return b != 0;
}

size_t shard_purge(struct shard *s, const struct uuid *tenant)
{
    size_t n = 0;
    bool more = true;
    while (more) {
        pthread_mutex_lock(&s->lock);
        for (unsigned step = 0; step < PURGE_STEP; step++) {
            uint32_t t = tenant ? shard_tenant_find(s, tenant) : s->n_heap > 0 ? s->heap[0] : 0;
            more = t != 0;
            if (!more) {
                break;
            }
            entry_remove(s, s->tenants[t].tail);
            n++;
        }
        pthread_mutex_unlock(&s->lock);
    }
    return n;
}

void shard_counts(struct shard *s, struct cache_counts *sum)
{
    pthread_mutex_lock(&s->lock);
    sum->entries += s->entries;
    sum->bytes += (uint64_t)(s->n_blocks - s->n_free) * SHARD_BLOCK_BYTES;
    sum->hits += s->hits;
    sum->misses += s->misses;
    sum->stored += s->stored;
    sum->evicted += s->evicted;
    sum->expired += s->expired;
    pthread_mutex_unlock(&s->lock);
}
