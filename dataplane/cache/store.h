/* The answers of the exact cache in memory, shared by all workers of the process: sharded by key,
 * each shard behind its own mutex. All bytes live in blocks of one mapping made at start, so what
 * the cache holds never passes its ceiling, whatever sizes come, and the heap does not fragment.
 * What is full evicts fairly: the tenant that uses most of the shard loses its least recently used
 * entries first, so nobody pushes out what a smaller tenant keeps.
 *
 * Calls that are equal and in flight are told of each other here too (cache_join): the first leads,
 * the others wait for its answer, also on other workers. Nothing is ever shared between tenants:
 * the key's digest begins with the tenant and is compared whole. */
#ifndef DATAPLANE_CACHE_STORE_H
#define DATAPLANE_CACHE_STORE_H

#include "common/base/buffer.h"
#include "common/base/str.h"
#include "common/base/uuid.h"

struct cache_store;
struct loop;

#define CACHE_KEY_BYTES 32
struct cache_key {
    uint8_t digest[CACHE_KEY_BYTES]; /* SHA-256, dataplane/cache/key.h */
    struct uuid tenant;              /* the workspace: fairness and purges go by it */
};

#define CACHE_ENTRY_MAX (8u << 20)
#define CACHE_TTL_MAX_S (90u * 86400u)

/* What is kept of an answer. `head` is opaque here (status, header fields, what the answer cost:
 * key.h writes and reads it), body the client's bytes as they went out. */
struct cache_entry {
    struct str head, body;
    uint64_t stored_ms, expires_ms; /* wall clock */
};

/* max_bytes: of everything that the store maps (at least 1 MiB): blocks and what finds them, some 6
 * % of it. NULL: the memory cannot be mapped. */
struct cache_store *cache_store_new(size_t max_bytes);
void cache_store_free(struct cache_store *s); /* accepts NULL; nobody waits any more */

/* Appends a live entry's head and body, behind each other, to `out` (with its ceiling); *ret points
 * into it. False: none, or it passes out's ceiling. */
bool cache_get(struct cache_store *s, const struct cache_key *k, uint64_t wall_ms,
               struct buffer *out, struct cache_entry *ret);
/* Copies. False: too large (CACHE_ENTRY_MAX, or a quarter of a shard), its ttl is over, or room for
 * it could only be made at the cost of tenants that use less than it would. An entry of that key is
 * replaced, and gone even where this one is refused. expires_ms is cut to CACHE_TTL_MAX_S. */
bool cache_put(struct cache_store *s, const struct cache_key *k, const struct cache_entry *e,
               uint64_t wall_ms);
bool cache_delete(struct cache_store *s, const struct cache_key *k);
/* All of a tenant (nil: of everybody); the number of entries that went. */
size_t cache_purge(struct cache_store *s, const struct uuid *tenant);

struct cache_counts {
    uint64_t entries, bytes, max_bytes, hits, misses, stored, evicted, expired;
    uint64_t coalesced; /* waiters whose leader stored its answer */
    uint64_t in_flight; /* leaders now */
};
void cache_counts(struct cache_store *s, struct cache_counts *ret);

/* ---- equal calls in flight ---- */

/* How a leader's call ended for those who wait. */
enum cache_flight {
    CACHE_NOT_KEPT = 0, /* it failed, or its answer cannot be kept: call for yourself */
    CACHE_KEPT,         /* look it up again */
    CACHE_LEFT /* its client went or stopped reading, which says nothing of the answer: join
                  again, so that one of those who waited leads the others */
};

/* One who waits for another's answer: embedded in the waiter's own memory, which stays until `fn`
 * has run or cache_leave has returned. Zero it before its first use. */
struct cache_waiter {
    struct loop *loop;
    void (*fn)(void *arg, enum cache_flight how); /* on the waiter's loop, once */
    void *arg;
    void *flight; /* private */
};

enum cache_role {
    CACHE_LEADS = 0, /* nobody calls this yet: cache_flight_end is owed */
    CACHE_FOLLOWS    /* w waits; it will be told */
};
/* w: loop, fn and arg filled; on that loop. Who leads should look the key up once more before it
 * calls: another leader may have stored and ended between the look-up that missed and the join. */
enum cache_role cache_join(struct cache_store *s, const struct cache_key *k,
                           struct cache_waiter *w);
/* The waiter does not want it any more (client gone, deadline). After the return fn is never
 * called, also when that had been posted already. On the waiter's loop, and before that loop is
 * freed; harmless for one that does not wait. */
void cache_leave(struct cache_store *s, struct cache_waiter *w);
/* The leader has ended; any thread. CACHE_KEPT: its answer is in the store (cache_put comes
 * before). Wakes all who wait. One whose loop has no room for the call is told as soon as there is
 * some and anybody joins, leaves or ends; so that nothing rests on that, a waiter has a deadline of
 * its own and leaves when it is over.
 *
 * Who is told CACHE_NOT_KEPT should call by itself and not join again: else a hundred equal calls
 * whose answers cannot be kept would run one after the other. */
void cache_flight_end(struct cache_store *s, const struct cache_key *k, enum cache_flight how);

#endif
