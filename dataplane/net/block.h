/* Blocks of 256 KiB to receive into. A worker's reads all go through one of them, where small
 * messages are parsed in place and copied out; a large request that came in one read keeps the
 * block itself and the pool lends another. One thread. */
#ifndef DATAPLANE_NET_BLOCK_H
#define DATAPLANE_NET_BLOCK_H

#include <stddef.h>

#define BLOCK_BYTES (256u * 1024u)

struct block {
    struct block *next;
    char bytes[BLOCK_BYTES];
};

/* Zero-initialise. Keeps a few unused ones; the most recently used, whose memory is in the cache,
 * goes out first. */
struct block_pool {
    struct block *spare;
    unsigned n_spare;
};

struct block *block_take(struct block_pool *p);
void block_give(struct block_pool *p, struct block *b); /* accepts NULL */
void block_pool_release(struct block_pool *p);

#endif
