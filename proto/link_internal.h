/* NNG for link_server.c and link_client.c; nobody else includes this.
 *
 * Rules that NNG 1.5 sets: an aio is never freed in its own callback (so calls are pooled, and
 * freed at close after nng_aio_stop), and a message that could not be sent stays with its sender.
 */
#ifndef PROTO_LINK_INTERNAL_H
#define PROTO_LINK_INTERNAL_H

#include <stdatomic.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "proto/link.h"

#define LINK_MAX_ANNOUNCE 65536

/* Sets ERR_INTERNAL with NNG's reason; returns false. */
bool link_fail(struct error *err, const char *what, const char *url, int rv);
/* TLS 1.2, certificates on both sides; freed with nng_tls_config_free. */
bool link_tls_config(const struct link_tls *tls, bool server, nng_tls_config **ret,
                     struct error *err);
/* A copy as a message, NULL when out of memory. */
nng_msg *link_message_of(struct str s);
/* Sends without waiting; a message that is not taken is freed. Accepts NULL. */
void link_send_or_drop(nng_socket s, nng_msg *m);
/* The message's bytes, as long as it lives. */
struct str link_message_str(nng_msg *m);
/* Waits, a fifth of a second at most, until nothing came for a while: *last_ms is when something
 * came last. NNG 1.5 can lose the end of a TLS connection that is closed just while a message comes
 * in (its own issue 1543), and then never ends the socket. */
void link_wait_quiet(atomic_ullong *last_ms);
/* Closes the socket, on a thread of its own because of the above. False: it did not end within 3 s
 * and is given up, so whatever NNG may still call must stay allocated. */
bool link_close_socket(nng_socket s);

#endif
