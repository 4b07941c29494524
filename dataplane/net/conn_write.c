/* What a connection writes: bytes go to the kernel at once, or wait in its queue until the kernel
 * takes them or the batch of small pieces at hand ends. See conn.h. */
#include "dataplane/net/conn.h"

#define CORK_MAX 16384u /* a larger piece is sent at once */

size_t conn_queued(const struct conn *c)
{
    return c->out.len - c->out_off;
}

static void out_taken(struct conn *c, size_t n)
{
    c->out_off += n;
    if (c->out_off == c->out.len) {
        conn_buffer_give(c->shared, &c->out);
        c->out_off = 0;
    }
}

static bool out_append(struct conn *c, const struct iovec *iov, unsigned n, size_t skip)
{
    if (!c->out.ptr) {
        conn_buffer_take(c->shared, &c->out, CONN_OUT_MAX);
    } else if (c->out_off > CONN_LOW_WATER && c->out_off > conn_queued(c)) {
        buffer_consume(&c->out, c->out_off); /* keeps memory at about what is queued */
        c->out_off = 0;
    }
    for (unsigned i = 0; i < n; i++) {
        size_t drop = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        skip -= drop;
        if (!buffer_append(&c->out, (const char *)iov[i].iov_base + drop, iov[i].iov_len - drop)) {
            return false;
        }
    }
    return true;
}

/* While an answer goes out, the one deadline is that the client takes something. */
void conn_set_write_deadline(struct conn *c)
{
    if (c->blocked) {
        loop_timer_set(c->timer, c->shared->limits.write_timeout_ms);
    } else {
        loop_timer_cancel(c->timer);
    }
}

static void set_blocked(struct conn *c, bool blocked, bool wants_read)
{
    c->blocked = blocked;
    c->write_wants_read = blocked && wants_read;
    if (c->state == CONN_BUSY || c->state == CONN_FLUSH) {
        conn_set_write_deadline(c);
    }
    conn_set_interest(c);
}

/* One attempt to send what is queued and then iov; the rest is queued. False: the client is gone.
 */
static bool send_now(struct conn *c, const struct iovec *iov, unsigned n)
{
    struct iovec v[STREAM_IOV_MAX];
    unsigned nv = 0;
    size_t queued = conn_queued(c), total = queued;
    if (queued) {
        v[nv++] = (struct iovec){c->out.ptr + c->out_off, queued};
    }
    for (unsigned i = 0; i < n && nv < STREAM_IOV_MAX; i++) {
        v[nv++] = iov[i];
        total += iov[i].iov_len;
    }
    if (total == 0) {
        return true;
    }
    long sent = stream_send(&c->stream, v, nv);
    if (sent == STREAM_FAILED) {
        return false;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (c->x) {
        c->x->sent += taken;
    }
    size_t of_queue = taken < queued ? taken : queued;
    if (queued) {
        out_taken(c, of_queue);
    }
    if (taken < total) {
        if (!out_append(c, iov, n, taken - of_queue)) {
            return false;
        }
        if (taken || !c->blocked || c->write_wants_read != (sent == STREAM_WANT_READ)) {
            set_blocked(c, true, sent == STREAM_WANT_READ);
        }
    } else if (c->blocked) {
        set_blocked(c, false, false);
    }
    return true;
}

bool conn_send_queued(struct conn *c)
{
    return conn_queued(c) == 0 || send_now(c, NULL, 0);
}

void conn_write(struct conn *c, const struct iovec *iov, unsigned n, bool more)
{
    size_t total = 0;
    if (c->state == CONN_CLOSED) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    bool small = more && total <= CORK_MAX && conn_queued(c) + total <= CONN_LOW_WATER;
    if (c->blocked || (small && loop_batch_add(c->shared->loop, &c->batch))) {
        if (!out_append(c, iov, n, 0)) {
            conn_lost(c, true);
        }
        return;
    }
    if (!send_now(c, iov, n)) {
        conn_lost(c, true);
    }
}

void conn_queue(struct conn *c, const char *p, size_t n)
{
    struct iovec iov = {(void *)(size_t)p, n};
    if (c->state != CONN_CLOSED && !out_append(c, &iov, 1, 0)) {
        conn_lost(c, true);
    }
}

void conn_push(struct conn *c)
{
    if (c->state != CONN_CLOSED && !c->blocked && conn_queued(c) && !send_now(c, NULL, 0)) {
        conn_lost(c, true);
    }
}
