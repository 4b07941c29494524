/* What the files of Gemini's dialect share: finding members by either spelling, and the pieces of
 * contents that requests and answers have in common. Nobody else includes this; the codecs are
 * declared in dialect.h.
 *
 *   gemini_words.c          names, words, signatures
 *   gemini_schema.c         Gemini's schemas as JSON schemas
 *   gemini_parts.c          one part read
 *   gemini_contents.c       contents of a request read
 *   gemini_request.c        the rest of a request read
 *   gemini_encode.c         contents written for Gemini
 *   gemini_encode_config.c  the rest of a request written for Gemini
 *   gemini_reply.c          a candidate, usage and an answer read
 *   gemini_cite.c           citations and logprobs both ways
 *   gemini_answer.c         a part, usage and an answer written for a client
 *   gemini_stream.c         a provider's stream read
 *   gemini_stream_out.c     a client's stream written
 *   gemini_count.c, gemini_embed.c, gemini_vertex_embed.c, gemini_error.c */
#ifndef DATAPLANE_DIALECTS_GEMINI_INSIDE_H
#define DATAPLANE_DIALECTS_GEMINI_INSIDE_H

#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"

#define GEMINI_CANDIDATES 16 /* Google allows eight; what is numbered higher is left out */
#define GEMINI_COLLECT_MAX (1u << 20)
/* How far back a tool result looks for its call, so that a hostile history stays linear. */
#define GEMINI_CALLS_BACK 1024
/* Google's documented stand-in for a call that no Gemini model made. */
#define GEMINI_SKIP_SIGNATURE "skip_thought_signature_validator"

/* ---- names (gemini_words.c) ---- */
/* True when the member name is this camelCase one or its snake_case spelling. */
bool gemini_name_is(struct json_value name, struct str camel);
/* One walk of a validated object: fills what is wanted, null as absent. False when a wanted member
 * stands there twice (the first counts); other types find nothing. */
bool gemini_members(struct json_value object, struct json_member *wanted, size_t n);
/* First member of that name, either spelling; false when absent or null. */
bool gemini_get(struct json_value object, const char *camel, struct json_value *ret);
struct str gemini_get_text(struct arena *a, struct json_value object, const char *camel);
/* Whole numbers, also those that Google's JSON writes as strings; 0 when absent. */
uint64_t gemini_u64(struct json_value v);
uint64_t gemini_get_u64(struct json_value object, const char *camel);
/* A member's name and then its value, the name raw as another object has it. */
void gemini_put_name(struct json_writer *w, struct json_value name);
/* The last part of "models/x", "publishers/google/models/x". */
struct str gemini_model_name(struct str model);
/* The generation of a model's name: 2 for gemini-2.5-pro, 0 when it does not say. */
unsigned gemini_generation(struct str model);
/* Whether calls must be signed: from the third generation on, which is what an unnumbered name
 * ("gemini-flash-latest") may stand for; older ones do not mind. */
bool gemini_may_sign(struct str model);
/* The name of a function as Google takes it, unless the client's own dialect is Gemini's; and the
 * client's name of it again. */
struct str gemini_tool_name(struct arena *a, const struct chat_request *q, struct str name);
struct str gemini_tool_name_back(struct arena *a, const struct exchange_context *x,
                                 struct str name);
/* "call_" + unique + "_" + number. */
struct str gemini_call_id(struct arena *a, struct str unique, unsigned number);

/* ---- words (gemini_words.c) ---- */
enum finish gemini_finish_of(struct str word, bool has_calls);
/* The provider's own word where it is one of Gemini's and means this, else the usual one. */
struct str gemini_finish_text(enum finish f, struct str raw);
/* The provider's word where it is one of Gemini's, else the class's own. */
struct str gemini_block_word(struct str reason);
/* PART_IMAGE, PART_AUDIO, PART_VIDEO, else PART_DOCUMENT. */
enum part_type gemini_kind_of_type(struct str media_type);

/* ---- signatures (gemini_words.c) ---- */
/* Another family's signature in Gemini's thoughtSignature (base64, as Google's SDKs decode it), so
 * that a Gemini client hands it back with the thought: "weir:t:messages:…", redacted ones
 * "weir:r:…". Gemini's own go as they are. NULL ptr when out of room. */
struct str gemini_signature_text(struct arena *a, enum family family, bool redacted,
                                 struct str signature);
/* The reverse: fills signature and signature_family, turns the part to PART_REDACTED_THINKING where
 * it was one. */
