/* What redis.c (the connection and its calls), redis_value.c (plain values) and redis_eval.c
 * (scripts) share. */
#ifndef DATAPLANE_CACHE_REDIS_INSIDE_H
#define DATAPLANE_CACHE_REDIS_INSIDE_H

#include "dataplane/cache/redis.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "common/base/list.h"

#define REDIS_WAITING_MAX_BYTES (16u << 20) /* to be written, or of one answer */
#define REDIS_SCRIPTS 8
#define REDIS_SHA 40

enum redis_state { REDIS_IDLE = 0, REDIS_CONNECTING, REDIS_UP, REDIS_DOWN };

/* A script that this server was given before. */
struct redis_script {
    const char *text;        /* by its address; NULL: free */
    char sha[REDIS_SHA + 1]; /* "": the server has not told it yet */
};

struct redis {
    struct loop *loop;
    const struct redis_address *address;
    unsigned timeout_ms;
    enum redis_state state;
    unsigned failures;
    bool freeing;
    bool resting;          /* `connect` is the next try, not the end of one */
    redisAsyncContext *ac; /* NULL: no connection, not even one being made */
    struct loop_io *io;
    unsigned interest;
    struct redis_lookup *lookup;
    struct loop_timer *connect; /* the next try, or the end of this one's patience */
    struct loop_timer *answer;  /* the oldest call's deadline */
    struct list waiting, sent;  /* calls, oldest first */
    uint64_t moved_ms;          /* when bytes last came, or left a queue that stayed full */
    struct redis_script scripts[REDIS_SCRIPTS];
    char trouble[160];
};

/* The beginning of a call of either kind; one allocation. */
struct redis_call {
    struct list node;
    struct redis *redis;
    /* Once, with the answer, NULL: there is none. NULL itself: cancelled, or told already. */
    void (*tell)(struct redis_call *c, const redisReply *reply);
    bool (*send)(struct redis_call *c); /* puts it into the connection; may be repeated */
    /* The answer means that it must be sent again, and it was; may be NULL. */
    bool (*again)(struct redis_call *c, const redisReply *reply);
    uint64_t begun_ms;
    bool sent;
};

/* Sends it now or as soon as there is a connection. Takes c (mem_alloc) over; NULL: it is known to
 * be down, c is freed and nobody is told. */
struct redis_call *redis_call_begin(struct redis *r, struct redis_call *c);
/* hiredis' callback of whatever a call's `send` sends; arg is the call. */
void redis_on_answer(redisAsyncContext *ac, void *reply, void *arg);
/* Of what is fired and forgotten: it still tells when the server refuses it. */
void redis_on_done(redisAsyncContext *ac, void *reply, void *arg);
/* It is up, and so many bytes more may wait to be written. */
bool redis_is_roomy(struct redis *r, size_t len);
bool redis_reply_ok(const redisReply *reply);
void redis_refused(struct redis *r, const redisReply *reply); /* sets its trouble */

#endif
