/* The halves of ollama_chat_codec, which stands in ollama_answer.c: what goes to Ollama's /api/chat
 * and what comes back. Provider side only. Pure, any thread. */
#ifndef DATAPLANE_DIALECTS_OLLAMA_CHAT_H
#define DATAPLANE_DIALECTS_OLLAMA_CHAT_H

#include "dataplane/dialects/dialect.h"

bool ollama_chat_encode(const struct chat_request *q, const struct exchange_context *x,
                        struct arena *a, struct buffer *out, struct error *err);

#endif
