/* TLS over a non-blocking socket. OpenSSL does the protocol; its reads and writes go through a
 * small BIO of ours, so that writing to a closed socket never raises SIGPIPE and the reason of a
 * failure is at hand. OpenSSL keeps errors in a queue per thread, and a stale one there would be
 * taken for this call's result: each call starts with an empty queue and leaves an empty one. */
#include "common/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/crypto.h"

#define MAX_SESSIONS 256 /* hosts remembered by one client context */

struct cached_session {
    SSL_SESSION *session;
    char host[]; /* the map's key */
};

struct tls_context {
    atomic_uint refs;
    SSL_CTX *ctx;
    bool server, pinned;
    uint8_t pin[CRYPTO_SHA256_LEN];
    pthread_mutex_t lock; /* of sessions, which connections of any thread use */
    struct map *sessions; /* host to struct cached_session; clients only */
};

struct tls {
    struct tls_context *context;
    SSL *ssl;
    int fd;
    char *host;   /* NULL: server, or pinned without a name */
    bool eof;     /* the peer's TCP end was seen */
    bool drained; /* the last read wanted more from the socket */
    int io_errno; /* of the last recv or send that failed for good */
    int dead;     /* TLS_FAILED or TLS_TRUNCATED once that was returned, else 0 */
    char reason[160];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *socket_bio;

static int bio_write(BIO *bio, const char *p, int n)
{
    struct tls *t = BIO_get_data(bio);
    ssize_t done;
    BIO_clear_retry_flags(bio);
    do {
        done = send(t->fd, p, (size_t)n, MSG_NOSIGNAL);
    } while (done < 0 && errno == EINTR);
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        BIO_set_retry_write(bio);
    } else if (done < 0) {
        t->io_errno = errno;
    }
    return (int)done;
}

static int bio_read(BIO *bio, char *p, int n)
{
    struct tls *t = BIO_get_data(bio);
    ssize_t done;
    BIO_clear_retry_flags(bio);
    do {
        done = recv(t->fd, p, (size_t)n, 0);
    } while (done < 0 && errno == EINTR);
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        BIO_set_retry_read(bio);
    } else if (done < 0) {
        t->io_errno = errno;
    } else if (done == 0) {
        t->eof = true;
    }
    return (int)done;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const struct tls *t = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return t->eof;
    default:
        return 0;
    }
}

static void make_bio_method(void)
{
    socket_bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir socket");
    if (!socket_bio || !BIO_meth_set_write(socket_bio, bio_write) ||
        !BIO_meth_set_read(socket_bio, bio_read) || !BIO_meth_set_ctrl(socket_bio, bio_ctrl)) {
        abort(); /* a few bytes of memory at the first use: nothing would work */
    }
}

/* ---- contexts ---- */

static bool fail(struct error *err, const char *what, const char *file)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SYS) {
        reason = strerrordesc_np(ERR_GET_REASON(code));
    } else if (ERR_GET_REASON(ERR_peek_error()) != ERR_GET_REASON(code) &&
               ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SYS) {
        reason = strerrordesc_np(ERR_GET_REASON(ERR_peek_error()));
    }
    (void)error_set(err, ERR_INVALID_FIELD, "%s \"%s\": %s", what, file,
                    reason ? reason : "not usable");
    ERR_clear_error();
    return false;
}

static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1; /* an encrypted key must fail, not ask a terminal */
}

static struct tls_context *context_new(const SSL_METHOD *method, struct error *err)
{
    (void)pthread_once(&once, make_bio_method);
    ERR_clear_error();
    struct tls_context *c = mem_alloc(sizeof(*c));
    atomic_init(&c->refs, 1);
    (void)pthread_mutex_init(&c->lock, NULL);
    c->ctx = SSL_CTX_new(method);
    if (!c->ctx || !SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION)) {
        (void)error_set(err, ERR_INTERNAL, "cannot make a TLS context");
        ERR_clear_error();
        tls_context_unref(c);
        return NULL;
    }
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    /* one recv for a record instead of one for its head and one for its body */
    SSL_CTX_set_read_ahead(c->ctx, 1);
    SSL_CTX_set_default_passwd_cb(c->ctx, no_password);
    return c;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

