/* Organizations: the tenants. */
#ifndef CONTROLPLANE_STORE_ORGANIZATIONS_H
#define CONTROLPLANE_STORE_ORGANIZATIONS_H

#include "controlplane/store/object.h"

enum {
    ORGANIZATION_ID = 0,
    ORGANIZATION_ORGANIZATION_ID,
    ORGANIZATION_NAME,
    ORGANIZATION_SETTINGS,
    ORGANIZATION_OWNED_BY,
    ORGANIZATION_REVISION,
    ORGANIZATION_CREATED_AT,
    ORGANIZATION_UPDATED_AT,
    ORGANIZATION_COLUMN_COUNT
};

extern const struct object_table organizations_table;

/* What a change of organizations needs to know. An organization (or, when given, one workspace of
 * it) still holds keys that are not revoked, providers or models. */
bool organization_in_use(struct tx *t, const struct uuid *organization,
                         const struct uuid *workspace, bool *ret, struct error *err);
/* Ids of at most `limit` organizations, in order. */
bool organization_ids(struct tx *t, unsigned limit, struct arena *a, struct uuid **ret,
                      size_t *ret_n, struct error *err);
bool organization_by_name(struct tx *t, struct str name, struct uuid *ret, struct error *err);
bool organization_exists(struct tx *t, const struct uuid *id, struct error *err);

#endif
