/* Handlers that resources share; the route's `resource` says which. */
#ifndef CONTROLPLANE_API_CRUD_H
#define CONTROLPLANE_API_CRUD_H

#include "controlplane/api/resource.h"

bool crud_list(struct call *c, struct error *err);
bool crud_get(struct call *c, struct error *err);
bool crud_create(struct call *c, struct error *err);
bool crud_update(struct call *c, struct error *err);
bool crud_delete(struct call *c, struct error *err);
/* For resources whose rows stay and are marked: sets their revoked_at column, once. `column` of it;
 * "x.revoke". A row that a file owns may be revoked. */
bool crud_revoke(struct call *c, const struct resource *res, int column, struct error *err);

#endif
