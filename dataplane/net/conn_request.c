/* A client connection's way in: bytes to requests. One request is put together at a time; a small
 * one is copied out of the worker's block, a larger one that came in one read keeps the block, one
 * in parts gathers in its exchange. */
#include "dataplane/net/conn.h"

#include "common/base/mem.h"
#include "dataplane/net/http2.h"

#define LEND_MIN 16384u /* smaller requests are cheaper to copy than to lend a block for */
/* memory for a body is taken as it comes, not as it is announced */
#define BODY_ALLOC_STEP 1048576u
/* bytes per second over the whole body, after body_timeout_ms of grace */
#define BODY_MIN_RATE 256u

static void dispatch(struct conn *c)
{
    const struct exchange_handler *h = &c->shared->handler;
    c->served = true;
    conn_set_state(c, CONN_BUSY);
    conn_set_write_deadline(c);
    conn_set_interest(c);
    h->on_request(h->arg, c->x);
}

/* The request of c->x cannot be served; its answer closes the connection. */
static void refuse(struct conn *c, const struct error *err)
{
    const struct exchange_handler *h = &c->shared->handler;
    struct exchange *x = c->x;
    c->close_after = true;
    c->unread = true;
    conn_set_state(c, CONN_BUSY);
    conn_set_write_deadline(c);
    conn_set_interest(c);
    h->on_bad_request(h->arg, x, err);
    if (!x->ended) {
        exchange_abort(x);
    }
}

void conn_stash(struct conn *c, const char *p, size_t n)
{
    if (n == 0) {
        return;
    }
    if (!c->in.ptr) {
        conn_buffer_take(c->shared, &c->in,
                         c->shared->limits.max_head_bytes + CONN_PIPELINE_MAX + 2 * BLOCK_BYTES);
    } else if (c->in_off) {
        buffer_consume(&c->in, c->in_off);
        c->in_off = 0;
    }
    if (!buffer_append(&c->in, p, n)) {
        if (c->state == CONN_BUSY) {
            conn_lost(c, true);
        } else {
            conn_abandon(c);
        }
    }
}

static void in_used(struct conn *c, size_t n)
{
    c->in_off += n;
    c->in_seen = 0;
    if (c->in_off == c->in.len) {
        conn_buffer_give(c->shared, &c->in);
        c->in_off = 0;
    }
}

/* What was read at p (the worker's block, or `in`) is used up to `used`; the rest waits. */
static void keep_rest(struct conn *c, bool scratch, const char *p, size_t n, size_t used)
{
    if (scratch) {
        conn_stash(c, p + used, n - used);
    } else {
        in_used(c, used);
    }
}

static void set_body_deadline(struct conn *c)
{
    const struct exchange_limits *l = &c->shared->limits;
    uint64_t now = loop_now_ms(c->shared->loop);
    uint64_t gap = now + l->body_timeout_ms;
    uint64_t pace = c->body_start_ms + l->body_timeout_ms + c->body_bytes * 1000 / BODY_MIN_RATE;
    uint64_t at = gap < pace ? gap : pace;
    loop_timer_set(c->timer, at > now ? at - now : 0);
}

static void body_done(struct conn *c)
{
    struct exchange *x = c->x;
    x->body = (struct str){x->big.ptr + x->head_len, x->big.len - x->head_len};
    dispatch(c);
}

static void too_large(struct conn *c)
{
    struct error err = ERROR_INIT;
    (void)error_set(&err, ERR_BODY_TOO_LARGE, "body exceeds the limit of %zu bytes",
                    c->shared->limits.max_body_bytes);
    refuse(c, &err);
}

/* Adds to the bytes of the request; its head's spans move along. False: the connection was given
 * up. */
static bool body_append(struct conn *c, const char *p, size_t n)
{
    struct exchange *x = c->x;
    const char *before = x->big.ptr;
    if (!buffer_append(&x->big, p, n)) {
        conn_abandon(c);
        return false;
    }
    exchange_rebase(x, before, x->head_len, x->big.ptr);
    return true;
}

/* Decodes p[0..n). Returns the bytes used; the state tells what came of it. */
static size_t feed_chunks(struct conn *c, char *p, size_t n)
{
    struct exchange *x = c->x;
    struct error err = ERROR_INIT;
    struct str data;
    size_t used;
    enum http1_result got = http1_decode_chunks(&x->chunks, p, n, &data, &used, &err);
    if (got == HTTP1_BAD) {
        refuse(c, &err);
    } else if (data.len > c->shared->limits.max_body_bytes - (x->big.len - x->head_len)) {
        too_large(c);
    } else if (body_append(c, data.ptr, data.len) && got == HTTP1_DONE) {
        x->chunked = false; /* all there */
    }
    return used;
}

