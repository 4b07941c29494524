/* See exact_redis.h. */
#include "dataplane/exact_redis.h"

#include "common/base/mem.h"
#include "dataplane/cache/redis.h"
#include "dataplane/limits/exact.h"
#include "dataplane/net/loop.h"

struct exact_redis_link {
    struct redis *redis;
    struct exact *exact;
};

static void *eval(void *arg, struct str script, const struct str *keys, size_t n_keys,
                  const struct str *args, size_t n_args,
                  void (*fn)(void *arg, const int64_t *values, size_t n), void *fn_arg)
{
    return redis_eval(arg, script, keys, n_keys, args, n_args, fn, fn_arg);
}

/* On the worker's thread, before its first request: that one need not wait for the connection. */
static void connect_early(void *arg)
{
    const struct exact_redis_link *x = arg;
    (void)redis_eval(x->redis, STR_LIT("return {}"), NULL, 0, NULL, 0, NULL, NULL);
}

struct exact_redis_link *exact_redis_new(struct loop *l, const struct redis_address *a)
{
    struct exact_redis_link *x = mem_alloc(sizeof(*x));
    x->redis = redis_new(l, a, EXACT_TIMEOUT_MS);
    struct exact_config c = {.redis = {.eval = eval, .arg = x->redis}};
    x->exact = exact_new(l, &c);
    (void)loop_post(l, connect_early, x);
    return x;
}

struct exact *exact_redis_limits(struct exact_redis_link *x)
{
    return x->exact;
}

void exact_redis_free(struct exact_redis_link *x)
{
    if (!x) {
        return;
    }
    exact_free(x->exact);
    redis_free(x->redis);
    mem_free(x);
}
