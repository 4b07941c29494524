/* Decoding of entity bodies. Two passes: the first counts what repeats, so that the entity, its
 * arrays and its body are one allocation; the second fills in. Fields that this build does not know
 * are skipped (the body keeps them). */
#include "dataplane/snapshot/entity.h"

#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/snapshot/document_entity.h"
#include "dataplane/snapshot/provider_entity.h"
#include "dataplane/snapshot/wire.h"

/* Features that a policy may name under `needs`; none yet. */
static const char *const features[] = {NULL};

static const struct str any_pattern[1] = {{"*", 1}};

bool entity_feature_known(struct str name)
{
    for (size_t i = 0; features[i]; i++) {
        if (str_eqz(name, features[i])) {
            return true;
        }
    }
    return false;
}

const char *entity_kind_name(unsigned kind)
{
    static const char *const names[ENTITY_KIND_COUNT] = {
        "unknown", "organization", "workspace",   "key",    "provider",
        "model",   "catalogue",    "config",      "prompt", "budget",
        "limit",   "price_book",   "price_group", "issuer", "team"};
    return kind < ENTITY_KIND_COUNT ? names[kind] : "unknown";
}

void entity_ref(struct entity *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
}

void entity_unref(struct entity *e)
{
    if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (e->kind != ENTITY_KEY) {
        arena_free(e->memory); /* wipes what it holds of secrets */
    }
    if (e->kind == ENTITY_PROVIDER || e->kind == ENTITY_CONFIG) {
        explicit_bzero((char *)(uintptr_t)e->body, e->body_len);
    }
    mem_free(e);
}

void entity_hash(const struct entity *e, uint8_t out[static 32])
{
    uint8_t small[512], *bytes = small;
    size_t n = 4 + 16 + e->body_len;
    if (n > sizeof(small)) {
        bytes = mem_alloc(n);
    }
    memcpy(bytes, (uint8_t[4]){e->kind, 0, 0, 0}, 4);
    memcpy(bytes + 4, e->id.b, 16);
    memcpy(bytes + 20, e->body, e->body_len);
    crypto_sha256(bytes, n, out);
    if (bytes != small) {
        mem_free(bytes);
    }
}

static bool wrong(struct error *err, unsigned kind, const struct uuid *id, const char *what)
{
    char text[37];
    uuid_format(id, text);
    return error_set(err, ERR_INVALID_FIELD, "%s %s: %s", entity_kind_name(kind), text, what);
}

/* Ids are 16 bytes; an absent one (and proto3 leaves empty ones out) is nil. */
static bool take_uuid(struct wire *w, const struct wire_field *f, struct uuid *ret)
{
    if (f->type == WIRE_BYTES && f->bytes.len == sizeof(ret->b)) {
        memcpy(ret->b, f->bytes.ptr, sizeof(ret->b));
        return true;
    }
    if (f->type == WIRE_BYTES && f->bytes.len == 0) {
        *ret = (struct uuid){{0}};
        return true;
    }
    w->bad = true;
    return false;
}

static void take_str(struct wire *w, const struct wire_field *f, struct str *ret)
{
    if (f->type == WIRE_BYTES) {
        *ret = f->bytes;
    } else {
        w->bad = true;
    }
}

static void take_u64(struct wire *w, const struct wire_field *f, uint64_t *ret)
{
    if (f->type == WIRE_VARINT) {
        *ret = f->value;
    } else {
        w->bad = true;
    }
}

static void take_bool(struct wire *w, const struct wire_field *f, bool *ret)
{
    uint64_t v = 0;
    take_u64(w, f, &v);
    *ret = v != 0;
}

static void take_need(struct wire *w, const struct wire_field *f, bool *ret)
{
    struct str name = STR_NONE;
    take_str(w, f, &name);
    *ret |= !w->bad && !entity_feature_known(name);
}

/* What repeats in a body, by field number (numbers are below 16). */
struct counts {
    size_t n[16];
    size_t credential_len;
};

static bool count_fields(struct str body, struct counts *c)
{
    struct wire w = wire_of(body);
    struct wire_field f;
    while (wire_next(&w, &f)) {
        if (f.number < 16) {
            c->n[f.number]++;
        }
    }
    return !w.bad;
}

