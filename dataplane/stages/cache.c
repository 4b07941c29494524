/* cache: an answer that was given before, to the same question by the same tenant under the same
 * policy. After guard, so no hit skips a check; before reserve, so a hit costs nothing. Equal calls
 * in flight share one: the first leads, the others wait and find its answer kept (or, when it could
 * not be, call for themselves). */
#include "dataplane/stages/cache.h"

#include "common/base/clock.h"
#include "common/crypto.h"
#include "dataplane/cache/redis.h"
#include "dataplane/net/loop.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"

#define DEFAULT_TTL_S (7u * 86400u)
#define HIT_MAX (16u << 20)
#define FOLLOW_MAX_MS 600000u

static bool is_cacheable(const struct request *r)
{
    return (r->kind == REQUEST_CHAT || r->kind == REQUEST_EMBED || r->kind == REQUEST_RERANK) &&
           uuid_is_nil(&r->mirror_of);
}

static const struct route_cache *policy_of(const struct request *r)
{
    const struct route_settings *s = r->candidates[0].settings;
    return s && s->cache.set ? &s->cache : NULL;
}

static bool wanted(const struct request *r, const struct cache_wish *w)
{
    const struct route_cache *p = policy_of(r);
    return (p && p->mode == ROUTE_CACHE_SIMPLE) || w->on || w->refresh || w->only || w->has_ttl ||
           w->key.ptr;
}

static uint64_t ttl_of(const struct request *r, const struct cache_wish *w)
{
    const struct route_cache *p = policy_of(r);
    if (w->has_ttl) {
        return w->ttl_s;
    }
    if (p && p->max_age_s) {
        return p->max_age_s;
    }
    return w->else_ttl_s ? w->else_ttl_s : DEFAULT_TTL_S;
}

/* Where no config says whom is called, the alias's own targets stand for the policy: whoever
 * changes them gets new answers. */
static struct str plain_policy(struct request *r)
{
    struct buffer b;
    char hex[65];
    uint8_t digest[32];
    buffer_init(&b, 1u << 20);
    const struct route_node *root = r->routing ? r->routing->config.tree->root : NULL;
    for (size_t i = 0; root && i < root->n_children; i++) {
        const struct route_node *n = root->children[i];
        (void)buffer_append_str(&b, (struct str){(const char *)n->provider_id, 16});
        (void)buffer_append_str(&b, n->model);
        (void)buffer_append_str(&b, STR_LIT("\n"));
    }
    if (!root) {
        const struct candidate *c = &r->candidates[0];
        (void)buffer_append_str(&b, (struct str){(const char *)c->provider->id.b, 16});
        (void)buffer_append_str(&b, c->model);
    }
    crypto_sha256(b.ptr, b.len, digest);
    buffer_release(&b);
    crypto_hex(digest, sizeof(digest), hex);
    return arena_str(r->arena, str_of(hex));
}

/* The config's version, and what it saw of this request besides the body: where that led, another's
 * may not lead. */
static struct str config_policy(struct request *r)
{
    const struct routing *g = r->routing;
    char hex[65];
    uint8_t digest[32];
    if (g->seen.len == 0) {
        return g->config.policy;
    }
    crypto_sha256(g->seen.ptr, g->seen.len, digest);
    crypto_hex(digest, sizeof(digest), hex);
    return arena_printf(r->arena, "%.*s:%s", STR_ARG(g->config.policy), hex);
}

/* Header fields that change what comes back. */
static struct str operation_of(struct request *r)
{
    struct str beta = request_header(r, "anthropic-beta");
    return arena_printf(r->arena, "%s|%d|%.*s|%.*s", request_endpoint_name(r), (int)r->stream,
                        STR_ARG(beta), STR_ARG(r->provider_hint));
}