struct tls_context *tls_server_new(const char *cert_file, const char *key_file, struct error *err)
{
    struct tls_context *c = context_new(TLS_server_method(), err);
    if (!c) {
        return NULL;
    }
    c->server = true;
    SSL_CTX_set_alpn_select_cb(c->ctx, choose_alpn, NULL);
    /* tickets carry the sessions: no server-side cache that clients could fill */
    (void)SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(c->ctx, 1);
    (void)SSL_CTX_set_options(c->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    bool ok = true;
    if (SSL_CTX_set_cipher_list(c->ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
        ok = error_set(err, ERR_INTERNAL, "no TLS 1.2 ciphers");
    } else if (SSL_CTX_use_certificate_chain_file(c->ctx, cert_file) != 1) {
        ok = fail(err, "cannot use certificate file", cert_file);
    } else if (SSL_CTX_use_PrivateKey_file(c->ctx, key_file, SSL_FILETYPE_PEM) != 1) {
        ok = fail(err, "cannot use key file", key_file);
    } else if (SSL_CTX_check_private_key(c->ctx) != 1) {
        ok = fail(err, "certificate does not belong to key file", key_file);
    }
    if (!ok) {
        tls_context_unref(c);
        return NULL;
    }
    return c;
}

/* OpenSSL hands over a ticket whenever one comes, in the middle of reading. Returns 1: we keep the
 * reference. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_get_app_data(ssl);
    if (!t || !t->host) {
        return 0;
    }
    struct tls_context *c = t->context;
    struct str host = str_of(t->host);
    int kept = 1;
    (void)pthread_mutex_lock(&c->lock);
    struct cached_session *s = map_get(c->sessions, host);
    if (s) {
        SSL_SESSION_free(s->session);
        s->session = session;
    } else if (map_count(c->sessions) < MAX_SESSIONS) {
        s = mem_alloc(sizeof(*s) + host.len + 1);
        memcpy(s->host, t->host, host.len + 1);
        s->session = session;
        (void)map_put(c->sessions, (struct str){s->host, host.len}, s);
    } else {
        kept = 0;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return kept;
}

/* A copy, because OpenSSL marks a session while using it, and the cached one is shared by threads.
 */
static void offer_session(struct tls *t)
{
    SSL_SESSION *copy = NULL;
    (void)pthread_mutex_lock(&t->context->lock);
    struct cached_session *s = map_get(t->context->sessions, str_of(t->host));
    if (s && SSL_SESSION_is_resumable(s->session)) {
        copy = SSL_SESSION_dup(s->session);
    }
    (void)pthread_mutex_unlock(&t->context->lock);
    if (copy) {
        (void)SSL_set_session(t->ssl, copy);
        SSL_SESSION_free(copy);
    }
}

static struct tls_context *client_context_new(struct error *err)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    struct tls_context *c = context_new(TLS_client_method(), err);
    if (!c) {
        return NULL;
    }
    c->sessions = map_new();
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_alpn_protos(c->ctx, alpn, sizeof(alpn) - 1);
    (void)SSL_CTX_set_session_cache_mode(c->ctx,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ctx, on_session);
    return c;
}

struct tls_context *tls_client_new(const char *ca_file, struct error *err)
{
    struct tls_context *c = client_context_new(err);
    if (!c) {
        return NULL;
    }
    bool ok = true;
    if (ca_file && SSL_CTX_load_verify_file(c->ctx, ca_file) != 1) {
        ok = fail(err, "cannot use CA file", ca_file);
    } else if (!ca_file && SSL_CTX_set_default_verify_paths(c->ctx) != 1) {
        ok = fail(err, "cannot use", "the system's certificate store");
    }
    ERR_clear_error();
    if (!ok) {
        tls_context_unref(c);
        return NULL;
    }
    return c;
}

/* Makes the pinned CA, if the peer sent it, the only trust anchor, and lets OpenSSL do all the
 * rest: signatures, dates, purpose and, when one is set, the host name. */
static int verify_pinned(X509_STORE_CTX *store, void *arg)
{
    const struct tls_context *c = arg;
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    STACK_OF(X509) *trusted = sk_X509_new_null();
    int verified = 0;
    for (int i = 0; trusted && i < sk_X509_num(sent); i++) {
        X509 *cert = sk_X509_value(sent, i);
        uint8_t digest[CRYPTO_SHA256_LEN];
        unsigned len = sizeof(digest);
        if (X509_digest(cert, EVP_sha256(), digest, &len) && X509_check_ca(cert) == 1 &&
            crypto_equal(digest, c->pin, sizeof(digest))) {
            (void)sk_X509_push(trusted, cert);
            break;
        }
    }
    if (trusted && sk_X509_num(trusted) == 1) {
        X509_STORE_CTX_set0_trusted_stack(store, trusted);
        verified = X509_verify_cert(store) == 1;
    } else {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    }
    sk_X509_free(trusted);
    return verified;
}

struct tls_context *tls_client_pinned_new(const uint8_t ca_sha256[static 32], struct error *err)
{
    struct tls_context *c = client_context_new(err);
    if (c) {
        c->pinned = true;
        memcpy(c->pin, ca_sha256, sizeof(c->pin));
        SSL_CTX_set_cert_verify_callback(c->ctx, verify_pinned, c);
    }
    return c;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void tls_context_unref(struct tls_context *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (c->sessions) {
        size_t pos = 0;
        struct str host;
        void *value;
        while (map_next(c->sessions, &pos, &host, &value)) {
            struct cached_session *s = value;
            SSL_SESSION_free(s->session);
            mem_free(s);
        }
        map_free(c->sessions);
    }
    SSL_CTX_free(c->ctx);
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* ---- connections ---- */

static struct tls *tls_new(struct tls_context *c, int fd)
{
    ERR_clear_error();
    struct tls *t = mem_alloc(sizeof(*t));
    t->context = tls_context_ref(c);
    t->fd = fd;
    t->ssl = SSL_new(c->ctx);
    BIO *bio = t->ssl ? BIO_new(socket_bio) : NULL;
    if (!bio) {
        ERR_clear_error();
        tls_free(t);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    (void)SSL_set_app_data(t->ssl, t);
    return t;
}

struct tls *tls_accept_new(struct tls_context *c, int fd)
{
    struct tls *t = tls_new(c, fd);
    if (t) {
        SSL_set_accept_state(t->ssl);
    }
    return t;
}

/* The bare form: no brackets round an IPv6 address, no dot behind a name. */
static char *bare_host(const char *host)
{
    struct str s = str_of(host);
    if (s.len > 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']') {
        s = str_slice(s, 1, s.len - 2);
    } else if (s.len > 1 && s.ptr[s.len - 1] == '.') {
        s.len--;
    }
    return str_dup(s);
}

static bool expect_host(struct tls *t)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, t->host, address) == 1 || inet_pton(AF_INET6, t->host, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->host) == 1;
    }
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(t->ssl, t->host) == 1 && SSL_set1_host(t->ssl, t->host) == 1;
}

struct tls *tls_connect_new(struct tls_context *c, int fd, const char *host)
{
    if (c->server || ((!host || !*host) && !c->pinned)) {
        return NULL; /* would connect without knowing to whom */
    }
    struct tls *t = tls_new(c, fd);
    if (!t) {
        return NULL;
    }
    SSL_set_connect_state(t->ssl);
    if (host && *host) {
        t->host = bare_host(host);
        if (!expect_host(t)) {
            ERR_clear_error();
            tls_free(t);
            return NULL;
        }
        offer_session(t);
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (!t) {
        return;
    }
    if (t->ssl) {
        ERR_clear_error();
        if (!t->dead && SSL_is_init_finished(t->ssl)) {
            (void)SSL_shutdown(t->ssl); /* one try: the socket does not block */
        }
        SSL_free(t->ssl);
        ERR_clear_error();
    }
    tls_context_unref(t->context);
    mem_free(t->host);
    mem_free(t);
}

static void note_reason(struct tls *t, int ssl_error)
{
    long verdict = SSL_get_verify_result(t->ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    if (t->dead == TLS_TRUNCATED) {
        (void)snprintf(t->reason, sizeof(t->reason),
                       "peer closed the connection without close_notify");
    } else if (t->context->pinned && verdict == X509_V_ERR_APPLICATION_VERIFICATION) {
        (void)snprintf(t->reason, sizeof(t->reason),
                       "no CA in the peer's chain has the expected fingerprint");
    } else if (!t->context->server && verdict != X509_V_OK) {
        (void)snprintf(t->reason, sizeof(t->reason), "certificate verify failed: %s",
                       X509_verify_cert_error_string(verdict));
    } else if (ssl_error == SSL_ERROR_SYSCALL && t->io_errno) {
        const char *text = strerrordesc_np(t->io_errno);
        (void)snprintf(t->reason, sizeof(t->reason), "%s", text ? text : "I/O error");
    } else {
        (void)snprintf(t->reason, sizeof(t->reason), "%s", reason ? reason : "protocol error");
    }
}

/* Turns OpenSSL's verdict on a call that did not succeed into ours. */
static int settle(struct tls *t, int result)
{
    int code = SSL_get_error(t->ssl, result);
    switch (code) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        break;
    }
    bool cut = t->eof && (code == SSL_ERROR_SYSCALL ||
                          ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
    t->dead = cut ? TLS_TRUNCATED : TLS_FAILED;
    note_reason(t, code);
    ERR_clear_error();
    return t->dead;
}

int tls_handshake(struct tls *t)
{
    if (t->dead) {
        return t->dead;
    }
    ERR_clear_error();
    t->drained = false; /* reading ahead may have taken in more than the handshake */
    int result = SSL_do_handshake(t->ssl);
    if (result == 1) {
        return 1;
    }
    result = settle(t, result);
    if (result == 0) {
        /* close_notify in the middle of a handshake */
        t->dead = TLS_FAILED;
        (void)snprintf(t->reason, sizeof(t->reason),
                       "peer closed the connection during the handshake");
        return TLS_FAILED;
    }
    return result;
}

long tls_read(struct tls *t, void *buf, size_t n)
{
    size_t done = 0;
    if (t->dead) {
        return t->dead;
    }
    if (n == 0) {
        return 0;
    }
    ERR_clear_error();
    int result = SSL_read_ex(t->ssl, buf, n, &done);
    if (result == 1) {
        t->drained = false;
        return (long)done;
    }
    result = settle(t, result);
    t->drained = true;
    return result;
}

long tls_write(struct tls *t, const void *buf, size_t n)
{
    size_t done = 0;
    if (t->dead) {
        return t->dead;
    }
    if (n == 0) {
        return 0;
    }
    ERR_clear_error();
    if (!SSL_is_init_finished(t->ssl)) {
        t->drained = false; /* this write does the handshake, and may read ahead */
    }
    int result = SSL_write_ex(t->ssl, buf, n, &done);
    if (result == 1) {
        return (long)done;
    }
    result = settle(t, result);
    if (result == 0) {
        t->dead = TLS_FAILED;
        (void)snprintf(t->reason, sizeof(t->reason), "connection is closed");
        return TLS_FAILED;
    }
    return result;
}

bool tls_pending(const struct tls *t)
{
    /* bytes of an unfinished record do not count: a read that wanted more has seen them */
    return !t->dead && !t->drained && SSL_has_pending(t->ssl) == 1;
}

const char *tls_failure(const struct tls *t)
{
    return t->reason;
}
