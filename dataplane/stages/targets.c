/* What the walk through a routing config asks of the request: whom a leaf means, what is known of
 * it, which alias stands in its place, and what it would cost. Each leaf is looked at once. */
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/crypto.h"
#include "common/rules/model_name.h"
#include "dataplane/net/loop.h"
#include "dataplane/request/pricing.h"
#include "dataplane/snapshot/provider_entity.h"
#include "dataplane/stages/route_native.h"
#include "dataplane/stages/routing.h"

#define SEEN_MAX (1u << 20)
#define EXPECTED_OUTPUT 256 /* tokens, where the client names no maximum: for comparing prices */

/* ---- credentials ---- */

static struct target_state *state_of(struct request *r, const struct candidate *c,
                                     unsigned credential)
{
    struct target_table *t = r->env->policy->targets;
    return t ? target_state_of(t, &c->provider->id, c->provider->name, c->model, credential,
                               clock_mono_ns() / 1000000)
             : NULL;
}

/* Several keys take turns; one that is cooling down is passed over while another is not. */
static void choose_credential(struct request *r, struct candidate *c)
{
    const struct snap_provider *p = c->provider;
    uint64_t now = clock_mono_ns() / 1000000;
    unsigned n = (unsigned)p->n_credentials;
    if (c->credential.ptr || n < 2) {
        c->state = state_of(r, c, 0);
        return;
    }
    unsigned start = r->env->turn++ % n;
    for (unsigned i = 0; i < n; i++) {
        unsigned k = (start + i) % n;
        struct target_state *s = state_of(r, c, k);
        bool free = !s || (target_breaker(s, now) != BREAKER_OPEN && target_reopens_ms(s) <= now &&
                           !target_saturated(s, 0, now));
        if (i == 0 || free) {
            c->state = s;
            c->credential_number = k;
            c->credential = p->credentials[k];
        }
        if (free) {
            return;
        }
    }
}

bool routing_plain_target(struct request *r, struct candidate *c)
{
    choose_credential(r, c);
    return true;
}

/* ---- whom a leaf means ---- */

static const struct route_node *root_of(const struct route_node *n)
{
    while (n->parent) {
        n = n->parent;
    }
    return n;
}

static const struct routing_tree *tree_of(const struct routing *g, const struct route_node *leaf)
{
    const struct route_node *root = root_of(leaf);
    for (const struct routing_tree *t = g->trees; t; t = t->next) {
        if (t->tree->root == root) {
            return t;
        }
    }
    return NULL;
}

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

/* A provider that stands in the config alone: its kind's address or the operator's leave for
 * another, its own key. The id is made of these, so that its state is told apart. */
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
    bool stored = like && !leaf->credential.ptr && (like->credential.len || like->n_credentials);
    if (!stored || (!leaf->settings->custom_host.ptr && same_origin(like, p))) {
        return true;
    }
    return error_set_param(
        &r->error, ERR_INVALID_CONFIG, "custom_host",
        "the stored key of provider '%.*s' goes to no other address: a request's "
        "own config brings an api_key for it",
        STR_ARG(str_slice(like->name, 0, 64)));
}

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
    p->settings_json =
        merged_settings(r, like ? like->settings_json : STR_LIT(""), leaf->settings_json);
    bool moved = host.ptr != NULL;
    if (!moved && text_member(leaf->settings_json, "base_url", r->arena, &p->base_url)) {
        moved = !leaf->credential.ptr; /* a stored key would go where the document says */
    }
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

static bool provider_of(struct request *r, const struct route_node *leaf, bool trusted,
                        bool inlined, const struct snap_provider **ret)
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

static bool model_allowed(struct request *r, const struct snap_provider *p, struct str model)
{
    const struct snap_key *k = r->key;
    struct str full = arena_printf(r->arena, "%.*s/%.*s", STR_ARG(p->name), STR_ARG(model));
    if (full.ptr && (route_matches(k->models, k->n_models, full) ||
                     route_matches(k->models, k->n_models, model))) {
        return true;
    }
    return error_set_param(&r->error, ERR_MODEL_NOT_ALLOWED, "model",
                           "this key may not use the model '%.*s'",
                           STR_ARG(str_slice(full, 0, 120)));
}

