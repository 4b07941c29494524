/* People as identity providers know them, logins under way, and what group rules gave. System role.
 */
#ifndef CONTROLPLANE_STORE_USER_IDENTITIES_H
#define CONTROLPLANE_STORE_USER_IDENTITIES_H

#include "controlplane/rules/permission.h"
#include "controlplane/store/object.h"

struct login_flow {
    struct uuid issuer;
    struct str nonce, verifier, return_to;
};
/* For ten minutes. False with ERR_OVERLOADED when too many are under way. */
bool login_flow_create(struct tx *t, const uint8_t state_hash[static 32],
                       const uint8_t cookie_hash[static 32], const struct login_flow *f,
                       struct error *err);
/* Takes it away: a state counts once, and only with its cookie. ERR_NOT_FOUND. */
bool login_flow_take(struct tx *t, const uint8_t state_hash[static 32],
                     const uint8_t cookie_hash[static 32], struct arena *a, struct login_flow *ret,
                     struct error *err);
bool login_flows_delete_ended(struct tx *t, size_t *ret_n, struct error *err);

struct identity_user {
    struct uuid id;
    struct str email, name;
    bool disabled, platform_admin;
};
/* ERR_NOT_FOUND. Locks the identity. */
bool identity_find(struct tx *t, const struct uuid *issuer, struct str subject, struct arena *a,
                   struct identity_user *ret, struct error *err);
bool identity_user_by_email(struct tx *t, struct str email, struct arena *a,
                            struct identity_user *ret, struct error *err);
bool identity_user_create(struct tx *t, const struct identity_user *u, struct error *err);
/* Links, or notes the login and the groups of who is linked. */
bool identity_link(struct tx *t, const struct uuid *issuer, struct str subject,
                   const struct uuid *user, const struct str *groups, size_t n_groups,
                   struct error *err);

/* --- what rules name --- */

bool identity_organization(struct tx *t, struct str name_or_id, struct uuid *ret,
                           struct error *err);
bool identity_workspace(struct tx *t, const struct uuid *organization, struct str name_or_id,
                        struct uuid *ret, struct error *err);
bool identity_team(struct tx *t, const struct uuid *organization, struct str name_or_id,
                   struct uuid *ret, struct error *err);
/* A custom role of the organization by name or id, with its permissions; `workspace`: of which
 * family. */
bool identity_role(struct tx *t, const struct uuid *organization, struct str name_or_id,
                   bool workspace, struct arena *a, struct uuid *ret_id, struct str *ret_name,
                   struct permission_set *ret, struct error *err);

/* --- what rules gave --- */

struct identity_membership {
    struct uuid id, organization, workspace, role_id;
    struct str role;
};
bool identity_memberships(struct tx *t, const struct uuid *issuer, const struct uuid *user,
                          struct arena *a, struct identity_membership **ret, size_t *ret_n,
                          struct error *err);
/* Adds or changes the issuer's one at that place; one made by hand stays as it is (*ret false). */
bool identity_membership_put(struct tx *t, const struct uuid *issuer, const struct uuid *user,
                             struct identity_membership *m, bool *ret, struct error *err);
bool identity_membership_delete(struct tx *t, const struct uuid *id, struct error *err);
/* Makes the issuer's team memberships of this user those in the list. */
bool identity_teams_set(struct tx *t, const struct uuid *issuer, const struct uuid *user,
                        const struct uuid *organizations, const struct uuid *teams, size_t n,
                        struct arena *a, struct error *err);

#endif
