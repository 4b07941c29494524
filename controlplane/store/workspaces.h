/* Workspaces of an organization. The column that a permission over workspaces is checked against is
 * the id itself. */
#ifndef CONTROLPLANE_STORE_WORKSPACES_H
#define CONTROLPLANE_STORE_WORKSPACES_H

#include "controlplane/store/object.h"

enum {
    WORKSPACE_ID = 0,
    WORKSPACE_ORGANIZATION_ID,
    WORKSPACE_NAME,
    WORKSPACE_SETTINGS,
    WORKSPACE_OWNED_BY,
    WORKSPACE_REVISION,
    WORKSPACE_CREATED_AT,
    WORKSPACE_UPDATED_AT,
    WORKSPACE_PRICE_GROUP,
    WORKSPACE_COLUMN_COUNT
};

extern const struct object_table workspaces_table;

#endif