static bool leaf_candidate(struct routing *g, const struct route_node *leaf, struct candidate *ret)
{
    struct request *r = g->request;
    const struct routing_tree *t = tree_of(g, leaf);
    bool trusted = t && t->trusted;
    struct str name = leaf->model.ptr ? leaf->model : r->model;
    const struct snap_provider *p;
    struct route_found f;
    if (leaf->provider_id) {
        struct uuid id;
        memcpy(id.b, leaf->provider_id, sizeof(id.b));
        return route_target(r, &id, leaf->model, t ? t->rest : STR_NONE, leaf->endpoint, ret);
    }
    if (leaf->provider.ptr) {
        /* a stored document that a header names is an administrator's */
        bool inlined = !trusted && !g->config.document;
        if (!provider_of(r, leaf, trusted, inlined, &p)) {
            return false;
        }
        name = route_bare_model(p, leaf->provider, name);
        return (trusted || model_allowed(r, p, name)) &&
               route_candidate(r, p, name, leaf->endpoint, ret);
    }
    if (!route_find(r, name, trusted, &f)) {
        return false;
    }
    if (f.provider) {
        return route_provider_usable(r, f.provider) &&
               route_candidate(r, f.provider, f.model, leaf->endpoint, ret);
    }
    const struct snap_target *one = f.alias->n_targets ? &f.alias->targets[0] : NULL;
    return one && route_target(r, &one->provider_id, one->model, f.rest,
                               leaf->endpoint ? leaf->endpoint : one->endpoint, ret);
}

/* Where the config forbids translation, only a target that speaks the client's dialect will do. */
static bool speaks_alike(struct request *r, const struct route_settings *s,
                         const struct candidate *c)
{
    return !s->passthrough || !c->endpoint || c->endpoint->api == r->face_api ||
           error_set_param(&r->error, ERR_INVALID_FIELD, "passthrough",
                           "provider '%.*s' does not speak the request's dialect, and its routing "
                           "config forbids to translate",
                           STR_ARG(str_slice(c->provider->name, 0, 64)));
}

struct routing_target *routing_target_of(struct routing *g, const struct route_node *leaf)
{
    struct request *r = g->request;
    for (struct routing_target *t = g->targets; t; t = t->next) {
        if (t->leaf == leaf) {
            return t;
        }
    }
    struct routing_target *t = arena_zalloc(r->arena, sizeof(*t));
    if (!t) {
        return NULL;
    }
    struct error before = r->error;
    r->error = (struct error)ERROR_INIT;
    t->leaf = leaf;
    t->possible =
        leaf_candidate(g, leaf, &t->candidate) && speaks_alike(r, leaf->settings, &t->candidate);
    t->next = g->targets;
    g->targets = t;
    if (t->possible) {
        t->candidate.leaf = leaf;
        t->own_credential = leaf->credential.ptr != NULL;
        choose_credential(r, &t->candidate);
    } else {
        t->why = r->error.code;
        t->why_text = arena_str(r->arena, str_of(error_text(&r->error)));
        if (g->first_error.code == ERR_NONE) {
            g->first_error = r->error;
        }
    }
    r->error = before;
    return t;
}

/* ---- what the walk asks ---- */

static struct target_state *ask_state(void *arg, const struct route_node *leaf)
{
    struct routing_target *t = routing_target_of(arg, leaf);
    return t && t->possible ? t->candidate.state : NULL;
}

static struct routing_tree *push_tree(struct routing *g, const struct route_tree *tree,
                                      bool trusted, struct str rest, struct str name)
{
    for (struct routing_tree *t = g->trees; t; t = t->next) {
        if (t->tree == tree) {
            t->rest = rest.ptr ? rest : t->rest;
            return t;
        }
    }
    struct routing_tree *t = arena_zalloc(g->request->arena, sizeof(*t));
    if (t) {
        *t = (struct routing_tree){tree, trusted, rest, name, g->trees};
        g->trees = t;
    }
    return t;
}

/* An alias in a leaf's place: of several targets, or with a config of its own. What cannot be found
 * is left for the leaf itself to say. */
static const struct route_tree *ask_expand(void *arg, const struct route_node *leaf)
{
    struct routing *g = arg;
    struct request *r = g->request;
    const struct routing_tree *in = tree_of(g, leaf);
    struct error before = r->error;
    struct route_found f;
    struct config_found found = {.source = CONFIG_NONE};
    const struct route_tree *tree = NULL;
    if (leaf->provider.ptr || leaf->provider_id) {
        return NULL;
    }
    if (route_find(r, leaf->model.ptr ? leaf->model : r->model, in && in->trusted, &f) && f.alias) {
        tree = f.alias->plain;
        if (f.alias->config.len && config_by_reference(r, f.alias->config, CONFIG_MODEL, &found)) {
            tree = found.tree;
        }
    }
    r->error = before;
    return tree && push_tree(g, tree, true, f.rest, f.alias->name) ? tree : NULL;
}

uint64_t routing_prompt_tokens(const struct request *r)
{
    return (r->client_body.len + 3) / 4;
}

static uint64_t ask_price(void *arg, const struct route_node *leaf)
{
    struct routing *g = arg;
    struct routing_target *t = routing_target_of(g, leaf);
    return t && t->possible ? pricing_estimate(g->request, &t->candidate,
                                               routing_prompt_tokens(g->request), EXPECTED_OUTPUT)
                            : UINT64_MAX;
}

