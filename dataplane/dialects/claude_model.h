/* What is known of Anthropic's models by their names, wherever they are served: "claude-" with a
 * version ("claude-3-7-sonnet-20250219", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
 * "claude-opus-4.6"). Pure, any thread. */
#ifndef DATAPLANE_DIALECTS_CLAUDE_MODEL_H
#define DATAPLANE_DIALECTS_CLAUDE_MODEL_H

#include "dataplane/canonical/chat.h"

#define CLAUDE_THINKS 307       /* … by a budget of tokens */
#define CLAUDE_ADAPTIVE 406     /* thinks adaptively, with an effort */
#define CLAUDE_NO_SAMPLING 407  /* no temperature, top_p, top_k; no budgets */
#define CLAUDE_ONE_SAMPLING 405 /* temperature or top_p, not both; Opus since 4.1 */
#define CLAUDE_ONE_SAMPLING_OPUS 401

/* 405 for 4.5; 0: not one of Anthropic's, or not told. */
unsigned claude_version(struct str model, bool *ret_opus);
/* output_config.effort; the nearest that the version knows. */
const char *claude_effort(enum effort e, unsigned version);
/* Beta features that Bedrock knows: it refuses a request that asks for any other. */
bool claude_beta_at_bedrock(struct str beta);

#endif
