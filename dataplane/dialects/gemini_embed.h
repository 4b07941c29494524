/* What Google's two embedding forms (batchEmbedContents and Vertex's :predict) share. */
#ifndef DATAPLANE_DIALECTS_GEMINI_EMBED_H
#define DATAPLANE_DIALECTS_GEMINI_EMBED_H

#include "dataplane/dialects/gemini_inside.h"

/* Google's task type into the request: Cohere's word where there is a near one, and the word itself
 * as the extra "taskType" where that says less. */
bool gemini_task_read(struct arena *a, struct embedding_request *q, size_t *cap, struct str word);
/* Google's task type of a request; NULL ptr when none is said. */
struct str gemini_task_word(struct arena *a, const struct embedding_request *q);
bool gemini_embed_extra(struct arena *a, struct embedding_request *q, size_t *cap, struct str name,
                        struct str raw);
/* Names what Google's forms cannot carry; false with err for inputs of token ids. */
bool gemini_embed_losses(const struct embedding_request *q, const struct exchange_context *x,
                         struct error *err);
/* The numbers of a vector, from floats or base64. False when the base64 is broken. */
bool gemini_put_vector(struct json_writer *w, struct arena *a, const struct embedding_vector *v);

#endif
