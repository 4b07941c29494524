/* One request and its answer on a client connection, whatever the protocol version: HTTP/1.1, or a
 * stream of HTTP/2. The connection (net/conn.c) makes it, reads head and body, then hands it to the
 * server's `on_request`; the request layer answers through the calls below. All on the
 * worker's thread.
 *
 * Life: on_request(x) → any number of exchange_* → exchange_end, exchange_abort or exchange_reply,
 * after which x must not be touched. If the client goes away before, on_gone is called once (and
 * then one of the three is still owed, to free it); it is never called from inside an exchange_*
 * call. */
#ifndef DATAPLANE_NET_EXCHANGE_H
#define DATAPLANE_NET_EXCHANGE_H

#include "common/base/arena.h"
#include "common/base/error.h"

#define EXCHANGE_MAX_HEADERS 128

struct exchange;
struct loop;

struct header {
    struct str name;  /* as sent; compare with str_eq_nocase */
    struct str value; /* without surrounding blanks */
};

/* The request head; spans live as long as the exchange. */
struct request_head {
    struct str method;
    struct str target;      /* as sent, origin form */
    struct str path;        /* target up to '?', still percent-encoded */
    struct str query;       /* behind '?', NULL ptr when none */
    struct header *headers; /* hop-by-hop ones included; the request layer drops them */
    size_t n_headers;
    bool keep_alive;
};

/* A field that is 0 has its default. */
struct exchange_limits {
    size_t max_head_bytes;    /* 431 past it (default 64 KiB) */
    size_t max_body_bytes;    /* 413 (default 64 MiB) */
    unsigned head_timeout_ms; /* from accept, or the first byte of a later request, to the whole
                                 head; slow-loris gets 408 and is closed (default 15 s) */
    unsigned body_timeout_ms; /* between two reads of a body (default 30 s), and body_min_rate below
                                 a floor */
    unsigned
        idle_timeout_ms; /* keep-alive without the first byte of a next request (default 75 s) */
    unsigned write_timeout_ms; /* a client that takes no byte for so long is gone (default 120 s) */
};

/* How the layer above is called; one table per listener. */
struct exchange_handler {
    /* The whole request (head and body) is there. */
    void (*on_request)(void *arg, struct exchange *x);
    /* The head could not be parsed or a limit was hit, before a request existed: answer in the
     * caller's dialect. `head` may be partly filled (path empty when not even that was read). Must
     * write a whole answer with exchange_reply before it returns; the connection closes behind it.
     * The reason is in err: BAD_REQUEST, HEADERS_TOO_LARGE, BODY_TOO_LARGE, REQUEST_TIMEOUT. */
    void (*on_bad_request)(void *arg, struct exchange *x, const struct error *err);
    void *arg;
};

const struct request_head *exchange_head(const struct exchange *x);
struct str exchange_body(const struct exchange *x); /* decoded from chunked; stable until the end */
struct str exchange_header(const struct exchange *x,
                           const char *name);       /* first of that name; NULL ptr when absent */
struct str exchange_peer(const struct exchange *x); /* "127.0.0.1:4711" */
bool exchange_tls(const struct exchange *x);
struct loop *exchange_loop(const struct exchange *x);

/* Called when the client closed or reset the connection before the answer was complete, or timed
 * out writing. NULL clears. */
void exchange_on_gone(struct exchange *x, void (*fn)(void *arg), void *arg);
/* Called when the kernel has taken what was queued down to the low-water mark (64 KiB) after
 * exchange_send said "full"; from the loop, never from inside an exchange_* call. */
void exchange_on_drain(struct exchange *x, void (*fn)(void *arg), void *arg);

/* A whole answer in one go, which also ends the exchange. headers exclude content-length,
 * connection, date (they are dropped when given); the body is sent before return or copied. An
 * answer to HEAD, and one of status 204 or 304, leaves its body out. */
void exchange_reply(struct exchange *x, int status, const struct header *headers, size_t n,
                    struct str body);
/* A streamed answer: the head, then pieces, then exchange_end. length >= 0: content-length is sent
 * and exactly so many bytes must follow; -1: chunked (or close-delimited for HTTP/1.0). The head
 * leaves together with the first piece, in one sendmsg, or at once if `flush`. */
void exchange_start(struct exchange *x, int status, const struct header *headers, size_t n,
                    int64_t length, bool flush);
/* Sends or queues; false: more than the high-water mark (256 KiB) is queued, so stop until
 * on_drain. The bytes may be reused after return. Once the client is gone it does nothing and says
 * true. */
bool exchange_send(struct exchange *x, struct str piece);
/* Already framed pass-through is not offered: chunk framing is ours. Ends the answer well. */
void exchange_end(struct exchange *x);
/* Ends it visibly broken: what is queued still goes out, then the connection is closed without the
 * final chunk (reset, where the answer's end is the connection's end). */
void exchange_abort(struct exchange *x);
bool exchange_started(const struct exchange *x); /* some byte of the answer was handed over */
uint64_t exchange_bytes_sent(
    const struct exchange *x); /* head and framing included, as far as the kernel has taken them */

#endif
