/* route: a model's name (or a provider's, for native requests) to ordered candidates. A workspace's
 * own objects shadow the organization's. Where a routing config holds, or an alias has several
 * targets, the candidates come one by one from the walk through it (routing.h). */
#include "common/rules/model_name.h"
#include "dataplane/stages/cache.h"
#include "dataplane/stages/governed.h"
#include "dataplane/stages/route_native.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"

static bool unknown_model(struct request *r, struct str name)
{
    return error_set_param(&r->error, ERR_MODEL_NOT_FOUND, "model",
                           "the model '%.*s' does not exist or is not visible to this key",
                           STR_ARG(str_slice(name, 0, 120)));
}

bool route_unknown_provider(struct request *r, struct str name)
{
    return error_set(&r->error, ERR_PROVIDER_NOT_FOUND,
                     "there is no provider '%.*s' that this key may use",
                     STR_ARG(str_slice(name, 0, 64)));
}

/* Why a provider cannot serve now; true when it can. */
bool route_provider_usable(struct request *r, const struct snap_provider *p)
{
    if (p->disabled) {
        return error_set(&r->error, ERR_OVERLOADED, "provider '%.*s' is disabled",
                         STR_ARG(str_slice(p->name, 0, 64)));
    }
    if (p->credential_unreadable) {
        return error_set(&r->error, ERR_OVERLOADED,
                         "the credential of provider '%.*s' cannot be read by this proxy",
                         STR_ARG(str_slice(p->name, 0, 64)));
    }
    if (p->needs_unknown) {
        return error_set(&r->error, ERR_UPGRADE_REQUIRED,
                         "this proxy lacks a feature that provider '%.*s' needs",
                         STR_ARG(str_slice(p->name, 0, 64)));
    }
    return true;
}

static bool candidates_new(struct request *r, size_t n)
{
    r->candidates = arena_alloc(r->arena, n * sizeof(*r->candidates));
    r->n_candidates = 0;
    return r->candidates || error_set(&r->error, ERR_INTERNAL, "out of room for candidates");
}

static enum api_kind wanted_kind(const struct request *r)
{
    switch (r->kind) {
    case REQUEST_CHAT:
        return API_KIND_CHAT;
    case REQUEST_EMBED:
        return API_KIND_EMBED;
    case REQUEST_RERANK:
        return API_KIND_RERANK;
    case REQUEST_COUNT:
        return API_KIND_COUNT_TOKENS;
    default:
        return API_KIND_NONE;
    }
}

static const char *operation_name(const struct request *r)
{
    switch (r->kind) {
    case REQUEST_EMBED:
        return "embeddings";
    case REQUEST_RERANK:
        return "rerank";
    case REQUEST_COUNT:
        return "token counting";
    default:
        return "chat";
    }
}

/* A provider that counts no tokens has no operation for that (`translate` says what becomes of it).
 */
bool route_candidate(struct request *r, const struct snap_provider *p, struct str model,
                     enum provider_api forced, struct candidate *ret)
{
    struct candidate c = {.provider = p, .model = model};
    enum api_kind kind = wanted_kind(r);
    if (kind != API_KIND_NONE) {
        c.endpoint = provider_endpoint_for(p->row, kind, r->face_api, forced, model);
    }
    if (kind != API_KIND_NONE && kind != API_KIND_COUNT_TOKENS && !c.endpoint) {
        return error_set_param(&r->error, ERR_INVALID_FIELD, "model",
                               "provider '%.*s' has no %s for the model '%.*s'%s%s",
                               STR_ARG(str_slice(p->name, 0, 64)), operation_name(r),
                               STR_ARG(str_slice(model, 0, 80)), forced ? " by endpoint " : "",
                               provider_api_name(forced));
    }
    *ret = c;
    return true;
}

/* The provider of that name, or of that kind, if the key may use it. */
const struct snap_provider *route_visible_provider(struct request *r, struct str name)
{
    const struct snap_key *k = r->key;
    const struct snap_provider *p =
        snapshot_provider_named(r->snapshot, &k->organization_id, &k->workspace_id, name);
    if (!p && str_starts(name, STR_LIT("custom-"))) {
        /* Cloudflare's name for what its users add */
        p = snapshot_provider_named(r->snapshot, &k->organization_id, &k->workspace_id,
                                    str_slice(name, 7, name.len));
    }
    if (!p) {
        p = snapshot_provider_of_kind(r->snapshot, &k->organization_id, &k->workspace_id, name);
    }
    return p && route_matches(k->providers, k->n_providers, p->name) ? p : NULL;
}

static bool key_allows_model(struct request *r, struct str name)
{
    return route_matches(r->key->models, r->key->n_models, name);
}

static bool model_forbidden(struct request *r, struct str name)
{
    return error_set_param(&r->error, ERR_MODEL_NOT_ALLOWED, "model",
                           "this key may not use the model '%.*s'",
                           STR_ARG(str_slice(name, 0, 120)));
}

