/* Virtual keys: what applications sign in by. Only the hash of a secret is stored. */
#ifndef CONTROLPLANE_STORE_VIRTUAL_KEYS_H
#define CONTROLPLANE_STORE_VIRTUAL_KEYS_H

#include "controlplane/store/object.h"

enum {
    KEY_ID = 0,
    KEY_ORGANIZATION_ID,
    KEY_WORKSPACE_ID,
    KEY_NAME,
    KEY_SECRET_HASH,
    KEY_MASK,
    KEY_USER_ID,
    KEY_MODELS,
    KEY_PROVIDERS,
    KEY_METADATA,
    KEY_DISABLED,
    KEY_EXPIRES_AT,
    KEY_REVOKED_AT,
    KEY_OWNED_BY,
    KEY_CREATED_BY,
    KEY_REVISION,
    KEY_CREATED_AT,
    KEY_UPDATED_AT,
    KEY_CONFIG,
    KEY_CONFIG_LOCKED,
    KEY_TAGS,
    KEY_TEAM_ID,
    KEY_SERVICE_ACCOUNT_ID,
    KEY_ENDPOINTS,
    KEY_CONFIGS,
    KEY_MCP_TOOLS,
    KEY_ADMIN_PERMISSIONS,
    KEY_IP_ALLOW,
    KEY_REQUIRED_METADATA,
    KEY_PRICE_GROUP,
    KEY_FORMER_HASH,
    KEY_FORMER_EXPIRES_AT,
    KEY_ROTATED_AT,
    KEY_LAST_USED_AT,
    KEY_COLUMN_COUNT
};

extern const struct object_table virtual_keys_table;

#endif
