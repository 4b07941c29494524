/* Listening sockets of one worker: SO_REUSEPORT, TCP_NODELAY (inherited), plain or TLS. Accepts in
 * batches until EAGAIN; at the connection ceiling the oldest idle connection goes first, else
 * accepting pauses. */
#ifndef DATAPLANE_NET_LISTENER_H
#define DATAPLANE_NET_LISTENER_H

#include "dataplane/net/exchange.h"

struct listener;
struct loop;
struct tls_context;

struct listener_config {
    const char *address;      /* "127.0.0.1:8787", "[::1]:8787", port 0: any */
    struct tls_context *tls;  /* NULL: plain */
    unsigned max_connections; /* 0: 100,000 */
    struct exchange_limits limits;
    struct exchange_handler handler;
};

/* SO_REUSEPORT lets two processes of one user share a port without a word: called once before the
 * workers' listeners, this says whether the port is free (by binding it alone and letting go). Port
 * 0 is always free. */
bool listener_port_free(const char *address, struct error *err);
/* Opens and binds; NULL with the address in err's text when that fails. Takes a reference to tls.
 */
struct listener *listener_new(struct loop *l, const struct listener_config *c, struct error *err);
uint16_t listener_port(const struct listener *s);
void listener_set_tls(struct listener *s, struct tls_context *tls); /* for new connections */
/* Drain: no more accepts; idle connections close; the others close behind their answer. Bytes of a
 * head that already arrived are still served. */
void listener_drain(struct listener *s);
unsigned listener_connections(const struct listener *s);
/* Closes everything still open; exchanges that are outstanding are told that the client is gone,
 * and memory goes with the last of them (after a turn of the loop). Accepts NULL. */
void listener_free(struct listener *s);

#endif
