/* InvokeModel carries whatever the model's maker thought of: which form a client's body has. */
#ifndef DATAPLANE_DIALECTS_BEDROCK_INVOKE_H
#define DATAPLANE_DIALECTS_BEDROCK_INVOKE_H

#include "common/base/arena.h"
#include "common/rules/provider.h"

/* API_INVOKE_MESSAGES (Anthropic's), API_CONVERSE (Nova's body is Converse's), API_CHAT (OpenAI's
 * open models), API_TITAN_EMBED, API_BEDROCK_COHERE_EMBED, API_BEDROCK_RERANK; API_NONE: none of
 * these, or no JSON. `model` helps where the body does not tell. */
enum provider_api bedrock_invoke_api(struct str body, struct str model);

/* CountTokens: {"input":{"converse":{…}}} or {"input":{"invokeModel":{"body":"<base64>"}}}. The
 * inner request (in the arena where it was base64) and API_CONVERSE_COUNT or API_MESSAGES_COUNT;
 * API_NONE: neither. converse_codec reads the first by itself, whole or inner. */
enum provider_api bedrock_count_api(struct str body, struct arena *a, struct str *ret_inner);

#endif
