/* Rate limits: how many requests, tokens or calls at once, by whom. */
#ifndef CONTROLPLANE_STORE_LIMITS_H
#define CONTROLPLANE_STORE_LIMITS_H

#include "controlplane/store/object.h"

enum {
    LIMIT_ID = 0,
    LIMIT_ORGANIZATION_ID,
    LIMIT_WORKSPACE_ID,
    LIMIT_NAME,
    LIMIT_SCOPES,
    LIMIT_KEY_ID,
    LIMIT_METRIC,
    LIMIT_AMOUNT,
    LIMIT_WINDOW,
    LIMIT_WHEN_UNAVAILABLE,
    LIMIT_MAX_VALUES,
    LIMIT_ALGORITHM,
    LIMIT_BURST,
    LIMIT_EXACT,
    LIMIT_DISABLED,
    LIMIT_OWNED_BY,
    LIMIT_REVISION,
    LIMIT_CREATED_AT,
    LIMIT_UPDATED_AT,
    LIMIT_COLUMN_COUNT
};

extern const struct object_table limits_table;

#endif
