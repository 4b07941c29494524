#include "dataplane/cache/flight.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "dataplane/net/loop.h"

#define PARTS 32u
#define BUCKETS 64u /* of each part */

struct flight {
    struct flight *next;
    struct cache_key key;
    struct list notes;
};

enum note_state { NOTE_WAITS = 0, NOTE_STRANDED, NOTE_POSTED };

struct note {
    struct list node;            /* in its flight, or among the stranded */
    struct cache_waiter *waiter; /* NULL: it has left; touched on the waiter's loop only */
    struct loop *loop;
    unsigned part;
    enum note_state state; /* under the part's lock */
    enum cache_flight how;
};

struct part {
    pthread_mutex_t lock;
    struct flight *buckets[BUCKETS];
    struct list stranded;
};

struct flights {
    struct part parts[PARTS];
    atomic_uint stranded;
    atomic_ullong coalesced, flying;
};

struct flights *flights_new(void)
{
    struct flights *f = mem_alloc(sizeof(*f));
    for (unsigned i = 0; i < PARTS; i++) {
        pthread_mutex_init(&f->parts[i].lock, NULL);
        list_init(&f->parts[i].stranded);
    }
    return f;
}

static void notes_free(struct list *notes)
{
    struct list *n;
    while ((n = list_pop_front(notes))) {
        mem_free(LIST_ENTRY(n, struct note, node));
    }
}

void flights_free(struct flights *f)
{
    if (!f) {
        return;
    }
    for (unsigned i = 0; i < PARTS; i++) {
        for (unsigned b = 0; b < BUCKETS; b++) {
            struct flight *x = f->parts[i].buckets[b];
            while (x) {
                struct flight *next = x->next;
                notes_free(&x->notes);
                mem_free(x);
                x = next;
            }
        }
        notes_free(&f->parts[i].stranded);
        pthread_mutex_destroy(&f->parts[i].lock);
    }
    mem_free(f);
}

/* On the waiter's loop. The store may be gone by now. */
static void on_note(void *arg)
{
    struct note *n = arg;
    struct cache_waiter *w = n->waiter;
    enum cache_flight how = n->how;
    mem_free(n);
    if (w) {
        w->flight = NULL;
        w->fn(w->arg, how);
    }
}

/* The part's lock is held: once it is posted, only the waiter's loop may touch the note. */
static bool note_post(struct note *n)
{
    n->state = NOTE_POSTED;
    if (loop_post(n->loop, on_note, n)) {
        return true;
    }
    n->state = NOTE_STRANDED;
    return false;
}

static void rescue_stranded(struct flights *f)
{
    if (atomic_load_explicit(&f->stranded, memory_order_relaxed) == 0) {
        return;
    }
    for (unsigned i = 0; i < PARTS; i++) {
        struct part *p = &f->parts[i];
        pthread_mutex_lock(&p->lock);
        for (struct list *l = p->stranded.next, *next; l != &p->stranded; l = next) {
            struct note *n = LIST_ENTRY(l, struct note, node);
            next = l->next;
            list_remove(l);
            if (note_post(n)) {
                (void)atomic_fetch_sub(&f->stranded, 1);
            } else {
                list_push_front(next->prev, l); /* where it was */
            }
        }
        pthread_mutex_unlock(&p->lock);
    }
}

static unsigned part_of(const struct cache_key *k)
{
    return k->digest[16] % PARTS;
}

static struct flight **flight_find(struct part *p, const struct cache_key *k)
{
    struct flight **at = &p->buckets[k->digest[17] % BUCKETS];
    while (*at && !(memcmp((*at)->key.digest, k->digest, CACHE_KEY_BYTES) == 0 &&
                    uuid_eq(&(*at)->key.tenant, &k->tenant))) {
        at = &(*at)->next;
    }
    return at;
}

enum cache_role flights_join(struct flights *f, const struct cache_key *k, struct cache_waiter *w)
{
    unsigned part = part_of(k);
    struct part *p = &f->parts[part];
    w->flight = NULL;
    rescue_stranded(f);
    pthread_mutex_lock(&p->lock);
    struct flight **at = flight_find(p, k);
    enum cache_role role = *at ? CACHE_FOLLOWS : CACHE_LEADS;
    if (*at) {
        struct note *n = mem_alloc(sizeof(*n));
        n->waiter = w;
        n->loop = w->loop;
        n->part = part;
        list_push_back(&(*at)->notes, &n->node);
        w->flight = n;
    } else {
        struct flight *x = mem_alloc(sizeof(*x));
        x->key = *k;
        list_init(&x->notes);
        *at = x;
        (void)atomic_fetch_add_explicit(&f->flying, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&p->lock);
    return role;
}

void flights_leave(struct flights *f, struct cache_waiter *w)
{
    struct note *n = w->flight;
    if (!n) {
        return;
    }
    w->flight = NULL;
    struct part *p = &f->parts[n->part];
    pthread_mutex_lock(&p->lock);
    bool posted = n->state == NOTE_POSTED;
    if (posted) {
        n->waiter = NULL; /* the loop finds it blank and frees it */
    } else {
        list_remove(&n->node);
        if (n->state == NOTE_STRANDED) {
            (void)atomic_fetch_sub(&f->stranded, 1);
        }
    }
    pthread_mutex_unlock(&p->lock);
    if (!posted) {
        mem_free(n);
    }
    rescue_stranded(f);
}

void flights_end(struct flights *f, const struct cache_key *k, enum cache_flight how)
{
    struct part *p = &f->parts[part_of(k)];
    struct list *l;
    uint64_t told = 0;
    pthread_mutex_lock(&p->lock);
    struct flight **at = flight_find(p, k), *x = *at;
    assert(x);
    *at = x->next;
    while ((l = list_pop_front(&x->notes))) {
        struct note *n = LIST_ENTRY(l, struct note, node);
        n->how = how;
        told++;
        if (!note_post(n)) {
            list_push_back(&p->stranded, l);
            (void)atomic_fetch_add(&f->stranded, 1);
        }
    }
    pthread_mutex_unlock(&p->lock);
    mem_free(x);
    (void)atomic_fetch_sub_explicit(&f->flying, 1, memory_order_relaxed);
    if (how == CACHE_KEPT) {
        (void)atomic_fetch_add_explicit(&f->coalesced, told, memory_order_relaxed);
    }
    rescue_stranded(f);
}

void flights_counts(struct flights *f, struct cache_counts *ret)
{
    ret->coalesced = atomic_load_explicit(&f->coalesced, memory_order_relaxed);
    ret->in_flight = atomic_load_explicit(&f->flying, memory_order_relaxed);
}
