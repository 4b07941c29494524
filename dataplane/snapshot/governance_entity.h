/* Organizations, workspaces, teams, price groups and books, issuers of tokens: what requests read
 * of each. */
#ifndef DATAPLANE_SNAPSHOT_GOVERNANCE_ENTITY_H
#define DATAPLANE_SNAPSHOT_GOVERNANCE_ENTITY_H

#include "dataplane/snapshot/entity.h"

struct entity *organization_entity_new(const struct uuid *id, struct str body, struct error *err);
struct entity *workspace_entity_new(const struct uuid *id, struct str body, struct error *err);
struct entity *team_entity_new(const struct uuid *id, struct str body, struct error *err);
struct entity *price_group_entity_new(const struct uuid *id, struct str body, struct error *err);
/* A published version that cannot be compiled leaves the book without prices of its own. */
struct entity *price_book_entity_new(const struct uuid *id, struct str body, struct error *err);
struct entity *issuer_entity_new(const struct uuid *id, struct str body, struct error *err);

#endif
