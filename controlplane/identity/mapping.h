/* From claims to what somebody may do: which claims mean what, and the group rules. The forms are
 * those of docs/identity.md; they are checked when they are written (claims_check, rules_check),
 * and what cannot be read later grants nothing. */
#ifndef CONTROLPLANE_IDENTITY_MAPPING_H
#define CONTROLPLANE_IDENTITY_MAPPING_H

#include "controlplane/identity/identity.h"
#include "controlplane/rules/permission.h"

#define MAPPING_GROUPS_MAX 1000
#define MAPPING_RULES_MAX 500

/* `claims` of an issuer. False: ERR_INVALID_FIELD naming the member. */
bool claims_check(struct str json, struct error *err);
/* `group_rules`; organization not nil: rules may name that one only (by none at all). */
bool rules_check(struct str json, bool own_organization, struct error *err);

/* Who the claims say it is. Texts in the arena, NULL ptr when absent. */
struct person {
    struct str subject, email, name;
    bool email_verified;
    struct str *groups;
    size_t n_groups;
    bool overage; /* the token does not hold the groups: there are too many of them */
};
/* False: ERR_INVALID_TOKEN: there is no subject. */
bool person_read(const struct issuer *issuer, struct json_value claims, struct arena *a,
                 struct person *ret, struct error *err);

/* One thing that a rule gave. */
struct mapped_role {
    struct grant grant;
    struct str role;                              /* as memberships store it */
    struct str organization_name, workspace_name; /* as the rule names them */
};
struct mapped_team {
    struct uuid organization, team;
    struct str name;
};
struct mapped {
    bool platform_admin;
    struct mapped_role *roles; /* the widest at each place */
    size_t n_roles;
    struct mapped_team *teams;
    size_t n_teams;
    size_t matched;       /* rules that fit */
    struct str *warnings; /* rules that name what is not there */
    size_t n_warnings;
};
/* System role. The union of all rules that fit; none: nothing. */
bool mapping_resolve(struct tx *t, const struct issuer *issuer, const struct person *p,
                     struct json_value claims, struct arena *a, struct mapped *ret,
                     struct error *err);
/* The roles as an actor holds them, with room for one more. */
struct grant *mapping_grants(const struct mapped *m, struct arena *a);

#endif
