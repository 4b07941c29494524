/* What encoders for targets with few settings have in common. Pure. */
#ifndef DATAPLANE_DIALECTS_PLAIN_TARGET_H
#define DATAPLANE_DIALECTS_PLAIN_TARGET_H

#include "common/json.h"
#include "dataplane/canonical/chat.h"

/* Names what such a target has no word for, where the client asked for it: n, logit_bias, user,
 * metadata, store, service_tier, verbosity, modalities, audio, prediction, web search, safety
 * settings, cached content. */
void plain_losses(const struct chat_request *q, struct losses *l);
/* The texts of a turn's thoughts, a blank line between, for a target that takes them as plain text;
 * NULL ptr when there are none. Those with another family's proof, and those that nobody can read,
 * are named as lost. */
struct str plain_thinking(const struct chat_request *q, const struct message *m, enum family target,
                          struct arena *a, struct losses *l);
/* Members of the client's own that the neutral form has no place for: written where the client
 * speaks the target's words, named as lost elsewhere. */
void plain_extras(struct json_writer *w, const struct chat_request *q, enum family target,
                  struct arena *a, struct losses *l);

#endif
