/* What data planes are configured by, as rows: read whole (in pages) or by ids, and the log of
 * changes that says which. All reads of one state are made in one tx_begin_snapshot transaction.
 * Memory is the arena's. */
#ifndef CONTROLPLANE_STORE_CHANGES_H
#define CONTROLPLANE_STORE_CHANGES_H

#include "controlplane/store/db.h"

/* Rows of these kinds carry whole documents: fewer are read at once. */
#define CHANGES_PAGE_DOCUMENTS 32

/* The numbers of proto/snapshot.proto's Kind, as change_log.kind has them. */
enum config_kind {
    CONFIG_ORGANIZATION = 1,
    CONFIG_WORKSPACE,
    CONFIG_KEY,
    CONFIG_PROVIDER,
    CONFIG_MODEL,
    CONFIG_CATALOGUE,
    CONFIG_ROUTING, /* a routing config */
    CONFIG_PROMPT,
    CONFIG_BUDGET,
    CONFIG_LIMIT,
    CONFIG_PRICE_BOOK,
    CONFIG_PRICE_GROUP,
    CONFIG_ISSUER,
    CONFIG_TEAM,
    CONFIG_KIND_END
};

struct config_target {
    struct uuid provider_id;
    struct str model, endpoint;
    uint32_t weight;
};

struct config_version {
    uint64_t number;
    struct str document, secrets, secrets_kek; /* sealed; NULL ptr: it holds none */
};

struct config_label {
    struct str name;
    uint64_t version;
};

struct config_scope {
    struct str kind, name, value;
};

/* A budget or a limit, in the words of its row. */
struct config_quota {
    const struct config_scope *scopes;
    size_t n_scopes;
    struct str metric, window, zone, mode, downgrade_model, algorithm, when_unavailable;
    uint64_t amount, max_cost, extra_amount, extra_until_ms, burst;
    const uint32_t *alert_percents;
    size_t n_alert_percents;
    uint32_t max_values;
    bool exact;
};

struct config_ratio {
    struct str provider, model;
    uint64_t ratio_ppm;
};

struct config_issuer {
    struct str issuer, jwks_json, claims_json;
    const struct str *audiences, *algorithms, *denied_jti;
    size_t n_audiences, n_algorithms, n_denied_jti;
    const struct uuid *key_ids;
    size_t n_key_ids;
    uint64_t leeway_s;
};

/* What binds a key besides models and providers. */
struct config_bounds {
    const struct str *endpoints, *configs, *mcp_tools, *ip_allow, *required_metadata;
    size_t n_endpoints, n_configs, n_mcp_tools, n_ip_allow, n_required_metadata;
};

/* One row of any kind; fields that a kind lacks are zero. */
struct config_row {
    unsigned kind;
    struct uuid id, organization_id, workspace_id, user_id; /* nil: none */
    struct str name;
    struct str secret_hash, metadata_json; /* key */
    const struct str *models, *providers;
    size_t n_models, n_providers;
    uint64_t expires_at_ms;
    struct str provider_kind, base_url; /* provider; catalogue: the provider's id, and `name` the
                                           model's */
    struct str credential, credential_kek;
    uint64_t timeout_ms;
    struct str settings_json;            /* organization, provider, model; catalogue: the entry */
    const struct config_target *targets; /* model, in order */
    size_t n_targets;
    struct str config; /* key, model: a reference; NULL ptr: none */
    bool config_locked;
    const struct str *tags; /* key */
    size_t n_tags;
    const struct config_version *versions; /* routing config, prompt: ascending; price book:
                                              the published one */
    size_t n_versions;
    const struct config_label *labels;
    size_t n_labels;
    uint64_t published;
    bool partial;
    bool disabled;
    struct uuid team_id, service_account_id; /* key */
    struct config_bounds bounds;
    struct str former_hash; /* key: before its rotation; empty: none */
    uint64_t former_expires_at_ms;
    struct str price_group; /* key, team, workspace; empty: none */
    struct config_quota quota;
    uint64_t ratio_ppm; /* price group */
    const struct config_ratio *ratios;
    size_t n_ratios;
    struct config_issuer issuer;
};

struct change_row {
    uint64_t version;
    unsigned kind;
    struct uuid organization_id, id;
};

/* Kinds whose rows carry whole documents. */
bool changes_has_versions(unsigned kind);
bool changes_version(struct tx *t, uint64_t *ret_version, uint64_t *ret_horizon, struct error *err);
/* The log behind `version`, oldest first, the newest `limit` entries at most. */
bool changes_after(struct tx *t, uint64_t version, unsigned limit, struct arena *a,
                   struct change_row **ret, size_t *ret_n, struct error *err);
/* Up to `limit` rows of a kind with id > *after, by id. Revoked keys are absent, and so are issuers
 * that data planes have no part in. */
bool changes_page(struct tx *t, unsigned kind, const struct uuid *after, unsigned limit,
                  struct arena *a, struct config_row **ret, size_t *ret_n, struct error *err);
/* The rows of a kind with these ids; an id without a row is absent: it was deleted. */
bool changes_rows(struct tx *t, unsigned kind, const struct uuid *ids, size_t n, struct arena *a,
                  struct config_row **ret, size_t *ret_n, struct error *err);

#endif
