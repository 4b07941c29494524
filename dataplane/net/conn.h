/* Inside of net/: a client connection (conn.c), its current exchange (exchange.c) and what a
 * listener lends to them. Nobody above net/ includes this.
 *
 * A connection is in one state, and in the listener's list of that state; conn_set_state is the
 * only setter. One request at a time: while an exchange is outstanding, further bytes of the client
 * wait (bounded) in `in`. */
#ifndef DATAPLANE_NET_CONN_H
#define DATAPLANE_NET_CONN_H

#include <netinet/in.h>

#include "common/base/buffer.h"
#include "common/base/list.h"
#include "dataplane/net/block.h"
#include "dataplane/net/exchange.h"
#include "dataplane/net/http1_read.h"
#include "dataplane/net/http1_write.h"
#include "dataplane/net/loop.h"
#include "dataplane/net/stream_io.h"

enum conn_state {
    CONN_HANDSHAKE = 0, /* TLS */
    CONN_IDLE,          /* no byte of a request yet: fresh, or kept alive */
    CONN_HEAD,          /* part of a head is here */
    CONN_BODY,          /* the head is here, the body comes */
    CONN_HTTP2,         /* speaks HTTP/2: its streams are http2.c's */
    CONN_BUSY,          /* handed to the handler; the answer is outstanding */
    CONN_FLUSH,         /* the answer is complete, the kernel has not taken all of it */
    CONN_LINGER, /* our side is shut; what the client still sends is thrown away, so that it can
                    read the answer */
    CONN_CLOSED, /* waits for its exchange's end, then for the turn's */
    CONN_STATE_COUNT
};

#define CONN_HIGH_WATER (256u * 1024u)
#define CONN_LOW_WATER (64u * 1024u)
#define CONN_PIPELINE_MAX (64u * 1024u) /* bytes kept of requests behind the current one */
#define CONN_OUT_MAX (1024u * 1024u * 1024u)

enum answer_mode {
    ANSWER_NONE = 0, /* not started */
    ANSWER_LENGTH,
    ANSWER_CHUNKED,
    ANSWER_CLOSE,  /* ends with the connection (HTTP/1.0) */
    ANSWER_NO_BODY /* HEAD, 204, 304 */
};

struct conn;
struct http2_session;
struct http2_stream;

struct exchange {
    struct conn *conn;
    struct http2_stream *h2; /* NULL: HTTP/1.1 */
    struct exchange *next_spare;
    struct request_head head;
    struct str body;
    struct header *headers; /* recycled with the exchange */
    size_t cap_headers;
    char *store; /* recycled: a small request's bytes */
    size_t cap_store;
    struct block *block; /* or: the block that a larger one arrived in */
    struct buffer big;   /* or: where it was put together */
    size_t head_len;
    size_t whole_len; /* head and body, when the length is known */
    struct http1_chunks chunks;
    int minor;
    bool chunked; /* the request's body */
    enum answer_mode mode;
    int64_t left; /* ANSWER_LENGTH: bytes still owed */
    uint64_t sent;
    bool gone;  /* the client is */
    bool ended; /* freed behind this turn */
    bool full;  /* exchange_send said so */
    void (*on_gone)(void *arg);
    void *gone_arg;
    void (*on_drain)(void *arg);
    void *drain_arg;
};

struct listener;

/* What connections of one listener share. */
struct conn_shared {
    struct loop *loop;
    struct exchange_limits limits;
    struct exchange_handler handler;
    struct list lists[CONN_STATE_COUNT];
    unsigned n_conns;
    bool draining;
    struct block *scratch; /* what the next read goes into */
    struct block_pool blocks;
    struct header headers[EXCHANGE_MAX_HEADERS]; /* of the head being parsed */
    struct http1_date date;
    struct exchange *spare_exchanges;
    unsigned n_spare_exchanges;
    struct buffer spare_buffers[64];
    unsigned n_spare_buffers;
    bool wants_room; /* the listener waits for a connection to be freed, or idle */
    void (*on_room)(void *arg);
    void *arg;
};

