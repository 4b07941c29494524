/* One embedding in either writing: a JSON array of numbers, or base64 of little-endian float32.
 * Pure, any thread. */
#ifndef DATAPLANE_DIALECTS_COHERE_VECTORS_H
#define DATAPLANE_DIALECTS_COHERE_VECTORS_H

#include "dataplane/canonical/embedding.h"

/* The vector as that writing, in the arena where it had the other. A number that is none, or not
 * finite, becomes 0. STR_NONE: out of room, or not an embedding. */
struct str vector_floats(struct arena *a, const struct embedding_vector *v);
struct str vector_base64(struct arena *a, const struct embedding_vector *v);

#endif
