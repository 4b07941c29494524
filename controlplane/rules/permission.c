/* The table of permissions. A row is read as: who, besides the platform's administrators, may do
 * this. */
#include "controlplane/rules/permission.h"

#define OWN (1u << ROLE_OWNER)
#define ADM (1u << ROLE_ADMIN)
#define BIL (1u << ROLE_BILLING)
#define AUD (1u << ROLE_AUDITOR)
#define WAD (1u << ROLE_WORKSPACE_ADMIN)
#define WMA (1u << ROLE_WORKSPACE_MANAGER)
#define WDE (1u << ROLE_WORKSPACE_DEVELOPER)
#define WVI (1u << ROLE_WORKSPACE_VIEWER)

#define ORG_ALL (OWN | ADM | BIL | AUD)
#define WS_ALL (WAD | WMA | WDE | WVI)

static const struct permission_row {
    const char *name;
    unsigned roles;
    const char *text;
} table[PERMISSION_COUNT] = {
    /* clang-format off */
    [PERMISSION_PUBLIC] = {"public", ORG_ALL | WS_ALL, "Nothing: anybody may, also who is not signed in"},
    [PERMISSION_SIGNED_IN] = {"signed_in", ORG_ALL | WS_ALL, "Whoever is signed in may: their own session and what the product is made of"},
    [PERMISSION_ORGANIZATION_READ] = {"organization.read", ORG_ALL | WS_ALL, "See the organization"},
    [PERMISSION_ORGANIZATION_WRITE] = {"organization.write", OWN, "Rename the organization and change its settings"},
    [PERMISSION_ORGANIZATION_MANAGE] = {"organization.manage", 0, "Make and delete organizations"},
    [PERMISSION_WORKSPACE_READ] = {"workspace.read", ORG_ALL | WS_ALL, "See workspaces"},
    [PERMISSION_WORKSPACE_WRITE] = {"workspace.write", OWN | ADM | WAD, "Rename a workspace and change its settings"},
    [PERMISSION_WORKSPACE_MANAGE] = {"workspace.manage", OWN | ADM, "Make and delete workspaces"},
    [PERMISSION_USER_READ] = {"user.read", OWN | ADM | AUD, "See the people of the organization"},
    [PERMISSION_USER_WRITE] = {"user.write", 0, "Make, change, disable and delete user accounts"},
    [PERMISSION_MEMBER_READ] = {"member.read", OWN | ADM | AUD | WAD | WMA, "See who holds which role"},
    [PERMISSION_MEMBER_WRITE] = {"member.write", OWN | ADM | WAD, "Invite people, give and take roles up to one's own"},
    [PERMISSION_KEY_READ] = {"key.read", OWN | ADM | AUD | WS_ALL, "See virtual keys, never their secrets"},
    [PERMISSION_KEY_WRITE] = {"key.write", OWN | ADM | WAD | WMA | WDE, "Make, change, rotate and revoke virtual keys"},
    [PERMISSION_PROVIDER_READ] = {"provider.read", OWN | ADM | AUD | WS_ALL, "See providers, never their credentials, and the health of their targets"},
    [PERMISSION_PROVIDER_WRITE] = {"provider.write", OWN | ADM | WAD | WMA, "Connect providers and change them"},
    [PERMISSION_PROVIDER_TEST] = {"provider.test", OWN | ADM | WAD | WMA, "Ask a provider whether its credential works"},
    [PERMISSION_MODEL_READ] = {"model.read", OWN | ADM | AUD | WS_ALL, "See model aliases and the catalogue"},
    [PERMISSION_MODEL_WRITE] = {"model.write", OWN | ADM | WAD | WMA, "Make and change model aliases"},
    [PERMISSION_CONFIG_READ] = {"config.read", OWN | ADM | AUD | WS_ALL, "See routing configs and their versions"},
    [PERMISSION_CONFIG_WRITE] = {"config.write", OWN | ADM | WAD | WMA | WDE, "Write routing configs and new versions of them"},
    [PERMISSION_CONFIG_PUBLISH] = {"config.publish", OWN | ADM | WAD | WMA, "Publish versions of routing configs and move labels"},
    [PERMISSION_PROMPT_READ] = {"prompt.read", OWN | ADM | AUD | WS_ALL, "See prompts and their versions"},
    [PERMISSION_PROMPT_WRITE] = {"prompt.write", OWN | ADM | WAD | WMA | WDE, "Write prompts and new versions of them"},
    [PERMISSION_PROMPT_PUBLISH] = {"prompt.publish", OWN | ADM | WAD | WMA, "Publish versions of prompts and move labels"},
    [PERMISSION_CATALOGUE_WRITE] = {"catalogue.write", OWN | ADM, "Override catalogue entries for the organization"},
    [PERMISSION_CATALOGUE_MANAGE] = {"catalogue.manage", 0, "Update everybody's model catalogue"},
    [PERMISSION_TOKEN_READ] = {"token.read", OWN | ADM | AUD, "See admin tokens, never their secrets"},
    [PERMISSION_TOKEN_WRITE] = {"token.write", OWN | ADM, "Make and revoke admin tokens with roles up to one's own"},
    [PERMISSION_PLANE_READ] = {"data_plane.read", ORG_ALL | WS_ALL, "See the data planes that serve the organization"},
    [PERMISSION_PLANE_WRITE] = {"data_plane.write", 0, "Enrol, group and revoke data planes"},
    [PERMISSION_USAGE_READ] = {"usage.read", ORG_ALL | WS_ALL, "See usage and events"},
    [PERMISSION_AUDIT_READ] = {"audit.read", OWN | ADM | AUD, "See and export the audit log"},
    [PERMISSION_STATUS_READ] = {"status.read", ORG_ALL | WS_ALL, "See how the installation is"},
    [PERMISSION_CONFIG_APPLY] = {"config.apply", OWN | ADM | WAD, "Apply a declarative file"},
    [PERMISSION_CONFIG_EXPORT] = {"config.export", OWN | ADM | AUD | WAD | WMA, "Export the configuration as such a file"},
    [PERMISSION_ROUTING_EXPLAIN] = {"routing.explain", OWN | ADM | WAD | WMA | WDE, "Ask what would be done with a request"},
    [PERMISSION_CACHE_PURGE] = {"cache.purge", OWN | ADM | WAD | WMA, "Purge cached answers"},
    [PERMISSION_TEAM_READ] = {"team.read", ORG_ALL | WS_ALL, "See teams and their members"},
    [PERMISSION_TEAM_WRITE] = {"team.write", OWN | ADM | WAD, "Make and change teams, add and remove their members"},
    [PERMISSION_SERVICE_ACCOUNT_READ] = {"service_account.read", OWN | ADM | AUD | WS_ALL, "See service accounts"},
    [PERMISSION_SERVICE_ACCOUNT_WRITE] = {"service_account.write", OWN | ADM | WAD | WMA, "Make, change and disable service accounts"},
    [PERMISSION_ROLE_READ] = {"role.read", ORG_ALL | WS_ALL, "See custom roles"},
    [PERMISSION_ROLE_WRITE] = {"role.write", OWN, "Make and change custom roles of permissions that one holds"},
    [PERMISSION_BUDGET_READ] = {"budget.read", ORG_ALL | WS_ALL, "See budgets and what of them is spent"},
    [PERMISSION_BUDGET_WRITE] = {"budget.write", OWN | ADM | BIL | WAD, "Make, change and increase budgets"},
    [PERMISSION_BUDGET_WRITE_OFF] = {"budget.write_off", OWN | BIL, "Write off leases of data planes that are gone for good"},
    [PERMISSION_LIMIT_READ] = {"limit.read", ORG_ALL | WS_ALL, "See rate limits"},
    [PERMISSION_LIMIT_WRITE] = {"limit.write", OWN | ADM | WAD | WMA, "Make and change rate limits"},
    [PERMISSION_ALERT_READ] = {"alert.read", ORG_ALL | WS_ALL, "See alerts"},
    [PERMISSION_PRICE_READ] = {"price.read", ORG_ALL | WS_ALL, "See price books, price groups and what a call costs"},
    [PERMISSION_PRICE_WRITE] = {"price.write", OWN | ADM | BIL, "Write price books and price groups, and say who is in which group"},
    [PERMISSION_PRICE_PUBLISH] = {"price.publish", OWN | BIL, "Publish versions of the price book"},
    [PERMISSION_STATEMENT_READ] = {"statement.read", OWN | ADM | BIL | AUD | WAD, "See and export monthly statements"},
    [PERMISSION_ISSUER_READ] = {"issuer.read", OWN | ADM | AUD, "See identity providers, never their secrets"},
    [PERMISSION_ISSUER_WRITE] = {"issuer.write", OWN, "Connect identity providers and map their groups to roles"},
    [PERMISSION_SESSION_READ] = {"session.read", OWN | ADM | AUD, "See other people's sessions"},
    [PERMISSION_SESSION_REVOKE] = {"session.revoke", OWN | ADM, "End other people's sessions"},
    [PERMISSION_SECRET_READ] = {"secret.read", OWN | ADM | AUD, "See the names of server-side secret references, never their values"},
    [PERMISSION_SECRET_RESEAL] = {"secret.reseal", 0, "Seal all stored credentials with a new key"},
    /* clang-format on */
};

