/* One connection to a provider: connecting, TLS, and its events. What goes over it is its call's
 * business. */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/tls.h"
#include "dataplane/upstream/call.h"

void peer_interest(struct peer *l)
{
    unsigned what = LOOP_READ;
    if (l->state == PEER_CLOSED) {
        return;
    }
    if (l->state == PEER_CONNECTING) {
        what = LOOP_WRITE;
    } else if (l->state == PEER_HANDSHAKE) {
        what = l->wants_write ? LOOP_WRITE : LOOP_READ;
    } else if (l->call) {
        what = l->call->paused && !l->wants_read ? 0 : LOOP_READ;
        what |= l->wants_write ? LOOP_WRITE : 0;
    }
    loop_io_set(l->io, what);
}

static void peer_free(void *arg)
{
    struct peer *l = arg;
    pool_unref(l->origin);
    mem_free(l);
}

void peer_close(struct peer *l)
{
    if (l->state == PEER_CLOSED) {
        return;
    }
    if (l->state == PEER_IDLE) {
        pool_remove(l);
    }
    l->state = PEER_CLOSED;
    if (l->call) {
        l->call->peer = NULL;
        l->call = NULL;
    }
    loop_io_free(l->io);
    l->io = NULL;
    loop_timer_free(l->timer);
    l->timer = NULL;
    stream_close(&l->stream, false);
    loop_defer(l->origin->upstream->loop, peer_free, l);
}

void peer_park(struct peer *l)
{
    l->call = NULL;
    l->reused = true;
    l->state = PEER_IDLE;
    l->wants_write = l->wants_read = false;
    peer_interest(l);
    loop_timer_set(l->timer, l->origin->upstream->limits.idle_timeout_ms);
    pool_put(l);
}

static void shake_hands(struct peer *l)
{
    int r = stream_handshake(&l->stream);
    if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        l->wants_write = r == STREAM_WANT_WRITE;
        peer_interest(l);
        return;
    }
    l->wants_write = false;
    if (r == 1) {
        l->state = PEER_BUSY;
        loop_timer_cancel(l->timer);
        peer_interest(l);
        call_connected(l->call);
        return;
    }
    struct upstream_call *c = l->call;
    char why[160];
    size_t n = strlen(stream_failure(&l->stream));
    n = n < sizeof(why) - 1 ? n : sizeof(why) - 1;
    memcpy(why, stream_failure(&l->stream), n);
    why[n] = '\0';
    peer_close(l);
    call_fail(c, ERR_UPSTREAM_TLS, why);
}

static void connected(struct peer *l)
{
    int failure = 0;
    socklen_t len = sizeof(failure);
    struct upstream_call *c = l->call;
    if (getsockopt(l->stream.fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0) {
        failure = errno;
    }
    if (failure != 0) {
        peer_close(l);
        call_connect_failed(c, ERR_UPSTREAM_REFUSED, strerrordesc_np(failure));
        return;
    }
    if (!l->origin->tls) {
        l->state = PEER_BUSY;
        loop_timer_cancel(l->timer);
        peer_interest(l);
        call_connected(c);
        return;
    }
    struct tls_context *ctx = l->origin->upstream->tls;
    struct tls *tls = ctx ? tls_connect_new(ctx, l->stream.fd, l->origin->host) : NULL;
    if (!tls) {
        peer_close(l);
        call_fail(c, ERR_UPSTREAM_TLS, ctx ? "host cannot be a name" : "no TLS settings");
        return;
    }
    stream_init_tls(&l->stream, l->stream.fd, tls);
    l->state = PEER_HANDSHAKE;
    shake_hands(l);
}

/* The provider closed it, or speaks unasked: of no use either way. Only TLS has things to say of
 * its own (session tickets). */
static void look_at_idle(struct peer *l)
{
    long n = stream_recv(&l->stream, l->origin->upstream->scratch->bytes, BLOCK_BYTES);
    if (n != STREAM_WANT_READ) {
        peer_close(l);
    }
}

static void on_io(void *arg, int fd, unsigned what)
{
    struct peer *l = arg;
    (void)fd;
    switch (l->state) {
    case PEER_CONNECTING:
        connected(l);
        break;
    case PEER_HANDSHAKE:
        shake_hands(l);
        break;
    case PEER_IDLE:
        look_at_idle(l);
        break;
    case PEER_BUSY:
        if ((what & LOOP_WRITE) || l->wants_read) {
            call_writable(l->call);
        }
        if ((what & LOOP_READ) && l->state == PEER_BUSY && !l->call->paused) {
            call_readable(l->call);
        }
        break;
    default:
        break;
    }
}

static void on_timer(void *arg)
{
    struct peer *l = arg;
    struct upstream_call *c = l->call;
    bool shaking = l->state == PEER_HANDSHAKE;
    peer_close(l);
    if (c) {
        /* an address that accepts but then stalls is not helped by another one */
        if (shaking) {
            call_fail(c, ERR_UPSTREAM_TIMEOUT, "TLS handshake took too long");
        } else {
            call_connect_failed(c, ERR_UPSTREAM_TIMEOUT, "no answer to connecting");
        }
    }
}

struct peer *peer_connect(struct upstream_call *c, const struct address *to, uint64_t timeout_ms)
{
    int one = 1;
    struct address at = *to;
    if (at.u.any.sa_family == AF_INET6) {
        at.u.v6.sin6_port = htons(c->origin->port);
    } else {
        at.u.v4.sin_port = htons(c->origin->port);
    }
    int fd = socket(at.u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return NULL;
    }
    struct stream stream;
    stream_init_raw(&stream, fd);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, &at.u.any, at.len) != 0 && errno != EINPROGRESS) {
        int saved = errno;
        stream_close(&stream, false);
        errno = saved;
        return NULL;
    }
    struct peer *l = mem_alloc(sizeof(*l));
    list_init(&l->node);
    l->origin = c->origin;
    l->origin->refs++;
    l->call = c;
    l->stream = stream;
    l->state = PEER_CONNECTING;
    l->io = loop_io_new(c->upstream->loop, fd, on_io, l);
    l->timer = loop_timer_new(c->upstream->loop, on_timer, l);
    loop_timer_set(l->timer, timeout_ms);
    peer_interest(l);
    return l;
}
