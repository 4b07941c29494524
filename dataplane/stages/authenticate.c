/* authenticate: whose request this is. The key is sought in Weir's own header, then Portkey's and
 * Cloudflare's, then where the dialect's SDKs put theirs; the first place that holds something
 * counts. When it stood in one of the first three, what stands in the dialect's place is the
 * client's own credential for the provider. */
#include "common/base/clock.h"
#include "common/jwt.h"
#include "common/rules/apikey.h"
#include "common/rules/ip_block.h"
#include "common/rules/model_name.h"
#include "dataplane/stages/authenticate_token.h"
#include "dataplane/stages/path.h"
#include "dataplane/stages/stages.h"

static const struct key_place weir_places[] = {
    {.header = "x-weir-key"},
    {.header = "x-portkey-api-key"},
    {.header = "cf-aig-authorization", .bearer = true},
};

static struct str without_scheme(struct str value)
{
    static const struct str scheme = STR_LIT("bearer ");
    if (value.len <= scheme.len || !str_eq_nocase(str_slice(value, 0, scheme.len), scheme)) {
        return STR_NONE;
    }
    return str_trim(str_slice(value, scheme.len, value.len));
}

/* The access key id of "AWS4-HMAC-SHA256 Credential=ID/date/region/service/aws4_request, …". */
static struct str sigv4_key_id(struct str value)
{
    static const struct str scheme = STR_LIT("AWS4-HMAC-SHA256 "), field = STR_LIT("Credential=");
    struct str id, rest;
    if (!str_starts(value, scheme)) {
        return STR_NONE;
    }
    const char *at = memmem(value.ptr, value.len, field.ptr, field.len);
    if (!at) {
        return STR_NONE;
    }
    at += field.len;
    rest = (struct str){at, (size_t)(value.ptr + value.len - at)};
    return str_cut(rest, '/', &id, &rest) && id.len ? id : STR_NONE;
}

/* What stands in that place; NULL ptr when nothing does. */
static struct str look(struct request *r, const struct key_place *p)
{
    struct str value;
    if (p->parameter) {
        struct str raw = query_value(r->head->query, p->parameter);
        return raw.len && path_decode(r->arena, raw, &value) ? value : STR_NONE;
    }
    value = request_header(r, p->header);
    if (p->bearer) {
        value = without_scheme(value);
    } else if (p->sigv4) {
        value = sigv4_key_id(value);
    }
    return value.len ? value : STR_NONE;
}

/* *ret_place: where it was found; may be NULL. */
static struct str look_all(struct request *r, const struct key_place *places, size_t n,
                           const struct key_place **ret_place)
{
    for (size_t i = 0; i < n; i++) {
        struct str found = look(r, &places[i]);
        if (found.ptr) {
            *ret_place = &places[i];
            return found;
        }
    }
    *ret_place = NULL;
    return STR_NONE;
}

/* A parameter that is a place of keys does not go on, whatever stands in it and wherever the key
 * was found: neither a key of ours nor an SDK's placeholder beside the stored credential. */
static void note_parameter(struct request *r)
{
    const struct dialect *d = r->dialect;
    for (size_t i = 0; i < d->n_key_places; i++) {
        const char *name = d->key_places[i].parameter;
        if (name && query_value(r->head->query, name).ptr) {
            r->key_parameter = str_of(name);
        }
    }
}

/* A key of ours never goes to a provider, wherever it stood. */
static bool is_weir_key(struct str s)
{
    bool valid;
    return apikey_is_ours(s, &valid);
}

/* *ret_signed: the key is the access key id of a signature. */
static struct str find_key(struct request *r, bool *ret_signed)
{
    const struct dialect *d = r->dialect;
    const struct key_place *at, *own_at;
    struct str key = look_all(r, weir_places, sizeof(weir_places) / sizeof(weir_places[0]), &at);
    struct str own = look_all(r, d->key_places, d->n_key_places, &own_at);
    bool own_signed = own_at && own_at->sigv4;
    *ret_signed = !key.ptr && own_signed;
    if (!key.ptr) {
        return own;
    }
    /* a signature made with a secret that is not here is no credential for anybody */
    if (own.ptr && !own_signed && !is_weir_key(own) && !str_eq(own, key)) {
        r->client_credential = own;
    }
    return key;
}

/* The key id of a signature stands in clear, and nothing can be checked of the signature: so it
 * must have come through TLS, or from this machine. */
static bool signature_is_safe(struct request *r)
{
    struct str peer = exchange_peer(r->exchange);
    if (exchange_tls(r->exchange) || str_starts(peer, STR_LIT("127.")) ||
        str_starts(peer, STR_LIT("[::1]")) || str_starts(peer, STR_LIT("[::ffff:127."))) {
        return true;
    }
    return error_set(&r->error, ERR_INVALID_KEY,
                     "a key given as AWS access key id is taken over TLS or from loopback only: "
                     "use HTTPS, or send it as bearer token");
}

