/* The neutral form of a chat: what stands between any two dialects. A request, a whole answer, and
 * an answer in chunks; each dialect turns its own form into this one and back, and none knows
 * another. Plain values in one arena; texts are decoded UTF-8 (never JSON-escaped), `raw` values
 * are valid JSON as the client or provider wrote it. An absent text has a NULL ptr. Pure, any
 * thread.
 *
 * Numbers that are only handed on (temperature, penalties) stay JSON number text, so that none is
 * ever rounded.
 *
 * What a target cannot carry is named in `struct losses`, by the field that the client wrote. */
#ifndef DATAPLANE_CANONICAL_CHAT_H
#define DATAPLANE_CANONICAL_CHAT_H

#include "common/base/arena.h"
#include "dataplane/canonical/usage.h"

/* Who understands a raw, untranslated piece: all forms of one family share their vocabulary. */
enum family {
    FAMILY_NONE = 0,
    FAMILY_CHAT,      /* OpenAI chat completions, Azure and all compatible */
    FAMILY_RESPONSES, /* OpenAI responses */
    FAMILY_MESSAGES,  /* Anthropic, also at Vertex and in Bedrock's InvokeModel */
    FAMILY_GEMINI,    /* Gemini and Vertex */
    FAMILY_CONVERSE,  /* Bedrock Converse */
    FAMILY_COHERE,
    FAMILY_OLLAMA,
    FAMILY_COUNT
};

enum chat_role {
    ROLE_SYSTEM = 0,
    ROLE_DEVELOPER,
    ROLE_USER,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_COUNT
};

enum part_type {
    PART_TEXT = 0,
    PART_REFUSAL, /* text: the model's words in refusing */
    PART_IMAGE,
    PART_AUDIO,
    PART_VIDEO,
    PART_DOCUMENT,
    PART_TOOL_CALL,         /* id, name, arguments */
    PART_TOOL_RESULT,       /* id, name when known, parts, is_error; stands in ROLE_TOOL only */
    PART_THINKING,          /* text, signature */
    PART_REDACTED_THINKING, /* signature holds the opaque data */
    PART_NATIVE,            /* raw JSON that only `family` understands (built-in tools' traffic) */
    PART_TYPE_COUNT
};

enum cache_mark { CACHE_NONE = 0, CACHE_5M, CACHE_1H };

/* An image, sound, film or document: exactly one of url, data, text and file_id is there. */
struct media {
    struct str url;
    struct str data;       /* base64 text, standard alphabet, as it came */
    struct str text;       /* a plain-text document's own text */
    struct str file_id;    /* the provider's file */
    struct str media_type; /* "image/png"; absent when not known (URLs) */
    struct str name;       /* file name or title */
    struct str format;     /* audio: "wav", "mp3" … where the dialect says no media type */
    struct str detail;     /* image: "low", "high", "auto" */
    struct str context;    /* document: Anthropic's `context` */
    bool citations;        /* document: citations are wanted */
};

struct citation {
    struct str url, title, cited_text;
    struct str source; /* id or name of the document */
    int64_t start,
        end;          /* in the text of the part that it belongs to, in characters; -1: not known */
    int64_t document; /* index of the document among those sent; -1: none */
    int64_t page_start, page_end; /* -1: none */
    struct str raw;               /* as the provider wrote it; `family` understands it */
    enum family family;
};

struct part {
    enum part_type type;
    enum cache_mark cache;
    bool is_error;       /* tool result */
    struct str text;     /* text, refusal, thinking; audio: its transcript */
    struct str id, name; /* tool call or result */
    struct str
        arguments; /* tool call: one JSON object (never empty: "{}"); else see part_arguments */
    struct str
        signature; /* thinking, tool call or text: the provider's opaque proof, handed back as is */
    enum family signature_family; /* who made the signature; only it gets it back */
    struct media media;
    struct part *parts; /* tool result: text, images, documents */
    size_t n_parts;
    struct str raw; /* native */
    enum family family;
    struct citation *citations;
    size_t n_citations;
};

struct message {
    enum chat_role role;
    struct str name; /* of the participant */
    struct part *parts;
    size_t n_parts;
};

struct tool {
    bool builtin; /* raw, of `family`: a tool that the provider runs */
    enum family family;
    struct str name, description;
    struct str parameters; /* raw JSON schema; absent: none given */
    int strict;            /* -1 not said, 0, 1 */
    enum cache_mark cache;
    struct str raw; /* builtin or freeform: the whole tool as written */
    bool freeform;  /* OpenAI's custom tool: parameters hold one text, `input` */
};

enum tool_choice { CHOICE_UNSET = 0, CHOICE_AUTO, CHOICE_NONE, CHOICE_REQUIRED, CHOICE_NAMED };

enum output_format { OUTPUT_UNSET = 0, OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_SCHEMA };

