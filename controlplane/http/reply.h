/* JSON answers. Errors of every route, and of whatever is refused before one is found, have one
 * shape:
 * {"error":{"code","message","param","type","request_id"}} and, for JSON that cannot be read,
 * "offset","line","column". */
#ifndef CONTROLPLANE_HTTP_REPLY_H
#define CONTROLPLANE_HTTP_REPLY_H

#include "common/base/uuid.h"
#include "common/json.h"
#include "controlplane/http/server.h"

#define REPLY_MAX ((size_t)128 << 20)

/* Sends the buffer as JSON with `cache-control: no-store`; a buffer that failed becomes a 500. */
void reply_json(struct http_request *r, int status, const struct buffer *body);
/* The same of another type; NULL: JSON. */
void reply_text(struct http_request *r, int status, const char *content_type,
                const struct buffer *body);
void reply_empty(struct http_request *r, int status);
/* The headers that every answer of the API and the web admin carries. */
void reply_guard_headers(struct http_request *r);
/* An id with its type's prefix, or null when nil. */
void reply_put_id(struct json_writer *w, const char *name, const char *prefix,
                  const struct uuid *id);
/* RFC 3339, or null for 0. */
void reply_put_time(struct json_writer *w, const char *name, uint64_t wall_ms);

#endif
