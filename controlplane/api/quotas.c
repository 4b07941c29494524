/* What budgets and limits share: a row, a body and the defaults become one draft, which is checked
 * as a whole (common/rules/quota_check.h) and written as columns. */
#include "controlplane/api/quotas.h"

#include "common/crypto.h"
#include "common/rules/money.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/budgets.h"
#include "controlplane/store/limits.h"
#include "controlplane/store/quota_scopes.h"

#define AMOUNT_BYTES_MAX 64

_Static_assert((int)BUDGET_MAX_VALUES == (int)LIMIT_MAX_VALUES &&
                   (int)BUDGET_SCOPES == (int)LIMIT_SCOPES,
               "the first columns of both tables are the same");

static bool is_limit(const struct change *ch)
{
    return ch->resource->table == &limits_table;
}

bool quota_read_amount(const struct body_value *v, const struct body_path *at, const char *name,
                       struct str *ret, struct error *err)
{
    if (v->type == BODY_INTEGER || v->type == BODY_REAL) {
        *ret = v->raw;
        return ret->len <= AMOUNT_BYTES_MAX || body_refuse(err, at, name, "is too long");
    }
    if (v->type != BODY_TEXT) {
        return body_refuse(err, at, name, "must be a decimal number, as a string or a number");
    }
    return body_text(v, 1, AMOUNT_BYTES_MAX, at, name, ret, err);
}

static struct str amount_text(struct arena *a, enum quota_metric metric, int64_t amount)
{
    char text[MONEY_TEXT_MAX];
    size_t n = money_format((uint64_t)(amount > 0 ? amount : 0), quota_decimals(metric), text,
                            sizeof text);
    return arena_str(a, (struct str){text, n});
}

void quota_put_amount(struct json_writer *w, const char *name, enum quota_metric metric,
                      int64_t amount)
{
    char text[MONEY_TEXT_MAX];
    size_t n = money_format((uint64_t)(amount > 0 ? amount : 0), quota_decimals(metric), text,
                            sizeof text);
    json_field_str(w, name, (struct str){text, n});
}

/* The column as it will stand: of the body, else (a change) as it was, else none. */
static const struct object_value *column(const struct change *ch, int i)
{
    const struct object_value *now = &ch->now.v[i];
    return now->state == OBJECT_UNSET && !ch->creating && !ch->whole ? &ch->before.v[i] : now;
}

static struct str text_of(const struct change *ch, int i)
{
    const struct object_value *v = column(ch, i);
    return object_is_set(v) ? v->text : STR_NONE;
}

/* An amount of the body, else (a change) the one of the row. */
static bool take_amount(struct change *ch, const char *name, int i, enum quota_metric metric,
                        struct str *ret, struct error *err)
{
    const struct body_value *v = body_get(ch->body, name);
    if (v && v->type != BODY_NULL) {
        return quota_read_amount(v, ch->at, name, ret, err);
    }
    if (!v && !ch->creating && !ch->whole) {
        *ret = amount_text(ch->call->arena, metric, ch->before.v[i].integer);
    }
    return true;
}

static bool take_scopes(struct change *ch, struct quota_draft *d, bool *ret_given,
                        struct error *err)
{
    const struct body_value *v = body_get(ch->body, "scopes");
    struct quota_scope_text *list = NULL;
    size_t n = 0;
    *ret_given = ch->creating || ch->whole || v;
    if (v && v->type != BODY_NULL && !quota_scopes_read(ch, v, &list, &n, err)) {
        return false;
    }
    if (*ret_given && n == 0) {
        /* none is the same as a scope that everything is in: the place itself */
        list = NULL;
    }
    d->scopes = list;
    d->n_scopes = n;
    return true;
}

static bool take_percents(struct change *ch, struct quota_draft *d, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "alert_percents");
    uint64_t *list;
    struct body_path here = {ch->at, "alert_percents", 0};
    if (!v || v->type == BODY_NULL) {
        return true;
    }
    if (!body_array(v, QUOTA_PERCENTS_MAX, ch->at, "alert_percents", err)) {
        return false;
    }
    if (!(list = arena_zalloc(ch->call->arena, (v->n + 1) * sizeof *list))) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < v->n; i++) {
        struct body_path at = {&here, NULL, i};
        int64_t percent;
        if (!body_integer(&v->items[i], 1, QUOTA_PERCENT_MAX, &at, NULL, &percent, err)) {
            return false;
        }
        list[i] = (uint64_t)percent;
    }
    d->percents = list;
    d->n_percents = v->n;
    return true;
}

