/* Time zones that budgets and limits of a snapshot are in: each is read once, however many name it.
 * Counted by roots; grows while a root is built, and what it gave stays for its life. */
#ifndef DATAPLANE_SNAPSHOT_ZONES_H
#define DATAPLANE_SNAPSHOT_ZONES_H

#include "common/zone.h"

struct zones;

struct zones *zones_new(void);
struct zones *zones_ref(struct zones *z);
void zones_unref(struct zones *z); /* accepts NULL */
/* "" and "UTC" give NULL, which is UTC. False: there is no such zone here. */
bool zones_find(struct zones *z, struct str name, const struct zone **ret);

#endif
