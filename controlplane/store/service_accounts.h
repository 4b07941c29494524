/* Service accounts: who is no person. */
#ifndef CONTROLPLANE_STORE_SERVICE_ACCOUNTS_H
#define CONTROLPLANE_STORE_SERVICE_ACCOUNTS_H

#include "controlplane/store/object.h"

enum {
    SERVICE_ACCOUNT_ID = 0,
    SERVICE_ACCOUNT_ORGANIZATION_ID,
    SERVICE_ACCOUNT_WORKSPACE_ID,
    SERVICE_ACCOUNT_NAME,
    SERVICE_ACCOUNT_DESCRIPTION,
    SERVICE_ACCOUNT_TEAM_ID,
    SERVICE_ACCOUNT_DISABLED,
    SERVICE_ACCOUNT_OWNED_BY,
    SERVICE_ACCOUNT_REVISION,
    SERVICE_ACCOUNT_CREATED_AT,
    SERVICE_ACCOUNT_UPDATED_AT,
    SERVICE_ACCOUNT_COLUMN_COUNT
};

extern const struct object_table service_accounts_table;

/* The keys of one that are not revoked: the data planes learn anew of each when it is disabled. */
bool service_account_keys(struct tx *t, const struct uuid *id, struct arena *a, struct uuid **ret,
                          size_t *ret_n, struct error *err);

#endif
