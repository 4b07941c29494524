/* A dialect: one way of speaking to models over HTTP. As a client's face: where its SDKs put the
 * key, how its requests read and how its answers and errors are written. As a provider's: how its
 * requests are written and its answers and errors read. One row of table.c each; defaults stand for
 * what a dialect does not have (NULL). Pure, any thread; all memory is the caller's arena or
 * buffer.
 *
 * Between any two stands the neutral form (canonical/), so there is never a file per pair. */
#ifndef DATAPLANE_DIALECTS_DIALECT_H
#define DATAPLANE_DIALECTS_DIALECT_H

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "dataplane/canonical/chat.h"
#include "dataplane/canonical/embedding.h"
#include "dataplane/canonical/provider_error.h"

/* Places where a key may stand, tried in order after Weir's own headers. */
struct key_place {
    const char *header;    /* "authorization"; NULL when it is a query parameter */
    bool bearer;           /* the value follows "Bearer " */
    bool sigv4;            /* the value is AWS SigV4's: the key is its access key id */
    const char *parameter; /* "key" (Gemini) */
};

/* How an answer's stream is framed on the wire. */
enum framing {
    FRAMING_NONE = 0, /* no stream: a JSON body */
    FRAMING_SSE,
    FRAMING_NDJSON,
    FRAMING_AWS,        /* application/vnd.amazon.eventstream */
    FRAMING_JSON_ARRAY, /* Gemini without alt=sse: one array, element by element */
    FRAMING_COUNT
};

/* What a request is and where it goes; read by decoders and encoders, filled by the request layer.
 */
struct exchange_context {
    struct str model;        /* the target's model name, as sent to the provider */
    struct str client_model; /* as the client named it */
    struct str request_id;   /* "req_…" */
    struct str unique; /* 32 hex digits of this request: for ids that a provider does not give */
    int64_t created;   /* Unix seconds of the request */
    bool stream;       /* of the request at hand */
    enum framing client_framing; /* how the client wants its stream (Gemini: SSE or JSON array) */
    uint64_t max_output;      /* tokens that the model can make, from the catalogue; 0 not known */
    struct str provider_kind; /* row of the provider table: "vertex" */
    unsigned quirks;          /* provider_quirk bits of that row (common/rules/provider.h) */
    struct losses *losses;    /* where encoders name what they drop */
    const struct chat_request
        *request; /* the request, for reply encoders that repeat it; may be NULL in pass-through */
};

/* What stands in a request besides its body. */
struct wire_request {
    struct str body;
    struct str model; /* from the path; absent: it is in the body */
    bool stream;      /* from the path (Gemini, Bedrock) */
    struct str (*header)(void *arg,
                         const char *name); /* of the client; STR_NONE when absent; may be NULL */
    void *arg;
};

/* Everything about an error that goes to the client. */
struct failure {
    const struct error *error;             /* Weir's own view: code, text, param, position */
    const struct provider_error *provider; /* NULL: Weir's own refusal */
    struct str request_id;
    int status; /* the status that goes out */
};

typedef void (*chunk_fn)(void *arg, const struct chunk *c);

/* Chat, both sides. Every function may be NULL where a dialect has no such side. Encoders append to
 * `out` and return false only when out of room or (with err) when the request cannot be expressed
 * at all.
 *
 * State of streams (`void *`) is allocated in the arena, of bounded size whatever the stream's
 * length; what must be collected (a tool's arguments where the dialect wants them whole) has a
 * ceiling. */
struct chat_codec {
    enum family family;
    enum framing framing; /* of its streams */

    /* The client's request. err: ERR_INVALID_JSON with position, or ERR_INVALID_FIELD with `param`
     * as a path
     * ("messages[2].content[0].type"). */
    bool (*decode_request)(const struct wire_request *w, struct arena *a, struct chat_request *ret,
                           struct error *err);
    /* The provider's request body. */
    bool (*encode_request)(const struct chat_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err);

    /* The provider's whole answer. */
    bool (*decode_reply)(struct str body, const struct exchange_context *x, struct arena *a,
                         struct chat_reply *ret, struct error *err);
    /* The client's whole answer. */
    bool (*encode_reply)(const struct chat_reply *r, const struct exchange_context *x,
                         struct arena *a, struct buffer *out);

    /* The provider's stream: events in, chunks out by emit (from inside decode_event). NULL: out of
     * room. */
    void *(*decoder_new)(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                         void *arg);
    /* One event: SSE `event` name (or AWS :event-type, "exception:NAME" for exceptions), and its
     * data. Scratch memory for one event may come from `scratch`, which the caller resets
     * afterwards. False: the event cannot be understood (not JSON): the caller ends the answer as
     * garbage. */
    bool (*decode_event)(void *decoder, struct arena *scratch, struct str name, struct str data);
    /* The bytes ended. Emits what is outstanding; emits END if this is how the dialect ends (no
     * terminator of its own, a finish was seen); else nothing, and the caller treats the answer as
     * cut. */
    void (*decode_end)(void *decoder);

