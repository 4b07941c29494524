/* What the files of the Converse dialect share: content blocks both ways, stop reasons, usage. Not
 * for others: they see converse_codec (dialect.h) alone. See converse_codec.c for the tour. */
#ifndef DATAPLANE_DIALECTS_CONVERSE_PARTS_H
#define DATAPLANE_DIALECTS_CONVERSE_PARTS_H

#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"

/* The tool that stands for a wanted JSON schema where the model is not asked natively: its call is
 * turned back to text. */
#define CONVERSE_JSON_TOOL "json_response"

/* A growing list of parts, and where in the client's body it stands (for errors). */
struct converse_list {
    struct part *parts;
    size_t n, cap;
};

/* Reads an array of content blocks (messages, system, a tool's result: `path` names it, "" in a
 * reply). A cachePoint marks the part before it. A block of no known kind stays a native part.
 * False: err (ERR_INVALID_FIELD with param, or out of room); err may be NULL in replies, which are
 * read leniently. */
bool converse_read_blocks(struct arena *a, struct json_value array, const char *path,
                          struct converse_list *ret, struct error *err);
/* The cache mark that a {"type":"default","ttl":…} stands for. */
enum cache_mark converse_read_cache_point(struct arena *a, struct json_value point);
void converse_put_cache_point(struct json_writer *w, enum cache_mark mark);
/* One `citation` as in citationsContent and in a stream's delta. */
void converse_read_citation(struct arena *a, struct json_value v, struct citation *ret);
void converse_put_citation(struct json_writer *w, const struct citation *c);

/* "png" for an image, by its media type, its name or its first bytes; absent: none of those that
 * Bedrock takes. */
struct str converse_image_format(const struct media *m);
struct str converse_document_format(const struct media *m);
struct str converse_video_format(const struct media *m);
struct str converse_audio_format(const struct media *m);

/* Writes {"image":{"format":…,"source":{"bytes":…}}} for an image that has data. */
void converse_put_image(struct json_writer *w, struct str format, struct str data);
/* {"toolUse":{…}}; arguments that are no JSON object are wrapped. */
void converse_put_tool_use(struct json_writer *w, struct arena *a, const struct part *p);
/* {"reasoningContent":{"reasoningText":{…}}}, the signature only if `with_signature`. */
void converse_put_thinking(struct json_writer *w, const struct part *p, bool with_signature);
/* A signature that a model behind Bedrock understands: Claude's, wherever it was made. */
bool converse_signature_fits(enum family f);

enum finish converse_finish_of(struct str stop_reason);
/* The provider's own word where it is one of Bedrock's and means the same. */
const char *converse_stop_reason(enum finish f, struct str raw);

void converse_read_usage(struct arena *a, struct json_value v, struct usage *ret);
/* The members "usage" and "metrics". */
void converse_put_usage(struct json_writer *w, const struct usage *u);

/* Bytes of a tool's name and of a call's id that Bedrock takes. */
#define CONVERSE_TOOL_MAX 64

/* The wanted schema was asked for by CONVERSE_JSON_TOOL. */
bool converse_json_tool(const struct chat_request *q);

/* ---- the model's maker, by its id: "us.anthropic.claude-…", an ARN that ends in one ---- */
bool converse_model_is(struct str model, const char *maker); /* "anthropic." */

/* ---- the functions of converse_codec, by file ---- */
bool converse_decode_request(const struct wire_request *w, struct arena *a,
                             struct chat_request *ret, struct error *err);
bool converse_encode_request(const struct chat_request *q, const struct exchange_context *x,
                             struct arena *a, struct buffer *out, struct error *err);
/* Only what CountTokens takes. */
bool converse_encode_count(const struct chat_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err);
/* The members "messages" and "system" of an open object. */
bool converse_put_messages(struct json_writer *w, const struct chat_request *q,
                           const struct exchange_context *x, struct arena *a, struct error *err);
/* The member "toolConfig", if one is due. */
void converse_put_tools(struct json_writer *w, const struct chat_request *q,
                        const struct exchange_context *x, struct arena *a);
/* The model is forced to call a tool, which thinking does not go with. */
bool converse_forces_tool(const struct chat_request *q);
bool converse_decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                           struct chat_reply *ret, struct error *err);
bool converse_encode_reply(const struct chat_reply *r, const struct exchange_context *x,
                           struct arena *a, struct buffer *out);
void *converse_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                           void *arg);
bool converse_decode_event(void *decoder, struct arena *scratch, struct str name, struct str data);
void converse_decode_end(void *decoder);
void *converse_encoder_new(const struct exchange_context *x, struct arena *a);
bool converse_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out);

#endif
