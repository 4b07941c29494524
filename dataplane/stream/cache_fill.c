/* See cache_fill.h. */
#include "dataplane/stream/cache_fill.h"

void cache_note_head(struct request *r, int status, const struct header *headers, size_t n,
                     bool stream)
{
    struct cache_use *u = r->cache;
    if (u && u->filling) {
        u->http_status = status;
        u->headers = headers;
        u->n_headers = n;
        u->stream = stream;
    }
}

void cache_note_bytes(struct request *r, struct str bytes)
{
    struct cache_use *u = r->cache;
    if (u && u->filling && !u->failed && !buffer_append_str(&u->body, bytes)) {
        u->failed = true; /* too large to be kept */
        buffer_release(&u->body);
    }
}

void cache_note_reply(struct request *r, const struct header *headers, size_t n)
{
    if (r->cache && r->cache->filling) {
        cache_note_head(r, r->reply.status, headers, n, false);
        cache_note_bytes(r, r->reply.body);
    }
}
