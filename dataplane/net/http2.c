/* HTTP/2 on a client connection: the session, its frames to and from the kernel, its end.
 * libnghttp2 knows frames, header compression and flow control; http2_stream.c turns streams into
 * exchanges. */
#include "dataplane/net/http2_inside.h"

#include "common/base/mem.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_LEN 24u
#define MAX_STREAMS 128u
#define STREAM_WINDOW (1 << 20)
#define SESSION_WINDOW (8 << 20)
#define TICK_MS 1000u
/* Frames that wait in libnghttp2 (its answers to faults, mostly): more than any honest client can
 * make it owe. */
#define OUTBOUND_MAX 4096u

int http2_preface(const char *p, size_t n)
{
    size_t m = n < PREFACE_LEN ? n : PREFACE_LEN;
    if (memcmp(p, PREFACE, m) != 0) {
        return -1;
    }
    return n >= PREFACE_LEN;
}

bool http2_idle(const struct conn *c)
{
    return c->h2 && c->h2->n_streams == 0;
}

uint64_t http2_now_ms(const struct http2_session *h)
{
    return loop_now_ms(h->conn->shared->loop);
}

/* ---- sending ---- */

static void close_session(struct http2_session *h)
{
    conn_lost(h->conn, true);
}

/* Frames to the kernel by way of the connection's queue, as long as it takes them. */
static void fill(struct http2_session *h)
{
    struct conn *c = h->conn;
    ssize_t n = 1;
    while (h->ng && n > 0 && !c->blocked) {
        const uint8_t *bytes;
        while (h->ng && conn_queued(c) < CONN_LOW_WATER &&
               (n = nghttp2_session_mem_send(h->ng, &bytes)) > 0) {
            conn_queue(c, (const char *)bytes, (size_t)n);
        }
        if (n < 0) {
            close_session(h);
            return;
        }
        conn_push(c);
    }
}

static void tell_drained(struct http2_session *h)
{
    struct list *n = h->streams.next;
    while (n != &h->streams) {
        struct http2_stream *st = LIST_ENTRY(n, struct http2_stream, node);
        struct exchange *x = st->x;
        n = n->next;
        if (x && x->full && !x->ended && !x->gone && st->out.len - st->out_off <= CONN_LOW_WATER) {
            x->full = false;
            if (x->on_drain) {
                x->on_drain(x->drain_arg);
            }
        }
    }
}

static bool finished(const struct http2_session *h)
{
    if (!h->ng) {
        return false;
    }
    return (!nghttp2_session_want_read(h->ng) && !nghttp2_session_want_write(h->ng)) ||
           (h->goaway && h->n_streams == 0 && !nghttp2_session_want_write(h->ng));
}

static void flush(struct http2_session *h)
{
    struct conn *c = h->conn;
    fill(h);
    if (!h->ng) {
        return;
    }
    tell_drained(h);
    if (h->ng && finished(h) && conn_queued(c) == 0) {
        conn_close(c);
    }
}

static void on_flush(void *arg)
{
    struct http2_session *h = arg;
    h->flush_queued = false;
    if (h->ng) {
        flush(h);
    } else if (h->n_streams == 0) {
        conn_release(h->conn); /* closed meanwhile: this call was what it waited for */
    }
}

void http2_flush_later(struct http2_session *h)
{
    if (h->ng && !h->flush_queued) {
        h->flush_queued = true;
        loop_defer(h->conn->shared->loop, on_flush, h);
    }
}

bool http2_held(const struct http2_session *h)
{
    return h->n_streams > 0 || h->flush_queued || h->closing;
}

void http2_writable(struct conn *c)
{
    c->h2->blocked_ms = 0;
    flush(c->h2);
}

/* ---- the connection ---- */

static bool session_new(struct http2_session *h)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        return false;
    }
    http2_set_callbacks(callbacks);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, 256);
    int rc = nghttp2_session_server_new2(&h->ng, callbacks, h, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return rc == 0;
}

