/* The operations listener: /livez, /readyz (?verbose), /metrics. Its own address, loopback unless
 * told; never on the applications' listener. Runs on the main thread's loop. */
#ifndef DATAPLANE_ADMIN_LISTENER_H
#define DATAPLANE_ADMIN_LISTENER_H

#include "common/base/error.h"

struct loop;
struct ops;
struct service;

struct ops *ops_new(struct loop *l, const char *address, const struct service *s,
                    struct error *err);
void ops_free(struct ops *o); /* accepts NULL */

#endif
