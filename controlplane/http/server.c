/* libmicrohttpd's adaptor: the only file that includes it. Gathers a request whole, within its
 * limits, calls the handler, sends what it answered. Paths and queries are unescaped here, once,
 * rather than by the library, so that a malformed escape or a NUL is refused instead of guessed at.
 */
#include "controlplane/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/uuid.h"
#include "common/crypto.h"
#include "controlplane/http/request.h"
#include "controlplane/rules/validate.h"

#define DEFAULT_THREADS 4
#define THREAD_STACK ((size_t)1 << 20)
#define DEFAULT_MAX_BODY ((size_t)1 << 20)
#define HEADER_MAX ((size_t)32 << 10)
/* Room for more than that, so that the refusal is ours and in JSON; what does not even fit here is
 * refused by the library in its own words. */
#define HEADER_MEMORY ((size_t)64 << 10)
#define IDLE_SECONDS 20u
#define ARRIVAL_MS 60000u /* a body that takes longer is cut off, however steadily it drips */
#define CONNECTIONS_MAX 1024u
#define CONNECTIONS_PER_ADDRESS 256u /* one stranger does not take them all */
#define REQUEST_MEMORY ((size_t)256 << 20)
/* Bodies of all requests that are being taken in: strangers send them before anybody asks who they
 * are. */
#define BODIES_MAX ((size_t)128 << 20)
#define STREAM_BLOCK ((size_t)64 << 10)
#define STREAM_PART_MAX ((size_t)16 << 20)
#define DISCARD_MAX(max_body) (4 * (max_body) + ((size_t)1 << 20))

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_server_config config;
    char *cert_pem, *key_pem;
    atomic_size_t held; /* bytes of bodies in memory */
    pthread_mutex_t lock;
    pthread_cond_t turn_free;
    unsigned turns; /* handlers at work */
};

/* --- turns --- */

static void turn_take(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->turns == s->config.threads) {
        pthread_cond_wait(&s->turn_free, &s->lock);
    }
    s->turns++;
    pthread_mutex_unlock(&s->lock);
}

static void turn_give(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->turns--;
    pthread_cond_signal(&s->turn_free);
    pthread_mutex_unlock(&s->lock);
}

/* --- what handlers call --- */

void http_wait_begin(struct http_request *r)
{
    turn_give(r->server);
}

void http_wait_end(struct http_request *r)
{
    turn_take(r->server);
}

struct arena *http_arena(struct http_request *r)
{
    return r->arena;
}

struct str http_method(const struct http_request *r)
{
    return r->method;
}

struct str http_path(const struct http_request *r)
{
    return r->path;
}

struct str http_body(const struct http_request *r)
{
    return (struct str){r->body.ptr ? r->body.ptr : "", r->body.len};
}

struct str http_header(const struct http_request *r, const char *name)
{
    return str_of(MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name));
}

struct str http_query(const struct http_request *r, const char *name)
{
    struct str value = STR_NONE;
    const char *raw = NULL;
    size_t len = 0;
    if (MHD_lookup_connection_value_n(r->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
                                      &raw, &len) == MHD_YES &&
        !http_unescape(r->arena, (struct str){raw ? raw : "", len}, &value)) {
        return STR_NONE; /* refused before the handler was called */
    }
    return value;
}

struct str http_cookie(const struct http_request *r, const char *name)
{
    return str_of(MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, name));
}

struct str http_peer(const struct http_request *r)
{
    return str_of(r->peer);
}

const char *http_request_id(const struct http_request *r)
{
    return r->id;
}

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
    if (r->n_headers < HTTP_REPLY_HEADERS_MAX) {
        r->headers[r->n_headers].name = arena_str(r->arena, str_of(name)).ptr;
        r->headers[r->n_headers].value = arena_str(r->arena, str_of(value)).ptr;
        r->n_headers++;
    }
}

