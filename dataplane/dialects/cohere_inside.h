/* What Cohere's embeddings and reranking share. For the files cohere_*.c only. */
#ifndef DATAPLANE_DIALECTS_COHERE_INSIDE_H
#define DATAPLANE_DIALECTS_COHERE_INSIDE_H

#include "common/json.h"
#include "dataplane/dialects/dialect.h"

/* Adds to a list that grows by doubling; false when out of room. */
bool cohere_extra_add(struct arena *a, struct extra **list, size_t *n, struct json_value name,
                      struct json_value value);
/* Members that only Cohere's clients know go to Cohere's likes; others are named as losses. */
void cohere_put_extras(struct json_writer *w, struct arena *a, const struct extra *list, size_t n,
                       enum family family, const struct exchange_context *x);
/* An id as Cohere's look (a UUID), of this request. */
struct str cohere_id(struct arena *a, const struct exchange_context *x);
/* "meta": {api_version, billed_units}. */
void cohere_put_meta(struct json_writer *w, const struct usage *u);

#endif
