/* What budgets and limits share: how they are read, checked as a whole, and shown. The first
 * columns of both tables are the same (store/budgets.h, store/limits.h). */
#ifndef CONTROLPLANE_API_QUOTAS_H
#define CONTROLPLANE_API_QUOTAS_H

#include "common/rules/quota_check.h"
#include "controlplane/api/resource.h"

/* Fields of both; p: BUDGET or LIMIT. */
#define QUOTA_TEXT_MAX 40
#define QUOTA_FIELDS_FIRST(p)                                                       \
    FIELD_ORGANIZATION(p), FIELD_WORKSPACE(p), FIELD_NAME(p, 100, validate_name),   \
    {                                                                               \
        .name = "metric", .kind = FIELD_TEXT, .column = p##_METRIC,                 \
        .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER, .max = QUOTA_TEXT_MAX \
    }
#define QUOTA_FIELDS_BOUNDS(p)                                                               \
    {.name = "when_unavailable",                                                             \
     .kind = FIELD_TEXT,                                                                     \
     .column = p##_WHEN_UNAVAILABLE,                                                         \
     .flags = FIELD_WRITE,                                                                   \
     .max = QUOTA_TEXT_MAX},                                                                 \
        {.name = "max_values",                                                               \
         .kind = FIELD_INTEGER,                                                              \
         .column = p##_MAX_VALUES,                                                           \
         .flags = FIELD_WRITE,                                                               \
         .min = 1,                                                                           \
         .max = QUOTA_VALUES_MAX},                                                           \
    {                                                                                        \
        .name = "disabled", .kind = FIELD_BOOL, .column = p##_DISABLED, .flags = FIELD_WRITE \
    }

/* The resource's `prepare`: merges body, row and defaults, checks them together, writes columns. */
bool quota_prepare(struct change *ch, struct error *err);
/* `load` and `show`: amounts, scopes with names. */
bool quota_load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err);
void quota_show(struct call *c, struct json_writer *w, const struct object *row, void *loaded);
/* ?scope=<id> of a list: those that name it. */
bool quota_narrow(struct call *c, struct object_query *q, struct error *err);
/* A decimal text of an amount. */
void quota_put_amount(struct json_writer *w, const char *name, enum quota_metric metric,
                      int64_t amount);
/* A text or a number of a body, as it was written. */
bool quota_read_amount(const struct body_value *v, const struct body_path *at, const char *name,
                       struct str *ret, struct error *err);
/* Scopes for the declarative document: by names. */
void quota_put_manifest_scopes(struct call *c, struct json_writer *w, const struct object *row,
                               void *loaded);

/* The budgets and limits that stand in a key's body ("budgets": [{...}]), made once the key is
 * there. */
bool quota_create_of_key(struct change *key, struct error *err);

/* --- quota_scopes.c --- */

/* Of a body: an array of {kind, name, value}. */
bool quota_scopes_read(const struct change *ch, const struct body_value *v,
                       struct quota_scope_text **ret, size_t *ret_n, struct error *err);
/* Of a column's JSON. */
bool quota_scopes_parse(struct str json, struct arena *a, struct quota_scope_text **ret,
                        size_t *ret_n, struct error *err);
/* Names and public ids into what is stored. ret_key: the key that alone is meant, else nil. */
bool quota_scopes_resolve(struct change *ch, const struct uuid *workspace,
                          const struct quota_scope_text *list, size_t n, struct str *ret_json,
                          struct uuid *ret_key, struct error *err);

struct quota_scope_names;
/* The names of all that these rows are about. */
bool quota_scopes_load(struct call *c, const struct object *rows, size_t n, int column,
                       struct quota_scope_names **ret, struct error *err);
/* by_name: for the declarative document. */
void quota_scopes_show(struct json_writer *w, struct str json, struct arena *a,
                       const struct quota_scope_names *names, bool by_name);

#endif
