/* GET /export: keys and who they belong to, what they may spend, at what price. Names instead of
 * ids wherever apply takes them, so that a document fits another installation. */
#include "controlplane/api/manifest_sections.h"

#include "controlplane/api/quotas.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/budgets.h"
#include "controlplane/store/limits.h"
#include "controlplane/store/price_groups.h"
#include "controlplane/store/quota_scopes.h"
#include "controlplane/store/service_accounts.h"
#include "controlplane/store/teams.h"
#include "controlplane/store/virtual_keys.h"

#define PART_ROWS 200

/* Rows of one section, and the names of what they point at. */
struct part {
    struct call *call;
    const struct object *rows;
    size_t n;
    struct scope_target *teams, *accounts; /* one for each row; no name where there is none */
    void *loaded;
};

static void put_list(struct json_writer *w, const char *name, const struct object_value *v)
{
    if (v->n == 0) {
        return;
    }
    json_name(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < v->n; i++) {
        json_put_str(w, v->list[i]);
    }
    json_array_end(w);
}

/* Patterns: without the default, which is everything; none at all is said. */
static void put_patterns(struct json_writer *w, const char *name, const struct object_value *v)
{
    if (v->n == 1 && str_eqz(v->list[0], "*")) {
        return;
    }
    if (v->n == 0) {
        json_name(w, name);
        json_array_begin(w);
        json_array_end(w);
        return;
    }
    put_list(w, name, v);
}

static void put_text(struct json_writer *w, const char *name, const struct object_value *v)
{
    if (object_is_set(v) && v->text.len > 0) {
        json_field_str(w, name, v->text);
    }
}

static void put_flag(struct json_writer *w, const char *name, const struct object_value *v)
{
    if (v->integer) {
        json_field_bool(w, name, true);
    }
}

static bool name_column(struct part *p, enum quota_scope kind, int column,
                        struct scope_target **ret, struct error *err)
{
    struct scope_target *list = arena_zalloc(p->call->arena, (p->n + 1) * sizeof *list);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < p->n; i++) {
        list[i].id = object_is_set(&p->rows[i].v[column]) ? p->rows[i].v[column].uuid : list[i].id;
    }
    *ret = list;
    return p->n == 0 || quota_scope_names(p->call->tx, kind, &p->rows[0].v[1].uuid, list, p->n,
                                          p->call->arena, err);
}

static void put_named(struct json_writer *w, const char *name, const struct scope_target *t)
{
    if (t->name.ptr) {
        json_field_str(w, name, t->name);
    }
}

static void put_key(struct json_writer *w, const struct part *p, size_t i)
{
    const struct object *k = &p->rows[i];
    json_field_str(w, "name", k->v[KEY_NAME].text);
    put_patterns(w, "models", &k->v[KEY_MODELS]);
    put_patterns(w, "providers", &k->v[KEY_PROVIDERS]);
    if (object_is_set(&k->v[KEY_USER_ID])) {
        reply_put_id(w, "user_id", "usr", &k->v[KEY_USER_ID].uuid);
    }
    put_named(w, "team", &p->teams[i]);
    put_named(w, "service_account", &p->accounts[i]);
    put_flag(w, "disabled", &k->v[KEY_DISABLED]);
    if (object_is_set(&k->v[KEY_EXPIRES_AT])) {
        reply_put_time(w, "expires_at", (uint64_t)k->v[KEY_EXPIRES_AT].integer);
    }
    if (!str_eqz(k->v[KEY_METADATA].text, "{}")) {
        json_name(w, "metadata");
        json_put_raw(w, k->v[KEY_METADATA].text);
    }
    put_text(w, "config", &k->v[KEY_CONFIG]);
    put_flag(w, "config_locked", &k->v[KEY_CONFIG_LOCKED]);
    put_list(w, "tags", &k->v[KEY_TAGS]);
    put_list(w, "endpoints", &k->v[KEY_ENDPOINTS]);
    put_list(w, "configs", &k->v[KEY_CONFIGS]);
    put_list(w, "mcp_tools", &k->v[KEY_MCP_TOOLS]);
    put_list(w, "ip_allow", &k->v[KEY_IP_ALLOW]);
    put_list(w, "required_metadata", &k->v[KEY_REQUIRED_METADATA]);
    put_list(w, "admin_permissions", &k->v[KEY_ADMIN_PERMISSIONS]);
    put_text(w, "price_group", &k->v[KEY_PRICE_GROUP]);
}

static void put_team(struct json_writer *w, const struct part *p, size_t i)
{
    const struct object *t = &p->rows[i];
    json_field_str(w, "name", t->v[TEAM_NAME].text);
    put_text(w, "price_group", &t->v[TEAM_PRICE_GROUP]);
    put_text(w, "external_id", &t->v[TEAM_EXTERNAL_ID]);
}

static void put_account(struct json_writer *w, const struct part *p, size_t i)
{
    const struct object *a = &p->rows[i];
    json_field_str(w, "name", a->v[SERVICE_ACCOUNT_NAME].text);
    put_text(w, "description", &a->v[SERVICE_ACCOUNT_DESCRIPTION]);
    put_named(w, "team", &p->teams[i]);
    put_flag(w, "disabled", &a->v[SERVICE_ACCOUNT_DISABLED]);
}

