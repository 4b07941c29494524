/* Names to addresses, off the loop. A numeric host and "localhost" are answered at once; other
 * names are looked up by one helper thread (started at the first name) and kept for 30 s. After
 * that an old answer still serves while it is asked again, up to ten minutes, and for as long as
 * asking fails. One resolver per worker, used on its thread alone. */
#ifndef DATAPLANE_UPSTREAM_RESOLVE_H
#define DATAPLANE_UPSTREAM_RESOLVE_H

#include <netinet/in.h>

#include "common/base/list.h"
#include "common/base/str.h"

struct loop;
struct resolver;

#define RESOLVE_ADDRESSES_MAX 8u
#define RESOLVE_FRESH_MS 30000u
#define RESOLVE_STALE_MS 600000u

struct address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u; /* the port is 0 */
};

struct addresses {
    unsigned n; /* 0: the name has none, or could not be looked up */
    struct address v[RESOLVE_ADDRESSES_MAX];
};

/* Blocking look-up, run by the helper thread: true with *ret filled. NULL for resolver_new:
 * getaddrinfo. */
typedef bool (*resolve_fn)(const char *host, struct addresses *ret);

struct resolver *resolver_new(struct loop *l, resolve_fn fn);
/* Waiting callers are forgotten; a look-up that hangs in the thread ends there by itself. Accepts
 * NULL. */
void resolver_free(struct resolver *r);

/* The caller's; zero-initialise node with list_init. */
struct resolve_waiter {
    struct list node;
    void (*fn)(void *arg, const struct addresses *a); /* a is valid during the call */
    void *arg;
};

/* True with *ret filled when it is known now; else w->fn is called later, from the loop. */
bool resolver_ask(struct resolver *r, struct str host, struct addresses *ret,
                  struct resolve_waiter *w);
void resolver_forget(struct resolve_waiter *w); /* harmless when not waiting */

#endif