static void queue_reply(struct http_request *r, int status, const char *content_type,
                        struct MHD_Response *m)
{
    r->replied = true;
    if (!m) {
        return; /* out of memory: the connection is closed */
    }
    if (content_type) {
        (void)MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    }
    (void)MHD_add_response_header(m, "x-weir-request-id", r->id);
    for (unsigned i = 0; i < r->n_headers; i++) {
        if (r->headers[i].name && r->headers[i].value) {
            (void)MHD_add_response_header(m, r->headers[i].name, r->headers[i].value);
        }
    }
    (void)MHD_queue_response(r->connection, (unsigned)status, m);
    MHD_destroy_response(m);
}

void http_reply(struct http_request *r, int status, const char *content_type, struct str body)
{
    if (!r->replied) {
        queue_reply(r, status, content_type,
                    MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.ptr,
                                                    MHD_RESPMEM_MUST_COPY));
    }
}

/* --- answers in parts --- */

struct streaming {
    struct http_server *server;
    struct http_stream stream;
    struct buffer part;
    size_t sent; /* of the part */
    bool over;
};

static ssize_t on_more(void *cls, uint64_t position, char *out, size_t room)
{
    struct streaming *s = cls;
    (void)position;
    while (s->sent == s->part.len) {
        if (s->over) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        buffer_clear(&s->part);
        s->sent = 0;
        turn_take(s->server);
        s->over = !s->stream.more(s->stream.arg, &s->part);
        turn_give(s->server);
        if (s->part.failed) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
    }
    size_t n = s->part.len - s->sent < room ? s->part.len - s->sent : room;
    memcpy(out, s->part.ptr + s->sent, n);
    s->sent += n;
    return (ssize_t)n;
}

/* With the request, whose arena the stream may live in; the library lets go of the response later,
 * but asks for nothing any more. */
static void streaming_free(struct streaming *s)
{
    if (!s) {
        return;
    }
    s->stream.done(s->stream.arg);
    if (s->part.ptr) {
        explicit_bzero(s->part.ptr, s->part.cap); /* may show secrets */
    }
    buffer_release(&s->part);
    mem_free(s);
}

bool http_reply_stream(struct http_request *r, int status, const char *content_type,
                       const struct http_stream *stream)
{
    if (r->replied) {
        return false;
    }
    struct streaming *s = mem_alloc(sizeof *s);
    *s = (struct streaming){.server = r->server, .stream = *stream};
    buffer_init(&s->part, STREAM_PART_MAX);
    struct MHD_Response *m =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_more, s, NULL);
    if (!m) {
        buffer_release(&s->part);
        mem_free(s);
        return false;
    }
    r->streaming = s;
    queue_reply(r, status, content_type, m);
    return true;
}

/* --- taking a request in --- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool http_unescape(struct arena *a, struct str s, struct str *ret)
{
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_digit(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[n++] = c;
    }
    if (!out || !validate_utf8((struct str){out, n})) {
        return false;
    }
    out[n] = '\0';
    *ret = (struct str){out, n};
    return true;
}

/* Leaves escapes to http_unescape. */
static size_t keep_escapes(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls;
    (void)c;
    return strlen(s);
}

static enum MHD_Result check_argument(void *cls, enum MHD_ValueKind kind, const char *key,
                                      size_t key_len, const char *value, size_t value_len)
{
    struct http_request *r = cls;
    struct str text;
    (void)kind;
    if (!http_unescape(r->arena, (struct str){key, key_len}, &text) ||
        (value && !http_unescape(r->arena, (struct str){value, value_len}, &text))) {
        r->bad_query = true;
    }
    return MHD_YES;
}

static void fill_peer(struct http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info ? info->client_addr : NULL;
    if (sa && sa->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
        (void)inet_ntop(AF_INET, &v4->sin_addr, r->peer, sizeof r->peer);
    } else if (sa && sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, r->peer, sizeof r->peer);
    }
}

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                    size_t key_len, const char *value, size_t value_len)
{
    size_t *total = cls;
    (void)kind;
    (void)key;
    (void)value;
    *total += key_len + value_len + 4; /* ": " and the line's end */
    return MHD_YES;
}

