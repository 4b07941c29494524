/* A request between two dialects: what it was read as, and the codecs of both sides. Made by the
 * stage `translate`, in the request's arena; read by relay and the sinks. */
#ifndef DATAPLANE_STREAM_TRANSLATION_H
#define DATAPLANE_STREAM_TRANSLATION_H

#include "dataplane/dialects/table.h"
#include "dataplane/request/request.h"

#define TRANSLATION_MAX_CALLS 256 /* of a series, for targets that take few inputs at once */

struct translation {
    enum api_kind kind;
    struct exchange_context context;

    /* API_KIND_CHAT; for API_KIND_COUNT_TOKENS those of the request alone */
    const struct chat_codec *face_chat, *target_chat;
    struct chat_request chat;
    bool answer_passes; /* the provider's answer is the client's dialect already */

    const struct embedding_codec *face_embed, *target_embed;
    struct embedding_request embed;
    struct embedding_vector *vectors; /* of all inputs, as the calls of a series bring them */
    size_t n_vectors, n_done;         /* n_done: inputs that were answered */
    size_t per_call;
    struct usage usage; /* summed over a series */

    const struct rerank_codec *face_rerank, *target_rerank;
    struct rerank_request rerank;

    const struct count_codec *face_count, *target_count;
};

/* What codecs are told of the request and its candidate. */
void translation_context(struct request *r, const struct candidate *c,
                         struct exchange_context *ret);

/* More calls are due before the client can be answered. */
static inline bool translation_goes_on(const struct translation *t)
{
    return t->kind == API_KIND_EMBED && t->n_done < t->embed.n_inputs;
}

#endif
