/* weir.yaml to snapshot: manifest structs are packed as the messages of proto/snapshot.proto and
 * put through the builder, so that nothing behind it can tell the two modes apart. */
#include "dataplane/standalone/standalone.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/map.h"
#include "common/crypto.h"
#include "common/rules/apikey.h"
#include "common/rules/manifest.h"
#include "common/rules/route_config.h"
#include "common/yaml.h"
#include "dataplane/snapshot/base_url.h"
#include "proto/snapshot.pb-c.h"

#define FILE_MAX_BYTES (16u << 20)
#define ARENA_MAX_BYTES (256u << 20)
#define SCOPE_NAME "default"

struct uuid standalone_id(unsigned kind, struct str name)
{
    uint8_t hash[32];
    struct buffer text;
    struct uuid id;
    buffer_init(&text, 4096);
    (void)buffer_printf(&text, "weir standalone %u ", kind);
    (void)buffer_append_str(&text, name);
    crypto_sha256(text.ptr, text.len, hash);
    buffer_release(&text);
    memcpy(id.b, hash, sizeof(id.b));
    id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x80); /* UUIDv8: made of a hash */
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}

/* What is being built: ids that recur, and the packed bytes of the message at hand. */
struct build {
    struct snapshot_builder *builder;
    struct arena *arena;
    struct uuid organization, workspace;
    struct buffer bytes;
    struct map *secrets; /* secret -> struct manifest_key */
    struct map *configs; /* name -> struct manifest_document */
};

static ProtobufCBinaryData bytes_of(const void *p, size_t n)
{
    return (ProtobufCBinaryData){.len = n, .data = (uint8_t *)(uintptr_t)p};
}

/* Texts of a manifest end in NUL or not, so each is copied once with one. */
static char *text_of(struct build *b, struct str s)
{
    struct str copy = arena_str(b->arena, s.ptr ? s : STR_LIT(""));
    return (char *)(uintptr_t)(copy.ptr ? copy.ptr : "");
}

static bool put(struct build *b, unsigned kind, const struct uuid *id, const ProtobufCMessage *m,
                struct error *err)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    buffer_clear(&b->bytes);
    if (!buffer_reserve(&b->bytes, n + 1)) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    b->bytes.len = protobuf_c_message_pack(m, (uint8_t *)b->bytes.ptr);
    return snapshot_builder_put(b->builder, kind, id, buffer_str(&b->bytes), err);
}

static bool put_scopes(struct build *b, struct error *err)
{
    char name[] = SCOPE_NAME;
    Weir__Organization o = WEIR__ORGANIZATION__INIT;
    Weir__Workspace w = WEIR__WORKSPACE__INIT;
    b->organization = standalone_id(WEIR__KIND__KIND_ORGANIZATION, STR_LIT(SCOPE_NAME));
    b->workspace = standalone_id(WEIR__KIND__KIND_WORKSPACE, STR_LIT(SCOPE_NAME));
    o.id = w.organization_id = bytes_of(b->organization.b, 16);
    w.id = bytes_of(b->workspace.b, 16);
    o.name = w.name = name;
    return put(b, WEIR__KIND__KIND_ORGANIZATION, &b->organization, &o.base, err) &&
           put(b, WEIR__KIND__KIND_WORKSPACE, &b->workspace, &w.base, err);
}

/* Errors name the node that is wrong: line and column of `field` of item i in the list called
 * `list`. */
static bool wrong_at(const struct yaml_node *root, const char *list, size_t i, const char *field,
                     struct error *err)
{
    const struct yaml_node *items = yaml_get(root, list);
    const struct yaml_node *item = items && i < items->n ? items->items[i] : NULL;
    const struct yaml_node *at = item && field ? yaml_get(item, field) : NULL;
    at = at ? at : item;
    if (at) {
        err->line = at->line;
        err->column = at->column;
    }
    (void)snprintf(err->param, sizeof(err->param), field ? "%s[%zu].%s" : "%s[%zu]", list, i,
                   field);
    return false;
}

