/* route: a model's name (or a provider's, for native requests) to ordered candidates. A workspace's
 * own objects shadow the organization's. An alias chooses its first candidate by weight; the others
 * follow in their order. */
#include "common/rules/model_name.h"
#include "dataplane/stages/path.h"
#include "dataplane/stages/stages.h"

static bool matches_any(const struct str *patterns, uint16_t n, struct str name)
{
    for (uint16_t i = 0; i < n; i++) {
        if (model_name_matches(patterns[i], name)) {
            return true;
        }
    }
    return false;
}

static bool key_allows_all(const struct snap_key *k)
{
    for (uint16_t i = 0; i < k->n_models; i++) {
        if (str_eqz(k->models[i], "*")) {
            return true;
        }
    }
    return false;
}

static bool unknown_model(struct request *r, struct str name)
{
    return error_set_param(&r->error, ERR_MODEL_NOT_FOUND, "model",
                           "the model '%.*s' does not exist or is not visible to this key",
                           STR_ARG(str_slice(name, 0, 120)));
}

/* Why a provider cannot serve now; true when it can. */
static bool provider_usable(struct request *r, const struct snap_provider *p)
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

static void add_candidate(struct request *r, const struct snap_provider *p, struct str model)
{
    r->candidates[r->n_candidates++] = (struct candidate){.provider = p, .model = model};
}

static bool resolve_direct(struct request *r, struct str provider, struct str model,
                           struct str name)
{
    const struct snap_key *k = r->key;
    const struct snap_provider *p =
        snapshot_provider_named(r->snapshot, &k->organization_id, &k->workspace_id, provider);
    if (!p || !matches_any(k->providers, k->n_providers, p->name)) {
        return unknown_model(r, name); /* an alias may lead there all the same */
    }
    if (!provider_usable(r, p) || !candidates_new(r, 1)) {
        return false;
    }
    add_candidate(r, p, model);
    return true;
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

static bool resolve_alias(struct request *r, const struct snap_model *m, struct str name)
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
        } else if (provider_usable(r, p)) {
            add_candidate(r, p, t->model);
            continue;
        }
        if (first.code == ERR_NONE) {
            first = r->error;
        }
    }
    r->error = r->n_candidates ? (struct error)ERROR_INIT : first;
    return r->n_candidates > 0;
}

bool route_resolve(struct request *r, struct str name)
{
    const struct snap_key *k = r->key;
    struct str provider, model;
    if (!matches_any(k->models, k->n_models, name)) {
        return error_set_param(&r->error, ERR_MODEL_NOT_ALLOWED, "model",
                               "this key may not use the model '%.*s'",
                               STR_ARG(str_slice(name, 0, 120)));
    }
    const struct snap_model *alias =
        snapshot_model(r->snapshot, &k->organization_id, &k->workspace_id, name);
    if (alias) {
        return resolve_alias(r, alias, name);
    }
    if (model_name_split(name, &provider, &model)) {
        return resolve_direct(r, provider, model, name);
    }
    return unknown_model(r, name);
}

static bool native_model_matches(struct request *r, struct str model)
{
    const struct snap_key *k = r->key;
    struct str full =
        model.ptr ? arena_printf(r->arena, "%.*s/%.*s", STR_ARG(r->provider_name), STR_ARG(model))
                  : STR_NONE;
    return full.ptr && matches_any(k->models, k->n_models, full);
}

/* Where providers look for a model in a path: …/models/{name}:verb, …/deployments/{name}/… */
static bool names_models(struct str segment)
{
    return str_eq_nocase(segment, STR_LIT("models")) ||
           str_eq_nocase(segment, STR_LIT("deployments")) ||
           str_eq_nocase(segment, STR_LIT("engines"));
}

/* The model that stands at the beginning of `rest`: a segment, a segment with a verb behind a
 * colon, or all of it (a name with slashes). */
static bool native_path_matches(struct request *r, struct str rest)
{
    struct str segment = rest, model, tail;
    (void)str_cut(rest, '/', &segment, &tail);
    model = segment;
    (void)str_cut(segment, ':', &model, &tail);
    return native_model_matches(r, segment) || native_model_matches(r, model) ||
           native_model_matches(r, rest);
}

/* Models that the URL names count as those in the body do: which of the two a provider heeds is not
 * for the client to choose. */
static bool native_url_matches(struct request *r)
{
    struct str rest, segment, model;
    struct str wanted = query_value(r->head->query, "model");
    if (wanted.ptr && (query_count(r->head->query, "model") > 1 ||
                       !path_decode(r->arena, wanted, &model) || !native_model_matches(r, model))) {
        return false;
    }
    if (!path_decode(r->arena, r->native_path, &rest)) {
        return false;
    }
    while (str_cut(rest, '/', &segment, &rest)) {
        bool named = names_models(segment);
        while (named && str_starts(rest, STR_LIT("/"))) {
            rest = str_slice(rest, 1, rest.len); /* doubled slashes are one to many servers */
        }
        if (named && rest.len && !native_path_matches(r, rest)) {
            return false;
        }
    }
    return true;
}

/* A key bound to some models keeps to them here too: what it sends must name one, as
 * provider/model. */
static bool native_model_allowed(struct request *r)
{
    if (key_allows_all(r->key)) {
        return true;
    }
    if (native_url_matches(r) && (r->body.len == 0 || native_model_matches(r, r->model))) {
        return true;
    }
    return error_set_param(
        &r->error, ERR_MODEL_NOT_ALLOWED, "model",
        "this key is bound to models, and the request names none of them as '%.*s/MODEL'",
        STR_ARG(str_slice(r->provider_name, 0, 64)));
}

static bool resolve_native(struct request *r)
{
    const struct snap_key *k = r->key;
    const struct snap_provider *p = snapshot_provider_named(r->snapshot, &k->organization_id,
                                                            &k->workspace_id, r->provider_name);
    if (!p || !matches_any(k->providers, k->n_providers, p->name)) {
        return error_set(&r->error, ERR_PROVIDER_NOT_FOUND,
                         "there is no provider '%.*s' that this key may use",
                         STR_ARG(str_slice(r->provider_name, 0, 64)));
    }
    if (!native_model_allowed(r) || !provider_usable(r, p) || !candidates_new(r, 1)) {
        return false;
    }
    add_candidate(r, p, r->model);
    return true;
}

enum verdict stage_route(struct request *r)
{
    switch (r->kind) {
    case REQUEST_MODELS:
        return route_list_models(r);
    case REQUEST_NATIVE:
        return resolve_native(r) ? VERDICT_NEXT : VERDICT_REJECT;
    default:
        return route_resolve(r, r->model) ? VERDICT_NEXT : VERDICT_REJECT;
    }
}