static uint64_t ask_random(void *arg, uint64_t n)
{
    const struct routing *g = arg;
    return request_env_random(g->request->env, n);
}

void routing_env(struct routing *g, struct walk_env *ret)
{
    struct request *r = g->request;
    *ret = (struct walk_env){
        .arg = g,
        .arena = r->arena,
        .now_ms = clock_mono_ns() / 1000000,
        .wall_s = clock_wall_ms() / 1000,
        .prompt_tokens = routing_prompt_tokens(r),
        .random = ask_random,
        .fact = routing_fact,
        .state = ask_state,
        .expand = ask_expand,
        .price = ask_price,
        .caller = {(const char *)r->key->id.b, sizeof(r->key->id.b)},
    };
}

/* ---- taking one ---- */

struct walk_place routing_place(const struct routing *g)
{
    return (struct walk_place){.leaf = g->step.leaf,
                               .outer = g->step.outer,
                               .state = g->step.state,
                               .settings = g->step.settings,
                               .option = walk_option(g->walk)};
}

bool routing_take(struct request *r, const struct walk_place *place, const char *kind, bool retry)
{
    struct routing_target *t = routing_target_of(r->routing, place->leaf);
    if (!t || !t->possible || r->n_candidates >= REQUEST_MAX_ATTEMPTS) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for a further attempt");
    }
    r->candidate = r->n_candidates++;
    struct candidate *c = &r->candidates[r->candidate];
    *c = t->candidate;
    c->settings = place->settings;
    c->option = place->option;
    c->kind = kind;
    if (retry && !t->own_credential) {
        c->credential = STR_NONE;
        c->credential_number = 0;
        choose_credential(r, c);
    }
    return override_apply(r, c);
}

/* The step's leaf as the candidate at hand; a probe that is not sent is given back. */
static bool take_step(struct request *r, const char *kind)
{
    struct routing *g = r->routing;
    struct walk_place place = routing_place(g);
    if (!routing_take(r, &place, kind, g->step.retry)) {
        if (g->step.probe) {
            target_probe_dropped(g->step.state);
        }
        return false;
    }
    /* the probe is the walk's slot's, which another key's is not */
    r->candidates[r->candidate].probe =
        g->step.probe && r->candidates[r->candidate].state == g->step.state;
    if (g->step.probe && !r->candidates[r->candidate].probe) {
        target_probe_dropped(g->step.state);
    }
    return true;
}

bool routing_take_step(struct request *r)
{
    return take_step(r, r->routing->step.retry ? "retry" : r->n_attempts ? "fallback" : NULL);
}

static bool no_route(struct request *r, enum walk_reason reason)
{
    struct routing *g = r->routing;
    if (reason == WALK_NO_CONDITION) {
        return error_set(&r->error, ERR_NO_ROUTE,
                         "no condition of the routing config holds, and it has no default");
    }
    if (g->first_error.code != ERR_NONE) {
        r->error = g->first_error;
        return false;
    }
    return error_set(&r->error, reason == WALK_TOO_DEEP ? ERR_INVALID_CONFIG : ERR_OVERLOADED,
                     reason == WALK_TOO_DEEP
                         ? "the routing config goes through more aliases than is allowed"
                         : "the routing config has no target that can be called");
}

static void release_routing(void *arg)
{
    struct routing *g = arg;
    loop_timer_free(g->timer);
    g->timer = NULL;
    buffer_release(&g->seen);
}

enum verdict routing_begin(struct request *r, const struct config_found *found, struct str rest,
                           struct str name)
{
    struct walk_env env;
    struct routing *g = arena_zalloc(r->arena, sizeof(*g));
    r->candidates = arena_zalloc(r->arena, REQUEST_MAX_ATTEMPTS * sizeof(*r->candidates));
    r->n_candidates = 0;
    if (!g || !r->candidates || !arena_on_release(r->arena, release_routing, g)) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the routing config");
        return VERDICT_REJECT;
    }
    g->request = r;
    buffer_init(&g->seen, SEEN_MAX);
    g->config = *found;
    g->first_error = (struct error)ERROR_INIT;
    r->routing = g;
    routing_env(g, &env);
    env.explain = explain_decisions(r);
    if (!push_tree(g, found->tree, found->source != CONFIG_HEADER, rest, name) ||
        !(g->walk = walk_new(found->tree, &env))) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the routing config");
        return VERDICT_REJECT;
    }
    if (walk_first(g->walk, &g->step) == WALK_END) {
        (void)no_route(r, g->step.reason);
        return VERDICT_REJECT;
    }
    return routing_take_step(r) ? VERDICT_NEXT : VERDICT_REJECT;
}
