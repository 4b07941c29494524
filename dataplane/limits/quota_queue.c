/* Which accounts have something to say: those that are ready, first come first served, and a heap
 * of those that are to be looked at later. One lock, a leaf. */
#include "dataplane/limits/quota_inside.h"

#include "common/base/mem.h"

void quota_queue_init(struct quota_queue *q)
{
    (void)pthread_mutex_init(&q->lock, NULL);
    list_init(&q->ready);
}

void quota_queue_release(struct quota_queue *q)
{
    mem_free(q->heap);
    (void)pthread_mutex_destroy(&q->lock);
}

/* ---- the heap ---- */

static void heap_set(struct quota_queue *q, size_t at, struct quota_account *a)
{
    q->heap[at] = a;
    a->heap_at = at;
}

static void heap_up(struct quota_queue *q, size_t at)
{
    struct quota_account *a = q->heap[at];
    while (at > 1 && q->heap[at / 2]->due_ms > a->due_ms) {
        heap_set(q, at, q->heap[at / 2]);
        at /= 2;
    }
    heap_set(q, at, a);
}

static void heap_down(struct quota_queue *q, size_t at)
{
    struct quota_account *a = q->heap[at];
    for (;;) {
        size_t child = at * 2;
        if (child < q->n && q->heap[child + 1]->due_ms < q->heap[child]->due_ms) {
            child++;
        }
        if (child > q->n || q->heap[child]->due_ms >= a->due_ms) {
            break;
        }
        heap_set(q, at, q->heap[child]);
        at = child;
    }
    heap_set(q, at, a);
}

static void heap_remove(struct quota_queue *q, struct quota_account *a)
{
    size_t at = a->heap_at;
    if (at == 0) {
        return;
    }
    struct quota_account *last = q->heap[q->n--];
    a->heap_at = 0;
    if (last != a) {
        heap_set(q, at, last);
        heap_up(q, at);
        heap_down(q, last->heap_at);
    }
}

static void heap_add(struct quota_queue *q, struct quota_account *a)
{
    if (q->n + 2 > q->cap) {
        q->cap = q->cap ? q->cap * 2 : 64;
        q->heap = mem_realloc(q->heap, q->cap * sizeof(struct quota_account *));
    }
    heap_set(q, ++q->n, a);
    heap_up(q, q->n);
}

/* ---- the queue ---- */

static void wake(struct quota_table *t)
{
    if (!atomic_exchange(&t->woken, true) && t->config.wake) {
        t->config.wake(t->config.arg);
    }
}

void quota_queue_now(struct quota_account *a)
{
    struct quota_queue *q = &a->table->queue;
    (void)pthread_mutex_lock(&q->lock);
    bool fresh = !a->is_ready;
    if (fresh) {
        a->is_ready = true;
        list_push_back(&q->ready, &a->ready);
    }
    (void)pthread_mutex_unlock(&q->lock);
    if (fresh) {
        wake(a->table);
    }
}

void quota_queue_at(struct quota_account *a, uint64_t due_ms)
{
    struct quota_queue *q = &a->table->queue;
    bool sooner = false;
    (void)pthread_mutex_lock(&q->lock);
    if (a->heap_at == 0) {
        a->due_ms = due_ms;
        heap_add(q, a);
        sooner = a->heap_at == 1;
    } else if (due_ms < a->due_ms) {
        a->due_ms = due_ms;
        heap_up(q, a->heap_at);
        sooner = a->heap_at == 1;
    }
    (void)pthread_mutex_unlock(&q->lock);
    if (sooner) {
        wake(a->table); /* it sleeps until a later moment */
    }
}

static struct quota_account *pop_due(struct quota_queue *q, uint64_t now_ms)
{
    struct quota_account *a = q->n && q->heap[1]->due_ms <= now_ms ? q->heap[1] : NULL;
    if (a) {
        heap_remove(q, a);
    }
    return a;
}

struct quota_account *quota_queue_pop_due(struct quota_queue *q, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&q->lock);
    struct quota_account *a = pop_due(q, now_ms);
    (void)pthread_mutex_unlock(&q->lock);
    return a;
}

/* What is ready loses its date too: it is given a new one when it has been looked at. */
struct quota_account *quota_queue_pop(struct quota_queue *q, uint64_t now_ms)
{
    struct quota_account *a = NULL;
    (void)pthread_mutex_lock(&q->lock);
    struct list *l = list_pop_front(&q->ready);
    if (l) {
        a = LIST_ENTRY(l, struct quota_account, ready);
        a->is_ready = false;
        heap_remove(q, a);
    } else {
        a = pop_due(q, now_ms);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return a;
}

void quota_queue_remove(struct quota_queue *q, struct quota_account *a)
{
    (void)pthread_mutex_lock(&q->lock);
    if (a->is_ready) {
        a->is_ready = false;
        list_remove(&a->ready);
    }
    heap_remove(q, a);
    (void)pthread_mutex_unlock(&q->lock);
}

bool quota_queue_is_ready(struct quota_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    bool some = !list_empty(&q->ready);
    (void)pthread_mutex_unlock(&q->lock);
    return some;
}

uint64_t quota_queue_due(struct quota_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    uint64_t due = q->n ? q->heap[1]->due_ms : UINT64_MAX;
    (void)pthread_mutex_unlock(&q->lock);
    return due;
}
