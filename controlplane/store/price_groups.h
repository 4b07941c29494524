/* Price groups: what whoever is in one pays of the list price. */
#ifndef CONTROLPLANE_STORE_PRICE_GROUPS_H
#define CONTROLPLANE_STORE_PRICE_GROUPS_H

#include "controlplane/store/object.h"

enum {
    PRICE_GROUP_ID = 0,
    PRICE_GROUP_ORGANIZATION_ID,
    PRICE_GROUP_NAME,
    PRICE_GROUP_DESCRIPTION,
    PRICE_GROUP_RATIO_PPM,
    PRICE_GROUP_OVERRIDES, /* [{"provider", "model", "ratio_ppm"}] */
    PRICE_GROUP_OWNED_BY,
    PRICE_GROUP_REVISION,
    PRICE_GROUP_CREATED_AT,
    PRICE_GROUP_UPDATED_AT,
    PRICE_GROUP_COLUMN_COUNT
};

extern const struct object_table price_groups_table;

/* What is in the group of that name: "team", "key", "workspace", "organization", and its name; NULL
 * ptr: nothing. */
bool price_group_user(struct tx *t, const struct uuid *organization, struct str name,
                      struct arena *a, struct str *ret_kind, struct str *ret_name,
                      struct error *err);

#endif
