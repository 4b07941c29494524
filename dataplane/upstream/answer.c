/* A provider's answer, as it comes: heads and body are read in the worker's block; of a body
 * nothing is kept, of a head only what came of it when it comes in parts. */
#include "dataplane/upstream/call.h"

#define INTERIM_MAX 16u /* 1xx answers in a row */

void call_set_gap_deadline(struct upstream_call *c)
{
    if (c->gap_deadline_ms && !c->paused) {
        loop_timer_set(c->timer, c->gap_deadline_ms);
    } else {
        loop_timer_cancel(c->timer);
    }
}

/* Returns false when the call is over. */
static bool feed_body(struct upstream_call *c, char *p, size_t n)
{
    struct str data = {p, n};
    struct error err = ERROR_INIT;
    enum http1_result got = HTTP1_MORE;
    size_t used = n;
    switch (c->mode) {
    case BODY_NONE:
        got = HTTP1_DONE;
        data.len = used = 0;
        break;
    case BODY_LENGTH:
        used = data.len = (uint64_t)c->left < n ? (size_t)c->left : n;
        c->left -= (int64_t)used;
        got = c->left == 0 ? HTTP1_DONE : HTTP1_MORE;
        break;
    case BODY_CHUNKED:
        got = http1_decode_chunks(&c->chunks, p, n, &data, &used, &err);
        break;
    case BODY_UNTIL_CLOSE:
        break;
    }
    if (data.len) {
        c->ops->on_data(c->arg, data);
        if (c->over) {
            return false;
        }
    }
    if (got == HTTP1_BAD) {
        call_fail(c, ERR_UPSTREAM_GARBAGE, err.text);
        return false;
    }
    if (got == HTTP1_DONE) {
        call_done(c, used == n); /* bytes behind the answer: not a connection to trust */
        return false;
    }
    return true;
}

static bool take_head(struct upstream_call *c, const struct http1_response *a)
{
    c->head_done = true;
    c->keep_alive = a->keep_alive;
    c->left = a->content_length;
    if (c->is_head || a->status == 204 || a->status == 304) {
        c->mode = BODY_NONE;
    } else if (a->chunked) {
        c->mode = BODY_CHUNKED;
    } else if (a->content_length >= 0) {
        c->mode = a->content_length ? BODY_LENGTH : BODY_NONE;
    } else {
        c->mode = BODY_UNTIL_CLOSE;
        c->keep_alive = false;
    }
    loop_timer_cancel(c->timer);
    struct upstream_answer answer = {.status = a->status,
                                     .headers = a->headers,
                                     .n_headers = a->n_headers,
                                     .content_length = a->content_length};
    c->ops->on_head(c->arg, &answer);
    return !c->over;
}

/* Reads heads from p[0..n); *ret_used: what they took. True: the answer's own head is done. */
static bool feed_head(struct upstream_call *c, const char *p, size_t n, size_t *ret_used)
{
    struct upstream *u = c->upstream;
    struct http1_response a;
    struct error err = ERROR_INIT;
    size_t used = 0;
    for (;;) {
        enum http1_result got =
            http1_read_response(p + used, n - used, u->limits.max_head_bytes, u->headers, &a, &err);
        if (got == HTTP1_MORE) {
            *ret_used = used;
            return false;
        }
        if (got == HTTP1_BAD) {
            call_fail(c, ERR_UPSTREAM_GARBAGE, err.text);
            return false;
        }
        used += a.head_len;
        if (a.status >= 200) {
            *ret_used = used;
            return take_head(c, &a);
        }
        if (a.status == 101 || ++c->interim > INTERIM_MAX) {
            call_fail(c, ERR_UPSTREAM_GARBAGE, "unexpected interim answers");
            return false;
        }
    }
}

/* As feed, while the head is not complete. */
static void feed_first(struct upstream_call *c, char *p, size_t n)
{
    size_t used = 0;
    struct buffer in = {0};
    if (c->in.len) {
        if (!buffer_append(&c->in, p, n)) {
            call_fail(c, ERR_UPSTREAM_GARBAGE, "head exceeds the limit");
            return;
        }
        if (!http1_head_ready(c->in.ptr, c->in.len, c->upstream->limits.max_head_bytes,
                              &c->in_seen)) {
            return;
        }
        /* out of the call: the answer may end it, and its memory with it */
        in = c->in;
        buffer_init(&c->in, in.max);
        p = in.ptr;
        n = in.len;
    }
    if (feed_head(c, p, n, &used)) {
        (void)feed_body(c, p + used, n - used);
    } else if (!c->over && c->error.code == ERR_NONE && used < n) {
        buffer_init(&c->in, c->upstream->limits.max_head_bytes + 2 * BLOCK_BYTES);
        c->in_seen = 0;
        if (!buffer_append(&c->in, p + used, n - used)) {
            call_fail(c, ERR_UPSTREAM_GARBAGE, "head exceeds the limit");
        }
    }
    buffer_release(&in);
}

bool call_running(const struct upstream_call *c)
{
    return !c->over && c->error.code == ERR_NONE && c->peer && c->peer->state == PEER_BUSY;
}

static void feed(struct upstream_call *c, char *p, size_t n)
{
    struct loop *l = c->upstream->loop;
    c->got_any = true;
    loop_batch_begin(l);
    if (c->head_done) {
        (void)feed_body(c, p, n);
    } else {
        feed_first(c, p, n);
    }
    if (call_running(c) && c->head_done) {
        call_set_gap_deadline(c);
    }
    loop_batch_end(l);
}

void call_readable(struct upstream_call *c)
{
    struct block *b = c->upstream->scratch;
    do {
        long n = stream_recv_strict(&c->peer->stream, b->bytes, BLOCK_BYTES);
        if (n > 0) {
            feed(c, b->bytes, (size_t)n);
            continue;
        }
        if (n == STREAM_WANT_READ) {
            return;
        }
        if (n == STREAM_WANT_WRITE) {
            c->peer->wants_write = true;
            peer_interest(c->peer);
            return;
        }
        if (n == 0 && c->head_done && c->mode == BODY_UNTIL_CLOSE) {
            loop_batch_begin(c->upstream->loop);
            call_done(c, false);
            loop_batch_end(c->upstream->loop);
        } else {
            call_cut(c);
        }
        return;
    } while (call_running(c) && !c->paused && stream_pending(&c->peer->stream));
}
