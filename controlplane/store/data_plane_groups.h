/* Groups of data planes and what they serve. */
#ifndef CONTROLPLANE_STORE_DATA_PLANE_GROUPS_H
#define CONTROLPLANE_STORE_DATA_PLANE_GROUPS_H

#include "controlplane/store/object.h"

enum {
    GROUP_ID = 0,
    GROUP_NAME,
    GROUP_SERVES_ALL,
    GROUP_REVISION,
    GROUP_CREATED_AT,
    GROUP_UPDATED_AT,
    GROUP_COLUMN_COUNT
};

extern const struct object_table data_plane_groups_table;

struct group_served {
    struct uuid group, organization, workspace; /* workspace nil: the whole organization */
};
bool group_serves_list(struct tx *t, const struct uuid *groups, size_t n_groups, struct arena *a,
                       struct group_served **ret, size_t *ret_n, struct error *err);
bool group_set_serves(struct tx *t, const struct uuid *group, const struct group_served *list,
                      size_t n, struct error *err);
/* Wakes those who publish configuration: what a group serves is no entity with a version of its
 * own. On commit. */
bool group_announce(struct tx *t, struct error *err);

#endif
