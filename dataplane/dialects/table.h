/* Which codec speaks an operation (enum provider_api): the look-ups behind dialect.h. An operation
 * that a table does not know has NULL. Pure, any thread. */
#ifndef DATAPLANE_DIALECTS_TABLE_H
#define DATAPLANE_DIALECTS_TABLE_H

#include "common/rules/provider.h"
#include "dataplane/dialects/dialect.h"

/* For counting tokens too: the codec that reads and writes the request to be counted. */
const struct chat_codec *dialect_chat_codec(enum provider_api api);
const struct embedding_codec *dialect_embedding_codec(enum provider_api api);
const struct rerank_codec *dialect_rerank_codec(enum provider_api api);
const struct count_codec *dialect_count_codec(enum provider_api api);

#endif
