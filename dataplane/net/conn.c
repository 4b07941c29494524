/* A client connection: reads requests one after the other, hands each to the server's handler as an
 * exchange, and writes what the exchange says. Reads go into the worker's block and are parsed
 * there; the connection holds bytes only while a request is incomplete or waits behind another. The
 * read event stays on while an answer is outstanding, so a client that goes away is noticed at
 * once: its end of stream counts as going (as in nginx), its pipelined requests do not. */
#include "dataplane/net/conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "common/tls.h"
#include "dataplane/net/http2.h"

#define LINGER_MS 2000u
#define TURN_MAX 32u /* pipelined requests of one connection in a row */

static void conn_resume(void *arg);
static void on_timer(void *arg);

static const char *const state_names[CONN_STATE_COUNT] = {
    [CONN_HANDSHAKE] = "handshake", [CONN_IDLE] = "idle",     [CONN_HEAD] = "head",
    [CONN_BODY] = "body",           [CONN_HTTP2] = "http2",   [CONN_BUSY] = "busy",
    [CONN_FLUSH] = "flush",         [CONN_LINGER] = "linger", [CONN_CLOSED] = "closed",
};

const char *conn_state_name(enum conn_state s)
{
    return s < CONN_STATE_COUNT ? state_names[s] : "?";
}

#define FROM(s) (1u << CONN_##s)

/* From which states each may be entered. */
static const unsigned predecessors[CONN_STATE_COUNT] = {
    [CONN_HANDSHAKE] = 0,
    [CONN_IDLE] = FROM(HANDSHAKE) | FROM(BUSY) | FROM(FLUSH),
    [CONN_HEAD] = FROM(IDLE),
    [CONN_BODY] = FROM(IDLE) | FROM(HEAD),
    [CONN_HTTP2] = FROM(IDLE) | FROM(HEAD),
    [CONN_BUSY] = FROM(IDLE) | FROM(HEAD) | FROM(BODY),
    [CONN_FLUSH] = FROM(BUSY),
    [CONN_LINGER] = FROM(BUSY) | FROM(FLUSH),
    [CONN_CLOSED] = FROM(HANDSHAKE) | FROM(IDLE) | FROM(HEAD) | FROM(BODY) | FROM(BUSY) |
                    FROM(FLUSH) | FROM(LINGER) | FROM(HTTP2),
};

void conn_set_state(struct conn *c, enum conn_state s)
{
    assert(predecessors[s] & (1u << c->state));
    c->state = s;
    list_remove(&c->node);
    list_push_back(&c->shared->lists[s], &c->node);
}

size_t conn_unread(const struct conn *c)
{
    return c->in.len - c->in_off;
}

void conn_set_interest(struct conn *c)
{
    unsigned what = 0;
    switch (c->state) {
    case CONN_HANDSHAKE:
        what = c->hand_wants;
        break;
    case CONN_BUSY:
    case CONN_FLUSH:
        what = c->eof || conn_unread(c) >= CONN_PIPELINE_MAX ? 0 : LOOP_READ;
        break;
    case CONN_CLOSED:
        return;
    default:
        what = LOOP_READ;
        break;
    }
    if (c->blocked) {
        what |= c->write_wants_read ? LOOP_READ : LOOP_WRITE;
    }
    if (c->read_wants_write) {
        what |= LOOP_WRITE;
    }
    loop_io_set(c->io, what);
}

/* ---- closing ---- */

static void conn_free(void *arg)
{
    struct conn *c = arg;
    struct conn_shared *s = c->shared;
    list_remove(&c->node);
    s->n_conns--;
    if (c->h2) {
        http2_free(c->h2);
    }
    mem_free(c);
    if (s->wants_room) {
        s->on_room(s->arg);
    }
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    conn_set_state(c, CONN_CLOSED);
    if (c->h2) {
        http2_closed(c, true);
    }
    loop_batch_remove(&c->batch);
    loop_timer_free(c->timer);
    c->timer = NULL;
    loop_io_free(c->io);
    c->io = NULL;
    stream_close(&c->stream, c->reset);
    conn_buffer_give(c->shared, &c->in);
    conn_buffer_give(c->shared, &c->out);
    c->in_off = c->out_off = 0;
    if (!c->x && !(c->h2 && http2_held(c->h2))) {
        conn_release(c);
    }
}

void conn_release(struct conn *c)
{
    loop_defer(c->shared->loop, conn_free, c);
}

void conn_lost(struct conn *c, bool later)
{
    struct exchange *x = c->x;
    if (c->h2 && c->state != CONN_CLOSED) {
        http2_closed(c, later);
    }
    conn_close(c);
    if (!x || x->ended || x->gone) {
        return;
    }
    x->gone = true;
    exchange_tell_lost(x, later);
}

