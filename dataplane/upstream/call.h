/* Inside of upstream/: calls (client.c), connections to providers (peer.c) and the pool of idle
 * ones (pool.c). Nobody above upstream/ includes this. */
#ifndef DATAPLANE_UPSTREAM_CALL_H
#define DATAPLANE_UPSTREAM_CALL_H

#include "common/base/buffer.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "dataplane/net/block.h"
#include "dataplane/net/http1_read.h"
#include "dataplane/net/loop.h"
#include "dataplane/net/stream_io.h"
#include "dataplane/upstream/client.h"
#include "dataplane/upstream/resolve.h"

/* Where connections go, and those that wait for work: the most recently used first. Exists while
 * something refers to it. */
struct origin {
    struct upstream *upstream;
    struct list idle;
    unsigned n_idle;
    unsigned refs;      /* calls and connections */
    unsigned preferred; /* index of the address that worked last */
    uint16_t port;
    bool tls;
    size_t key_len;
    const char *host; /* inside key, NUL-terminated */
    char key[];       /* "s" or "p", port, host: the pool's key */
};

enum peer_state {
    PEER_CONNECTING = 0,
    PEER_HANDSHAKE,
    PEER_BUSY, /* serves a call */
    PEER_IDLE, /* in the pool; readable means that the provider closed it */
    PEER_CLOSED,
    PEER_STATE_COUNT
};

/* A connection to a provider. */
struct peer {
    struct list node; /* origin's idle list */
    struct origin *origin;
    struct upstream_call *call;
    struct loop_io *io;
    struct loop_timer *timer; /* connecting: this address; idle: the pool's patience */
    struct stream stream;
    enum peer_state state;
    bool reused; /* has served a call before */
    bool wants_write;
    bool wants_read; /* a TLS write that waits for the peer */
};

enum answer_body { BODY_NONE = 0, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct upstream_call {
    struct list node; /* upstream's list of running calls */
    struct upstream *upstream;
    struct origin *origin;
    struct peer *peer;
    struct loop_timer *timer; /* to the head, then between pieces */
    const struct upstream_ops *ops;
    void *arg;
    struct str head, body;
    size_t written; /* of head and body together */
    unsigned head_deadline_ms, gap_deadline_ms;
    uint64_t connect_by_ms;
    uint64_t sent_ms; /* when the current connection got its first byte */
    struct addresses addresses;
    unsigned next_address, tried;
    int connect_errno;
    struct resolve_waiter waiter;
    struct buffer in; /* part of an answer's head */
    size_t in_seen;
    enum answer_body mode;
    int64_t left;
    struct http1_chunks chunks;
    unsigned interim; /* 1xx answers so far */
    struct error error;
    bool is_head;  /* the method */
    bool sent_any; /* to any connection */
    bool got_any;  /* a byte of an answer */
    bool head_done;
    bool keep_alive;
    bool write_failed; /* only reading is left: an early answer may be there */
    bool retried;
    bool paused;
    bool over; /* no callback follows; freed behind this turn */
};

struct upstream {
    struct loop *loop;
    struct upstream_limits limits;
    struct tls_context *tls;
    struct resolver *resolver;
    struct map *origins;
    struct list calls;
    struct block_pool blocks;
    struct block *scratch; /* what the next read goes into */
    struct header headers[EXCHANGE_MAX_HEADERS];
    struct list spare_calls;
    unsigned n_spare_calls;
};

/* client.c: what peers tell their call. */
void call_connected(struct upstream_call *c);
/* Tries the next address, or fails. `code`: what to say if there is none. */
void call_connect_failed(struct upstream_call *c, enum error_code code, const char *why);
void call_writable(struct upstream_call *c);
/* Ends the call with an error, behind this turn's events. */
void call_fail(struct upstream_call *c, enum error_code code, const char *what);
/* The answer has ended as announced; `clean`: nothing stands behind it, so the connection may be
 * used again. */
void call_done(struct upstream_call *c, bool clean);
/* The connection ended, or failed, before the answer did: sends again where that is safe, else
 * fails. */
void call_cut(struct upstream_call *c);

/* answer.c */
void call_readable(struct upstream_call *c);
bool call_running(const struct upstream_call *c); /* has a connection that works, and no error */
void call_set_gap_deadline(struct upstream_call *c);

/* peer.c */
/* Starts connecting for the call; NULL with errno set when that fails at once. */
struct peer *peer_connect(struct upstream_call *c, const struct address *to, uint64_t timeout_ms);
void peer_interest(struct peer *l);
void peer_close(struct peer *l); /* at once; memory goes behind the turn */
/* The call is done with it: to the pool. */
void peer_park(struct peer *l);

/* pool.c */
struct origin *pool_origin(struct upstream *u,
                           const struct upstream_origin *o); /* referenced; NULL: too long a name */
void pool_unref(struct origin *o);
struct peer *pool_take(struct origin *o); /* NULL when none is idle */
void pool_put(struct peer *l);
void pool_remove(struct peer *l);
void pool_close_idle(struct upstream *u);

#endif