static bool greet(struct http2_session *h)
{
    uint32_t head = (uint32_t)h->conn->shared->limits.max_head_bytes;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head},
    };
    return nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, settings,
                                   sizeof(settings) / sizeof(settings[0])) == 0 &&
           nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0, SESSION_WINDOW) == 0;
}

static void feed(struct http2_session *h, const char *p, size_t n)
{
    struct conn *c = h->conn;
    ssize_t used = nghttp2_session_mem_recv(h->ng, (const uint8_t *)p, n);
    if (c->state == CONN_CLOSED) {
        return;
    }
    if (used < 0) {
        conn_lost(c, false);
        return;
    }
    flush(h);
    if (h->ng && nghttp2_session_get_outbound_queue_size(h->ng) > OUTBOUND_MAX) {
        conn_lost(c, false);
    }
}

void http2_begin(struct conn *c, const char *p, size_t n)
{
    struct http2_session *h = mem_alloc(sizeof(*h));
    h->conn = c;
    list_init(&h->streams);
    c->h2 = h;
    h->last_ms = http2_now_ms(h);
    conn_set_state(c, CONN_HTTP2);
    if (!session_new(h) || !greet(h)) {
        conn_close(c);
        return;
    }
    loop_timer_set(c->timer, TICK_MS);
    conn_set_interest(c);
    if (c->shared->draining) {
        http2_drain(c);
    }
    feed(h, p, n);
}

void http2_read(struct conn *c)
{
    struct block *b = c->shared->scratch;
    long n = stream_recv(&c->stream, b->bytes, BLOCK_BYTES);
    if (n == STREAM_WANT_READ || n == STREAM_WANT_WRITE) {
        c->read_wants_write = n == STREAM_WANT_WRITE;
        conn_set_interest(c);
        return;
    }
    if (n <= 0) {
        conn_lost(c, false);
        return;
    }
    feed(c->h2, b->bytes, (size_t)n);
}

void http2_on_timer(struct conn *c)
{
    struct http2_session *h = c->h2;
    const struct exchange_limits *l = &c->shared->limits;
    uint64_t now = http2_now_ms(h);
    if (!c->blocked) {
        h->blocked_ms = 0;
    } else if (h->blocked_ms == 0) {
        h->blocked_ms = now;
    } else if (now >= h->blocked_ms + l->write_timeout_ms) {
        conn_lost(c, false);
        return;
    }
    if (h->n_streams == 0 && now >= h->last_ms + l->idle_timeout_ms) {
        if (h->goaway || c->blocked) {
            conn_close(c);
            return;
        }
        http2_drain(c); /* says goodbye, so that a client asks nothing more here, and closes */
    }
    struct list *n = h->streams.next;
    while (n != &h->streams) {
        struct http2_stream *st = LIST_ENTRY(n, struct http2_stream, node);
        n = n->next;
        http2_stream_check(st, now);
    }
    loop_timer_set(c->timer, TICK_MS);
    http2_flush_later(h);
}

void http2_drain(struct conn *c)
{
    struct http2_session *h = c->h2;
    if (!h->ng || h->goaway) {
        return;
    }
    h->goaway = true;
    (void)nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->ng), NGHTTP2_NO_ERROR,
                                NULL, 0);
    http2_flush_later(h);
}

static void free_ng(void *arg)
{
    nghttp2_session_del(arg);
}

void http2_closed(struct conn *c, bool later)
{
    struct http2_session *h = c->h2;
    if (!h->ng) {
        return;
    }
    loop_defer(c->shared->loop, free_ng, h->ng); /* it may be on the stack */
    h->ng = NULL;
    h->closing = true;
    struct list *n = h->streams.next;
    while (n != &h->streams) {
        struct http2_stream *st = LIST_ENTRY(n, struct http2_stream, node);
        n = n->next;
        if (!st->closed) {
            http2_stream_gone(st, later);
        }
    }
    h->closing = false;
}

void http2_free(struct http2_session *h)
{
    mem_free(h);
}
