/* Budgets and limits of weir.yaml: the messages that the control plane would send, with the ids
 * that names have here. */
#include "dataplane/standalone/standalone_build.h"

#include <stdio.h>

#include "common/crypto.h"

/* Where it stands, for errors; one of a key by its line. */
static bool wrong(const struct yaml_node *root, const char *list, const struct manifest_quota *q,
                  const char *field, struct error *err)
{
    if (!q->of_key) {
        return standalone_wrong_at(root, list, q->index, field, err);
    }
    err->line = q->line;
    (void)snprintf(err->param, sizeof(err->param), "%s[%zu].%.32s", list, q->index, field);
    return false;
}

static bool has_key(const struct manifest *m, struct str name)
{
    for (size_t i = 0; i < m->n_keys; i++) {
        if (str_eq(m->keys[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool has_provider(const struct manifest *m, struct str name)
{
    for (size_t i = 0; i < m->n_providers; i++) {
        if (str_eq(m->providers[i].name, name)) {
            return true;
        }
    }
    return memchr(name.ptr, '*', name.len) != NULL;
}

/* The id behind a name of that kind; false: there is none. */
static bool id_of(struct build *b, const struct manifest *m, enum quota_scope kind, struct str name,
                  struct uuid *ret)
{
    switch (kind) {
    case SCOPE_ORGANIZATION:
        *ret = b->organization;
        return true;
    case SCOPE_WORKSPACE:
        *ret = b->workspace;
        return str_eqz(name, STANDALONE_SCOPE_NAME);
    case SCOPE_TEAM:
        *ret = standalone_id(WEIR__KIND__KIND_TEAM, name);
        return standalone_has_team(m, name);
    case SCOPE_USER:
        *ret = standalone_id(STANDALONE_USER, name);
        return true;
    case SCOPE_SERVICE_ACCOUNT:
        *ret = standalone_id(STANDALONE_SERVICE_ACCOUNT, name);
        return standalone_has_account(m, name);
    default:
        *ret = standalone_id(WEIR__KIND__KIND_KEY, name);
        return has_key(m, name);
    }
}

static bool value_of(struct build *b, const struct manifest *m, const struct quota_scope_text *s,
                     struct str *ret, struct error *err)
{
    enum quota_scope kind = quota_scope_named(s->kind);
    bool by_id = kind == SCOPE_ORGANIZATION || kind == SCOPE_WORKSPACE || kind == SCOPE_TEAM ||
                 kind == SCOPE_USER || kind == SCOPE_SERVICE_ACCOUNT || kind == SCOPE_KEY;
    struct uuid id;
    char hex[33];
    *ret = s->value;
    if (kind == SCOPE_PROVIDER && !has_provider(m, s->value)) {
        return error_set(err, ERR_INVALID_FIELD, "no provider is named \"%.*s\"",
                         STR_ARG(s->value));
    }
    if (!by_id || (str_eqz(s->value, "*") && kind != SCOPE_ORGANIZATION)) {
        return true;
    }
    if (!id_of(b, m, kind, s->value, &id)) {
        return error_set(err, ERR_INVALID_FIELD, "no %s is named \"%.*s\"", quota_scope_name(kind),
                         STR_ARG(s->value));
    }
    crypto_hex(id.b, sizeof(id.b), hex);
    *ret = arena_str(b->arena, str_of(hex));
    return true;
}

static bool scopes_of(struct build *b, const struct manifest *m, const struct quota_draft *d,
                      Weir__Scope ***ret, struct error *err)
{
    Weir__Scope *scopes = arena_zalloc(b->arena, (d->n_scopes + 1) * sizeof(*scopes));
    Weir__Scope **list = arena_zalloc(b->arena, (d->n_scopes + 1) * sizeof(*list));
    if (!scopes || !list) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    for (size_t i = 0; i < d->n_scopes; i++) {
        struct str value;
        if (!value_of(b, m, &d->scopes[i], &value, err)) {
            return false;
        }
        weir__scope__init(&scopes[i]);
        scopes[i].kind = standalone_text(b, d->scopes[i].kind);
        scopes[i].name = standalone_text(b, d->scopes[i].name);
        scopes[i].value = standalone_text(b, value);
        list[i] = &scopes[i];
    }
    *ret = list;
    return true;
}

static char *constant(const char *z)
{
    return (char *)(uintptr_t)z;
}

static uint32_t values_of(const struct manifest_quota *q)
{
    return q->max_values ? (uint32_t)q->max_values : QUOTA_VALUES_DEFAULT;
}

/* What was spent in one unit means nothing in another: a budget that becomes one of tokens is a new
 * one to the proxy's accounts. */
static struct uuid budget_id(const struct manifest_quota *q, const struct quota_rule *r)
{
    struct buffer text;
    buffer_init(&text, 4096);
    (void)buffer_append_str(&text, q->name);
    if (r->metric != METRIC_COST) {
        (void)buffer_printf(&text, "\x1f%s", quota_metric_name(r->metric));
    }
    struct uuid id = standalone_id(WEIR__KIND__KIND_BUDGET, buffer_str(&text));
    buffer_release(&text);
    return id;
}

static bool put_budget(struct build *b, const struct manifest *m, const struct manifest_quota *q,
                       const struct quota_rule *r, uint64_t max_cost, struct error *err)
{
    struct uuid id = budget_id(q, r);
    const struct quota_draft *d = &q->draft;
    Weir__Budget out = WEIR__BUDGET__INIT;
    uint32_t percents[QUOTA_PERCENTS_MAX];
    for (size_t i = 0; i < d->n_percents; i++) {
        percents[i] = (uint32_t)d->percents[i];
    }
    if (!scopes_of(b, m, d, &out.scopes, err)) {
        return false;
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.name = standalone_text(b, q->name);
    out.n_scopes = d->n_scopes;
    out.metric = constant(quota_metric_name(r->metric));
    out.amount = r->amount;
    out.window = constant(quota_window_name(r->window));
    out.zone = standalone_text(b, d->zone);
    out.mode = constant(quota_mode_name(r->mode));
    out.downgrade_model = standalone_text(b, d->downgrade_model);
    out.n_alert_percents = d->n_percents;
    out.alert_percents = percents;
    out.max_cost = max_cost;
    out.when_unavailable = constant(quota_absent_name(r->when_unavailable));
    out.max_values = values_of(q);
    out.disabled = q->disabled;
    return standalone_put(b, WEIR__KIND__KIND_BUDGET, &id, &out.base, err);
}

static bool put_limit(struct build *b, const struct manifest *m, const struct manifest_quota *q,
                      const struct quota_rule *r, struct error *err)
{
    struct uuid id = standalone_id(WEIR__KIND__KIND_LIMIT, q->name);
    Weir__Limit out = WEIR__LIMIT__INIT;
    if (!scopes_of(b, m, &q->draft, &out.scopes, err)) {
        return false;
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.name = standalone_text(b, q->name);
    out.n_scopes = q->draft.n_scopes;
    out.metric = constant(quota_metric_name(r->metric));
    out.amount = r->amount;
    out.window = constant(quota_window_name(r->window));
    out.algorithm =
        constant(r->metric == METRIC_CONCURRENCY ? "" : quota_algorithm_name(r->algorithm));
    out.burst = r->burst;
    out.exact = q->draft.exact;
    out.when_unavailable = constant(quota_absent_name(r->when_unavailable));
    out.max_values = values_of(q);
    out.disabled = q->disabled;
    return standalone_put(b, WEIR__KIND__KIND_LIMIT, &id, &out.base, err);
}

static bool put_one(struct build *b, const struct yaml_node *root, const struct manifest *m,
                    const struct manifest_quota *q, struct error *err)
{
    const char *list = q->draft.limit ? "limits" : "budgets";
    struct quota_rule rule;
    struct error why = ERROR_INIT;
    uint64_t max_cost;
    if (!quota_draft_check(&q->draft, b->arena, &rule, &max_cost, &why)) {
        (void)error_set(err, ERR_INVALID_FIELD, "%s %s", why.param, error_text(&why));
        return wrong(root, list, q, why.param, err);
    }
    bool ok =
        q->draft.limit ? put_limit(b, m, q, &rule, err) : put_budget(b, m, q, &rule, max_cost, err);
    return ok || (err->code == ERR_INVALID_FIELD ? wrong(root, list, q, "scopes", err) : false);
}

bool standalone_put_quotas(struct build *b, const struct yaml_node *root, const struct manifest *m,
                           struct error *err)
{
    for (size_t i = 0; i < m->n_budgets; i++) {
        if (!put_one(b, root, m, &m->budgets[i], err)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_limits; i++) {
        if (!put_one(b, root, m, &m->limits[i], err)) {
            return false;
        }
    }
    return true;
}
