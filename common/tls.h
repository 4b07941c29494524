/* TLS over a non-blocking socket: contexts built from settings, and the handful of SSL_* calls the
 * data plane and the enrolment client need, so that OpenSSL's headers stay in tls.c, crypto.c and
 * x509.c. A context is counted and may be shared by threads; a session belongs to one thread. Never
 * raises SIGPIPE and never waits; nothing to clean up when a thread ends. Functions that make a
 * context return NULL with *err set. */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include "common/base/error.h"

struct tls_context;
struct tls;

/* Server: PEM files, TLS 1.2 and up. ALPN offers http/1.1. */
struct tls_context *tls_server_new(const char *cert_file, const char *key_file, struct error *err);
/* Client: verification is always on. ca_file NULL = the system's store. Sessions are cached per
 * context. */
struct tls_context *tls_client_new(const char *ca_file, struct error *err);
/* Client that trusts exactly a chain holding a CA certificate with this SHA-256 (enrolment): the
 * server must send that CA behind its own certificate, so its certificate file holds both. */
struct tls_context *tls_client_pinned_new(const uint8_t ca_sha256[static 32], struct error *err);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context *c);

struct tls *tls_accept_new(struct tls_context *c, int fd);
/* Both hold a reference to the context; the fd stays the caller's, must be non-blocking and outlive
 * the session. NULL only for want of memory, or when host is missing or cannot be a name. */
/* host: SNI and the name (or IP address) the certificate must carry; NULL only with a pinned
 * context. */
struct tls *tls_connect_new(struct tls_context *c, int fd, const char *host);
void tls_free(struct tls *t); /* sends close_notify if it can without waiting; does not close fd */

/* Results of the calls below when < 0; >= 0 is a byte count (0 from tls_read: clean close by the
 * peer). */
enum { TLS_WANT_READ = -1, TLS_WANT_WRITE = -2, TLS_FAILED = -3, TLS_TRUNCATED = -4 };
/* 1 done, else a code above. Read and write drive it by themselves too. TLS_TRUNCATED: the peer's
 * TCP ended without close_notify, so what came may be cut short. After TLS_FAILED or TLS_TRUNCATED
 * every call returns the same again. After a TLS_WANT_* from tls_write, repeat it with the same
 * bytes (more may follow them; they may have moved). A write may take only a part. */
int tls_handshake(struct tls *t);
long tls_read(struct tls *t, void *buf, size_t n);
long tls_write(struct tls *t, const void *buf, size_t n);
bool tls_pending(const struct tls *t); /* decrypted bytes wait inside: read on without polling */
const char *
tls_failure(const struct tls *t); /* reason of the last TLS_FAILED, for logs and errors */

#endif
