/* Memberships: which user holds which role where: one of the table, or a custom one of the
 * organization. */
#ifndef CONTROLPLANE_STORE_MEMBERSHIPS_H
#define CONTROLPLANE_STORE_MEMBERSHIPS_H

#include "controlplane/store/object.h"
#include "controlplane/rules/permission.h"

enum {
    MEMBERSHIP_ID = 0,
    MEMBERSHIP_ORGANIZATION_ID,
    MEMBERSHIP_WORKSPACE_ID,
    MEMBERSHIP_USER_ID,
    MEMBERSHIP_ROLE,
    MEMBERSHIP_OWNED_BY,
    MEMBERSHIP_REVISION,
    MEMBERSHIP_CREATED_AT,
    MEMBERSHIP_UPDATED_AT,
    MEMBERSHIP_ROLE_ID, /* NULL: of the table */
    MEMBERSHIP_COLUMN_COUNT
};

extern const struct object_table memberships_table;

/* All that one user holds, in the arena, with room for one more; rows with a role this binary does
 * not know grant nothing. A custom role is read as it stands now. System role. */
bool membership_grants(struct tx *t, const struct uuid *user, struct arena *a, struct grant **ret,
                       size_t *ret_n, struct error *err);
/* Owners of the organization other than this membership, counted one transaction after the other:
 * of two that leave at once the second sees that the first is gone. */
bool membership_other_owners(struct tx *t, const struct uuid *organization,
                             const struct uuid *membership, uint64_t *ret, struct error *err);
/* Takes a user out of the organization's teams, unless they hold another membership than this one.
 */
bool membership_leave_teams(struct tx *t, const struct uuid *organization, const struct uuid *user,
                            const struct uuid *membership, struct error *err);

#endif
