/* Model providers with their sealed credentials (controlplane/secrets/seal.h: table "providers",
 * column "credential"). */
#ifndef CONTROLPLANE_STORE_PROVIDERS_H
#define CONTROLPLANE_STORE_PROVIDERS_H

#include "controlplane/store/object.h"

enum {
    PROVIDER_ID = 0,
    PROVIDER_ORGANIZATION_ID,
    PROVIDER_WORKSPACE_ID,
    PROVIDER_NAME,
    PROVIDER_KIND,
    PROVIDER_BASE_URL,
    PROVIDER_SETTINGS,
    PROVIDER_TIMEOUT_MS,
    PROVIDER_CREDENTIAL,
    PROVIDER_CREDENTIAL_KEK,
    PROVIDER_CREDENTIAL_MASK,
    PROVIDER_CREDENTIAL_FIELDS,
    PROVIDER_CREDENTIAL_KEYS,       /* how many API keys are in it */
    PROVIDER_CREDENTIAL_REFERENCES, /* members that are nothing but references, as a body has them
                                     */
    PROVIDER_CREDENTIAL_REFERENCE_NAMES,
    PROVIDER_DISABLED,
    PROVIDER_OWNED_BY,
    PROVIDER_REVISION,
    PROVIDER_CREATED_AT,
    PROVIDER_UPDATED_AT,
    PROVIDER_COLUMN_COUNT
};

extern const struct object_table providers_table;

/* The provider that a name means from inside a workspace (nil: the organization): its own before a
 * shared one. ERR_NOT_FOUND. */
bool provider_by_name(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                      struct str name, struct uuid *ret, struct error *err);
/* Same by id: of that workspace, or shared. */
bool provider_usable(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                     const struct uuid *id, struct error *err);
/* Name of a model that targets it; NULL ptr when none does. */
bool provider_user(struct tx *t, const struct uuid *id, struct arena *a, struct str *ret_model,
                   struct error *err);
/* System role: tells data planes anew of the providers whose credentials hold one of these
 * references. */
bool providers_touch_references(struct tx *t, const struct str *names, size_t n, struct error *err);

#endif
