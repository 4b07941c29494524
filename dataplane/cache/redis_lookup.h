/* One host name to an address in text, off the loop: a thread of its own asks getaddrinfo and is
 * gone afterwards (a connection is made rarely). Private to dataplane/cache. */
#ifndef DATAPLANE_CACHE_REDIS_LOOKUP_H
#define DATAPLANE_CACHE_REDIS_LOOKUP_H

#include <stdbool.h>

struct loop;
struct redis_lookup;

/* True: host is an address in numbers already. */
bool redis_lookup_needless(const char *host);
/* fn on the loop, once: address NULL where there is none. nth: which one of several, counted round,
 * so that the next try is made elsewhere. NULL: no thread could be made. */
struct redis_lookup *redis_lookup_new(struct loop *l, const char *host, unsigned nth,
                                      void (*fn)(void *arg, const char *address), void *arg);
/* fn will not be called; does not wait for the thread. Before fn has run. */
void redis_lookup_cancel(struct redis_lookup *x);

#endif
