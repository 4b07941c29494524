/* Budgets and limits as a snapshot carries them. What this build cannot make sense of (a window or
 * metric of the future, a zone that this system lacks) binds all the same: such a quota is marked
 * needs_unknown, and whoever it holds for is refused. */
#ifndef DATAPLANE_SNAPSHOT_QUOTA_ENTITY_H
#define DATAPLANE_SNAPSHOT_QUOTA_ENTITY_H

#include "dataplane/snapshot/entity.h"

struct entity *quota_entity_new(unsigned kind, const struct uuid *id, struct str body,
                                const struct entity_source *from, struct error *err);
/* Where it stands: see snapshot_quotas. */
struct uuid quota_entity_anchor(const struct snap_quota *q);

#endif
