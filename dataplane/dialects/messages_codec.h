/* What the Messages dialect gives besides its codecs (dialect.h). */
#ifndef DATAPLANE_DIALECTS_MESSAGES_CODEC_H
#define DATAPLANE_DIALECTS_MESSAGES_CODEC_H

#include "dataplane/dialects/dialect.h"

/* A client's count_tokens body: a chat request that needs no max_tokens. Errors as
 * messages_codec.decode_request gives them. */
bool messages_count_decode(const struct wire_request *w, struct arena *a, struct chat_request *ret,
                           struct error *err);

/* Token counting: the request without a maximum of tokens; no answers. */
extern const struct chat_codec messages_count_request_codec;

#endif
