/* Vectors as OpenAI's embeddings write them: numbers, or base64 of little-endian float32. Pure. */
#ifndef DATAPLANE_DIALECTS_OPENAI_ENCODING_H
#define DATAPLANE_DIALECTS_OPENAI_ENCODING_H

#include "dataplane/dialects/dialect.h"

/* Either way round, in the arena; STR_NONE when the input is none, or out of room. */
struct str openai_floats_base64(struct arena *a, struct str floats);
struct str openai_base64_floats(struct arena *a, struct str base64);

#endif