static const struct role_row {
    const char *name, *key, *text;
    bool workspace;
} roles[ROLE_COUNT + 1] = {
    [ROLE_NONE] = {"", "", "", false},
    [ROLE_PLATFORM_ADMIN] = {"platform_admin", "platform_admin",
                             "Administers the installation: may do everything", false},
    [ROLE_OWNER] = {"owner", "owner", "Owns the organization: everything in it", false},
    [ROLE_ADMIN] = {"admin", "admin", "Runs the organization, but not its roles and identity",
                    false},
    [ROLE_BILLING] = {"billing", "billing", "Budgets, prices and statements", false},
    [ROLE_AUDITOR] = {"auditor", "auditor", "Sees everything, changes nothing", false},
    [ROLE_WORKSPACE_ADMIN] = {"admin", "workspace_admin", "Runs one workspace and its people",
                              true},
    [ROLE_WORKSPACE_MANAGER] = {"manager", "workspace_manager",
                                "Providers, models, limits and publishing in one workspace", true},
    [ROLE_WORKSPACE_DEVELOPER] = {"developer", "workspace_developer",
                                  "Keys, configs and prompts in one workspace", true},
    [ROLE_WORKSPACE_VIEWER] = {"viewer", "workspace_viewer", "Sees one workspace", true},
    [ROLE_CUSTOM] = {"custom", "custom", "", false},
};