/* A key bound to models names them as "provider/model": by the provider's own name, or as the
 * client wrote it (`written`; NULL ptr when a header named the provider). */
static bool found_direct(struct request *r, const struct snap_provider *p, struct str model,
                         struct str written, struct str name, bool trusted, struct route_found *ret)
{
    struct str full = arena_printf(r->arena, "%.*s/%.*s", STR_ARG(p->name), STR_ARG(model));
    if (!trusted && (!full.ptr || (!key_allows_model(r, full) &&
                                   !(written.ptr && key_allows_model(r, written))))) {
        return model_forbidden(r, name);
    }
    *ret = (struct route_found){.provider = p, .model = model};
    return true;
}

/* What a target is called, with `rest` in the place of its star. */
static struct str target_model(struct request *r, struct str model, struct str rest)
{
    struct str head, tail;
    if (!rest.ptr || !str_cut(model, '*', &head, &tail)) {
        return model;
    }
    return arena_printf(r->arena, "%.*s%.*s%.*s", STR_ARG(head), STR_ARG(rest), STR_ARG(tail));
}

bool route_target(struct request *r, const struct uuid *provider_id, struct str model,
                  struct str rest, enum provider_api endpoint, struct candidate *ret)
{
    const struct snap_provider *p = snapshot_provider(r->snapshot, provider_id);
    if (!p) {
        return error_set(&r->error, ERR_OVERLOADED,
                         "a provider of model '%.*s' is not configured here",
                         STR_ARG(str_slice(r->model, 0, 64)));
    }
    return route_provider_usable(r, p) &&
           route_candidate(r, p, target_model(r, model, rest), endpoint, ret);
}

struct str route_bare_model(const struct snap_provider *p, struct str hint, struct str name)
{
    struct str provider, model;
    if (str_starts(name, STR_LIT("@"))) {
        name = str_slice(name, 1, name.len);
    }
    if (model_name_split(name, &provider, &model) &&
        (str_eq(provider, p->name) || (hint.ptr && str_eq(provider, hint)))) {
        return model;
    }
    return name;
}

/* The provider is the client's choice, whoever names the model. */
static bool found_hinted(struct request *r, struct str name, struct route_found *ret)
{
    const struct snap_provider *p = route_visible_provider(r, r->provider_hint);
    if (!p) {
        return route_unknown_provider(r, r->provider_hint);
    }
    return found_direct(r, p, route_bare_model(p, r->provider_hint, name), STR_NONE, name, false,
                        ret);
}

static bool found_alias(struct request *r, const struct snap_model *m, struct str name,
                        struct str rest, struct route_found *ret)
{
    if (m->needs_unknown) {
        return error_set(&r->error, ERR_UPGRADE_REQUIRED,
                         "this proxy lacks a feature that model '%.*s' needs",
                         STR_ARG(str_slice(name, 0, 64)));
    }
    if (m->n_targets == 0 && !m->config.len) {
        return unknown_model(r, name);
    }
    *ret = (struct route_found){.alias = m, .rest = rest};
    return true;
}

/* In order: an alias of just that name; the provider that a header names; one that the name begins
 * with; an alias with a star. */
bool route_find(struct request *r, struct str name, bool trusted, struct route_found *ret)
{
    const struct snap_key *k = r->key;
    static const struct str dynamic = STR_LIT("dynamic/");
    bool at = str_starts(name, STR_LIT("@"));
    struct str plain = at ? str_slice(name, 1, name.len) : name, provider, model, rest;
    const struct snap_model *alias =
        at ? NULL : snapshot_model(r->snapshot, &k->organization_id, &k->workspace_id, name);
    if (!alias && str_starts(name, dynamic)) {
        /* Cloudflare's name for a route */
        plain = str_slice(name, dynamic.len, name.len);
        alias = snapshot_model(r->snapshot, &k->organization_id, &k->workspace_id, plain);
        plain = alias ? plain : name;
    }
    if (alias) {
        return trusted || key_allows_model(r, plain) ? found_alias(r, alias, name, STR_NONE, ret)
                                                     : model_forbidden(r, name);
    }
    if (!at && r->provider_hint.ptr && r->kind != REQUEST_MODELS) {
        return found_hinted(r, name, ret);
    }
    const struct snap_provider *p =
        model_name_split(name, &provider, &model) ? route_visible_provider(r, provider) : NULL;
    if (p) {
        return found_direct(r, p, model, plain, name, trusted, ret);
    }
    if (!trusted && !key_allows_model(r, plain)) {
        return model_forbidden(r, name);
    }
    alias = at ? NULL
               : snapshot_model_wildcard(r->snapshot, &k->organization_id, &k->workspace_id, name,
                                         &rest);
    return alias ? found_alias(r, alias, name, rest, ret) : unknown_model(r, name);
}

