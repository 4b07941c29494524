/* Commands from the control plane: test a provider (on a worker, as a request would go), tell of
 * the targets, purge the cache, drain, log level. */
#ifndef DATAPLANE_COMMAND_H
#define DATAPLANE_COMMAND_H

#include "dataplane/report/bridge.h"

struct commands;
struct service;

struct commands *commands_new(struct service *s);
/* After the bridge has ended and the workers have stopped, but before they are freed: tests under
 * way are cancelled without an answer. Accepts NULL. */
void commands_free(struct commands *c);
/* What bridge_config's on_command does; the bridge's thread. */
void commands_on_command(struct commands *c, struct bridge *b, const struct uuid *id, unsigned kind,
                         struct str body, uint64_t deadline_ms);

#endif
