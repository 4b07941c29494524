/* THE table: method, path, permission, handler. */
#include "controlplane/api/routes.h"

#include "controlplane/api/crud.h"
#include "controlplane/api/documents.h"
#include "controlplane/api/resources.h"

#define BODY ROUTE_BODY
#define POST_FLAGS (ROUTE_BODY | ROUTE_IDEMPOTENT)
#define PATCH_FLAGS (ROUTE_BODY | ROUTE_IF_MATCH_NEEDED)
#define DELETE_FLAGS ROUTE_IF_MATCH
#define ACTION_FLAGS (ROUTE_IF_MATCH | ROUTE_IDEMPOTENT)
/* read across tenants by the system's role, each statement narrowed to what the actor may see */
#define NARROWED (ROUTE_ANY_TENANT | ROUTE_SYSTEM)

/* one row a route */
/* clang-format off */
#define ROW(m, p, perm, fn, fl, pre, res) \
    {.method = (m), .pattern = (p), .permission = PERMISSION_##perm, .handle = (fn), .flags = (fl), .prefix = (pre), .resource = (res)}

/* Five routes of a resource that is kept in the usual way: `fl` says whose transaction. */
#define CRUD(path, pre, res, read, write, fl) \
    ROW("GET", path, read, crud_list, fl, NULL, res), \
    ROW("POST", path, write, crud_create, (fl) | POST_FLAGS, NULL, res), \
    ROW("GET", path "/{id}", read, crud_get, fl, pre, res), \
    ROW("PATCH", path "/{id}", write, crud_update, (fl) | PATCH_FLAGS, pre, res), \
    ROW("DELETE", path "/{id}", write, crud_delete, (fl) | DELETE_FLAGS, pre, res)

/* Those of what is versioned. */
#define DOCUMENTS(path, pre, res, what) \
    ROW("GET", path, what##_READ, crud_list, ROUTE_TENANT, NULL, res), \
    ROW("POST", path, what##_WRITE, crud_create, ROUTE_TENANT | POST_FLAGS, NULL, res), \
    ROW("POST", path "/validate", what##_READ, document_validate_call, ROUTE_TENANT | ROUTE_NO_TX | BODY, NULL, res), \
    ROW("GET", path "/{id}", what##_READ, crud_get, ROUTE_TENANT, pre, res), \
    ROW("PATCH", path "/{id}", what##_WRITE, document_update_call, ROUTE_TENANT | PATCH_FLAGS, pre, res), \
    ROW("DELETE", path "/{id}", what##_WRITE, crud_delete, ROUTE_TENANT | DELETE_FLAGS, pre, res), \
    ROW("GET", path "/{id}/versions", what##_READ, document_versions_call, ROUTE_TENANT, pre, res), \
    ROW("POST", path "/{id}/versions", what##_WRITE, document_version_create_call, ROUTE_TENANT | POST_FLAGS | ROUTE_IF_MATCH, pre, res), \
    ROW("GET", path "/{id}/versions/{number}", what##_READ, document_version_get_call, ROUTE_TENANT, pre, res), \
    ROW("POST", path "/{id}/publish", what##_PUBLISH, document_publish_call, ROUTE_TENANT | POST_FLAGS | ROUTE_IF_MATCH, pre, res), \
    ROW("PUT", path "/{id}/labels/{label}", what##_PUBLISH, document_label_put_call, ROUTE_TENANT | BODY | ROUTE_IF_MATCH, pre, res), \
    ROW("DELETE", path "/{id}/labels/{label}", what##_PUBLISH, document_label_delete_call, ROUTE_TENANT | ROUTE_IF_MATCH, pre, res)

const struct route api_routes[] = {
    ROW("GET", "/openapi.json", PUBLIC, openapi_call, ROUTE_NO_TX, NULL, NULL),
    ROW("GET", "/schemas/routing-config", PUBLIC, config_schema_call, ROUTE_NO_TX, NULL, NULL),

    ROW("POST", "/session", PUBLIC, session_create_call, BODY | ROUTE_NO_TX, NULL, NULL),
    ROW("GET", "/session", SIGNED_IN, session_get_call, 0, NULL, NULL),
    ROW("DELETE", "/session", SIGNED_IN, session_delete_call, 0, NULL, NULL),
    ROW("GET", "/session/providers", PUBLIC, session_providers_call, 0, NULL, NULL),
    ROW("GET", "/session/oidc/{id}/start", PUBLIC, oidc_start_call, ROUTE_NO_TX, "iss", NULL),
    ROW("GET", "/session/oidc/callback", PUBLIC, oidc_callback_call, ROUTE_NO_TX, NULL, NULL),
    ROW("GET", "/sessions", SIGNED_IN, session_list_call, 0, NULL, NULL),
    ROW("DELETE", "/sessions/{id}", SIGNED_IN, session_revoke_call, 0, "ses", NULL),
    ROW("POST", "/session/password", SIGNED_IN, session_password_call, BODY | ROUTE_NO_TX, NULL, NULL),

    ROW("GET", "/organizations", ORGANIZATION_READ, crud_list, 0, NULL, &organization_resource),
    ROW("POST", "/organizations", ORGANIZATION_MANAGE, crud_create, POST_FLAGS, NULL, &organization_resource),
    ROW("GET", "/organizations/{id}", ORGANIZATION_READ, crud_get, ROUTE_TENANT_IN_PATH, "org", &organization_resource),
    ROW("PATCH", "/organizations/{id}", ORGANIZATION_WRITE, crud_update, ROUTE_TENANT_IN_PATH | PATCH_FLAGS, "org", &organization_resource),
    ROW("DELETE", "/organizations/{id}", ORGANIZATION_MANAGE, crud_delete, ROUTE_TENANT_IN_PATH | ROUTE_SYSTEM | DELETE_FLAGS, "org", &organization_resource),

    ROW("GET", "/workspaces", WORKSPACE_READ, crud_list, ROUTE_TENANT, NULL, &workspace_resource),
    ROW("POST", "/workspaces", WORKSPACE_MANAGE, crud_create, ROUTE_TENANT | POST_FLAGS, NULL, &workspace_resource),
    ROW("GET", "/workspaces/{id}", WORKSPACE_READ, crud_get, ROUTE_TENANT, "ws", &workspace_resource),
    ROW("PATCH", "/workspaces/{id}", WORKSPACE_WRITE, crud_update, ROUTE_TENANT | PATCH_FLAGS, "ws", &workspace_resource),
    ROW("DELETE", "/workspaces/{id}", WORKSPACE_MANAGE, crud_delete, ROUTE_TENANT | DELETE_FLAGS, "ws", &workspace_resource),

    ROW("GET", "/users", USER_READ, crud_list, ROUTE_ANY_TENANT, NULL, &user_resource),
    ROW("POST", "/users", USER_WRITE, crud_create, POST_FLAGS, NULL, &user_resource),
    ROW("GET", "/users/{id}", USER_READ, crud_get, ROUTE_ANY_TENANT, "usr", &user_resource),
    ROW("PATCH", "/users/{id}", USER_WRITE, crud_update, PATCH_FLAGS, "usr", &user_resource),
    ROW("DELETE", "/users/{id}", USER_WRITE, crud_delete, DELETE_FLAGS, "usr", &user_resource),
    CRUD("/memberships", "mem", &membership_resource, MEMBER_READ, MEMBER_WRITE, ROUTE_TENANT | ROUTE_SYSTEM),
    CRUD("/roles", "role", &role_resource, ROLE_READ, ROLE_WRITE, ROUTE_TENANT),
    ROW("GET", "/permissions", SIGNED_IN, permissions_call, ROUTE_NO_TX, NULL, NULL),
    CRUD("/teams", "team", &team_resource, TEAM_READ, TEAM_WRITE, ROUTE_TENANT),
    ROW("GET", "/teams/{id}/members", TEAM_READ, team_members_call, ROUTE_TENANT, "team", NULL),
    ROW("GET", "/teams/{id}/members/{user_id}", TEAM_READ, team_member_get_call, ROUTE_TENANT, "team", NULL),
    ROW("PUT", "/teams/{id}/members/{user_id}", TEAM_WRITE, team_member_put_call, ROUTE_TENANT, "team", NULL),
    ROW("DELETE", "/teams/{id}/members/{user_id}", TEAM_WRITE, team_member_delete_call, ROUTE_TENANT, "team", NULL),
    CRUD("/service-accounts", "sa", &service_account_resource, SERVICE_ACCOUNT_READ, SERVICE_ACCOUNT_WRITE, ROUTE_TENANT),

    ROW("GET", "/keys", KEY_READ, crud_list, ROUTE_TENANT, NULL, &key_resource),
    ROW("POST", "/keys", KEY_WRITE, crud_create, ROUTE_TENANT | POST_FLAGS, NULL, &key_resource),
    ROW("POST", "/keys/bulk", KEY_WRITE, key_bulk_call, ROUTE_TENANT | ROUTE_NO_TX | BODY, NULL, NULL),
    ROW("POST", "/keys/check", KEY_READ, key_check_call, ROUTE_TENANT | BODY, NULL, NULL),
    ROW("GET", "/keys/{id}", KEY_READ, crud_get, ROUTE_TENANT, "key", &key_resource),
    ROW("PATCH", "/keys/{id}", KEY_WRITE, crud_update, ROUTE_TENANT | PATCH_FLAGS, "key", &key_resource),
    ROW("DELETE", "/keys/{id}", KEY_WRITE, key_revoke_call, ROUTE_TENANT | DELETE_FLAGS, "key", NULL),
    ROW("POST", "/keys/{id}/revoke", KEY_WRITE, key_revoke_call, ROUTE_TENANT | ACTION_FLAGS, "key", NULL),
    ROW("POST", "/keys/{id}/rotate", KEY_WRITE, key_rotate_call, ROUTE_TENANT | ACTION_FLAGS | ROUTE_BODY_OPTIONAL, "key", NULL),
    ROW("POST", "/keys/{id}/block", KEY_WRITE, key_block_call, ROUTE_TENANT | ACTION_FLAGS, "key", NULL),
    ROW("POST", "/keys/{id}/unblock", KEY_WRITE, key_unblock_call, ROUTE_TENANT | ACTION_FLAGS, "key", NULL),

    CRUD("/budgets", "bud", &budget_resource, BUDGET_READ, BUDGET_WRITE, ROUTE_TENANT),
    ROW("POST", "/budgets/{id}/increase", BUDGET_WRITE, budget_increase_call, ROUTE_TENANT | BODY | ACTION_FLAGS, "bud", NULL),
    ROW("GET", "/budgets/{id}/accounts", BUDGET_READ, quota_accounts_call, ROUTE_TENANT, "bud", &budget_resource),
    ROW("GET", "/limits/{id}/accounts", LIMIT_READ, quota_accounts_call, ROUTE_TENANT, "lim", &limit_resource),
    ROW("GET", "/ledger/leases", BUDGET_READ, ledger_leases_call, ROUTE_TENANT | ROUTE_SYSTEM, NULL, NULL),
    ROW("POST", "/ledger/leases/write-off", BUDGET_WRITE_OFF, ledger_write_off_call, ROUTE_TENANT | ROUTE_SYSTEM | POST_FLAGS, NULL, NULL),
    ROW("GET", "/alerts", ALERT_READ, alert_list_call, ROUTE_TENANT, NULL, NULL),
    CRUD("/limits", "lim", &limit_resource, LIMIT_READ, LIMIT_WRITE, ROUTE_TENANT),

    CRUD("/providers", "prov", &provider_resource, PROVIDER_READ, PROVIDER_WRITE, ROUTE_TENANT),
    ROW("GET", "/provider-kinds", SIGNED_IN, provider_kinds_call, ROUTE_NO_TX, NULL, NULL),
    ROW("POST", "/providers/{id}/test", PROVIDER_TEST, provider_test_call, ROUTE_TENANT | ROUTE_NO_TX, "prov", NULL),
    CRUD("/models", "mdl", &model_resource, MODEL_READ, MODEL_WRITE, ROUTE_TENANT),

    ROW("POST", "/explain", ROUTING_EXPLAIN, explain_call, ROUTE_TENANT | ROUTE_NO_TX | ROUTE_BODY, NULL, NULL),
    ROW("GET", "/targets", PROVIDER_READ, targets_call, ROUTE_TENANT | ROUTE_NO_TX, NULL, NULL),
    ROW("POST", "/cache/purge", CACHE_PURGE, cache_purge_call, ROUTE_TENANT | ROUTE_NO_TX | ROUTE_BODY_OPTIONAL, NULL, NULL),

    DOCUMENTS("/configs", "cfg", &config_resource, CONFIG),
    DOCUMENTS("/prompts", "prm", &prompt_resource, PROMPT),

    DOCUMENTS("/price-books", "pbk", &price_book_resource, PRICE),
    CRUD("/price-groups", "pgr", &price_group_resource, PRICE_READ, PRICE_WRITE, ROUTE_TENANT),
    ROW("GET", "/prices/effective", PRICE_READ, prices_effective_call, ROUTE_TENANT, NULL, NULL),
    ROW("GET", "/statements", STATEMENT_READ, statements_call, ROUTE_TENANT, NULL, NULL),

    ROW("GET", "/catalogue", MODEL_READ, catalogue_list_call, ROUTE_ANY_TENANT, NULL, NULL),
    ROW("GET", "/catalogue/providers", MODEL_READ, catalogue_providers_call, ROUTE_ANY_TENANT, NULL, NULL),
    ROW("POST", "/catalogue/update", CATALOGUE_MANAGE, catalogue_update_call, ROUTE_BODY | ROUTE_BODY_RAW, NULL, NULL),
    ROW("GET", "/catalogue/{id}", MODEL_READ, catalogue_get_call, ROUTE_ANY_TENANT, "cat", NULL),
    CRUD("/catalogue-overrides", "cato", &catalogue_override_resource, MODEL_READ, CATALOGUE_WRITE, ROUTE_TENANT),

    CRUD("/data-plane-groups", "grp", &group_resource, PLANE_WRITE, PLANE_WRITE, 0),
    ROW("GET", "/data-planes", PLANE_READ, data_plane_list_call, NARROWED, NULL, NULL),
    ROW("GET", "/data-planes/{id}", PLANE_READ, data_plane_get_call, NARROWED, "dp", NULL),
    ROW("POST", "/data-planes/{id}/revoke", PLANE_WRITE, data_plane_revoke_call, 0, "dp", NULL),
    ROW("GET", "/enrolment-tokens", PLANE_WRITE, enrolment_list_call, 0, NULL, NULL),
    ROW("POST", "/enrolment-tokens", PLANE_WRITE, enrolment_create_call, ROUTE_BODY_OPTIONAL | ROUTE_IDEMPOTENT, NULL, NULL),

    ROW("GET", "/admin-tokens", TOKEN_READ, crud_list, ROUTE_ANY_TENANT, NULL, &token_resource),
    ROW("POST", "/admin-tokens", TOKEN_WRITE, crud_create, ROUTE_ANY_TENANT | POST_FLAGS, NULL, &token_resource),
    ROW("GET", "/admin-tokens/{id}", TOKEN_READ, crud_get, ROUTE_ANY_TENANT, "tok", &token_resource),
    ROW("PATCH", "/admin-tokens/{id}", TOKEN_WRITE, crud_update, ROUTE_ANY_TENANT | PATCH_FLAGS, "tok", &token_resource),
    ROW("DELETE", "/admin-tokens/{id}", TOKEN_WRITE, token_revoke_call, ROUTE_ANY_TENANT | DELETE_FLAGS, "tok", NULL),
    ROW("POST", "/admin-tokens/{id}/revoke", TOKEN_WRITE, token_revoke_call, ROUTE_ANY_TENANT | ACTION_FLAGS, "tok", NULL),

    CRUD("/issuers", "iss", &issuer_resource, ISSUER_READ, ISSUER_WRITE, ROUTE_ANY_TENANT),
    ROW("POST", "/issuers/{id}/test", ISSUER_WRITE, issuer_test_call, ROUTE_ANY_TENANT | ROUTE_NO_TX, "iss", NULL),
    ROW("POST", "/issuers/{id}/dry-run", ISSUER_READ, issuer_dry_run_call, ROUTE_ANY_TENANT | ROUTE_NO_TX | ROUTE_BODY, "iss", NULL),

    ROW("GET", "/events", USAGE_READ, event_list_call, ROUTE_TENANT, NULL, NULL),
    ROW("GET", "/events/{id}", USAGE_READ, event_get_call, ROUTE_TENANT, "evt", NULL),
    ROW("GET", "/usage/summary", USAGE_READ, usage_summary_call, ROUTE_TENANT, NULL, NULL),
    ROW("GET", "/audit", AUDIT_READ, audit_list_call, ROUTE_ANY_TENANT, NULL, NULL),
    ROW("GET", "/audit/export", AUDIT_READ, audit_export_call, ROUTE_ANY_TENANT | ROUTE_NO_TX, NULL, NULL),
    ROW("GET", "/audit/heads", AUDIT_READ, audit_heads_call, ROUTE_ANY_TENANT, NULL, NULL),
    ROW("GET", "/secret-references", SECRET_READ, secret_reference_list_call, ROUTE_ANY_TENANT | ROUTE_NO_TX, NULL, NULL),
    ROW("GET", "/status", STATUS_READ, status_call, NARROWED, NULL, NULL),

    ROW("POST", "/apply", CONFIG_APPLY, apply_call, ROUTE_TENANT | POST_FLAGS, NULL, NULL),
    ROW("GET", "/export", CONFIG_EXPORT, export_call, ROUTE_TENANT, NULL, NULL),
};
/* clang-format on */

const size_t api_routes_count = sizeof api_routes / sizeof api_routes[0];
