/* Roles that an organization made itself. The statements see what is in the table; what a role
 * grants is no more than role_permissions_most, whatever stands there. */
#ifndef CONTROLPLANE_STORE_ROLES_H
#define CONTROLPLANE_STORE_ROLES_H

#include "controlplane/store/object.h"
#include "controlplane/rules/permission.h"

enum {
    ROLE_ROW_ID = 0,
    ROLE_ROW_ORGANIZATION_ID,
    ROLE_ROW_NAME,
    ROLE_ROW_DESCRIPTION,
    ROLE_ROW_SCOPE,
    ROLE_ROW_PERMISSIONS,
    ROLE_ROW_OWNED_BY,
    ROLE_ROW_REVISION,
    ROLE_ROW_CREATED_AT,
    ROLE_ROW_UPDATED_AT,
    ROLE_ROW_COLUMN_COUNT
};

extern const struct object_table roles_table;

/* The permissions behind these names, for a role that is held in a workspace or not. Names that
 * this binary does not know, and what no such role may hold, are left out. */
struct permission_set role_set(const struct str *names, size_t n, bool workspace);
struct permission_set role_row_set(const struct object *row);
/* Does a role of this row belong to a workspace? */
bool role_row_of_workspace(const struct object *row);
/* Memberships that hold it. */
bool role_holders(struct tx *t, const struct uuid *id, uint64_t *ret, struct error *err);

#endif