static bool put_provider(struct build *b, const struct yaml_node *root, const struct manifest *m,
                         size_t i, struct error *err)
{
    const struct manifest_provider *p = &m->providers[i];
    struct uuid id = standalone_id(WEIR__KIND__KIND_PROVIDER, p->name);
    struct base_url url;
    const struct provider_row *row = provider_row_named(p->kind);
    struct str base = p->base_url.len ? p->base_url : str_of(row ? row->base_url : "");
    /* "{region}" and the like are filled in, and checked, when the snapshot is built */
    if (base.len && !memchr(base.ptr, '{', base.len) && !base_url_split(base, &url, err)) {
        return wrong_at(root, "providers", i, "base_url", err);
    }
    Weir__Credential credential = WEIR__CREDENTIAL__INIT;
    Weir__Provider out = WEIR__PROVIDER__INIT;
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.name = text_of(b, p->name);
    out.kind = text_of(b, p->kind);
    out.base_url = text_of(b, p->base_url);
    out.timeout_ms = p->timeout_ms;
    out.settings_json = text_of(b, p->settings_json);
    if (p->credential.ptr) {
        credential.sealed = bytes_of(p->credential.ptr, p->credential.len);
        out.credential = &credential;
    }
    return put(b, WEIR__KIND__KIND_PROVIDER, &id, &out.base, err);
}

/* A reference to a routing config must mean something here: the file is all there is. */
static bool check_reference(struct build *b, struct str text, struct error *err)
{
    struct route_ref ref;
    if (text.len == 0 || !route_ref_parse(text, &ref) || str_starts(ref.name, STR_LIT("cfg_"))) {
        return true;
    }
    const struct manifest_document *d = map_get(b->configs, ref.name);
    if (!d) {
        return error_set(err, ERR_INVALID_FIELD, "no config is named \"%.*s\"",
                         STR_ARG(str_slice(ref.name, 0, 80)));
    }
    bool found = ref.label.len == 0 || str_eqz(ref.label, "latest");
    for (size_t i = 0; !found && i < d->n_labels; i++) {
        found = str_eq(d->labels[i], ref.label);
    }
    if (!found) {
        return error_set(err, ERR_INVALID_FIELD, "config \"%.*s\" has no label \"%.*s\"",
                         STR_ARG(d->name), STR_ARG(ref.label));
    }
    return ref.version <= 1 ||
           error_set(err, ERR_INVALID_FIELD, "config \"%.*s\" has no version but 1 in a file",
                     STR_ARG(d->name));
}

