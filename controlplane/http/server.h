/* libmicrohttpd behind one small interface (server.c is its only includer). Several servers may run
 * in one process: the admin API (plain and TLS listeners) and the enrolment listener. Each
 * connection has a thread; a handler is called on it with the whole request, and a few handlers at
 * once: their number is what bounds the load on the database. */
#ifndef CONTROLPLANE_HTTP_SERVER_H
#define CONTROLPLANE_HTTP_SERVER_H

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/error.h"

struct http_server;
struct http_request; /* opaque outside http/; calls below */

struct http_server_config {
    const char *address;  /* "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;        /* 0: any free one (http_server_port tells) */
    const char *cert_pem; /* both set: TLS */
    const char *key_pem;
    unsigned threads;       /* handlers that work at once; default 4 */
    size_t max_body;        /* 413 past it */
    const char *large_path; /* paths that end so may have a body of max_large_body; NULL: none */
    size_t max_large_body;
    /* Must call exactly one http_reply_*; what it leaves unanswered becomes a 500. */
    void (*handle)(void *arg, struct http_request *r);
    void *arg;
};

struct http_server *http_server_start(const struct http_server_config *c, struct error *err);
uint16_t http_server_port(const struct http_server *s);
/* Stops accepting, waits for requests in flight, frees. */
void http_server_stop(struct http_server *s);

struct arena *http_arena(struct http_request *r); /* lives as long as the request */
struct str http_method(const struct http_request *r);
struct str http_path(const struct http_request *r); /* decoded once, without query */
struct str http_body(const struct http_request *r);
struct str http_header(const struct http_request *r, const char *name); /* NULL ptr when absent */
struct str http_query(const struct http_request *r, const char *name);
struct str http_cookie(const struct http_request *r, const char *name);
struct str http_peer(const struct http_request *r); /* address without port */
const char *http_request_id(
    const struct http_request *r); /* "req_" + UUIDv7 hex, also sent as x-weir-request-id */

/* Around a wait in a handler for something other than the database (a data plane's answer, a
 * password's hash): meanwhile another handler may work. No transaction may be open. */
void http_wait_begin(struct http_request *r);
void http_wait_end(struct http_request *r);

void http_reply_header(struct http_request *r, const char *name, const char *value);
/* Copies the body. content_type NULL with an empty body: none. */
void http_reply(struct http_request *r, int status, const char *content_type, struct str body);
/* An answer that is made while it is sent, in parts of any size: `more` appends the next part and
 * is called again once that has gone out; false: this part was the last one. It is called on the
 * request's thread with a handler's turn, after the handler returned. `done` is called once, also
 * when the client has gone before the end. arg lives until then: in the request's arena, or owned
 * by `done`. False: the answer could not be begun; `done` is not called. */
struct http_stream {
    bool (*more)(void *arg, struct buffer *out);
    void (*done)(void *arg);
    void *arg;
};
bool http_reply_stream(struct http_request *r, int status, const char *content_type,
                       const struct http_stream *stream);
/* {"error":{"code","message","param","type","request_id",…}} with the code's status */
void http_reply_error(struct http_request *r, const struct error *e);

#endif
