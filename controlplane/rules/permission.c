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
} table[PERMISSION_COUNT] = {
    [PERMISSION_PUBLIC] = {"public", ORG_ALL | WS_ALL},
    [PERMISSION_SIGNED_IN] = {"signed_in", ORG_ALL | WS_ALL},
    [PERMISSION_ORGANIZATION_READ] = {"organization.read", ORG_ALL | WS_ALL},
    [PERMISSION_ORGANIZATION_WRITE] = {"organization.write", OWN},
    [PERMISSION_ORGANIZATION_MANAGE] = {"organization.manage", 0},
    [PERMISSION_WORKSPACE_READ] = {"workspace.read", ORG_ALL | WS_ALL},
    [PERMISSION_WORKSPACE_WRITE] = {"workspace.write", OWN | ADM | WAD},
    [PERMISSION_WORKSPACE_MANAGE] = {"workspace.manage", OWN | ADM},
    [PERMISSION_USER_READ] = {"user.read", OWN | ADM | AUD},
    [PERMISSION_USER_WRITE] = {"user.write", 0},
    [PERMISSION_MEMBER_READ] = {"member.read", OWN | ADM | AUD | WAD | WMA},
    [PERMISSION_MEMBER_WRITE] = {"member.write", OWN | ADM | WAD},
    [PERMISSION_KEY_READ] = {"key.read", OWN | ADM | AUD | WS_ALL},
    [PERMISSION_KEY_WRITE] = {"key.write", OWN | ADM | WAD | WMA | WDE},
    [PERMISSION_PROVIDER_READ] = {"provider.read", OWN | ADM | AUD | WS_ALL},
    [PERMISSION_PROVIDER_WRITE] = {"provider.write", OWN | ADM | WAD | WMA},
    [PERMISSION_PROVIDER_TEST] = {"provider.test", OWN | ADM | WAD | WMA},
    [PERMISSION_MODEL_READ] = {"model.read", OWN | ADM | AUD | WS_ALL},
    [PERMISSION_MODEL_WRITE] = {"model.write", OWN | ADM | WAD | WMA},
    [PERMISSION_CONFIG_READ] = {"config.read", OWN | ADM | AUD | WS_ALL},
    [PERMISSION_CONFIG_WRITE] = {"config.write", OWN | ADM | WAD | WMA | WDE},
    [PERMISSION_CONFIG_PUBLISH] = {"config.publish", OWN | ADM | WAD | WMA},
    [PERMISSION_PROMPT_READ] = {"prompt.read", OWN | ADM | AUD | WS_ALL},
    [PERMISSION_PROMPT_WRITE] = {"prompt.write", OWN | ADM | WAD | WMA | WDE},
    [PERMISSION_PROMPT_PUBLISH] = {"prompt.publish", OWN | ADM | WAD | WMA},
    [PERMISSION_CATALOGUE_WRITE] = {"catalogue.write", OWN | ADM},
    [PERMISSION_CATALOGUE_MANAGE] = {"catalogue.manage", 0},
    [PERMISSION_TOKEN_READ] = {"token.read", OWN | ADM | AUD},
    [PERMISSION_TOKEN_WRITE] = {"token.write", OWN | ADM},
    [PERMISSION_PLANE_READ] = {"data_plane.read", ORG_ALL | WS_ALL},
    [PERMISSION_PLANE_WRITE] = {"data_plane.write", 0},
    [PERMISSION_USAGE_READ] = {"usage.read", ORG_ALL | WS_ALL},
    [PERMISSION_AUDIT_READ] = {"audit.read", OWN | ADM | AUD},
    [PERMISSION_STATUS_READ] = {"status.read", ORG_ALL | WS_ALL},
    [PERMISSION_CONFIG_APPLY] = {"config.apply", OWN | ADM | WAD},
    [PERMISSION_CONFIG_EXPORT] = {"config.export", OWN | ADM | AUD | WAD | WMA},
    [PERMISSION_ROUTING_EXPLAIN] = {"routing.explain", OWN | ADM | WAD | WMA | WDE},
    [PERMISSION_CACHE_PURGE] = {"cache.purge", OWN | ADM | WAD | WMA},
    [PERMISSION_TEAM_READ] = {"team.read", ORG_ALL | WS_ALL},
    [PERMISSION_TEAM_WRITE] = {"team.write", OWN | ADM | WAD},
    [PERMISSION_SERVICE_ACCOUNT_READ] = {"service_account.read", OWN | ADM | AUD | WS_ALL},
    [PERMISSION_SERVICE_ACCOUNT_WRITE] = {"service_account.write", OWN | ADM | WAD | WMA},
    [PERMISSION_ROLE_READ] = {"role.read", ORG_ALL | WS_ALL},
    [PERMISSION_ROLE_WRITE] = {"role.write", OWN},
    [PERMISSION_BUDGET_READ] = {"budget.read", ORG_ALL | WS_ALL},
    [PERMISSION_BUDGET_WRITE] = {"budget.write", OWN | ADM | BIL | WAD},
    [PERMISSION_BUDGET_WRITE_OFF] = {"budget.write_off", OWN | BIL},
    [PERMISSION_LIMIT_READ] = {"limit.read", ORG_ALL | WS_ALL},
    [PERMISSION_LIMIT_WRITE] = {"limit.write", OWN | ADM | WAD | WMA},
    [PERMISSION_ALERT_READ] = {"alert.read", ORG_ALL | WS_ALL},
    [PERMISSION_PRICE_READ] = {"price.read", ORG_ALL | WS_ALL},
    [PERMISSION_PRICE_WRITE] = {"price.write", OWN | ADM | BIL},
    [PERMISSION_PRICE_PUBLISH] = {"price.publish", OWN | BIL},
    [PERMISSION_STATEMENT_READ] = {"statement.read", OWN | ADM | BIL | AUD | WAD},
    [PERMISSION_ISSUER_READ] = {"issuer.read", OWN | ADM | AUD},
    [PERMISSION_ISSUER_WRITE] = {"issuer.write", OWN},
    [PERMISSION_SESSION_READ] = {"session.read", OWN | ADM | AUD},
    [PERMISSION_SESSION_REVOKE] = {"session.revoke", OWN | ADM},
    [PERMISSION_SECRET_READ] = {"secret.read", OWN | ADM | AUD},
    [PERMISSION_SECRET_RESEAL] = {"secret.reseal", 0},
};

