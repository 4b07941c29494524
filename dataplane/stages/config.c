/* Which routing config a request follows: its header's, its key's, its prompt's; its model's alias
 * is asked later. What stands in a header as a document, and versions that nobody compiled ahead,
 * are compiled once per worker and kept while they are used. */
#include "common/crypto.h"
#include "common/rules/model_name.h"
#include "dataplane/canonical/head.h"
#include "dataplane/request/config_memo.h"
#include "dataplane/stages/explain.h"
#include "dataplane/stages/routing.h"

const char *config_source_name(enum config_source s)
{
    static const char *const names[CONFIG_SOURCE_COUNT] = {"none",  "header",  "key",     "prompt",
                                                           "model", "targets", "proposed"};
    return s < CONFIG_SOURCE_COUNT ? names[s] : "?";
}

/* Messages repeat names only: a document may hold secrets. */
static bool not_compiled(struct request *r, const char *what, const struct error *err)
{
    return error_set_param(
        &r->error, err->code == ERR_NOT_IMPLEMENTED ? ERR_NOT_IMPLEMENTED : ERR_INVALID_CONFIG,
        err->param[0] ? err->param : "config", "%s: %s", what, error_text(err));
}

static bool compile(struct request *r, struct str json, const char *what,
                    const struct route_tree **ret)
{
    struct error err = ERROR_INIT;
    *ret = config_memo_get(r->env, r->arena, json, &err);
    return *ret || not_compiled(r, what, &err);
}

static bool find_inline(struct request *r, struct str json, struct config_found *ret)
{
    uint8_t digest[32];
    char hex[65];
    crypto_sha256(json.ptr, json.len, digest);
    crypto_hex(digest, sizeof(digest), hex);
    ret->policy = arena_printf(r->arena, "inline:%s", hex);
    ret->source = CONFIG_HEADER;
    return compile(r, json, "the routing config", &ret->tree);
}

static const struct snap_document *document_of(struct request *r, const struct route_ref *ref)
{
    const struct snap_key *k = r->key;
    struct uuid id;
    if (uuid_parse_public("cfg", ref->name, &id)) {
        return snapshot_config_by_id(r->snapshot, &k->organization_id, &k->workspace_id, &id);
    }
    return snapshot_config(r->snapshot, &k->organization_id, &k->workspace_id, ref->name);
}

bool config_by_reference(struct request *r, struct str text, enum config_source source,
                         struct config_found *ret)
{
    struct route_ref ref;
    struct str shown = str_slice(text, 0, 120);
    if (!route_ref_parse(text, &ref)) {
        return error_set_param(&r->error, ERR_CONFIG_NOT_FOUND, "config",
                               "'%.*s' is no reference to a routing config", STR_ARG(shown));
    }
    const struct snap_document *d = document_of(r, &ref);
    const struct snap_version *v = d ? snap_document_find(d, &ref) : NULL;
    if (!v) {
        return error_set_param(&r->error, ERR_CONFIG_NOT_FOUND, "config",
                               d ? "routing config '%.*s' has no such version, or none is published"
                                 : "there is no routing config '%.*s'",
                               STR_ARG(shown));
    }
    if (d->needs_unknown || v->unreadable) {
        return error_set(&r->error, ERR_UPGRADE_REQUIRED,
                         v->unreadable ? "a secret of routing config '%.*s' cannot be read here"
                                       : "this proxy lacks a feature that config '%.*s' needs",
                         STR_ARG(shown));
    }
    ret->tree = v->tree;
    ret->source = source;
    ret->document = d;
    ret->number = v->number;
    char hex[33];
    crypto_hex(d->id.b, sizeof(d->id.b), hex);
    ret->policy = arena_printf(r->arena, "cfg:%s:%llu", hex, (unsigned long long)v->number);
    return ret->tree || compile(r, v->json, "the routing config", &ret->tree);
}

/* A request that names an address beside its provider, as Portkey's clients may: the config of just
 * that, under the same rules. */
static struct str host_config(struct request *r, struct str host)
{
    struct str provider = r->provider_hint, model, plain = r->model;
    struct head h;
    if (!provider.ptr) {
        plain = str_starts(plain, STR_LIT("@")) ? str_slice(plain, 1, plain.len) : plain;
        provider = model_name_split(plain, &provider, &model) ? provider : STR_LIT("@");
    }
    if (!head_init(&h, r->arena, 6 * (provider.len + host.len) + 64)) {
        return STR_NONE;
    }
    head_put(&h, STR_LIT("{\"provider\":\""));
    head_put_json(&h, provider);
    head_put(&h, STR_LIT("\",\"custom_host\":\""));
    head_put_json(&h, host);
    head_put(&h, STR_LIT("\"}"));
    return head_str(&h);
}

static struct str header_config(struct request *r)
{
    struct str value = request_header(r, "x-weir-config");
    value = value.len ? value : request_header(r, "x-portkey-config");
    struct str host = value.len ? STR_NONE : request_header(r, "x-portkey-custom-host");
    return host.len ? host_config(r, host) : value;
}

/* A key may be bound to some configs; one that a header brings whole goes by the name "inline". */
static bool may_name(struct request *r, struct str name)
{
    const struct snap_key *k = r->key;
    bool may = k->n_configs == 0;
    for (size_t i = 0; i < k->n_configs && !may; i++) {
        may = model_name_matches(k->configs[i], name);
    }
    return may || error_set_param(&r->error, ERR_CONFIG_NOT_ALLOWED, "config",
                                  "this key may not use the routing config '%.*s'",
                                  STR_ARG(str_slice(name, 0, 100)));
}

bool config_find(struct request *r, struct config_found *ret)
{
    struct str said = header_config(r);
    *ret = (struct config_found){.policy = STR_LIT("")};
    if (r->explanation && r->explanation->proposed.ptr) {
        bool ok = find_inline(r, r->explanation->proposed, ret);
        ret->source = CONFIG_PROPOSED; /* an administrator's: it needs no leave of the key */
        return ok;
    }
    if (said.len && r->key->config_locked) {
        return error_set(&r->error, ERR_CONFIG_LOCKED,
                         "this key's routing config is locked: the request may bring no other");
    }
    if (said.len) {
        bool inlined = said.ptr[0] == '{';
        return (inlined ? find_inline(r, said, ret)
                        : config_by_reference(r, said, CONFIG_HEADER, ret)) &&
               may_name(r, inlined ? STR_LIT("inline") : ret->document->name);
    }
    if (r->key->config.len) {
        return config_by_reference(r, r->key->config, CONFIG_KEY, ret);
    }
    return !r->prompt_config.ptr || config_by_reference(r, r->prompt_config, CONFIG_PROMPT, ret);
}
