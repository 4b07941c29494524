/* Calls to providers: pooled keep-alive HTTP/1.1 connections (LIFO per origin), plain or TLS with
 * verification on. One client per worker.
 *
 * upstream_send writes head and body by one sendmsg when a pooled connection is there. An idle
 * connection that the provider had closed is not an error: the call is sent again on a fresh one if
 * no byte of an answer had come (once). All callbacks are on the worker's thread and never from
 * inside upstream_send. After on_end or on_error the call is gone. */
#ifndef DATAPLANE_UPSTREAM_CLIENT_H
#define DATAPLANE_UPSTREAM_CLIENT_H

#include "common/base/error.h"
#include "dataplane/net/exchange.h"

struct tls_context;
struct upstream; /* per worker */
struct upstream_call;

struct upstream_limits {
    unsigned connect_timeout_ms;  /* default 5 s, DNS and TLS included */
    unsigned idle_timeout_ms;     /* pooled connection, default 55 s */
    unsigned max_idle_per_origin; /* default 256 */
    size_t max_head_bytes;        /* of an answer, default 64 KiB */
};

/* resolve: names are looked up off the loop; results kept for their time. */
struct upstream *upstream_new(struct loop *l, const struct upstream_limits *limits,
                              struct tls_context *client_tls);
void upstream_free(struct upstream *u);       /* cancels what runs, without callbacks */
void upstream_close_idle(struct upstream *u); /* drain */

/* Where to: strings must outlive the call (they come from the snapshot that the request holds). */
struct upstream_origin {
    bool tls;
    struct str host;
    uint16_t port;
};

struct upstream_answer {
    int status;
    const struct header *headers; /* valid during on_head only */
    size_t n_headers;
    int64_t content_length; /* -1: chunked or until close */
};

struct upstream_ops {
    /* 1xx answers are swallowed. */
    void (*on_head)(void *arg, const struct upstream_answer *a);
    /* Body bytes, chunk framing removed. The span is valid during the call only. */
    void (*on_data)(void *arg, struct str piece);
    /* The answer ended as announced. */
    void (*on_end)(void *arg);
    /* UPSTREAM_REFUSED (connect, DNS), UPSTREAM_TLS, UPSTREAM_TIMEOUT, UPSTREAM_GARBAGE (not HTTP,
     * head too large, smuggling), UPSTREAM_CLOSED (ended before its announced end, or before any
     * answer). */
    void (*on_error)(void *arg, const struct error *err);
};

/* head_deadline_ms: to the answer's head; gap_deadline_ms: between two pieces of a body; 0 = none.
 * The request line and headers come as one ready block without the final blank line's body; body
 * may be empty. Both must stay valid until the call's end (they are re-sent on a stale connection).
 */
struct upstream_call *upstream_send(struct upstream *u, const struct upstream_origin *o,
                                    struct str head, struct str body, unsigned head_deadline_ms,
                                    unsigned gap_deadline_ms, const struct upstream_ops *ops,
                                    void *arg);
/* Back-pressure: stop and resume reading the answer. */
void upstream_pause(struct upstream_call *c);
void upstream_resume(struct upstream_call *c);
/* Closes the connection at once (nobody waits on the answer); no callback follows. */
void upstream_cancel(struct upstream_call *c);
/* True once the request's first byte was handed to the kernel. */
bool upstream_sent(const struct upstream_call *c);

#endif
