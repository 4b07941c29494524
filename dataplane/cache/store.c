/* The store: one mapping, cut into shards by the first bytes of the digest, and the table of calls
 * in flight. The mapping is reserved at start and its pages are taken as they are first used, so
 * an idle cache costs nothing and a full one never more than its ceiling. */
#include "dataplane/cache/store.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "dataplane/cache/flight.h"
#include "dataplane/cache/shard.h"

#define SHARD_BYTES (32u << 20) /* so that the largest entry is a quarter of one */
#define SHARDS_MAX 64u
#define STORE_MIN_BYTES (1u << 20)

struct cache_store {
    uint8_t *memory;
    size_t bytes;
    unsigned n_shards; /* a power of two */
    struct flights *flights;
    struct shard shards[];
};

static unsigned shards_for(size_t bytes)
{
    unsigned n = 1;
    while (n < SHARDS_MAX && (size_t)n * 2 * SHARD_BYTES <= bytes) {
        n *= 2;
    }
    return n;
}

struct cache_store *cache_store_new(size_t max_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (max_bytes < STORE_MIN_BYTES ? STORE_MIN_BYTES : max_bytes) / page * page;
    unsigned n = shards_for(bytes);
    size_t each = bytes / n / page * page;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    struct cache_store *s = mem_alloc(sizeof(*s) + n * sizeof(struct shard));
    s->memory = memory;
    s->bytes = bytes;
    for (; s->n_shards < n; s->n_shards++) {
        if (!shard_init(&s->shards[s->n_shards], s->memory + s->n_shards * each, each)) {
            cache_store_free(s);
            return NULL;
        }
    }
    s->flights = flights_new();
    return s;
}

void cache_store_free(struct cache_store *s)
{
    if (!s) {
        return;
    }
    flights_free(s->flights);
    for (unsigned i = 0; i < s->n_shards; i++) {
        shard_release(&s->shards[i]);
    }
    (void)munmap(s->memory, s->bytes);
    mem_free(s);
}

static struct shard *shard_of(struct cache_store *s, const struct cache_key *k)
{
    uint32_t h;
    memcpy(&h, k->digest, sizeof(h));
    return &s->shards[h & (s->n_shards - 1)];
}

bool cache_get(struct cache_store *s, const struct cache_key *k, uint64_t wall_ms,
               struct buffer *out, struct cache_entry *ret)
{
    return shard_get(shard_of(s, k), k, wall_ms, out, ret);
}

bool cache_put(struct cache_store *s, const struct cache_key *k, const struct cache_entry *e,
               uint64_t wall_ms)
{
    struct cache_entry bounded = *e;
    uint64_t latest = wall_ms + CACHE_TTL_MAX_S * 1000ull;
    bounded.expires_ms = e->expires_ms < latest ? e->expires_ms : latest;
    return shard_put(shard_of(s, k), k, &bounded, wall_ms);
}

bool cache_delete(struct cache_store *s, const struct cache_key *k)
{
    return shard_delete(shard_of(s, k), k);
}

size_t cache_purge(struct cache_store *s, const struct uuid *tenant)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->n_shards; i++) {
        n += shard_purge(&s->shards[i], uuid_is_nil(tenant) ? NULL : tenant);
    }
    return n;
}

void cache_counts(struct cache_store *s, struct cache_counts *ret)
{
    *ret = (struct cache_counts){.max_bytes = s->bytes};
    for (unsigned i = 0; i < s->n_shards; i++) {
        shard_counts(&s->shards[i], ret);
    }
    flights_counts(s->flights, ret);
}

enum cache_role cache_join(struct cache_store *s, const struct cache_key *k, struct cache_waiter *w)
{
    return flights_join(s->flights, k, w);
}

void cache_leave(struct cache_store *s, struct cache_waiter *w)
{
    flights_leave(s->flights, w);
}

void cache_flight_end(struct cache_store *s, const struct cache_key *k, enum cache_flight how)
{
    flights_end(s->flights, k, how);
}
