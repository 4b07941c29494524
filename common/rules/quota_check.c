/* See quota_check.h. */
#include "common/rules/quota_check.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/rules/money.h"

#define SCOPE_NAME_MAX 64

__attribute__((format(printf, 3, 4))) static bool wrong(struct error *err, const char *field,
                                                        const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return error_set_param(err, ERR_INVALID_FIELD, field, "%s", text);
}

static int shown(struct str s)
{
    return s.len > 60 ? 60 : (int)s.len;
}

unsigned quota_decimals(enum quota_metric m)
{
    return m == METRIC_COST ? MONEY_DECIMALS : 0;
}

static bool check_metric(const struct quota_draft *d, struct quota_rule *r, struct error *err)
{
    r->metric = quota_metric_named(d->metric);
    if (d->metric.len == 0) {
        return wrong(err, "metric", "is required");
    }
    if (d->limit ? r->metric == METRIC_NONE || r->metric == METRIC_COST
                 : r->metric == METRIC_NONE || r->metric == METRIC_CONCURRENCY) {
        return wrong(err, "metric", "must be one of %s, not \"%.*s\"",
                     d->limit ? "requests, tokens, concurrency" : "cost, tokens, requests",
                     shown(d->metric), d->metric.ptr);
    }
    return true;
}

static bool check_window(const struct quota_draft *d, struct quota_rule *r, struct error *err)
{
    r->window = quota_window_named(d->window);
    if (r->metric == METRIC_CONCURRENCY) {
        return d->window.len == 0 ||
               wrong(err, "window", "does not fit the metric concurrency, which has none");
    }
    if (d->window.len == 0) {
        return wrong(err, "window", "is required");
    }
    bool fits = d->limit ? r->window >= WINDOW_SECOND && r->window <= WINDOW_DAY
                         : r->window >= WINDOW_HOUR && r->window <= WINDOW_TOTAL;
    return fits || wrong(err, "window", "must be one of %s, not \"%.*s\"",
                         d->limit ? "second, minute, hour, day" : "hour, day, week, month, total",
                         shown(d->window), d->window.ptr);
}

static bool check_amount(struct str text, const char *field, enum quota_metric metric,
                         uint64_t *ret, struct error *err)
{
    unsigned decimals = quota_decimals(metric);
    if (!money_parse(text, decimals, ret)) {
        return wrong(err, field,
                     decimals ? "must be USD as a decimal number with up to 9 decimals, such as "
                                "\"12.50\", not \"%.*s\""
                              : "must be a whole number, not \"%.*s\"",
                     shown(text), text.ptr ? text.ptr : "");
    }
    return *ret <= QUOTA_AMOUNT_MAX || wrong(err, field, "is more than can be counted");
}

static bool check_amounts(const struct quota_draft *d, struct quota_rule *r, uint64_t *ret_max_cost,
                          struct error *err)
{
    *ret_max_cost = 0;
    if (d->amount.len == 0) {
        return wrong(err, "amount", "is required");
    }
    if (!check_amount(d->amount, "amount", r->metric, &r->amount, err) ||
        (d->max_cost.len > 0 &&
         !check_amount(d->max_cost, "max_cost", r->metric, ret_max_cost, err)) ||
        (d->burst.len > 0 && !check_amount(d->burst, "burst", r->metric, &r->burst, err))) {
        return false;
    }
    if (r->burst > 0 && r->algorithm != ALGORITHM_BUCKET) {
        return wrong(err, "burst", "needs the algorithm token_bucket");
    }
    return true;
}

static bool check_mode(const struct quota_draft *d, struct quota_rule *r, struct error *err)
{
    if (!quota_mode_named(d->mode, &r->mode)) {
        return wrong(err, "mode", "must be one of hard, soft, downgrade, not \"%.*s\"",
                     shown(d->mode), d->mode.ptr);
    }
    if (r->mode == MODE_DOWNGRADE && d->downgrade_model.len == 0) {
        return wrong(err, "downgrade_model", "is required by the mode downgrade");
    }
    return r->mode == MODE_DOWNGRADE || d->downgrade_model.len == 0 ||
           wrong(err, "downgrade_model", "needs the mode downgrade");
}

static bool check_algorithm(const struct quota_draft *d, struct quota_rule *r, struct error *err)
{
    if (!quota_algorithm_named(d->algorithm, &r->algorithm)) {
        return wrong(err, "algorithm", "must be one of fixed, sliding, token_bucket, not \"%.*s\"",
                     shown(d->algorithm), d->algorithm.ptr);
    }
    return r->metric != METRIC_CONCURRENCY || d->algorithm.len == 0 ||
           wrong(err, "algorithm", "does not fit the metric concurrency, which has none");
}

