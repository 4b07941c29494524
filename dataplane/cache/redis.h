/* A shared cache, and exact counters, in Redis or Valkey through hiredis' asynchronous API; a
 * connection belongs to a worker, its events come on the worker's loop. Where it cannot be reached
 * the cache is as if empty: calls answer at once with nothing, and the connection is made anew with
 * back-off; no request ever fails or waits beyond `timeout_ms` for it. Debian's hiredis 0.14 has no
 * TLS. Its only includers are redis.c and what redis_inside.h joins to it. */
#ifndef DATAPLANE_CACHE_REDIS_H
#define DATAPLANE_CACHE_REDIS_H

#include "common/base/error.h"
#include "common/base/str.h"

struct loop;
struct redis;
struct redis_call;

struct redis_address {
    struct str host; /* a name is resolved when connecting */
    uint16_t port;
    struct str user, password; /* "" none */
    unsigned database;
    char text[512]; /* owns what the spans point to */
};
/* "redis://[user[:password]@]host[:port][/database]" (valkey:// too; percent-decoded); rediss:// is
 * refused with a reason. *ret is untouched on failure. */
bool redis_address_parse(struct str url, struct redis_address *ret, struct error *err);

/* address must outlive it. Connects at first use. A connection on which nothing moves while a call
 * waits out its timeout is dropped. SIGPIPE must be ignored in the process. */
struct redis *redis_new(struct loop *l, const struct redis_address *a, unsigned timeout_ms);
/* Accepts NULL; calls under way end without callback. Not from inside a callback. */
void redis_free(struct redis *r);
bool redis_up(const struct redis *r);
/* Why it is not up, or why the server refused the last value: "" while there is nothing to tell. */
const char *redis_trouble(const struct redis *r);

/* found: value is valid during the call only. From the loop, never from inside redis_get. NULL when
 * it is known to be down (then fn is not called). */
struct redis_call *redis_get(struct redis *r, struct str key,
                             void (*fn)(void *arg, bool found, struct str value), void *arg);
void redis_cancel(struct redis_call *c); /* before fn has run */
/* Runs a Lua script, which must answer with a list of integers: `values` holds them during the call
 * of fn; NULL: there was no answer in time, or the server refused. fn NULL: fire and forget. The
 * script is known by its text's address: the text must outlive r. Keys and arguments are copied, at
 * most REDIS_EVAL_WORDS together, and as many integers come back at most. A script whose answer did
 * not come in time may have run all the same. As redis_get otherwise. */
#define REDIS_EVAL_WORDS 512
struct redis_call *redis_eval(struct redis *r, struct str script, const struct str *keys,
                              size_t n_keys, const struct str *args, size_t n_args,
                              void (*fn)(void *arg, const int64_t *values, size_t n), void *arg);
/* Fire and forget; copies. Dropped while it is not up, and where the server is so slow that 16 MiB
 * wait for it already. */
void redis_set(struct redis *r, struct str key, struct str value, uint64_t ttl_ms);
void redis_delete(struct redis *r, struct str key);
/* Every key that begins so, by SCAN: in pieces, and only of what was there when it began. */
void redis_delete_all(struct redis *r, struct str prefix);

#endif
