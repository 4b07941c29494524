/* See health_check.h. */
#include "dataplane/health_check.h"

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "common/rules/health_check.h"
#include "dataplane/net/loop.h"
#include "dataplane/provider_get.h"
#include "dataplane/routing/target_state.h"

#define TURN_MS 250
#define AT_ONCE 16
#define SPREAD_MS 100     /* between the first checks of many providers */
#define CHECKED_MAX 10000 /* providers */

struct check {
    struct list node;
    struct health_checks *checks;
    struct uuid provider_id;
    char provider[64]; /* its name */
    struct health_check how;
    char path[HEALTH_CHECK_PATH_MAX + 1]; /* owns how.path */
    uint64_t due_ms;
    uint64_t seen_at; /* version of the snapshot that it stands in */
    struct provider_get *get;
    bool told, healthy;
};

struct health_checks {
    struct request_env *env;
    struct loop_timer *timer;
    struct list all;
    struct map *by_id;
    unsigned running;
    uint64_t version; /* of the snapshot that `all` was made from */
    bool looked;
    uint64_t now_ms; /* of the turn */
    uint64_t new_ones;
};

static void check_free(struct check *k)
{
    if (k->get) {
        provider_get_cancel(k->get);
        k->checks->running--;
    }
    (void)map_remove(k->checks->by_id, (struct str){(const char *)k->provider_id.b, 16});
    list_remove(&k->node);
    mem_free(k);
}

/* ---- which providers ---- */

static struct check *check_of(struct health_checks *h, const struct snap_provider *p)
{
    struct str key = {(const char *)p->id.b, sizeof(p->id.b)};
    struct check *k = map_get(h->by_id, key);
    if (!k && map_count(h->by_id) < CHECKED_MAX) {
        k = mem_alloc(sizeof(*k));
        list_init(&k->node);
        k->checks = h;
        k->provider_id = p->id;
        k->due_ms = h->now_ms + SPREAD_MS * h->new_ones++;
        (void)map_put(h->by_id, (struct str){(const char *)k->provider_id.b, key.len}, k);
        list_push_back(&h->all, &k->node);
    }
    return k;
}

static bool on_provider(void *arg, const struct snap_provider *p)
{
    struct health_checks *h = arg;
    struct health_check how;
    struct error ignored = ERROR_INIT;
    if (p->disabled || !p->health_check_json.ptr ||
        !health_check_read(p->health_check_json, false, &how, &ignored)) {
        return true;
    }
    struct check *k = check_of(h, p);
    if (!k) {
        return false;
    }
    struct str name = str_slice(p->name, 0, sizeof(k->provider) - 1);
    memcpy(k->provider, name.ptr, name.len);
    k->provider[name.len] = '\0';
    memcpy(k->path, how.path.ptr, how.path.len);
    k->how = how;
    k->how.path = (struct str){k->path, how.path.len};
    k->seen_at = h->version;
    if (k->due_ms > h->now_ms + how.interval_ms) {
        k->due_ms = h->now_ms + how.interval_ms; /* it is asked more often from now on */
    }
    return true;
}

/* Follows the snapshot: its providers that want checks, and no others. */
static void look(struct health_checks *h)
{
    struct swap_hold *hold = swap_acquire(h->env->reader);
    if (!hold) {
        return;
    }
    const struct snapshot *root = swap_root(hold);
    if (!h->looked || snapshot_version(root) != h->version) {
        h->looked = true;
        h->version = snapshot_version(root);
        h->new_ones = 0;
        snapshot_each_provider(root, on_provider, h);
        for (struct list *n = h->all.next, *next; n != &h->all; n = next) {
            struct check *k = LIST_ENTRY(n, struct check, node);
            next = n->next;
            if (k->seen_at != h->version) {
                check_free(k);
            }
        }
    }
    swap_release(h->env->reader, hold);
}

/* ---- asking ---- */

static bool is_healthy(const struct check *k, const struct provider_answer *a)
{
    return !a->error && (k->how.expect_status ? a->status == (int)k->how.expect_status
                                              : a->status >= 200 && a->status <= 299);
}

static void say(const struct check *k, const struct provider_answer *a, bool healthy)
{
    log_write(healthy ? LOG_INFO : LOG_WARN, healthy ? "provider_healthy" : "provider_unhealthy",
              healthy ? "a provider answers its health check"
                      : "a provider does not answer its health check as it should",
              LOG_Z("provider", k->provider), LOG_I("status", a->status),
              LOG_Z("error", a->error ? a->error : ""));
}

static void on_answer(void *arg, const struct provider_answer *a)
{
    struct check *k = arg;
    struct health_checks *h = k->checks;
    bool healthy = is_healthy(k, a);
    h->running--;
    if (!a->known) {
        return; /* gone meanwhile: the next look forgets it */
    }
    if (k->told ? healthy != k->healthy : !healthy) {
        say(k, a, healthy);
    }
    k->told = true;
    k->healthy = healthy;
    uint64_t now = clock_mono_ms();
    /* the provider as a whole, for display, and what requests are sent to */
    (void)target_state_of(h->env->policy->targets, &k->provider_id, str_of(k->provider),
                          STR_LIT(""), 0, now);
    target_table_checked(h->env->policy->targets, &k->provider_id, healthy, k->how.failures,
                         k->how.cooldown_ms, now);
}

static void ask(struct check *k)
{
    struct provider_get_config c = {
        .env = k->checks->env,
        .provider_id = k->provider_id,
        .path = k->how.path,
        .deadline_ms = k->how.timeout_ms,
        .max_body = 0,
        .fn = on_answer,
        .arg = k,
    };
    k->checks->running++;
    provider_get_start(&c, &k->get);
}

void health_checks_turn(struct health_checks *h, uint64_t now_ms)
{
    if (!h->env->policy->targets) {
        return;
    }
    h->now_ms = now_ms;
    look(h);
    for (struct list *n = h->all.next; n != &h->all && h->running < AT_ONCE; n = n->next) {
        struct check *k = LIST_ENTRY(n, struct check, node);
        if (!k->get && now_ms >= k->due_ms) {
            k->due_ms = now_ms + k->how.interval_ms;
            ask(k);
        }
    }
}

static void on_timer(void *arg)
{
    struct health_checks *h = arg;
    health_checks_turn(h, clock_mono_ms());
    loop_timer_set(h->timer, TURN_MS);
}

struct health_checks *health_checks_new(struct request_env *env)
{
    struct health_checks *h = mem_alloc(sizeof(*h));
    h->env = env;
    list_init(&h->all);
    h->by_id = map_new();
    h->timer = loop_timer_new(env->loop, on_timer, h);
    return h;
}

void health_checks_start(struct health_checks *h)
{
    loop_timer_set(h->timer, TURN_MS);
}

void health_checks_free(struct health_checks *h)
{
    if (!h) {
        return;
    }
    while (!list_empty(&h->all)) {
        check_free(LIST_ENTRY(h->all.next, struct check, node));
    }
    map_free(h->by_id);
    loop_timer_free(h->timer);
    mem_free(h);
}
