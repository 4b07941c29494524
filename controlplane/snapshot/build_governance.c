/* Keys, and the kinds of governance, as messages. Pure, as build.c. */
#include "controlplane/snapshot/build_inside.h"

char **build_texts(const struct str *list, size_t n, struct arena *a)
{
    char **ret = arena_alloc(a, (n + 1) * sizeof(*ret));
    for (size_t i = 0; ret && i < n; i++) {
        ret[i] = build_text(list[i]);
    }
    return ret;
}

struct entity *build_pack(const struct config_row *row, const ProtobufCMessage *m, struct arena *a)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(a, n + 1);
    if (!bytes) {
        return NULL;
    }
    protobuf_c_message_pack(m, bytes);
    return entity_new(row->kind, &row->id, &row->organization_id, &row->workspace_id,
                      (struct str){(const char *)bytes, n});
}

static ProtobufCBinaryData bytes_of(struct str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static bool put_bounds(Weir__Key *m, const struct config_bounds *b, struct arena *a)
{
    m->n_endpoints = b->n_endpoints;
    m->endpoints = build_texts(b->endpoints, b->n_endpoints, a);
    m->n_configs = b->n_configs;
    m->configs = build_texts(b->configs, b->n_configs, a);
    m->n_mcp_tools = b->n_mcp_tools;
    m->mcp_tools = build_texts(b->mcp_tools, b->n_mcp_tools, a);
    m->n_ip_allow = b->n_ip_allow;
    m->ip_allow = build_texts(b->ip_allow, b->n_ip_allow, a);
    m->n_required_metadata = b->n_required_metadata;
    m->required_metadata = build_texts(b->required_metadata, b->n_required_metadata, a);
    return m->endpoints && m->configs && m->mcp_tools && m->ip_allow && m->required_metadata;
}

/* What a proxy must be able to do to hold this key to its bounds: one that cannot refuses the key
 * (503 upgrade_required). */
static void put_needs(Weir__Key *m, char *list[6])
{
    m->needs = list;
    m->n_needs = 0;
    if (m->n_endpoints) {
        list[m->n_needs++] = build_text(STR_LIT("endpoints"));
    }
    if (m->n_configs) {
        list[m->n_needs++] = build_text(STR_LIT("configs"));
    }
    if (m->n_mcp_tools) {
        list[m->n_needs++] = build_text(STR_LIT("mcp_tools"));
    }
    if (m->n_ip_allow) {
        list[m->n_needs++] = build_text(STR_LIT("ip_allow"));
    }
    if (m->n_required_metadata) {
        list[m->n_needs++] = build_text(STR_LIT("required_metadata"));
    }
    if (m->former_expires_at_ms) {
        list[m->n_needs++] = build_text(STR_LIT("rotation"));
    }
}

struct entity *build_virtual_key(const struct config_row *row, struct arena *a)
{
    Weir__Key m = WEIR__KEY__INIT;
    ProtobufCBinaryData hashes[2] = {bytes_of(row->secret_hash), bytes_of(row->former_hash)};
    m.id = build_id(&row->id);
    m.organization_id = build_id(&row->organization_id);
    m.workspace_id = build_id(&row->workspace_id);
    m.user_id = build_id(&row->user_id);
    m.n_secret_sha256 = row->former_hash.len ? 2 : 1;
    m.secret_sha256 = hashes;
    m.former_expires_at_ms = row->former_hash.len ? (int64_t)row->former_expires_at_ms : 0;
    m.name = build_text(row->name);
    m.n_models = row->n_models;
    m.models = build_texts(row->models, row->n_models, a);
    m.n_providers = row->n_providers;
    m.providers = build_texts(row->providers, row->n_providers, a);
    m.expires_at_ms = (int64_t)row->expires_at_ms;
    m.disabled = row->disabled;
    m.metadata_json = build_text(row->metadata_json);
    m.config = build_text(row->config);
    m.config_locked = row->config_locked;
    m.n_tags = row->n_tags;
    m.tags = build_texts(row->tags, row->n_tags, a);
    m.team_id = build_id(&row->team_id);
    m.service_account_id = build_id(&row->service_account_id);
    m.price_group = build_text(row->price_group);
    char *needs[6];
    bool whole = put_bounds(&m, &row->bounds, a);
    put_needs(&m, needs);
    return whole && m.models && m.providers && m.tags ? build_pack(row, &m.base, a) : NULL;
}

static Weir__Scope **scopes_of(const struct config_quota *q, struct arena *a)
{
    Weir__Scope *s = arena_alloc(a, (q->n_scopes + 1) * sizeof(*s));
    Weir__Scope **list = arena_alloc(a, (q->n_scopes + 1) * sizeof(*list));
    for (size_t i = 0; s && list && i < q->n_scopes; i++) {
        weir__scope__init(&s[i]);
        s[i].kind = build_text(q->scopes[i].kind);
        s[i].name = build_text(q->scopes[i].name);
        s[i].value = build_text(q->scopes[i].value);
        list[i] = &s[i];
    }
    return s ? list : NULL;
}

/* What both messages have under the same names. */
#define PUT_QUOTA(m, row, scope_list)                                 \
    do {                                                              \
        const struct config_quota *quota_ = &(row)->quota;            \
        (m)->id = build_id(&(row)->id);                               \
        (m)->organization_id = build_id(&(row)->organization_id);     \
        (m)->workspace_id = build_id(&(row)->workspace_id);           \
        (m)->name = build_text((row)->name);                          \
        (m)->n_scopes = quota_->n_scopes;                             \
        (m)->scopes = (scope_list);                                   \
        (m)->metric = build_text(quota_->metric);                     \
        (m)->amount = quota_->amount;                                 \
        (m)->window = build_text(quota_->window);                     \
        (m)->when_unavailable = build_text(quota_->when_unavailable); \
        (m)->max_values = quota_->max_values;                         \
        (m)->disabled = (row)->disabled;                              \
    } while (0)

static struct entity *build_budget(const struct config_row *row, struct arena *a)
{
    const struct config_quota *q = &row->quota;
    Weir__Budget m = WEIR__BUDGET__INIT;
    PUT_QUOTA(&m, row, scopes_of(q, a));
    m.zone = build_text(q->zone);
    m.mode = build_text(q->mode);
    m.downgrade_model = build_text(q->downgrade_model);
    m.n_alert_percents = q->n_alert_percents;
    m.alert_percents = (uint32_t *)(uintptr_t)q->alert_percents;
    m.max_cost = q->max_cost;
    m.extra_amount = q->extra_amount;
    m.extra_until_ms = (int64_t)q->extra_until_ms;
    return m.scopes ? build_pack(row, &m.base, a) : NULL;
}

static struct entity *build_limit(const struct config_row *row, struct arena *a)
{
    const struct config_quota *q = &row->quota;
    Weir__Limit m = WEIR__LIMIT__INIT;
    PUT_QUOTA(&m, row, scopes_of(q, a));
    m.algorithm = build_text(q->algorithm);
    m.burst = q->burst;
    m.exact = q->exact;
    return m.scopes ? build_pack(row, &m.base, a) : NULL;
}

static struct entity *build_team(const struct config_row *row, struct arena *a)
{
    Weir__Team m = WEIR__TEAM__INIT;
    m.id = build_id(&row->id);
    m.organization_id = build_id(&row->organization_id);
    m.workspace_id = build_id(&row->workspace_id);
    m.name = build_text(row->name);
    m.price_group = build_text(row->price_group);
    return build_pack(row, &m.base, a);
}

static struct entity *build_price_group(const struct config_row *row, struct arena *a)
{
    Weir__PriceGroup m = WEIR__PRICE_GROUP__INIT;
    Weir__PriceRatio *r = arena_alloc(a, (row->n_ratios + 1) * sizeof(*r));
    Weir__PriceRatio **list = arena_alloc(a, (row->n_ratios + 1) * sizeof(*list));
    if (!r || !list) {
        return NULL;
    }
    for (size_t i = 0; i < row->n_ratios; i++) {
        weir__price_ratio__init(&r[i]);
        r[i].provider = build_text(row->ratios[i].provider);
        r[i].model = build_text(row->ratios[i].model);
        r[i].ratio_ppm = row->ratios[i].ratio_ppm;
        list[i] = &r[i];
    }
    m.id = build_id(&row->id);
    m.organization_id = build_id(&row->organization_id);
    m.name = build_text(row->name);
    m.ratio_ppm = row->ratio_ppm;
    m.n_overrides = row->n_ratios;
    m.overrides = list;
    return build_pack(row, &m.base, a);
}

static struct entity *build_issuer(const struct config_row *row, struct arena *a)
{
    const struct config_issuer *s = &row->issuer;
    Weir__Issuer m = WEIR__ISSUER__INIT;
    ProtobufCBinaryData *ids = arena_alloc(a, (s->n_key_ids + 1) * sizeof(*ids));
    for (size_t i = 0; ids && i < s->n_key_ids; i++) {
        ids[i] = build_id(&s->key_ids[i]);
    }
    m.id = build_id(&row->id);
    m.organization_id = build_id(&row->organization_id);
    m.name = build_text(row->name);
    m.issuer = build_text(s->issuer);
    m.n_audiences = s->n_audiences;
    m.audiences = build_texts(s->audiences, s->n_audiences, a);
    m.n_algorithms = s->n_algorithms;
    m.algorithms = build_texts(s->algorithms, s->n_algorithms, a);
    m.jwks_json = build_text(s->jwks_json);
    m.claims_json = build_text(s->claims_json);
    m.n_key_ids = s->n_key_ids;
    m.key_ids = ids;
    m.leeway_s = s->leeway_s;
    m.disabled = row->disabled;
    m.n_denied_jti = s->n_denied_jti;
    m.denied_jti = build_texts(s->denied_jti, s->n_denied_jti, a);
    return ids && m.audiences && m.algorithms && m.denied_jti ? build_pack(row, &m.base, a) : NULL;
}

struct entity *build_governance(const struct config_row *row, struct arena *a)
{
    switch (row->kind) {
    case CONFIG_BUDGET:
        return build_budget(row, a);
    case CONFIG_LIMIT:
        return build_limit(row, a);
    case CONFIG_TEAM:
        return build_team(row, a);
    case CONFIG_PRICE_GROUP:
        return build_price_group(row, a);
    case CONFIG_ISSUER:
        return build_issuer(row, a);
    default:
        return NULL;
    }
}
