/* The resolver: a table of names on the worker's thread, and a helper thread that does nothing but
 * block in getaddrinfo. They share one counted object, so that either may end first. */
#include "dataplane/upstream/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "dataplane/net/loop.h"

#define NAMES_MAX 4096u
#define NAME_BYTES_MAX 255u

struct job {
    struct job *next;
    struct addresses found;
    bool ok;
    char host[NAME_BYTES_MAX + 1];
};

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *todo, **todo_tail;
    struct job *done;
    struct resolver *owner; /* NULL: freed */
    struct loop *loop;
    resolve_fn fn;
    bool posted, busy;
    unsigned refs; /* owner, thread, and a posted call */
};

struct name {
    struct list waiters;
    struct addresses known;
    uint64_t asked_ms; /* of the answer that is known */
    bool answered, asking;
    size_t len;
    char host[NAME_BYTES_MAX + 1];
};

struct resolver {
    struct loop *loop;
    struct map *names;
    struct mailbox *box;
    pthread_t thread;
    bool started;
};

static bool ask_system(const char *host, struct addresses *ret)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    if (getaddrinfo(host, NULL, &hints, &list) != 0) {
        return false;
    }
    ret->n = 0;
    for (const struct addrinfo *a = list; a && ret->n < RESOLVE_ADDRESSES_MAX; a = a->ai_next) {
        if (a->ai_family == AF_INET || a->ai_family == AF_INET6) {
            struct address *to = &ret->v[ret->n++];
            to->len = a->ai_addrlen;
            memcpy(&to->u, a->ai_addr, a->ai_addrlen);
        }
    }
    freeaddrinfo(list);
    return ret->n > 0;
}

static void jobs_free(struct job *j)
{
    while (j) {
        struct job *next = j->next;
        mem_free(j);
        j = next;
    }
}

/* Called with the lock held, which it gives up. */
static void mailbox_unref(struct mailbox *b)
{
    bool last = --b->refs == 0;
    pthread_mutex_unlock(&b->lock);
    if (last) {
        jobs_free(b->todo);
        jobs_free(b->done);
        pthread_cond_destroy(&b->work);
        pthread_mutex_destroy(&b->lock);
        mem_free(b);
    }
}

static void name_answered(struct resolver *r, const struct job *j)
{
    struct name *n = map_get(r->names, str_of(j->host));
    struct list *w;
    struct list waiting;
    if (!n) {
        return;
    }
    n->asking = false;
    /* a failure leaves an old answer in place, to be asked again after its time */
    n->asked_ms = loop_now_ms(r->loop);
    if (j->ok) {
        n->known = j->found;
        n->answered = true;
    }
    list_init(&waiting);
    while ((w = list_pop_front(&n->waiters))) {
        list_push_back(&waiting, w);
    }
    struct addresses known = n->answered ? n->known : (struct addresses){0};
    while ((w = list_pop_front(&waiting))) {
        struct resolve_waiter *waiter = LIST_ENTRY(w, struct resolve_waiter, node);
        waiter->fn(waiter->arg, &known);
    }
}

/* On the loop: hands out what the thread has found. */
static void on_posted(void *arg)
{
    struct mailbox *b = arg;
    pthread_mutex_lock(&b->lock);
    struct job *done = b->done;
    struct resolver *r = b->owner;
    b->done = NULL;
    b->posted = false;
    mailbox_unref(b);
    for (struct job *j = done; j && r; j = j->next) {
        name_answered(r, j);
    }
    jobs_free(done);
}

static void *run_thread(void *arg)
{
    struct mailbox *b = arg;
    pthread_mutex_lock(&b->lock);
    while (b->owner) {
        struct job *j = b->todo;
        if (!j) {
            pthread_cond_wait(&b->work, &b->lock);
            continue;
        }
        b->todo = j->next;
        if (!b->todo) {
            b->todo_tail = &b->todo;
        }
        b->busy = true;
        pthread_mutex_unlock(&b->lock);
        j->ok = b->fn(j->host, &j->found);
        pthread_mutex_lock(&b->lock);
        b->busy = false;
        j->next = b->done;
        b->done = j;
        if (b->owner && !b->posted && loop_post(b->loop, on_posted, b)) {
            b->posted = true;
            b->refs++;
        }
    }
    mailbox_unref(b);
    return NULL;
}

