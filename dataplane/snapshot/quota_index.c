/* See quota_index.h. */
#include "dataplane/snapshot/quota_index.h"

#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "dataplane/snapshot/quota_entity.h"

struct list {
    _Atomic uint32_t refs;
    size_t n;
    const struct snap_quota **quotas; /* sorted; of as many anchors, one each */
    struct uuid anchors[];
};

struct quota_index {
    _Atomic uint32_t refs;
    struct list *lists[SNAPSHOT_SHARDS]; /* NULL: empty */
};

/* One quota on its way in or out. */
struct move {
    unsigned shard;
    bool added;
    struct uuid anchor;
    const struct snap_quota *quota;
};

static unsigned shard_of(const struct uuid *anchor)
{
    return (unsigned)(map_hash(anchor->b, sizeof(anchor->b)) >> 56);
}

static void list_unref(struct list *l)
{
    if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(l);
    }
}

struct quota_index *quota_index_ref(struct quota_index *x)
{
    if (x) {
        atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    }
    return x;
}

void quota_index_unref(struct quota_index *x)
{
    if (!x || atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < SNAPSHOT_SHARDS; i++) {
        list_unref(x->lists[i]);
    }
    mem_free(x);
}

static size_t moves_add(struct move *to, struct entity *const *items, size_t n, bool added)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i] && (items[i]->kind == ENTITY_BUDGET || items[i]->kind == ENTITY_LIMIT)) {
            const struct snap_quota *q = entity_more(items[i])->quota;
            to[at].quota = q;
            to[at].added = added;
            to[at].anchor = quota_entity_anchor(q);
            to[at].shard = shard_of(&to[at].anchor);
            at++;
        }
    }
    return at;
}

/* By list; within it as the list is sorted, then by the object itself. */
static int compare_moves(const void *a, const void *b)
{
    const struct move *x = a, *y = b;
    int c = (int)x->shard - (int)y->shard;
    c = c ? c : memcmp(&x->anchor, &y->anchor, sizeof(x->anchor));
    c = c ? c : memcmp(&x->quota->id, &y->quota->id, sizeof(x->quota->id));
    return c ? c : (x->quota > y->quota) - (x->quota < y->quota);
}

static int compare_place(const struct list *l, size_t i, const struct move *m)
{
    int c = memcmp(&l->anchors[i], &m->anchor, sizeof(m->anchor));
    return c ? c : memcmp(&l->quotas[i]->id, &m->quota->id, sizeof(m->quota->id));
}

static struct list *list_alloc(size_t cap)
{
    struct list *l =
        mem_alloc(sizeof(*l) + cap * (sizeof(struct uuid) + sizeof(struct snap_quota *)));
    atomic_init(&l->refs, 1);
    l->quotas = (const struct snap_quota **)(void *)(l->anchors + cap);
    return l;
}

static bool is_removed(const struct snap_quota *q, const struct move *moves, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!moves[i].added && moves[i].quota == q) {
            return true;
        }
    }
    return false;
}

static void list_push(struct list *l, const struct uuid *anchor, const struct snap_quota *q)
{
    l->anchors[l->n] = *anchor;
    l->quotas[l->n++] = q;
}

/* Merges what is sorted on both sides. Moves of one place follow each other, so what goes is looked
 * for among those alone. */
static struct list *list_change(const struct list *base, const struct move *moves, size_t n)
{
    struct list *l = list_alloc((base ? base->n : 0) + n);
    size_t at = 0, from = 0;
    while ((base && at < base->n) || from < n) {
        size_t same = from;
        int c = from == n ? -1 : !base || at == base->n ? 1 : compare_place(base, at, &moves[from]);
        while (same < n && memcmp(&moves[same].anchor, &moves[from].anchor, 16) == 0 &&
               memcmp(&moves[same].quota->id, &moves[from].quota->id, 16) == 0) {
            same++;
        }
        if (c <= 0) {
            if (c < 0 || !is_removed(base->quotas[at], moves + from, same - from)) {
                list_push(l, &base->anchors[at], base->quotas[at]);
            }
            at++;
            continue;
        }
        for (; from < same; from++) {
            if (moves[from].added) {
                list_push(l, &moves[from].anchor, moves[from].quota);
            }
        }
    }
    return l;
}

static struct quota_index *index_copy(const struct quota_index *base)
{
    struct quota_index *x = mem_alloc(sizeof(*x));
    atomic_init(&x->refs, 1);
    for (unsigned i = 0; base && i < SNAPSHOT_SHARDS; i++) {
        x->lists[i] = base->lists[i];
        if (x->lists[i]) {
            atomic_fetch_add_explicit(&x->lists[i]->refs, 1, memory_order_relaxed);
        }
    }
    return x;
}

struct quota_index *quota_index_change(struct quota_index *base, struct entity *const *removed,
                                       size_t n_removed, struct entity *const *added,
                                       size_t n_added)
{
    struct move *moves = mem_alloc((n_removed + n_added + 1) * sizeof(*moves));
    size_t n = moves_add(moves, removed, n_removed, false);
    n += moves_add(moves + n, added, n_added, true);
    if (n == 0) {
        mem_free(moves);
        return quota_index_ref(base);
    }
    qsort(moves, n, sizeof(*moves), compare_moves);
    struct quota_index *x = index_copy(base);
    for (size_t i = 0, k; i < n; i = k) {
        unsigned shard = moves[i].shard;
        for (k = i; k < n && moves[k].shard == shard; k++) {
        }
        struct list *old = x->lists[shard], *l = list_change(old, moves + i, k - i);
        list_unref(old);
        if (l->n == 0) {
            list_unref(l);
            l = NULL;
        }
        x->lists[shard] = l;
    }
    mem_free(moves);
    return x;
}

const struct snap_quota *const *quota_index_find(const struct quota_index *x,
                                                 const struct uuid *anchor, size_t *ret_n)
{
    const struct list *l = x ? x->lists[shard_of(anchor)] : NULL;
    size_t low = 0, high = l ? l->n : 0, n = 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(&l->anchors[mid], anchor, sizeof(*anchor)) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    while (l && low + n < l->n && uuid_eq(&l->anchors[low + n], anchor)) {
        n++;
    }
    *ret_n = n;
    return n ? l->quotas + low : NULL;
}
