/* The declarative format shared by `weir.yaml` (standalone proxy) and `weir apply -f`: resources by
 * name. docs/weir.schema.json documents it. This file turns a YAML tree into plain structs and says
 * what is wrong, with line and column. Secrets written env:NAME or file:PATH are resolved here,
 * where the program runs. */
#ifndef COMMON_RULES_MANIFEST_H
#define COMMON_RULES_MANIFEST_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/rules/quota_check.h"

struct json_writer;
struct yaml_node;

struct manifest_provider {
    struct str name, kind; /* kind: the name of its row (common/rules/provider.h), however given */
    struct str base_url;   /* resolved (it may differ from place to place); "" = the kind's own */
    struct str api_key;    /* resolved; NULL ptr when absent */
    struct str *api_keys;  /* resolved; several keys that take turns, beside api_key */
    size_t n_api_keys;
    uint64_t timeout_ms;      /* 0: default */
    struct str settings_json; /* a JSON object: the kind's settings that are no secrets, and
                                 `health_check` */
    struct str credential;    /* the API key, or a JSON object of it, other secrets and the list
                                 "api_keys"; NULL ptr: none */
    int line;
};

struct manifest_target {
    struct str provider, model;
    uint64_t weight;     /* default 1 */
    struct str endpoint; /* which of the provider's operations to speak; NULL ptr: its own choice */
};

struct manifest_model {
    struct str name;
    struct manifest_target *targets;
    size_t n_targets;  /* at least 1 where there is no config */
    struct str config; /* reference to a routing config, followed instead; NULL ptr: none */
    int line;
};

struct manifest_key {
    struct str name;
    struct str secret;  /* resolved; NULL ptr when absent (apply mints one, standalone refuses) */
    struct str *models; /* patterns; n_models 0 = none allowed... absent in the file = ["*"] */
    size_t n_models;
    struct str *providers; /* for native pass-through; absent = ["*"] */
    size_t n_providers;
    bool disabled;
    uint64_t expires_at_ms; /* 0: never */
    struct str config;      /* reference to its default routing config; NULL ptr: none */
    bool config_locked;     /* callers may not bring another */
    struct str *tags;
    size_t n_tags;
    struct str user, team, service_account;      /* by e-mail or name; NULL ptr: none */
    struct str price_group, metadata_json;       /* NULL ptr: none */
    struct str *endpoints, *configs, *mcp_tools; /* patterns; none: all */
    size_t n_endpoints, n_configs, n_mcp_tools;
    struct str *ip_allow; /* in their normal form */
    size_t n_ip_allow;
    struct str *required_metadata, *admin_permissions;
    size_t n_required_metadata, n_admin_permissions;
    int line;
};

/* A budget or limit, checked as a whole (quota_check.h) but for what its scopes name. Those of a
 * key
 * (`budgets` and `limits` in it) stand here too, about that key. */
struct manifest_quota {
    struct str name;
    struct quota_draft draft;
    uint64_t max_values; /* 0: default */
    bool disabled;
    bool of_key;  /* stands in a key */
    size_t index; /* in the list it stands in */
    int line;
};

struct manifest_team {
    struct str name, price_group, external_id; /* NULL ptr: none */
    int line;
};

struct manifest_service_account {
    struct str name, description, team; /* NULL ptr: none */
    bool disabled;
    int line;
};

/* A routing config (docs/routing.md), a prompt or a partial (docs/prompts.md). */
struct manifest_document {
    struct str name, description; /* description: NULL ptr when absent */
    struct str json;    /* the document as JSON text, compiled once to see that it can be */
    struct str *labels; /* that point at it: "production" */
    size_t n_labels;
    bool partial; /* prompts only */
    int line;
};

/* Part of a price group: what holds in its place for some providers or models. */
struct manifest_ratio {
    struct str provider, model; /* patterns; NULL ptr: every one */
    uint64_t ratio_ppm;
};

struct manifest_price_group {
    struct str name, description; /* description: NULL ptr when absent */
    uint64_t ratio_ppm;
    struct manifest_ratio *overrides;
    size_t n_overrides;
    int line;
};

/* Whose signed tokens are taken in place of keys. */
struct manifest_issuer {
    struct str name, issuer;
    struct str *audiences, *algorithms, *denied_jti;
    size_t n_audiences, n_algorithms, n_denied_jti;
    struct str *keys; /* names of keys that a token may stand for, the first is the default */
    size_t n_keys;
    struct str jwks_json, claims_json;
    uint64_t leeway_s;
    bool disabled;
    int line;
};

struct manifest {
    uint64_t version; /* 1 */
    struct manifest_provider *providers;
    size_t n_providers;
    struct manifest_model *models;
    size_t n_models;
    struct manifest_key *keys;
    size_t n_keys;
    struct manifest_team *teams;
    size_t n_teams;
    struct manifest_service_account *service_accounts;
    size_t n_service_accounts;
    struct manifest_quota *budgets, *limits;
    size_t n_budgets, n_limits;
    struct manifest_document *configs;
    size_t n_configs;
    struct manifest_document *prompts;
    size_t n_prompts;
    struct manifest_price_group *price_groups;
    size_t n_price_groups;
    struct manifest_document price_book; /* docs/prices.md; json NULL ptr: none */
    struct manifest_issuer *issuers;
    size_t n_issuers;
    struct yaml_node *settings; /* standalone only: a map of proxy options (listen, workers …); NULL
                                   when absent */
};

/* Everything lives in the arena. Unknown fields, duplicate names, dangling provider names, missing
 * fields, unset variables and unreadable files are errors: err carries line and column, `param` the
 * path ("models[0].targets[1].provider"). */
bool manifest_parse(const struct yaml_node *root, struct arena *a, struct manifest *ret,
                    struct error *err);

/* The deepest node on a path such as "models[0].targets[1].provider": where a field is missing, the
 * map that should have it. NULL when not even the first step is there. */
const struct yaml_node *manifest_find(const struct yaml_node *root, const char *path);

/* A subtree as JSON: quoted scalars are texts, others what YAML's core schema makes of them (a text
 * where JSON has no such value, as for .inf). Nests as deep as the writer can, else it fails. */
void manifest_put_json(const struct yaml_node *n, struct json_writer *w);

#endif
