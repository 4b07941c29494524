/* The exact cache's part of a request (docs/caching.md). */
#ifndef DATAPLANE_STAGES_CACHE_H
#define DATAPLANE_STAGES_CACHE_H

#include "common/json.h"
#include "dataplane/stream/cache_fill.h"

/* What the answer says of the cache, in header fields; at most CACHE_HEADERS. Returns how many. */
#define CACHE_HEADERS 6
size_t cache_headers(const struct request *r, struct header *list);
/* For explain: what would be done, as an object. */
void cache_explain(struct request *r, struct json_writer *w);
/* What will be answered is no answer to what was asked: it is not kept. */
void cache_forget(struct request *r);
/* The request has ended and is recorded: keeps its answer, tells those who wait for it, forgets
 * what it waited for. */
void cache_end(struct request *r);

#endif
