/* See worker.h. */
#include "dataplane/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "common/base/mem.h"
#include "common/tls.h"
#include "dataplane/cache/redis.h"
#include "dataplane/dp_options.h"
#include "dataplane/exact_redis.h"
#include "dataplane/net/listener.h"
#include "dataplane/net/loop.h"
#include "dataplane/request/request.h"
#include "dataplane/upstream/client.h"

#define TICK_MS 250
#define DRAIN_TICK_MS 10

struct worker {
    struct request_env env;
    struct request_counters counters __attribute__((aligned(64)));
    _Atomic uint64_t connections;
    atomic_bool draining, drained;
    char pad[64]; /* what other threads read stands on lines of its own */
    unsigned index;
    struct listener *plain, *tls;
    struct tls_context *server_tls, *client_tls;
    struct exact_redis_link *limits; /* counted in Redis; NULL: there is none */
    struct loop_timer *tick;
    pthread_t thread;
    bool started;
};

static unsigned open_connections(const struct worker *w)
{
    return (w->plain ? listener_connections(w->plain) : 0) +
           (w->tls ? listener_connections(w->tls) : 0);
}

static void on_tick(void *arg)
{
    struct worker *w = arg;
    unsigned open = open_connections(w);
    bool draining = atomic_load_explicit(&w->draining, memory_order_relaxed);
    atomic_store_explicit(&w->connections, open, memory_order_relaxed);
    if (draining && open == 0) {
        atomic_store(&w->drained, true);
    }
    loop_timer_set(w->tick, draining ? DRAIN_TICK_MS : TICK_MS);
}

static struct listener *listen_on(struct worker *w, const struct worker_config *c,
                                  const char *address, struct tls_context *tls, struct error *err)
{
    const struct dp_options *o = c->options;
    struct listener_config lc = {
        .address = address,
        .tls = tls,
        .max_connections = (unsigned)((o->max_connections + c->count - 1) / c->count),
        .limits =
            {
                .max_head_bytes = o->max_head_bytes,
                .max_body_bytes = o->max_body_bytes,
                .head_timeout_ms = (unsigned)o->head_timeout_ms,
                .body_timeout_ms = (unsigned)o->body_timeout_ms,
                .idle_timeout_ms = (unsigned)o->idle_timeout_ms,
                .write_timeout_ms = (unsigned)o->write_timeout_ms,
            },
        .handler = {request_on_exchange, request_on_bad_exchange, &w->env},
    };
    return listener_new(w->env.loop, &lc, err);
}

/* The next request looks by itself; this makes an idle worker let go of the old root too. */
static void look_at_snapshot(void *arg)
{
    struct worker *w = arg;
    struct swap_hold *hold = swap_acquire(w->env.reader);
    if (hold) {
        swap_release(w->env.reader, hold);
    }
}

static void on_publish(void *arg)
{
    struct worker *w = arg;
    (void)loop_post(w->env.loop, look_at_snapshot, w);
}

struct worker *worker_new(const struct worker_config *c, struct error *err)
{
    const struct dp_options *o = c->options;
    struct upstream_limits limits = {.connect_timeout_ms = (unsigned)o->connect_timeout_ms};
    struct worker *w = mem_alloc(sizeof(*w));
    request_env_init(&w->env);
    w->index = c->index;
    w->server_tls = c->server_tls ? tls_context_ref(c->server_tls) : NULL;
    w->client_tls = tls_context_ref(c->client_tls);
    w->env.policy = c->policy;
    w->env.counters = &w->counters;
    w->env.spool = c->spool;
    w->env.loop = loop_new();
    w->env.upstream = upstream_new(w->env.loop, &limits, w->client_tls);
    w->env.reader = swap_reader_new(c->hub, on_publish, w);
    if (c->redis) {
        w->env.redis = redis_new(w->env.loop, c->redis, (unsigned)o->cache_redis_timeout_ms);
        w->limits = exact_redis_new(w->env.loop, c->redis);
        w->env.exact = exact_redis_limits(w->limits);
    }
    w->tick = loop_timer_new(w->env.loop, on_tick, w);
    if (c->listen) {
        w->plain = listen_on(w, c, c->listen, NULL, err);
    }
    if (c->tls_listen && (w->plain || !c->listen)) {
        w->tls = listen_on(w, c, c->tls_listen, w->server_tls, err);
    }
    if ((c->listen && !w->plain) || (c->tls_listen && !w->tls)) {
        worker_free(w);
        return NULL;
    }
    return w;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    char name[16];
    (void)snprintf(name, sizeof(name), "worker-%u", w->index);
    (void)prctl(PR_SET_NAME, name);
    loop_timer_set(w->tick, TICK_MS);
    loop_run(w->env.loop);
    return NULL;
}