static struct entity *entity_alloc(unsigned kind, const struct uuid *id, struct str body,
                                   size_t decoded, size_t arrays, size_t texts, char **ret_arrays,
                                   char **ret_texts)
{
    decoded = (decoded + 7) & ~(size_t)7;
    char *block = mem_alloc(sizeof(struct entity) + decoded + arrays + body.len + texts);
    struct entity *e = (struct entity *)(void *)block;
    char *at = block + sizeof(*e);
    atomic_init(&e->refs, 1);
    e->kind = (uint8_t)kind;
    e->id = *id;
    e->decoded = decoded ? at : NULL;
    at += decoded;
    *ret_arrays = at;
    at += arrays;
    if (body.len) {
        memcpy(at, body.ptr, body.len);
    }
    e->body = at;
    e->body_len = (uint32_t)body.len;
    *ret_texts = at + body.len;
    return e;
}

static struct str body_of(const struct entity *e)
{
    return (struct str){e->body, e->body_len};
}

/* Most keys allow everything: those share one array. */
static const struct str *patterns_settle(const struct str *own, uint16_t n)
{
    return n == 1 && str_eq(own[0], any_pattern[0]) ? any_pattern : own;
}

static struct entity *key_new(const struct uuid *id, struct str body, struct error *err)
{
    struct counts c = {0};
    char *arrays, *texts;
    if (!count_fields(body, &c) || c.n[5] > UINT16_MAX || c.n[7] > UINT16_MAX ||
        c.n[8] > UINT16_MAX || c.n[14] > UINT16_MAX) {
        (void)wrong(err, ENTITY_KEY, id, "body cannot be read");
        return NULL;
    }
    size_t n_str = c.n[7] + c.n[8] + c.n[14];
    struct entity *e =
        entity_alloc(ENTITY_KEY, id, body, sizeof(struct snap_key),
                     n_str * sizeof(struct str) + c.n[5] * sizeof(uint8_t *), 0, &arrays, &texts);
    struct snap_key *k = e->key;
    struct str *models = (struct str *)(void *)arrays, *providers = models + c.n[7];
    struct str *tags = providers + c.n[8];
    e->secrets = (const uint8_t **)(void *)(tags + c.n[14]);
    k->id = *id;
    k->name = k->metadata_json = k->config = STR_LIT("");
    k->tags = tags;
    struct wire w = wire_of(body_of(e));
    struct wire_field f;
    struct uuid own = *id;
    while (!w.bad && wire_next(&w, &f)) {
        switch (f.number) {
        case 1:
            take_uuid(&w, &f, &own);
            break;
        case 2:
            take_uuid(&w, &f, &k->organization_id);
            break;
        case 3:
            take_uuid(&w, &f, &k->workspace_id);
            break;
        case 4:
            take_uuid(&w, &f, &k->user_id);
            break;
        case 5:
            w.bad |= f.type != WIRE_BYTES || f.bytes.len != 32;
            if (!w.bad) {
                e->secrets[e->n_secrets++] = (const uint8_t *)f.bytes.ptr;
            }
            break;
        case 6:
            take_str(&w, &f, &k->name);
            break;
        case 7:
            take_str(&w, &f, &models[k->n_models++]);
            break;
        case 8:
            take_str(&w, &f, &providers[k->n_providers++]);
            break;
        case 9:
            take_u64(&w, &f, (uint64_t *)&k->expires_at_ms);
            break;
        case 10:
            take_bool(&w, &f, &k->disabled);
            break;
        case 11:
            take_str(&w, &f, &k->metadata_json);
            break;
        case 12:
            take_str(&w, &f, &k->config);
            break;
        case 13:
            take_bool(&w, &f, &k->config_locked);
            break;
        case 14:
            take_str(&w, &f, &tags[k->n_tags++]);
            break;
        case 15:
            take_need(&w, &f, &e->own_needs);
            break;
        default:
            break;
        }
    }
    k->needs_unknown = e->own_needs;
    k->models = patterns_settle(models, k->n_models);
    k->providers = patterns_settle(providers, k->n_providers);
    if (w.bad || !uuid_eq(&own, id) || uuid_is_nil(&k->organization_id) ||
        uuid_is_nil(&k->workspace_id)) {
        (void)wrong(err, ENTITY_KEY, id,
                    w.bad ? "body cannot be read" : "ids are missing or differ");
        entity_unref(e);
        return NULL;
    }
    return e;
}

