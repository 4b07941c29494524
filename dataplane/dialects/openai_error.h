/* Errors as OpenAI's API writes them, with the request id beside them:
 * {"error":{"message":…,"type":…,"param":…,"code":…,"request_id":…}} */
#ifndef DATAPLANE_DIALECTS_OPENAI_ERROR_H
#define DATAPLANE_DIALECTS_OPENAI_ERROR_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "dataplane/dialects/dialect.h"

/* In the arena (a may be NULL: then, and when it is out of room, a fixed text). A position in the
 * input is told in the message. */
struct str openai_error_body(struct arena *a, const struct failure *f);
/* "data: {…}\n\n" */
struct str openai_error_event(struct arena *a, const struct failure *f, enum framing framing);

#endif
