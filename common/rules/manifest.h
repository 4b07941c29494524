/* The declarative format shared by `weir.yaml` (standalone proxy) and `weir apply -f`: resources by
 * name. docs/weir.schema.json documents it. This file turns a YAML tree into plain structs and says
 * what is wrong, with line and column. Secrets written env:NAME or file:PATH are resolved here,
 * where the program runs. */
#ifndef COMMON_RULES_MANIFEST_H
#define COMMON_RULES_MANIFEST_H

#include "common/base/arena.h"
#include "common/base/error.h"

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

struct manifest {
    uint64_t version; /* 1 */
    struct manifest_provider *providers;
    size_t n_providers;
    struct manifest_model *models;
    size_t n_models;
    struct manifest_key *keys;
    size_t n_keys;
    struct manifest_document *configs;
    size_t n_configs;
    struct manifest_document *prompts;
    size_t n_prompts;
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
