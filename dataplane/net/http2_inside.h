/* Inside of HTTP/2: what the session (http2.c) and its streams (http2_stream.c) share. Only these
 * two include it, and libnghttp2. */
#ifndef DATAPLANE_NET_HTTP2_INSIDE_H
#define DATAPLANE_NET_HTTP2_INSIDE_H

#include <nghttp2/nghttp2.h>

#include "dataplane/net/http2.h"

enum { METHOD, PATH, AUTHORITY, PSEUDO_COUNT };

struct http2_stream {
    struct list node;
    struct http2_session *session;
    struct exchange *x; /* NULL until the head is whole */
    int32_t id;
    struct buffer pseudo[PSEUDO_COUNT]; /* until the head is whole */
    struct buffer fields;               /* "name: value" lines, until then */
    struct buffer text;                 /* the whole head: the exchange's spans point here */
    struct buffer body;
    struct buffer out; /* of the answer, from out_off on */
    size_t out_off;
    uint64_t started_ms;
    uint64_t stalled_ms; /* since when the client takes nothing; 0: nothing waits */
    bool other_host;     /* `host` is there and is not :authority */
    bool has_host;
    bool handed;    /* to the handler */
    bool received;  /* the end of the request has come */
    bool submitted; /* the answer's head */
    bool ended;     /* all of the answer is in `out` */
    bool broken;    /* … and it ends visibly cut */
    bool closed;    /* the stream is: nothing can be sent any more */
    bool reset;     /* a reset is queued */
};

struct http2_session {
    struct conn *conn;
    nghttp2_session *ng; /* NULL once the connection is closed */
    struct list streams;
    unsigned n_streams;
    bool flush_queued;
    bool closing; /* http2_closed is on the stack */
    bool goaway;
    size_t bodies;       /* bytes of request bodies that its streams hold */
    uint64_t last_ms;    /* when the last stream began or ended */
    uint64_t blocked_ms; /* since when the kernel takes nothing; 0: it does */
};

/* http2.c */
uint64_t http2_now_ms(const struct http2_session *h);
void http2_flush_later(struct http2_session *h); /* what is queued goes out behind this turn */
void http2_reset(struct http2_stream *st, uint32_t code); /* once */

/* http2_stream.c */
void http2_set_callbacks(nghttp2_session_callbacks *callbacks);
/* The stream is closed, or its connection is (`later`: its exchange is told behind this turn). */
void http2_stream_gone(struct http2_stream *st, bool later);
/* A body that comes too slowly is refused, a client that takes nothing is gone. */
void http2_stream_check(struct http2_stream *st, uint64_t now);

#endif
