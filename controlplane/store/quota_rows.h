/* What the tables of budgets and limits share: their first columns, and statements about keys. */
#ifndef CONTROLPLANE_STORE_QUOTA_ROWS_H
#define CONTROLPLANE_STORE_QUOTA_ROWS_H

#include "controlplane/store/object.h"

/* p: BUDGET or LIMIT. */
#define QUOTA_COLUMNS(p)                                                                       \
    [p##_ID] = {"id", OBJECT_UUID}, [p##_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},  \
    [p##_WORKSPACE_ID] = {"workspace_id", OBJECT_UUID}, [p##_NAME] = {"name", OBJECT_TEXT},    \
    [p##_SCOPES] = {"scopes", OBJECT_JSON}, [p##_KEY_ID] = {"key_id", OBJECT_UUID},            \
    [p##_METRIC] = {"metric", OBJECT_TEXT}, [p##_AMOUNT] = {"amount", OBJECT_I64},             \
    [p##_WINDOW] = {"time_window", OBJECT_TEXT},                                               \
    [p##_WHEN_UNAVAILABLE] = {"when_unavailable", OBJECT_TEXT},                                \
    [p##_MAX_VALUES] = {"max_values", OBJECT_I64}, [p##_DISABLED] = {"disabled", OBJECT_BOOL}, \
    [p##_OWNED_BY] = {"owned_by", OBJECT_TEXT}, [p##_REVISION] = {"revision", OBJECT_I64},     \
    [p##_CREATED_AT] = {"created_at", OBJECT_TIME}, [p##_UPDATED_AT] = {"updated_at", OBJECT_TIME}

#define QUOTA_TABLE(p)                                                                      \
    .columns = columns, .n_columns = p##_COLUMN_COUNT, .organization = p##_ORGANIZATION_ID, \
    .workspace = p##_WORKSPACE_ID, .title = p##_NAME, .owned_by = p##_OWNED_BY,             \
    .revision = p##_REVISION, .updated = true

/* Those that are about one of these keys alone go with them, and the data planes are told
 * (kind: proto/snapshot.proto). */
bool quotas_drop_of_keys(struct tx *t, const struct object_table *table, unsigned kind,
                         const struct uuid *organization, const struct uuid *keys, size_t n,
                         struct arena *a, struct error *err);
/* The ids of those that name this key, in order of their making; at most `limit`. */
bool quotas_of_key(struct tx *t, const struct object_table *table, const struct uuid *key,
                   unsigned limit, struct arena *a, struct uuid **ret, size_t *ret_n,
                   struct error *err);

#endif
