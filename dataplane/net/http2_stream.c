/* Streams of an HTTP/2 connection as exchanges, both ways.
 *
 * A stream's head is written down as the HTTP/1.1 head that it stands for and read by the strict
 * reader of http1_read.c: so both versions refuse the same things. Answers gather in their stream's
 * buffer and leave behind the turn's events, as far as the client's windows allow. */
#include <stdio.h>

#include "common/base/mem.h"
#include "dataplane/net/http2_inside.h"

#define BODY_MIN_RATE 256u /* bytes per second over a body, as for HTTP/1.1 */
/* What the bodies of all streams of one connection may hold together, in largest bodies: so many
 * streams must not make it so many times as much. */
#define BODIES_MAX 4u
#define PSEUDO_ROOM 128u /* for method, version and the host line around the path */

/* ---- streams ---- */

static struct http2_stream *stream_new(struct http2_session *h, int32_t id)
{
    struct http2_stream *st = mem_alloc(sizeof(*st));
    const struct exchange_limits *l = &h->conn->shared->limits;
    st->session = h;
    st->id = id;
    st->started_ms = h->last_ms = http2_now_ms(h);
    for (unsigned i = 0; i < PSEUDO_COUNT; i++) {
        buffer_init(&st->pseudo[i], l->max_head_bytes);
    }
    buffer_init(&st->fields, l->max_head_bytes);
    buffer_init(&st->text, 2 * l->max_head_bytes + PSEUDO_ROOM);
    buffer_init(&st->body, l->max_body_bytes);
    buffer_init(&st->out, CONN_OUT_MAX);
    list_init(&st->node);
    list_push_back(&h->streams, &st->node);
    h->n_streams++;
    return st;
}

static void release_head(struct http2_stream *st)
{
    for (unsigned i = 0; i < PSEUDO_COUNT; i++) {
        buffer_release(&st->pseudo[i]);
    }
    buffer_release(&st->fields);
}

void http2_stream_free(struct http2_stream *st)
{
    struct http2_session *h = st->session;
    if (h->ng && !st->closed) {
        (void)nghttp2_session_set_stream_user_data(h->ng, st->id, NULL);
    }
    list_remove(&st->node);
    h->n_streams--;
    h->bodies -= st->body.len;
    release_head(st);
    buffer_release(&st->text);
    buffer_release(&st->body);
    buffer_release(&st->out);
    mem_free(st);
    if (h->ng) {
        h->last_ms = http2_now_ms(h);
        http2_flush_later(h); /* perhaps the last before the connection may close */
    } else if (!http2_held(h)) {
        conn_release(h->conn);
    }
}

/* Streams without an exchange are ours to free; with one, the exchange frees them. */
void http2_stream_gone(struct http2_stream *st, bool later)
{
    struct exchange *x = st->x;
    st->closed = true;
    if (!x) {
        http2_stream_free(st);
    } else if (!st->handed || x->ended) {
        exchange_free_later(x);
    } else if (!x->gone) {
        x->gone = true;
        exchange_tell_lost(x, later);
    }
}

void http2_reset(struct http2_stream *st, uint32_t code)
{
    nghttp2_session *ng = st->session->ng;
    if (ng && !st->closed && !st->reset) {
        st->reset = nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, st->id, code) == 0;
    }
}

/* ---- requests ---- */

static void hand_over(struct http2_stream *st)
{
    const struct exchange_handler *handler = &st->session->conn->shared->handler;
    st->handed = true;
    st->x->body = (struct str){st->body.ptr ? st->body.ptr : "", st->body.len};
    handler->on_request(handler->arg, st->x);
}

static void refuse(struct http2_stream *st, const struct error *err)
{
    const struct exchange_handler *handler = &st->session->conn->shared->handler;
    st->handed = true;
    handler->on_bad_request(handler->arg, st->x, err);
    if (!st->x->ended) {
        exchange_abort(st->x);
    }
}

static void put_line(struct buffer *b, struct str name, struct str value)
{
    (void)buffer_append_str(b, name);
    (void)buffer_append(b, ": ", 2);
    (void)buffer_append_str(b, value);
    (void)buffer_append(b, "\r\n", 2);
}