static bool check_unavailable(const struct quota_draft *d, struct quota_rule *r, struct error *err)
{
    r->when_unavailable = d->limit ? ABSENT_LOCAL : ABSENT_REFUSE;
    if (d->when_unavailable.len == 0) {
        return true;
    }
    bool known = quota_absent_named(d->when_unavailable, &r->when_unavailable) &&
                 (d->limit || r->when_unavailable != ABSENT_LOCAL);
    return known || wrong(err, "when_unavailable", "must be one of %s, not \"%.*s\"",
                          d->limit ? "local, refuse, allow" : "refuse, allow",
                          shown(d->when_unavailable), d->when_unavailable.ptr);
}

static bool check_zone(const struct quota_draft *d, struct arena *a, struct quota_rule *r,
                       struct error *err)
{
    struct error why = ERROR_INIT;
    if (d->zone.len == 0 || str_eqz(d->zone, "UTC") || !a) {
        return true;
    }
    return zone_load(d->zone, a, &r->zone, &why) ||
           wrong(err, "zone", "is no zone that is known here: \"%.*s\"", shown(d->zone),
                 d->zone.ptr);
}

static bool check_percents(const struct quota_draft *d, struct error *err)
{
    char field[40];
    if (d->n_percents > QUOTA_PERCENTS_MAX) {
        return wrong(err, "alert_percents", "must hold at most %d", QUOTA_PERCENTS_MAX);
    }
    for (size_t i = 0; i < d->n_percents; i++) {
        (void)snprintf(field, sizeof field, "alert_percents[%zu]", i);
        if (d->percents[i] < 1 || d->percents[i] > QUOTA_PERCENT_MAX) {
            return wrong(err, field, "must be between 1 and %d", QUOTA_PERCENT_MAX);
        }
        for (size_t k = 0; k < i; k++) {
            if (d->percents[i] == d->percents[k]) {
                return wrong(err, field, "stands twice");
            }
        }
    }
    return true;
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool check_scope(const struct quota_draft *d, size_t i, struct error *err)
{
    const struct quota_scope_text *s = &d->scopes[i];
    enum quota_scope kind = quota_scope_named(s->kind);
    char field[40];
    (void)snprintf(field, sizeof field, "scopes[%zu].kind", i);
    if (s->kind.len == 0) {
        return wrong(err, field, "is required");
    }
    if (kind == SCOPE_NONE) {
        return wrong(err, field,
                     "must be one of organization, workspace, team, user, service_account, key, "
                     "end_user, model, provider, tag, metadata, not \"%.*s\"",
                     shown(s->kind), s->kind.ptr);
    }
    (void)snprintf(field, sizeof field, "scopes[%zu].name", i);
    if (kind == SCOPE_METADATA && s->name.len == 0) {
        return wrong(err, field, "is required: which member of the metadata is meant");
    }
    if (kind != SCOPE_METADATA && s->name.len > 0) {
        return wrong(err, field, "is for the kind metadata only");
    }
    if (s->name.len > SCOPE_NAME_MAX || !is_plain(s->name)) {
        return wrong(err, field, "must be 1 to %d bytes without control characters",
                     SCOPE_NAME_MAX);
    }
    (void)snprintf(field, sizeof field, "scopes[%zu].value", i);
    if (s->value.len == 0) {
        return kind == SCOPE_ORGANIZATION ||
               wrong(err, field, "is required; \"*\" gives each one an account of its own");
    }
    return (s->value.len <= QUOTA_SCOPE_VALUE_MAX && is_plain(s->value)) ||
           wrong(err, field, "must be 1 to %d bytes without control characters",
                 QUOTA_SCOPE_VALUE_MAX);
}

static bool check_scopes(const struct quota_draft *d, struct error *err)
{
    if (d->n_scopes > QUOTA_SCOPES_MAX) {
        return wrong(err, "scopes", "must hold at most %d", QUOTA_SCOPES_MAX);
    }
    for (size_t i = 0; i < d->n_scopes; i++) {
        const struct quota_scope_text *s = &d->scopes[i];
        char field[40];
        if (!check_scope(d, i, err)) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            const struct quota_scope_text *o = &d->scopes[k];
            if (str_eq(s->kind, o->kind) && str_eq(s->name, o->name) &&
                str_eq(s->value, o->value)) {
                (void)snprintf(field, sizeof field, "scopes[%zu]", i);
                return wrong(err, field, "stands twice");
            }
        }
    }
    return true;
}

bool quota_draft_check(const struct quota_draft *d, struct arena *a, struct quota_rule *ret,
                       uint64_t *ret_max_cost, struct error *err)
{
    struct quota_rule r = {.limit = d->limit};
    uint64_t max_cost;
    bool ok = check_metric(d, &r, err) && check_window(d, &r, err) &&
              (d->limit ? check_algorithm(d, &r, err) : check_mode(d, &r, err)) &&
              check_amounts(d, &r, &max_cost, err) && check_unavailable(d, &r, err) &&
              check_zone(d, a, &r, err) && check_percents(d, err) && check_scopes(d, err);
    if (ok) {
        *ret = r;
        *ret_max_cost = max_cost;
    }
    return ok;
}
