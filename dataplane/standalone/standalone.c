/* weir.yaml to snapshot: manifest structs are packed as the messages of proto/snapshot.proto and
 * put through the builder, so that nothing behind it can tell the two modes apart. */
#include "dataplane/standalone/standalone.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/map.h"
#include "common/crypto.h"
#include "common/rules/route_config.h"
#include "common/yaml.h"
#include "dataplane/snapshot/base_url.h"
#include "dataplane/standalone/standalone_build.h"

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

/* Texts of a manifest end in NUL or not, so each is copied once with one. */
char *standalone_text(struct build *b, struct str s)
{
    struct str copy = arena_str(b->arena, s.ptr ? s : STR_LIT(""));
    return (char *)(uintptr_t)(copy.ptr ? copy.ptr : "");
}

bool standalone_put(struct build *b, unsigned kind, const struct uuid *id,
                    const ProtobufCMessage *m, struct error *err)
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
    return standalone_put(b, WEIR__KIND__KIND_ORGANIZATION, &b->organization, &o.base, err) &&
           standalone_put(b, WEIR__KIND__KIND_WORKSPACE, &b->workspace, &w.base, err);
}

/* Errors name the node that is wrong: line and column of `field` of item i in the list called
 * `list`. */
bool standalone_wrong_at(const struct yaml_node *root, const char *list, size_t i,
                         const char *field, struct error *err)
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
        return standalone_wrong_at(root, "providers", i, "base_url", err);
    }
    Weir__Credential credential = WEIR__CREDENTIAL__INIT;
    Weir__Provider out = WEIR__PROVIDER__INIT;
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.name = standalone_text(b, p->name);
    out.kind = standalone_text(b, p->kind);
    out.base_url = standalone_text(b, p->base_url);
    out.timeout_ms = p->timeout_ms;
    out.settings_json = standalone_text(b, p->settings_json);
    if (p->credential.ptr) {
        credential.sealed = bytes_of(p->credential.ptr, p->credential.len);
        out.credential = &credential;
    }
    return standalone_put(b, WEIR__KIND__KIND_PROVIDER, &id, &out.base, err);
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
        targets[i].model = standalone_text(b, t->model);
        targets[i].endpoint = standalone_text(b, t->endpoint);
        targets[i].weight = t->weight > UINT32_MAX ? UINT32_MAX : (uint32_t)t->weight;
        list[i] = &targets[i];
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.name = standalone_text(b, m->name);
    out.targets = list;
    out.n_targets = m->n_targets;
    out.config = standalone_text(b, m->config);
    return standalone_put(b, WEIR__KIND__KIND_MODEL, &id, &out.base, err);
}

char **standalone_texts(struct build *b, const struct str *items, size_t n)
{
    char **list = arena_zalloc(b->arena, (n + 1) * sizeof(*list));
    for (size_t i = 0; list && i < n; i++) {
        list[i] = standalone_text(b, items[i]);
    }
    return list;
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
    version->document_json = standalone_text(b, d->json);
    for (size_t i = 0; i < d->n_labels; i++) {
        weir__document_label__init(&labels[i]);
        labels[i].name = standalone_text(b, d->labels[i]);
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
    out.name = standalone_text(b, d->name);
    out.versions = versions;
    out.n_versions = 1;
    out.n_labels = d->n_labels;
    out.published = 1;
    return standalone_put(b, WEIR__KIND__KIND_CONFIG, &id, &out.base, err);
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
    out.name = standalone_text(b, d->name);
    out.versions = versions;
    out.n_versions = 1;
    out.n_labels = d->n_labels;
    out.published = 1;
    out.partial = d->partial;
    return standalone_put(b, WEIR__KIND__KIND_PROMPT, &id, &out.base, err);
}

static bool put_group(struct build *b, const struct manifest_price_group *g, struct error *err)
{
    struct uuid id = standalone_id(WEIR__KIND__KIND_PRICE_GROUP, g->name);
    Weir__PriceRatio *ratios = arena_zalloc(b->arena, (g->n_overrides + 1) * sizeof(*ratios));
    Weir__PriceRatio **list = arena_zalloc(b->arena, (g->n_overrides + 1) * sizeof(*list));
    Weir__PriceGroup out = WEIR__PRICE_GROUP__INIT;
    if (!ratios || !list) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    for (size_t i = 0; i < g->n_overrides; i++) {
        weir__price_ratio__init(&ratios[i]);
        ratios[i].provider = standalone_text(b, g->overrides[i].provider);
        ratios[i].model = standalone_text(b, g->overrides[i].model);
        ratios[i].ratio_ppm = g->overrides[i].ratio_ppm;
        list[i] = &ratios[i];
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.name = standalone_text(b, g->name);
    out.ratio_ppm = g->ratio_ppm;
    out.overrides = list;
    out.n_overrides = g->n_overrides;
    return standalone_put(b, WEIR__KIND__KIND_PRICE_GROUP, &id, &out.base, err);
}

static bool put_prices(struct build *b, const struct yaml_node *root, const struct manifest *m,
                       struct error *err)
{
    const struct manifest_document *d = &m->price_book;
    struct uuid id = standalone_id(WEIR__KIND__KIND_PRICE_BOOK, d->name);
    Weir__DocumentVersion version, *versions[] = {&version};
    Weir__PriceBook out = WEIR__PRICE_BOOK__INIT;
    for (size_t i = 0; i < m->n_price_groups; i++) {
        if (!put_group(b, &m->price_groups[i], err)) {
            return standalone_wrong_at(root, "price_groups", i, NULL, err);
        }
    }
    if (!d->json.ptr) {
        return true;
    }
    if (!describe(b, d, &version, &out.labels)) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.name = standalone_text(b, d->name);
    out.versions = versions;
    out.n_versions = 1;
    out.published = 1;
    return standalone_put(b, WEIR__KIND__KIND_PRICE_BOOK, &id, &out.base, err);
}

static bool put_documents(struct build *b, const struct yaml_node *root, const struct manifest *m,
                          struct error *err)
{
    for (size_t i = 0; i < m->n_configs; i++) {
        if (!put_config(b, &m->configs[i], err)) {
            return standalone_wrong_at(root, "configs", i, "document", err);
        }
    }
    for (size_t i = 0; i < m->n_prompts; i++) {
        if (!put_prompt(b, &m->prompts[i], err)) {
            return standalone_wrong_at(root, "prompts", i, "document", err);
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
    if (!put_scopes(b, err) || !put_documents(b, root, m, err) || !put_prices(b, root, m, err)) {
        return false;
    }
    for (size_t i = 0; i < m->n_providers; i++) {
        if (!put_provider(b, root, m, i, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_models; i++) {
        if (!check_reference(b, m->models[i].config, err)) {
            return standalone_wrong_at(root, "models", i, "config", err);
        }
        if (!put_model(b, &m->models[i], err)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_keys; i++) {
        if (!check_reference(b, m->keys[i].config, err)) {
            return standalone_wrong_at(root, "keys", i, "config", err);
        }
        if (!standalone_put_key(b, root, m, i, err)) {
            return false;
        }
    }
    return standalone_put_teams(b, root, m, err) && standalone_put_quotas(b, root, m, err) &&
           standalone_put_issuers(b, m, err);
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
