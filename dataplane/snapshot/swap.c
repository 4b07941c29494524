/* The hub keeps the newest root under a mutex that is taken once per change and worker; workers see
 * that there is something new by a counter, which costs them one relaxed load. */
#include "dataplane/snapshot/swap.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/list.h"
#include "common/base/mem.h"

struct swap_hub {
    pthread_mutex_t lock; /* over current and readers */
    _Atomic uint64_t generation;
    struct snapshot *current;
    struct list readers;
};

struct swap_hold {
    struct snapshot *root;
    uint64_t count; /* requests, and one while it is the reader's newest */
};

struct swap_reader {
    struct list node;
    struct swap_hub *hub;
    void (*wake)(void *arg);
    void *arg;
    uint64_t generation;
    struct swap_hold *newest;
};

struct swap_hub *swap_hub_new(void)
{
    struct swap_hub *h = mem_alloc(sizeof(*h));
    (void)pthread_mutex_init(&h->lock, NULL);
    atomic_init(&h->generation, 0);
    list_init(&h->readers);
    return h;
}

void swap_hub_free(struct swap_hub *h)
{
    if (!h) {
        return;
    }
    snapshot_unref(h->current);
    (void)pthread_mutex_destroy(&h->lock);
    mem_free(h);
}

void swap_publish(struct swap_hub *h, struct snapshot *s)
{
    (void)pthread_mutex_lock(&h->lock);
    struct snapshot *old = h->current;
    h->current = s;
    atomic_fetch_add_explicit(&h->generation, 1, memory_order_relaxed);
    for (struct list *n = h->readers.next; n != &h->readers; n = n->next) {
        struct swap_reader *r = LIST_ENTRY(n, struct swap_reader, node);
        if (r->wake) {
            r->wake(r->arg);
        }
    }
    (void)pthread_mutex_unlock(&h->lock);
    snapshot_unref(old); /* outside of the lock: it may be the last and free a million entities */
}

struct snapshot *swap_current(struct swap_hub *h)
{
    (void)pthread_mutex_lock(&h->lock);
    struct snapshot *s = h->current ? snapshot_ref(h->current) : NULL;
    (void)pthread_mutex_unlock(&h->lock);
    return s;
}

struct swap_reader *swap_reader_new(struct swap_hub *h, void (*wake)(void *arg), void *arg)
{
    struct swap_reader *r = mem_alloc(sizeof(*r));
    r->hub = h;
    r->wake = wake;
    r->arg = arg;
    (void)pthread_mutex_lock(&h->lock);
    list_push_back(&h->readers, &r->node);
    (void)pthread_mutex_unlock(&h->lock);
    return r;
}

void swap_reader_free(struct swap_reader *r)
{
    if (!r) {
        return;
    }
    (void)pthread_mutex_lock(&r->hub->lock);
    list_remove(&r->node);
    (void)pthread_mutex_unlock(&r->hub->lock);
    if (r->newest) {
        swap_release(r, r->newest);
    }
    mem_free(r);
}

static void take_newest(struct swap_reader *r)
{
    struct swap_hold *hold = mem_alloc(sizeof(*hold));
    (void)pthread_mutex_lock(&r->hub->lock);
    r->generation = atomic_load_explicit(&r->hub->generation, memory_order_relaxed);
    hold->root = r->hub->current ? snapshot_ref(r->hub->current) : NULL;
    (void)pthread_mutex_unlock(&r->hub->lock);
    if (!hold->root) {
        mem_free(hold);
        return;
    }
    struct swap_hold *old = r->newest;
    hold->count = 1;
    r->newest = hold;
    if (old) {
        swap_release(r, old);
    }
}

struct swap_hold *swap_acquire(struct swap_reader *r)
{
    if (atomic_load_explicit(&r->hub->generation, memory_order_relaxed) != r->generation) {
        take_newest(r);
    }
    if (r->newest) {
        r->newest->count++;
    }
    return r->newest;
}

const struct snapshot *swap_root(const struct swap_hold *h)
{
    return h->root;
}

struct swap_hold *swap_share(struct swap_hold *h)
{
    h->count++;
    return h;
}

void swap_release(struct swap_reader *r, struct swap_hold *h)
{
    (void)r;
    if (--h->count == 0) {
        snapshot_unref(h->root);
        mem_free(h);
    }
}
