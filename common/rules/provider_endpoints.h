/* Lists of endpoints that rows of provider_table.c share; included by provider_table*.c only. Paths
 * stand behind the base URL, which holds the version for everything that speaks like OpenAI. */
#ifndef COMMON_RULES_PROVIDER_ENDPOINTS_H
#define COMMON_RULES_PROVIDER_ENDPOINTS_H

#include "common/rules/provider.h"

/* clang-format off */
static const struct provider_endpoint chat_only[] = {
    {API_CHAT, "/chat/completions", NULL, NULL},
};
static const struct provider_endpoint chat_embed[] = {
    {API_CHAT, "/chat/completions", NULL, NULL},
    {API_EMBEDDINGS, "/embeddings", NULL, NULL},
};
static const struct provider_endpoint chat_embed_rerank[] = {
    {API_CHAT, "/chat/completions", NULL, NULL},
    {API_EMBEDDINGS, "/embeddings", NULL, NULL},
    {API_RERANK, "/rerank", NULL, NULL},
};
static const struct provider_endpoint chat_responses[] = {
    {API_CHAT, "/chat/completions", NULL, NULL},
    {API_RESPONSES, "/responses", NULL, NULL},
};
static const struct provider_endpoint chat_responses_embed[] = {
    {API_CHAT, "/chat/completions", NULL, NULL},
    {API_RESPONSES, "/responses", NULL, NULL},
    {API_EMBEDDINGS, "/embeddings", NULL, NULL},
};
/* gateways and servers that speak Anthropic's dialect beside OpenAI's, under the same version */
static const struct provider_endpoint chat_responses_messages_embed[] = {
    {API_CHAT, "/chat/completions", NULL, NULL},
    {API_RESPONSES, "/responses", NULL, NULL},
    {API_MESSAGES, "/messages", NULL, NULL},
    {API_EMBEDDINGS, "/embeddings", NULL, NULL},
};
/* What one runs oneself may be too old for these: only when a target says `endpoint:`. */
#define ON_DEMAND "!*"
static const struct provider_endpoint self_hosted[] = {
    {API_CHAT, "/chat/completions", NULL, NULL},
    {API_RESPONSES, "/responses", NULL, ON_DEMAND},
    {API_MESSAGES, "/messages", NULL, ON_DEMAND},
    {API_EMBEDDINGS, "/embeddings", NULL, NULL},
    {API_RERANK, "/rerank", NULL, NULL},
};
static const struct provider_endpoint embed_rerank[] = {
    {API_EMBEDDINGS, "/embeddings", NULL, NULL},
    {API_RERANK, "/rerank", NULL, NULL},
};
/* those that copied Anthropic's API, their base URL ending where Anthropic's does */
static const struct provider_endpoint messages_only[] = {
    {API_MESSAGES, "/v1/messages", NULL, NULL},
    {API_MESSAGES_COUNT, "/v1/messages/count_tokens", NULL, NULL},
};
/* clang-format on */

#endif
