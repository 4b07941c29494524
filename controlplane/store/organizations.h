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
/* What data planes know and what goes with an organization, or with one workspace of it, when that
 * is deleted: teams, budgets, limits, and of an organization price books, price groups, issuers. */
struct organization_part {
    unsigned kind; /* proto/snapshot.proto, Kind */
    struct uuid id;
};
bool organization_parts(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                        struct arena *a, struct organization_part **ret, size_t *ret_n,
                        struct error *err);
/* The price group of this name, in whatever case: its name as it is written into *ret.
 * ERR_NOT_FOUND. */
bool organization_price_group(struct tx *t, const struct uuid *organization, struct str name,
                              struct arena *a, struct str *ret, struct error *err);
/* Ids of at most `limit` organizations, in order. */
bool organization_ids(struct tx *t, unsigned limit, struct arena *a, struct uuid **ret,
                      size_t *ret_n, struct error *err);
bool organization_by_name(struct tx *t, struct str name, struct uuid *ret, struct error *err);
bool organization_exists(struct tx *t, const struct uuid *id, struct error *err);

#endif
