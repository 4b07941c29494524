/* What the files of the Anthropic Messages dialect share; nobody else includes this. The dialect in
 * one look:
 *
 *     messages_request_read.c   the client's request
 *     messages_request_write.c  the provider's; messages_settings_write.c beside the prompt
 *     messages_block_read.c     content blocks in
 *     messages_block_write.c    content blocks out
 *     messages_plan.c           what a model takes: thinking, schemas, sampling
 *     messages_reply.c          whole answers, both ways
 *     messages_usage.c          their numbers and reasons
 *     messages_decoder.c        the provider's stream
 *     messages_encoder.c        the client's stream (messages_events.c: its events)
 *     messages_names.c          tool names and ids, signatures of other families
 *     messages_codec.c          the tables of functions
 */
#ifndef DATAPLANE_DIALECTS_MESSAGES_INSIDE_H
#define DATAPLANE_DIALECTS_MESSAGES_INSIDE_H

#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"

/* Where the body goes: the members around the messages differ. */
enum messages_flavour {
    MESSAGES_API = 0, /* Anthropic and all that are compatible */
    MESSAGES_VERTEX,
    MESSAGES_INVOKE,
    MESSAGES_COUNT /* count_tokens: takes only what changes the prompt */
};

/* ---- reading blocks ---- */

/* Where a block stands, for `param` of errors; -1: not so deep. */
struct messages_where {
    const char *list; /* "messages", "system" */
    int64_t message, block, inner;
};

struct messages_reader {
    struct arena *a;
    struct error *err;
    bool lenient; /* an answer: what is missing is empty, never an error */
};

/* Sets ERR_INVALID_FIELD with the path; returns false. */
bool messages_wrong(struct error *err, const struct messages_where *w, const char *member,
                    const char *text);
/* One block; unknown types become PART_NATIVE. */
bool messages_read_block(const struct messages_reader *r, const struct messages_where *w,
                         struct json_value block, struct part *ret);
/* A string (one text part) or an array of blocks. `depth` is what counts up in `w`. */
bool messages_read_content(const struct messages_reader *r, struct messages_where *w, bool inner,
                           struct json_value content, struct part **ret_parts, size_t *ret_n);
struct citation messages_read_citation(struct arena *a, struct json_value v);
enum cache_mark messages_read_cache(struct json_value block);
/* Hands signatures of tool calls, which travel in thinking blocks, to the calls that they belong
 * to, and takes those blocks out. */
void messages_settle_signatures(struct part *parts, size_t *n);

bool messages_read_request(const struct wire_request *w, struct arena *a,
                           enum messages_flavour flavour, struct chat_request *ret,
                           struct error *err);

/* ---- what goes to a model ---- */

enum messages_thinking { THINKING_UNSAID = 0, THINKING_OFF, THINKING_BUDGET, THINKING_ADAPTIVE };

/* Decided once per request, before anything is written. */
struct messages_plan {
    enum messages_flavour flavour;
    bool own; /* the client speaks Messages itself: what it says goes as it is */
    uint64_t max_tokens;
    enum messages_thinking thinking;
    uint64_t budget;
    const char *display;     /* of thinking; NULL: not said */
    struct str effort;       /* output_config.effort */
    bool schema;             /* output_config.format */
    bool json_tool;          /* the schema goes as a tool that must be called */
    bool top_p, top_k;       /* go along */
    struct str temperature;  /* as it goes; absent: none */
    enum tool_choice choice; /* as it goes; CHOICE_UNSET: none */
    struct str choice_name;
};

void messages_plan_make(const struct chat_request *q, const struct exchange_context *x,
                        enum messages_flavour flavour, struct messages_plan *ret);
bool messages_write_request(const struct chat_request *q, const struct exchange_context *x,
                            enum messages_flavour flavour, struct arena *a, struct buffer *out,
                            struct error *err);

struct messages_writer;
/* The members beside the prompt, and the losses among them. */
void messages_write_settings(struct messages_writer *m, const struct chat_request *q,
                             const struct messages_plan *plan);

/* ---- writing blocks ---- */

struct messages_writer {
    struct json_writer w;
    struct arena *a;
    const struct exchange_context *x;
    enum family client;            /* whose request it is: names of losses, its own raw pieces */
    enum messages_flavour flavour; /* of requests */
    bool reply;                    /* an answer is written, not a request */
    unsigned calls, results;       /* numbers of those without an id */
};

/* Whether a request's part can be written, and what is lost if not. */
enum messages_fit { FIT_WRITE = 0, FIT_SKIP, FIT_LOSE };
enum messages_fit messages_part_fit(const struct messages_writer *m, const struct part *p,
                                    enum chat_field *ret_lost);
/* One block; the part fits. */
void messages_write_part(struct messages_writer *m, const struct part *p);
void messages_write_citation(struct json_writer *w, const struct citation *c);
void messages_write_text(struct json_writer *w, const char *name, struct str s); /* absent: "" */
void messages_write_cache(struct json_writer *w, enum cache_mark mark);
void messages_lose(const struct messages_writer *m, enum chat_field field);

/* ---- names, ids, signatures ---- */

/* The tool that stands for a wanted JSON answer. */
#define MESSAGES_JSON_TOOL "json_response"
/* True when the answer's call of `name` is the wanted JSON answer itself: the client wants JSON,
 * and has no such tool. */
bool messages_is_json_answer(const struct exchange_context *x, struct str name);
/* Anthropic takes letters, digits, '_' and '-' in ids and names; others are replaced, and what was
 * changed gets a hash behind it, so that two stay two. */
struct str messages_id(struct arena *a, struct str id);
struct str messages_tool_name(struct arena *a, struct str name);
/* The client's own name of the tool that was sent under `name`. */
struct str messages_tool_name_back(struct arena *a, const struct exchange_context *x,
                                   struct str name);
/* A signature of another family, as text of ours: "weir:gemini:CALL:SIGNATURE"; CALL is empty for a
 * thought's. Our own family's goes as it is. */
struct str messages_signature_text(struct arena *a, enum family f, struct str call,
                                   struct str signature);
/* The reverse. *ret_call absent: of a thought. */
enum family messages_signature_read(struct str text, struct str *ret_call,
                                    struct str *ret_signature);

/* ---- numbers and reasons ---- */

/* Anthropic's own counters, as read so far; later non-zero numbers replace earlier ones. */
struct messages_counts {
    bool found, input_found, output_found;
    uint64_t input, created, created_5m, created_1h, read;
    uint64_t output, thinking, searches;
};
void messages_counts_read(struct messages_counts *c, struct json_value usage);
/* The tier that served the request, in the words of most dialects; absent: none told. */
struct str messages_read_tier(struct arena *a, struct json_value usage);
struct usage messages_counts_usage(const struct messages_counts *c);
/* The `usage` object. */
void messages_write_usage(struct json_writer *w, const struct usage *u, struct str service_tier);
enum finish messages_finish_of(struct str stop_reason);
const char *messages_finish_name(enum finish f);

/* ---- answers ---- */
bool messages_read_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct chat_reply *ret, struct error *err);
bool messages_write_reply(const struct chat_reply *r, const struct exchange_context *x,
                          struct arena *a, struct buffer *out);

void *messages_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                           void *arg);
bool messages_decode_event(void *decoder, struct arena *scratch, struct str name, struct str data);
void messages_decode_end(void *decoder);

void *messages_encoder_new(const struct exchange_context *x, struct arena *a);
void *messages_encoder_new_aws(const struct exchange_context *x, struct arena *a);
bool messages_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out);

#endif
