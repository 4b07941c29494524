/* The chunks of a stream as one whole answer, for a client that asked for one and a provider that
 * streams all the same. Bounded: what is past the ceiling makes the answer unusable (`over`). */
#ifndef DATAPLANE_STREAM_FOLD_H
#define DATAPLANE_STREAM_FOLD_H

#include "dataplane/dialects/dialect.h"

#define FOLD_MAX_BYTES (64u << 20)

struct fold;

/* Everything is in the arena, or released with it. NULL: out of room. */
struct fold *fold_new(struct arena *a);
void fold_chunk(struct fold *f, const struct chunk *c);
/* The answer so far; false when it did not fit. Once. */
bool fold_reply(struct fold *f, struct chat_reply *ret);

#endif
