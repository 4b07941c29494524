/* The table of providers: one row each, data and no code. A provider object (API, weir.yaml) names
 * its row by `kind`; what the row leaves open (base URL, region, project …) the object brings
 * along. A user's own provider is a row too: kind `custom`, with the fields of provider_settings.
 * Rows are in provider_table.c. Pure, any thread. */
#ifndef COMMON_RULES_PROVIDER_H
#define COMMON_RULES_PROVIDER_H

#include "common/base/arena.h"
#include "common/base/error.h"

/* An operation of a provider, in one dialect. The names are what `endpoint:` of a target says. */
enum provider_api {
    API_NONE = 0,
    API_CHAT,                 /* "chat": OpenAI chat completions */
    API_RESPONSES,            /* "responses" */
    API_MESSAGES,             /* "messages": Anthropic */
    API_GENERATE,             /* "generate": Gemini generateContent, streamGenerateContent */
    API_CONVERSE,             /* "converse": Bedrock */
    API_INVOKE_MESSAGES,      /* "invoke": Bedrock InvokeModel with Anthropic's body */
    API_VERTEX_MESSAGES,      /* "rawpredict": Vertex's Anthropic publisher */
    API_COHERE_CHAT,          /* "cohere_chat": /v2/chat */
    API_OLLAMA_CHAT,          /* "ollama_chat": /api/chat */
    API_EMBEDDINGS,           /* "embeddings": OpenAI's */
    API_GEMINI_EMBED,         /* "embed_content": batchEmbedContents, embedContent */
    API_VERTEX_EMBED,         /* "predict" */
    API_TITAN_EMBED,          /* "titan_embed": InvokeModel */
    API_BEDROCK_COHERE_EMBED, /* "bedrock_cohere_embed": InvokeModel */
    API_COHERE_EMBED,         /* "embed": /v2/embed */
    API_OLLAMA_EMBED,         /* "ollama_embed": /api/embed */
    API_RERANK,               /* "rerank": Cohere v2's, Jina's */
    API_BEDROCK_RERANK,       /* "bedrock_rerank": InvokeModel with cohere.rerank, amazon.rerank */
    API_MESSAGES_COUNT,       /* "count_tokens" */
    API_GEMINI_COUNT,         /* "gemini_count" */
    API_CONVERSE_COUNT,       /* "converse_count" */
    API_COUNT
};

/* What a request wants, whatever the dialect. */
enum api_kind {
    API_KIND_NONE = 0,
    API_KIND_CHAT,
    API_KIND_EMBED,
    API_KIND_RERANK,
    API_KIND_COUNT_TOKENS
};

enum provider_auth {
    AUTH_BEARER = 0, /* Authorization: Bearer KEY */
    AUTH_HEADER,     /* auth_name: KEY */
    AUTH_QUERY,      /* ?auth_name=KEY */
    AUTH_SIGV4,      /* AWS; a bearer API key where api_key is given */
    AUTH_GOOGLE, /* access token: given, or from a service account; x-goog-api-key where api_key is
                    given */
    AUTH_AZURE,  /* api-key header, or an Entra token from client credentials */
    AUTH_NONE,
    AUTH_COUNT
};

enum provider_quirk {
    QUIRK_NO_STREAM_OPTIONS = 1 << 0, /* refuses stream_options */
    QUIRK_CONTENT_STRING = 1 << 1,    /* message content must be a string */
    QUIRK_SYSTEM_ROLE = 1 << 2,       /* `developer` is not known: send `system` */
    QUIRK_REASONING_CONTENT = 1 << 3, /* thoughts come as reasoning_content */
    QUIRK_NO_DONE = 1 << 4,           /* streams may end without [DONE] */
    QUIRK_NO_JSON_SCHEMA = 1 << 5,    /* response_format json_object only */
    QUIRK_VOYAGE = 1 << 6, /* rerank: top_k instead of top_n, `data` instead of `results` */
    QUIRK_ADD_V1 = 1 << 7, /* self-hosted: a base URL without a path gets /v1 */
    QUIRK_TOOL_CHOICE_ANY = 1 << 8, /* Mistral: `any` for `required` */
    QUIRK_MAX_COMPLETION =
        1 << 9, /* max_tokens goes as max_completion_tokens (newer OpenAI models) */
    QUIRK_MESSAGES_DOWN = 1 << 10, /* reserved */
};

struct provider_endpoint {
    enum provider_api api;
    /* Path behind the base URL. "{model}" and settings ("{project}", "{location}",
     * "{api_version}") are filled in by provider_fill, percent-encoded; a query may follow '?'.
     * Verbs are written out, except where one row serves two: "{verb}" of API_GEMINI_EMBED
     * (batchEmbedContents, embedContent). */
    const char *path;
    const char *stream_path; /* when it differs (Gemini's, Bedrock's); NULL: path */
    /* Blank-separated patterns of target models that this endpoint serves, "!pattern" for those
     * that it does not; NULL: all. The first endpoint of the wanted kind that matches counts. */
    const char *models;
};

