/* YAML tree to plain structs. Every complaint carries the place (line, column) and the path of the
 * field, and the first one ends the reading: a manifest is taken whole or not at all. */
#include "common/rules/manifest.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/map.h"
#include "common/rules/manifest_read.h"
#include "common/rules/model_name.h"
#include "common/rules/provider.h"
#include "common/yaml.h"

#define WEIGHT_MAX 1000000u
#define NO_MAX UINT64_MAX

static bool read_target(const struct manifest_reader *r, const struct manifest_place *p,
                        struct manifest_target *ret)
{
    static const char *const fields[] = {"provider", "model", "weight", "endpoint", NULL};
    ret->weight = 1;
    if (!manifest_check_fields(r, p, fields) ||
        !manifest_take_text(r, p, "provider", true, &ret->provider) ||
        !manifest_take_model_name(r, p, "model", &ret->model) ||
        !manifest_take_number(r, p, "weight", WEIGHT_MAX, &ret->weight) ||
        !manifest_take_text(r, p, "endpoint", false, &ret->endpoint)) {
        return false;
    }
    const struct manifest_provider *provider = map_get(r->providers, ret->provider);
    if (!provider) {
        return manifest_fail(r, yaml_get(p->map, "provider"), p->path, "provider",
                             "no provider is named \"%.*s\"", manifest_shown(ret->provider),
                             ret->provider.ptr);
    }
    if (ret->endpoint.ptr && provider_api_named(ret->endpoint) == API_NONE) {
        return manifest_fail(r, yaml_get(p->map, "endpoint"), p->path, "endpoint",
                             "unknown endpoint \"%.*s\"", manifest_shown(ret->endpoint),
                             ret->endpoint.ptr);
    }
    return true;
}

/* A `*` at the end of a name stands for the rest of what a client asks for; in a target's model it
 * is put in again. */
static bool check_wildcards(const struct manifest_reader *r, const struct manifest_place *p,
                            const struct yaml_node *list, const struct manifest_model *m)
{
    const char *star = memchr(m->name.ptr, '*', m->name.len);
    if (star && star != m->name.ptr + m->name.len - 1) {
        return manifest_fail(r, yaml_get(p->map, "name"), p->path, "name",
                             "a '*' may stand only at the end of a name");
    }
    for (size_t i = 0; !star && i < m->n_targets; i++) {
        if (memchr(m->targets[i].model.ptr, '*', m->targets[i].model.len)) {
            return manifest_fail(r, yaml_get(list->items[i], "model"), p->path, "targets",
                                 "a target's model may hold a '*' only where the name has one");
        }
    }
    return true;
}

static bool read_model(const struct manifest_reader *r, const struct manifest_place *p,
                       struct manifest_model *ret)
{
    static const char *const fields[] = {"name", "targets", "config", NULL};
    const struct yaml_node *list;
    uint64_t weights = 0;
    ret->line = p->map->line;
    if (!manifest_check_fields(r, p, fields) ||
        !manifest_take_model_name(r, p, "name", &ret->name) ||
        !manifest_take_config(r, p, &ret->config) ||
        !manifest_take_list(r, p, "targets", sizeof(*ret->targets), &list, &ret->targets)) {
        return false;
    }
    if ((!list || list->n == 0) && !ret->config.ptr) {
        return manifest_fail(r, list ? list : p->map, p->path, "targets",
                             "targets must hold at least one");
    }
    for (size_t i = 0; list && i < list->n; i++) {
        struct manifest_place at;
        if (!manifest_enter(r, p, "targets", list, i, &at) ||
            !read_target(r, &at, &ret->targets[i])) {
            return false;
        }
        weights += ret->targets[i].weight;
    }
    if (list && list->n && weights == 0) {
        return manifest_fail(r, list, p->path, "targets",
                             "at least one target needs a weight above 0");
    }
    ret->n_targets = list ? list->n : 0;
    return check_wildcards(r, p, list, ret);
}

static bool read_providers(const struct manifest_reader *r, const struct manifest_place *top,
                           struct manifest *m)
{
    const struct yaml_node *list;
    if (!manifest_take_list(r, top, "providers", sizeof(*m->providers), &list, &m->providers)) {
        return false;
    }
    for (size_t i = 0; list && i < list->n; i++) {
        struct manifest_place at;
        if (!manifest_enter(r, top, "providers", list, i, &at) ||
            !manifest_read_provider(r, &at, &m->providers[i]) ||
            !manifest_claim_name(r, r->providers, &at, m->providers[i].name, &m->providers[i])) {
            return false;
        }
        m->n_providers++;
    }
    return true;
}

static bool read_models(const struct manifest_reader *r, const struct manifest_place *top,
                        struct manifest *m)
{
    const struct yaml_node *list;
    struct map *names = map_new();
    bool ok = manifest_take_list(r, top, "models", sizeof(*m->models), &list, &m->models);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct manifest_place at;
        ok = manifest_enter(r, top, "models", list, i, &at) && read_model(r, &at, &m->models[i]) &&
             manifest_claim_name(r, names, &at, m->models[i].name, &m->models[i]);
        m->n_models++;
    }
    map_free(names);
    return ok;
}

bool manifest_parse(const struct yaml_node *root, struct arena *a, struct manifest *ret,
                    struct error *err)
{
    static const char *const fields[] = {
        "version",  "providers",        "models",     "keys",    "configs",
        "teams",    "service_accounts", "budgets",    "limits",  "prompts",
        "settings", "price_groups",     "price_book", "issuers", NULL};
    struct manifest_reader r = {.arena = a, .err = err};
    struct manifest_place top = {.map = root};
    struct manifest m = {.settings = yaml_get(root, "settings")};
    if (root->kind != YAML_MAP) {
        return manifest_fail(&r, root, "", "", "a manifest must be a map");
    }
    if (!manifest_check_fields(&r, &top, fields) ||
        !manifest_take_number(&r, &top, "version", NO_MAX, &m.version)) {
        return false;
    }
    if (m.version != 1) {
        const struct yaml_node *version = yaml_get(root, "version");
        return manifest_fail(&r, version ? version : root, "", "version",
                             version ? "version must be 1"
                                     : "missing field \"version\" (it must be 1)");
    }
    if (m.settings && m.settings->kind != YAML_MAP) {
        return manifest_fail(&r, m.settings, "", "settings", "settings must be a map");
    }
    r.providers = map_new();
    bool ok = read_providers(&r, &top, &m) && read_models(&r, &top, &m) &&
              manifest_read_keys(&r, &top, &m) && manifest_read_quotas(&r, &top, &m) &&
              manifest_read_issuers(&r, &top, &m) && manifest_read_documents(&r, &top, &m) &&
              manifest_read_prices(&r, &top, &m);
    map_free(r.providers);
    if (ok) {
        *ret = m;
    }
    return ok;
}