bool worker_start(struct worker *w, struct error *err)
{
    int failed = pthread_create(&w->thread, NULL, run, w);
    if (failed) {
        return error_set(err, ERR_INTERNAL, "cannot start a worker thread: %s", strerror(failed));
    }
    w->started = true;
    return true;
}

uint16_t worker_port(const struct worker *w)
{
    return w->plain ? listener_port(w->plain) : 0;
}

uint16_t worker_tls_port(const struct worker *w)
{
    return w->tls ? listener_port(w->tls) : 0;
}

bool worker_post(struct worker *w, void (*fn)(void *arg), void *arg)
{
    return loop_post(w->env.loop, fn, arg);
}

static void drain_here(void *arg)
{
    struct worker *w = arg;
    if (w->plain) {
        listener_drain(w->plain);
    }
    if (w->tls) {
        listener_drain(w->tls);
    }
    upstream_close_idle(w->env.upstream);
    on_tick(w);
}

void worker_drain(struct worker *w)
{
    atomic_store(&w->draining, true);
    (void)loop_post(w->env.loop, drain_here, w);
}

bool worker_is_drained(const struct worker *w)
{
    return atomic_load(&w->drained);
}

struct new_tls {
    struct worker *worker;
    struct tls_context *tls;
};

static void set_tls_here(void *arg)
{
    struct new_tls *n = arg;
    struct worker *w = n->worker;
    if (w->tls) {
        listener_set_tls(w->tls, n->tls);
        tls_context_unref(w->server_tls);
        w->server_tls = n->tls;
    } else {
        tls_context_unref(n->tls);
    }
    mem_free(n);
}

void worker_set_tls(struct worker *w, struct tls_context *tls)
{
    struct new_tls *n = mem_alloc(sizeof(*n));
    *n = (struct new_tls){w, tls_context_ref(tls)};
    if (!loop_post(w->env.loop, set_tls_here, n)) {
        tls_context_unref(n->tls);
        mem_free(n);
    }
}

const struct request_counters *worker_counters(const struct worker *w)
{
    return &w->counters;
}

uint64_t worker_connections(const struct worker *w)
{
    return atomic_load_explicit(&w->connections, memory_order_relaxed);
}

struct request_env *worker_env(struct worker *w)
{
    return &w->env;
}

void worker_stop(struct worker *w)
{
    if (!w) {
        return;
    }
    if (w->started) {
        loop_stop(w->env.loop);
        (void)pthread_join(w->thread, NULL);
        w->started = false;
    }
    loop_end(w->env.loop); /* the bridge and the commands go before the loop does */
    request_end_all(&w->env);
}

void worker_free(struct worker *w)
{
    if (!w) {
        return;
    }
    loop_end(w->env.loop);
    listener_free(w->plain);
    listener_free(w->tls);
    upstream_free(w->env.upstream);
    redis_free(w->env.redis);
    exact_redis_free(w->limits);
    loop_timer_free(w->tick);
    swap_reader_free(w->env.reader);
    loop_free(w->env.loop);
    request_env_release(&w->env);
    tls_context_unref(w->server_tls);
    tls_context_unref(w->client_tls);
    mem_free(w);
}
