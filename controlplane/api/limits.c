/* Rate limits: CRUD by the table of fields. docs/budgets.md. */
#include "controlplane/store/limits.h"

#include "controlplane/api/quotas.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "proto/snapshot.pb-c.h"

static const struct field fields[] = {
    QUOTA_FIELDS_FIRST(LIMIT),
    {.name = "window",
     .kind = FIELD_TEXT,
     .column = LIMIT_WINDOW,
     .flags = FIELD_WRITE | FIELD_NULL | FIELD_FILTER,
     .max = QUOTA_TEXT_MAX},
    {.name = "algorithm",
     .kind = FIELD_TEXT,
     .column = LIMIT_ALGORITHM,
     .flags = FIELD_WRITE | FIELD_NULL,
     .max = QUOTA_TEXT_MAX},
    {.name = "exact", .kind = FIELD_BOOL, .column = LIMIT_EXACT, .flags = FIELD_WRITE},
    QUOTA_FIELDS_BOUNDS(LIMIT),
    FIELD_OWNED_BY(LIMIT),
    FIELD_ROW_TIMES(LIMIT),
};

static const char *const extras[] = {"workspace_id", "workspace", "scopes",
                                     "amount",       "burst",     NULL};

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    quota_show(c, w, row, loaded);
    quota_put_amount(w, "burst", METRIC_REQUESTS, row->v[LIMIT_BURST].integer);
}

const struct resource limit_resource = {
    .kind = "limit",
    .prefix = "lim",
    .table = &limits_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_LIMIT_READ,
    .change_kind = WEIR__KIND__KIND_LIMIT,
    .narrow = quota_narrow,
    .prepare = quota_prepare,
    .load = quota_load,
    .show = show,
};