struct resolver *resolver_new(struct loop *l, resolve_fn fn)
{
    struct resolver *r = mem_alloc(sizeof(*r));
    struct mailbox *b = mem_alloc(sizeof(*b));
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, NULL);
    b->todo_tail = &b->todo;
    b->owner = r;
    b->loop = l;
    b->fn = fn ? fn : ask_system;
    b->refs = 1;
    r->loop = l;
    r->names = map_new();
    r->box = b;
    return r;
}

void resolver_free(struct resolver *r)
{
    struct str key;
    void *value;
    size_t pos = 0;
    if (!r) {
        return;
    }
    pthread_mutex_lock(&r->box->lock);
    bool busy = r->box->busy;
    r->box->owner = NULL;
    pthread_cond_signal(&r->box->work);
    mailbox_unref(r->box);
    if (r->started && busy) {
        (void)pthread_detach(r->thread);
    } else if (r->started) {
        (void)pthread_join(r->thread, NULL);
    }
    while (map_next(r->names, &pos, &key, &value)) {
        struct name *n = value;
        while (list_pop_front(&n->waiters)) {
        }
        mem_free(n);
    }
    map_free(r->names);
    mem_free(r);
}

static void add_v4(struct addresses *a, uint32_t host_order)
{
    a->v[a->n].len = sizeof(struct sockaddr_in);
    a->v[a->n++].u.v4 =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(host_order)};
}

static void add_v6(struct addresses *a, const struct in6_addr *ip)
{
    a->v[a->n].len = sizeof(struct sockaddr_in6);
    a->v[a->n++].u.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *ip};
}

/* Numbers and "localhost", which is this machine by definition (RFC 6761). */
static bool without_asking(struct str host, struct addresses *ret)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    if (str_eq_nocase(host, STR_LIT("localhost"))) {
        ret->n = 0;
        add_v4(ret, INADDR_LOOPBACK);
        add_v6(ret, &in6addr_loopback);
        return true;
    }
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = str_slice(host, 1, host.len - 2);
    }
    if (host.len == 0 || host.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    ret->n = 0;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        add_v4(ret, ntohl(v4.s_addr));
    } else if (inet_pton(AF_INET6, text, &v6) == 1) {
        add_v6(ret, &v6);
    }
    return ret->n > 0;
}

static void ask_thread(struct resolver *r, struct name *n)
{
    struct mailbox *b = r->box;
    struct job *j = mem_alloc(sizeof(*j));
    memcpy(j->host, n->host, n->len + 1);
    n->asking = true;
    pthread_mutex_lock(&b->lock);
    *b->todo_tail = j;
    b->todo_tail = &j->next;
    if (!r->started) {
        b->refs++;
        r->started = pthread_create(&r->thread, NULL, run_thread, b) == 0;
        if (!r->started) {
            b->refs--;
        }
    }
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
}

/* Names come from configuration; should they pile up all the same, those that nobody waits for go.
 */
static void drop_names(struct resolver *r)
{
    struct map *kept = map_new();
    struct str key;
    void *value;
    size_t pos = 0;
    while (map_next(r->names, &pos, &key, &value)) {
        struct name *n = value;
        if (n->asking || !list_empty(&n->waiters)) {
            (void)map_put(kept, key, n);
        } else {
            mem_free(n);
        }
    }
    map_free(r->names);
    r->names = kept;
}

static struct name *name_of(struct resolver *r, struct str host)
{
    struct name *n = map_get(r->names, host);
    if (n) {
        return n;
    }
    if (map_count(r->names) >= NAMES_MAX) {
        drop_names(r);
    }
    n = mem_alloc(sizeof(*n));
    list_init(&n->waiters);
    n->len = host.len;
    memcpy(n->host, host.ptr, host.len);
    (void)map_put(r->names, (struct str){n->host, n->len}, n);
    return n;
}

bool resolver_ask(struct resolver *r, struct str host, struct addresses *ret,
                  struct resolve_waiter *w)
{
    if (without_asking(host, ret)) {
        return true;
    }
    if (host.len == 0 || host.len > NAME_BYTES_MAX || memchr(host.ptr, '\0', host.len)) {
        ret->n = 0;
        return true;
    }
    struct name *n = name_of(r, host);
    uint64_t age = loop_now_ms(r->loop) - n->asked_ms;
    if (!n->asking && (!n->answered || age >= RESOLVE_FRESH_MS)) {
        ask_thread(r, n);
    }
    if (n->answered && age < RESOLVE_STALE_MS) {
        *ret = n->known;
        return true;
    }
    list_push_back(&n->waiters, &w->node);
    return false;
}

void resolver_forget(struct resolve_waiter *w)
{
    list_remove(&w->node);
}
