/* The answer's side of an exchange, and its memory. Exchanges are recycled, with the small buffer
 * that holds a request's bytes, so a request on a warm worker allocates nothing. */
#include "dataplane/net/conn.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "dataplane/net/http2.h"

#define STORE_KEEP_MAX 16384u
#define STORE_STEP 1024u
#define SPARE_MAX 256u

struct exchange *exchange_new(struct conn *c, const struct http1_request *req)
{
    struct conn_shared *s = c->shared;
    struct exchange *x = s->spare_exchanges;
    size_t n = req->head.n_headers;
    if (x) {
        s->spare_exchanges = x->next_spare;
        s->n_spare_exchanges--;
        x->next_spare = NULL;
    } else {
        x = mem_alloc(sizeof(*x));
    }
    if (n > x->cap_headers) {
        mem_free(x->headers);
        x->cap_headers = (n + 7) & ~(size_t)7;
        x->headers = mem_alloc(x->cap_headers * sizeof(*x->headers));
    }
    x->conn = c;
    x->head = req->head;
    x->head.headers = x->headers;
    if (n) {
        memcpy(x->headers, req->head.headers, n * sizeof(*x->headers));
    }
    x->head_len = req->head_len;
    x->minor = req->minor;
    x->body = (struct str){"", 0};
    return x;
}

static void rebase(struct str *s, const char *from, size_t n, const char *to)
{
    uintptr_t at = (uintptr_t)s->ptr - (uintptr_t)from;
    if (s->ptr && at <= n) { /* else a constant ("/") */
        s->ptr = to + at;
    }
}

void exchange_rebase(struct exchange *x, const char *from, size_t n, const char *to)
{
    if (from == to) {
        return;
    }
    rebase(&x->head.method, from, n, to);
    rebase(&x->head.target, from, n, to);
    rebase(&x->head.path, from, n, to);
    rebase(&x->head.query, from, n, to);
    for (size_t i = 0; i < x->head.n_headers; i++) {
        rebase(&x->headers[i].name, from, n, to);
        rebase(&x->headers[i].value, from, n, to);
    }
}

bool exchange_keep_copy(struct exchange *x, const char *p, size_t n)
{
    if (n > x->cap_store) {
        size_t cap = (n + STORE_STEP - 1) / STORE_STEP * STORE_STEP;
        mem_free(x->store);
        x->store = mem_try_alloc(cap);
        x->cap_store = x->store ? cap : 0;
        if (!x->store) {
            return false;
        }
    }
    if (n) {
        memcpy(x->store, p, n);
    }
    exchange_rebase(x, p, n, x->store);
    if (n > x->head_len) {
        x->body = (struct str){x->store + x->head_len, n - x->head_len};
    }
    return true;
}

void exchange_keep_block(struct exchange *x, struct block *b)
{
    x->block = b;
}

/* Back to its listener's spares, or to the heap. */
void exchange_free(struct exchange *x)
{
    struct conn_shared *s = x->conn->shared;
    if (x->h2) {
        http2_stream_free(x->h2);
    }
    block_give(&s->blocks, x->block);
    conn_buffer_give(s, &x->big);
    struct header *headers = x->headers;
    size_t cap_headers = x->cap_headers;
    char *store = x->store;
    size_t cap_store = x->cap_store;
    if (cap_store > STORE_KEEP_MAX) {
        mem_free(store);
        store = NULL;
        cap_store = 0;
    }
    if (s->n_spare_exchanges == SPARE_MAX) {
        mem_free(headers);
        mem_free(store);
        mem_free(x);
        return;
    }
    *x = (struct exchange){.headers = headers,
                           .cap_headers = cap_headers,
                           .store = store,
                           .cap_store = cap_store,
                           .next_spare = s->spare_exchanges};
    s->spare_exchanges = x;
    s->n_spare_exchanges++;
}

static void free_now(void *arg)
{
    exchange_free(arg);
}

void exchange_free_later(struct exchange *x)
{
    loop_defer(x->conn->shared->loop, free_now, x);
}

void exchange_lost(struct exchange *x)
{
    if (x->on_gone && !x->ended) {
        void (*fn)(void *arg) = x->on_gone;
        x->on_gone = NULL;
        fn(x->gone_arg);
    }
}

static void lost_now(void *arg)
{
    exchange_lost(arg);
}

void exchange_tell_lost(struct exchange *x, bool later)
{
    if (later) {
        loop_defer(x->conn->shared->loop, lost_now, x); /* freed behind this, at the earliest */
    } else {
        exchange_lost(x);
    }
}

/* ---- what the request layer asks ---- */

const struct request_head *exchange_head(const struct exchange *x)
{
    return &x->head;
}

struct str exchange_body(const struct exchange *x)
{
    return x->body;
}

struct str exchange_header(const struct exchange *x, const char *name)
{
    struct str want = str_of(name);
    for (size_t i = 0; i < x->head.n_headers; i++) {
        if (str_eq_nocase(x->headers[i].name, want)) {
            return x->headers[i].value;
        }
    }
    return STR_NONE;
}

struct str exchange_peer(const struct exchange *x)
{
    struct conn *c = x->conn;
    if (!c->peer[0]) {
        char ip[INET6_ADDRSTRLEN] = "?";
        bool six = c->addr.any.sa_family == AF_INET6;
        const void *raw = six ? (const void *)&c->addr.v6.sin6_addr : &c->addr.v4.sin_addr;
        (void)inet_ntop(six ? AF_INET6 : AF_INET, raw, ip, sizeof(ip));
        (void)snprintf(c->peer, sizeof(c->peer), six ? "[%s]:%u" : "%s:%u", ip,
                       (unsigned)ntohs(six ? c->addr.v6.sin6_port : c->addr.v4.sin_port));
    }
    return str_of(c->peer);
}

