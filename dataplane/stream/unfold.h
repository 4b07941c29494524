/* A whole answer as the chunks of a stream, for a client that asked for one and a provider that did
 * not make one. Pure. */
#ifndef DATAPLANE_STREAM_UNFOLD_H
#define DATAPLANE_STREAM_UNFOLD_H

#include "dataplane/dialects/dialect.h"

/* From START to END, in chat.h's grammar; `emit` is called from inside. */
void unfold_reply(const struct chat_reply *reply, chunk_fn emit, void *arg);

#endif
