#include "dataplane/cache/redis_lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "dataplane/net/loop.h"

struct redis_lookup {
    pthread_mutex_t lock; /* guards loop and references */
    struct loop *loop;    /* NULL: nobody waits any more */
    unsigned references;  /* the thread's (then the posted call's), and the owner's */
    void (*fn)(void *arg, const char *address); /* the loop's thread only; NULL: cancelled */
    void *arg;
    unsigned nth;
    char address[INET6_ADDRSTRLEN]; /* "": none */
    char host[];
};

bool redis_lookup_needless(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static void unref(struct redis_lookup *x)
{
    pthread_mutex_lock(&x->lock);
    bool last = --x->references == 0;
    pthread_mutex_unlock(&x->lock);
    if (last) {
        pthread_mutex_destroy(&x->lock);
        mem_free(x);
    }
}

static void on_found(void *arg)
{
    struct redis_lookup *x = arg;
    if (x->fn) {
        x->fn(x->arg, x->address[0] ? x->address : NULL);
        unref(x); /* the owner's */
    }
    unref(x);
}

static void ask(struct redis_lookup *x)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(x->host, NULL, &hints, &list) != 0 || !list) {
        return;
    }
    struct addrinfo *one = list;
    for (unsigned i = 0; i < x->nth % 8; i++) {
        one = one->ai_next ? one->ai_next : list;
    }
    const void *from = one->ai_family == AF_INET
                           ? (const void *)&((struct sockaddr_in *)(void *)one->ai_addr)->sin_addr
                           : &((struct sockaddr_in6 *)(void *)one->ai_addr)->sin6_addr;
    if (!inet_ntop(one->ai_family, from, x->address, sizeof(x->address))) {
        x->address[0] = '\0';
    }
    freeaddrinfo(list);
}

static void *run(void *arg)
{
    struct redis_lookup *x = arg;
    ask(x);
    pthread_mutex_lock(&x->lock);
    bool posted = x->loop && loop_post(x->loop, on_found, x);
    pthread_mutex_unlock(&x->lock);
    if (!posted) {
        unref(x); /* the owner has a deadline and cancels */
    }
    return NULL;
}

struct redis_lookup *redis_lookup_new(struct loop *l, const char *host, unsigned nth,
                                      void (*fn)(void *arg, const char *address), void *arg)
{
    size_t len = strlen(host);
    struct redis_lookup *x = mem_alloc(sizeof(*x) + len + 1);
    pthread_t thread;
    pthread_attr_t attr;
    pthread_mutex_init(&x->lock, NULL);
    x->loop = l;
    x->references = 2;
    x->fn = fn;
    x->arg = arg;
    x->nth = nth;
    memcpy(x->host, host, len);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attr, run, x);
    pthread_attr_destroy(&attr);
    if (failed) {
        unref(x);
        unref(x);
        return NULL;
    }
    return x;
}

void redis_lookup_cancel(struct redis_lookup *x)
{
    pthread_mutex_lock(&x->lock);
    x->loop = NULL;
    x->fn = NULL;
    pthread_mutex_unlock(&x->lock);
    unref(x);
}
