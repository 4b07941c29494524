/* What routing and caching share over all workers; see service_parts.h. */
#include "common/base/mem.h"
#include "common/log.h"
#include "common/rules/secret_ref.h"
#include "dataplane/cache/store.h"
#include "dataplane/routing/target_state.h"
#include "dataplane/service_parts.h"

#define TEXTS_MAX (256u << 10)
#define HOSTS_MAX 1000

/* "a.example, *.b.example" */
static bool take_custom_hosts(struct service *s, struct error *err)
{
    struct str rest = s->options.custom_hosts ? str_of(s->options.custom_hosts) : STR_NONE, item;
    struct str *list = arena_alloc(s->texts, HOSTS_MAX * sizeof(*list));
    size_t n = 0;
    while (list && rest.len) {
        if (!str_cut(rest, ',', &item, &rest)) {
            item = rest;
            rest = STR_NONE;
        }
        item = str_trim(item);
        if (item.len && n == HOSTS_MAX) {
            return error_set_param(err, ERR_INVALID_FIELD, "custom-hosts",
                                   "setting custom-hosts names more than %d hosts", HOSTS_MAX);
        }
        if (item.len) {
            list[n++] = item;
        }
    }
    s->policy.custom_hosts = list;
    s->policy.n_custom_hosts = n;
    return list != NULL || error_set(err, ERR_INTERNAL, "out of memory");
}

/* The address may hold a password: it is never told. */
static bool take_redis(struct service *s, struct error *err)
{
    struct error why = ERROR_INIT;
    struct str url;
    if (!s->options.cache_redis || !*s->options.cache_redis) {
        return true;
    }
    s->redis = mem_alloc(sizeof(*s->redis));
    if (!secret_ref_resolve(str_of(s->options.cache_redis), s->texts, &url, &why) ||
        !redis_address_parse(str_trim(url), s->redis, &why)) {
        return error_set_param(err, ERR_INVALID_FIELD, "cache-redis", "setting cache-redis: %s",
                               error_text(&why));
    }
    explicit_bzero((char *)(uintptr_t)url.ptr, url.len); /* redis keeps its own copy */
    log_write(LOG_INFO, "shared_cache", "answers are shared by way of Redis",
              LOG_S("host", s->redis->host), LOG_U("port", s->redis->port));
    return true;
}

bool service_open_routing(struct service *s, struct error *err)
{
    s->texts = arena_new(TEXTS_MAX);
    s->targets = target_table_new(0);
    if (s->options.cache_bytes) {
        s->cache = cache_store_new((size_t)s->options.cache_bytes);
        if (!s->cache) {
            return error_set(err, ERR_INTERNAL,
                             "cannot map %llu bytes for the cache (setting cache-bytes)",
                             (unsigned long long)s->options.cache_bytes);
        }
    }
    s->policy.targets = s->targets;
    s->policy.cache = s->cache;
    return take_custom_hosts(s, err) && take_redis(s, err);
}

void service_close_routing(struct service *s)
{
    cache_store_free(s->cache);
    target_table_free(s->targets);
    if (s->redis) {
        mem_free_secret(s->redis, sizeof(*s->redis));
    }
    arena_free(s->texts);
    s->cache = NULL;
    s->targets = NULL;
    s->redis = NULL;
    s->texts = NULL;
}
