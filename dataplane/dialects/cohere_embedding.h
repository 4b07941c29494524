/* The client's half of cohere_embedding_codec: a /v2/embed request. Pure, any thread. */
#ifndef DATAPLANE_DIALECTS_COHERE_EMBEDDING_H
#define DATAPLANE_DIALECTS_COHERE_EMBEDDING_H

#include "dataplane/dialects/dialect.h"

/* `encoding` is the first of embedding_types; where there are more, the whole list is an extra too,
 * so that a target of another family names it as lost. */
bool cohere_embedding_decode(const struct wire_request *w, struct arena *a,
                             struct embedding_request *ret, struct error *err);

#endif
