/* What can be known of a target that speaks OpenAI's dialects by its provider's kind and its
 * model's name. Pure. */
#ifndef DATAPLANE_DIALECTS_OPENAI_TARGET_H
#define DATAPLANE_DIALECTS_OPENAI_TARGET_H

#include "common/rules/provider.h"
#include "dataplane/dialects/dialect.h"

/* OpenAI's own API, or Azure's copy: refuses members that it does not know. */
bool openai_target_is_openai(const struct exchange_context *x);
bool openai_target_is(const struct exchange_context *x, const char *kinds); /* blank-separated */
/* Takes top_k, min_p and repetition_penalty. */
bool openai_target_samples(const struct exchange_context *x);
/* Thinks, by its name (o3, gpt-5 …); "never" is sure that it does not (gpt-4o). */
bool openai_target_reasons(const struct exchange_context *x);
bool openai_target_never_reasons(const struct exchange_context *x);
/* max_tokens must be written max_completion_tokens. */
bool openai_target_max_completion(const struct exchange_context *x);
/* The word for reasoning effort that comes nearest to what was asked; NULL: say none. *ret_lost:
 * it cannot be had. */
const char *openai_target_effort(const struct exchange_context *x, const struct reasoning *r,
                                 bool *ret_lost);
/* A model that thinks before it answers: OpenAI refuses to have its sampling set. */
bool openai_target_fixed_sampling(const struct exchange_context *x, const struct reasoning *r);
/* The number, unless the target's sampling is fixed and it is another than the default (then it is
 * lost, and named). */
struct str openai_sampling(const struct chat_request *q, const struct exchange_context *x,
                           struct str number, const char *otherwise, enum chat_field field);
/* Extras that both of OpenAI's forms know by one name. */
bool openai_extra_is_shared(struct str name);
/* Service tier in OpenAI's words; STR_NONE: it has none for it. */
struct str openai_service_tier(struct str tier);

/* The names of what is lost; nothing happens without x->losses. */
void openai_lose(const struct chat_request *q, const struct exchange_context *x,
                 enum chat_field field);
void openai_lose_if(bool is, const struct chat_request *q, const struct exchange_context *x,
                    enum chat_field field);

/* ---- calls of clients of other families, within what OpenAI takes: names of letters, digits, '_'
 * and '-', ids of any kind, 64 bytes each. Those of `own` stay as they are. ---- */
struct str openai_tool_name(struct arena *a, const struct chat_request *q, enum family own,
                            struct str name);
struct str openai_call_id(struct arena *a, const struct chat_request *q, enum family own,
                          struct str id);
/* The client's own name of the tool that a provider calls. */
struct str openai_tool_name_back(struct arena *a, const struct exchange_context *x, enum family own,
                                 struct str name);
/* The end user's name as the request may tell it: NULL ptr, and the loss, when OpenAI would refuse
 * its length. */
struct str openai_user(const struct chat_request *q, const struct exchange_context *x);

#endif
