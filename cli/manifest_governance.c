/* What is absent in the file is not sent: it means its default. */
#include "cli/manifest_governance.h"

#include "common/yaml.h"

static void put_text(struct json_writer *w, const char *name, struct str s)
{
    if (s.len) {
        json_field_str(w, name, s);
    }
}

static void put_texts(struct json_writer *w, const char *name, const struct str *texts, size_t n)
{
    if (n == 0) {
        return;
    }
    json_name(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_put_str(w, texts[i]);
    }
    json_array_end(w);
}

void manifest_governance_put_key(struct json_writer *w, const struct manifest_key *k)
{
    put_text(w, "user", k->user);
    put_text(w, "team", k->team);
    put_text(w, "service_account", k->service_account);
    put_text(w, "price_group", k->price_group);
    put_texts(w, "endpoints", k->endpoints, k->n_endpoints);
    put_texts(w, "configs", k->configs, k->n_configs);
    put_texts(w, "mcp_tools", k->mcp_tools, k->n_mcp_tools);
    put_texts(w, "ip_allow", k->ip_allow, k->n_ip_allow);
    put_texts(w, "required_metadata", k->required_metadata, k->n_required_metadata);
    put_texts(w, "admin_permissions", k->admin_permissions, k->n_admin_permissions);
}

void manifest_governance_put_owners(struct json_writer *w, const struct manifest_file *f)
{
    const struct manifest *m = &f->manifest;
    if (yaml_get(f->root, "teams")) {
        json_name(w, "teams");
        json_array_begin(w);
        for (size_t i = 0; i < m->n_teams; i++) {
            json_object_begin(w);
            json_field_str(w, "name", m->teams[i].name);
            put_text(w, "price_group", m->teams[i].price_group);
            put_text(w, "external_id", m->teams[i].external_id);
            json_object_end(w);
        }
        json_array_end(w);
    }
    if (yaml_get(f->root, "service_accounts")) {
        json_name(w, "service_accounts");
        json_array_begin(w);
        for (size_t i = 0; i < m->n_service_accounts; i++) {
            const struct manifest_service_account *a = &m->service_accounts[i];
            json_object_begin(w);
            json_field_str(w, "name", a->name);
            put_text(w, "description", a->description);
            put_text(w, "team", a->team);
            json_field_bool(w, "disabled", a->disabled);
            json_object_end(w);
        }
        json_array_end(w);
    }
}

static void put_scopes(struct json_writer *w, const struct quota_draft *d)
{
    if (d->n_scopes == 0) {
        return;
    }
    json_name(w, "scopes");
    json_array_begin(w);
    for (size_t i = 0; i < d->n_scopes; i++) {
        json_object_begin(w);
        json_field_str(w, "kind", d->scopes[i].kind);
        put_text(w, "name", d->scopes[i].name);
        put_text(w, "value", d->scopes[i].value);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_quota(struct json_writer *w, const struct manifest_quota *q)
{
    const struct quota_draft *d = &q->draft;
    json_object_begin(w);
    json_field_str(w, "name", q->name);
    put_scopes(w, d);
    put_text(w, "metric", d->metric);
    put_text(w, "amount", d->amount);
    put_text(w, "window", d->window);
    put_text(w, "zone", d->zone);
    put_text(w, "mode", d->mode);
    put_text(w, "downgrade_model", d->downgrade_model);
    put_text(w, "max_cost", d->max_cost);
    put_text(w, "algorithm", d->algorithm);
    put_text(w, "burst", d->burst);
    put_text(w, "when_unavailable", d->when_unavailable);
    if (d->n_percents) {
        json_name(w, "alert_percents");
        json_array_begin(w);
        for (size_t i = 0; i < d->n_percents; i++) {
            json_put_u64(w, d->percents[i]);
        }
        json_array_end(w);
    }
    if (d->exact) {
        json_field_bool(w, "exact", true);
    }
    if (q->max_values) {
        json_field_u64(w, "max_values", q->max_values);
    }
    json_field_bool(w, "disabled", q->disabled);
    json_object_end(w);
}

static void put_list(struct json_writer *w, const struct manifest_file *f, const char *name,
                     const struct manifest_quota *list, size_t n)
{
    if (n == 0 && !yaml_get(f->root, name)) {
        return;
    }
    json_name(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        put_quota(w, &list[i]);
    }
    json_array_end(w);
}

void manifest_governance_put_quotas(struct json_writer *w, const struct manifest_file *f)
{
    put_list(w, f, "budgets", f->manifest.budgets, f->manifest.n_budgets);
    put_list(w, f, "limits", f->manifest.limits, f->manifest.n_limits);
}