static bool make_key(struct request *r, struct cache_use *u)
{
    const struct route_cache *p = policy_of(r);
    bool plain = !r->routing || r->routing->config.source == CONFIG_PLAIN;
    struct cache_key_parts parts = {
        .organization = r->key->organization_id,
        .workspace = r->key->workspace_id,
        .scope = STR_LIT(""),
        .dialect = arena_printf(r->arena, "%s|%d", r->dialect->name, (int)r->client_framing),
        .operation = operation_of(r),
        .model = r->model,
        .policy = plain ? plain_policy(r) : config_policy(r),
        .name_space = u->wish.name_space.ptr   ? u->wish.name_space
                      : p && p->name_space.ptr ? p->name_space
                                               : STR_LIT(""),
        .own_key = u->wish.key,
        .body = r->client_body,
    };
    return cache_key_make(&parts, r->arena, &u->key);
}

/* ---- header fields ---- */

static const char *portkey_status(const char *status)
{
    return strcmp(status, "hit") == 0 || strcmp(status, "coalesced") == 0 ? "HIT"
           : strcmp(status, "refresh") == 0                               ? "REFRESH"
           : strcmp(status, "off") == 0                                   ? "DISABLED"
                                                                          : "MISS";
}

size_t cache_headers(const struct request *r, struct header *list)
{
    const struct cache_use *u = r->cache;
    size_t n = 0;
    if (!u || !u->status) {
        return 0;
    }
    const char *portkey = portkey_status(u->status);
    list[n++] = (struct header){STR_LIT("x-weir-cache"), str_of(u->status)};
    if (u->wish.said_portkey) {
        list[n++] = (struct header){STR_LIT("x-portkey-cache-status"), str_of(portkey)};
    }
    if (u->wish.said_cloudflare && strcmp(portkey, "DISABLED") != 0) {
        bool hit = strcmp(portkey, "HIT") == 0;
        list[n++] =
            (struct header){STR_LIT("cf-aig-cache-status"), hit ? STR_LIT("HIT") : STR_LIT("MISS")};
    }
    return n;
}

static size_t hit_headers(struct request *r, struct header *list)
{
    const struct cache_use *u = r->cache;
    char hex[65];
    size_t n = cache_headers(r, list);
    cache_key_text(&u->key, hex);
    list[n++] = (struct header){STR_LIT("age"),
                                arena_printf(r->arena, "%llu", (unsigned long long)u->age_s)};
    list[n++] = (struct header){STR_LIT("x-weir-cache-key"), arena_str(r->arena, str_of(hex))};
    list[n++] = (struct header){STR_LIT("x-weir-saved-usd"),
                                arena_printf(r->arena, "%llu.%09llu",
                                             (unsigned long long)(u->saved_nanousd / 1000000000),
                                             (unsigned long long)(u->saved_nanousd % 1000000000))};
    list[n++] =
        (struct header){STR_LIT("x-weir-saved-ms"),
                        arena_printf(r->arena, "%llu", (unsigned long long)(u->saved_us / 1000))};
    return n;
}

/* ---- a hit ---- */

static void release_buffer(void *arg)
{
    buffer_release(arg);
}

static struct buffer *room(struct request *r)
{
    struct buffer *b = arena_zalloc(r->arena, sizeof(*b));
    if (b) {
        buffer_init(b, HIT_MAX);
        if (!arena_on_release(r->arena, release_buffer, b)) {
            return NULL;
        }
    }
    return b;
}

