/* One shard of the cache's memory: entries in chains of blocks, found by digest, kept per tenant in
 * order of use. Private to dataplane/cache. Everything lives in the memory that shard_init is
 * given, which must be zero; pages that were never needed are never touched.
 *
 * All calls are safe from any thread; bytes are copied outside the lock (an entry that is being
 * read is pinned: what removes it leaves its blocks to the reader). */
#ifndef DATAPLANE_CACHE_SHARD_H
#define DATAPLANE_CACHE_SHARD_H

#include <pthread.h>

#include "dataplane/cache/store.h"

#define SHARD_BLOCK_BYTES 1024u
#define SHARD_ENTRY_PART 4u /* an entry takes at most so much of a shard */

struct shard_tenant;

/* Blocks, tenants and what links them are numbers from 1; 0 is none. */
struct shard {
    pthread_mutex_t lock;
    uint8_t *blocks;
    uint32_t *next; /* of a block: in its entry's chain, or in the free list */
    uint32_t n_blocks, n_free, free_head;
    uint32_t fresh; /* blocks past this one were never used */
    uint32_t *buckets, bucket_mask;
    uint32_t hand; /* the bucket where the next look for expired entries begins */
    struct shard_tenant *tenants;
    uint32_t *tenant_buckets, tenant_mask, tenant_fresh, tenant_free;
    uint32_t *heap, n_heap; /* tenants, the one that uses most first */
    uint64_t entries, hits, misses, stored, evicted, expired;
    uint8_t apart[64]; /* the next shard's lock is on another line of the processor's cache */
};

/* memory: page aligned, zero. False: too small to be of use. */
bool shard_init(struct shard *s, void *memory, size_t bytes);
void shard_release(struct shard *s);

bool shard_get(struct shard *s, const struct cache_key *k, uint64_t wall_ms, struct buffer *out,
               struct cache_entry *ret);
bool shard_put(struct shard *s, const struct cache_key *k, const struct cache_entry *e,
               uint64_t wall_ms);
bool shard_delete(struct shard *s, const struct cache_key *k);
/* tenant NULL: all. */
size_t shard_purge(struct shard *s, const struct uuid *tenant);
void shard_counts(struct shard *s, struct cache_counts *sum); /* adds */

/* Tenants (shard_tenant.c); the lock is held. */
struct shard_tenant {
    struct uuid id;
    uint32_t next;       /* in its hash bucket, or in the free list */
    uint32_t used;       /* blocks */
    uint32_t heap_at;    /* its place in the heap */
    uint32_t head, tail; /* its entries, the most recently used first */
};
uint32_t shard_tenant_find(const struct shard *s, const struct uuid *id); /* 0: none */
/* Never fails: there is room for as many tenants as there are blocks. */
uint32_t shard_tenant_make(struct shard *s, const struct uuid *id);
void shard_tenant_drop(struct shard *s, uint32_t t);                /* it has no entry left */
void shard_tenant_use(struct shard *s, uint32_t t, int64_t blocks); /* more, or less */

#endif
