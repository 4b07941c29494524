/* A shard's tenants: a hash table by workspace and a heap by what each uses, so that the one to
 * take from is known at once, however many there are. */
#include "dataplane/cache/shard.h"

static uint32_t bucket_of(const struct shard *s, const struct uuid *id)
{
    uint64_t a, b;
    memcpy(&a, id->b, 8);
    memcpy(&b, id->b + 8, 8);
    uint64_t h = (a ^ (b << 29 | b >> 35)) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32) & s->tenant_mask;
}

uint32_t shard_tenant_find(const struct shard *s, const struct uuid *id)
{
    uint32_t t = s->tenant_buckets[bucket_of(s, id)];
    while (t && !uuid_eq(&s->tenants[t].id, id)) {
        t = s->tenants[t].next;
    }
    return t;
}

static void heap_set(struct shard *s, uint32_t at, uint32_t t)
{
    s->heap[at] = t;
    s->tenants[t].heap_at = at;
}

static uint32_t heap_used(const struct shard *s, uint32_t at)
{
    return s->tenants[s->heap[at]].used;
}

static void heap_up(struct shard *s, uint32_t at)
{
    uint32_t t = s->heap[at];
    while (at > 0 && heap_used(s, (at - 1) / 2) < s->tenants[t].used) {
        heap_set(s, at, s->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(s, at, t);
}

static void heap_down(struct shard *s, uint32_t at)
{
    uint32_t t = s->heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= s->n_heap) {
            break;
        }
        if (child + 1 < s->n_heap && heap_used(s, child + 1) > heap_used(s, child)) {
            child++;
        }
        if (heap_used(s, child) <= s->tenants[t].used) {
            break;
        }
        heap_set(s, at, s->heap[child]);
        at = child;
    }
    heap_set(s, at, t);
}

uint32_t shard_tenant_make(struct shard *s, const struct uuid *id)
{
    uint32_t t = shard_tenant_find(s, id);
    if (t) {
        return t;
    }
    t = s->tenant_free;
    if (t) {
        s->tenant_free = s->tenants[t].next;
    } else {
        t = ++s->tenant_fresh;
    }
    uint32_t *bucket = &s->tenant_buckets[bucket_of(s, id)];
    s->tenants[t] = (struct shard_tenant){.id = *id, .next = *bucket};
    *bucket = t;
    heap_set(s, s->n_heap++, t); /* it uses nothing yet: the last place is right */
    return t;
}

void shard_tenant_drop(struct shard *s, uint32_t t)
{
    uint32_t *link = &s->tenant_buckets[bucket_of(s, &s->tenants[t].id)];
    uint32_t at = s->tenants[t].heap_at;
    while (*link != t) {
        link = &s->tenants[*link].next;
    }
    *link = s->tenants[t].next;
    s->tenants[t].next = s->tenant_free;
    s->tenant_free = t;
    uint32_t last = s->heap[--s->n_heap];
    if (last != t) {
        heap_set(s, at, last);
        heap_up(s, at);
        heap_down(s, s->tenants[last].heap_at);
    }
}

void shard_tenant_use(struct shard *s, uint32_t t, int64_t blocks)
{
    s->tenants[t].used = (uint32_t)(s->tenants[t].used + blocks);
    if (blocks > 0) {
        heap_up(s, s->tenants[t].heap_at);
    } else {
        heap_down(s, s->tenants[t].heap_at);
    }
}
