/* NNG over tls+tcp behind a small interface for both planes; the only includer of NNG's headers is
 * link.c.
 *
 * Server: link_listen_rep gives each incoming request as a `struct link_call`, to be answered now
 * or later from any thread, so that requests can be parked. Client: link_req sends requests and
 * delivers replies; NNG's own resending is off, so a request goes out at most once per link_send
 * and repeating it is the caller's business. link_listen_pub and link_sub carry hints that may be
 * lost. Every connection is TLS 1.2 with certificates on both sides.
 *
 * Callbacks run on NNG's threads, several at a time: they must not block (no database, no link_ask)
 * and must not close the link they came from. A client link connects, and connects again, in the
 * background. */
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include "common/base/buffer.h"
#include "common/base/error.h"

/* The DNS name in every control plane's certificate: what a client checks. (mbedTLS cannot match IP
 * addresses, and the channel's CA signs nobody else as a server, so the role is the name.) */
#define LINK_SERVER_NAME "weir-control"
#define LINK_MAX_REQUEST (4u << 20) /* the longest request a server takes, reply 64 MiB */
#define LINK_MAX_REPLY (64u << 20)

/* PEM texts; copied, the key too. All three are required: nobody talks without a certificate. */
struct link_tls {
    const char *cert_pem, *key_pem, *ca_pem;
};

/* ---- server ---- */

struct link_server;
struct link_call;

/* `message` lives until link_reply or link_drop. */
typedef void (*link_request_fn)(void *arg, struct link_call *call, struct str message);

/* url: "tls+tcp://127.0.0.1:4910"; port 0 binds a free one (link_server_port). max_calls: how many
 * requests may be unanswered at once; more wait in their connections. A taken port is an error that
 * names the URL. */
struct link_server *link_listen_rep(const char *url, const struct link_tls *tls, unsigned max_calls,
                                    link_request_fn on_request, void *arg, struct error *err);
uint16_t link_server_port(const struct link_server *s);
/* Waits for callbacks to end; frees the calls that were never answered. Nobody may use a call
 * afterwards, so the owner forgets its parked calls before (or answers them). Accepts NULL. */
void link_server_close(struct link_server *s);
/* Exactly one of these two ends a call; any thread. The message is copied. Does not block. */
void link_reply(struct link_call *call, struct str message);
void link_drop(struct link_call *call); /* no answer: the peer's call times out */

struct link_pub;
struct link_pub *link_listen_pub(const char *url, const struct link_tls *tls, struct error *err);
uint16_t link_pub_port(const struct link_pub *p);
/* To all who are connected; lost for a slow one. Any thread, does not block. */
void link_publish(struct link_pub *p, struct str message);
void link_pub_close(struct link_pub *p); /* accepts NULL */

/* ---- client ---- */

enum link_result {
    LINK_OK = 0,
    LINK_TIMEOUT,   /* no reply in time; whether it was received is unknown */
    LINK_CANCELLED, /* link_cancel */
    LINK_RESET,     /* the connection went away after the request had gone out */
    LINK_CLOSED,    /* link_req_close */
    LINK_FAILED,    /* anything else, such as memory */
    LINK_RESULT_COUNT
};
const char *link_result_name(enum link_result r); /* "timeout" */

struct link_req;
/* Starts to connect in the background and returns at once: an unreachable peer shows as
 * LINK_TIMEOUT. False certificates or a malformed URL are errors. max_calls: how many requests may
 * wait for their reply at once. */
struct link_req *link_req(const char *url, const struct link_tls *tls, unsigned max_calls,
                          struct error *err);
/* True while a connection stands (TLS done). */
bool link_connected(const struct link_req *r);
/* Ends all calls with LINK_CLOSED, waits until their callbacks have returned, frees. Accepts NULL.
 */
void link_req_close(struct link_req *r);

/* Called exactly once per link_send that returned true; `reply` (LINK_OK only) lives during the
 * call. It may call link_send. */
typedef void (*link_reply_fn)(void *arg, enum link_result result, struct str reply);
/* The message is copied; timeout_ms counts over connecting, sending and waiting. False: max_calls
 * are under way, or closing. Any thread. */
bool link_send(struct link_req *r, struct str message, unsigned timeout_ms, link_reply_fn on_reply,
               void *arg);
/* Ends the calls under way with LINK_CANCELLED, later ones are not touched. Any thread. */
void link_cancel(struct link_req *r);
/* Blocking form: waits for the reply, at most timeout_ms; link_cancel and link_req_close from
 * another thread end it (link_req_close must not free while link_ask runs: cancel and wait for its
 * thread first). The reply is put into ret (cleared before). */
enum link_result link_ask(struct link_req *r, struct str message, unsigned timeout_ms,
                          struct buffer *ret);

struct link_sub;
typedef void (*link_message_fn)(void *arg, struct str message); /* one at a time */
struct link_sub *link_sub(const char *url, const struct link_tls *tls, link_message_fn on_message,
                          void *arg, struct error *err);
void link_sub_close(struct link_sub *s); /* no callback afterwards; accepts NULL */

#endif
