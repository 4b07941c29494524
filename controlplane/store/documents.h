/* What is versioned: routing configs, prompts and price books. A row names it, its versions are
 * numbered documents that never change, and the row points at one of them (published) and by labels
 * at any. All kinds have the same columns and statements, over tables of their own. */
#ifndef CONTROLPLANE_STORE_DOCUMENTS_H
#define CONTROLPLANE_STORE_DOCUMENTS_H

#include "controlplane/store/object.h"

enum {
    DOCUMENT_ID = 0,
    DOCUMENT_ORGANIZATION_ID,
    DOCUMENT_WORKSPACE_ID,
    DOCUMENT_NAME,
    DOCUMENT_DESCRIPTION,
    DOCUMENT_PUBLISHED, /* 0: none */
    DOCUMENT_LATEST,
    DOCUMENT_LABELS, /* {"production": 3} */
    DOCUMENT_OWNED_BY,
    DOCUMENT_REVISION,
    DOCUMENT_CREATED_AT,
    DOCUMENT_UPDATED_AT,
    DOCUMENT_OWN, /* the kind's own column; price books have none */
    DOCUMENT_COLUMN_COUNT,
    CONFIG_SECRETS_MADE = DOCUMENT_OWN,
    PROMPT_PARTIAL = DOCUMENT_OWN,
};

extern const struct object_table configs_table, prompts_table, price_books_table;

struct document_version {
    struct uuid owner;
    uint64_t number;
    struct str document; /* NULL ptr in a list that would be too long otherwise */
    struct str note, created_by;
    uint64_t created_at_ms;
    struct str secrets, secrets_kek; /* sealed; NULL ptr: none. Configs only */
};

/* A version with its number, document, note, created_by (and secrets) set. */
bool document_add(struct tx *t, const struct object_table *table, const struct uuid *organization,
                  const struct document_version *v, struct error *err);
/* ERR_NOT_FOUND. */
bool document_get(struct tx *t, const struct object_table *table, const struct uuid *owner,
                  uint64_t number, struct arena *a, struct document_version *ret,
                  struct error *err);
/* Those below `before` (0: all), newest first. */
bool document_list(struct tx *t, const struct object_table *table, const struct uuid *owner,
                   uint64_t before, unsigned limit, struct arena *a, struct document_version **ret,
                   size_t *ret_n, struct error *err);
/* Of each owner the version that is shown with it: the published, else the newest. By owner. */
bool document_shown(struct tx *t, const struct object_table *table, const struct uuid *owners,
                    size_t n_owners, struct arena *a, struct document_version **ret, size_t *ret_n,
                    struct error *err);
/* Bytes of all versions' documents together. */
bool document_bytes(struct tx *t, const struct object_table *table, const struct uuid *owner,
                    uint64_t *ret, struct error *err);
/* Versions of a config that hold secrets, newest first: number, document, secrets and
 * their key's id. */
bool document_secrets(struct tx *t, const struct uuid *config, struct arena *a,
                      struct document_version **ret, size_t *ret_n, struct error *err);

/* --- references to configs --- */

/* The config that a name (exact) or id means from inside a workspace (nil: the organization): its
 * own before a shared one. Locked against deletion until the transaction ends. id NULL: by name.
 * ERR_NOT_FOUND. */
bool config_find(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                 struct str name, const struct uuid *id, struct arena *a, struct object *ret,
                 struct error *err);
/* A key or model that may mean this config: by its id in any form, or by its name where the config
 * can be seen. label: only references by that label; NULL ptr: any. The name of the first, NULL ptr
 * when there is none; *ret_kind "key" or "model". */
bool config_user(struct tx *t, const struct object *config, const char *public_id, struct str label,
                 struct arena *a, const char **ret_kind, struct str *ret_name, struct error *err);

#endif
