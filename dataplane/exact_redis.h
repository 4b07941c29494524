/* Limits counted in Redis for a worker: joins limits/exact.h, which may not know the cache's
 * folder, to a connection of its own, so that no large answer of the shared cache is in a limit's
 * way. */
#ifndef DATAPLANE_EXACT_REDIS_H
#define DATAPLANE_EXACT_REDIS_H

struct exact;
struct exact_redis_link;
struct loop;
struct redis_address;

/* The address must outlive it. */
struct exact_redis_link *exact_redis_new(struct loop *l, const struct redis_address *a);
struct exact *exact_redis_limits(struct exact_redis_link *x);
void exact_redis_free(struct exact_redis_link *x); /* behind the last request; accepts NULL */

#endif