/* False: it cannot be read, or is older than the request wants. */
static bool answer_hit(struct request *r, const struct cache_entry *e, const char *status)
{
    struct cache_use *u = r->cache;
    struct cached_head head;
    uint64_t now = clock_wall_ms();
    u->age_s = now > e->stored_ms ? (now - e->stored_ms) / 1000 : 0;
    if ((u->wish.has_max_age && u->age_s > u->wish.max_age_s) ||
        !cached_head_read(e->head, r->arena, &head)) {
        return false;
    }
    struct header *list =
        arena_alloc(r->arena, (head.n_headers + CACHE_HEADERS + 4) * sizeof(*list));
    if (!list) {
        return false;
    }
    if (head.n_headers) {
        memcpy(list, head.headers, head.n_headers * sizeof(*list));
    }
    u->status = status;
    u->saved_nanousd = head.cost_nanousd;
    u->saved_us = head.duration_us;
    r->stream = head.stream;
    r->reply = (struct reply){.status = head.status,
                              .body = e->body,
                              .content_type = STR_LIT(""), /* among the fields */
                              .headers = list,
                              .n_headers = head.n_headers + hit_headers(r, list + head.n_headers)};
    return true;
}

static bool look_in_memory(struct request *r, const char *status)
{
    struct cache_store *s = r->env->policy->cache;
    struct cache_entry e;
    struct buffer *b = s ? room(r) : NULL;
    return b && cache_get(s, &r->cache->key, clock_wall_ms(), b, &e) && answer_hit(r, &e, status);
}

/* ---- a miss ---- */

static void fill_begin(struct request *r)
{
    struct cache_use *u = r->cache;
    if (u->wish.no_keep || u->filling) {
        return;
    }
    buffer_init(&u->body, CACHE_ENTRY_MAX);
    u->filling = arena_on_release(r->arena, release_buffer, &u->body);
}

static void call_alone(struct request *r)
{
    r->cache->has_followed = true; /* waiting in turn would be slower than that */
    fill_begin(r);
    request_resume(r, VERDICT_NEXT);
}

/* Whom the leader's end did not reach goes on by itself. */
static void on_waited_long(void *arg)
{
    struct request *r = arg;
    struct cache_use *u = r->cache;
    if (u->waiting) {
        u->waiting = false;
        cache_leave(r->env->policy->cache, &u->waiter);
        call_alone(r);
    }
}

static void release_deadline(void *arg)
{
    struct cache_use *u = arg;
    loop_timer_free(u->deadline);
    u->deadline = NULL;
}

static void on_leader_done(void *arg, bool stored)
{
    struct request *r = arg;
    struct cache_use *u = r->cache;
    u->waiting = false;
    loop_timer_cancel(u->deadline);
    if (r->state != REQUEST_PARKED) {
        return;
    }
    if (stored && look_in_memory(r, "coalesced")) {
        request_resume(r, VERDICT_ANSWERED);
        return;
    }
    call_alone(r);
}

static bool set_deadline(struct request *r)
{
    struct cache_use *u = r->cache;
    u->deadline = loop_timer_new(r->env->loop, on_waited_long, r);
    if (!arena_on_release(r->arena, release_deadline, u)) {
        release_deadline(u);
        return false;
    }
    loop_timer_set(u->deadline, FOLLOW_MAX_MS);
    return true;
}

static enum verdict lead_or_follow(struct request *r)
{
    struct cache_use *u = r->cache;
    struct cache_store *s = r->env->policy->cache;
    u->waiter = (struct cache_waiter){.loop = r->env->loop, .fn = on_leader_done, .arg = r};
    if (s && !u->wish.refresh && !u->wish.no_keep && set_deadline(r)) {
        if (cache_join(s, &u->key, &u->waiter) == CACHE_FOLLOWS) {
            u->waiting = true;
            return VERDICT_WAIT;
        }
        u->leads = true;
        loop_timer_cancel(u->deadline);
        if (look_in_memory(r, "hit")) { /* another leader ended between the two looks */
            return VERDICT_ANSWERED;
        }
    }
    fill_begin(r);
    return VERDICT_NEXT;
}

static enum verdict miss(struct request *r)
{
    struct cache_use *u = r->cache;
    u->status = u->wish.refresh ? "refresh" : "miss";
    if (u->wish.only) {
        u->status = "only";
        (void)error_set(&r->error, ERR_CACHE_MISS,
                        "the request asks for a cached answer only, and there is none");
        return VERDICT_REJECT;
    }
    return lead_or_follow(r);
}

