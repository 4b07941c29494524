/* Errors as Anthropic's API writes them:
 * {"type":"error","error":{"type":…,"message":…},"request_id":…,"weir":{…}}
 * `weir` holds {"code","param"} of Weir's own refusals, {"provider","status","provider_error"} of a
 * provider's. */
#ifndef DATAPLANE_DIALECTS_ANTHROPIC_ERROR_H
#define DATAPLANE_DIALECTS_ANTHROPIC_ERROR_H

#include "dataplane/dialects/dialect.h"

/* In the arena (a may be NULL: then, and when it is out of room, a fixed text). A position in the
 * input is told in the message. */
struct str anthropic_error_body(struct arena *a, const struct failure *f);
/* "event: error\ndata: {…}\n\n" */
struct str anthropic_error_event(struct arena *a, const struct failure *f, enum framing framing);
int anthropic_error_status(const struct failure *f);
bool anthropic_error_is_own(struct str body);
/* "overloaded_error": the documented type. */
const char *anthropic_error_type(const struct failure *f);

#endif