static void put_head(struct http2_stream *st)
{
    struct buffer *t = &st->text;
    (void)buffer_append_str(t, buffer_str(&st->pseudo[METHOD]));
    (void)buffer_append(t, " ", 1);
    (void)buffer_append_str(t, buffer_str(&st->pseudo[PATH]));
    (void)buffer_append_z(t, " HTTP/1.1\r\n");
    if (!st->has_host) {
        put_line(t, STR_LIT("host"), buffer_str(&st->pseudo[AUTHORITY]));
    }
    (void)buffer_append_str(t, buffer_str(&st->fields));
    (void)buffer_append(t, "\r\n", 2);
}

static bool head_too_large(const struct http2_stream *st)
{
    bool failed = st->fields.failed || st->text.failed;
    for (unsigned i = 0; i < PSEUDO_COUNT; i++) {
        failed = failed || st->pseudo[i].failed;
    }
    return failed;
}

/* The head has come: the exchange stands afterwards. False: it was refused. */
static bool read_head(struct http2_stream *st)
{
    struct conn *c = st->session->conn;
    struct conn_shared *s = c->shared;
    struct http1_request req = {.minor = 1, .content_length = -1};
    struct error err = ERROR_INIT;
    enum http1_result got = HTTP1_BAD;
    put_head(st);
    if (st->other_host) {
        (void)error_set(&err, ERR_BAD_REQUEST, "host and :authority differ");
    } else if (head_too_large(st)) {
        (void)error_set(&err, ERR_HEADERS_TOO_LARGE, "request head exceeds the limit of %zu bytes",
                        s->limits.max_head_bytes);
    } else {
        got = http1_read_request(st->text.ptr, st->text.len, st->text.max, s->headers, &req, &err);
    }
    if (got == HTTP1_MORE) {
        (void)error_set(&err, ERR_BAD_REQUEST, "request head is not complete");
    }
    release_head(st);
    st->x = exchange_new(c, &req);
    st->x->h2 = st;
    st->x->minor = 1;
    if (got != HTTP1_DONE) {
        refuse(st, &err);
        return false;
    }
    if (req.content_length > 0 && (uint64_t)req.content_length > s->limits.max_body_bytes) {
        (void)error_set(&err, ERR_BODY_TOO_LARGE, "body of %lld bytes exceeds the limit of %zu",
                        (long long)req.content_length, s->limits.max_body_bytes);
        refuse(st, &err);
        return false;
    }
    if (req.expect_continue) {
        nghttp2_nv nv = {(uint8_t *)(size_t) ":status", (uint8_t *)(size_t) "100", 7, 3, 0};
        (void)nghttp2_submit_headers(st->session->ng, NGHTTP2_FLAG_NONE, st->id, NULL, &nv, 1,
                                     NULL);
    }
    return true;
}

/* ---- what libnghttp2 tells ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct http2_session *h = arg;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct http2_stream *st = stream_new(h, frame->hd.stream_id);
        (void)nghttp2_session_set_stream_user_data(ng, st->id, st);
    }
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    static const struct str pseudo[PSEUDO_COUNT] = {STR_LIT(":method"), STR_LIT(":path"),
                                                    STR_LIT(":authority")};
    struct http2_stream *st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    struct str n = {(const char *)name, name_len}, v = {(const char *)value, value_len};
    (void)flags;
    (void)arg;
    if (!st || st->x) {
        return 0; /* trailers are not needed */
    }
    for (unsigned i = 0; i < PSEUDO_COUNT; i++) {
        if (str_eq(n, pseudo[i])) {
            (void)buffer_append_str(&st->pseudo[i], v);
            return 0;
        }
    }
    if (name_len && name[0] == ':') {
        return 0; /* :scheme */
    }
    if (str_eqz(n, "host")) { /* pseudo headers stand before all others */
        struct str authority = buffer_str(&st->pseudo[AUTHORITY]);
        st->has_host = true;
        st->other_host = st->other_host || (authority.len && !str_eq_nocase(authority, v));
    }
    put_line(&st->fields, n, v);
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct http2_stream *st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    (void)arg;
    bool of_message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!st || st->closed || st->reset || !of_message) {
        return 0;
    }
    st->received = st->received || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (!st->handed && !st->x && !read_head(st)) {
        return 0;
    }
    if (!st->handed && st->received) {
        hand_over(st);
    }
    return 0;
}

