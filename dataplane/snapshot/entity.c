/* Decoding of entity bodies into what requests read. Fields that this build does not know are
 * skipped (the body keeps them). */
#include "dataplane/snapshot/entity.h"

#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/snapshot/document_entity.h"
#include "dataplane/snapshot/governance_entity.h"
#include "dataplane/snapshot/key_entity.h"
#include "dataplane/snapshot/provider_entity.h"
#include "dataplane/snapshot/quota_entity.h"
#include "dataplane/snapshot/wire_take.h"

/* Features that a policy may name under `needs`. */
static const char *const features[] = {
    "budgets", "limits",   "price_books",       "price_groups", "issuers",  "endpoints",
    "configs", "ip_allow", "required_metadata", "mcp_tools",    "rotation", NULL};

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
        arena_free(entity_more(e)->memory); /* wipes what it holds of secrets */
    }
    if (e->kind == ENTITY_PROVIDER || e->kind == ENTITY_CONFIG) {
        explicit_bzero((char *)(uintptr_t)entity_more(e)->body, e->body_len);
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
    memcpy(bytes + 20, entity_body(e).ptr, e->body_len);
    crypto_sha256(bytes, n, out);
    if (bytes != small) {
        mem_free(bytes);
    }
}

bool entity_wrong(struct error *err, unsigned kind, const struct uuid *id, const char *what)
{
    char text[37];
    uuid_format(id, text);
    return error_set(err, ERR_INVALID_FIELD, "%s %s: %s", entity_kind_name(kind), text, what);
}

void entity_take_need(struct wire *w, const struct wire_field *f, bool *ret)
{
    struct str name = STR_NONE;
    take_str(w, f, &name);
    *ret |= !w->bad && !entity_feature_known(name);
}

struct entity_more *entity_begin(unsigned kind, const struct uuid *id, struct str body,
                                 size_t decoded)
{
    decoded = (decoded + 7) & ~(size_t)7;
    char *block = mem_alloc(sizeof(struct entity_more) + decoded + body.len);
    struct entity_more *e = (struct entity_more *)(void *)block;
    char *at = block + sizeof(*e);
    atomic_init(&e->head.refs, 1);
    e->head.kind = (uint8_t)kind;
    e->head.id = *id;
    e->head.body_len = (uint32_t)body.len;
    e->decoded = decoded ? at : NULL;
    e->body = at + decoded;
    if (body.len) {
        memcpy(at + decoded, body.ptr, body.len);
    }
    return e;
}

struct arena *entity_memory(struct entity_more *e)
{
    if (!e->memory) {
        e->memory = arena_new(0);
    }
    return e->memory;
}

struct entity *entity_settle(struct entity_more *e, const struct wire *w, bool ids_fit,
                             struct error *err)
{
    if (!w->bad && ids_fit) {
        return &e->head;
    }
    (void)entity_wrong(err, e->head.kind, &e->head.id,
                       w->bad ? "body cannot be read" : "ids are missing or differ");
    entity_unref(&e->head);
    return NULL;
}

static void credential_read(struct wire *w, const struct wire_field *f, struct uuid *ret_key,
                            struct str *ret_sealed)
{
    struct wire in = take_message(f);
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

static void provider_fields(struct entity_more *e, struct wire *w, struct uuid *ret_own,
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
            entity_take_need(w, &f, &e->head.own_needs);
            break;
        default:
            break;
        }
    }
}

/* The credential in clear: as it came, or opened into `to`. NULL ptr: its data key is not here. */
static struct str credential_open(const struct entity_more *e, struct str sealed,
                                  const struct entity_source *from, uint8_t *to)
{
    if (uuid_is_nil(&e->data_key_id)) {
        return sealed;
    }
    const uint8_t *key = from->data_key ? from->data_key(from->arg, &e->data_key_id) : NULL;
    if (key && crypto_open(key, (struct str){(const char *)e->head.id.b, 16}, sealed.ptr,
                           sealed.len, to)) {
        return (struct str){(const char *)to, sealed.len - CRYPTO_SEALED_LEN(0)};
    }
    return STR_NONE;
}

static struct entity *provider_new(const struct uuid *id, struct str body,
                                   const struct entity_source *from, struct error *err)
{
    struct entity_more *e = entity_begin(ENTITY_PROVIDER, id, body, sizeof(struct snap_provider));
    struct snap_provider *p = e->provider;
    struct uuid own = *id;
    struct str sealed = STR_LIT(""), credential;
    p->id = *id;
    p->name = p->kind = p->base_url = p->settings_json = p->credential = STR_LIT("");
    struct wire w = wire_of(entity_body(&e->head));
    provider_fields(e, &w, &own, &sealed);
    struct entity *ret =
        entity_settle(e, &w, uuid_eq(&own, id) && !uuid_is_nil(&p->organization_id), err);
    if (!ret) {
        return NULL;
    }
    uint8_t *plain = mem_alloc(sealed.len + 1);
    credential = credential_open(e, sealed, from, plain);
    p->credential_unreadable = !credential.ptr;
    provider_entity_build(p, credential, entity_memory(e));
    p->needs_unknown |= e->head.own_needs;
    mem_free_secret(plain, sealed.len + 1);
    return ret;
}

