/* YAML tree to plain structs. Every complaint carries the place (line, column) and the path of the
 * field, and the first one ends the reading: a manifest is taken whole or not at all. */
#include "common/rules/manifest.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/rules/manifest_read.h"
#include "common/rules/model_name.h"
#include "common/rules/provider.h"
#include "common/yaml.h"

#define WEIGHT_MAX 1000000u
#define EXPIRES_MAX_S 253402300799u /* the end of year 9999 */
#define NO_MAX UINT64_MAX
#define TAG_MAX_BYTES 100

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

/* A list of texts; absent means everything. */
static bool take_patterns(const struct manifest_reader *r, const struct manifest_place *p,
                          const char *field, bool of_providers, struct str **ret, size_t *ret_n)
{
    static struct str all = {"*", 1};
    const struct yaml_node *list;
    struct str *texts = NULL;
    if (!manifest_take_list(r, p, field, sizeof(*texts), &list, &texts)) {
        return false;
    }
    if (!list) {
        *ret = &all;
        *ret_n = 1;
        return true;
    }
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *n = list->items[i];
        char at[32];
        (void)snprintf(at, sizeof(at), "%s[%zu]", field, i);
        if (n->kind != YAML_SCALAR || yaml_is_null(n) || !model_name_valid(n->text)) {
            return manifest_fail(r, n, p->path, at, "%s must be a name or a pattern such as \"*\"",
                                 at);
        }
        if (of_providers && !memchr(n->text.ptr, '*', n->text.len) &&
            !map_get(r->providers, n->text)) {
            return manifest_fail(r, n, p->path, at, "no provider is named \"%.*s\"",
                                 manifest_shown(n->text), n->text.ptr);
        }
        texts[i] = n->text;
    }
    *ret = texts;
    *ret_n = list->n;
    return true;
}

static bool take_expiry(const struct manifest_reader *r, const struct manifest_place *p,
                        uint64_t *ret_ms)
{
    const struct yaml_node *n = yaml_get(p->map, "expires_at");
    uint64_t seconds;
    if (!n) {
        return true;
    }
    if (yaml_u64(n, &seconds) && seconds > 0 && seconds <= EXPIRES_MAX_S) {
        *ret_ms = seconds * 1000;
        return true;
    }
    if (n->kind != YAML_SCALAR || !clock_parse_rfc3339(n->text, ret_ms)) {
        return manifest_fail(
            r, n, p->path, "expires_at",
            "expires_at must be a time such as 2027-01-31T00:00:00Z, or Unix seconds");
    }
    return true;
}

/* What conditions of routing configs see as caller.tags. */
static bool take_tags(const struct manifest_reader *r, const struct manifest_place *p,
                      struct manifest_key *ret)
{
    const struct yaml_node *list;
    if (!manifest_take_list(r, p, "tags", sizeof(*ret->tags), &list, &ret->tags)) {
        return false;
    }
    for (size_t i = 0; list && i < list->n; i++) {
        const struct yaml_node *n = list->items[i];
        char at[32];
        (void)snprintf(at, sizeof(at), "tags[%zu]", i);
        if (n->kind != YAML_SCALAR || yaml_is_null(n) || n->text.len == 0 ||
            n->text.len > TAG_MAX_BYTES) {
            return manifest_fail(r, n, p->path, at, "%s must be a text of 1 to %d bytes", at,
                                 TAG_MAX_BYTES);
        }
        ret->tags[i] = n->text;
        ret->n_tags++;
    }
    return true;
}

static bool read_key(const struct manifest_reader *r, const struct manifest_place *p,
                     struct manifest_key *ret)
{
    static const char *const fields[] = {"name",     "secret",     "models", "providers",
                                         "disabled", "expires_at", "config", "config_locked",
                                         "tags",     NULL};
    ret->line = p->map->line;
    if (!manifest_check_fields(r, p, fields) || !manifest_take_name(r, p, &ret->name) ||
        !manifest_take_secret(r, p, "secret", &ret->secret) ||
        !take_patterns(r, p, "models", false, &ret->models, &ret->n_models) ||
        !take_patterns(r, p, "providers", true, &ret->providers, &ret->n_providers) ||
        !take_expiry(r, p, &ret->expires_at_ms) || !manifest_take_config(r, p, &ret->config) ||
        !manifest_take_bool(r, p, "config_locked", &ret->config_locked) || !take_tags(r, p, ret) ||
        !manifest_take_bool(r, p, "disabled", &ret->disabled)) {
        return false;
    }
    return !ret->config_locked || ret->config.ptr ||
           manifest_fail(r, yaml_get(p->map, "config_locked"), p->path, "config_locked",
                         "config_locked needs a config");
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

static bool claim_secret(const struct manifest_reader *r, struct map *secrets,
                         const struct manifest_place *p, const struct manifest_key *key)
{
    const struct manifest_key *other =
        key->secret.ptr ? map_put(secrets, key->secret, (void *)(uintptr_t)key) : NULL;
    if (other) {
        return manifest_fail(r, yaml_get(p->map, "secret"), p->path, "secret",
                             "secret is the same as that of key \"%.*s\"",
                             manifest_shown(other->name), other->name.ptr);
    }
    return true;
}

static bool read_keys(const struct manifest_reader *r, const struct manifest_place *top,
                      struct manifest *m)
{
    const struct yaml_node *list;
    struct map *names = map_new(), *secrets = map_new();
    bool ok = manifest_take_list(r, top, "keys", sizeof(*m->keys), &list, &m->keys);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct manifest_place at;
        ok = manifest_enter(r, top, "keys", list, i, &at) && read_key(r, &at, &m->keys[i]) &&
             manifest_claim_name(r, names, &at, m->keys[i].name, &m->keys[i]) &&
             claim_secret(r, secrets, &at, &m->keys[i]);
        m->n_keys++;
    }
    map_free(names);
    map_free(secrets);
    return ok;
}

bool manifest_parse(const struct yaml_node *root, struct arena *a, struct manifest *ret,
                    struct error *err)
{
    static const char *const fields[] = {"version", "providers", "models",   "keys",
                                         "configs", "prompts",   "settings", NULL};
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
              read_keys(&r, &top, &m) && manifest_read_documents(&r, &top, &m);
    map_free(r.providers);
    if (ok) {
        *ret = m;
    }
    return ok;
}
