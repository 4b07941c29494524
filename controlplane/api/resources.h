/* The resources and handlers of api/, named in routes.c. */
#ifndef CONTROLPLANE_API_RESOURCES_H
#define CONTROLPLANE_API_RESOURCES_H

#include <stdatomic.h>

#include "controlplane/api/resource.h"

struct catalogue;
struct channel;

/* What handlers find in call->context. */
struct api_context {
    struct channel *channel;
    const struct seal_keys *keys;
    struct db_pool *pool;
    const struct catalogue *catalogue; /* the installed one; NULL: none */
    atomic_uint provider_tests;        /* that run now */
    atomic_uint plane_questions;       /* the same, of explain, targets and purge */
};

extern const struct resource organization_resource, workspace_resource, user_resource,
    membership_resource, key_resource, provider_resource, model_resource, group_resource,
    token_resource, catalogue_override_resource, config_resource, prompt_resource;

bool session_create_call(struct call *c, struct error *err);
bool session_get_call(struct call *c, struct error *err);
bool session_delete_call(struct call *c, struct error *err);
bool session_password_call(struct call *c, struct error *err);
bool key_revoke_call(struct call *c, struct error *err);
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
bool explain_call(struct call *c, struct error *err);
bool targets_call(struct call *c, struct error *err);
bool cache_purge_call(struct call *c, struct error *err);
bool audit_list_call(struct call *c, struct error *err);
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

/* One data plane as JSON; data_planes.c, shown by status too. version: the configuration's. */
struct data_plane;
/* platform: with what the plane says of itself, which counts and quotes all tenants' alike. */
void data_plane_show(struct json_writer *w, const struct data_plane *p, uint64_t version,
                     bool platform);

#endif
