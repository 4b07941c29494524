/* Between the two files that write a provider's chat completions request. */
#ifndef DATAPLANE_DIALECTS_OPENAI_CHAT_ENCODE_H
#define DATAPLANE_DIALECTS_OPENAI_CHAT_ENCODE_H

#include "common/json.h"
#include "dataplane/dialects/dialect.h"

struct openai_chat_writer {
    struct json_writer w;
    const struct chat_request *q;
    const struct exchange_context *x;
    struct arena *a;
    struct error *err;
};

/* "messages":[…]. False: err says what cannot be expressed. */
bool openai_chat_put_messages(struct openai_chat_writer *c);
/* `cache_control`, for the providers that know it in this dialect; a loss for the others. */
void openai_chat_put_cache(struct openai_chat_writer *c, enum cache_mark mark);

/* Extras of the same family, and those that both of OpenAI's forms share; the others are named. */
void openai_put_extras(struct json_writer *w, const struct chat_request *q,
                       const struct exchange_context *x, enum family own);

#endif
