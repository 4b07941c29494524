/* How workers see a new root: the publisher stores it in the hub and wakes each worker; a worker
 * takes its own reference in its own loop turn. A request holds a worker-local count on the root it
 * began with (no atomics), and the worker drops its reference when the last such request ends. */
#ifndef DATAPLANE_SNAPSHOT_SWAP_H
#define DATAPLANE_SNAPSHOT_SWAP_H

#include "dataplane/snapshot/index.h"

struct swap_hub;    /* shared: newest root */
struct swap_reader; /* one per worker thread */
struct swap_hold;   /* a root held by a worker, counted by its requests */

struct swap_hub *swap_hub_new(void);
void swap_hub_free(struct swap_hub *h);
/* Takes over the caller's reference; then calls every reader's wake (which must be thread-safe,
 * e.g. an eventfd write). */
void swap_publish(struct swap_hub *h, struct snapshot *s);
/* The newest root with a reference for the caller, NULL when none was published. Any thread. */
struct snapshot *swap_current(struct swap_hub *h);

struct swap_reader *swap_reader_new(struct swap_hub *h, void (*wake)(void *arg), void *arg);
void swap_reader_free(struct swap_reader *r);
/* Worker thread: looks whether there is a newer root (one relaxed load when not) and holds it.
 * NULL: none yet. */
struct swap_hold *swap_acquire(struct swap_reader *r);
const struct snapshot *swap_root(const struct swap_hold *h);
/* Another request on the same root; released like the first. */
struct swap_hold *swap_share(struct swap_hold *h);
void swap_release(struct swap_reader *r, struct swap_hold *h);

#endif