    /* The client's stream: chunks in, framed bytes out. */
    void *(*encoder_new)(const struct exchange_context *x, struct arena *a);
    bool (*encode_chunk)(void *encoder, const struct chunk *c, struct buffer *out);
};

struct embedding_codec {
    bool (*decode_request)(const struct wire_request *w, struct arena *a,
                           struct embedding_request *ret, struct error *err);
    bool (*encode_request)(const struct embedding_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err);
    bool (*decode_reply)(struct str body, const struct exchange_context *x, struct arena *a,
                         struct embedding_reply *ret, struct error *err);
    bool (*encode_reply)(const struct embedding_reply *r, const struct embedding_request *q,
                         const struct exchange_context *x, struct arena *a, struct buffer *out);
    uint64_t max_inputs; /* per call; 0: no limit of its own */
};

struct rerank_codec {
    bool (*decode_request)(const struct wire_request *w, struct arena *a,
                           struct rerank_request *ret, struct error *err);
    bool (*encode_request)(const struct rerank_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err);
    bool (*decode_reply)(struct str body, const struct exchange_context *x, struct arena *a,
                         struct rerank_reply *ret, struct error *err);
    bool (*encode_reply)(const struct rerank_reply *r, const struct rerank_request *q,
                         const struct exchange_context *x, struct arena *a, struct buffer *out);
};

/* Token counting: the request is the dialect's chat request. */
struct count_codec {
    bool (*encode_request)(const struct chat_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out,
                           struct error *err); /* NULL: as chat's */
    bool (*decode_reply)(struct str body, uint64_t *ret_tokens, struct error *err);
    bool (*encode_reply)(uint64_t tokens, struct arena *a, struct buffer *out);
};

/* The client's face. */
struct dialect {
    const char *name; /* as events say it: "openai", "anthropic", "gemini", "bedrock" */
    enum family family;
    const struct key_place *key_places;
    size_t n_key_places;
    /* The whole body of an error answer, in the arena; a fixed text when the arena is out of room
     * (a may be NULL). With f->provider, the original stands under `weir.provider_error`, beside
     * `weir.provider`, `weir.status`. */
    struct str (*error_body)(struct arena *a, const struct failure *f);
    /* The bytes that end a stream visibly broken, in `framing`. */
    struct str (*error_event)(struct arena *a, const struct failure *f, enum framing framing);
    /* The status that its SDKs expect for this class, where it differs from failure_status; NULL:
     * failure_status. */
    int (*error_status)(const struct failure *f);
    /* A header that tells the error's type (Bedrock's x-amzn-errortype); NULL: none. */
    const char *error_header;
    struct str (*error_header_value)(const struct failure *f);
    /* True when a provider's error body already has this dialect's own shape, so that it may pass
     * as it is. */
    bool (*error_is_own)(struct str body);
    const char *content_type; /* of error_body */
};

extern const struct dialect
    dialect_openai; /* /v1/chat/completions, /v1/responses, /v1/embeddings, Azure's paths */
extern const struct dialect
    dialect_responses; /* /v1/responses: its streams break off in their own way */
extern const struct dialect dialect_messages; /* /v1/messages */
extern const struct dialect dialect_gemini;
extern const struct dialect dialect_bedrock;
extern const struct dialect
    dialect_cohere; /* /v2/rerank, /v2/embed: Cohere's own error shape {"message":…} */
extern const struct dialect
    dialect_native; /* /{provider}/…: keys wherever an SDK puts them, errors as OpenAI's */

/* The codecs, one file or two each. */
extern const struct chat_codec openai_chat_codec, openai_responses_codec, messages_codec,
    vertex_messages_codec /* anthropic_version vertex-2023-10-16 in the body, no model */,
    invoke_messages_codec /* anthropic_version bedrock-2023-05-31; stream framed by AWS chunks whose
                             payload is one event: its decode_event gets the decoded inner JSON,
                             name empty */
    ,
    gemini_codec, converse_codec, cohere_chat_codec, ollama_chat_codec;
extern const struct embedding_codec openai_embedding_codec,
    gemini_embedding_codec, /* batchEmbedContents, embedContent by `single` */
    vertex_embedding_codec, /* :predict */
    titan_embedding_codec, bedrock_cohere_embedding_codec, cohere_embedding_codec,
    ollama_embedding_codec;
extern const struct rerank_codec
    cohere_rerank_codec, /* also Jina's, Voyage's differences by quirk */
    bedrock_cohere_rerank_codec;
extern const struct count_codec messages_count_codec, gemini_count_codec, converse_count_codec;

#endif