const char *permission_name(enum permission p)
{
    return (unsigned)p < PERMISSION_COUNT ? table[p].name : "";
}

const char *permission_text(enum permission p)
{
    return (unsigned)p < PERMISSION_COUNT ? table[p].text : "";
}

enum permission permission_parse(struct str name)
{
    int p = 0;
    while (p < PERMISSION_COUNT && !str_eqz(name, table[p].name)) {
        p++;
    }
    return (enum permission)p;
}

const char *role_name(enum role r)
{
    return (unsigned)r <= ROLE_COUNT ? roles[r].name : "";
}

const char *role_key(enum role r)
{
    return (unsigned)r <= ROLE_COUNT ? roles[r].key : "";
}

const char *role_text(enum role r)
{
    return (unsigned)r <= ROLE_COUNT ? roles[r].text : "";
}

bool role_of_workspace(enum role r)
{
    return (unsigned)r <= ROLE_COUNT && roles[r].workspace;
}

enum role role_parse(struct str name, bool workspace)
{
    for (int r = ROLE_NONE + 1; r < ROLE_COUNT; r++) {
        if (roles[r].workspace == workspace && str_eqz(name, roles[r].name)) {
            return (enum role)r;
        }
    }
    return ROLE_NONE;
}

bool permission_granted(enum permission p, enum role r)
{
    if ((unsigned)p >= PERMISSION_COUNT || r <= ROLE_NONE || r >= ROLE_COUNT) {
        return false;
    }
    return r == ROLE_PLATFORM_ADMIN || (table[p].roles & (1u << r)) != 0;
}

/* --- sets --- */

