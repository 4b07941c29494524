/* Sets and shards: copy on write for the builder, linear probing for everybody. */
#include "dataplane/snapshot/shard.h"

#include "common/base/mem.h"
#include "dataplane/snapshot/entity.h"

#define FIRST_CAP 4u

static uint32_t *hashes(const struct shard *s)
{
    return (uint32_t *)(uintptr_t)(s->items + s->cap);
}

static struct shard *shard_alloc(uint32_t cap, bool primary)
{
    struct shard *s = mem_alloc(sizeof(*s) + cap * (sizeof(struct entity *) + sizeof(uint32_t)));
    atomic_init(&s->refs, 1);
    s->cap = cap;
    s->primary = primary;
    s->draft = true;
    return s;
}

static void shard_unref(struct shard *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; s->primary && i < s->cap; i++) {
        entity_unref(s->items[i]);
    }
    mem_free(s);
}

static void slot_place(struct shard *s, uint32_t hash, struct entity *e)
{
    uint32_t i = hash & (s->cap - 1);
    while (s->items[i]) {
        i = (i + 1) & (s->cap - 1);
    }
    s->items[i] = e;
    hashes(s)[i] = hash;
    s->count++;
}

/* A copy with room for `count` entities; references of a primary are taken anew. */
static struct shard *shard_copy(const struct shard *from, uint32_t count)
{
    uint32_t cap = FIRST_CAP;
    while (cap / 4 * 3 < count) {
        cap *= 2;
    }
    struct shard *s = shard_alloc(cap, from->primary);
    memcpy(s->hash, from->hash, sizeof(s->hash));
    for (uint32_t i = 0; i < from->cap; i++) {
        if (from->items[i]) {
            if (s->primary) {
                entity_ref(from->items[i]);
            }
            slot_place(s, hashes(from)[i], from->items[i]);
        }
    }
    return s;
}

struct set *set_ref(struct set *s)
{
    if (s) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    }
    return s;
}

void set_unref(struct set *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < SNAPSHOT_SHARDS; i++) {
        shard_unref(s->shards[i]);
    }
    mem_free(s);
}

struct set *set_draft(struct set **s, bool primary)
{
    struct set *old = *s;
    if (old && old->draft) {
        return old;
    }
    struct set *copy = mem_alloc(sizeof(*copy));
    atomic_init(&copy->refs, 1);
    copy->primary = primary;
    copy->draft = true;
    if (old) {
        copy->count = old->count;
        for (unsigned i = 0; i < SNAPSHOT_SHARDS; i++) {
            copy->shards[i] = old->shards[i];
            if (copy->shards[i]) {
                atomic_fetch_add_explicit(&copy->shards[i]->refs, 1, memory_order_relaxed);
            }
        }
        set_unref(old);
    }
    *s = copy;
    return copy;
}

struct shard *set_draft_shard(struct set *s, unsigned shard)
{
    struct shard *old = s->shards[shard];
    if (!old) {
        s->shards[shard] = shard_alloc(FIRST_CAP, s->primary);
    } else if (!old->draft) {
        s->shards[shard] = shard_copy(old, old->count + 1);
        shard_unref(old);
    }
    return s->shards[shard];
}

void set_insert(struct set *s, unsigned shard, uint32_t hash, struct entity *e)
{
    struct shard *to = set_draft_shard(s, shard);
    if (to->count + 1 > to->cap / 4 * 3) {
        struct shard *grown = shard_alloc(to->cap * 2, to->primary);
        memcpy(grown->hash, to->hash, sizeof(grown->hash));
        for (uint32_t i = 0; i < to->cap; i++) {
            if (to->items[i]) {
                slot_place(grown, hashes(to)[i], to->items[i]);
            }
        }
        mem_free(to); /* a draft: nobody else holds it, and its references moved */
        s->shards[shard] = to = grown;
    }
    slot_place(to, hash, e);
    s->count++;
}

void set_erase(struct set *s, unsigned shard, uint32_t hash, const struct entity *e)
{
    if (!s->shards[shard]) {
        return;
    }
    struct shard *from = set_draft_shard(s, shard);
    uint32_t mask = from->cap - 1, i = hash & mask;
    while (from->items[i] && (from->items[i] != e || hashes(from)[i] != hash)) {
        i = (i + 1) & mask;
    }
    if (!from->items[i]) {
        return;
    }
    from->count--;
    s->count--;
    /* close the gap: move up whatever probed past it */
    for (uint32_t j = (i + 1) & mask; from->items[j]; j = (j + 1) & mask) {
        if (((j - hashes(from)[j]) & mask) >= ((j - i) & mask)) {
            from->items[i] = from->items[j];
            hashes(from)[i] = hashes(from)[j];
            i = j;
        }
    }
    from->items[i] = NULL;
}

void set_seal(struct set *s)
{
    if (!s || !s->draft) {
        return;
    }
    for (unsigned i = 0; i < SNAPSHOT_SHARDS; i++) {
        struct shard *shard = s->shards[i];
        if (!shard || !shard->draft) {
            continue;
        }
        shard->draft = false;
        if (shard->count == 0) {
            s->shards[i] = NULL;
            shard_unref(shard);
        }
    }
    s->draft = false;
}

struct entity *set_find(const struct set *s, unsigned shard, uint32_t hash, entity_match_fn match,
                        const void *wanted)
{
    const struct shard *in = s ? s->shards[shard] : NULL;
    if (!in) {
        return NULL;
    }
    for (uint32_t i = hash & (in->cap - 1); in->items[i]; i = (i + 1) & (in->cap - 1)) {
        if (hashes(in)[i] == hash && match(in->items[i], wanted)) {
            return in->items[i];
        }
    }
    return NULL;
}
