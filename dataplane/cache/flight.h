/* Equal calls in flight (the second half of store.h). Private to dataplane/cache.
 *
 * A waiter is told through a note: a small object of its own, made when it joins, that stays until
 * it has been taken off the waiter's loop. Other threads touch notes, never waiters, and a waiter
 * that leaves after its note was posted only blanks it (both happen on the waiter's own loop), so
 * its memory may go at once. Where the loop's queue is full the note is kept as stranded, and every
 * later join, leave or end tries to post it again. */
#ifndef DATAPLANE_CACHE_FLIGHT_H
#define DATAPLANE_CACHE_FLIGHT_H

#include "dataplane/cache/store.h"

struct flights;

/* Memory grows with the calls in flight alone. */
struct flights *flights_new(void);
void flights_free(struct flights *f); /* accepts NULL */
enum cache_role flights_join(struct flights *f, const struct cache_key *k, struct cache_waiter *w);
void flights_leave(struct flights *f, struct cache_waiter *w);
void flights_end(struct flights *f, const struct cache_key *k, enum cache_flight how);
void flights_counts(struct flights *f, struct cache_counts *ret);

#endif
