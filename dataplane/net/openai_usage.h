/* What an OpenAI-shaped answer says of itself: token counts, the model that answered, why it
 * stopped. Read beside the bytes, never instead of them, in two ways: from a JSON body that comes
 * in any pieces, and from the data of each event of a stream.
 *
 * Everything is read by structure, so text inside a message that looks like a usage object counts
 * for nothing. The names are chat completions'; embeddings and old completions share those that
 * they have. */
#ifndef DATAPLANE_NET_OPENAI_USAGE_H
#define DATAPLANE_NET_OPENAI_USAGE_H

#include "common/json.h"

#define OPENAI_TEXT_MAX 128
#define OPENAI_USAGE_MAX_BYTES 2048 /* a usage object past that is not read */

struct openai_count {
    uint64_t value;
    bool found; /* a whole number, 0 or more, was given */
};

/* Zero-initialise. Texts are copies, cut at OPENAI_TEXT_MAX bytes between characters; empty when
 * not found. */
struct openai_usage {
    bool found;                        /* a usage object with at least one of the three totals */
    struct openai_count prompt_tokens; /* cached ones included */
    struct openai_count completion_tokens; /* reasoning included */
    struct openai_count total_tokens;
    struct openai_count cached_tokens;    /* prompt_tokens_details */
    struct openai_count audio_in_tokens;  /* prompt_tokens_details.audio_tokens */
    struct openai_count audio_out_tokens; /* completion_tokens_details.audio_tokens */
    struct openai_count reasoning_tokens; /* completion_tokens_details */
    size_t raw_len, model_len, id_len, finish_reason_len, service_tier_len;
    char raw[OPENAI_USAGE_MAX_BYTES]; /* the usage object as it stands there; raw_len 0: none, or
                                         too long */
    char model[OPENAI_TEXT_MAX];
    char id[OPENAI_TEXT_MAX];
    char finish_reason[OPENAI_TEXT_MAX]; /* of the first choice that gives one */
    char service_tier[OPENAI_TEXT_MAX];  /* as it was served; the last that was said */
};

struct str openai_usage_model(const struct openai_usage *u);
struct str openai_usage_id(const struct openai_usage *u);
struct str openai_usage_finish_reason(const struct openai_usage *u);
struct str openai_usage_service_tier(const struct openai_usage *u);

/* A usage object's counts. False (and *u untouched) when `object` is none or holds no total; else
 * the counts replace those of before. */
bool openai_usage_object(struct json_value object, struct openai_usage *u);

/* Copies a string value's decoded text, cut as said above. Untouched outputs when it is no string,
 * or an empty one. */
void openai_text_copy(struct json_value v, char buf[OPENAI_TEXT_MAX], size_t *ret_len);

enum openai_chunk {
    OPENAI_CHUNK_OTHER = 0, /* not a JSON object: nothing was read */
    OPENAI_CHUNK_DONE,      /* [DONE] */
    OPENAI_CHUNK_CONTENT,   /* anything else; its usage, if any, was read */
    OPENAI_CHUNK_USAGE, /* usage with `choices` empty: what stream_options.include_usage adds, and
                         * all that may be hidden from a client who did not ask for it */
    OPENAI_CHUNK_ERROR, /* `error` holds an object or a text: the provider failed within its answer
                         */
};

/* Reads the data of one event into *u: usage replaces what an earlier chunk said (null and absent
 * do not), model and id stay as first found, finish_reason as last found. */
enum openai_chunk openai_usage_chunk(struct str data, struct openai_usage *u);

/* Reader of a body in pieces. A fixed size, whatever the body's: it follows the nesting and copies
 * only the values that it looks for. Of a member that comes twice the last counts, as with the
 * usual JSON parsers. The body is not checked to be JSON otherwise; a broken one yields nothing
 * behind the break. Fields are private. */
struct openai_reader {
    struct openai_usage *usage;
    unsigned depth;
    unsigned char state, field, choices;
    bool in_string, escape, capture_full;
    char name[96]; /* the member's name as written */
    unsigned name_len;
    char capture[OPENAI_USAGE_MAX_BYTES]; /* the value that is being copied */
    unsigned capture_len;
};

/* *u must be zeroed, and outlive the reader; it fills as the members come by. Nothing to release.
 */
void openai_reader_init(struct openai_reader *r, struct openai_usage *u);
void openai_reader_feed(struct openai_reader *r, struct str piece);
/* The same for a body that lies in one piece. True when usage was found. */
bool openai_usage_body(struct str body, struct openai_usage *u);

#endif
