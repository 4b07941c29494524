/* Virtual keys as actors of the admin API: those that carry permissions for it. System role. */
#ifndef CONTROLPLANE_STORE_KEY_LOGINS_H
#define CONTROLPLANE_STORE_KEY_LOGINS_H

#include "controlplane/rules/permission.h"
#include "controlplane/store/db.h"

struct key_login {
    struct uuid id, organization, workspace;
    struct str name;
    struct permission_set permissions; /* what a role of a workspace can hold of those named */
    struct str *ip_allow;
    size_t n_ip_allow;
};
/* A key by the hash of its secret, or of the one before its rotation while that holds: neither
 * revoked, disabled nor expired, and whose user or service account is not disabled. ERR_NOT_FOUND.
 */
bool key_login_find(struct tx *t, const uint8_t hash[static 32], struct arena *a,
                    struct key_login *ret, struct error *err);

#endif