enum effort {
    EFFORT_UNSET = 0,
    EFFORT_NONE, /* thinking switched off */
    EFFORT_MINIMAL,
    EFFORT_LOW,
    EFFORT_MEDIUM,
    EFFORT_HIGH,
    EFFORT_XHIGH,
    EFFORT_MAX,
    EFFORT_COUNT
};

struct reasoning {
    enum effort effort;
    int64_t budget; /* tokens; -1 not said, and "dynamic" where the dialect has it is EFFORT_UNSET
                       with adaptive */
    bool adaptive;  /* the model decides */
    int include;    /* thoughts in the answer: -1 not said, 0, 1 */
    struct str summary; /* "auto", "concise", "detailed" */
};

/* Fields that some dialect may lack: one number each, so that an encoder can say what it drops and
 * the client reads it under its own name (chat_field_name). */
enum chat_field {
    FIELD_TEMPERATURE = 0,
    FIELD_TOP_P,
    FIELD_TOP_K,
    FIELD_MIN_P,
    FIELD_FREQUENCY_PENALTY,
    FIELD_PRESENCE_PENALTY,
    FIELD_REPETITION_PENALTY,
    FIELD_SEED,
    FIELD_STOP,
    FIELD_N,
    FIELD_LOGPROBS,
    FIELD_TOP_LOGPROBS,
    FIELD_LOGIT_BIAS,
    FIELD_MAX_TOKENS,
    FIELD_USER,
    FIELD_METADATA,
    FIELD_STORE,
    FIELD_SERVICE_TIER,
    FIELD_PARALLEL_TOOL_CALLS,
    FIELD_TOOLS, /* a built-in tool of another family */
    FIELD_TOOL_CHOICE,
    FIELD_TOOL_STRICT,
    FIELD_RESPONSE_FORMAT,
    FIELD_REASONING,
    FIELD_THINKING, /* thinking parts in the history */
    FIELD_MODALITIES,
    FIELD_AUDIO, /* audio in the history, or the wanted voice */
    FIELD_IMAGE,
    FIELD_VIDEO,
    FIELD_DOCUMENT,
    FIELD_CONTENT, /* a native part of another family */
    FIELD_CACHE_CONTROL,
    FIELD_CITATIONS,
    FIELD_PREDICTION,
    FIELD_VERBOSITY,
    FIELD_WEB_SEARCH,
    FIELD_SAFETY,
    FIELD_NAME, /* a participant's name */
    FIELD_CACHED_CONTENT,
    FIELD_COUNT
};

#define LOSSES_MAX 32
/* Names of what is not carried, each once, in the order of finding. */
struct losses {
    struct str names[LOSSES_MAX];
    unsigned n;
    uint64_t seen; /* bit per chat_field */
};

/* A member of the client's body that the neutral form has no place for. */
struct extra {
    struct str name; /* decoded; a path with dots for nested ones ("generationConfig.foo") */
    struct str raw;
};

struct chat_request {
    enum family family; /* of the client: whose extras and native parts these are */
    struct str model;   /* as the client named it */
    bool stream;
    bool stream_usage; /* the client wants usage in the stream (always true but for chat
                          completions) */
    struct message *messages;
    size_t n_messages;
    struct tool *tools;
    size_t n_tools;
    enum tool_choice tool_choice;
    struct str tool_choice_name;
    int parallel_tool_calls; /* -1, 0, 1 */
    enum output_format output;
    struct str schema, schema_name, schema_description; /* raw; texts */
    int schema_strict;                                  /* -1, 0, 1 */
    struct str temperature, top_p, top_k, min_p;        /* JSON number texts */
    struct str frequency_penalty, presence_penalty, repetition_penalty, seed;
    uint64_t max_tokens; /* 0: not said */
    uint64_t n;          /* 0: not said */
    struct str *stop;
    size_t n_stop;
    int logprobs;          /* -1, 0, 1 */
    int64_t top_logprobs;  /* -1: not said */
    struct str logit_bias; /* raw */
    struct str user;
    struct str metadata; /* raw object */
    int store;           /* -1, 0, 1 */
    struct str service_tier, verbosity;
    struct reasoning reasoning;
    bool wants_audio, wants_image; /* modalities besides text */
    bool modalities_given;
    struct str audio_voice, audio_format;
    struct str prediction, web_search, safety; /* raw, of `family` */
    struct str cached_content;                 /* Gemini's */
    struct extra *extras;
    size_t n_extras;
    struct str betas; /* Anthropic's beta features, as its header lists them: "a,b" */
};

enum finish {
    FINISH_NONE = 0,
    FINISH_STOP,
    FINISH_STOP_SEQUENCE,
    FINISH_LENGTH,
    FINISH_TOOL_CALLS,
    FINISH_CONTENT_FILTER, /* stopped by the provider's safety system */
    FINISH_REFUSAL,        /* the model refused */
    FINISH_PAUSE,          /* Anthropic's pause_turn */
    FINISH_CONTEXT,        /* the context window is full */
    FINISH_MALFORMED,      /* a broken tool call or the like */
    FINISH_OTHER,
    FINISH_COUNT
};

