/* What the files of the LiteLLM importer share: deployments, gathered in groups of one model_name,
 * and the router's settings. Private to import_litellm*.c. */
#ifndef CLI_IMPORT_LITELLM_H
#define CLI_IMPORT_LITELLM_H

#include "cli/import.h"

struct litellm_target {                      /* one entry of model_list */
    const char *path;                        /* "model_list[3]" */
    const char *provider, *model, *endpoint; /* endpoint "": the provider's own choice */
    const struct yaml_node *params;          /* litellm_params */
    struct str defaults_json;                /* parameters of the body; NULL ptr: none */
    int64_t weight_milli, order;
    bool has_order;
    uint64_t timeout_ms, cooldown_ms; /* 0: not said */
    int64_t retries;                  /* -1: not said */
};

struct litellm_group {
    const char *name;
    struct litellm_target *targets;
    size_t n;
    const char *config; /* that its requests follow; NULL: plain targets */
    bool wildcard;
};

struct litellm {
    struct import *im;
    struct yaml_node *root;
    struct litellm_group *groups;
    size_t n_groups;
    struct map *providers; /* what a provider is, as JSON -> its name */
    /* of the router */
    const char *mode; /* "weighted" */
    int64_t retries;  /* -1: not said */
    uint64_t retry_after_ms, timeout_ms, cooldown_ms, threshold;
    bool breaker_off, by_tags;
    struct str statuses_json; /* of retries; NULL ptr: the usual ones */
    struct str cache_json;    /* NULL ptr: none */
};

/* router_settings, else litellm_settings. *ret_path names where it stood. */
const struct yaml_node *litellm_setting(const struct litellm *l, const char *name,
                                        const char **ret_path);
struct litellm_group *litellm_group_named(const struct litellm *l, const char *name);

/* import_litellm_provider.c: the provider object of a deployment, made or found again; fills
 * provider, model and endpoint. False: it does not map, and is noted. */
bool litellm_provider(struct litellm *l, struct litellm_target *t);
/* import_litellm_settings.c: reads the router's settings, and notes all others. */
void litellm_read_settings(struct litellm *l);
void litellm_note_settings(struct litellm *l);
/* import_litellm_group.c: a group as a model, and as a config where it needs one. */
void litellm_put_group(struct litellm *l, struct litellm_group *g);

#endif