static bool draft_of(struct change *ch, struct quota_draft *d, bool *ret_scopes, struct error *err)
{
    bool limit = is_limit(ch);
    *d = (struct quota_draft){.limit = limit,
                              .metric = text_of(ch, BUDGET_METRIC),
                              .window = text_of(ch, BUDGET_WINDOW),
                              .when_unavailable = text_of(ch, BUDGET_WHEN_UNAVAILABLE)};
    enum quota_metric metric = quota_metric_named(d->metric);
    if (limit) {
        d->algorithm = text_of(ch, LIMIT_ALGORITHM);
    } else {
        d->zone = text_of(ch, BUDGET_ZONE);
        d->mode = text_of(ch, BUDGET_MODE);
        d->downgrade_model = text_of(ch, BUDGET_DOWNGRADE_MODEL);
    }
    if (!take_amount(ch, "amount", BUDGET_AMOUNT, metric, &d->amount, err) ||
        (limit && !take_amount(ch, "burst", LIMIT_BURST, metric, &d->burst, err)) ||
        (!limit && !take_amount(ch, "max_cost", BUDGET_MAX_COST, metric, &d->max_cost, err))) {
        return false;
    }
    return take_scopes(ch, d, ret_scopes, err) && (limit || take_percents(ch, d, err));
}

/* A row's burst that was left when the algorithm changed means nothing any more. */
static void forget_leftovers(struct change *ch, struct quota_draft *d)
{
    if (ch->creating || ch->whole) {
        return;
    }
    if (d->limit && !str_eqz(d->algorithm, "token_bucket") && !body_get(ch->body, "burst")) {
        d->burst = STR_NONE;
    }
    if (!d->limit && !str_eqz(d->mode, "downgrade") && !body_get(ch->body, "downgrade_model")) {
        d->downgrade_model = STR_NONE;
    }
}

static void put_percents(struct change *ch, const struct quota_draft *d, enum quota_mode mode)
{
    struct object_value *out = &ch->now.v[BUDGET_ALERT_PERCENTS];
    bool given = body_get(ch->body, "alert_percents");
    uint64_t last = 0;
    if (!given && !ch->creating && !ch->whole) {
        return;
    }
    *out = (struct object_value){.state = OBJECT_SET};
    out->list = arena_zalloc(ch->call->arena, (d->n_percents + 1) * sizeof *out->list);
    if (!given && mode == MODE_SOFT && out->list) {
        out->list[out->n++] = STR_LIT("100"); /* a soft budget does nothing else */
    }
    /* ascending; they are few and differ */
    for (size_t k = 0; given && out->list && k < d->n_percents; k++) {
        uint64_t least = UINT64_MAX;
        for (size_t i = 0; i < d->n_percents; i++) {
            if (d->percents[i] > last && d->percents[i] < least) {
                least = d->percents[i];
            }
        }
        out->list[out->n++] = arena_printf(ch->call->arena, "%llu", (unsigned long long)least);
        last = least;
    }
}

static void put_columns(struct change *ch, const struct quota_draft *d, const struct quota_rule *r,
                        uint64_t max_cost)
{
    struct object_value *v = ch->now.v;
    object_set_text(&v[BUDGET_METRIC], str_of(quota_metric_name(r->metric)));
    object_set_i64(&v[BUDGET_AMOUNT], (int64_t)r->amount);
    object_set_text(&v[BUDGET_WINDOW], str_of(quota_window_name(r->window)));
    object_set_text(&v[BUDGET_WHEN_UNAVAILABLE], str_of(quota_absent_name(r->when_unavailable)));
    if (v[BUDGET_MAX_VALUES].state == OBJECT_SET && v[BUDGET_MAX_VALUES].integer == 0) {
        object_set_i64(&v[BUDGET_MAX_VALUES], QUOTA_VALUES_DEFAULT);
    }
    if (d->limit) {
        bool slots = r->metric == METRIC_CONCURRENCY;
        object_set_text(&v[LIMIT_ALGORITHM],
                        slots ? STR_LIT("") : str_of(quota_algorithm_name(r->algorithm)));
        object_set_i64(&v[LIMIT_BURST], (int64_t)r->burst);
        return;
    }
    object_set_text(&v[BUDGET_ZONE], d->zone.len > 0 ? d->zone : STR_LIT("UTC"));
    object_set_text(&v[BUDGET_MODE], str_of(quota_mode_name(r->mode)));
    object_set_text(&v[BUDGET_DOWNGRADE_MODEL],
                    d->downgrade_model.ptr ? d->downgrade_model : STR_LIT(""));
    object_set_i64(&v[BUDGET_MAX_COST], (int64_t)max_cost);
    put_percents(ch, d, r->mode);
}