struct chat_choice {
    unsigned index;
    struct part *parts; /* in order; tool calls among them */
    size_t n_parts;
    enum finish finish;
    struct str finish_raw;    /* as the provider wrote it */
    struct str stop_sequence; /* which one */
    struct str logprobs;      /* raw, in chat completions' form {"content":[…],"refusal":…} */
    struct str safety;        /* raw, Gemini's safetyRatings */
};

/* A whole answer. */
struct chat_reply {
    struct str id;               /* the provider's; absent: it gives none */
    struct str model;            /* as the provider names it */
    int64_t created;             /* seconds; 0 not said */
    struct chat_choice *choices; /* at least one, unless blocked */
    size_t n_choices;
    struct usage usage;
    struct str service_tier, system_fingerprint;
    bool blocked;            /* the prompt itself was refused: no choices */
    struct str block_reason; /* raw word: "SAFETY" */
};

/* An answer in chunks. The grammar: START once and first; then any of the others; FINISH once per
 * choice; USAGE any number of times, the last one counts for what it has found; END once and last,
 * only if the answer came to its own end. An ERROR ends it too. Tool calls are numbered from 0
 * within their choice, TOOL_BEGIN comes before its ARGUMENTS, and fragments of several calls may
 * interleave. All texts are valid during the call only. */
enum chunk_type {
    CHUNK_START = 0,      /* id, model, created; usage where already known */
    CHUNK_TEXT,           /* text */
    CHUNK_REFUSAL,        /* text */
    CHUNK_THINKING,       /* text */
    CHUNK_SIGNATURE,      /* text: of the thinking (tool < 0) or of tool call `tool`; family */
    CHUNK_REDACTED,       /* text: opaque data; family */
    CHUNK_TOOL_BEGIN,     /* tool, id (absent: make one), name */
    CHUNK_TOOL_ARGUMENTS, /* tool, text: a fragment of the JSON text */
    CHUNK_TOOL_END,       /* tool; optional */
    CHUNK_BREAK,          /* the content block at hand has ended; optional */
    CHUNK_MEDIA,          /* part: a whole image, sound or native part */
    CHUNK_AUDIO,          /* id, text (transcript fragment), audio (base64 fragment) */
    CHUNK_CITATION,       /* citation: belongs to the text at hand */
    CHUNK_LOGPROBS,       /* raw, in chat completions' form, for the text just given */
    CHUNK_FINISH,         /* finish, text: the provider's word, stop_sequence */
    CHUNK_USAGE,          /* usage */
    CHUNK_PING,           /* a sign of life */
    CHUNK_ERROR,          /* error: the provider failed within its answer */
    CHUNK_END,
    CHUNK_TYPE_COUNT
};

struct provider_error;

struct chunk {
    enum chunk_type type;
    unsigned choice;
    int tool; /* -1: none */
    struct str id, name, model, text, raw, audio, stop_sequence, service_tier, system_fingerprint;
    int64_t created;
    enum family family;
    enum finish finish;
    const struct usage *usage;
    const struct part *part;
    const struct citation *citation;
    const struct provider_error *error;
};

/* ---- names ---- */
const char *family_name(enum family f); /* "chat", "messages", … */
const char *effort_name(enum effort e); /* "low"; "" for unset */
enum effort effort_of(struct str name); /* EFFORT_UNSET for an unknown word */
/* Tokens of thinking that an effort stands for, and back: minimal/low 1024, medium 4096, high
 * 16384, xhigh 24576, max 32768 (Anthropic's floor is 1024). */
int64_t effort_budget(enum effort e);
enum effort effort_of_budget(int64_t budget);
/* The name that a client of this family knows the field by ("max_tokens", "generationConfig.topK").
 */
const char *chat_field_name(enum family f, enum chat_field field);

/* ---- losses ---- */
/* Both keep each name once and drop what is past LOSSES_MAX (the last name is then "…"). */
void losses_add(struct losses *l, enum family client, enum chat_field field);
void losses_add_name(struct losses *l, struct str name); /* the text must outlive l */
/* "a, b, c" in the arena, with bytes that a header must not hold left out; NULL ptr when none. */
struct str losses_text(const struct losses *l, struct arena *a);

/* ---- building ---- */
/* Growing lists in an arena: doubles its room; NULL when out of room. Start with n = cap = 0. */
struct part *part_add(struct arena *a, struct part **parts, size_t *n, size_t *cap);
struct message *message_add(struct arena *a, struct message **list, size_t *n, size_t *cap);
/* The last message if it has this role, else a new one. */
struct tool *tool_add(struct arena *a, struct tool **list, size_t *n, size_t *cap);
bool extra_add(struct arena *a, struct chat_request *q, size_t *cap, struct str name,
               struct str raw);

#endif