/* The head at p is complete, the body is not. */
static void body_begin(struct conn *c, bool scratch, char *p, size_t n, bool ask)
{
    struct exchange *x = c->x;
    struct conn_shared *s = c->shared;
    size_t used = x->chunked ? x->head_len : n;
    bool nothing_yet = n == x->head_len;
    conn_set_state(c, CONN_BODY);
    conn_buffer_take(s, &x->big, x->head_len + s->limits.max_body_bytes);
    size_t want = x->whole_len < BODY_ALLOC_STEP ? x->whole_len : BODY_ALLOC_STEP;
    if (!buffer_reserve(&x->big, want) || !buffer_append(&x->big, p, used)) {
        conn_abandon(c);
        return;
    }
    exchange_rebase(x, p, x->head_len, x->big.ptr);
    if (x->chunked && n > used) {
        used += feed_chunks(c, p + used, n - used);
    }
    if (c->state == CONN_CLOSED) {
        return;
    }
    keep_rest(c, scratch, p, n, used);
    if (c->state != CONN_BODY) {
        return; /* refused, or given up */
    }
    c->body_start_ms = loop_now_ms(s->loop);
    c->body_bytes = x->big.len - x->head_len;
    if (x->whole_len == 0 && !x->chunked) {
        body_done(c);
        return;
    }
    set_body_deadline(c);
    conn_set_interest(c);
    if (ask && nothing_yet) {
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        struct iovec iov = {(void *)(size_t)text, sizeof(text) - 1};
        conn_write(c, &iov, 1, false);
    }
}

/* A head was refused: what can be told of it goes to the handler. */
static void refuse_head(struct conn *c, bool scratch, char *p, size_t n, struct http1_request *req,
                        const struct error *err)
{
    size_t keep = n < c->shared->limits.max_head_bytes ? n : c->shared->limits.max_head_bytes;
    c->x = exchange_new(c, req);
    if (!exchange_keep_copy(c->x, p, keep)) {
        conn_abandon(c);
        return;
    }
    c->x->body = STR_LIT("");
    keep_rest(c, scratch, p, n, n);
    refuse(c, err);
}

/* The head at p is complete, and perhaps more. */
static void begin_request(struct conn *c, bool scratch, char *p, size_t n,
                          struct http1_request *req)
{
    struct conn_shared *s = c->shared;
    size_t length = req->content_length > 0 ? (size_t)req->content_length : 0;
    if (length > s->limits.max_body_bytes) {
        struct error err = ERROR_INIT;
        (void)error_set(&err, ERR_BODY_TOO_LARGE, "body of %zu bytes exceeds the limit of %zu",
                        length, s->limits.max_body_bytes);
        refuse_head(c, scratch, p, n, req, &err);
        return;
    }
    struct exchange *x = c->x = exchange_new(c, req);
    size_t whole = req->head_len + length;
    if (req->chunked || n < whole) {
        x->chunked = req->chunked;
        x->whole_len = req->chunked ? 0 : whole;
        body_begin(c, scratch, p, n, req->expect_continue);
        return;
    }
    if (scratch && whole >= LEND_MIN) {
        exchange_keep_block(x, s->scratch);
        x->body = (struct str){p + req->head_len, length};
        s->scratch = block_take(&s->blocks);
        conn_stash(c, p + whole, n - whole);
    } else if (exchange_keep_copy(x, p, whole)) {
        keep_rest(c, scratch, p, n, whole);
    } else {
        conn_abandon(c);
        return;
    }
    if (c->state != CONN_CLOSED) {
        dispatch(c);
    }
}

/* HTTP/2 by prior knowledge is seen by its first bytes. -1: it is not that; 0: it may be; 1: taken.
 */
static int take_http2(struct conn *c, const char *p, size_t n)
{
    int is = p[0] == 'P' && !c->tls && !c->served ? http2_preface(p, n) : -1;
    if (is == 1) {
        http2_begin(c, p, n);
        conn_buffer_give(c->shared, &c->in);
        c->in_off = 0;
    }
    return is;
}

