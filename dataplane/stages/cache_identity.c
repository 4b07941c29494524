/* Which requests are equal: everything of one that could change its answer, besides its body. Texts
 * of several parts carry their lengths, so that no two lists of parts read alike. */
#include "common/crypto.h"
#include "dataplane/stages/cache_parts.h"
#include "dataplane/stages/path.h"
#include "dataplane/stages/routing.h"

#define TEXTS_MAX (4u << 20)
#define ALIASES_MAX 64 /* looked up for one key */

static bool kind_cached(enum provider_api api)
{
    enum api_kind kind = provider_api_kind(api);
    return kind == API_KIND_CHAT || kind == API_KIND_EMBED || kind == API_KIND_RERANK;
}

static bool steps_cached(const struct request *r)
{
    for (size_t i = 0; i < r->n_candidates; i++) {
        if (!kind_cached(r->candidates[i].api)) {
            return false;
        }
    }
    return r->n_candidates > 0;
}

bool cache_allows(const struct request *r)
{
    switch (r->kind) {
    case REQUEST_CHAT:
    case REQUEST_EMBED:
    case REQUEST_RERANK:
        return true;
    case REQUEST_NATIVE:
        return kind_cached(r->face_api);
    case REQUEST_UNIVERSAL:
        return steps_cached(r);
    default:
        return false;
    }
}

const struct route_cache *cache_policy(const struct request *r)
{
    const struct route_settings *s = r->candidates[r->candidate].settings;
    return s && s->cache.set ? &s->cache : NULL;
}

/* ---- texts ---- */

static void put(struct buffer *b, struct str s)
{
    uint64_t len = s.len;
    (void)buffer_append(b, &len, sizeof(len));
    (void)buffer_append_str(b, s);
}

static void put_number(struct buffer *b, uint64_t n)
{
    (void)buffer_append(b, &n, sizeof(n));
}

/* NULL ptr: out of room. */
static struct str digest_of(struct request *r, struct buffer *b)
{
    char hex[65];
    uint8_t digest[32];
    struct str ret = STR_NONE;
    if (!b->failed) {
        crypto_sha256(b->ptr, b->len, digest);
        crypto_hex(digest, sizeof(digest), hex);
        ret = arena_str(r->arena, str_of(hex));
    }
    buffer_release(b);
    return ret;
}

/* ---- operation ---- */

static bool begins(struct str s, const char *prefix)
{
    struct str p = str_of(prefix);
    return str_eq_nocase(str_slice(s, 0, p.len), p);
}

/* Fields by which providers' clients choose versions, features, projects, guardrails; none that
 * carries a key or speaks of the client's library. */
static bool changes_answer(const struct request *r, struct str name)
{
    static const char *const families[] = {"anthropic-", "openai-", "x-goog-user-project",
                                           "x-amzn-bedrock-"};
    const struct route_settings *s = r->candidates[r->candidate].settings;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (begins(name, families[i])) {
            return true;
        }
    }
    for (size_t i = 0; s && i < s->n_forward_headers; i++) {
        if (str_eq_nocase(s->forward_headers[i], name)) {
            return true;
        }
    }
    return false;
}

static void put_headers(struct buffer *b, const struct request *r)
{
    for (size_t i = 0; i < r->head->n_headers; i++) {
        const struct header *h = &r->head->headers[i];
        char name[64];
        if (h->name.len > sizeof(name) || !changes_answer(r, h->name)) {
            continue;
        }
        for (size_t k = 0; k < h->name.len; k++) {
            char c = h->name.ptr[k];
            name[k] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        }
        put(b, (struct str){name, h->name.len});
        put(b, h->value);
    }
}

/* The path's last word: "completions", "embedContent". */
static struct str verb_of(struct str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/' && path.ptr[at - 1] != ':') {
        at--;
    }
    return str_slice(path, at, path.len);
}

static struct str operation_of(struct request *r)
{
    struct buffer b;
    struct str query = r->head->query;
    buffer_init(&b, TEXTS_MAX);
    put(&b, str_of(request_endpoint_name(r)));
    put(&b, str_of(provider_api_name(r->face_api)));
    put_number(&b, r->stream);
    put_number(&b, r->strict);
    put(&b, r->provider_hint);
    if (r->kind == REQUEST_NATIVE) {
        if (r->key_parameter.ptr && !query_without(r->arena, query, r->key_parameter.ptr, &query)) {
            b.failed = true;
        }
        put(&b, r->provider_name);
        put(&b, r->native_path);
        put(&b, query);
    } else {
        put(&b, verb_of(r->head->path));
    }
    put_headers(&b, r);
    return digest_of(r, &b);
}

/* ---- policy ---- */

struct aliases {
    struct request *request;
    struct buffer *out;
    unsigned left;
};

static void put_tree(struct aliases *a, const struct route_tree *tree);

static void put_alias(struct aliases *a, struct str name)
{
    struct request *r = a->request;
    struct config_found found = {.source = CONFIG_NONE};
    struct error before = r->error;
    struct route_found f;
    if (a->left == 0) { /* any change of anything makes another key then */
        put_number(a->out, snapshot_version(r->snapshot));
        return;
    }
    a->left--;
    if (!route_find(r, name, true, &f) || !f.alias) {
        r->error = before;
        return;
    }
    put(a->out, f.alias->name);
    for (size_t i = 0; i < f.alias->n_targets; i++) {
        const struct snap_target *t = &f.alias->targets[i];
        put(a->out, (struct str){(const char *)t->provider_id.b, sizeof(t->provider_id.b)});
        put(a->out, t->model);
        put(a->out, str_of(provider_api_name(t->endpoint)));
    }
    if (f.alias->config.len && config_by_reference(r, f.alias->config, CONFIG_MODEL, &found)) {
        put(a->out, found.policy);
        put_tree(a, found.tree);
    }
    r->error = before;
}