/* What was counted would mean something else. */
static bool check_metric_stays(const struct change *ch, const struct quota_draft *d,
                               struct error *err)
{
    return ch->creating || str_eq(d->metric, ch->before.v[BUDGET_METRIC].text) ||
           body_refuse(err, ch->at, "metric", "of a %s cannot be changed: make another one",
                       ch->resource->kind);
}

bool quota_prepare(struct change *ch, struct error *err)
{
    struct quota_draft d;
    struct quota_rule rule;
    struct uuid key;
    struct str json;
    uint64_t max_cost = 0;
    bool scopes;
    struct error why = ERROR_INIT;
    if (!resource_place(ch, BUDGET_WORKSPACE_ID, false, err) || !draft_of(ch, &d, &scopes, err)) {
        return false;
    }
    forget_leftovers(ch, &d);
    if (!quota_draft_check(&d, ch->call->arena, &rule, &max_cost, &why)) {
        return body_refuse(err, ch->at, why.param, "%s", why.text);
    }
    if (!check_metric_stays(ch, &d, err)) {
        return false;
    }
    put_columns(ch, &d, &rule, max_cost);
    if (!scopes) {
        return true;
    }
    struct uuid workspace = resource_workspace(ch->resource, ch->creating ? &ch->now : &ch->before);
    if (!quota_scopes_resolve(ch, &workspace, d.scopes, d.n_scopes, &json, &key, err)) {
        return false;
    }
    object_set_text(&ch->now.v[BUDGET_SCOPES], json);
    object_set_uuid(&ch->now.v[BUDGET_KEY_ID], &key);
    return true;
}

bool quota_load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    struct quota_scope_names *names = NULL;
    if (!quota_scopes_load(c, rows, n, BUDGET_SCOPES, &names, err)) {
        return false;
    }
    *ret = names;
    return true;
}

void quota_show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    quota_scopes_show(w, row->v[BUDGET_SCOPES].text, c->arena, loaded, false);
    quota_put_amount(w, "amount", quota_metric_named(row->v[BUDGET_METRIC].text),
                     row->v[BUDGET_AMOUNT].integer);
}

void quota_put_manifest_scopes(struct call *c, struct json_writer *w, const struct object *row,
                               void *loaded)
{
    if (!str_eqz(row->v[BUDGET_SCOPES].text, "[]")) {
        quota_scopes_show(w, row->v[BUDGET_SCOPES].text, c->arena, loaded, true);
    }
}

bool quota_narrow(struct call *c, struct object_query *q, struct error *err)
{
    static const enum quota_scope kinds[] = {SCOPE_WORKSPACE,       SCOPE_TEAM, SCOPE_USER,
                                             SCOPE_SERVICE_ACCOUNT, SCOPE_KEY,  SCOPE_PROVIDER};
    struct str text = http_query(c->request, "scope");
    if (!text.ptr || c->route->prefix) {
        return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *prefix = quota_scope_prefix(kinds[i]);
        char hex[33];
        struct uuid id;
        size_t len = strlen(prefix);
        if (text.len > len && text.ptr[len] == '_' && uuid_parse_public(prefix, text, &id)) {
            crypto_hex(id.b, sizeof id.b, hex);
            q->where = arena_printf(c->arena, "scopes @> '[{\"kind\":\"%s\",\"value\":\"%s\"}]'",
                                    quota_scope_name(kinds[i]), hex)
                           .ptr;
            return q->where || error_set(err, ERR_OVERLOADED, "%s", "");
        }
    }
    return error_set_param(err, ERR_INVALID_FIELD, "scope",
                           "scope must be the id of a key, user, team, service account, workspace "
                           "or provider");
}