/* Takes one request, or a part of one, off p[0..n): the worker's block, or all of `in`. */
void conn_feed(struct conn *c, bool scratch, char *p, size_t n)
{
    struct conn_shared *s = c->shared;
    struct http1_request req;
    struct error err = ERROR_INIT;
    enum http1_result got = HTTP1_MORE;
    int http2 = take_http2(c, p, n);
    if (http2 == 1) {
        return;
    }
    if (http2 == 0) {
        got = HTTP1_MORE;
    } else if (scratch || http1_head_ready(p, n, s->limits.max_head_bytes, &c->in_seen)) {
        got = http1_read_request(p, n, s->limits.max_head_bytes, s->headers, &req, &err);
    }
    if (got == HTTP1_BAD) {
        refuse_head(c, scratch, p, n, &req, &err);
    } else if (got == HTTP1_DONE) {
        begin_request(c, scratch, p, n, &req);
    } else {
        if (scratch) {
            c->in_seen = n;
            conn_stash(c, p, n);
        }
        if (c->state == CONN_IDLE) {
            conn_set_state(c, CONN_HEAD);
            loop_timer_set(c->timer, s->limits.head_timeout_ms);
        }
    }
}

/* ---- reading ---- */

void conn_read_head(struct conn *c)
{
    struct conn_shared *s = c->shared;
    struct block *b = s->scratch;
    long n = stream_recv(&c->stream, b->bytes, BLOCK_BYTES);
    if (n == STREAM_WANT_READ || n == STREAM_WANT_WRITE) {
        c->read_wants_write = n == STREAM_WANT_WRITE;
        conn_set_interest(c);
        return;
    }
    if (n <= 0) {
        conn_read_ended(c, n);
        return;
    }
    if (conn_unread(c) == 0) {
        conn_feed(c, true, b->bytes, (size_t)n);
    } else {
        conn_stash(c, b->bytes, (size_t)n);
        if (c->state != CONN_CLOSED) {
            conn_feed(c, false, c->in.ptr + c->in_off, conn_unread(c));
        }
    }
}

void conn_read_body(struct conn *c)
{
    struct exchange *x = c->x;
    struct block *b = c->shared->scratch;
    char *to = b->bytes;
    size_t room = BLOCK_BYTES;
    if (!x->chunked) {
        const char *before = x->big.ptr;
        size_t left = x->whole_len - x->big.len;
        if (!buffer_reserve(&x->big, left < BLOCK_BYTES ? left : BLOCK_BYTES)) {
            conn_abandon(c);
            return;
        }
        exchange_rebase(x, before, x->head_len, x->big.ptr);
        to = x->big.ptr + x->big.len;
        room = x->big.cap - x->big.len < left ? x->big.cap - x->big.len : left;
    }
    long n = stream_recv(&c->stream, to, room);
    if (n == STREAM_WANT_READ || n == STREAM_WANT_WRITE) {
        c->read_wants_write = n == STREAM_WANT_WRITE;
        conn_set_interest(c);
        return;
    }
    if (n <= 0) {
        conn_read_ended(c, n);
        return;
    }
    c->body_bytes += (size_t)n;
    if (x->chunked) {
        size_t used = feed_chunks(c, b->bytes, (size_t)n);
        if (c->state != CONN_BODY) {
            return;
        }
        conn_stash(c, b->bytes + used, (size_t)n - used);
        if (c->state == CONN_BODY && !x->chunked) {
            body_done(c);
            return;
        }
    } else {
        x->big.len += (size_t)n;
        if (x->big.len == x->whole_len) {
            body_done(c);
            return;
        }
    }
    if (c->state == CONN_BODY) {
        set_body_deadline(c);
    }
}

void conn_request_late(struct conn *c)
{
    struct conn_shared *s = c->shared;
    struct error err = ERROR_INIT;
    struct http1_request req;
    if (c->state == CONN_BODY) {
        (void)error_set(&err, ERR_REQUEST_TIMEOUT, "body did not arrive in time");
        refuse(c, &err);
        return;
    }
    /* for what of it can be told: the path decides the dialect of the answer */
    (void)http1_read_request(c->in.ptr + c->in_off, conn_unread(c), s->limits.max_head_bytes,
                             s->headers, &req, &err);
    (void)error_set(&err, ERR_REQUEST_TIMEOUT, "head did not arrive in time");
    refuse_head(c, false, c->in.ptr + c->in_off, conn_unread(c), &req, &err);
}
