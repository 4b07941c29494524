/* A usage event's bytes (proto/usage.proto, message Event) as one JSON object: every field under
 * its own name, enums by name in lower case without prefix ("client_gone", "token_in"), ids in
 * their 36-character form (null when absent), times as in the message; metadata_json is written as
 * the value "metadata". Fields at their default are written too, so every line has the same shape.
 * Pure; any thread. */
#ifndef DATAPLANE_REPORT_EVENT_JSON_H
#define DATAPLANE_REPORT_EVENT_JSON_H

#include "common/base/buffer.h"
#include "common/base/error.h"

/* Appends one object, without a line end. False: the bytes are no event, or the buffer's ceiling
 * was reached. */
bool event_json_write(struct str event, struct buffer *out, struct error *err);

#endif
