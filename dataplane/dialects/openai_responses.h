/* The pieces of openai_responses_codec (dialect.h), a file each: openai_responses_request.c reads a
 * client's request and openai_responses_items.c the items of requests and answers,
 * openai_responses_encode.c writes a provider's, openai_responses_answer.c reads and
 * openai_responses_write.c writes whole answers, openai_responses_decoder.c and
 * openai_responses_encoder.c with openai_responses_events.c the streams. */
#ifndef DATAPLANE_DIALECTS_OPENAI_RESPONSES_H
#define DATAPLANE_DIALECTS_OPENAI_RESPONSES_H

#include "dataplane/dialects/dialect.h"
#include "dataplane/dialects/openai_fields.h"

/* ---- proofs of other families ----
 * A reasoning item's encrypted_content is OpenAI's own; what another provider signed travels in it
 * behind a mark, so that it finds its way back: "weir.messages.<signature>", and for redacted
 * thinking "weir.messages*<data>". The proof of a tool call, for which the dialect has no place,
 * stands in a reasoning item of its own, without a summary: "weir.gemini@<call id>:<signature>". */
struct str openai_responses_seal(struct arena *a, const struct part *p);
struct str openai_responses_seal_call(struct arena *a, enum family family, struct str call,
                                      struct str signature);
/* Fills signature, signature_family, and type where it is redacted; name with the call's id where
 * it is the proof of a call. */
void openai_responses_unseal(struct str encrypted, struct part *p);
/* Hands the proofs of calls to the calls of the same message, and drops what carried them. */
void openai_responses_settle(struct part *parts, size_t *n);

/* ---- items ---- */
/* One output or input item, appended to parts: message, function_call, reasoning,
 * image_generation_call; anything else as a native part. */
bool openai_responses_read_item(struct openai_decode *d, struct json_value item, struct str type,
                                struct part **parts, size_t *n, size_t *cap);
bool openai_responses_read_content(struct openai_decode *d, struct json_value content,
                                   struct part **parts, size_t *n, size_t *cap);

/* ---- the response object ---- */
enum openai_responses_status {
    RESPONSES_IN_PROGRESS = 0,
    RESPONSES_COMPLETED,
    RESPONSES_INCOMPLETE_LENGTH,
    RESPONSES_INCOMPLETE_FILTER,
    RESPONSES_FAILED
};
/* `refusal`: the answer holds words of refusal. */
enum openai_responses_status openai_responses_status_of(enum finish f, bool refusal);

struct openai_responses_head {
    struct str id, model, service_tier;
    int64_t created;
    enum openai_responses_status status;
    const struct usage *usage;            /* NULL: none */
    const struct provider_error *failure; /* of RESPONSES_FAILED */
};
/* Everything in front of `output`, and everything behind it. */
void openai_responses_put_head(struct json_writer *w, const struct exchange_context *x,
                               const struct openai_responses_head *h);
void openai_responses_put_tail(struct json_writer *w, const struct exchange_context *x,
                               const struct openai_responses_head *h);
/* A name for a failure as response.error.code has it. */
struct str openai_responses_error_code(const struct provider_error *e);

bool openai_responses_decode_request(const struct wire_request *w, struct arena *a,
                                     struct chat_request *ret, struct error *err);
bool openai_responses_encode_request(const struct chat_request *q, const struct exchange_context *x,
                                     struct arena *a, struct buffer *out, struct error *err);
bool openai_responses_decode_reply(struct str body, const struct exchange_context *x,
                                   struct arena *a, struct chat_reply *ret, struct error *err);
bool openai_responses_encode_reply(const struct chat_reply *r, const struct exchange_context *x,
                                   struct arena *a, struct buffer *out);
void *openai_responses_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                                   void *arg);
bool openai_responses_decode_event(void *decoder, struct arena *scratch, struct str name,
                                   struct str data);
void openai_responses_decode_end(void *decoder);
void *openai_responses_encoder_new(const struct exchange_context *x, struct arena *a);
bool openai_responses_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out);

#endif
