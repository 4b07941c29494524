/* Limits that are counted in Redis, by all proxies together and to the last request (rule.limit and
 * snap_quota.exact, where the proxy has a Redis). One script does a whole request: it takes from
 * all n limits or from none. Time is Redis' own (TIME), so proxies need not agree on theirs.
 *
 * What is exact: of a fixed window (which begins with the second, minute, hour or day of UTC) and
 * of a sliding one never more than the amount is taken, and whatever is left can be taken; a token
 * bucket refills by the millisecond. Sliding windows of more than EXACT_LOG_MAX keep sums of slots
 * of a ten-thousandth of the window: never more than the amount, and what has left is free a slot
 * later at the latest. A concurrency slot belongs to its request by name and is renewed while that
 * runs; those of a proxy that died come back after slot_ms. Tokens are taken by estimate and
 * corrected afterwards, in the window that they were taken in.
 *
 * Where Redis cannot be reached, or does not answer in time, that is the answer, and the stage goes
 * on with its leases or shares as policy says (quota.h). What was taken by a call whose answer came
 * too late stays taken until its window is over: on the safe side.
 *
 * One exact per worker, on its loop's thread. For a stage (exact_take may park the request, nothing
 * else here does):
 *     h = exact_take(e, asks, n, on_answer, r)   NULL: as EXACT_UNREACHABLE. Else WAIT; on_answer
 *                                                comes later, never from inside exact_take
 *     exact_cancel(h)                            the client went while it was parked
 *     exact_settle(h, used)                      in record, once, for a hold that was TAKEN */
#ifndef DATAPLANE_LIMITS_EXACT_H
#define DATAPLANE_LIMITS_EXACT_H

#include "common/base/uuid.h"
#include "common/rules/quota.h"

#define EXACT_ASKS_MAX 32
#define EXACT_LOG_MAX 10000
#define EXACT_TIMEOUT_MS 100 /* of the connection that is made for it */

struct exact;
struct exact_hold;
struct loop;

/* The calls of dataplane/cache/redis.h, which this folder may not include: the glue stands in
 * worker.c. */
struct exact_redis {
    /* As redis_eval. NULL: known to be down, fn is not called; else fn is called once, later,
     * unless the connection is freed. fn NULL: fire and forget. */
    void *(*eval)(void *arg, struct str script, const struct str *keys, size_t n_keys,
                  const struct str *args, size_t n_args,
                  void (*fn)(void *arg, const int64_t *values, size_t n), void *fn_arg);
    void *arg;
};

struct exact_config {
    struct exact_redis redis;
    unsigned
        slot_ms; /* how long a concurrency slot outlives its proxy; 0: 30 s. Renewed each third */
    /* Unix time in ms in place of Redis' own, for tests; NULL: none */
    int64_t (*now_ms)(void *arg);
    void *arg;
};

struct exact *exact_new(struct loop *l, const struct exact_config *c);
/* Behind the last request, before the connection is freed. Accepts NULL; holds that nobody settled
 * end with it. */
void exact_free(struct exact *e);
/* Limits per second, minute, hour or day, and of concurrency. Budgets are never counted here. */
bool exact_can(const struct quota_rule *rule);

struct exact_ask {
    struct uuid quota;
    struct str bucket;
    const struct quota_rule *rule; /* read during the call only, as the rest */
    uint64_t amount;               /* 1 for requests and concurrency; tokens: the estimate */
};

enum exact_answer {
    EXACT_TAKEN = 1,   /* of all: the hold is to be settled. For a look: told */
    EXACT_REFUSED,     /* nothing was taken; views say by which. The hold is gone */
    EXACT_UNREACHABLE, /* views NULL. The hold is gone */
};

struct exact_view {
    bool refused;         /* this one has too little left */
    uint64_t remaining;   /* with what this call took */
    int64_t resets_in_ms; /* until all of it is free again if nobody takes; 0: it is, or (slots)
                             unknown */
    int64_t retry_in_ms;  /* refused: until it would fit; 0: when others end; -1: never */
};

/* Takes from all or from none; rules must be exact_can. `views` are in the order of the asks and
 * live during fn. */
struct exact_hold *exact_take(struct exact *e, const struct exact_ask *asks, size_t n,
                              void (*fn)(void *arg, enum exact_answer answer,
                                         const struct exact_view *views),
                              void *arg);
/* Takes nothing (amounts do not matter): GET /v1/usage, headers. The hold is gone when fn is
 * called. */
struct exact_hold *exact_look(struct exact *e, const struct exact_ask *asks, size_t n,
                              void (*fn)(void *arg, enum exact_answer answer,
                                         const struct exact_view *views),
                              void *arg);
/* Before fn has run: it does not run any more, and what may have been taken goes back. */
void exact_cancel(struct exact_hold *h);
/* What was taken is over. used[i]: what asks[i] came to (0: gives it back); NULL: as taken.
 * Concurrency slots come back in any case. Fire and forget. Accepts NULL. */
void exact_settle(struct exact_hold *h, const uint64_t *used);

#endif