/* What is wrong with the head already. */
static void check_head(struct http_request *r)
{
    size_t total = r->raw_path.len;
    struct str length = http_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t bytes = 0;
    (void)MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, count_header, &total);
    r->flooded = total > HEADER_MAX;
    /* One proxy believes the one, the next the other: what follows would be anybody's request. */
    r->two_lengths = length.ptr && http_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING).ptr;
    bool known = length.ptr && str_to_u64(length, &bytes);
    r->too_large = known && bytes > r->max_body;
    /* Most clients send the whole body before they look for an answer, and a connection that is
     * closed meanwhile takes the answer along: so what is merely too large is read and thrown away.
     * A client that waits for "100 Continue" is spared that. */
    r->answer_now = r->flooded || r->two_lengths ||
                    (r->too_large && (bytes > DISCARD_MAX(r->max_body) ||
                                      http_header(r, MHD_HTTP_HEADER_EXPECT).ptr));
}

static size_t body_limit(const struct http_server_config *c, struct str path)
{
    return c->large_path && str_ends(path, str_of(c->large_path)) ? c->max_large_body : c->max_body;
}

static struct http_request *request_new(struct http_server *s, struct MHD_Connection *c,
                                        const char *url, const char *method)
{
    struct http_request *r = mem_alloc(sizeof *r);
    struct uuid id = uuid_v7();
    char hex[33];
    r->server = s;
    r->connection = c;
    r->arena = arena_new(REQUEST_MEMORY);
    r->begun_ms = clock_mono_ms();
    r->max_body = body_limit(&s->config, str_of(url));
    buffer_init(&r->body, r->max_body);
    crypto_hex(id.b, sizeof id.b, hex);
    (void)snprintf(r->id, sizeof r->id, "req_%s", hex);
    r->method = arena_str(r->arena, str_of(method));
    r->raw_path = arena_str(r->arena, str_of(url));
    r->path = r->raw_path;
    r->bad_path = !http_unescape(r->arena, r->raw_path, &r->path);
    (void)MHD_get_connection_values_n(c, MHD_GET_ARGUMENT_KIND, check_argument, r);
    fill_peer(r);
    check_head(r);
    return r;
}

static void answer(struct http_request *r)
{
    struct error err = ERROR_INIT;
    if (r->flooded) {
        (void)error_set(&err, ERR_HEADERS_TOO_LARGE, "%s", "");
    } else if (r->two_lengths) {
        http_reply_header(r, "connection", "close");
        (void)error_set(&err, ERR_BAD_REQUEST,
                        "content-length and transfer-encoding must not stand together");
    } else if (r->no_room) {
        (void)error_set(&err, ERR_OVERLOADED, "too many large requests at once");
    } else if (r->too_large) {
        (void)error_set(&err, ERR_BODY_TOO_LARGE, "body exceeds the limit of %zu bytes",
                        r->max_body);
    } else if (r->bad_path || r->bad_query) {
        (void)error_set(&err, ERR_BAD_REQUEST, "%s is not well-formed",
                        r->bad_path ? "path" : "query");
    }
    if (err.code != ERR_NONE) {
        http_reply_error(r, &err);
        return;
    }
    turn_take(r->server);
    r->server->config.handle(r->server->config.arg, r);
    turn_give(r->server);
    if (!r->replied) {
        (void)error_set(&err, ERR_INTERNAL, "%s", "");
        http_reply_error(r, &err);
    }
}

