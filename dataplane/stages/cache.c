/* cache: an answer that was given before, to the same question by the same tenant under the same
 * policy. After guard, so no hit skips a check; before reserve, so a hit costs nothing. Equal calls
 * in flight share one: the first leads, the others wait and find its answer kept (or, when it could
 * not be, call for themselves). */
#include "common/base/clock.h"
#include "dataplane/cache/redis.h"
#include "dataplane/net/loop.h"
#include "dataplane/routing/target_state.h"
#include "dataplane/stages/cache_parts.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stream/sink.h"

#define DEFAULT_TTL_S (7u * 86400u)
#define HIT_MAX (16u << 20)
#define FOLLOW_MAX_MS 600000u
#define LOOK_MS 2000u /* how long a leader's client may take no byte while others wait */

/* To want a fresh answer is not to want it kept. */
static bool wanted(const struct request *r, const struct cache_wish *w)
{
    const struct route_cache *p = cache_policy(r);
    return (p && p->mode == ROUTE_CACHE_SIMPLE) || w->on || w->only;
}

static uint64_t ttl_of(const struct request *r, const struct cache_wish *w)
{
    const struct route_cache *p = cache_policy(r);
    if (w->has_ttl) {
        return w->ttl_s;
    }
    if (p && p->max_age_s) {
        return p->max_age_s;
    }
    return w->else_ttl_s ? w->else_ttl_s : DEFAULT_TTL_S;
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
    if (u->key_text.ptr) {
        list[n++] = (struct header){STR_LIT("x-weir-cache-key"), u->key_text};
    }
    return n;
}

static size_t hit_headers(struct request *r, struct header *list)
{
    const struct cache_use *u = r->cache;
    size_t n = cache_headers(r, list);
    list[n++] = (struct header){STR_LIT("age"),
                                arena_printf(r->arena, "%llu", (unsigned long long)u->age_s)};
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
    request_probe_back(r); /* it calls nobody: another may probe the target that was chosen */
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
    struct buffer *b = s ? arena_buffer(r->arena, HIT_MAX) : NULL;
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
    u->filling = arena_keep_buffer(r->arena, &u->body);
}

static void call_alone(struct request *r)
{
    fill_begin(r);
    request_resume(r, VERDICT_NEXT);
}

static void lead_no_more(struct request *r, enum cache_flight how)
{
    struct cache_use *u = r->cache;
    if (u->leads) {
        u->leads = false;
        cache_flight_end(r->env->policy->cache, &u->key, how);
    }
}

/* A client that takes no bytes holds its own answer up, and nobody else's. */
static void look_at_client(struct request *r)
{
    struct cache_use *u = r->cache;
    bool stalled = r->relay && r->relay->full && u->body.len == u->sent;
    u->sent = u->body.len;
    if (stalled) {
        lead_no_more(r, CACHE_LEFT);
    } else {
        loop_timer_set(u->timer, LOOK_MS);
    }
}

/* Whom the leader's end did not reach goes on by itself. */
static void on_timer(void *arg)
{
    struct request *r = arg;
    struct cache_use *u = r->cache;
    if (u->waiting) {
        u->waiting = false;
        cache_leave(r->env->policy->cache, &u->waiter);
        call_alone(r);
    } else if (u->leads) {
        look_at_client(r);
    }
}

static void release_timer(void *arg)
{
    struct cache_use *u = arg;
    loop_timer_free(u->timer);
    u->timer = NULL;
}

static bool have_timer(struct request *r)
{
    struct cache_use *u = r->cache;
    if (!u->timer) {
        u->timer = loop_timer_new(r->env->loop, on_timer, r);
        if (!arena_on_release(r->arena, release_timer, u)) {
            release_timer(u);
            return false;
        }
    }
    return true;
}

static enum verdict lead_or_follow(struct request *r);