static bool reject_key(struct request *r, struct str key, enum error_code code)
{
    char mask[32];
    apikey_mask(key, mask);
    return error_set(&r->error, code, "%s: %s",
                     code == ERR_INVALID_KEY    ? "incorrect API key provided"
                     : code == ERR_KEY_DISABLED ? "API key is disabled"
                                                : "API key has expired",
                     mask);
}

static bool take_key(struct request *r, const struct snap_key *key, struct str text)
{
    if (key->disabled) {
        return reject_key(r, text, ERR_KEY_DISABLED);
    }
    int64_t now_ms = (int64_t)(r->started_wall_us / 1000);
    bool over = (key->expires_at_ms && now_ms >= key->expires_at_ms) ||
                (key->former_expires_at_ms && now_ms >= key->former_expires_at_ms);
    if (over) {
        return reject_key(r, text, ERR_KEY_EXPIRED);
    }
    r->key = key;
    return true;
}

/* A signed token stands for a key of its issuer's. */
static bool look_up_token(struct request *r, struct str text)
{
    struct token_caller caller;
    struct request_env *env = r->env;
    if (!env->token_memo) {
        env->token_memo = token_memo_new();
    }
    if (!authenticate_token(r->snapshot, env->token_memo, text,
                            (int64_t)(r->started_wall_us / 1000), r->arena, &caller, &r->error)) {
        return false;
    }
    r->end_user = caller.end_user;
    return take_key(r, caller.key, STR_LIT("token"));
}

static bool look_up(struct request *r, struct str text)
{
    uint8_t hash[32];
    bool valid = true;
    bool ours = apikey_is_ours(text, &valid);
    if (ours && !valid) {
        return reject_key(r, text, ERR_INVALID_KEY);
    }
    apikey_hash(text, hash);
    const struct snap_key *key = snapshot_key(r->snapshot, hash, r->arena);
    if (!key && !ours && jwt_looks_like(text)) {
        return look_up_token(r, text);
    }
    return key ? take_key(r, key, text) : reject_key(r, text, ERR_INVALID_KEY);
}

/* ---- what the key allows ---- */

static bool address_allowed(struct request *r)
{
    const struct snap_key *k = r->key;
    struct ip_block peer, block;
    if (k->n_ip_allow == 0 || !r->exchange) {
        return true;
    }
    bool known = ip_block_parse_peer(exchange_peer(r->exchange), &peer);
    for (size_t i = 0; known && i < k->n_ip_allow; i++) {
        if (ip_block_parse(k->ip_allow[i], &block) && ip_block_holds(&block, peer.b)) {
            return true;
        }
    }
    return error_set(&r->error, ERR_ADDRESS_NOT_ALLOWED,
                     "this key may not be used from the address that the request came from");
}

/* What is left of its own budgets each key may ask. */
static bool endpoint_allowed(struct request *r)
{
    const struct snap_key *k = r->key;
    struct str name = str_of(request_endpoint_name(r));
    bool free = k->n_endpoints == 0 || r->kind == REQUEST_USAGE || r->kind == REQUEST_OPTIONS;
    for (size_t i = 0; i < k->n_endpoints && !free; i++) {
        free = model_name_matches(k->endpoints[i], name);
    }
    return free || error_set(&r->error, ERR_ENDPOINT_NOT_ALLOWED,
                             "this key may not use the endpoint '%.*s'", STR_ARG(name));
}

static bool key_allows(struct request *r)
{
    if (r->key->needs_unknown) {
        return error_set(&r->error, ERR_UPGRADE_REQUIRED,
                         "this proxy lacks a feature that the key's policy needs");
    }
    return address_allowed(r) && endpoint_allowed(r);
}

enum verdict stage_authenticate(struct request *r)
{
    const struct request_policy *policy = r->env->policy;
    if (!r->snapshot) {
        (void)error_set(&r->error, ERR_NOT_READY, "no configuration loaded yet");
        return VERDICT_REJECT;
    }
    bool is_signed;
    struct str text = find_key(r, &is_signed);
    note_parameter(r);
    if (!text.ptr && !policy->anonymous) {
        (void)error_set(&r->error, ERR_MISSING_KEY,
                        "no API key given: send it as 'Authorization: Bearer KEY'");
        return VERDICT_REJECT;
    }
    if (policy->anonymous) {
        /* nobody is asked; what the client sent may be its own credential for the provider */
        r->key = policy->anonymous;
        if (!r->client_credential.ptr && text.ptr && !is_signed && !is_weir_key(text)) {
            r->client_credential = text;
        }
    } else if ((is_signed && !signature_is_safe(r)) || !look_up(r, text) || !key_allows(r)) {
        return VERDICT_REJECT;
    }
    if (atomic_load_explicit(&policy->stale, memory_order_relaxed)) {
        (void)error_set(&r->error, ERR_STALE, "configuration is older than max_staleness");
        return VERDICT_REJECT;
    }
    return VERDICT_NEXT;
}