static const struct role_row {
    const char *name;
    bool workspace;
    int rank; /* nobody hands out a higher one than theirs */
} roles[ROLE_COUNT] = {
    [ROLE_NONE] = {"", false, 0},
    [ROLE_PLATFORM_ADMIN] = {"platform_admin", false, 100},
    [ROLE_OWNER] = {"owner", false, 90},
    [ROLE_ADMIN] = {"admin", false, 80},
    [ROLE_BILLING] = {"billing", false, 40},
    [ROLE_AUDITOR] = {"auditor", false, 40},
    [ROLE_WORKSPACE_ADMIN] = {"admin", true, 30},
    [ROLE_WORKSPACE_MANAGER] = {"manager", true, 20},
    [ROLE_WORKSPACE_DEVELOPER] = {"developer", true, 10},
    [ROLE_WORKSPACE_VIEWER] = {"viewer", true, 5},
};

const char *permission_name(enum permission p)
{
    return (unsigned)p < PERMISSION_COUNT ? table[p].name : "";
}

const char *role_name(enum role r)
{
    return (unsigned)r < ROLE_COUNT ? roles[r].name : "";
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

bool role_may_grant(enum role giver, enum role given)
{
    if (given <= ROLE_NONE || given >= ROLE_COUNT) {
        return false;
    }
    bool manages = giver == ROLE_PLATFORM_ADMIN || giver == ROLE_OWNER || giver == ROLE_ADMIN ||
                   giver == ROLE_WORKSPACE_ADMIN;
    return manages && roles[giver].rank >= roles[given].rank;
}

bool permission_scope(enum permission p, const struct grant *grants, size_t n_grants,
                      const struct uuid *organization, struct permission_scope *ret)
{
    ret->whole = false;
    ret->n = 0;
    for (size_t i = 0; i < n_grants; i++) {
        const struct grant *g = &grants[i];
        if (!permission_granted(p, g->role)) {
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