struct provider_row {
    const char *name;     /* "openai": the kind */
    const char *aliases;  /* blank-separated other names (Portkey's, Cloudflare's, LiteLLM's) */
    const char *title;    /* "OpenAI" */
    const char *base_url; /* "" must be given; "{region}" and other settings are filled in */
    enum provider_auth auth;
    const char *auth_name; /* of AUTH_HEADER, AUTH_QUERY */
    const struct provider_endpoint *endpoints;
    size_t n_endpoints; /* in order of preference within a kind */
    /* Blank-separated: "max_completion_tokens=max_tokens" renames, "-logit_bias" leaves out,
     * "temperature<=1" clamps: for bodies in OpenAI's chat dialect. NULL: none */
    const char *params;
    const char *headers; /* "name: value" lines that every request gets, LF between; NULL: none */
    unsigned quirks;
    const char *catalogue; /* blank-separated ids of this provider in the catalogue; NULL: name */
    const char *docs;      /* where it is documented */
    /* The row that counts instead when the setting `api_version` is a date (Azure's older paths);
     * NULL: none. See provider_row_at. */
    const struct provider_row *dated;
};

/* Settings that a provider object may hold besides name, kind, base_url, api_key, timeout. One
 * table for API, weir.yaml and docs. */
struct provider_setting {
    const char *name;
    bool secret; /* goes into the sealed credential, never shown */
    bool object; /* a JSON object (headers, rename_params) or array (drop_params); else a text */
    const char *kinds; /* blank-separated rows that know it; NULL: all */
    const char *about;
    const char *fallback; /* value where none is given; NULL: none */
};

const struct provider_row *provider_row_named(struct str kind_or_alias); /* any case; NULL: none */
/* The row itself, or its `dated` one when api_version is a date ("2024-10-21", "…-preview"). */
const struct provider_row *provider_row_at(const struct provider_row *row, struct str api_version);
const struct provider_row *provider_rows(size_t *ret_n);
const struct provider_setting *provider_settings(size_t *ret_n);
const struct provider_setting *provider_setting_named(struct str name);
/* True when rows of this kind know the setting. */
bool provider_setting_applies(const struct provider_setting *setting,
                              const struct provider_row *row);
/* Value of a setting by name; NULL ptr: not given. */
typedef struct str (*provider_get_fn)(void *arg, struct str name);
/* What a provider object of this kind must bring and does not: "base_url" or a setting's name, as a
 * static text; NULL: nothing. */
const char *provider_missing(const struct provider_row *row, struct str base_url,
                             provider_get_fn get, void *arg);

const char *provider_api_name(enum provider_api api);
enum provider_api provider_api_named(struct str name); /* API_NONE: unknown */
enum api_kind provider_api_kind(enum provider_api api);
const char *provider_auth_name(enum provider_auth auth);

/* The endpoint of a row that serves `model` for `kind`: `wanted` (of the client: pass-through) if
 * it has it, else the first; `forced` (a target's endpoint:, API_NONE: not said) beats both. NULL:
 * the provider cannot do this. */
const struct provider_endpoint *provider_endpoint_for(const struct provider_row *row,
                                                      enum api_kind kind, enum provider_api wanted,
                                                      enum provider_api forced, struct str model);

/* base path + endpoint path as one, so that a base URL may or may not repeat what the path begins
 * with: "/v1" + "/v1/messages" is
 * "/v1/messages", "/v1beta" + "/v1/models/x" is "/v1beta/models/x" (a version in the base wins),
 * "/openai" + "/openai/v1/x" is
 * "/openai/v1/x". In the arena; NULL ptr when out of room. */
struct str provider_path_join(struct arena *a, struct str base_path, struct str path);

/* The setting `dialect` of a custom provider as endpoints in their usual places: names of
 * operations
 * ("chat messages"), or of whole dialects ("openai", "anthropic", "gemini", "bedrock", "cohere",
 * "ollama"), blank- or comma-separated; embeddings and rerank come with chat. At most API_COUNT are
 * written; 0: *ret_unknown is the word that means nothing (or the list is empty). */
size_t provider_dialect_endpoints(struct str dialect,
                                  struct provider_endpoint ret[static API_COUNT],
                                  struct str *ret_unknown);
/* The setting `auth` of a custom provider: "bearer", "none", "header:NAME", "query:NAME". */
bool provider_auth_parse(struct str text, enum provider_auth *ret_auth, struct str *ret_name);

/* Whether a setting may bring a header field of that name: a name as HTTP has it, and none that
 * says how a message is framed or where it goes, which is Weir's business alone on connections that
 * others use too. */
bool provider_header_ok(struct str name);

/* A template with its "{names}" filled in by `get` (a setting's fallback where that gives nothing),
 * each percent-encoded as one path segment ("/" becomes %2F); "{model}" and "{verb}" from the
 * arguments. In a host, "{location}-" with the location "global" is left out whole. NULL ptr: out
 * of room, or a name without a value (*ret_missing names it, a static text or a part of
 * `template`).
 */
struct str provider_fill(struct arena *a, struct str template, struct str model, struct str verb,
                         provider_get_fn get, void *arg, struct str *ret_missing);

/* Which endpoint of the row a native call goes to, by the path behind the base URL (no query) and
 * the row's own paths; NULL: none. *ret_model gets the still encoded model of the path, NULL ptr
 * when the path names none. */
const struct provider_endpoint *provider_endpoint_at(const struct provider_row *row,
                                                     struct str path, bool *ret_stream,
                                                     struct str *ret_model);

/* Credential texts: a plain API key, or a JSON object of named secrets (starts with '{'). Several
 * API keys of one provider are the list "api_keys" in it (beside "api_key", which comes first). */
#define PROVIDER_KEYS_MAX 100
#endif
