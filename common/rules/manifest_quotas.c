/* Budgets and limits of a manifest, at its top and in keys; each is checked as a whole. */
#include <stdio.h>

#include "common/base/map.h"
#include "common/rules/manifest_read.h"
#include "common/yaml.h"

#define NAME_MAX_BYTES 100

static const char *const budget_fields[] = {"name",
                                            "scopes",
                                            "metric",
                                            "amount",
                                            "window",
                                            "zone",
                                            "mode",
                                            "downgrade_model",
                                            "alert_percents",
                                            "max_cost",
                                            "when_unavailable",
                                            "max_values",
                                            "disabled",
                                            NULL};
static const char *const limit_fields[] = {
    "name",  "scopes", "metric",           "amount",     "window",   "algorithm",
    "burst", "exact",  "when_unavailable", "max_values", "disabled", NULL};

static bool read_scope(const struct manifest_reader *r, const struct manifest_place *p,
                       struct quota_scope_text *ret)
{
    static const char *const fields[] = {"kind", "name", "value", NULL};
    return manifest_check_fields(r, p, fields) &&
           manifest_take_text(r, p, "kind", true, &ret->kind) &&
           manifest_take_text(r, p, "name", false, &ret->name) &&
           manifest_take_text(r, p, "value", false, &ret->value);
}

static bool read_scopes(const struct manifest_reader *r, const struct manifest_place *p,
                        struct quota_draft *d)
{
    const struct yaml_node *list;
    struct quota_scope_text *scopes = NULL;
    if (!manifest_take_list(r, p, "scopes", sizeof(*scopes), &list, &scopes)) {
        return false;
    }
    for (size_t i = 0; list && i < list->n; i++) {
        struct manifest_place at;
        if (!manifest_enter(r, p, "scopes", list, i, &at) || !read_scope(r, &at, &scopes[i])) {
            return false;
        }
    }
    d->scopes = scopes;
    d->n_scopes = list ? list->n : 0;
    return true;
}

static bool read_percents(const struct manifest_reader *r, const struct manifest_place *p,
                          struct quota_draft *d)
{
    const struct yaml_node *list;
    uint64_t *percents = NULL;
    if (!manifest_take_list(r, p, "alert_percents", sizeof(*percents), &list, &percents)) {
        return false;
    }
    for (size_t i = 0; list && i < list->n; i++) {
        if (!yaml_u64(list->items[i], &percents[i])) {
            return manifest_fail(r, list->items[i], p->path, "alert_percents",
                                 "alert_percents must be whole numbers");
        }
    }
    d->percents = percents;
    d->n_percents = list ? list->n : 0;
    return true;
}

static bool take_members(const struct manifest_reader *r, const struct manifest_place *p,
                         struct manifest_quota *q)
{
    struct quota_draft *d = &q->draft;
    const struct {
        const char *field;
        struct str *ret;
    } texts[] = {
        {"metric", &d->metric},       {"amount", &d->amount},
        {"window", &d->window},       {"zone", &d->zone},
        {"mode", &d->mode},           {"downgrade_model", &d->downgrade_model},
        {"max_cost", &d->max_cost},   {"when_unavailable", &d->when_unavailable},
        {"algorithm", &d->algorithm}, {"burst", &d->burst},
        {"name", &q->name},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!manifest_take_text(r, p, texts[i].field, false, texts[i].ret)) {
            return false;
        }
    }
    return manifest_take_bool(r, p, "exact", &d->exact) &&
           manifest_take_bool(r, p, "disabled", &q->disabled) &&
           manifest_take_number(r, p, "max_values", QUOTA_VALUES_MAX, &q->max_values) &&
           read_percents(r, p, d) && read_scopes(r, p, d);
}

/* Points at the member that is wrong, or at the map that lacks it. */
static bool fail_draft(const struct manifest_reader *r, const struct manifest_place *p,
                       const struct error *why)
{
    const struct yaml_node *at = manifest_find(p->map, why->param);
    return manifest_fail(r, at ? at : p->map, p->path, why->param, "%s %s", why->param,
                         error_text(why));
}

static bool read_quota(const struct manifest_reader *r, const struct manifest_place *p, bool limit,
                       struct manifest_quota *ret)
{
    struct quota_rule rule;
    struct error why = ERROR_INIT;
    uint64_t max_cost;
    ret->draft.limit = limit;
    ret->line = p->map->line;
    if (!manifest_check_fields(r, p, limit ? limit_fields : budget_fields) ||
        !take_members(r, p, ret)) {
        return false;
    }
    /* zones are looked at where they are used */
    return quota_draft_check(&ret->draft, NULL, &rule, &max_cost, &why) || fail_draft(r, p, &why);
}

