/* Keys of a manifest, and who they belong to: teams and service accounts. */
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/json.h"
#include "common/rules/ip_block.h"
#include "common/rules/manifest_read.h"
#include "common/rules/model_name.h"
#include "common/yaml.h"

#define EXPIRES_MAX_S 253402300799u /* the end of year 9999 */
#define TAG_MAX_BYTES 100
#define METADATA_MAX_BYTES 4096

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

static bool take_texts(const struct manifest_reader *r, const struct manifest_place *p,
                       const char *field, size_t max_bytes, struct str **ret, size_t *ret_n)
{
    const struct yaml_node *list;
    if (!manifest_take_list(r, p, field, sizeof(**ret), &list, ret)) {
        return false;
    }
    for (size_t i = 0; list && i < list->n; i++) {
        const struct yaml_node *n = list->items[i];
        char at[48];
        (void)snprintf(at, sizeof(at), "%s[%zu]", field, i);
        if (n->kind != YAML_SCALAR || yaml_is_null(n) || n->text.len == 0 ||
            n->text.len > max_bytes) {
            return manifest_fail(r, n, p->path, at, "%s must be a text of 1 to %zu bytes", at,
                                 max_bytes);
        }
        (*ret)[i] = n->text;
        (*ret_n)++;
    }
    return true;
}

static bool take_addresses(const struct manifest_reader *r, const struct manifest_place *p,
                           struct manifest_key *ret)
{
    const struct yaml_node *list = yaml_get(p->map, "ip_allow");
    if (!take_texts(r, p, "ip_allow", IP_BLOCK_TEXT_MAX, &ret->ip_allow, &ret->n_ip_allow)) {
        return false;
    }
    for (size_t i = 0; i < ret->n_ip_allow; i++) {
        struct ip_block block;
        char at[32], text[IP_BLOCK_TEXT_MAX];
        (void)snprintf(at, sizeof(at), "ip_allow[%zu]", i);
        if (!ip_block_parse(ret->ip_allow[i], &block)) {
            return manifest_fail(r, list->items[i], p->path, at,
                                 "%s must be an address or a block such as 10.0.0.0/8 or "
                                 "2001:db8::/32",
                                 at);
        }
        ret->ip_allow[i] = arena_str(r->arena, (struct str){text, ip_block_format(&block, text)});
        if (!ret->ip_allow[i].ptr) {
            return manifest_fail_memory(r);
        }
    }
    return true;
}

/* What requests with this key have as metadata from the start. */
static bool take_metadata(const struct manifest_reader *r, const struct manifest_place *p,
                          struct manifest_key *ret)
{
    const struct yaml_node *n = yaml_get(p->map, "metadata");
    struct buffer text;
    struct json_writer w;
    if (!n) {
        return true;
    }
    if (n->kind != YAML_MAP) {
        return manifest_fail(r, n, p->path, "metadata", "metadata must be a map");
    }
    buffer_init(&text, METADATA_MAX_BYTES);
    json_writer_init(&w, &text);
    manifest_put_json(n, &w);
    bool fits = !text.failed;
    if (fits) {
        ret->metadata_json = arena_str(r->arena, buffer_str(&text));
    }
    buffer_release(&text);
    return fits || manifest_fail(r, n, p->path, "metadata", "metadata must be at most %d bytes",
                                 METADATA_MAX_BYTES);
}

static bool take_owner(const struct manifest_reader *r, const struct manifest_place *p,
                       struct manifest_key *ret)
{
    if (!manifest_take_text(r, p, "user", false, &ret->user) ||
        !manifest_take_text(r, p, "team", false, &ret->team) ||
        !manifest_take_text(r, p, "service_account", false, &ret->service_account) ||
        !manifest_take_text(r, p, "price_group", false, &ret->price_group)) {
        return false;
    }
    return !ret->user.ptr || !ret->service_account.ptr ||
           manifest_fail(r, yaml_get(p->map, "service_account"), p->path, "service_account",
                         "service_account stands instead of user: a key has one of them");
}

static bool take_bounds(const struct manifest_reader *r, const struct manifest_place *p,
                        struct manifest_key *ret)
{
    return take_texts(r, p, "endpoints", 200, &ret->endpoints, &ret->n_endpoints) &&
           take_texts(r, p, "configs", 200, &ret->configs, &ret->n_configs) &&
           take_texts(r, p, "mcp_tools", 200, &ret->mcp_tools, &ret->n_mcp_tools) &&
           take_texts(r, p, "required_metadata", 200, &ret->required_metadata,
                      &ret->n_required_metadata) &&
           take_texts(r, p, "admin_permissions", 200, &ret->admin_permissions,
                      &ret->n_admin_permissions) &&
           take_addresses(r, p, ret) && take_metadata(r, p, ret);
}