static void on_leader_done(void *arg, enum cache_flight how)
{
    struct request *r = arg;
    struct cache_use *u = r->cache;
    u->waiting = false;
    loop_timer_cancel(u->timer);
    if (r->state != REQUEST_PARKED) {
        return;
    }
    if (how == CACHE_LEFT) {
        request_resume(r, lead_or_follow(r));
    } else if (how == CACHE_KEPT && look_in_memory(r, "coalesced")) {
        request_resume(r, VERDICT_ANSWERED);
    } else {
        call_alone(r);
    }
}

static enum verdict lead_or_follow(struct request *r)
{
    struct cache_use *u = r->cache;
    struct cache_store *s = r->env->policy->cache;
    u->waiter = (struct cache_waiter){.loop = r->env->loop, .fn = on_leader_done, .arg = r};
    if (s && !u->wish.refresh && !u->wish.no_keep && have_timer(r)) {
        if (cache_join(s, &u->key, &u->waiter) == CACHE_FOLLOWS) {
            u->waiting = true;
            request_probe_back(r);
            loop_timer_set(u->timer, FOLLOW_MAX_MS);
            return VERDICT_WAIT;
        }
        u->leads = true;
        if (look_in_memory(r, "hit")) { /* another leader ended between the two looks */
            u->found = true;
            return VERDICT_ANSWERED;
        }
        loop_timer_set(u->timer, LOOK_MS);
    }
    fill_begin(r);
    return VERDICT_NEXT;
}

static enum verdict refuse_miss(struct request *r)
{
    struct cache_use *u = r->cache;
    struct header *list = arena_alloc(r->arena, CACHE_HEADERS * sizeof(*list));
    u->status = "only";
    request_probe_back(r);
    if (list) {
        r->reply.headers = list;
        r->reply.n_headers = cache_headers(r, list);
    }
    (void)error_set(&r->error, ERR_CACHE_MISS,
                    "the request asks for a cached answer only, and there is none");
    return VERDICT_REJECT;
}

static enum verdict miss(struct request *r)
{
    struct cache_use *u = r->cache;
    u->status = u->wish.refresh ? "refresh" : "miss";
    return u->wish.only ? refuse_miss(r) : lead_or_follow(r);
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
    bool asks = r->own_headers || !r->header_mask;
    if (!cache_allows(r) || (!asks && !cache_policy(r))) {
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
        return wish.only && none ? refuse_miss(r) : VERDICT_NEXT;
    }
    u->ttl_s = ttl_of(r, &wish);
    if (!cache_identify(r, u)) {
        u->status = "off"; /* more of it matters than a key has room for */
        return wish.only ? refuse_miss(r) : VERDICT_NEXT;
    }
    return look(r);
}

void cache_explain(struct request *r, struct json_writer *w)
{
    struct cache_use u = {.request = r};
    struct cache_entry e;
    struct error err = ERROR_INIT;
    struct buffer *b = arena_buffer(r->arena, HIT_MAX);
    bool none = !r->env->policy->cache && !r->env->redis;
    json_object_begin(w);
    if (!b || none || !cache_allows(r) ||
        !cache_wish_read(r->head->headers, r->head->n_headers, &u.wish, &err) || u.wish.off ||
        !wanted(r, &u.wish) || !cache_identify(r, &u)) {
        json_field_z(w, "mode", "off");
        json_object_end(w);
        return;
    }
    json_field_z(w, "mode", u.wish.refresh ? "refresh" : u.wish.only ? "only" : "simple");
    json_field_str(w, "key", u.key_text);
    json_field_u64(w, "ttl_s", ttl_of(r, &u.wish));
    struct cache_store *s = r->env->policy->cache;
    json_field_bool(w, "would_hit",
                    s && !u.wish.refresh && cache_get(s, &u.key, clock_wall_ms(), b, &e));
    json_object_end(w);
}

/* ---- the end ---- */

void cache_forget(struct request *r)
{
    if (r->cache) {
        r->cache->wish.no_keep = true;
        r->cache->filling = false;
    }
}

void cache_end(struct request *r)
{
    struct cache_use *u = r->cache;
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
    enum cache_flight how = u->found ? CACHE_KEPT : cache_keep(r);
    u->filling = false;
    lead_no_more(r, how == CACHE_NOT_KEPT && r->client_gone ? CACHE_LEFT : how);
}
