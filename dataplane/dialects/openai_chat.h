/* OpenAI's chat completions, read by spans and passed on by splicing: only the model name changes,
 * and stream_options.include_usage is asked for when a streaming client did not. Every other byte
 * stays as it was sent. */
#ifndef DATAPLANE_DIALECTS_OPENAI_CHAT_H
#define DATAPLANE_DIALECTS_OPENAI_CHAT_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/json.h"

struct openai_chat {
    struct str model; /* decoded, in the arena or in the body */
    bool stream;
    bool usage_asked; /* by the client itself */
    struct json_value model_value;
    bool has_options; /* stream_options stands there, object or null */
    struct json_value options, include_usage;
    bool has_include_usage;
    bool has_metadata;          /* an object of that name stands there */
    struct json_value end_user; /* "safety_identifier", else "user"; JSON_NULL type 0: none */
};

/* One scan. False: ERR_INVALID_JSON with the position, or ERR_INVALID_FIELD with `param` ("model",
 * "stream"). */
bool openai_chat_read(struct str body, struct arena *a, struct openai_chat *ret, struct error *err);

/* The same body for `model`, as pieces that follow each other: spans of the client's bytes and what
 * is put between them. The caller copies all but the last one in front of it. */
#define OPENAI_CHAT_PIECES 6
struct openai_chat_body {
    struct str pieces[OPENAI_CHAT_PIECES];
    size_t n;         /* at least 1; the last one is the untouched rest of the client's bytes */
    size_t len_bytes; /* of all */
    bool usage_added; /* the answer will hold usage that the client did not ask for */
};

/* model: any text; it is escaped where JSON wants it. False when the arena is out of room. */
bool openai_chat_write(struct str body, const struct openai_chat *c, struct str model,
                       struct arena *a, struct openai_chat_body *ret);

#endif