/* An answer that was complete before its request: the rest of that is not wanted. */
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct http2_stream *st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    bool of_message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    (void)arg;
    if (st && of_message && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !st->received) {
        http2_reset(st, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n,
                   void *arg)
{
    struct http2_stream *st = nghttp2_session_get_stream_user_data(ng, id);
    struct error err = ERROR_INIT;
    (void)flags;
    (void)arg;
    if (!st || st->closed || st->reset || st->handed || !st->x) {
        return 0;
    }
    struct http2_session *h = st->session;
    if (h->bodies + n > BODIES_MAX * (uint64_t)st->body.max) {
        http2_reset(st, NGHTTP2_ENHANCE_YOUR_CALM);
        return 0;
    }
    h->bodies += n;
    if (!buffer_append(&st->body, bytes, n)) {
        h->bodies -= n;
        (void)error_set(&err, ERR_BODY_TOO_LARGE, "body exceeds the limit of %zu bytes",
                        st->body.max);
        refuse(st, &err);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct http2_stream *st = nghttp2_session_get_stream_user_data(ng, id);
    (void)code;
    (void)arg;
    if (st) {
        http2_stream_gone(st, false);
    }
    return 0;
}

static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                             void *arg)
{
    (void)ng, (void)frame, (void)name, (void)name_len, (void)value, (void)value_len, (void)flags,
        (void)arg;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* not ignored: the stream is reset */
}

void http2_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* ---- answers ---- */

static ssize_t read_out(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t room, uint32_t *flags,
                        nghttp2_data_source *source, void *arg)
{
    struct http2_stream *st = source->ptr;
    size_t n = st->out.len - st->out_off;
    (void)ng, (void)id, (void)arg;
    if (n == 0 && st->ended && st->broken) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* a reset, behind all that was sent */
    }
    if (n == 0 && !st->ended) {
        st->stalled_ms = 0;
        return NGHTTP2_ERR_DEFERRED;
    }
    n = n < room ? n : room;
    if (n) {
        memcpy(buf, st->out.ptr + st->out_off, n);
        st->out_off += n;
        st->x->sent += n;
        st->stalled_ms = http2_now_ms(st->session);
    }
    if (st->out_off == st->out.len) {
        buffer_clear(&st->out);
        st->out_off = 0;
        if (st->ended && !st->broken) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        }
    } else if (st->out_off > CONN_LOW_WATER && st->out_off > st->out.len - st->out_off) {
        buffer_consume(&st->out, st->out_off);
        st->out_off = 0;
    }
    return (ssize_t)n;
}

static bool may_send(const struct header *h)
{
    static const char *const framing[] = {"connection",      "content-length",    "date",
                                          "keep-alive",      "transfer-encoding", "upgrade",
                                          "proxy-connection"};
    for (size_t i = 0; i < sizeof(framing) / sizeof(framing[0]); i++) {
        if (str_eq_nocase(h->name, str_of(framing[i]))) {
            return false;
        }
    }
    return nghttp2_check_header_value((const uint8_t *)h->value.ptr, h->value.len) != 0 &&
           h->name.len && h->name.ptr[0] != ':';
}

