/* Model aliases and their ordered targets. */
#ifndef CONTROLPLANE_STORE_MODELS_H
#define CONTROLPLANE_STORE_MODELS_H

#include "controlplane/store/object.h"

enum {
    MODEL_ID = 0,
    MODEL_ORGANIZATION_ID,
    MODEL_WORKSPACE_ID,
    MODEL_NAME,
    MODEL_SETTINGS,
    MODEL_OWNED_BY,
    MODEL_REVISION,
    MODEL_CREATED_AT,
    MODEL_UPDATED_AT,
    MODEL_CONFIG,
    MODEL_COLUMN_COUNT
};

extern const struct object_table models_table;

struct model_target {
    struct uuid model, provider;
    struct str provider_name; /* filled by model_targets */
    struct str name;          /* as the provider knows it */
    int64_t weight;
    struct str endpoint; /* "": the provider's own choice */
};

/* Targets of all these models, ordered by model and position. */
bool model_targets(struct tx *t, const struct uuid *models, size_t n_models, struct arena *a,
                   struct model_target **ret, size_t *ret_n, struct error *err);
/* Puts these in place of those that were. */
bool model_set_targets(struct tx *t, const struct uuid *organization, const struct uuid *model,
                       const struct model_target *targets, size_t n, struct error *err);

#endif