static void credential_read(struct wire *w, const struct wire_field *f, struct uuid *ret_key,
                            struct str *ret_sealed)
{
    struct wire in = wire_of(f->type == WIRE_BYTES ? f->bytes : STR_LIT("\xff"));
    struct wire_field g;
    while (!in.bad && wire_next(&in, &g)) {
        if (g.number == 1) {
            take_uuid(&in, &g, ret_key);
        } else if (g.number == 2) {
            take_str(&in, &g, ret_sealed);
        }
    }
    w->bad |= in.bad;
}

static void provider_fields(struct entity *e, struct wire *w, struct uuid *ret_own,
                            struct str *ret_sealed)
{
    struct snap_provider *p = e->provider;
    struct wire_field f;
    while (!w->bad && wire_next(w, &f)) {
        switch (f.number) {
        case 1:
            take_uuid(w, &f, ret_own);
            break;
        case 2:
            take_uuid(w, &f, &p->organization_id);
            break;
        case 3:
            take_uuid(w, &f, &p->workspace_id);
            break;
        case 4:
            take_str(w, &f, &p->name);
            break;
        case 5:
            take_str(w, &f, &p->kind);
            break;
        case 6:
            take_str(w, &f, &p->base_url);
            break;
        case 7:
            credential_read(w, &f, &e->data_key_id, ret_sealed);
            break;
        case 8:
            take_u64(w, &f, &p->timeout_ms);
            break;
        case 9:
            take_str(w, &f, &p->settings_json);
            break;
        case 10:
            take_bool(w, &f, &p->disabled);
            break;
        case 15:
            take_need(w, &f, &e->own_needs);
            break;
        default:
            break;
        }
    }
}

/* The credential in clear: as it came, or opened into `to`. NULL ptr: its data key is not here. */
static struct str credential_open(const struct entity *e, struct str sealed, data_key_fn keys,
                                  const void *keys_arg, uint8_t *to)
{
    if (uuid_is_nil(&e->data_key_id)) {
        return sealed;
    }
    const uint8_t *key = keys ? keys(keys_arg, &e->data_key_id) : NULL;
    if (key &&
        crypto_open(key, (struct str){(const char *)e->id.b, 16}, sealed.ptr, sealed.len, to)) {
        return (struct str){(const char *)to, sealed.len - CRYPTO_SEALED_LEN(0)};
    }
    return STR_NONE;
}

static struct entity *provider_new(const struct uuid *id, struct str body, data_key_fn keys,
                                   const void *keys_arg, struct error *err)
{
    char *arrays, *texts;
    struct entity *e = entity_alloc(ENTITY_PROVIDER, id, body, sizeof(struct snap_provider), 0, 0,
                                    &arrays, &texts);
    struct snap_provider *p = e->provider;
    struct uuid own = *id;
    struct str sealed = STR_LIT(""), credential;
    p->id = *id;
    p->name = p->kind = p->base_url = p->settings_json = p->credential = STR_LIT("");
    struct wire w = wire_of(body_of(e));
    provider_fields(e, &w, &own, &sealed);
    if (w.bad || !uuid_eq(&own, id) || uuid_is_nil(&p->organization_id)) {
        (void)wrong(err, ENTITY_PROVIDER, id,
                    w.bad ? "body cannot be read" : "ids are missing or differ");
        entity_unref(e);
        return NULL;
    }
    uint8_t *plain = mem_alloc(sealed.len + 1);
    credential = credential_open(e, sealed, keys, keys_arg, plain);
    p->credential_unreadable = !credential.ptr;
    e->memory = arena_new(0);
    provider_entity_build(p, credential, e->memory);
    p->needs_unknown |= e->own_needs;
    mem_free_secret(plain, sealed.len + 1);
    return e;
}