void permission_add(struct permission_set *s, enum permission p)
{
    if ((unsigned)p < PERMISSION_COUNT) {
        s->words[p / 64] |= (uint64_t)1 << (p % 64);
    }
}

bool permission_in(const struct permission_set *s, enum permission p)
{
    return (unsigned)p < PERMISSION_COUNT && (s->words[p / 64] >> (p % 64) & 1) != 0;
}

bool permission_within(const struct permission_set *part, const struct permission_set *whole)
{
    return (part->words[0] & ~whole->words[0]) == 0 && (part->words[1] & ~whole->words[1]) == 0;
}

struct permission_set permission_union(const struct permission_set *a,
                                       const struct permission_set *b)
{
    return (struct permission_set){{a->words[0] | b->words[0], a->words[1] | b->words[1]}};
}

struct permission_set role_permissions(enum role r)
{
    struct permission_set s = {{0, 0}};
    for (int p = PERMISSION_SIGNED_IN + 1; p < PERMISSION_COUNT; p++) {
        if (permission_granted((enum permission)p, r)) {
            permission_add(&s, (enum permission)p);
        }
    }
    return s;
}

struct permission_set role_permissions_most(bool workspace)
{
    struct permission_set s = {{0, 0}};
    for (int p = PERMISSION_SIGNED_IN + 1; p < PERMISSION_COUNT; p++) {
        if (table[p].roles & (workspace ? WS_ALL : ORG_ALL)) {
            permission_add(&s, (enum permission)p);
        }
    }
    return s;
}

/* --- grants --- */

bool grant_holds(const struct grant *g, enum permission p)
{
    if (g->role != ROLE_CUSTOM) {
        return permission_granted(p, g->role);
    }
    return p == PERMISSION_PUBLIC || p == PERMISSION_SIGNED_IN || permission_in(&g->permissions, p);
}

struct permission_set grant_permissions(const struct grant *g)
{
    return g->role == ROLE_CUSTOM ? g->permissions : role_permissions(g->role);
}

bool grant_reaches(const struct grant *g, const struct uuid *organization,
                   const struct uuid *workspace)
{
    return g->role == ROLE_PLATFORM_ADMIN ||
           (uuid_eq(&g->organization, organization) &&
            (uuid_is_nil(&g->workspace) || uuid_eq(&g->workspace, workspace)));
}

bool grants_may_give(const struct grant *grants, size_t n_grants, enum permission by,
                     const struct permission_set *given, const struct uuid *organization,
                     const struct uuid *workspace)
{
    struct permission_set held = {{0, 0}};
    for (size_t i = 0; i < n_grants; i++) {
        if (grant_reaches(&grants[i], organization, workspace)) {
            struct permission_set one = grant_permissions(&grants[i]);
            held = permission_union(&held, &one);
        }
    }
    return permission_in(&held, by) && permission_within(given, &held);
}

bool role_may_grant(enum role giver, enum role given)
{
    static const struct uuid nil;
    struct grant g = {.role = giver};
    struct permission_set s = role_permissions(given);
    return given > ROLE_NONE && given < ROLE_COUNT &&
           grants_may_give(&g, 1, PERMISSION_MEMBER_WRITE, &s, &nil, &nil);
}

bool permission_scope(enum permission p, const struct grant *grants, size_t n_grants,
                      const struct uuid *organization, struct permission_scope *ret)
{
    ret->whole = false;
    ret->n = 0;
    for (size_t i = 0; i < n_grants; i++) {
        const struct grant *g = &grants[i];
        if (!grant_holds(g, p)) {
            continue;
        }
        if (g->role == ROLE_PLATFORM_ADMIN) {
            ret->whole = true;
        } else if (uuid_eq(&g->organization, organization)) {
            if (uuid_is_nil(&g->workspace)) {
                ret->whole = true;
            } else {
                ret->workspaces[ret->n++] = g->workspace;
            }
        }
    }
    return ret->whole || ret->n > 0;
}

bool permission_scope_covers(const struct permission_scope *s, const struct uuid *workspace)
{
    if (s->whole) {
        return true;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (uuid_eq(&s->workspaces[i], workspace)) {
            return true;
        }
    }
    return false;
}
