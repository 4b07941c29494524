/* Where proxies enrol: one HTTPS route, POST /enrol, under the channel's own CA. Everything else is
 * 404. */
#ifndef CONTROLPLANE_ENROL_LISTENER_H
#define CONTROLPLANE_ENROL_LISTENER_H

#include "common/base/error.h"

struct channel;
struct http_server;

/* The channel must outlive the server; stop it with http_server_stop. */
struct http_server *enrol_listener_start(struct channel *channel, const char *address,
                                         uint16_t port, struct error *err);

#endif