/* An exchange that was never handed over dies with its connection. */
void conn_abandon(struct conn *c)
{
    struct exchange *x = c->x;
    c->x = NULL;
    if (x) {
        exchange_free(x);
    }
    conn_close(c);
}

static void linger(struct conn *c)
{
    conn_set_state(c, CONN_LINGER);
    stream_shutdown(&c->stream);
    conn_buffer_give(c->shared, &c->in);
    c->in_off = 0;
    loop_timer_set(c->timer, LINGER_MS);
    conn_set_interest(c);
}

/* ---- from one request to the next ---- */

static void after_answer(struct conn *c);

/* The kernel takes again, or a batch has ended: sends what is queued. */
static void conn_flush(struct conn *c)
{
    if (c->state == CONN_CLOSED || c->state == CONN_LINGER) {
        return;
    }
    if (conn_queued(c) && !conn_send_queued(c)) {
        conn_lost(c, false);
        return;
    }
    if (c->state == CONN_HTTP2) {
        http2_writable(c);
        return;
    }
    if (c->state == CONN_FLUSH && conn_queued(c) == 0) {
        after_answer(c);
        return;
    }
    struct exchange *x = c->x;
    if (x && !x->ended && x->full && conn_queued(c) <= CONN_LOW_WATER) {
        x->full = false;
        if (x->on_drain) {
            x->on_drain(x->drain_arg);
        }
    }
}

static void on_batch(void *arg)
{
    struct conn *c = arg;
    if (!c->blocked) {
        conn_flush(c);
    }
}

static void resume_later(struct conn *c)
{
    if (!c->inside && !c->resuming) {
        c->resuming = true;
        loop_defer(c->shared->loop, conn_resume, c);
    }
}

static void after_answer(struct conn *c)
{
    if (c->close_after || c->eof) {
        if (!c->reset && !c->eof && (c->unread || conn_unread(c))) {
            linger(c);
        } else {
            conn_close(c);
        }
        return;
    }
    conn_set_state(c, CONN_IDLE);
    if (c->shared->draining && !conn_unread(c) && !stream_pending(&c->stream)) {
        conn_close(c);
        return;
    }
    loop_timer_set(c->timer, c->shared->limits.idle_timeout_ms);
    conn_set_interest(c);
    if (c->shared->wants_room) {
        c->shared->on_room(c->shared->arg);
    }
    if (conn_unread(c) || stream_pending(&c->stream)) {
        resume_later(c);
    }
}

void conn_answered(struct conn *c)
{
    c->x = NULL;
    if (c->state == CONN_CLOSED) {
        loop_defer(c->shared->loop, conn_free, c);
    } else if (conn_queued(c)) {
        conn_set_state(c, CONN_FLUSH);
        if (!c->blocked && !c->batch.link) {
            conn_flush(c);
        }
    } else {
        after_answer(c);
    }
}

/* ---- reading ---- */

/* Requests that already wait in `in`. */
static void process(struct conn *c)
{
    for (unsigned n = 0; c->state == CONN_IDLE && conn_unread(c); n++) {
        if (n == TURN_MAX) { /* others wait too, and what has ended is freed behind the turn */
            c->inside = false;
            resume_later(c);
            return;
        }
        conn_feed(c, false, c->in.ptr + c->in_off, conn_unread(c));
    }
}

/* End of stream, or a fault. */
void conn_read_ended(struct conn *c, long code)
{
    switch (c->state) {
    case CONN_BUSY:
        conn_lost(c, false);
        break;
    case CONN_FLUSH:
        if (code == 0) {
            c->eof = true; /* the client may still read */
            conn_set_interest(c);
        } else {
            conn_close(c);
        }
        break;
    default:
        conn_abandon(c);
        break;
    }
}

/* While an answer is outstanding: the client going away, or requests behind the current one. */
static void read_behind(struct conn *c)
{
    struct block *b = c->shared->scratch;
    size_t room = CONN_PIPELINE_MAX - conn_unread(c);
    long n = stream_recv(&c->stream, b->bytes, room);
    if (n == STREAM_WANT_READ || n == STREAM_WANT_WRITE) {
        c->read_wants_write = n == STREAM_WANT_WRITE;
    } else if (n <= 0) {
        conn_read_ended(c, n);
        return;
    } else if (c->unread) {
        return; /* thrown away: nothing is served behind a bad request */
    } else {
        conn_stash(c, b->bytes, (size_t)n);
    }
    conn_set_interest(c);
}