static void on_redis(void *arg, bool found, struct str value)
{
    struct request *r = arg;
    struct cache_use *u = r->cache;
    struct cache_entry e;
    u->redis = NULL;
    if (r->state != REQUEST_PARKED) {
        return;
    }
    struct str kept = found ? arena_str(r->arena, value) : STR_NONE;
    if (kept.ptr && cached_value_read(kept, &e) && e.expires_ms > clock_wall_ms() &&
        answer_hit(r, &e, "hit")) {
        if (r->env->policy->cache) {
            (void)cache_put(r->env->policy->cache, &u->key, &e, clock_wall_ms());
        }
        request_resume(r, VERDICT_ANSWERED);
        return;
    }
    request_resume(r, miss(r));
}

static enum verdict look(struct request *r)
{
    struct cache_use *u = r->cache;
    char name[CACHED_NAME_BYTES];
    if (u->wish.refresh) {
        return miss(r);
    }
    if (look_in_memory(r, "hit")) {
        return VERDICT_ANSWERED;
    }
    if (r->env->redis) {
        u->redis = redis_get(r->env->redis, cached_name(&u->key, name), on_redis, r);
        if (u->redis) {
            return VERDICT_WAIT;
        }
    }
    return miss(r);
}

enum verdict stage_cache(struct request *r)
{
    struct cache_wish wish;
    if (!is_cacheable(r)) {
        return VERDICT_NEXT;
    }
    if (!cache_wish_read(r->head->headers, r->head->n_headers, &wish, &r->error)) {
        return VERDICT_REJECT;
    }
    bool said = wish.said_portkey || wish.said_cloudflare || wish.off;
    if (!wanted(r, &wish) && !said) {
        return VERDICT_NEXT;
    }
    struct cache_use *u = arena_zalloc(r->arena, sizeof(*u));
    if (!u) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request");
        return VERDICT_REJECT;
    }
    u->request = r;
    u->wish = wish;
    r->cache = u;
    bool none = !r->env->policy->cache && !r->env->redis;
    if (wish.off || none || !wanted(r, &wish)) {
        u->status = "off";
        return wish.only && none ? miss(r) : VERDICT_NEXT;
    }
    if (r->routing && r->routing->seen.failed) {
        u->status = "off"; /* it saw more of the request than a key could hold */
        return VERDICT_NEXT;
    }
    u->ttl_s = ttl_of(r, &wish);
    if (!make_key(r, u)) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request");
        return VERDICT_REJECT;
    }
    return look(r);
}

void cache_explain(struct request *r, struct json_writer *w)
{
    struct cache_use u = {.request = r};
    struct cache_entry e;
    struct error err = ERROR_INIT;
    struct buffer *b = room(r);
    char hex[65];
    json_object_begin(w);
    if (!b || !is_cacheable(r) ||
        !cache_wish_read(r->head->headers, r->head->n_headers, &u.wish, &err) || u.wish.off ||
        !wanted(r, &u.wish) || !make_key(r, &u)) {
        json_field_z(w, "mode", "off");
        json_object_end(w);
        return;
    }
    cache_key_text(&u.key, hex);
    json_field_z(w, "mode", u.wish.refresh ? "refresh" : u.wish.only ? "only" : "simple");
    json_field_z(w, "key", hex);
    json_field_u64(w, "ttl_s", ttl_of(r, &u.wish));
    struct cache_store *s = r->env->policy->cache;
    json_field_bool(w, "would_hit",
                    s && !u.wish.refresh && cache_get(s, &u.key, clock_wall_ms(), b, &e));
    json_object_end(w);
}

/* ---- the end ---- */

