/* What a worker lends to the requests that run on it: loop, provider connections, snapshot reader,
 * spool, counters, and a stack of used arenas, so that a request allocates nothing of its own. One
 * thread, except where a field is atomic. */
#ifndef DATAPLANE_REQUEST_ENV_H
#define DATAPLANE_REQUEST_ENV_H

#include <stdatomic.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/list.h"
#include "dataplane/report/spool.h"
#include "dataplane/snapshot/swap.h"

struct cache_store;
struct config_memos;
struct exact;
struct quota_table;
struct catalogue;
struct loop;
struct redis;
struct target_table;
struct upstream;
struct request;
struct token_cache;
struct token_memo;

/* Settings that requests read; shared by all workers, written before they start (atomics: any time,
 * by any thread). */
struct request_policy {
    unsigned upstream_timeout_ms; /* to the answer's head, where the provider has none of its own */
    unsigned upstream_gap_timeout_ms; /* between two pieces of an answer's body */
    /* NULL: a key is needed. Else who a request without any key is (standalone with --auth none).
     */
    const struct snap_key *anonymous;
    const struct catalogue *catalogue; /* model facts and prices; NULL: none is loaded */
    struct target_table *targets;      /* what is known of whom requests go to; NULL: in tests */
    struct cache_store *cache;         /* NULL: no answers are kept in memory */
    struct quota_table *quotas;        /* leases on budgets and limits; NULL: in tests */
    const struct str *custom_hosts;    /* host patterns that `custom_host` of a config may name */
    size_t n_custom_hosts;
    atomic_bool stale;    /* the snapshot is older than max_staleness */
    atomic_bool draining; /* the answer's connection closes behind it */
};

/* Written by the worker alone, read by anybody: relaxed loads and stores, no locked instruction. */
struct request_counters {
    _Atomic uint64_t requests;
    _Atomic uint64_t ended;
    _Atomic uint64_t
        by_class[6]; /* status / 100 of finished requests; [0]: client gone before any */
    _Atomic uint64_t unauthenticated; /* refused with 401: no tenant, so no event */
    _Atomic uint64_t malformed;       /* refused by the codec, before a request existed */
    _Atomic uint64_t events;          /* written to the spool */
    _Atomic uint64_t
        events_refused; /* could not be written (spool full), for requests that opened nothing */
};

static inline void counter_add(_Atomic uint64_t *c, uint64_t n)
{
    uint64_t v = atomic_load_explicit(c, memory_order_relaxed);
    atomic_store_explicit(c, v + n, memory_order_relaxed);
}

#define ENV_SPARE_ARENAS 256
#define ENV_PRICE_MEMOS 64 /* a power of two */
#define ENV_PRICE_MODEL 96
#define ENV_PRICE_KIND 32

struct catalogue_model;

/* What pricing.c found in the installed catalogue for a model of a kind of provider. */
struct price_memo {
    const struct catalogue *catalogue;
    const struct catalogue_model *found;
    size_t kind_len, model_len;
    char kind[ENV_PRICE_KIND], model[ENV_PRICE_MODEL];
};

struct request_env {
    struct loop *loop;
    struct upstream *upstream;
    struct swap_reader *reader;
    struct spool *spool;
    struct request_policy *policy;
    struct request_counters *counters;
    bool spool_refuses;    /* the last open record found no room */
    struct buffer record;  /* scratch: an open or an event on its way to the spool */
    uint64_t random_state; /* for weighted choices; not for secrets */
    struct arena *spare[ENV_SPARE_ARENAS];
    unsigned n_spare;
    struct redis *redis;           /* the shared cache; NULL: none. The worker's */
    struct exact *exact;           /* limits counted in Redis; NULL: there is none. The worker's */
    struct token_memo *token_memo; /* callers' tokens that were verified; made at first need */
    struct token_cache *tokens;    /* access tokens bought with credentials; made at first need */
    struct config_memos *configs;  /* request/config_memo.h; made at first need */
    uint32_t turn;                 /* where the choice among a provider's keys begins */
    struct price_memo prices[ENV_PRICE_MEMOS];
    bool ending;          /* requests are being ended: nothing leads on */
    size_t mirror_bytes;  /* held by copies of requests under way (stages/mirror.c) */
    struct list live;     /* requests that have not ended */
    struct request *dead; /* freed after this loop turn */
};

void request_env_init(struct request_env *env);
/* Frees the arenas and what has ended; the borrowed parts are their owner's. */
void request_env_release(struct request_env *env);
struct arena *request_env_arena(struct request_env *env);
void request_env_arena_back(struct request_env *env, struct arena *a);
/* Uniform below n (n > 0). */
uint64_t request_env_random(struct request_env *env, uint64_t n);

#endif