/* Counts bytes of a body against the ceiling for all; given back when the request ends. */
static bool hold(struct http_request *r, size_t n)
{
    struct http_server *s = r->server;
    if (atomic_fetch_add(&s->held, n) + n > BODIES_MAX) {
        atomic_fetch_sub(&s->held, n);
        return false;
    }
    r->held += n;
    return true;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **state)
{
    struct http_server *s = cls;
    struct http_request *r = *state;
    (void)version;
    if (!r) {
        r = *state = request_new(s, c, url, method);
        if (r->answer_now) {
            answer(r);
        }
        return MHD_YES;
    }
    if (*data_len > 0) {
        if (clock_mono_ms() - r->begun_ms > ARRIVAL_MS) {
            return MHD_NO;
        }
        r->no_room = r->no_room || !hold(r, *data_len);
        if (r->no_room || r->too_large || !buffer_append(&r->body, data, *data_len)) {
            /* The rest is read and thrown away, so that the answer arrives; not for ever. */
            r->too_large = r->too_large || !r->no_room;
            r->discarded += *data_len;
            if (r->discarded > DISCARD_MAX(r->max_body)) {
                return MHD_NO;
            }
        }
        *data_len = 0;
        return MHD_YES;
    }
    if (!r->replied) {
        answer(r);
    }
    return r->replied ? MHD_YES : MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct http_request *r = *state;
    (void)cls;
    (void)c;
    (void)how;
    *state = NULL;
    if (r) {
        streaming_free(r->streaming);
        if (r->body.ptr) {
            explicit_bzero(r->body.ptr, r->body.len); /* may hold a password or a credential */
        }
        buffer_release(&r->body);
        atomic_fetch_sub(&r->server->held, r->held);
        arena_free(r->arena);
        mem_free(r);
    }
}

static void on_library_log(void *cls, const char *fmt, va_list ap)
{
    (void)cls;
    (void)fmt;
    (void)ap; /* clients' faults: not worth a line each */
}

/* --- life cycle --- */

static bool resolve_address(const struct http_server_config *c, struct sockaddr_storage *ret,
                            struct error *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", c->port);
    if (getaddrinfo(c->address, port, &hints, &found) != 0) {
        return error_set(err, ERR_INVALID_FIELD, "address \"%s\" is not a numeric address",
                         c->address);
    }
    memcpy(ret, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

static void server_free(struct http_server *s)
{
    if (s) {
        pthread_cond_destroy(&s->turn_free);
        pthread_mutex_destroy(&s->lock);
        mem_free(s->cert_pem);
        if (s->key_pem) {
            mem_free_secret(s->key_pem, strlen(s->key_pem));
        }
        mem_free(s);
    }
}

struct http_server *http_server_start(const struct http_server_config *c, struct error *err)
{
    struct sockaddr_storage address;
    if (!resolve_address(c, &address, err)) {
        return NULL;
    }
    struct http_server *s = mem_alloc(sizeof *s);
    s->config = *c;
    s->config.max_body = c->max_body ? c->max_body : DEFAULT_MAX_BODY;
    s->config.threads = c->threads ? c->threads : DEFAULT_THREADS;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->turn_free, NULL);
    bool tls = c->cert_pem && c->key_pem;
    if (tls) {
        s->cert_pem = mem_strdup(c->cert_pem);
        s->key_pem = mem_strdup(c->key_pem);
    }
    /* A thread each, so that no connection waits for another one's handler. */
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0u) |
                     (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_library_log, NULL},
        {MHD_OPTION_SOCK_ADDR, 0, &address},
        {MHD_OPTION_THREAD_STACK_SIZE, (intptr_t)THREAD_STACK, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)CONNECTIONS_MAX, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)CONNECTIONS_PER_ADDRESS, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)HEADER_MEMORY, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)IDLE_SECONDS, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, NULL},
        {tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, s->cert_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, s->key_pem},
        {MHD_OPTION_END, 0, NULL},
    };
    errno = 0;
    s->daemon = MHD_start_daemon(flags, c->port, NULL, NULL, on_request, s, MHD_OPTION_ARRAY,
                                 options, MHD_OPTION_END);
    if (!s->daemon) {
        (void)error_set(err, ERR_INTERNAL, "cannot listen on %s port %u%s%s%s", c->address, c->port,
                        errno ? ": " : "", errno ? strerror(errno) : "",
                        tls && !errno ? ": certificate or key was refused" : "");
        server_free(s);
        return NULL;
    }
    return s;
}

uint16_t http_server_port(const struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

void http_server_stop(struct http_server *s)
{
    if (s) {
        MHD_stop_daemon(s->daemon);
        server_free(s);
    }
}