/* Names in lower case, as HTTP/2 wants them; `names` has room for all. */
static nghttp2_nv field(struct str name, struct str value, struct buffer *names)
{
    size_t at = names->len;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        (void)buffer_append(names, &c, 1);
    }
    return (nghttp2_nv){(uint8_t *)names->ptr + at, (uint8_t *)(size_t)value.ptr, name.len,
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

void http2_start(struct exchange *x, int status, const struct header *headers, size_t n,
                 int64_t length)
{
    struct http2_stream *st = x->h2;
    struct http2_session *h = st->session;
    struct conn_shared *s = x->conn->shared;
    char status_text[8], length_text[24];
    struct buffer names;
    size_t room = 64, count = 0;
    bool no_body = str_eqz(x->head.method, "HEAD") || status == 204 || status == 304;
    if (st->closed || !h->ng || st->submitted) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        room += headers[i].name.len;
    }
    nghttp2_nv *nv = mem_alloc((n + 3) * sizeof(*nv));
    buffer_init(&names, room);
    (void)buffer_reserve(&names, room); /* it must not move */
    (void)snprintf(status_text, sizeof(status_text), "%03d", status);
    nv[count++] = field(STR_LIT(":status"), str_of(status_text), &names);
    for (size_t i = 0; i < n; i++) {
        if (may_send(&headers[i])) {
            nv[count++] = field(headers[i].name, headers[i].value, &names);
        }
    }
    nv[count++] = field(STR_LIT("date"), http1_date(&s->date, loop_now_ms(s->loop)), &names);
    if (length >= 0 && status != 204 && status != 304) {
        (void)snprintf(length_text, sizeof(length_text), "%lld", (long long)length);
        nv[count++] = field(STR_LIT("content-length"), str_of(length_text), &names);
    }
    x->mode = no_body ? ANSWER_NO_BODY : length >= 0 ? ANSWER_LENGTH : ANSWER_CHUNKED;
    x->left = length;
    nghttp2_data_provider body = {.source = {.ptr = st}, .read_callback = read_out};
    st->submitted = nghttp2_submit_response(h->ng, st->id, nv, count, no_body ? NULL : &body) == 0;
    buffer_release(&names);
    mem_free(nv);
    st->stalled_ms = http2_now_ms(h);
    http2_flush_later(h);
}

bool http2_send(struct exchange *x, struct str piece)
{
    struct http2_stream *st = x->h2;
    struct http2_session *h = st->session;
    if (st->closed || !h->ng || !st->submitted || x->mode == ANSWER_NO_BODY) {
        return true;
    }
    if (x->mode == ANSWER_LENGTH) {
        if (piece.len > (uint64_t)x->left) {
            piece.len = (size_t)x->left;
        }
        x->left -= (int64_t)piece.len;
    }
    if (piece.len) {
        if (st->out.len == st->out_off) {
            st->stalled_ms = http2_now_ms(h);
        }
        (void)buffer_append_str(&st->out, piece);
        (void)nghttp2_session_resume_data(h->ng, st->id);
        http2_flush_later(h);
    }
    if (st->out.len - st->out_off > CONN_HIGH_WATER) {
        x->full = true;
    }
    return !x->full;
}

void http2_finish(struct exchange *x, bool broken)
{
    struct http2_stream *st = x->h2;
    struct http2_session *h = st->session;
    st->ended = true;
    st->broken = broken || st->out.failed || x->mode == ANSWER_NONE ||
                 (x->mode == ANSWER_LENGTH && x->left > 0);
    if (st->closed || !h->ng) {
        exchange_free_later(x);
        return;
    }
    if (!st->submitted) {
        http2_reset(st, NGHTTP2_INTERNAL_ERROR);
    } else {
        (void)nghttp2_session_resume_data(h->ng, st->id);
    }
    http2_flush_later(h); /* on_stream_close frees it */
}

/* A body that comes too slowly is refused, a client that takes nothing is gone. */
void http2_stream_check(struct http2_stream *st, uint64_t now)
{
    const struct exchange_limits *l = &st->session->conn->shared->limits;
    struct error err = ERROR_INIT;
    if (!st->handed) {
        uint64_t late = st->started_ms + l->body_timeout_ms + st->body.len * 1000 / BODY_MIN_RATE;
        if (now >= late && st->x) {
            (void)error_set(&err, ERR_REQUEST_TIMEOUT, "body did not arrive in time");
            refuse(st, &err);
        } else if (now >= late) {
            http2_reset(st, NGHTTP2_CANCEL);
        }
    } else if (st->out.len > st->out_off && st->stalled_ms &&
               now >= st->stalled_ms + l->write_timeout_ms) {
        http2_reset(st, NGHTTP2_CANCEL);
    }
}
