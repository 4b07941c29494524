/* Errors as Google's APIs write them, which @google/genai and google-genai turn into their
 * exceptions by status and `error.status`:
 * {"error":{"code":400,"message":…,"status":"INVALID_ARGUMENT","details":[{"@type":…ErrorInfo,
 * "reason":<weir's code>,"domain":"weir","metadata":{"request_id":…}}]},"weir":{…}} */
#ifndef DATAPLANE_DIALECTS_GEMINI_ERROR_H
#define DATAPLANE_DIALECTS_GEMINI_ERROR_H

#include "dataplane/dialects/dialect.h"

/* In the arena (a may be NULL: then, and when it is out of room, a fixed text). A position in the
 * input is told in the message. */
struct str gemini_error_body(struct arena *a, const struct failure *f);
/* SSE: "data: {…}\r\n\r\n". FRAMING_JSON_ARRAY: a further element and the closing bracket; the
 * encoder has opened the array at its START. */
struct str gemini_error_event(struct arena *a, const struct failure *f, enum framing framing);
/* Google has fewer statuses: 402 → 403 (billing), 408 → 504, 422 and 413 → 400, 529 → 503. */
int gemini_error_status(const struct failure *f);
/* {"error":{"code":number,"status":"WORD"…}}, also as an array of one. */
bool gemini_error_is_own(struct str body);

#endif