/* Without a walk: one provider, and it alone. */
static bool take_one(struct request *r, const struct route_found *f)
{
    if (!candidates_new(r, 1)) {
        return false;
    }
    if (f->provider) {
        if (!route_provider_usable(r, f->provider) ||
            !route_candidate(r, f->provider, f->model, API_NONE, &r->candidates[0])) {
            return false;
        }
    } else {
        const struct snap_target *t = &f->alias->targets[0];
        if (!route_target(r, &t->provider_id, t->model, f->rest, t->endpoint, &r->candidates[0])) {
            return false;
        }
    }
    r->n_candidates = 1;
    routing_plain_target(r, &r->candidates[0]);
    return true;
}

static enum verdict route_alias(struct request *r, const struct route_found *f)
{
    struct config_found found = {
        .tree = f->alias->plain, .source = CONFIG_PLAIN, .policy = STR_LIT("")};
    if (f->alias->config.len && !config_by_reference(r, f->alias->config, CONFIG_MODEL, &found)) {
        return VERDICT_REJECT;
    }
    if (!found.tree) {
        return take_one(r, f) ? VERDICT_NEXT : VERDICT_REJECT;
    }
    return routing_begin(r, &found, f->rest, f->alias->name);
}

static enum verdict route_by_name(struct request *r)
{
    struct route_found f;
    struct config_found found;
    if (!config_find(r, &found)) {
        return VERDICT_REJECT;
    }
    if (found.tree) {
        return routing_begin(r, &found, STR_NONE, STR_LIT(""));
    }
    if (!route_find(r, r->model, false, &f)) {
        return VERDICT_REJECT;
    }
    return f.alias ? route_alias(r, &f) : take_one(r, &f) ? VERDICT_NEXT : VERDICT_REJECT;
}

/* Where a budget chooses a cheaper model: its way is forgotten, and that model's taken. Nothing was
 * sent yet; what comes back is no answer to what was asked, so it is not kept for others. */
bool route_downgrade(struct request *r, struct str model)
{
    struct route_found f;
    struct str asked = r->model;
    request_probe_back(r);
    cache_forget(r);
    r->routing = NULL;
    r->candidates = NULL;
    r->n_candidates = r->candidate = 0;
    r->prices = NULL;
    r->priced = NULL;
    r->prices_sought = false;
    r->provider_hint = STR_NONE;
    r->output_cap = 0;
    if (r->body.ptr != r->client_body.ptr) {
        r->body = r->client_body;
        if (!read_again(r)) {
            return false;
        }
    }
    r->model = model;
    bool found = route_find(r, model, true, &f);
    enum verdict v = !found            ? VERDICT_REJECT
                     : f.alias         ? route_alias(r, &f)
                     : take_one(r, &f) ? VERDICT_NEXT
                                       : VERDICT_REJECT;
    r->model = asked;
    r->downgraded_from = asked;
    return v == VERDICT_NEXT;
}

/* The fixed order of a universal request: its steps, as far as there are such providers. */
static bool resolve_universal(struct request *r)
{
    struct error first = ERROR_INIT;
    if (!candidates_new(r, r->n_steps)) {
        return false;
    }
    for (size_t i = 0; i < r->n_steps; i++) {
        struct candidate *c = &r->candidates[r->n_candidates];
        if (route_native_candidate(r, r->steps[i].provider, &r->steps[i], c)) {
            r->n_candidates++;
        } else if (first.code == ERR_NONE) {
            first = r->error;
        }
    }
    r->error = r->n_candidates ? (struct error)ERROR_INIT : first;
    if (r->n_candidates) {
        r->model = r->candidates[0].model;
    }
    return r->n_candidates > 0;
}

static bool resolve_native(struct request *r)
{
    if (!candidates_new(r, 1) ||
        !route_native_candidate(r, r->provider_name, NULL, &r->candidates[0])) {
        return false;
    }
    r->n_candidates = 1;
    return true;
}

/* No way around a locked config: a native call names its provider itself, a universal one brings a
 * routing of its own. */
static bool keeps_lock(struct request *r)
{
    bool goes_around = r->kind == REQUEST_NATIVE || r->kind == REQUEST_UNIVERSAL;
    return !goes_around || !r->key->config_locked ||
           error_set(&r->error, ERR_CONFIG_LOCKED,
                     "this key's routing config is locked: it may not call a provider past it");
}

enum verdict stage_route(struct request *r)
{
    if (!keeps_lock(r)) {
        return VERDICT_REJECT;
    }
    switch (r->kind) {
    case REQUEST_MODELS:
        return route_list_models(r);
    case REQUEST_USAGE:
        return usage_answer(r);
    case REQUEST_NATIVE:
        return resolve_native(r) ? VERDICT_NEXT : VERDICT_REJECT;
    case REQUEST_UNIVERSAL:
        return resolve_universal(r) ? VERDICT_NEXT : VERDICT_REJECT;
    default:
        return route_by_name(r);
    }
}