static bool read_key(const struct manifest_reader *r, const struct manifest_place *p,
                     struct manifest_key *ret)
{
    static const char *const fields[] = {"name",
                                         "secret",
                                         "models",
                                         "providers",
                                         "disabled",
                                         "expires_at",
                                         "config",
                                         "config_locked",
                                         "tags",
                                         "user",
                                         "team",
                                         "service_account",
                                         "price_group",
                                         "endpoints",
                                         "configs",
                                         "mcp_tools",
                                         "ip_allow",
                                         "required_metadata",
                                         "admin_permissions",
                                         "metadata",
                                         "budgets",
                                         "limits",
                                         NULL};
    ret->line = p->map->line;
    if (!manifest_check_fields(r, p, fields) || !manifest_take_name(r, p, &ret->name) ||
        !manifest_take_secret(r, p, "secret", &ret->secret) ||
        !take_patterns(r, p, "models", false, &ret->models, &ret->n_models) ||
        !take_patterns(r, p, "providers", true, &ret->providers, &ret->n_providers) ||
        !take_expiry(r, p, &ret->expires_at_ms) || !manifest_take_config(r, p, &ret->config) ||
        !manifest_take_bool(r, p, "config_locked", &ret->config_locked) ||
        !take_texts(r, p, "tags", TAG_MAX_BYTES, &ret->tags, &ret->n_tags) ||
        !take_owner(r, p, ret) || !take_bounds(r, p, ret) ||
        !manifest_take_bool(r, p, "disabled", &ret->disabled)) {
        return false;
    }
    return !ret->config_locked || ret->config.ptr ||
           manifest_fail(r, yaml_get(p->map, "config_locked"), p->path, "config_locked",
                         "config_locked needs a config");
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

static bool read_team(const struct manifest_reader *r, const struct manifest_place *p,
                      struct manifest_team *ret)
{
    static const char *const fields[] = {"name", "price_group", "external_id", NULL};
    ret->line = p->map->line;
    return manifest_check_fields(r, p, fields) &&
           manifest_take_text(r, p, "name", true, &ret->name) &&
           manifest_take_text(r, p, "price_group", false, &ret->price_group) &&
           manifest_take_text(r, p, "external_id", false, &ret->external_id);
}

static bool read_teams(const struct manifest_reader *r, const struct manifest_place *top,
                       struct manifest *m)
{
    const struct yaml_node *list;
    struct map *names = map_new();
    bool ok = manifest_take_list(r, top, "teams", sizeof(*m->teams), &list, &m->teams);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct manifest_place at;
        ok = manifest_enter(r, top, "teams", list, i, &at) && read_team(r, &at, &m->teams[i]) &&
             manifest_claim_name(r, names, &at, m->teams[i].name, &m->teams[i]);
        m->n_teams++;
    }
    map_free(names);
    return ok;
}

static bool read_account(const struct manifest_reader *r, const struct manifest_place *p,
                         struct manifest_service_account *ret)
{
    static const char *const fields[] = {"name", "description", "team", "disabled", NULL};
    ret->line = p->map->line;
    return manifest_check_fields(r, p, fields) &&
           manifest_take_text(r, p, "name", true, &ret->name) &&
           manifest_take_text(r, p, "description", false, &ret->description) &&
           manifest_take_text(r, p, "team", false, &ret->team) &&
           manifest_take_bool(r, p, "disabled", &ret->disabled);
}

static bool read_accounts(const struct manifest_reader *r, const struct manifest_place *top,
                          struct manifest *m)
{
    const struct yaml_node *list;
    struct map *names = map_new();
    bool ok = manifest_take_list(r, top, "service_accounts", sizeof(*m->service_accounts), &list,
                                 &m->service_accounts);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct manifest_service_account *a = &m->service_accounts[i];
        struct manifest_place at;
        ok = manifest_enter(r, top, "service_accounts", list, i, &at) && read_account(r, &at, a) &&
             manifest_claim_name(r, names, &at, a->name, a);
        m->n_service_accounts++;
    }
    map_free(names);
    return ok;
}

bool manifest_read_keys(const struct manifest_reader *r, const struct manifest_place *top,
                        struct manifest *m)
{
    return read_teams(r, top, m) && read_accounts(r, top, m) && read_keys(r, top, m);
}
