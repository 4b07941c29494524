/* Whose provider a leaf of a routing config means: a stored object, or one that stands in the
 * config alone. No key, and nothing else that an administrator stored, goes to an address that a
 * caller names; and no caller has requests made to addresses that the operator did not allow. */
#include "common/crypto.h"
#include "common/rules/model_name.h"
#include "dataplane/snapshot/base_url.h"
#include "dataplane/snapshot/provider_entity.h"
#include "dataplane/stages/route_native.h"
#include "dataplane/stages/routing.h"

static bool host_allowed(const struct request *r, struct str host)
{
    const struct request_policy *p = r->env->policy;
    for (size_t i = 0; i < p->n_custom_hosts; i++) {
        if (model_name_matches(p->custom_hosts[i], host)) {
            return true;
        }
    }
    return false;
}

static bool text_member(struct str object, const char *name, struct arena *a, struct str *ret)
{
    struct json_value whole;
    struct json_member m = {.name = str_of(name)};
    if (!object.len || !json_validate(object, 0, &whole, NULL) ||
        !json_members(whole, &m, 1, NULL) || !m.found || m.value.type != JSON_STRING) {
        return false;
    }
    size_t n = 0;
    char *text = arena_alloc(a, m.value.raw.len);
    if (!text || !json_unescape(m.value, text, m.value.raw.len, &n)) {
        return false;
    }
    *ret = (struct str){text, n};
    return true;
}

/* The leaf's settings over those of the stored object. */
static struct str merged_settings(struct request *r, struct str below, struct str above)
{
    struct route_settings s = {.override_json = above};
    struct str body = below.len ? below : STR_LIT("{}");
    return above.ptr ? override_body(r->arena, body, &s) : below;
}

static bool same_origin(const struct snap_provider *a, const struct snap_provider *b)
{
    return str_eq(a->host, b->host) && a->port == b->port && a->tls == b->tls;
}

/* A stored key goes where the stored object points, or where an administrator's config does: never
 * to an address that the caller names, be it one that the operator allows. */
static bool key_stays(struct request *r, const struct route_node *leaf,
                      const struct snap_provider *like, const struct snap_provider *p)
{
    bool stored =
        like && !leaf->credential.ptr && (like->credential.len || like->n_credentials > 1);
    if (!stored || (!leaf->settings->custom_host.ptr && same_origin(like, p))) {
        return true;
    }
    return error_set_param(
        &r->error, ERR_INVALID_CONFIG, "custom_host",
        "the stored key of provider '%.*s' goes to no other address: a request's "
        "own config brings an api_key for it",
        STR_ARG(str_slice(like->name, 0, 64)));
}

/* A service account and an Entra authority say by themselves where tokens are bought: of a key that
 * stands in a config that is an address like any other. */
static bool token_host_fine(struct request *r, struct str url)
{
    static const char *const known[] = {
        ".googleapis.com", "login.microsoftonline.com", "login.microsoftonline.us",
        "login.partner.microsoftonline.cn", "login.chinacloudapi.cn"};
    struct error ignored = ERROR_INIT;
    struct base_url u;
    if (!base_url_split(url, &u, &ignored)) {
        return false;
    }
    for (size_t i = 0; u.tls && u.port == 443 && i < sizeof(known) / sizeof(known[0]); i++) {
        struct str k = str_of(known[i]);
        if (k.ptr[0] == '.' ? str_ends(u.host, k) : str_eq(u.host, k)) {
            return true;
        }
    }
    return host_allowed(r, u.host);
}

/* The address in a service account, which may stand in an object or a text around it. */
static struct str token_address(struct request *r, struct str account)
{
    struct json_value whole;
    struct json_member inner = {.name = STR_LIT("service_account")};
    struct str url = STR_NONE, text = account;
    if (!json_validate(account, 0, &whole, NULL) || whole.type != JSON_OBJECT) {
        return STR_NONE;
    }
    if (json_members(whole, &inner, 1, NULL) && inner.found) {
        text = inner.value.raw;
        if (inner.value.type == JSON_STRING &&
            !text_member(account, "service_account", r->arena, &text)) {
            return STR_NONE;
        }
    }
    (void)text_member(text, "token_uri", r->arena, &url);
    return url;
}