static void target_read(struct wire *w, const struct wire_field *f, struct snap_target *ret)
{
    struct wire in = wire_of(f->type == WIRE_BYTES ? f->bytes : STR_LIT("\xff"));
    struct wire_field g;
    uint64_t weight = 0;
    struct str endpoint = STR_NONE;
    ret->model = STR_LIT("");
    while (!in.bad && wire_next(&in, &g)) {
        if (g.number == 1) {
            take_uuid(&in, &g, &ret->provider_id);
        } else if (g.number == 2) {
            take_str(&in, &g, &ret->model);
        } else if (g.number == 3) {
            take_u64(&in, &g, &weight);
        } else if (g.number == 4) {
            take_str(&in, &g, &endpoint);
        }
    }
    ret->weight = weight > UINT32_MAX ? UINT32_MAX : (uint32_t)weight;
    ret->endpoint = provider_api_named(endpoint);
    w->bad |= in.bad;
}

/* An alias of several targets is routed as a config would be. */
static void model_tree(struct entity *e)
{
    struct snap_model *m = e->model;
    e->memory = arena_new(0);
    struct route_plain_target *list = arena_alloc(e->memory, m->n_targets * sizeof(*list));
    for (size_t i = 0; list && i < m->n_targets; i++) {
        list[i] = (struct route_plain_target){.model = m->targets[i].model,
                                              .weight = m->targets[i].weight,
                                              .endpoint = m->targets[i].endpoint};
        memcpy(list[i].provider_id, m->targets[i].provider_id.b, sizeof(list[i].provider_id));
    }
    m->plain = list ? route_config_plain(list, m->n_targets, e->memory) : NULL;
}

static struct entity *model_new(const struct uuid *id, struct str body, struct error *err)
{
    struct counts c = {0};
    char *arrays, *texts;
    if (!count_fields(body, &c)) {
        (void)wrong(err, ENTITY_MODEL, id, "body cannot be read");
        return NULL;
    }
    struct entity *e = entity_alloc(ENTITY_MODEL, id, body, sizeof(struct snap_model),
                                    c.n[5] * sizeof(struct snap_target), 0, &arrays, &texts);
    struct snap_model *m = e->model;
    struct snap_target *targets = (struct snap_target *)(void *)arrays;
    struct uuid own = *id;
    m->id = *id;
    m->name = m->config = STR_LIT("");
    m->targets = targets;
    struct wire w = wire_of(body_of(e));
    struct wire_field f;
    while (!w.bad && wire_next(&w, &f)) {
        switch (f.number) {
        case 1:
            take_uuid(&w, &f, &own);
            break;
        case 2:
            take_uuid(&w, &f, &m->organization_id);
            break;
        case 3:
            take_uuid(&w, &f, &m->workspace_id);
            break;
        case 4:
            take_str(&w, &f, &m->name);
            break;
        case 5:
            target_read(&w, &f, &targets[m->n_targets++]);
            break;
        case 7:
            take_str(&w, &f, &m->config);
            break;
        case 15:
            take_need(&w, &f, &e->own_needs);
            break;
        default:
            break;
        }
    }
    m->needs_unknown = e->own_needs;
    if (w.bad || !uuid_eq(&own, id) || uuid_is_nil(&m->organization_id)) {
        (void)wrong(err, ENTITY_MODEL, id,
                    w.bad ? "body cannot be read" : "ids are missing or differ");
        entity_unref(e);
        return NULL;
    }
    if (m->n_targets > 1 && !m->config.len) {
        model_tree(e);
    }
    return e;
}

static struct entity *document_new(unsigned kind, const struct uuid *id, struct str body,
                                   data_key_fn keys, const void *keys_arg, struct error *err)
{
    char *arrays, *texts;
    struct entity *e =
        entity_alloc(kind, id, body, sizeof(struct snap_document), 0, 0, &arrays, &texts);
    struct snap_document *d = e->document;
    struct uuid own = *id;
    d->id = *id;
    d->name = STR_LIT("");
    e->memory = arena_new(0);
    bool read = document_entity_read(e, body_of(e), keys, keys_arg, d, &own);
    if (!read || !uuid_eq(&own, id) || uuid_is_nil(&d->organization_id)) {
        (void)wrong(err, kind, id, read ? "ids are missing or differ" : "body cannot be read");
        entity_unref(e);
        return NULL;
    }
    return e;
}

