/* The halves of cohere_chat_codec, which stands in cohere_answer.c: what goes to Cohere's /v2/chat
 * and what comes back. Provider side only. Pure, any thread. */
#ifndef DATAPLANE_DIALECTS_COHERE_CHAT_H
#define DATAPLANE_DIALECTS_COHERE_CHAT_H

#include "common/json.h"
#include "dataplane/dialects/dialect.h"

bool cohere_chat_encode(const struct chat_request *q, const struct exchange_context *x,
                        struct arena *a, struct buffer *out, struct error *err);

/* Usage of any Cohere answer: {billed_units, tokens, cached_tokens}, which stands in `usage` of
 * chats and in `meta` of all else. */
void cohere_usage_read(struct json_value usage, struct usage *ret);

#endif