/* "app: cost per month": as the admin API names those of a key. */
static bool name_of_key(const struct manifest_reader *r, struct str key, const struct map *names,
                        struct manifest_quota *q)
{
    const struct quota_draft *d = &q->draft;
    struct str tail = d->window.len ? arena_printf(r->arena, ": %.*s per %.*s", STR_ARG(d->metric),
                                                   STR_ARG(d->window))
                                    : arena_printf(r->arena, ": %.*s", STR_ARG(d->metric));
    q->name = arena_printf(r->arena, "%.*s%.*s", STR_ARG(key), STR_ARG(tail));
    for (unsigned n = 2; q->name.ptr && map_get(names, q->name); n++) {
        q->name = arena_printf(r->arena, "%.*s%.*s %u", STR_ARG(key), STR_ARG(tail), n);
    }
    return q->name.ptr || manifest_fail_memory(r);
}

static bool scope_to_key(const struct manifest_reader *r, struct str key, struct manifest_quota *q)
{
    struct quota_scope_text *scope = arena_zalloc(r->arena, sizeof(*scope));
    if (!scope) {
        return manifest_fail_memory(r);
    }
    *scope = (struct quota_scope_text){.kind = STR_LIT("key"), .value = key};
    q->draft.scopes = scope;
    q->draft.n_scopes = 1;
    return true;
}

struct reading {
    const struct manifest_reader *r;
    const char *field; /* "budgets" */
    bool limit;
    struct map *names;
    struct manifest_quota *list;
    size_t n;
};

static bool read_top(struct reading *g, const struct manifest_place *top)
{
    const struct yaml_node *list = yaml_get(top->map, g->field);
    for (size_t i = 0; list && i < list->n; i++) {
        struct manifest_quota *q = &g->list[g->n];
        struct manifest_place at;
        q->index = i;
        if (!manifest_enter(g->r, top, g->field, list, i, &at) ||
            !read_quota(g->r, &at, g->limit, q)) {
            return false;
        }
        if (q->name.len == 0 || q->name.len > NAME_MAX_BYTES) {
            return manifest_fail(g->r, at.map, at.path, "name",
                                 q->name.len ? "name must be at most 100 bytes"
                                             : "missing field \"name\"");
        }
        if (!manifest_claim_name(g->r, g->names, &at, q->name, q)) {
            return false;
        }
        g->n++;
    }
    return true;
}

static bool read_of_key(struct reading *g, const struct manifest_place *key, struct str name)
{
    const struct yaml_node *list = yaml_get(key->map, g->field);
    for (size_t i = 0; list && i < list->n; i++) {
        struct manifest_quota *q = &g->list[g->n];
        struct manifest_place at;
        q->index = i;
        q->of_key = true;
        if (!manifest_enter(g->r, key, g->field, list, i, &at) ||
            !read_quota(g->r, &at, g->limit, q)) {
            return false;
        }
        if (q->draft.n_scopes) {
            return manifest_fail(g->r, yaml_get(at.map, "scopes"), at.path, "scopes",
                                 "scopes is the key itself here");
        }
        if (!scope_to_key(g->r, name, q) ||
            (q->name.len == 0 && !name_of_key(g->r, name, g->names, q)) ||
            !manifest_claim_name(g->r, g->names, &at, q->name, q)) {
            return false;
        }
        g->n++;
    }
    return true;
}

static bool count_lists(const struct manifest_reader *r, const struct manifest_place *top,
                        const char *field, size_t *ret)
{
    const struct yaml_node *keys = yaml_get(top->map, "keys"), *list = yaml_get(top->map, field);
    size_t n = 0;
    for (size_t i = 0; i <= (keys ? keys->n : 0); i++) {
        if (i > 0) {
            list = yaml_get(keys->items[i - 1], field);
        }
        if (list && list->kind != YAML_SEQ) {
            return manifest_fail(r, list, "", field, "%s must be a list", field);
        }
        n += list ? list->n : 0;
    }
    *ret = n;
    return true;
}

static bool read_all(struct reading *g, const struct manifest_place *top, const struct manifest *m)
{
    const struct yaml_node *keys = yaml_get(top->map, "keys");
    if (!read_top(g, top)) {
        return false;
    }
    for (size_t i = 0; keys && i < keys->n; i++) {
        struct manifest_place at;
        if (!manifest_enter(g->r, top, "keys", keys, i, &at) ||
            !read_of_key(g, &at, m->keys[i].name)) {
            return false;
        }
    }
    return true;
}

bool manifest_read_quotas(const struct manifest_reader *r, const struct manifest_place *top,
                          struct manifest *m)
{
    for (unsigned limit = 0; limit < 2; limit++) {
        struct reading g = {.r = r, .field = limit ? "limits" : "budgets", .limit = limit != 0};
        size_t room = 0;
        if (!count_lists(r, top, g.field, &room)) {
            return false;
        }
        g.list = arena_zalloc(r->arena, (room + 1) * sizeof(*g.list));
        if (!g.list) {
            return manifest_fail_memory(r);
        }
        g.names = map_new();
        bool ok = read_all(&g, top, m);
        map_free(g.names);
        if (!ok) {
            return false;
        }
        if (limit) {
            m->limits = g.list;
            m->n_limits = g.n;
        } else {
            m->budgets = g.list;
            m->n_budgets = g.n;
        }
    }
    return true;
}
