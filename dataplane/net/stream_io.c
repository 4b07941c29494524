/* Raw and TLS sockets. */
#include "dataplane/net/stream_io.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/tls.h"

struct stream_ops {
    int (*handshake)(struct stream *s);
    long (*recv)(struct stream *s, void *buf, size_t n);
    long (*send)(struct stream *s, const struct iovec *iov, unsigned n);
    bool (*pending)(const struct stream *s);
};

/* ---- raw ---- */

static int raw_handshake(struct stream *s)
{
    (void)s;
    return 1;
}

static long raw_recv(struct stream *s, void *buf, size_t n)
{
    for (;;) {
        ssize_t got = recv(s->fd, buf, n, 0);
        if (got >= 0) {
            return got;
        }
        if (errno != EINTR) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_WANT_READ : STREAM_FAILED;
        }
    }
}

static long raw_send(struct stream *s, const struct iovec *iov, unsigned n)
{
    struct msghdr m = {.msg_iov = (struct iovec *)(void *)(size_t)iov, .msg_iovlen = n};
    for (;;) {
        ssize_t sent = sendmsg(s->fd, &m, MSG_NOSIGNAL);
        if (sent >= 0) {
            return sent;
        }
        if (errno != EINTR) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_WANT_WRITE : STREAM_FAILED;
        }
    }
}

static bool raw_pending(const struct stream *s)
{
    (void)s;
    return false;
}

static const struct stream_ops raw_ops = {raw_handshake, raw_recv, raw_send, raw_pending};

/* ---- TLS ---- */

#define RECORD_BYTES 16384u

static long from_tls(long code)
{
    switch (code) {
    case TLS_WANT_READ:
        return STREAM_WANT_READ;
    case TLS_WANT_WRITE:
        return STREAM_WANT_WRITE;
    case TLS_TRUNCATED:
    case TLS_FAILED:
        return STREAM_FAILED;
    default:
        return code;
    }
}

static int tls_ops_handshake(struct stream *s)
{
    return (int)from_tls(tls_handshake(s->tls));
}

/* Records are at most 16 KB: what already waits inside is taken along, so a large body needs fewer
 * turns. */
static long tls_ops_recv(struct stream *s, void *buf, size_t n)
{
    size_t got = 0;
    do {
        long r = tls_read(s->tls, (char *)buf + got, n - got);
        if (r <= 0) {
            if (got) {
                break; /* the end, or the fault, comes again with the next read */
            }
            return r == TLS_TRUNCATED ? r : from_tls(r);
        }
        got += (size_t)r;
    } while (got < n && tls_pending(s->tls));
    return (long)got;
}

/* Small pieces (a head and its body) become one record; a piece of a record or more is written from
 * where it lies. */
static long tls_ops_send(struct stream *s, const struct iovec *iov, unsigned n)
{
    char gather[RECORD_BYTES];
    size_t total = 0, off = 0; /* off: into iov[i] */
    unsigned i = 0;
    while (i < n) {
        const char *p = (const char *)iov[i].iov_base + off;
        size_t len = iov[i].iov_len - off;
        if (len == 0) {
            i++;
            off = 0;
            continue;
        }
        if (len < RECORD_BYTES && i + 1 < n) {
            unsigned j = i;
            size_t skip = off;
            for (len = 0; j < n && len < RECORD_BYTES; j++, skip = 0) {
                size_t take = iov[j].iov_len - skip;
                take = take < RECORD_BYTES - len ? take : RECORD_BYTES - len;
                memcpy(gather + len, (const char *)iov[j].iov_base + skip, take);
                len += take;
            }
            p = gather;
        } else if (len > RECORD_BYTES) {
            len = RECORD_BYTES;
        }
        long r = tls_write(s->tls, p, len);
        if (r < 0) {
            return total ? (long)total : from_tls(r);
        }
        total += (size_t)r;
        for (size_t left = (size_t)r; left;) {
            size_t here = iov[i].iov_len - off;
            size_t take = left < here ? left : here;
            off += take;
            left -= take;
            if (off == iov[i].iov_len) {
                i++;
                off = 0;
            }
        }
    }
    return (long)total;
}

static bool tls_ops_pending(const struct stream *s)
{
    return tls_pending(s->tls);
}

static const struct stream_ops tls_ops = {tls_ops_handshake, tls_ops_recv, tls_ops_send,
                                          tls_ops_pending};

/* ---- the calls ---- */

void stream_init_raw(struct stream *s, int fd)
{
    *s = (struct stream){.ops = &raw_ops, .fd = fd};
}

void stream_init_tls(struct stream *s, int fd, struct tls *tls)
{
    *s = (struct stream){.ops = &tls_ops, .tls = tls, .fd = fd};
}

int stream_handshake(struct stream *s)
{
    return s->ops->handshake(s);
}

long stream_recv(struct stream *s, void *buf, size_t n)
{
    long r = s->ops->recv(s, buf, n);
    return r == TLS_TRUNCATED ? 0 : r;
}

long stream_recv_strict(struct stream *s, void *buf, size_t n)
{
    long r = s->ops->recv(s, buf, n);
    return r == TLS_TRUNCATED ? STREAM_FAILED : r;
}

long stream_send(struct stream *s, const struct iovec *iov, unsigned n)
{
    return s->ops->send(s, iov, n);
}

bool stream_pending(const struct stream *s)
{
    return s->ops->pending(s);
}

void stream_shutdown(struct stream *s)
{
    tls_free(s->tls); /* sends close_notify */
    s->tls = NULL;
    s->ops = &raw_ops;
    (void)shutdown(s->fd, SHUT_WR);
}

void stream_close(struct stream *s, bool reset)
{
    if (s->fd < 0) {
        return;
    }
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    if (s->tls) {
        tls_free(s->tls);
        s->tls = NULL;
    }
    (void)close(s->fd);
    s->fd = -1;
}

const char *stream_failure(const struct stream *s)
{
    return s->tls ? tls_failure(s->tls) : strerrordesc_np(errno);
}