static bool put_model(struct build *b, const struct manifest_model *m, struct error *err)
{
    struct uuid id = standalone_id(WEIR__KIND__KIND_MODEL, m->name);
    struct uuid *providers = arena_zalloc(b->arena, (m->n_targets + 1) * sizeof(*providers));
    Weir__Target *targets = arena_zalloc(b->arena, (m->n_targets + 1) * sizeof(*targets));
    Weir__Target **list = arena_zalloc(b->arena, (m->n_targets + 1) * sizeof(*list));
    Weir__Model out = WEIR__MODEL__INIT;
    if (!providers || !targets || !list) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    for (size_t i = 0; i < m->n_targets; i++) {
        const struct manifest_target *t = &m->targets[i];
        providers[i] = standalone_id(WEIR__KIND__KIND_PROVIDER, t->provider);
        weir__target__init(&targets[i]);
        targets[i].provider_id = bytes_of(providers[i].b, 16);
        targets[i].model = text_of(b, t->model);
        targets[i].endpoint = text_of(b, t->endpoint);
        targets[i].weight = t->weight > UINT32_MAX ? UINT32_MAX : (uint32_t)t->weight;
        list[i] = &targets[i];
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.name = text_of(b, m->name);
    out.targets = list;
    out.n_targets = m->n_targets;
    out.config = text_of(b, m->config);
    return put(b, WEIR__KIND__KIND_MODEL, &id, &out.base, err);
}

static char **texts_of(struct build *b, const struct str *items, size_t n)
{
    char **list = arena_zalloc(b->arena, (n + 1) * sizeof(*list));
    for (size_t i = 0; list && i < n; i++) {
        list[i] = text_of(b, items[i]);
    }
    return list;
}

/* Two keys with one secret could not be told apart. */
static bool secret_is_new(struct build *b, const struct manifest_key *k, struct error *err)
{
    const struct manifest_key *other = map_put(b->secrets, k->secret, (void *)(uintptr_t)k);
    return !other ||
           error_set(err, ERR_INVALID_FIELD, "key \"%.*s\" has the same secret as key \"%.*s\"",
                     STR_ARG(k->name), STR_ARG(other->name));
}

static bool put_key(struct build *b, const struct yaml_node *root, const struct manifest *m,
                    size_t i, struct error *err)
{
    const struct manifest_key *k = &m->keys[i];
    struct uuid id = standalone_id(WEIR__KIND__KIND_KEY, k->name);
    uint8_t hash[32];
    Weir__Key out = WEIR__KEY__INIT;
    if (k->secret.len == 0) {
        (void)error_set(err, ERR_INVALID_FIELD,
                        "key \"%.*s\" needs a secret: a proxy on its own mints none",
                        STR_ARG(k->name));
        return wrong_at(root, "keys", i, NULL, err);
    }
    if (!secret_is_new(b, k, err)) {
        return wrong_at(root, "keys", i, "secret", err);
    }
    apikey_hash(k->secret, hash);
    ProtobufCBinaryData secret = bytes_of(hash, sizeof(hash));
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.n_secret_sha256 = 1;
    out.secret_sha256 = &secret;
    out.name = text_of(b, k->name);
    out.models = texts_of(b, k->models, k->n_models);
    out.n_models = k->n_models;
    out.providers = texts_of(b, k->providers, k->n_providers);
    out.n_providers = k->n_providers;
    out.expires_at_ms = (int64_t)k->expires_at_ms;
    out.disabled = k->disabled;
    out.config = text_of(b, k->config);
    out.config_locked = k->config_locked;
    out.tags = texts_of(b, k->tags, k->n_tags);
    out.n_tags = k->n_tags;
    if (!out.models || !out.providers || !out.tags) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    return put(b, WEIR__KIND__KIND_KEY, &id, &out.base, err);
}

/* What a file says is version 1 of it, published, and what all its labels mean. */
static bool describe(struct build *b, const struct manifest_document *d,
                     Weir__DocumentVersion *version, Weir__DocumentLabel ***ret_labels)
{
    Weir__DocumentLabel *labels = arena_zalloc(b->arena, (d->n_labels + 1) * sizeof(*labels));
    Weir__DocumentLabel **list = arena_zalloc(b->arena, (d->n_labels + 1) * sizeof(*list));
    if (!labels || !list) {
        return false;
    }
    weir__document_version__init(version);
    version->number = 1;
    version->document_json = text_of(b, d->json);
    for (size_t i = 0; i < d->n_labels; i++) {
        weir__document_label__init(&labels[i]);
        labels[i].name = text_of(b, d->labels[i]);
        labels[i].version = 1;
        list[i] = &labels[i];
    }
    *ret_labels = list;
    return true;
}

static bool put_config(struct build *b, const struct manifest_document *d, struct error *err)
{
    struct uuid id = standalone_id(WEIR__KIND__KIND_CONFIG, d->name);
    Weir__DocumentVersion version, *versions[] = {&version};
    Weir__Config out = WEIR__CONFIG__INIT;
    if (!describe(b, d, &version, &out.labels)) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.name = text_of(b, d->name);
    out.versions = versions;
    out.n_versions = 1;
    out.n_labels = d->n_labels;
    out.published = 1;
    return put(b, WEIR__KIND__KIND_CONFIG, &id, &out.base, err);
}

static bool put_prompt(struct build *b, const struct manifest_document *d, struct error *err)
{
    struct uuid id = standalone_id(WEIR__KIND__KIND_PROMPT, d->name);
    Weir__DocumentVersion version, *versions[] = {&version};
    Weir__Prompt out = WEIR__PROMPT__INIT;
    if (!describe(b, d, &version, &out.labels)) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.name = text_of(b, d->name);
    out.versions = versions;
    out.n_versions = 1;
    out.n_labels = d->n_labels;
    out.published = 1;
    out.partial = d->partial;
    return put(b, WEIR__KIND__KIND_PROMPT, &id, &out.base, err);
}

static bool put_documents(struct build *b, const struct yaml_node *root, const struct manifest *m,
                          struct error *err)
{
    for (size_t i = 0; i < m->n_configs; i++) {
        if (!put_config(b, &m->configs[i], err)) {
            return wrong_at(root, "configs", i, "document", err);
        }
    }
    for (size_t i = 0; i < m->n_prompts; i++) {
        if (!put_prompt(b, &m->prompts[i], err)) {
            return wrong_at(root, "prompts", i, "document", err);
        }
    }
    return true;
}

static bool build_all(struct build *b, const struct yaml_node *root, const struct manifest *m,
                      struct error *err)
{
    for (size_t i = 0; i < m->n_configs; i++) {
        (void)map_put(b->configs, m->configs[i].name, &m->configs[i]);
    }
    if (!put_scopes(b, err) || !put_documents(b, root, m, err)) {
        return false;
    }
    for (size_t i = 0; i < m->n_providers; i++) {
        if (!put_provider(b, root, m, i, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_models; i++) {
        if (!check_reference(b, m->models[i].config, err)) {
            return wrong_at(root, "models", i, "config", err);
        }
        if (!put_model(b, &m->models[i], err)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_keys; i++) {
        if (!check_reference(b, m->keys[i].config, err)) {
            return wrong_at(root, "keys", i, "config", err);
        }
        if (!put_key(b, root, m, i, err)) {
            return false;
        }
    }
    return true;
}

/* Versions of a proxy on its own need only differ when the content does; 48 bits, which every
 * reader of JSON can hold. */
static struct snapshot *finish_with_version(struct snapshot_builder *b, struct error *err)
{
    uint8_t hash[32];
    uint64_t version = 0;
    struct snapshot *first = snapshot_builder_finish(b, 1, err), *s = NULL;
    if (first) {
        snapshot_root_hash(first, hash);
        memcpy(&version, hash, 6);
        s = snapshot_builder_finish(snapshot_builder_new(first), version | 1, err);
        snapshot_unref(first);
    }
    return s;
}

static bool build_snapshot(const struct yaml_node *root, const struct manifest *m,
                           struct arena *arena, struct snapshot **ret, struct error *err)
{
    struct build b = {.builder = snapshot_builder_new(NULL), .arena = arena};
    struct snapshot *s = NULL;
    buffer_init(&b.bytes, FILE_MAX_BYTES);
    b.secrets = map_new();
    b.configs = map_new();
    bool ok = build_all(&b, root, m, err);
    map_free(b.secrets);
    map_free(b.configs);
    buffer_release(&b.bytes);
    if (ok) {
        s = finish_with_version(b.builder, err);
    } else {
        snapshot_builder_free(b.builder);
    }
    if (!s) {
        return false;
    }
    if (ret) {
        *ret = s;
    } else {
        snapshot_unref(s);
    }
    return true;
}

/* Takes over the arena. */
static bool finish(struct yaml_node *root, struct arena *arena, struct snapshot **ret,
                   struct standalone_settings *ret_settings, struct error *err)
{
    struct manifest m;
    memset(&m, 0, sizeof(m));
    if (!manifest_parse(root, arena, &m, err) || !build_snapshot(root, &m, arena, ret, err)) {
        arena_free(arena);
        return false;
    }
    if (ret_settings) {
        *ret_settings = (struct standalone_settings){.arena = arena, .node = m.settings};
    } else {
        arena_free(arena);
    }
    return true;
}

bool standalone_load(const char *path, struct snapshot **ret,
                     struct standalone_settings *ret_settings, struct error *err)
{
    struct arena *arena = arena_new(ARENA_MAX_BYTES);
    struct yaml_node *root;
    if (!yaml_parse_file(path, FILE_MAX_BYTES, arena, &root, err)) {
        arena_free(arena);
        return false;
    }
    return finish(root, arena, ret, ret_settings, err);
}

bool standalone_parse(struct str text, struct snapshot **ret,
                      struct standalone_settings *ret_settings, struct error *err)
{
    struct arena *arena = arena_new(ARENA_MAX_BYTES);
    struct yaml_node *root;
    if (!yaml_parse(text, FILE_MAX_BYTES, arena, &root, err)) {
        arena_free(arena);
        return false;
    }
    return finish(root, arena, ret, ret_settings, err);
}

void standalone_settings_release(struct standalone_settings *s)
{
    arena_free(s->arena);
    *s = (struct standalone_settings){0};
}
