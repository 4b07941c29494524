/* What a request has to do with the cache: what it asked for, what it found, and, where its answer
 * will be kept, that answer as it goes out. The calls below do nothing for a request that has
 * nothing to do with it. */
#ifndef DATAPLANE_STREAM_CACHE_FILL_H
#define DATAPLANE_STREAM_CACHE_FILL_H

#include "common/base/buffer.h"
#include "dataplane/cache/key.h"
#include "dataplane/request/request.h"

struct loop_timer;
struct redis_call;

struct cache_use {
    struct request *request;
    struct cache_wish wish;
    struct cache_key key;
    uint64_t ttl_s;
    const char *status; /* "hit", "miss", "refresh", "coalesced", "off", "only" */
    bool asked_redis, has_followed;
    bool leads;   /* others wait for this answer */
    bool waiting; /* for another's */
    struct cache_waiter waiter;
    struct loop_timer *deadline; /* of the waiting; NULL: it never waited */
    struct redis_call *redis;
    /* of a hit */
    uint64_t saved_nanousd, saved_us, age_s;
    /* the answer on its way out */
    bool filling, failed, stream;
    int http_status;
    const struct header *headers; /* in the request's arena */
    size_t n_headers;
    struct buffer body;
};

/* The answer's head, then its bytes; or a whole answer (r->reply). */
void cache_note_head(struct request *r, int status, const struct header *headers, size_t n,
                     bool stream);
void cache_note_bytes(struct request *r, struct str bytes);
void cache_note_reply(struct request *r, const struct header *headers, size_t n);

#endif
