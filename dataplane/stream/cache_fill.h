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
    struct str key_text; /* NULL ptr: none was made */
    size_t seen_len;     /* of the facts that are in it */
    bool scoped;         /* it is of one caller's own key to the provider alone */
    uint64_t ttl_s;
    const char *status; /* "hit", "miss", "refresh", "coalesced", "off", "only" */
    bool leads;         /* others may wait for this answer */
    bool waiting;       /* for another's */
    bool found;         /* it leads, and has found what another has kept meanwhile */
    struct cache_waiter waiter;
    struct loop_timer *timer; /* of who waits: its patience; of who leads: a look at its client */
    size_t sent;              /* bytes of the answer at the last look */
    struct redis_call *redis;
    /* of a hit */
    uint64_t saved_nanousd, saved_us, age_s;
    /* the answer on its way out */
    bool filling, failed, stream;
    int http_status;
    const struct header *headers; /* copies, in the request's arena */
    size_t n_headers;
    struct buffer body;
};

/* The answer's head, then its bytes; or a whole answer (r->reply). */
void cache_note_head(struct request *r, int status, const struct header *headers, size_t n,
                     bool stream);
void cache_note_bytes(struct request *r, struct str bytes);
void cache_note_reply(struct request *r, const struct header *headers, size_t n);

#endif