static bool tokens_stay(struct request *r, const struct snap_provider *p)
{
    struct str account = snap_provider_setting(p, "service_account");
    struct str list[] = {token_address(r, account.len ? account : p->credential),
                         snap_provider_setting(p, "authority"),
                         snap_provider_setting(p, "azure_authority")};
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (list[i].len && !token_host_fine(r, list[i])) {
            return error_set_param(&r->error, ERR_INVALID_CONFIG, "api_key",
                                   "the operator does not allow the address where the routing "
                                   "config's credential has its tokens bought");
        }
    }
    return true;
}

/* A provider that stands in the config alone: its kind's address or the operator's leave for
 * another, its own key. The id is made of these, so that its state is told apart. */
static const struct snap_provider *own_provider(struct request *r, const struct route_node *leaf,
                                                const struct snap_provider *like, bool inlined)
{
    struct snap_provider *p = arena_zalloc(r->arena, sizeof(*p));
    struct str host = leaf->settings->custom_host;
    if (!p) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the routing config's provider");
        return NULL;
    }
    p->name = like ? like->name : leaf->provider;
    p->kind = like ? like->kind : leaf->provider;
    p->base_url = host.ptr ? host : like ? like->base_url : STR_LIT("");
    bool moved = host.ptr != NULL, elsewhere = moved;
    if (!moved && text_member(leaf->settings_json, "base_url", r->arena, &p->base_url)) {
        elsewhere = true;
        moved = !leaf->credential.ptr; /* a stored key would go where the document says */
    }
    /* what an administrator set (header fields may be secrets) goes to no address of the caller's
     */
    struct str below = like && !(inlined && elsewhere) ? like->settings_json : STR_LIT("");
    p->settings_json = merged_settings(r, below, leaf->settings_json);
    p->organization_id = r->key->organization_id;
    p->workspace_id = r->key->workspace_id;
    p->timeout_ms = like ? like->timeout_ms : 0;
    struct str credential = leaf->credential.ptr ? leaf->credential
                            : like               ? like->credential
                                                 : STR_LIT("");
    struct str all =
        arena_printf(r->arena, "%.*s|%.*s|%.*s|%.*s", STR_ARG(p->kind), STR_ARG(p->base_url),
                     STR_ARG(p->settings_json), STR_ARG(credential));
    if (!all.ptr || !p->settings_json.ptr) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the routing config's provider");
        return NULL;
    }
    uint8_t digest[32];
    crypto_sha256(all.ptr, all.len, digest);
    memcpy(p->id.b, digest, sizeof(p->id.b));
    provider_entity_build(p, credential, r->arena);
    if (moved && !host_allowed(r, p->host)) {
        (void)error_set_param(&r->error, ERR_INVALID_CONFIG, "custom_host",
                              "the operator does not allow the custom host '%.*s'",
                              STR_ARG(str_slice(p->host, 0, 100)));
        return NULL;
    }
    if (leaf->credential.ptr && !tokens_stay(r, p)) {
        return NULL;
    }
    return !inlined || key_stays(r, leaf, like, p) ? p : NULL;
}

static const struct snap_provider *named_provider(struct request *r, const struct route_node *leaf,
                                                  bool trusted)
{
    const struct snap_key *k = r->key;
    const struct snap_provider *p =
        snapshot_provider_named(r->snapshot, &k->organization_id, &k->workspace_id, leaf->provider);
    if (!p && !leaf->must_exist) {
        p = snapshot_provider_of_kind(r->snapshot, &k->organization_id, &k->workspace_id,
                                      leaf->provider);
    }
    return p && (trusted || route_matches(k->providers, k->n_providers, p->name)) ? p : NULL;
}

bool routing_provider(struct request *r, const struct route_node *leaf, bool trusted, bool inlined,
                      const struct snap_provider **ret)
{
    bool own = leaf->credential.ptr || leaf->settings->custom_host.ptr || leaf->settings_json.ptr;
    const struct snap_provider *p = named_provider(r, leaf, trusted);
    if (!p && (!own || leaf->must_exist || !provider_row_named(leaf->provider))) {
        return route_unknown_provider(r, leaf->provider);
    }
    if (own) {
        /* a key of the caller's own never goes where a stored object points */
        const struct snap_provider *like =
            leaf->credential.ptr && !leaf->must_exist && provider_row_named(leaf->provider) ? NULL
                                                                                            : p;
        if (!like && !trusted &&
            !route_matches(r->key->providers, r->key->n_providers, leaf->provider)) {
            return route_unknown_provider(r, leaf->provider);
        }
        p = own_provider(r, leaf, like, inlined);
    }
    *ret = p;
    return p && route_provider_usable(r, p);
}
