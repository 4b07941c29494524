/* route: a model's name (or a provider's, for native requests) to ordered candidates. A workspace's
 * own objects shadow the organization's. An alias chooses its first candidate by weight; the others
 * follow in their order. */
#include "common/rules/model_name.h"
#include "dataplane/stages/route_native.h"
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

/* Which of the provider's operations it will be. A provider that counts no tokens has none for that
 * (`translate` says what becomes of it). */
static bool add_candidate(struct request *r, const struct snap_provider *p, struct str model,
                          enum provider_api forced)
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
    r->candidates[r->n_candidates++] = c;
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
static bool resolve_direct(struct request *r, const struct snap_provider *p, struct str model,
                           struct str written, struct str name)
{
    struct str full = arena_printf(r->arena, "%.*s/%.*s", STR_ARG(p->name), STR_ARG(model));
    if (!full.ptr ||
        (!key_allows_model(r, full) && !(written.ptr && key_allows_model(r, written)))) {
        return model_forbidden(r, name);
    }
    return route_provider_usable(r, p) && candidates_new(r, 1) &&
           add_candidate(r, p, model, API_NONE);
}

/* Index into targets of the first candidate. */
static size_t choose(struct request *r, const struct snap_model *m)
{
    uint64_t total = 0;
    for (size_t i = 0; i < m->n_targets; i++) {
        total += m->targets[i].weight;
    }
    if (m->n_targets == 1 || total == 0) {
        return 0;
    }
    uint64_t at = request_env_random(r->env, total);
    for (size_t i = 0; i < m->n_targets; i++) {
        if (at < m->targets[i].weight) {
            return i;
        }
        at -= m->targets[i].weight;
    }
    return 0;
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

/* rest: what the alias's star stands for; NULL ptr when it has none. */
static bool resolve_alias(struct request *r, const struct snap_model *m, struct str name,
                          struct str rest)
{
    struct error first = ERROR_INIT;
    if (m->needs_unknown) {
        return error_set(&r->error, ERR_UPGRADE_REQUIRED,
                         "this proxy lacks a feature that model '%.*s' needs",
                         STR_ARG(str_slice(name, 0, 64)));
    }
    if (m->n_targets == 0) {
        return unknown_model(r, name);
    }
    if (!candidates_new(r, m->n_targets)) {
        return false;
    }
    size_t chosen = choose(r, m);
    for (size_t i = 0; i < m->n_targets; i++) {
        size_t at = i == 0 ? chosen : i <= chosen ? i - 1 : i;
        const struct snap_target *t = &m->targets[at];
        const struct snap_provider *p = snapshot_provider(r->snapshot, &t->provider_id);
        if (!p) {
            (void)error_set(&r->error, ERR_OVERLOADED,
                            "a provider of model '%.*s' is not configured here",
                            STR_ARG(str_slice(name, 0, 64)));
        } else if (route_provider_usable(r, p) &&
                   add_candidate(r, p, target_model(r, t->model, rest), t->endpoint)) {
            continue;
        }
        if (first.code == ERR_NONE) {
            first = r->error;
        }
    }
    r->error = r->n_candidates ? (struct error)ERROR_INIT : first;
    return r->n_candidates > 0;
}

/* What the provider that a header names is to be asked: "openai/gpt-4o" asked of openai is its
 * gpt-4o. */
static struct str hinted_model(const struct request *r, const struct snap_provider *p,
                               struct str name)
{
    struct str provider, model;
    if (model_name_split(name, &provider, &model) &&
        (str_eq(provider, p->name) || str_eq(provider, r->provider_hint))) {
        return model;
    }
    return name;
}

static bool resolve_hinted(struct request *r, struct str name)
{
    const struct snap_provider *p = route_visible_provider(r, r->provider_hint);
    if (!p) {
        return route_unknown_provider(r, r->provider_hint);
    }
    return resolve_direct(r, p, hinted_model(r, p, name), STR_NONE, name);
}

/* In order: an alias of just that name; the provider that a header names; one that the name begins
 * with; an alias with a star. */
bool route_resolve(struct request *r, struct str name)
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
        return key_allows_model(r, plain) ? resolve_alias(r, alias, name, STR_NONE)
                                          : model_forbidden(r, name);
    }
    if (!at && r->provider_hint.ptr && r->kind != REQUEST_MODELS) {
        return resolve_hinted(r, name);
    }
    const struct snap_provider *p =
        model_name_split(name, &provider, &model) ? route_visible_provider(r, provider) : NULL;
    if (p) {
        return resolve_direct(r, p, model, plain, name);
    }
    if (!key_allows_model(r, plain)) {
        return model_forbidden(r, name);
    }
    alias = at ? NULL
               : snapshot_model_wildcard(r->snapshot, &k->organization_id, &k->workspace_id, name,
                                         &rest);
    return alias ? resolve_alias(r, alias, name, rest) : unknown_model(r, name);
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

enum verdict stage_route(struct request *r)
{
    switch (r->kind) {
    case REQUEST_MODELS:
        return route_list_models(r);
    case REQUEST_NATIVE:
        return resolve_native(r) ? VERDICT_NEXT : VERDICT_REJECT;
    case REQUEST_UNIVERSAL:
        return resolve_universal(r) ? VERDICT_NEXT : VERDICT_REJECT;
    default:
        return route_resolve(r, r->model) ? VERDICT_NEXT : VERDICT_REJECT;
    }
}
