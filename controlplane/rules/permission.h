/* Who may do what: one table, permission x role. Pure. docs/permissions.md shows it.
 *
 * A role is held in an organization (owner, admin, billing, auditor), in one workspace of it
 * (admin, manager, developer, viewer), or for the installation (platform_admin, who may do
 * everything). A custom role is a set of permissions that an organization named itself. */
#ifndef CONTROLPLANE_RULES_PERMISSION_H
#define CONTROLPLANE_RULES_PERMISSION_H

#include "common/base/uuid.h"

enum role {
    ROLE_NONE = 0,
    ROLE_PLATFORM_ADMIN,
    ROLE_OWNER,
    ROLE_ADMIN,
    ROLE_BILLING,
    ROLE_AUDITOR,
    ROLE_WORKSPACE_ADMIN,
    ROLE_WORKSPACE_MANAGER,
    ROLE_WORKSPACE_DEVELOPER,
    ROLE_WORKSPACE_VIEWER,
    ROLE_COUNT,              /* of those in the table */
    ROLE_CUSTOM = ROLE_COUNT /* what it grants stands in the grant itself */
};

enum permission {
    PERMISSION_PUBLIC = 0, /* anybody, also not signed in */
    PERMISSION_SIGNED_IN,  /* any actor */
    PERMISSION_ORGANIZATION_READ,
    PERMISSION_ORGANIZATION_WRITE,
    PERMISSION_ORGANIZATION_MANAGE, /* make and delete them */
    PERMISSION_WORKSPACE_READ,
    PERMISSION_WORKSPACE_WRITE,
    PERMISSION_WORKSPACE_MANAGE,
    PERMISSION_USER_READ,
    PERMISSION_USER_WRITE,
    PERMISSION_MEMBER_READ,
    PERMISSION_MEMBER_WRITE,
    PERMISSION_KEY_READ,
    PERMISSION_KEY_WRITE,
    PERMISSION_PROVIDER_READ,
    PERMISSION_PROVIDER_WRITE,
    PERMISSION_PROVIDER_TEST,
    PERMISSION_MODEL_READ,
    PERMISSION_MODEL_WRITE,
    PERMISSION_CONFIG_READ,
    PERMISSION_CONFIG_WRITE,
    PERMISSION_CONFIG_PUBLISH, /* and move labels */
    PERMISSION_PROMPT_READ,
    PERMISSION_PROMPT_WRITE,
    PERMISSION_PROMPT_PUBLISH,
    PERMISSION_CATALOGUE_WRITE,  /* an organization's own prices */
    PERMISSION_CATALOGUE_MANAGE, /* everybody's */
    PERMISSION_TOKEN_READ,
    PERMISSION_TOKEN_WRITE,
    PERMISSION_PLANE_READ,
    PERMISSION_PLANE_WRITE,
    PERMISSION_USAGE_READ,
    PERMISSION_AUDIT_READ,
    PERMISSION_STATUS_READ,
    PERMISSION_CONFIG_APPLY,
    PERMISSION_CONFIG_EXPORT,
    PERMISSION_ROUTING_EXPLAIN,
    PERMISSION_CACHE_PURGE,
    PERMISSION_TEAM_READ,
    PERMISSION_TEAM_WRITE,
    PERMISSION_SERVICE_ACCOUNT_READ,
    PERMISSION_SERVICE_ACCOUNT_WRITE,
    PERMISSION_ROLE_READ,
    PERMISSION_ROLE_WRITE,
    PERMISSION_BUDGET_READ,
    PERMISSION_BUDGET_WRITE,
    PERMISSION_BUDGET_WRITE_OFF, /* leases of proxies that are gone for good */
    PERMISSION_LIMIT_READ,
    PERMISSION_LIMIT_WRITE,
    PERMISSION_ALERT_READ,
    PERMISSION_PRICE_READ,
    PERMISSION_PRICE_WRITE,
    PERMISSION_PRICE_PUBLISH,
    PERMISSION_STATEMENT_READ,
    PERMISSION_ISSUER_READ,
    PERMISSION_ISSUER_WRITE,
    PERMISSION_SESSION_READ,   /* of others */
    PERMISSION_SESSION_REVOKE, /* of others */
    PERMISSION_SECRET_READ,    /* names of server-side references, never values */
    PERMISSION_SECRET_RESEAL,
    PERMISSION_COUNT
};

const char *permission_name(enum permission p); /* "key.read" */
const char *permission_text(enum permission p); /* one line for people */
/* PERMISSION_COUNT when unknown. */
enum permission permission_parse(struct str name);
/* The role's name as stored: "owner", "admin", ...; a workspace's roles share names with the
 * organization's. "custom" for ROLE_CUSTOM. */
const char *role_name(enum role r);
/* The same, but apart: "admin" and "workspace_admin". */
const char *role_key(enum role r);
const char *role_text(enum role r);
/* Is it held in a workspace? */
bool role_of_workspace(enum role r);
/* workspace tells which of the two families is meant. ROLE_NONE when unknown. */
enum role role_parse(struct str name, bool workspace);
bool permission_granted(enum permission p, enum role r);

/* Several permissions, a bit each; those that everybody has are never in one. */
struct permission_set {
    uint64_t words[2];
};
_Static_assert(PERMISSION_COUNT <= 128, "a permission set has a bit for each");
void permission_add(struct permission_set *s, enum permission p);
bool permission_in(const struct permission_set *s, enum permission p);
/* Is each of `part` in `whole`? */
bool permission_within(const struct permission_set *part, const struct permission_set *whole);
struct permission_set permission_union(const struct permission_set *a,
                                       const struct permission_set *b);
/* What a role of the table grants. */
struct permission_set role_permissions(enum role r);
/* What a custom role can grant at most: what the widest role of an organization, or of a workspace,
 * grants. What only the platform's administrators may do is in neither. */
struct permission_set role_permissions_most(bool workspace);

/* One role that an actor holds. workspace nil: in the whole organization; both nil: for the
 * installation. */
struct grant {
    struct uuid organization, workspace;
    enum role role;
    /* of ROLE_CUSTOM only */
    struct uuid role_id;
    struct permission_set permissions;
};

/* Does it hold the permission, wherever it reaches? */
bool grant_holds(const struct grant *g, enum permission p);
struct permission_set grant_permissions(const struct grant *g);
/* Is it one of that workspace (nil: of the whole organization)? */
bool grant_reaches(const struct grant *g, const struct uuid *organization,
                   const struct uuid *workspace);

/* May somebody with these grants hand out those permissions there? Nobody hands out more than they
 * hold there, all their roles taken together, and whoever hands out needs `by`
 * (PERMISSION_MEMBER_WRITE, PERMISSION_TOKEN_WRITE, PERMISSION_ROLE_WRITE) there, too. */
bool grants_may_give(const struct grant *grants, size_t n_grants, enum permission by,
                     const struct permission_set *given, const struct uuid *organization,
                     const struct uuid *workspace);
/* The same between two roles of the table: may somebody who holds `giver` alone hand out `given`?
 */
bool role_may_grant(enum role giver, enum role given);

/* Where in one organization an actor holds a permission. */
struct permission_scope {
    bool whole;              /* everywhere in it */
    struct uuid *workspaces; /* else in these; room is the caller's, n_grants at most */
    size_t n;
};

/* Fills *ret (ret->workspaces given by the caller). False: nowhere. */
bool permission_scope(enum permission p, const struct grant *grants, size_t n_grants,
                      const struct uuid *organization, struct permission_scope *ret);
/* workspace nil: an object of the whole organization. */
bool permission_scope_covers(const struct permission_scope *s, const struct uuid *workspace);

#endif