/* What is one call's own, and would be wrong of another. */
static bool is_kept(struct str name)
{
    static const char *const dropped[] = {"x-weir-request-id",
                                          "x-weir-cache",
                                          "date",
                                          "age",
                                          "x-weir-prompt-version",
                                          "x-request-id",
                                          "request-id",
                                          "x-portkey-cache-status",
                                          "cf-aig-cache-status",
                                          "content-length",
                                          "retry-after",
                                          "openai-processing-ms",
                                          "set-cookie",
                                          "x-amzn-requestid",
                                          "apim-request-id"};
    static const struct str prefixes[] = {STR_LIT("x-ratelimit-"), STR_LIT("anthropic-ratelimit-")};
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (str_eq_nocase(name, str_of(dropped[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (str_eq_nocase(str_slice(name, 0, prefixes[i].len), prefixes[i])) {
            return false;
        }
    }
    return true;
}

static void describe(const struct request *r, struct cached_head *ret, struct header *list)
{
    const struct cache_use *u = r->cache;
    *ret = (struct cached_head){.status = u->http_status,
                                .headers = list,
                                .stream = u->stream,
                                .duration_us = (clock_mono_ns() - r->started_ns) / 1000,
                                .provider = STR_LIT(""),
                                .model = STR_LIT("")};
    for (size_t i = 0; i < u->n_headers; i++) {
        if (is_kept(u->headers[i].name)) {
            list[ret->n_headers++] = u->headers[i];
        }
    }
    for (unsigned i = 0; i < r->n_attempts; i++) {
        const struct attempt *t = &r->attempts[i];
        ret->cost_nanousd += t->cost_nanousd;
        ret->provider = t->provider->name;
        ret->model = t->model.ptr ? t->model : STR_LIT("");
        for (size_t q = 0; q < t->n_quantities; q++) {
            ret->tokens_in +=
                t->quantities[q].unit == UNIT_TOKEN_IN ? t->quantities[q].quantity : 0;
            ret->tokens_out +=
                t->quantities[q].unit == UNIT_TOKEN_OUT ? t->quantities[q].quantity : 0;
        }
    }
}

static bool keep(struct request *r)
{
    struct cache_use *u = r->cache;
    struct cached_head head;
    struct buffer bytes, value;
    char name[CACHED_NAME_BYTES];
    uint64_t now = clock_wall_ms();
    struct header *list = arena_alloc(r->arena, (u->n_headers + 1) * sizeof(*list));
    bool stored = false;
    if (!list) {
        return false;
    }
    describe(r, &head, list);
    buffer_init(&bytes, 1u << 20);
    if (cached_head_write(&head, &bytes)) {
        struct cache_entry e = {.head = buffer_str(&bytes),
                                .body = buffer_str(&u->body),
                                .stored_ms = now,
                                .expires_ms = now + u->ttl_s * 1000};
        struct cache_store *s = r->env->policy->cache;
        stored = s && cache_put(s, &u->key, &e, now);
        buffer_init(&value, 2u * CACHE_ENTRY_MAX);
        if (r->env->redis && cached_value_write(&e, &value)) {
            redis_set(r->env->redis, cached_name(&u->key, name), buffer_str(&value),
                      u->ttl_s * 1000);
        }
        buffer_release(&value);
    }
    buffer_release(&bytes);
    return stored;
}

void cache_end(struct request *r)
{
    struct cache_use *u = r->cache;
    bool stored = false;
    if (!u) {
        return;
    }
    if (u->waiting) {
        u->waiting = false;
        cache_leave(r->env->policy->cache, &u->waiter);
    }
    if (u->redis) {
        struct redis_call *call = u->redis;
        u->redis = NULL;
        redis_cancel(call);
    }
    if (u->filling && !u->failed && r->outcome == EVENT_OK && u->http_status == 200) {
        stored = keep(r);
    }
    u->filling = false;
    if (u->leads) {
        u->leads = false;
        cache_flight_end(r->env->policy->cache, &u->key, stored);
    }
}