static struct entity *organization_new(const struct uuid *id, struct str body, struct error *err)
{
    char *arrays, *texts;
    struct entity *e = entity_alloc(ENTITY_ORGANIZATION, id, body, sizeof(struct snap_organization),
                                    0, 0, &arrays, &texts);
    struct snap_organization *o = e->organization;
    struct uuid own = *id;
    struct wire w = wire_of(body_of(e));
    struct wire_field f;
    o->id = *id;
    o->settings_json = STR_LIT("");
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 3) {
            take_str(&w, &f, &o->settings_json);
        } else if (f.number == 15) {
            take_need(&w, &f, &e->own_needs);
        }
    }
    if (w.bad || !uuid_eq(&own, id)) {
        (void)wrong(err, ENTITY_ORGANIZATION, id,
                    w.bad ? "body cannot be read" : "ids are missing or differ");
        entity_unref(e);
        return NULL;
    }
    return e;
}

static struct entity *catalogue_new(const struct uuid *id, struct str body, struct error *err)
{
    char *arrays, *texts;
    struct entity *e = entity_alloc(ENTITY_CATALOGUE, id, body, sizeof(struct catalogue_entry), 0,
                                    0, &arrays, &texts);
    struct catalogue_entry *c = e->catalogue;
    struct uuid own = *id;
    struct wire w = wire_of(body_of(e));
    struct wire_field f;
    c->provider = c->model = c->entry_json = STR_LIT("");
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 2) {
            take_uuid(&w, &f, &c->organization_id);
        } else if (f.number == 3) {
            take_str(&w, &f, &c->provider);
        } else if (f.number == 4) {
            take_str(&w, &f, &c->model);
        } else if (f.number == 5) {
            take_str(&w, &f, &c->entry_json);
        }
    }
    if (w.bad || !uuid_eq(&own, id)) {
        (void)wrong(err, ENTITY_CATALOGUE, id,
                    w.bad ? "body cannot be read" : "ids are missing or differ");
        entity_unref(e);
        return NULL;
    }
    return e;
}

/* Workspaces: what binds requests are their needs; other kinds are kept as they came. */
static struct entity *plain_new(unsigned kind, const struct uuid *id, struct str body,
                                struct error *err)
{
    char *arrays, *texts;
    struct wire w = wire_of(body);
    struct wire_field f;
    bool needs = false;
    struct uuid own = *id;
    while (kind == ENTITY_WORKSPACE && !w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 15) {
            take_need(&w, &f, &needs);
        }
    }
    if (w.bad || !uuid_eq(&own, id)) {
        (void)wrong(err, kind, id, w.bad ? "body cannot be read" : "ids are missing or differ");
        return NULL;
    }
    struct entity *e = entity_alloc(kind, id, body, 0, 0, 0, &arrays, &texts);
    e->own_needs = needs;
    return e;
}

struct entity *entity_new(unsigned kind, const struct uuid *id, struct str body, data_key_fn keys,
                          const void *keys_arg, struct error *err)
{
    if (body.len > ENTITY_BODY_MAX) {
        (void)wrong(err, kind, id, "body is too large");
        return NULL;
    }
    switch (kind) {
    case ENTITY_KEY:
        return key_new(id, body, err);
    case ENTITY_PROVIDER:
        return provider_new(id, body, keys, keys_arg, err);
    case ENTITY_MODEL:
        return model_new(id, body, err);
    case ENTITY_ORGANIZATION:
        return organization_new(id, body, err);
    case ENTITY_CATALOGUE:
        return catalogue_new(id, body, err);
    case ENTITY_CONFIG:
    case ENTITY_PROMPT:
        return document_new(kind, id, body, keys, keys_arg, err);
    default:
        return plain_new(kind, id, body, err);
    }
}