/* Aliases that a config names may be changed without it. */
static void put_tree(struct aliases *a, const struct route_tree *tree)
{
    for (size_t i = 0; i < tree->n_nodes; i++) {
        const struct route_node *n = tree->nodes[i];
        if (n->n_children == 0 && !n->provider.ptr && !n->provider_id) {
            put_alias(a, n->model.ptr ? n->model : a->request->model);
        }
    }
}

static void put_provider(struct buffer *b, const struct candidate *c)
{
    put(b, (struct str){(const char *)c->provider->id.b, sizeof(c->provider->id.b)});
    put(b, c->model);
    put(b, c->endpoint ? str_of(provider_api_name(c->endpoint->api)) : STR_LIT(""));
}

/* Where no config says whom is called, the alias's own targets stand for it: whoever changes them
 * gets new answers. */
static void put_plain(struct buffer *b, const struct request *r)
{
    const struct route_node *root = r->routing ? r->routing->config.tree->root : NULL;
    for (size_t i = 0; root && i < root->n_children; i++) {
        const struct route_node *n = root->children[i];
        put(b, (struct str){(const char *)n->provider_id, 16});
        put(b, n->model);
        put(b, str_of(provider_api_name(n->endpoint)));
    }
    for (size_t i = 0; !root && i < r->n_candidates; i++) {
        put_provider(b, &r->candidates[i]);
    }
}

/* The config's version, what its conditions saw of this request besides the body (where that led,
 * another's may not lead), and the arm of an experiment that it is in. */
static void put_config(struct buffer *b, struct request *r)
{
    const struct routing *g = r->routing;
    struct aliases a = {.request = r, .out = b, .left = ALIASES_MAX};
    struct str arm = walk_assignment(g->walk);
    put(b, g->config.policy);
    put(b, buffer_str(&g->seen));
    put(b, arm);
    put_tree(&a, g->config.tree);
    if (g->seen.failed) {
        b->failed = true; /* not all of it is known */
    }
}

static struct str policy_of(struct request *r)
{
    struct buffer b;
    bool plain = !r->routing || r->routing->config.source == CONFIG_PLAIN;
    buffer_init(&b, TEXTS_MAX);
    put_number(&b, plain);
    if (plain) {
        put_plain(&b, r);
    } else {
        put_config(&b, r);
    }
    return digest_of(r, &b);
}

/* ---- the key ---- */

bool cache_client_pays(const struct request *r, const struct candidate *c)
{
    return r->client_credential.len && !c->credential.ptr && !c->provider->credential.len;
}

static bool allows_all(const struct str *patterns, uint16_t n)
{
    for (uint16_t i = 0; i < n; i++) {
        if (str_eqz(patterns[i], "*")) {
            return true;
        }
    }
    return false;
}

static void put_patterns(struct buffer *b, const struct str *patterns, uint16_t n)
{
    put_number(b, n);
    for (uint16_t i = 0; i < n; i++) {
        put(b, patterns[i]);
    }
}

/* Which targets of a config are possible depends on what the key may use, unless the client named
 * an alias, whose targets need no leave: a bound key gets no answer of a model that is not for it.
 */
static bool bounds_count(const struct request *r)
{
    const struct snap_key *k = r->key;
    enum config_source s = r->routing ? r->routing->config.source : CONFIG_NONE;
    return (s == CONFIG_HEADER || s == CONFIG_KEY || s == CONFIG_PROMPT) &&
           !(allows_all(k->models, k->n_models) && allows_all(k->providers, k->n_providers));
}

/* Callers that bring their own key to the provider share no answers: each pays, and is refused, by
 * itself. */
static struct str scope_of(struct request *r, bool *ret_scoped)
{
    struct buffer b;
    *ret_scoped = false;
    for (size_t i = r->candidate; i < r->n_candidates && !*ret_scoped; i++) {
        *ret_scoped = cache_client_pays(r, &r->candidates[i]);
    }
    bool bound = bounds_count(r);
    if (!*ret_scoped && !bound) {
        return STR_LIT("");
    }
    buffer_init(&b, TEXTS_MAX);
    put(&b, *ret_scoped ? r->client_credential : STR_LIT(""));
    if (bound) {
        put_patterns(&b, r->key->models, r->key->n_models);
        put_patterns(&b, r->key->providers, r->key->n_providers);
    }
    return digest_of(r, &b);
}

bool cache_identify(struct request *r, struct cache_use *u)
{
    const struct route_cache *p = cache_policy(r);
    char hex[65];
    struct cache_key_parts parts = {
        .organization = r->key->organization_id,
        .workspace = r->key->workspace_id,
        .scope = scope_of(r, &u->scoped),
        .dialect = arena_printf(r->arena, "%s|%d", r->dialect->name, (int)r->client_framing),
        .operation = operation_of(r),
        .model = r->model,
        .policy = policy_of(r),
        .name_space = u->wish.name_space.ptr   ? u->wish.name_space
                      : p && p->name_space.ptr ? p->name_space
                                               : STR_LIT(""),
        .own_key = u->wish.key,
        .body = r->client_body,
    };
    if (!parts.scope.ptr || !parts.dialect.ptr || !parts.operation.ptr || !parts.policy.ptr ||
        !cache_key_make(&parts, r->arena, &u->key)) {
        return false;
    }
    cache_key_text(&u->key, hex);
    u->key_text = arena_str(r->arena, str_of(hex));
    u->seen_len = r->routing ? r->routing->seen.len : 0;
    return u->key_text.ptr != NULL;
}