static void target_read(struct wire *w, const struct wire_field *f, struct snap_target *ret)
{
    struct wire in = take_message(f);
    struct wire_field g;
    struct str endpoint = STR_NONE;
    ret->model = STR_LIT("");
    while (!in.bad && wire_next(&in, &g)) {
        if (g.number == 1) {
            take_uuid(&in, &g, &ret->provider_id);
        } else if (g.number == 2) {
            take_str(&in, &g, &ret->model);
        } else if (g.number == 3) {
            take_u32(&in, &g, &ret->weight);
        } else if (g.number == 4) {
            take_str(&in, &g, &endpoint);
        }
    }
    ret->endpoint = provider_api_named(endpoint);
    w->bad |= in.bad;
}

/* An alias of several targets is routed as a config would be. */
static void model_tree(struct entity_more *e)
{
    struct snap_model *m = e->model;
    struct route_plain_target *list = arena_alloc(entity_memory(e), m->n_targets * sizeof(*list));
    for (size_t i = 0; list && i < m->n_targets; i++) {
        list[i] = (struct route_plain_target){.model = m->targets[i].model,
                                              .weight = m->targets[i].weight,
                                              .endpoint = m->targets[i].endpoint};
        memcpy(list[i].provider_id, m->targets[i].provider_id.b, sizeof(list[i].provider_id));
    }
    m->plain = list ? route_config_plain(list, m->n_targets, e->memory) : NULL;
}

/* The targets are one array behind the model. */
static struct entity *model_new(const struct uuid *id, struct str body, struct error *err)
{
    size_t n = wire_count(body, 5);
    struct entity_more *e = entity_begin(
        ENTITY_MODEL, id, body, sizeof(struct snap_model) + n * sizeof(struct snap_target));
    struct snap_model *m = e->model;
    struct snap_target *targets = (struct snap_target *)(void *)(m + 1);
    struct uuid own = *id;
    m->id = *id;
    m->name = m->config = STR_LIT("");
    m->targets = targets;
    struct wire w = wire_of(entity_body(&e->head));
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
            entity_take_need(&w, &f, &e->head.own_needs);
            break;
        default:
            break;
        }
    }
    m->needs_unknown = e->head.own_needs;
    struct entity *ret =
        entity_settle(e, &w, uuid_eq(&own, id) && !uuid_is_nil(&m->organization_id), err);
    if (ret && m->n_targets > 1 && !m->config.len) {
        model_tree(e);
    }
    return ret;
}

static struct entity *document_new(unsigned kind, const struct uuid *id, struct str body,
                                   const struct entity_source *from, struct error *err)
{
    struct entity_more *e = entity_begin(kind, id, body, sizeof(struct snap_document));
    struct snap_document *d = e->document;
    struct uuid own = *id;
    d->id = *id;
    d->name = STR_LIT("");
    (void)entity_memory(e);
    struct wire w = wire_of(STR_NONE);
    w.bad = !document_entity_read(e, entity_body(&e->head), from, d, &own);
    return entity_settle(e, &w, uuid_eq(&own, id) && !uuid_is_nil(&d->organization_id), err);
}

static struct entity *catalogue_new(const struct uuid *id, struct str body, struct error *err)
{
    struct entity_more *e =
        entity_begin(ENTITY_CATALOGUE, id, body, sizeof(struct catalogue_entry));
    struct catalogue_entry *c = e->catalogue;
    struct uuid own = *id;
    struct wire w = wire_of(entity_body(&e->head));
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
    return entity_settle(e, &w, uuid_eq(&own, id), err);
}

/* Kinds that this build does not know are kept as they came. */
static struct entity *plain_new(unsigned kind, const struct uuid *id, struct str body)
{
    return &entity_begin(kind, id, body, 0)->head;
}

struct entity *entity_new(unsigned kind, const struct uuid *id, struct str body,
                          const struct entity_source *from, struct error *err)
{
    if (body.len > ENTITY_BODY_MAX) {
        (void)entity_wrong(err, kind, id, "body is too large");
        return NULL;
    }
    switch (kind) {
    case ENTITY_KEY:
        return key_entity_new(id, body, err);
    case ENTITY_PROVIDER:
        return provider_new(id, body, from, err);
    case ENTITY_MODEL:
        return model_new(id, body, err);
    case ENTITY_CATALOGUE:
        return catalogue_new(id, body, err);
    case ENTITY_CONFIG:
    case ENTITY_PROMPT:
        return document_new(kind, id, body, from, err);
    case ENTITY_BUDGET:
    case ENTITY_LIMIT:
        return quota_entity_new(kind, id, body, from, err);
    case ENTITY_ORGANIZATION:
        return organization_entity_new(id, body, err);
    case ENTITY_WORKSPACE:
        return workspace_entity_new(id, body, err);
    case ENTITY_TEAM:
        return team_entity_new(id, body, err);
    case ENTITY_PRICE_GROUP:
        return price_group_entity_new(id, body, err);
    case ENTITY_PRICE_BOOK:
        return price_book_entity_new(id, body, err);
    case ENTITY_ISSUER:
        return issuer_entity_new(id, body, err);
    default:
        return plain_new(kind, id, body);
    }
}
