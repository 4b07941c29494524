/* What requests read of a provider, made from its message: settings and secrets, its row of the
 * table of providers, its address. Used by entity.c alone. */
#ifndef DATAPLANE_SNAPSHOT_PROVIDER_ENTITY_H
#define DATAPLANE_SNAPSHOT_PROVIDER_ENTITY_H

#include "common/base/arena.h"
#include "dataplane/snapshot/index.h"

/* In p: name, kind, base_url, settings_json as they came. `credential` is in clear; the arena wipes
 * what it copies of it. Fills the rest; a provider that cannot be used stays, disabled, so that one
 * tenant's mistake does not hold back everybody's changes. */
void provider_entity_build(struct snap_provider *p, struct str credential, struct arena *a);

#endif