static void read_away(struct conn *c)
{
    long n = stream_recv(&c->stream, c->shared->scratch->bytes, BLOCK_BYTES);
    if (n == 0 || n == STREAM_FAILED) {
        conn_close(c);
    }
}

static void shake_hands(struct conn *c)
{
    int r = stream_handshake(&c->stream);
    if (r == 1) {
        conn_set_state(c, CONN_IDLE);
    } else if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        c->hand_wants = r == STREAM_WANT_READ ? LOOP_READ : LOOP_WRITE;
    } else {
        conn_close(c);
        return;
    }
    conn_set_interest(c);
}

static bool may_read(const struct conn *c)
{
    switch (c->state) {
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_HTTP2:
        return !c->resuming;
    case CONN_BUSY:
    case CONN_FLUSH:
        return !c->eof && conn_unread(c) < CONN_PIPELINE_MAX;
    default:
        return false;
    }
}

static void read_once(struct conn *c)
{
    if (c->resuming || (c->state != CONN_LINGER && !may_read(c))) {
        return; /* what is here comes first */
    }
    switch (c->state) {
    case CONN_IDLE:
    case CONN_HEAD:
        conn_read_head(c);
        break;
    case CONN_BODY:
        conn_read_body(c);
        break;
    case CONN_HTTP2:
        http2_read(c);
        break;
    case CONN_BUSY:
    case CONN_FLUSH:
        read_behind(c);
        break;
    case CONN_LINGER:
        read_away(c);
        break;
    default:
        break;
    }
    process(c);
}

static void conn_read(struct conn *c)
{
    c->inside = true;
    c->read_wants_write = false;
    if (c->state == CONN_HANDSHAKE) {
        shake_hands(c);
    } else {
        read_once(c);
    }
    /* TLS may hold decrypted bytes that no event will tell of */
    while (may_read(c) && !c->read_wants_write && stream_pending(&c->stream)) {
        read_once(c);
    }
    c->inside = false;
}

static void conn_resume(void *arg)
{
    struct conn *c = arg;
    c->resuming = false;
    if (c->state == CONN_CLOSED) {
        return;
    }
    c->inside = true;
    process(c);
    c->inside = false;
    if (may_read(c) && stream_pending(&c->stream)) {
        conn_read(c);
    }
}

static void on_io(void *arg, int fd, unsigned what)
{
    struct conn *c = arg;
    (void)fd;
    if (c->state == CONN_HANDSHAKE) {
        conn_read(c);
        return;
    }
    if ((what & LOOP_WRITE) || c->write_wants_read) {
        conn_flush(c);
    }
    if (((what & LOOP_READ) || c->read_wants_write) && c->state != CONN_CLOSED) {
        conn_read(c);
    }
}

/* ---- deadlines ---- */

static void on_timer(void *arg)
{
    struct conn *c = arg;
    switch (c->state) {
    case CONN_HEAD:
    case CONN_BODY:
        conn_request_late(c);
        break;
    case CONN_BUSY:
        conn_lost(c, false); /* takes no byte */
        break;
    case CONN_HTTP2:
        http2_on_timer(c);
        break;
    default:
        conn_close(c);
        break;
    }
}

void conn_drain(struct conn *c)
{
    if (c->state == CONN_IDLE && !c->resuming) {
        conn_read(c);
        if (c->state == CONN_IDLE && !c->resuming) {
            conn_close(c);
        }
    } else if (c->state == CONN_HANDSHAKE) {
        conn_close(c);
    } else if (c->state == CONN_HTTP2) {
        http2_drain(c);
    }
}

struct conn *conn_new(struct conn_shared *s, int fd, struct tls *tls, const void *addr,
                      size_t addr_len)
{
    struct conn *c = mem_alloc(sizeof(*c));
    c->shared = s;
    c->tls = tls != NULL;
    if (tls) {
        stream_init_tls(&c->stream, fd, tls);
        c->state = CONN_HANDSHAKE;
        c->hand_wants = LOOP_READ;
    } else {
        stream_init_raw(&c->stream, fd);
        c->state = CONN_IDLE;
    }
    memcpy(&c->addr, addr, addr_len < sizeof(c->addr) ? addr_len : sizeof(c->addr));
    list_init(&c->node);
    list_push_back(&s->lists[c->state], &c->node);
    c->batch = (struct loop_batch){.fn = on_batch, .arg = c};
    c->io = loop_io_new(s->loop, fd, on_io, c);
    c->timer = loop_timer_new(s->loop, on_timer, c);
    s->n_conns++;
    loop_timer_set(c->timer, s->limits.head_timeout_ms);
    conn_set_interest(c);
    return c;
}
