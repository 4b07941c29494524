/* The resources and handlers of api/, named in routes.c. */
#ifndef CONTROLPLANE_API_RESOURCES_H
#define CONTROLPLANE_API_RESOURCES_H

#include <stdatomic.h>

#include "controlplane/api/resource.h"

struct catalogue;
struct channel;
struct identity;
struct references;

/* What handlers find in call->context. */
struct api_context {
    struct channel *channel;
    const struct seal_keys *keys;
    struct db_pool *pool;
    struct identity *identity;         /* NULL: no identity providers */
    bool local_login_off;              /* nobody signs in by password */
    struct references *references;     /* what ref:NAME stands for; NULL: none */
    const struct catalogue *catalogue; /* the installed one; NULL: none */
    atomic_uint provider_tests;        /* that run now */
    atomic_uint plane_questions;       /* the same, of explain, targets and purge */
};

extern const struct resource organization_resource, workspace_resource, user_resource,
    membership_resource, key_resource, provider_resource, model_resource, group_resource,
    token_resource, catalogue_override_resource, config_resource, prompt_resource, team_resource,
    service_account_resource, role_resource, price_book_resource, price_group_resource;

extern const struct resource budget_resource, limit_resource;

extern const struct resource issuer_resource;

/* Where identity providers send browsers back to, below the base path. */
#define ISSUER_CALLBACK "api/v1/session/oidc/callback"

bool session_list_call(struct call *c, struct error *err);
bool session_revoke_call(struct call *c, struct error *err);
bool session_providers_call(struct call *c, struct error *err);
bool oidc_start_call(struct call *c, struct error *err);
bool oidc_callback_call(struct call *c, struct error *err);
bool issuer_test_call(struct call *c, struct error *err);
bool issuer_dry_run_call(struct call *c, struct error *err);
bool session_create_call(struct call *c, struct error *err);
bool session_get_call(struct call *c, struct error *err);
bool session_delete_call(struct call *c, struct error *err);
bool session_password_call(struct call *c, struct error *err);
bool permissions_call(struct call *c, struct error *err);
bool team_members_call(struct call *c, struct error *err);
bool team_member_get_call(struct call *c, struct error *err);
bool team_member_put_call(struct call *c, struct error *err);
bool team_member_delete_call(struct call *c, struct error *err);
bool key_revoke_call(struct call *c, struct error *err);
bool key_block_call(struct call *c, struct error *err);
bool key_unblock_call(struct call *c, struct error *err);
bool key_rotate_call(struct call *c, struct error *err);
bool key_check_call(struct call *c, struct error *err);
bool key_bulk_call(struct call *c, struct error *err);
bool budget_increase_call(struct call *c, struct error *err);
bool provider_kinds_call(struct call *c, struct error *err);
bool provider_test_call(struct call *c, struct error *err);
bool token_revoke_call(struct call *c, struct error *err);
bool data_plane_list_call(struct call *c, struct error *err);
bool data_plane_get_call(struct call *c, struct error *err);
bool data_plane_revoke_call(struct call *c, struct error *err);
bool enrolment_list_call(struct call *c, struct error *err);
bool enrolment_create_call(struct call *c, struct error *err);
bool event_list_call(struct call *c, struct error *err);
bool event_get_call(struct call *c, struct error *err);
bool usage_summary_call(struct call *c, struct error *err);
/* Members of a price group that are no columns of their own: ratio, overrides; price_groups.c. */
void price_group_show(struct call *c, struct json_writer *w, const struct object *row,
                      void *loaded);
bool prices_effective_call(struct call *c, struct error *err);
bool statements_call(struct call *c, struct error *err);
bool quota_accounts_call(struct call *c, struct error *err);
bool ledger_leases_call(struct call *c, struct error *err);
bool ledger_write_off_call(struct call *c, struct error *err);
bool alert_list_call(struct call *c, struct error *err);
bool explain_call(struct call *c, struct error *err);
bool targets_call(struct call *c, struct error *err);
bool cache_purge_call(struct call *c, struct error *err);
bool audit_list_call(struct call *c, struct error *err);
bool audit_export_call(struct call *c, struct error *err);
bool audit_heads_call(struct call *c, struct error *err);
bool secret_reference_list_call(struct call *c, struct error *err);
bool status_call(struct call *c, struct error *err);
bool apply_call(struct call *c, struct error *err);
bool export_call(struct call *c, struct error *err);
bool catalogue_list_call(struct call *c, struct error *err);
bool catalogue_get_call(struct call *c, struct error *err);
bool catalogue_providers_call(struct call *c, struct error *err);
bool catalogue_update_call(struct call *c, struct error *err);
bool config_schema_call(struct call *c, struct error *err);
bool openapi_call(struct call *c, struct error *err);

/* A query parameter that is a time; absent: *ret_ms is left alone. */
bool query_time(const struct call *c, const char *name, uint64_t *ret_ms, struct error *err);
/* ?from= and ?to=, likewise. */
bool query_span(const struct call *c, uint64_t *ret_from_ms, uint64_t *ret_to_ms,
                struct error *err);

/* Of a body's `price_group`, decoded into that column: it must be there, and is kept as it is
 * written there. teams.c. */
bool price_group_take(struct change *ch, int column, struct error *err);
/* Who is in which group decides what they are charged: to put somebody into one, or out of it,
 * needs what changing prices needs. Of price_group_take a part. */
bool price_group_may(struct change *ch, int column, struct error *err);

/* One data plane as JSON; data_planes.c, shown by status too. version: the configuration's. */
struct data_plane;
/* platform: with what the plane says of itself, which counts and quotes all tenants' alike. */
void data_plane_show(struct json_writer *w, const struct data_plane *p, uint64_t version,
                     bool platform);

#endif
