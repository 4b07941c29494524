/* Rows to the messages of proto/snapshot.proto. Pure: no database, no clock, no randomness, so that
 * every instance builds the same bytes and their hashes agree. */
#include "controlplane/snapshot/build_inside.h"

#include "common/base/mem.h"
#include "common/crypto.h"

static const struct uuid nil;

void build_key_init(struct build_key *k, const struct uuid *id, const uint8_t key[static 32])
{
    k->id = *id;
    memcpy(k->key, key, 32);
    crypto_hkdf(key, 32, NULL, 0, "weir snapshot nonce", k->nonce_key, 32);
}

/* The nonce is a function of what is encrypted: equal only for equal text of the same provider (or
 * config), where equal bytes are wanted. */
static struct str seal_credential(const struct uuid *owner, struct str plain,
                                  const struct build_key *k, struct arena *a)
{
    uint8_t mac[32];
    size_t n = 16 + plain.len;
    uint8_t *named = arena_alloc(a, n);
    uint8_t *out = arena_alloc(a, CRYPTO_SEALED_LEN(plain.len));
    if (!named || !out) {
        return STR_NONE;
    }
    memcpy(named, owner->b, 16);
    memcpy(named + 16, plain.ptr, plain.len);
    crypto_hmac_sha256(k->nonce_key, 32, named, n, mac);
    memset(named, 0, n);
    crypto_seal(k->key, mac, (struct str){(const char *)owner->b, 16}, plain.ptr, plain.len, out);
    return (struct str){(const char *)out, CRYPTO_SEALED_LEN(plain.len)};
}

/* What could not be opened here goes out empty under the key's id: unreadable, which is not the
 * same as none. */
static bool put_credential(const struct uuid *owner, struct str plain, const struct build_key *k,
                           struct arena *a, Weir__Credential *ret)
{
    struct str sealed = STR_NONE;
    if (plain.ptr) {
        sealed = seal_credential(owner, plain, k, a);
        if (!sealed.ptr) {
            return false;
        }
    }
    weir__credential__init(ret);
    ret->data_key_id = build_id(&k->id);
    ret->sealed = (ProtobufCBinaryData){sealed.len, (uint8_t *)(uintptr_t)sealed.ptr};
    return true;
}

static struct entity *build_simple(const struct config_row *row, struct arena *a)
{
    if (row->kind == CONFIG_ORGANIZATION) {
        Weir__Organization m = WEIR__ORGANIZATION__INIT;
        m.id = build_id(&row->id);
        m.name = build_text(row->name);
        m.settings_json = build_text(row->settings_json);
        return build_pack(row, &m.base, a);
    }
    Weir__Workspace m = WEIR__WORKSPACE__INIT;
    m.id = build_id(&row->id);
    m.organization_id = build_id(&row->organization_id);
    m.name = build_text(row->name);
    m.price_group = build_text(row->price_group);
    return build_pack(row, &m.base, a);
}

static struct entity *build_provider(const struct config_row *row, struct str credential,
                                     const struct build_key *k, struct arena *a)
{
    Weir__Provider m = WEIR__PROVIDER__INIT;
    Weir__Credential c = WEIR__CREDENTIAL__INIT;
    m.id = build_id(&row->id);
    m.organization_id = build_id(&row->organization_id);
    m.workspace_id = build_id(&row->workspace_id);
    m.name = build_text(row->name);
    m.kind = build_text(row->provider_kind);
    m.base_url = build_text(row->base_url);
    m.timeout_ms = row->timeout_ms;
    m.settings_json = build_text(row->settings_json);
    m.disabled = row->disabled;
    if (row->credential.ptr) {
        if (!put_credential(&row->id, credential, k, a, &c)) {
            return NULL;
        }
        m.credential = &c;
    }
    return build_pack(row, &m.base, a);
}

static struct entity *build_model(const struct config_row *row, struct arena *a)
{
    Weir__Model m = WEIR__MODEL__INIT;
    Weir__Target *t = arena_alloc(a, (row->n_targets + 1) * sizeof(*t));
    Weir__Target **list = arena_alloc(a, (row->n_targets + 1) * sizeof(*list));
    if (!t || !list) {
        return NULL;
    }
    for (size_t i = 0; i < row->n_targets; i++) {
        weir__target__init(&t[i]);
        t[i].provider_id = build_id(&row->targets[i].provider_id);
        t[i].model = build_text(row->targets[i].model);
        t[i].endpoint = build_text(row->targets[i].endpoint);
        t[i].weight = row->targets[i].weight;
        list[i] = &t[i];
    }
    m.id = build_id(&row->id);
    m.organization_id = build_id(&row->organization_id);
    m.workspace_id = build_id(&row->workspace_id);
    m.name = build_text(row->name);
    m.settings_json = build_text(row->settings_json);
    m.config = build_text(row->config);
    m.n_targets = row->n_targets;
    m.targets = list;
    return build_pack(row, &m.base, a);
}

static struct entity *build_catalogue(const struct config_row *row, struct arena *a)
{
    Weir__CatalogueModel m = WEIR__CATALOGUE_MODEL__INIT;
    m.id = build_id(&row->id);
    m.organization_id = build_id(&row->organization_id);
    m.provider = build_text(row->provider_kind);
    m.model = build_text(row->name);
    m.entry_json = build_text(row->settings_json);
    return build_pack(row, &m.base, a);
}