/* The members that both have. */
static void put_quota(struct json_writer *w, const struct part *p, const struct object *q)
{
    enum quota_metric metric = quota_metric_named(q->v[BUDGET_METRIC].text);
    json_field_str(w, "name", q->v[BUDGET_NAME].text);
    quota_put_manifest_scopes(p->call, w, q, p->loaded);
    json_field_str(w, "metric", q->v[BUDGET_METRIC].text);
    quota_put_amount(w, "amount", metric, q->v[BUDGET_AMOUNT].integer);
    put_text(w, "window", &q->v[BUDGET_WINDOW]);
    if (q->v[BUDGET_MAX_VALUES].integer != QUOTA_VALUES_DEFAULT) {
        json_field_i64(w, "max_values", q->v[BUDGET_MAX_VALUES].integer);
    }
}

static void put_budget(struct json_writer *w, const struct part *p, size_t i)
{
    const struct object *b = &p->rows[i];
    const struct object_value *percents = &b->v[BUDGET_ALERT_PERCENTS];
    bool soft = str_eqz(b->v[BUDGET_MODE].text, "soft");
    put_quota(w, p, b);
    if (!str_eqz(b->v[BUDGET_ZONE].text, "UTC")) {
        put_text(w, "zone", &b->v[BUDGET_ZONE]);
    }
    if (!str_eqz(b->v[BUDGET_MODE].text, "hard")) {
        put_text(w, "mode", &b->v[BUDGET_MODE]);
    }
    put_text(w, "downgrade_model", &b->v[BUDGET_DOWNGRADE_MODEL]);
    if (percents->n > 0 || soft) {
        json_name(w, "alert_percents");
        json_array_begin(w);
        for (size_t k = 0; k < percents->n; k++) {
            json_put_raw(w, percents->list[k]);
        }
        json_array_end(w);
    }
    if (b->v[BUDGET_MAX_COST].integer > 0) {
        quota_put_amount(w, "max_cost", quota_metric_named(b->v[BUDGET_METRIC].text),
                         b->v[BUDGET_MAX_COST].integer);
    }
    if (!str_eqz(b->v[BUDGET_WHEN_UNAVAILABLE].text, "refuse")) {
        put_text(w, "when_unavailable", &b->v[BUDGET_WHEN_UNAVAILABLE]);
    }
    put_flag(w, "disabled", &b->v[BUDGET_DISABLED]);
}

static void put_limit(struct json_writer *w, const struct part *p, size_t i)
{
    const struct object *l = &p->rows[i];
    put_quota(w, p, l);
    if (!str_eqz(l->v[LIMIT_ALGORITHM].text, "fixed")) {
        put_text(w, "algorithm", &l->v[LIMIT_ALGORITHM]);
    }
    if (l->v[LIMIT_BURST].integer > 0) {
        quota_put_amount(w, "burst", METRIC_REQUESTS, l->v[LIMIT_BURST].integer);
    }
    put_flag(w, "exact", &l->v[LIMIT_EXACT]);
    if (!str_eqz(l->v[LIMIT_WHEN_UNAVAILABLE].text, "local")) {
        put_text(w, "when_unavailable", &l->v[LIMIT_WHEN_UNAVAILABLE]);
    }
    put_flag(w, "disabled", &l->v[LIMIT_DISABLED]);
}

static void put_price_group(struct json_writer *w, const struct part *p, size_t i)
{
    const struct object *g = &p->rows[i];
    json_field_str(w, "name", g->v[PRICE_GROUP_NAME].text);
    put_text(w, "description", &g->v[PRICE_GROUP_DESCRIPTION]);
    price_group_show(p->call, w, g, NULL);
}

static bool load(struct part *p, unsigned section, struct error *err)
{
    switch (section) {
    case MANIFEST_KEYS:
        return name_column(p, SCOPE_TEAM, KEY_TEAM_ID, &p->teams, err) &&
               name_column(p, SCOPE_SERVICE_ACCOUNT, KEY_SERVICE_ACCOUNT_ID, &p->accounts, err);
    case MANIFEST_SERVICE_ACCOUNTS:
        return name_column(p, SCOPE_TEAM, SERVICE_ACCOUNT_TEAM_ID, &p->teams, err);
    case MANIFEST_BUDGETS:
    case MANIFEST_LIMITS:
        return quota_load(p->call, p->rows, p->n, &p->loaded, err);
    default:
        return true;
    }
}

bool export_governance(struct call *c, const struct manifest_scope *scope, unsigned section,
                       struct error *err)
{
    static void (*const put[MANIFEST_SECTIONS])(struct json_writer *, const struct part *,
                                                size_t) = {
        [MANIFEST_PRICE_GROUPS] = put_price_group, [MANIFEST_TEAMS] = put_team,
        [MANIFEST_SERVICE_ACCOUNTS] = put_account, [MANIFEST_KEYS] = put_key,
        [MANIFEST_BUDGETS] = put_budget,           [MANIFEST_LIMITS] = put_limit,
    };
    const struct manifest_section *s = &manifest_sections[section];
    struct object_query q;
    struct object *rows;
    size_t n;
    manifest_query(scope, section, &q);
    if (!object_list(c->tx, s->resource->table, &q, c->arena, &rows, &n, err)) {
        return false;
    }
    json_name(&c->json, s->name);
    json_array_begin(&c->json);
    for (size_t at = 0; at < n; at += PART_ROWS) {
        struct part p = {
            .call = c, .rows = rows + at, .n = n - at < PART_ROWS ? n - at : PART_ROWS};
        if (!load(&p, section, err)) {
            return false;
        }
        for (size_t i = 0; i < p.n; i++) {
            json_object_begin(&c->json);
            put[section](&c->json, &p, i);
            json_object_end(&c->json);
        }
    }
    json_array_end(&c->json);
    return true;
}
