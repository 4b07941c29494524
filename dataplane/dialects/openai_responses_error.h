/* How a responses stream that breaks off says so: the API's own `error` event. */
#ifndef DATAPLANE_DIALECTS_OPENAI_RESPONSES_ERROR_H
#define DATAPLANE_DIALECTS_OPENAI_RESPONSES_ERROR_H

#include "dataplane/dialects/dialect.h"

/* "event: error" and its data, in the arena; openai_error_event's text when that is out of room.
 * Bytes that passed by are not counted, so its sequence_number is 0; a stream that is written here
 * ends by its encoder (CHUNK_ERROR). */
struct str openai_responses_error_event(struct arena *a, const struct failure *f,
                                        enum framing framing);

#endif