bool exchange_tls(const struct exchange *x)
{
    return x->conn->tls;
}

struct loop *exchange_loop(const struct exchange *x)
{
    return x->conn->shared->loop;
}

void exchange_on_gone(struct exchange *x, void (*fn)(void *arg), void *arg)
{
    x->on_gone = fn;
    x->gone_arg = arg;
}

void exchange_on_drain(struct exchange *x, void (*fn)(void *arg), void *arg)
{
    x->on_drain = fn;
    x->drain_arg = arg;
}

bool exchange_started(const struct exchange *x)
{
    return x->mode != ANSWER_NONE;
}

uint64_t exchange_bytes_sent(const struct exchange *x)
{
    return x->sent;
}

/* ---- the answer ---- */

static bool dead(const struct exchange *x)
{
    return x->ended || x->gone || x->conn->state == CONN_CLOSED;
}

/* Makes the head and leaves it in the connection's queue, from where it goes out with the next
 * bytes. */
static void write_head(struct exchange *x, int status, const struct header *headers, size_t n,
                       int64_t length)
{
    struct conn *c = x->conn;
    struct conn_shared *s = c->shared;
    bool no_body = str_eqz(x->head.method, "HEAD") || status == 204 || status == 304;
    if (no_body) {
        x->mode = ANSWER_NO_BODY;
        length = status == 204 || status == 304 ? -1 : length;
    } else if (length >= 0) {
        x->mode = ANSWER_LENGTH;
        x->left = length;
    } else if (x->minor == 1) {
        x->mode = ANSWER_CHUNKED;
    } else {
        x->mode = ANSWER_CLOSE;
        c->close_after = true;
    }
    if (!x->head.keep_alive || s->draining) {
        c->close_after = true;
    }
    struct http1_answer a = {.status = status,
                             .headers = headers,
                             .n_headers = n,
                             .length = length,
                             .chunked = x->mode == ANSWER_CHUNKED,
                             .keep_alive = !c->close_after,
                             .old_client = x->minor == 0};
    if (!c->out.ptr) {
        conn_buffer_take(s, &c->out, CONN_OUT_MAX);
    }
    if (!http1_write_head(&c->out, &a, http1_date(&s->date, loop_now_ms(s->loop)))) {
        conn_lost(c, true);
    }
}

void exchange_start(struct exchange *x, int status, const struct header *headers, size_t n,
                    int64_t length, bool flush)
{
    if (dead(x) || x->mode != ANSWER_NONE) {
        return;
    }
    if (x->h2) {
        http2_start(x, status, headers, n, length);
        return;
    }
    write_head(x, status, headers, n, length);
    if (flush) {
        conn_write(x->conn, NULL, 0, true);
    }
}

bool exchange_send(struct exchange *x, struct str piece)
{
    static const char crlf[] = "\r\n";
    struct iovec iov[3];
    char size[20];
    unsigned n = 0;
    if (dead(x) || x->mode == ANSWER_NONE || x->mode == ANSWER_NO_BODY) {
        return true;
    }
    if (x->h2) {
        return http2_send(x, piece);
    }
    if (x->mode == ANSWER_LENGTH) {
        if (piece.len > (uint64_t)x->left) {
            piece.len = (size_t)x->left; /* more would be read as the next answer */
        }
        x->left -= (int64_t)piece.len;
    }
    if (piece.len == 0) {
        return !x->full;
    }
    if (x->mode == ANSWER_CHUNKED) {
        iov[n++] = (struct iovec){size, http1_write_chunk_size(size, piece.len)};
    }
    iov[n++] = (struct iovec){(void *)(size_t)piece.ptr, piece.len};
    if (x->mode == ANSWER_CHUNKED) {
        iov[n++] = (struct iovec){(void *)(size_t)crlf, 2};
    }
    conn_write(x->conn, iov, n, x->mode != ANSWER_LENGTH || x->left > 0);
    if (x->conn->state == CONN_CLOSED) {
        return true;
    }
    if (conn_queued(x->conn) > CONN_HIGH_WATER) {
        x->full = true;
    }
    return !x->full;
}

/* The one way out. */
static void finish(struct exchange *x, bool broken)
{
    static const char last[] = "0\r\n\r\n";
    struct conn *c = x->conn;
    if (x->ended) {
        return;
    }
    if (x->h2) {
        x->ended = true;
        http2_finish(x, broken);
        return;
    }
    broken = broken || x->mode == ANSWER_NONE || (x->mode == ANSWER_LENGTH && x->left > 0);
    x->ended = true;
    if (broken) {
        c->close_after = true;
        c->reset = x->mode == ANSWER_CLOSE;
    } else if (x->mode == ANSWER_CHUNKED) {
        struct iovec iov = {(void *)(size_t)last, sizeof(last) - 1};
        conn_write(c, &iov, 1, true);
    }
    exchange_free_later(x); /* before the connection, which may be freed behind this turn too */
    conn_answered(c);
}

void exchange_end(struct exchange *x)
{
    finish(x, false);
}

void exchange_abort(struct exchange *x)
{
    finish(x, true);
}

void exchange_reply(struct exchange *x, int status, const struct header *headers, size_t n,
                    struct str body)
{
    if (x->h2) {
        exchange_start(x, status, headers, n, (int64_t)body.len, true);
        (void)exchange_send(x, body);
    } else if (!dead(x) && x->mode == ANSWER_NONE) {
        write_head(x, status, headers, n, (int64_t)body.len);
        if (x->mode == ANSWER_LENGTH) {
            x->left = 0;
            struct iovec iov = {(void *)(size_t)body.ptr, body.len};
            conn_write(x->conn, &iov, body.len ? 1 : 0, false);
        }
    }
    finish(x, false);
}
