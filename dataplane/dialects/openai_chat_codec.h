/* The pieces of openai_chat_codec (dialect.h), a file each: openai_chat_request.c and
 * openai_chat_parts.c read a client's request, openai_chat_encode.c with openai_chat_messages.c
 * writes a provider's, openai_chat_reply.c reads and openai_chat_answer.c writes whole answers,
 * openai_chat_decoder.c and openai_chat_encoder.c the streams. */
#ifndef DATAPLANE_DIALECTS_OPENAI_CHAT_CODEC_H
#define DATAPLANE_DIALECTS_OPENAI_CHAT_CODEC_H

#include "dataplane/dialects/dialect.h"
#include "dataplane/dialects/openai_fields.h"

/* openai_chat_parts.c: one message of a client, or of a provider's answer. */
bool openai_chat_read_content(struct openai_decode *d, struct json_value content,
                              struct part **parts, size_t *n, size_t *cap);
/* Gives Gemini's proof, where the message holds one, to the last of its texts. */
void openai_chat_read_text_proof(struct openai_decode *d, struct json_value message,
                                 struct part *parts, size_t n);
bool openai_chat_read_call(struct openai_decode *d, struct json_value call, struct part **parts,
                           size_t *n, size_t *cap);
/* `reasoning_content`, `thinking_blocks`, `reasoning_details` … of a message. */
bool openai_chat_read_thinking(struct openai_decode *d, struct json_value message,
                               struct part **parts, size_t *n, size_t *cap);

bool openai_chat_decode_request(const struct wire_request *w, struct arena *a,
                                struct chat_request *ret, struct error *err);
bool openai_chat_encode_request(const struct chat_request *q, const struct exchange_context *x,
                                struct arena *a, struct buffer *out, struct error *err);
bool openai_chat_decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                              struct chat_reply *ret, struct error *err);
bool openai_chat_encode_reply(const struct chat_reply *r, const struct exchange_context *x,
                              struct arena *a, struct buffer *out);
void *openai_chat_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                              void *arg);
bool openai_chat_decode_event(void *decoder, struct arena *scratch, struct str name,
                              struct str data);
void openai_chat_decode_end(void *decoder);
void *openai_chat_encoder_new(const struct exchange_context *x, struct arena *a);
bool openai_chat_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out);

#endif