static Weir__DocumentVersion **versions_of(const struct config_row *row, const struct str *secrets,
                                           const struct build_key *k, struct arena *a)
{
    size_t n = row->n_versions + 1;
    Weir__DocumentVersion *v = arena_alloc(a, n * sizeof(*v));
    Weir__DocumentVersion **list = arena_alloc(a, n * sizeof(*list));
    Weir__Credential *c = arena_alloc(a, n * sizeof(*c));
    if (!v || !list || !c) {
        return NULL;
    }
    for (size_t i = 0; i < row->n_versions; i++) {
        weir__document_version__init(&v[i]);
        v[i].number = row->versions[i].number;
        v[i].document_json = build_text(row->versions[i].document);
        if (row->versions[i].secrets.ptr) {
            if (!put_credential(&row->id, secrets[i], k, a, &c[i])) {
                return NULL;
            }
            v[i].secrets = &c[i];
        }
        list[i] = &v[i];
    }
    return list;
}

static Weir__DocumentLabel **labels_of(const struct config_row *row, struct arena *a)
{
    Weir__DocumentLabel *l = arena_alloc(a, (row->n_labels + 1) * sizeof(*l));
    Weir__DocumentLabel **list = arena_alloc(a, (row->n_labels + 1) * sizeof(*list));
    if (!l || !list) {
        return NULL;
    }
    for (size_t i = 0; i < row->n_labels; i++) {
        weir__document_label__init(&l[i]);
        l[i].name = build_text(row->labels[i].name);
        l[i].version = row->labels[i].version;
        list[i] = &l[i];
    }
    return list;
}

/* Configs, prompts and price books: three messages with the same members. */
#define FILL_DOCUMENT(m, row, list, label_list)                  \
    do {                                                         \
        (m).id = build_id(&(row)->id);                           \
        (m).organization_id = build_id(&(row)->organization_id); \
        (m).workspace_id = build_id(&(row)->workspace_id);       \
        (m).name = build_text((row)->name);                      \
        (m).n_versions = (row)->n_versions;                      \
        (m).versions = (list);                                   \
        (m).n_labels = (row)->n_labels;                          \
        (m).labels = (label_list);                               \
        (m).published = (row)->published;                        \
    } while (0)

static struct entity *build_document(const struct config_row *row, const struct str *secrets,
                                     const struct build_key *k, struct arena *a)
{
    Weir__DocumentVersion **versions = versions_of(row, secrets, k, a);
    Weir__DocumentLabel **labels = labels_of(row, a);
    if (!versions || !labels) {
        return NULL;
    }
    if (row->kind == CONFIG_PRICE_BOOK) {
        Weir__PriceBook m = WEIR__PRICE_BOOK__INIT;
        FILL_DOCUMENT(m, row, versions, labels);
        return build_pack(row, &m.base, a);
    }
    if (row->kind == CONFIG_ROUTING) {
        Weir__Config m = WEIR__CONFIG__INIT;
        FILL_DOCUMENT(m, row, versions, labels);
        return build_pack(row, &m.base, a);
    }
    Weir__Prompt m = WEIR__PROMPT__INIT;
    FILL_DOCUMENT(m, row, versions, labels);
    m.partial = row->partial;
    return build_pack(row, &m.base, a);
}

struct entity *build_entity(const struct config_row *row, const struct build_secrets *plain,
                            const struct build_key *k)
{
    struct arena *a = arena_new(0);
    struct entity *e = NULL;
    switch (row->kind) {
    case CONFIG_ORGANIZATION:
    case CONFIG_WORKSPACE:
        e = build_simple(row, a);
        break;
    case CONFIG_KEY:
        e = build_virtual_key(row, a);
        break;
    case CONFIG_PROVIDER:
        e = build_provider(row, plain->credential, k, a);
        break;
    case CONFIG_MODEL:
        e = build_model(row, a);
        break;
    case CONFIG_ROUTING:
    case CONFIG_PROMPT:
    case CONFIG_PRICE_BOOK:
        e = build_document(row, plain->versions, k, a);
        break;
    case CONFIG_CATALOGUE:
        e = build_catalogue(row, a);
        break;
    default:
        e = build_governance(row, a);
        break;
    }
    arena_free(a);
    return e;
}

static void hash_entity(struct entity *e)
{
    uint8_t hash[32];
    size_t n = 4 + 16 + e->len;
    uint8_t *m = mem_alloc(n);
    for (unsigned i = 0; i < 4; i++) {
        m[i] = (uint8_t)(e->key.kind >> (8 * i));
    }
    memcpy(m + 4, e->key.id.b, 16);
    memcpy(m + 20, e->body, e->len);
    crypto_sha256(m, n, e->hash);
    mem_free(m);
    crypto_sha256(e->key.id.b, 16, hash);
    e->shard = hash[0];
}

struct entity *entity_new(unsigned kind, const struct uuid *id, const struct uuid *organization,
                          const struct uuid *workspace, struct str body)
{
    struct entity *e = mem_alloc(sizeof(*e) + body.len);
    atomic_init(&e->refs, 1);
    e->key.kind = kind;
    e->key.id = *id;
    e->organization_id = organization ? *organization : nil;
    e->workspace_id = workspace ? *workspace : nil;
    e->len = body.len;
    if (body.len > 0) {
        memcpy(e->body, body.ptr, body.len);
    }
    hash_entity(e);
    return e;
}

struct entity *entity_tombstone(unsigned kind, const struct uuid *id,
                                const struct uuid *organization, const struct uuid *workspace)
{
    struct entity *e = entity_new(kind, id, organization, workspace, STR_NONE);
    e->deleted = true;
    return e;
}

struct entity *entity_ref(struct entity *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void entity_unref(struct entity *e)
{
    if (e && atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(e);
    }
}

void entity_list_add(struct entity_list *l, struct entity *e)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->items = mem_realloc(l->items, l->cap * sizeof(*l->items));
    }
    l->items[l->n++] = e;
}

void entity_list_release(struct entity_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        entity_unref(l->items[i]);
    }
    mem_free(l->items);
    *l = (struct entity_list){0};
}
