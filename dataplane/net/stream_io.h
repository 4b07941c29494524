/* A non-blocking socket, raw or TLS, behind one table of calls, so that connections do not know
 * which they have. TLS works straight on the socket (common/tls.h). One thread; no call waits. */
#ifndef DATAPLANE_NET_STREAM_IO_H
#define DATAPLANE_NET_STREAM_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct tls;
struct stream_ops;

struct stream {
    const struct stream_ops *ops;
    struct tls *tls; /* NULL: raw; owned */
    int fd;          /* owned; -1 when closed */
};

/* Results below 0. WANT_READ is what EAGAIN is to a receive, WANT_WRITE to a send; TLS may also ask
 * crosswise. */
enum { STREAM_WANT_READ = -1, STREAM_WANT_WRITE = -2, STREAM_FAILED = -3 };

#define STREAM_IOV_MAX 8u

void stream_init_raw(struct stream *s, int fd);
void stream_init_tls(struct stream *s, int fd, struct tls *tls);
/* 1 when done (always, for raw), else a code above. */
int stream_handshake(struct stream *s);
/* Bytes read, 0 at the end of the stream (of TLS: also one without close_notify), else a code
 * above. */
long stream_recv(struct stream *s, void *buf, size_t n);
/* As stream_recv, but an end of TLS without close_notify is STREAM_FAILED: for answers whose end is
 * the connection's. */
long stream_recv_strict(struct stream *s, void *buf, size_t n);
/* Bytes taken (maybe fewer than given), else a code above. After WANT_* the same bytes must come
 * first again. At most STREAM_IOV_MAX pieces. */
long stream_send(struct stream *s, const struct iovec *iov, unsigned n);
/* Received bytes wait inside: read on without polling. */
bool stream_pending(const struct stream *s);
/* Says that nothing more will be sent, and reads raw from then on (what is read is only thrown
 * away). */
void stream_shutdown(struct stream *s);
/* Closes; with `reset` the peer sees a reset. Harmless when closed. */
void stream_close(struct stream *s, bool reset);
/* Why STREAM_FAILED: "connection reset by peer", or OpenSSL's reason. Valid until the next call. */
const char *stream_failure(const struct stream *s);

#endif