struct conn {
    struct list node;
    struct conn_shared *shared;
    struct loop_io *io;
    struct loop_timer *timer;
    struct stream stream;
    enum conn_state state;
    struct exchange *x;
    struct http2_session *h2; /* NULL: HTTP/1.1 */
    struct buffer in; /* a head in parts, or requests behind the current one, from in_off on */
    size_t in_off, in_seen;
    struct buffer out; /* not yet taken by the kernel, from out_off on */
    size_t out_off;
    struct loop_batch batch;
    uint64_t body_start_ms, body_bytes;
    unsigned hand_wants;   /* what the handshake waits for */
    bool blocked;          /* the kernel's buffer is full: waits for LOOP_WRITE */
    bool read_wants_write; /* TLS */
    bool write_wants_read; /* TLS */
    bool close_after;      /* no further request on this connection */
    bool unread;           /* closing while the client may still send: linger */
    bool reset;            /* close by reset */
    bool eof;              /* the client has shut its side */
    bool served;           /* a request has been read: no HTTP/2 from here on */
    bool tls;
    bool inside;   /* conn_read is on the stack and goes on by itself */
    bool resuming; /* a deferred conn_resume is queued */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr;
    char peer[64]; /* text of addr, made when asked for */
};

/* conn_write.c. Sends or queues; `more` says that further bytes follow within this event, so small
 * pieces may wait for them. */
void conn_write(struct conn *c, const struct iovec *iov, unsigned n, bool more);
size_t conn_queued(const struct conn *c);
/* The two halves of conn_write: adds to the queue; sends the queue, once. */
void conn_queue(struct conn *c, const char *p, size_t n);
void conn_push(struct conn *c);
bool conn_send_queued(struct conn *c); /* as conn_push; false: the client is gone */
void conn_set_write_deadline(struct conn *c);

/* conn.c. conn_new takes over fd and tls (NULL: plain). */
struct conn *conn_new(struct conn_shared *s, int fd, struct tls *tls, const void *addr,
                      size_t addr_len);
/* Nothing refers to the closed connection any more: freed behind this turn. */
void conn_release(struct conn *c);
/* The current exchange has ended: goes on with the next request, or closes. */
void conn_answered(struct conn *c);
void conn_close(struct conn *c);
/* As conn_close, with the request that is being put together. */
void conn_abandon(struct conn *c);
/* The client is gone: closes, and tells the exchange (`later`: behind this turn's events). */
void conn_lost(struct conn *c, bool later);
/* Serves what has already arrived, else closes. */
void conn_drain(struct conn *c);
const char *conn_state_name(enum conn_state s);
/* The one setter: checks the predecessor, moves the connection to its state's list. */
void conn_set_state(struct conn *c, enum conn_state s);
void conn_set_interest(struct conn *c);
size_t conn_unread(const struct conn *c); /* bytes waiting in `in` */
/* A read ended with 0 or STREAM_FAILED. */
void conn_read_ended(struct conn *c, long code);

/* conn_request.c. Reads for a request, in the states for it. */
void conn_read_head(struct conn *c);
void conn_read_body(struct conn *c);
/* Takes one request, or a part of one, off p[0..n): the worker's block, or all of `in`. */
void conn_feed(struct conn *c, bool scratch, char *p, size_t n);
/* Keeps bytes in `in`; closes when that is full. */
void conn_stash(struct conn *c, const char *p, size_t n);
/* The request did not arrive in time: 408. */
void conn_request_late(struct conn *c);

/* exchange.c */
struct exchange *exchange_new(struct conn *c, const struct http1_request *req);
/* Copies the whole request into the exchange's own memory. False: out of memory. */
bool exchange_keep_copy(struct exchange *x, const char *p, size_t n);
void exchange_keep_block(struct exchange *x, struct block *b);
/* The spans that pointed into the n bytes at `from` now point to the copy at `to`. */
void exchange_rebase(struct exchange *x, const char *from, size_t n, const char *to);
/* Tells of the client's going, once; `later`: behind this turn's events. */
void exchange_lost(struct exchange *x);
void exchange_tell_lost(struct exchange *x, bool later);
void exchange_free_later(struct exchange *x); /* behind this turn */
void exchange_free(struct exchange *x);

/* listener.c: recycled buffers for a connection's short-lived needs */
void conn_buffer_take(struct conn_shared *s, struct buffer *b, size_t max_bytes);
void conn_buffer_give(struct conn_shared *s, struct buffer *b);

#endif