void gemini_signature_read(struct arena *a, struct str text, struct part *ret);

/* ---- parts in ---- */
/* Reads one part. A call's or result's id may be absent. False with err (param: a path) when it is
 * nothing that can be understood; *ret_meta says that it has videoMetadata or the like, which the
 * neutral form has no place for. */
bool gemini_part_read(struct json_value v, struct arena *a, const char *path, struct part *ret,
                      struct str *ret_meta, struct error *err);
/* contents, of any lenient shape, into q->messages. */
bool gemini_contents_read(struct json_value v, struct arena *a, struct chat_request *q,
                          struct error *err);
/* systemInstruction: a content, a list of parts or a text. */
bool gemini_system_read(struct json_value v, struct arena *a, struct part **ret, size_t *ret_n,
                        struct error *err);
/* Gemini's schema (types in capitals, nullable) as a JSON schema. The input itself when it cannot
 * be improved. */
struct str gemini_schema_json(struct arena *a, struct str schema);
/* The members of one object as a chat request. */
bool gemini_request_read(struct json_value v, struct str model, struct arena *a,
                         struct chat_request *ret, struct error *err);

/* ---- requests out ---- */
struct gemini_out {
    const struct chat_request *q;
    const struct exchange_context *x;
    struct arena *a;
    struct json_writer w;
    struct error *err;
    bool own; /* the client speaks Gemini too */
};
/* systemInstruction and contents. */
bool gemini_put_contents(struct gemini_out *o);
/* tools, toolConfig, generationConfig and the rest. */
bool gemini_put_config(struct gemini_out *o);
void gemini_lose(struct gemini_out *o, enum chat_field field);
/* tools and toolConfig, as countTokens wants them too. */
bool gemini_put_tools(struct gemini_out *o);

/* ---- answers in ---- */
void gemini_usage_read(struct json_value v, struct usage *ret);
/* The service tier of usageMetadata, in OpenAI's words: what Gemini's API calls serviceTier, and
 * Vertex trafficType. STR_NONE for the usual one, which goes without saying. A constant. */
struct str gemini_tier_read(struct json_value usage);
/* Grounding and citation metadata of a candidate. `parts` may be NULL (stream): then offsets are
 * kept only when `ascii` says that bytes are characters. */
size_t gemini_citations_read(struct json_value candidate, struct arena *a, const struct part *parts,
                             size_t n_parts, bool ascii, struct citation **ret,
                             size_t *ret_searches);
/* logprobsResult in chat completions' form; NULL ptr when there is nothing. */
struct str gemini_logprobs_read(struct json_value result, struct arena *a);

/* ---- answers out ---- */
/* One part as a client of Gemini reads it; nothing for what it cannot be told. False: nothing was
 * written. */
bool gemini_put_part(struct json_writer *w, struct arena *a, const struct part *p,
                     const struct exchange_context *x);
/* {"functionCall":{…}} with the arguments as one object. */
void gemini_put_call(struct json_writer *w, struct str id, struct str name, struct str arguments,
                     struct str signature);
void gemini_put_usage(struct json_writer *w, const struct usage *u);
/* "logprobsResult": … from chat completions' form. */
void gemini_put_logprobs(struct json_writer *w, struct str logprobs);
/* One entry of groundingSupports: c's range within `text`, which begins `before` bytes behind the
 * start of its part. */
void gemini_put_support(struct json_writer *w, struct str text, uint64_t before, size_t part,
                        const struct citation *c, size_t chunk);
/* One entry of groundingChunks. False: not a place to cite. */
bool gemini_put_chunk(struct json_writer *w, const struct citation *c);
/* "groundingMetadata": … for a whole answer. */
void gemini_put_grounding(struct json_writer *w, const struct part *parts, size_t n);

/* ---- the codec's functions ---- */
bool gemini_decode_request(const struct wire_request *w, struct arena *a, struct chat_request *ret,
                           struct error *err);
bool gemini_encode_request(const struct chat_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err);
bool gemini_decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct chat_reply *ret, struct error *err);
bool gemini_encode_reply(const struct chat_reply *r, const struct exchange_context *x,
                         struct arena *a, struct buffer *out);
void *gemini_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                         void *arg);
bool gemini_decode_event(void *decoder, struct arena *scratch, struct str name, struct str data);
void gemini_decode_end(void *decoder);
void *gemini_encoder_new(const struct exchange_context *x, struct arena *a);
bool gemini_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out);

#endif
