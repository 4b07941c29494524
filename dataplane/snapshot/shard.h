/* The tables under index.h: a set is 256 shards, a shard an open-addressing table of entities; both
 * are counted and immutable once published. A builder copies the set and the shards that it writes
 * to (`set_draft`), and shares the rest.
 *
 * Primary shards (by id) own a reference on each entity. Look-up shards own none: whatever removes
 * an entity from a primary shard removes it from its look-ups in the same build, so in every root a
 * look-up names only entities that the root's primaries hold. */
#ifndef DATAPLANE_SNAPSHOT_SHARD_H
#define DATAPLANE_SNAPSHOT_SHARD_H

#include <stdatomic.h>

#include "dataplane/snapshot/index.h"

struct entity;

struct shard {
    _Atomic uint32_t refs;
    bool primary;
    bool draft;          /* belongs to one builder, which may write */
    uint32_t cap, count; /* cap: power of two */
    uint8_t hash[32];    /* primary: XOR of its entities' hashes */
    /* NULL: empty. Behind them as many hashes (uint32_t), apart so that nothing is lost to padding.
     */
    struct entity *items[];
};

struct set {
    _Atomic uint32_t refs;
    bool primary;
    bool draft;
    size_t count;
    struct shard *shards[SNAPSHOT_SHARDS]; /* NULL: empty */
};

struct set *set_ref(struct set *s);
void set_unref(struct set *s);
/* A set that the builder may write: *s itself when it is a draft already, else a copy that takes
 * its place. NULL: new. */
struct set *set_draft(struct set **s, bool primary);
/* The same for one of its shards. */
struct shard *set_draft_shard(struct set *s, unsigned shard);
/* Adds to a draft shard; primary: takes over the caller's reference. */
void set_insert(struct set *s, unsigned shard, uint32_t hash, struct entity *e);
/* Removes exactly this entity's slot under that hash; a primary's reference goes to the caller. */
void set_erase(struct set *s, unsigned shard, uint32_t hash, const struct entity *e);
/* Published: drafts become immutable. */
void set_seal(struct set *s);

typedef bool (*entity_match_fn)(const struct entity *e, const void *wanted);
struct entity *set_find(const struct set *s, unsigned shard, uint32_t hash, entity_match_fn match,
                        const void *wanted);

#endif
