/* Budgets: CRUD by the table of fields, and a temporary increase. What was spent is the ledger's to
 * tell (GET /budgets/{id}/accounts). docs/budgets.md. */
#include "controlplane/store/budgets.h"

#include "common/base/clock.h"
#include "common/rules/money.h"
#include "controlplane/api/quotas.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"
#include "proto/snapshot.pb-c.h"

static const struct field fields[] = {
    QUOTA_FIELDS_FIRST(BUDGET),
    {.name = "window",
     .kind = FIELD_TEXT,
     .column = BUDGET_WINDOW,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .max = QUOTA_TEXT_MAX},
    {.name = "zone", .kind = FIELD_TEXT, .column = BUDGET_ZONE, .flags = FIELD_WRITE, .max = 64},
    {.name = "mode",
     .kind = FIELD_TEXT,
     .column = BUDGET_MODE,
     .flags = FIELD_WRITE | FIELD_FILTER,
     .max = QUOTA_TEXT_MAX},
    {.name = "downgrade_model",
     .kind = FIELD_TEXT,
     .column = BUDGET_DOWNGRADE_MODEL,
     .flags = FIELD_WRITE,
     .max = 200},
    QUOTA_FIELDS_BOUNDS(BUDGET),
    {.name = "extra_until", .kind = FIELD_TIME, .column = BUDGET_EXTRA_UNTIL},
    FIELD_OWNED_BY(BUDGET),
    FIELD_ROW_TIMES(BUDGET),
};

static const char *const extras[] = {"workspace_id", "workspace",      "scopes", "amount",
                                     "max_cost",     "alert_percents", NULL};

static bool prepare(struct change *ch, struct error *err)
{
    struct str model = ch->now.v[BUDGET_DOWNGRADE_MODEL].text;
    const char *wrong = object_is_set(&ch->now.v[BUDGET_DOWNGRADE_MODEL]) && model.len > 0
                            ? validate_model_name(model)
                            : NULL;
    return wrong ? body_refuse(err, ch->at, "downgrade_model", "%s", wrong)
                 : quota_prepare(ch, err);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    enum quota_metric metric = quota_metric_named(row->v[BUDGET_METRIC].text);
    const struct object_value *percents = &row->v[BUDGET_ALERT_PERCENTS];
    quota_show(c, w, row, loaded);
    quota_put_amount(w, "max_cost", metric, row->v[BUDGET_MAX_COST].integer);
    quota_put_amount(w, "extra_amount", metric, row->v[BUDGET_EXTRA_AMOUNT].integer);
    json_name(w, "alert_percents");
    json_array_begin(w);
    for (size_t i = 0; i < percents->n; i++) {
        json_put_raw(w, percents->list[i]);
    }
    json_array_end(w);
}

const struct resource budget_resource = {
    .kind = "budget",
    .prefix = "bud",
    .table = &budgets_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_BUDGET_READ,
    .change_kind = WEIR__KIND__KIND_BUDGET,
    .narrow = quota_narrow,
    .prepare = prepare,
    .load = quota_load,
    .show = show,
};

/* {amount, until}: "0" ends an increase. */
static bool read_increase(struct call *c, const struct object *row, uint64_t *ret_amount,
                          uint64_t *ret_until_ms, struct error *err)
{
    static const char *const names[] = {"amount", "until", NULL};
    const struct body_value *amount = body_get(&c->body, "amount"),
                            *until = body_get(&c->body, "until");
    enum quota_metric metric = quota_metric_named(row->v[BUDGET_METRIC].text);
    struct str text;
    *ret_until_ms = 0;
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if (!amount) {
        return body_refuse(err, NULL, "amount", "is required");
    }
    if (!quota_read_amount(amount, NULL, "amount", &text, err)) {
        return false;
    }
    if (!money_parse(text, quota_decimals(metric), ret_amount) || *ret_amount > QUOTA_AMOUNT_MAX) {
        return body_refuse(err, NULL, "amount", "is no amount of this budget's metric: \"%.*s\"",
                           (int)(text.len > 60 ? 60 : text.len), text.ptr);
    }
    if (*ret_amount == 0) {
        return true;
    }
    if (!until || until->type == BODY_NULL) {
        return body_refuse(err, NULL, "until", "is required: an increase ends");
    }
    return body_time(until, NULL, "until", ret_until_ms, err) &&
           (*ret_until_ms > clock_wall_ms() || body_refuse(err, NULL, "until", "is in the past"));
}

bool budget_increase_call(struct call *c, struct error *err)
{
    struct change ch;
    uint64_t amount, until_ms;
    change_init(&ch, c, &budget_resource);
    if (!resource_find(c, &budget_resource, &c->id, true, &ch.before, err) ||
        !call_check_revision(c, (uint64_t)ch.before.v[BUDGET_REVISION].integer, err)) {
        return false;
    }
    struct uuid workspace = resource_workspace(&budget_resource, &ch.before);
    if (!permission_scope_covers(&c->scope, &workspace)) {
        return error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                         permission_name(c->route->permission));
    }
    if (!read_increase(c, &ch.before, &amount, &until_ms, err)) {
        return false;
    }
    object_set_i64(&ch.now.v[BUDGET_EXTRA_AMOUNT], (int64_t)amount);
    if (until_ms) {
        object_set_i64(&ch.now.v[BUDGET_EXTRA_UNTIL], (int64_t)until_ms);
    } else {
        object_set_null(&ch.now.v[BUDGET_EXTRA_UNTIL]);
    }
    if (!object_update(c->tx, &budgets_table, &c->id, &ch.now, c->arena, err) ||
        !change_note(&ch, "budget.increase", false, err)) {
        return false;
    }
    c->revision = (uint64_t)ch.now.v[BUDGET_REVISION].integer;
    return resource_show(c, &budget_resource, &ch.now, STR_NONE, &c->json, err);
}
