/* What the walk through a routing config asks of the request: whom a leaf means, what is known of
 * it, which alias stands in its place, and what it would cost. Each leaf is looked at once. */
#include "common/base/clock.h"
#include "common/rules/model_name.h"
#include "dataplane/net/loop.h"
#include "dataplane/request/pricing.h"
#include "dataplane/stages/route_native.h"
#include "dataplane/stages/routing.h"

#define SEEN_MAX (1u << 20)

/* ---- credentials ---- */

struct target_state *routing_state_of(struct request *r, const struct candidate *c,
                                      unsigned credential)
{
    struct target_table *t = r->env->policy->targets;
    struct uuid id = c->provider->id;
    if (c->callers && c->leaf->settings->breaker.set) {
        /* a breaker by the caller's own word is its workspace's own */
        for (size_t i = 0; i < sizeof(id.b); i++) {
            id.b[i] ^= r->key->workspace_id.b[i];
        }
    }
    return t ? target_state_of(t, &id, c->provider->name, c->model, credential, clock_mono_ms())
             : NULL;
}

/* Several keys take turns; one that is cooling down is passed over while another is not. */
static void choose_credential(struct request *r, struct candidate *c)
{
    const struct snap_provider *p = c->provider;
    uint64_t now = clock_mono_ms();
    unsigned n = (unsigned)p->n_credentials;
    if (c->credential.ptr || n < 2) {
        c->state = routing_state_of(r, c, 0);
        return;
    }
    unsigned start = r->env->turn++ % n;
    for (unsigned i = 0; i < n; i++) {
        unsigned k = (start + i) % n;
        struct target_state *s = routing_state_of(r, c, k);
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

void routing_plain_target(struct request *r, struct candidate *c)
{
    choose_credential(r, c);
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

/* Whether nobody but an administrator says which model it is: the document does, or the alias that
 * the client named, which was held against the key already. A leaf without a model calls what the
 * client names, and an administrator's leaf lends no leave to that. */
static bool is_vouched(const struct routing *g, const struct routing_tree *t,
                       const struct route_node *leaf)
{
    bool by_alias = g->config.source == CONFIG_MODEL || g->config.source == CONFIG_PLAIN;
    return t && t->trusted && (leaf->model.ptr || by_alias);
}

/* A key bound to models names a provider's as "provider/model", by the provider's own name or as
 * the config has it; a bare name is an alias's, but where an administrator's config says whom the
 * client's model goes to. */
static bool model_allowed(struct request *r, const struct snap_provider *p,
                          const struct route_node *leaf, struct str model, bool trusted)
{
    const struct snap_key *k = r->key;
    struct str full = arena_printf(r->arena, "%.*s/%.*s", STR_ARG(p->name), STR_ARG(model));
    struct str written =
        arena_printf(r->arena, "%.*s/%.*s", STR_ARG(leaf->provider), STR_ARG(model));
    if (full.ptr && written.ptr &&
        (route_matches(k->models, k->n_models, full) ||
         route_matches(k->models, k->n_models, written) ||
         (trusted && route_matches(k->models, k->n_models, r->model)))) {
        return true;
    }
    return error_set_param(&r->error, ERR_MODEL_NOT_ALLOWED, "model",
                           "this key may not use the model '%.*s'",
                           STR_ARG(str_slice(full, 0, 120)));
}

/* "@slug" in front of the model that the client names. */
static bool client_provider(const struct request *r, struct str *ret)
{
    struct str model;
    return str_starts(r->model, STR_LIT("@")) &&
           model_name_split(str_slice(r->model, 1, r->model.len), ret, &model);
}

static bool leaf_candidate(struct routing *g, const struct route_node *leaf, struct candidate *ret)
{
    struct request *r = g->request;
    const struct routing_tree *t = tree_of(g, leaf);
    bool trusted = t && t->trusted, vouched = is_vouched(g, t, leaf);
    struct str name = leaf->model.ptr ? leaf->model : r->model, slug;
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
        if (!routing_provider(r, leaf, trusted, inlined, &p)) {
            return false;
        }
        name = route_bare_model(p, leaf->provider, name);
        return (vouched || model_allowed(r, p, leaf, name, trusted)) &&
               route_candidate(r, p, name, leaf->endpoint, ret);
    }
    if (leaf->settings->passthrough && leaf->model.ptr && client_provider(r, &slug)) {
        /* Portkey's: whose model it is, the request says, which needs leave for that */
        name = arena_printf(r->arena, "@%.*s/%.*s", STR_ARG(slug), STR_ARG(leaf->model));
        vouched = false;
    }
    if (!route_find(r, name, vouched, &f)) {
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

/* The caller's own document, and a provider that others than its workspace share: what it says of
 * breakers and time is its workspace's affair, and opens no breaker for the others. */
static bool is_callers(const struct routing *g, const struct candidate *c)
{
    return g->config.source == CONFIG_HEADER && !g->config.document &&
           !uuid_eq(&c->provider->workspace_id, &g->request->key->workspace_id);
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
        t->candidate.callers = is_callers(g, &t->candidate);
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
    if (route_find(r, leaf->model.ptr ? leaf->model : r->model, is_vouched(g, in, leaf), &f) &&
        f.alias) {
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
    return t && t->possible
               ? pricing_estimate(g->request, &t->candidate, routing_prompt_tokens(g->request),
                                  ROUTING_EXPECTED_OUTPUT)
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
        .now_ms = clock_mono_ms(),
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
    /* a stored prompt is the caller's choice as much as a config that its header names */
    bool trusted = found->source != CONFIG_HEADER && found->source != CONFIG_PROMPT;
    if (!push_tree(g, found->tree, trusted, rest, name) ||
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
