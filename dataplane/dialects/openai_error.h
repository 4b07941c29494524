/* Errors as OpenAI's API writes them, with the request id beside them:
 * {"error":{"message":…,"type":…,"param":…,"code":…,"request_id":…}}, and for a provider's failure
 * its original: "weir":{"provider_error":…,"provider":…,"status":…}. */
#ifndef DATAPLANE_DIALECTS_OPENAI_ERROR_H
#define DATAPLANE_DIALECTS_OPENAI_ERROR_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "dataplane/dialects/dialect.h"

/* In the arena (a may be NULL: then, and when it is out of room, a fixed text). A position in the
 * input is told in the message. With f->provider, type, code and param are the provider's own where
 * its error had this shape, else those that OpenAI's API has for such a failure. */
struct str openai_error_body(struct arena *a, const struct failure *f);
/* "data: {…}\n\n" */
struct str openai_error_event(struct arena *a, const struct failure *f, enum framing framing);
/* {"error":{"message":"…","type":…}}: a provider's body that this dialect's SDKs read as it is. */
bool openai_error_is_own(struct str body);

#endif
