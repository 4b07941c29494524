/* A row per face, and a row per operation; see dialect.h and table.h. */
#include "dataplane/dialects/table.h"

#include "dataplane/dialects/anthropic_error.h"
#include "dataplane/dialects/bedrock_error.h"
#include "dataplane/dialects/cohere_error.h"
#include "dataplane/dialects/gemini_error.h"
#include "dataplane/dialects/messages_codec.h"
#include "dataplane/dialects/openai_error.h"
#include "dataplane/dialects/openai_responses_error.h"

/* In the order in which they are tried, behind Weir's, Portkey's and Cloudflare's own headers. */
static const struct key_place openai_places[] = {
    {.header = "authorization", .bearer = true}, {.header = "api-key"}, /* Azure's SDKs */
};

static const struct key_place messages_places[] = {
    {.header = "x-api-key"},
    {.header = "authorization", .bearer = true},
};

static const struct key_place gemini_places[] = {
    {.header = "x-goog-api-key"},
    {.parameter = "key"},
    {.header = "authorization", .bearer = true},
};

static const struct key_place bedrock_places[] = {
    {.header = "authorization", .bearer = true},
    {.header = "authorization", .sigv4 = true},
};

static const struct key_place native_places[] = {
    {.header = "authorization", .bearer = true},
    {.header = "x-api-key"},
    {.header = "x-goog-api-key"},
    {.header = "api-key"},
    {.parameter = "key"},
    {.header = "authorization", .sigv4 = true},
};

#define PLACES(list) .key_places = (list), .n_key_places = sizeof(list) / sizeof((list)[0])

const struct dialect dialect_openai = {
    .name = "openai",
    .family = FAMILY_CHAT,
    PLACES(openai_places),
    .error_body = openai_error_body,
    .error_event = openai_error_event,
    .error_is_own = openai_error_is_own,
    .content_type = "application/json",
};

const struct dialect dialect_responses = {
    .name = "openai",
    .family = FAMILY_RESPONSES,
    PLACES(openai_places),
    .error_body = openai_error_body,
    .error_event = openai_responses_error_event,
    .error_is_own = openai_error_is_own,
    .content_type = "application/json",
};

const struct dialect dialect_messages = {
    .name = "anthropic",
    .family = FAMILY_MESSAGES,
    PLACES(messages_places),
    .error_body = anthropic_error_body,
    .error_event = anthropic_error_event,
    .error_status = anthropic_error_status,
    .error_is_own = anthropic_error_is_own,
    .content_type = "application/json",
};

const struct dialect dialect_gemini = {
    .name = "gemini",
    .family = FAMILY_GEMINI,
    PLACES(gemini_places),
    .error_body = gemini_error_body,
    .error_event = gemini_error_event,
    .error_status = gemini_error_status,
    .error_is_own = gemini_error_is_own,
    .content_type = "application/json",
};

const struct dialect dialect_bedrock = {
    .name = "bedrock",
    .family = FAMILY_CONVERSE,
    PLACES(bedrock_places),
    .error_body = bedrock_error_body,
    .error_event = bedrock_error_event,
    .error_status = bedrock_error_status,
    .error_header = "x-amzn-errortype",
    .error_header_value = bedrock_error_header_value,
    .error_is_own = bedrock_error_is_own,
    .content_type = "application/json",
};

const struct dialect dialect_cohere = {
    .name = "cohere",
    .family = FAMILY_COHERE,
    PLACES(openai_places),
    .error_body = cohere_error_body,
    .error_event = cohere_error_event,
    .error_is_own = cohere_error_is_own,
    .content_type = "application/json",
};

const struct dialect dialect_native = {
    .name = "native",
    .family = FAMILY_NONE,
    PLACES(native_places),
    .error_body = openai_error_body,
    .error_event = openai_error_event,
    .content_type = "application/json",
};

static const struct chat_codec *const chat_codecs[API_COUNT] = {
    [API_CHAT] = &openai_chat_codec,
    [API_RESPONSES] = &openai_responses_codec,
    [API_MESSAGES] = &messages_codec,
    [API_GENERATE] = &gemini_codec,
    [API_CONVERSE] = &converse_codec,
    [API_INVOKE_MESSAGES] = &invoke_messages_codec,
    [API_VERTEX_MESSAGES] = &vertex_messages_codec,
    [API_COHERE_CHAT] = &cohere_chat_codec,
    [API_OLLAMA_CHAT] = &ollama_chat_codec,
    [API_MESSAGES_COUNT] = &messages_count_request_codec,
    [API_GEMINI_COUNT] = &gemini_codec,
    [API_CONVERSE_COUNT] = &converse_codec,
};

static const struct embedding_codec *const embedding_codecs[API_COUNT] = {
    [API_EMBEDDINGS] = &openai_embedding_codec,
    [API_GEMINI_EMBED] = &gemini_embedding_codec,
    [API_VERTEX_EMBED] = &vertex_embedding_codec,
    [API_TITAN_EMBED] = &titan_embedding_codec,
    [API_BEDROCK_COHERE_EMBED] = &bedrock_cohere_embedding_codec,
    [API_COHERE_EMBED] = &cohere_embedding_codec,
    [API_OLLAMA_EMBED] = &ollama_embedding_codec,
};

static const struct rerank_codec *const rerank_codecs[API_COUNT] = {
    [API_RERANK] = &cohere_rerank_codec,
    [API_BEDROCK_RERANK] = &bedrock_cohere_rerank_codec,
};

static const struct count_codec *const count_codecs[API_COUNT] = {
    [API_MESSAGES_COUNT] = &messages_count_codec,
    [API_GEMINI_COUNT] = &gemini_count_codec,
    [API_CONVERSE_COUNT] = &converse_count_codec,
};

const struct chat_codec *dialect_chat_codec(enum provider_api api)
{
    return api < API_COUNT ? chat_codecs[api] : NULL;
}

const struct embedding_codec *dialect_embedding_codec(enum provider_api api)
{
    return api < API_COUNT ? embedding_codecs[api] : NULL;
}

const struct rerank_codec *dialect_rerank_codec(enum provider_api api)
{
    return api < API_COUNT ? rerank_codecs[api] : NULL;
}

const struct count_codec *dialect_count_codec(enum provider_api api)
{
    return api < API_COUNT ? count_codecs[api] : NULL;
}
