/* hiredis' asynchronous connection on the worker's loop.
 *
 * States: idle until the first use; then connecting, with calls waiting for it; then up, or down. A
 * connection counts as up when AUTH, SELECT and PING have been answered, so a server that accepts
 * and says nothing never is. While it is down nobody waits: calls are refused at once, and a timer
 * connects again, from 100 ms to 10 s apart. */
#include "dataplane/cache/redis_inside.h"

#include <stdatomic.h>
#include <stdio.h>

#include <hiredis/sds.h>

#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/log.h"
#include "dataplane/cache/redis_lookup.h"
#include "dataplane/net/loop.h"

#define BACKOFF_MIN_MS 100u
#define BACKOFF_MAX_MS 10000u
#define CONNECT_MS 1000u /* at least, from the first packet to PING's answer */

static void connect_now(struct redis *r);

/* ---- the end of a connection ---- */

/* The call may be gone afterwards. */
static void call_tell(struct redis_call *c, const redisReply *reply)
{
    void (*tell)(struct redis_call * c, const redisReply *reply) = c->tell;
    c->tell = NULL;
    if (tell && !c->redis->freeing) {
        tell(c, reply);
    }
}

static void calls_end(struct list *calls)
{
    struct list *n;
    while ((n = list_pop_front(calls))) {
        struct redis_call *c = LIST_ENTRY(n, struct redis_call, node);
        call_tell(c, NULL);
        mem_free(c);
    }
}

static void try_later(struct redis *r)
{
    uint8_t jitter;
    unsigned shift = r->failures < 7 ? r->failures : 7;
    unsigned ms = BACKOFF_MIN_MS << shift;
    ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
    crypto_random(&jitter, 1);
    r->failures++;
    r->resting = true;
    loop_timer_set(r->connect, ms - ms / 4 * jitter / 255); /* workers do not all come at once */
}

/* Each worker has a connection, and all have the same trouble: it is told once until one is up
 * again. */
static void tell(const struct redis *r, bool up)
{
    static atomic_bool down;
    if (atomic_exchange(&down, !up) == up) {
        log_write(up ? LOG_INFO : LOG_WARN, up ? "shared_cache_up" : "shared_cache_down",
                  up ? "Redis can be used again: shared cache, exact limits"
                     : "Redis cannot be used: no shared cache, exact limits are shared out",
                  LOG_S("host", r->address->host), LOG_Z("error", r->trouble));
    }
}

/* trouble is said already. hiredis is done with the connection, or is made to be. */
static void go_down(struct redis *r)
{
    r->state = REDIS_DOWN;
    tell(r, false);
    try_later(r);
    if (r->lookup) {
        redis_lookup_cancel(r->lookup);
        r->lookup = NULL;
    }
    if (r->ac) {
        redisAsyncFree(r->ac); /* ends what was sent, each by its callback */
    }
    loop_timer_cancel(r->answer);
    calls_end(&r->waiting);
}

static void fail(struct redis *r, const char *what, const char *why)
{
    (void)snprintf(r->trouble, sizeof(r->trouble), "%s%s%s", what, why[0] ? ": " : "", why);
    go_down(r);
}

/* ---- hiredis' hooks ---- */

static void interest_set(struct redis *r, unsigned on, unsigned off)
{
    r->interest = (r->interest | on) & ~off;
    loop_io_set(r->io, r->interest);
}

static void add_read(void *arg)
{
    interest_set(arg, LOOP_READ, 0);
}

static void del_read(void *arg)
{
    interest_set(arg, 0, LOOP_READ);
}

static void add_write(void *arg)
{
    interest_set(arg, LOOP_WRITE, 0);
}

static void del_write(void *arg)
{
    interest_set(arg, 0, LOOP_WRITE);
}

static void on_cleanup(void *arg)
{
    struct redis *r = arg;
    if (!r->resting && !r->freeing) { /* not by us */
        (void)snprintf(r->trouble, sizeof(r->trouble), "%s: %s",
                       r->state == REDIS_UP ? "connection lost" : "cannot connect",
                       r->ac->c.errstr);
    }
    loop_io_free(r->io);
    r->io = NULL;
    r->ac = NULL;
}

static size_t unwritten(const struct redis *r)
{
    return r->ac->c.obuf ? sdslen(r->ac->c.obuf) : 0;
}

static void on_io(void *arg, int fd, unsigned what)
{
    struct redis *r = arg;
    (void)fd;
    if (what & LOOP_READ) {
        r->moved_ms = loop_now_ms(r->loop);
        redisAsyncHandleRead(r->ac);
        if (r->ac && r->ac->c.reader->len > REDIS_WAITING_MAX_BYTES) {
            fail(r, "answer too large", "");
            return;
        }
    } else {
        size_t before = unwritten(r);
        redisAsyncHandleWrite(r->ac);
        if (r->ac && unwritten(r) > 0 && unwritten(r) < before) {
            r->moved_ms = loop_now_ms(r->loop);
        }
    }
    if (!r->ac && !r->resting) {
        go_down(r);
    }
}

/* ---- connecting ---- */

bool redis_reply_ok(const redisReply *reply)
{
    return reply && reply->type != REDIS_REPLY_ERROR;
}

static bool call_send(struct redis *r, struct redis_call *c)
{
    if (!c->send(c)) {
        return false;
    }
    c->sent = true;
    list_push_back(&r->sent, &c->node);
    return true;
}

static void on_ready(struct redis *r)
{
    struct list *n;
    r->state = REDIS_UP;
    r->failures = 0;
    r->trouble[0] = '\0';
    tell(r, true);
    loop_timer_cancel(r->connect);
    while (r->state == REDIS_UP && (n = list_pop_front(&r->waiting))) {
        struct redis_call *c = LIST_ENTRY(n, struct redis_call, node);
        if (!call_send(r, c)) {
            list_push_front(&r->waiting, n); /* the connection just ended: with the others */
            break;
        }
    }
}

enum greeting { GREETING_AUTH = 0, GREETING_SELECT, GREETING_PING, GREETING_COUNT };
static const char *const greeting_names[GREETING_COUNT] = {"AUTH", "SELECT", "PING"};

/* An answer of the handshake. */
static void on_greeting(redisAsyncContext *ac, void *reply, void *arg)
{
    struct redis *r = ac->data;
    enum greeting g = (enum greeting)(uintptr_t)arg;
    if (!reply || r->freeing || r->resting) {
        return; /* the connection is ending; on_io sees to it */
    }
    if (!redis_reply_ok(reply)) {
        fail(r, greeting_names[g], ((redisReply *)reply)->str);
    } else if (g == GREETING_PING) {
        on_ready(r);
    }
}

static bool greet(struct redis *r)
{
    const struct redis_address *a = r->address;
    char database[16];
    const char *auth[] = {"AUTH", a->user.ptr, a->password.ptr};
    size_t auth_len[] = {4, a->user.len, a->password.len};
    int rc = REDIS_OK;
    if (a->password.len) {
        if (a->user.len == 0) {
            auth[1] = auth[2];
            auth_len[1] = auth_len[2];
        }
        rc = redisAsyncCommandArgv(r->ac, on_greeting, (void *)(uintptr_t)GREETING_AUTH,
                                   a->user.len ? 3 : 2, auth, auth_len);
    }
    if (rc == REDIS_OK && a->database) {
        (void)snprintf(database, sizeof(database), "%u", a->database);
        rc = redisAsyncCommand(r->ac, on_greeting, (void *)(uintptr_t)GREETING_SELECT, "SELECT %s",
                               database);
    }
    return rc == REDIS_OK && redisAsyncCommand(r->ac, on_greeting, (void *)(uintptr_t)GREETING_PING,
                                               "PING") == REDIS_OK;
}

static void connect_to(struct redis *r, const char *address)
{
    redisAsyncContext *ac = redisAsyncConnect(address, r->address->port);
    if (!ac || ac->err) {
        char why[128];
        (void)snprintf(why, sizeof(why), "%s", ac ? ac->errstr : "out of memory");
        if (ac) {
            redisAsyncFree(ac);
        }
        fail(r, "cannot connect", why);
        return;
    }
    r->ac = ac;
    r->interest = 0;
    r->moved_ms = 0;
    r->io = loop_io_new(r->loop, ac->c.fd, on_io, r);
    ac->data = r;
    ac->ev.data = r;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = on_cleanup;
    if (!greet(r)) {
        fail(r, "cannot connect", ac->c.errstr);
    }
}

static void on_address(void *arg, const char *address)
{
    struct redis *r = arg;
    r->lookup = NULL;
    if (address) {
        connect_to(r, address);
    } else {
        fail(r, "host not found", r->address->host.ptr);
    }
}

static unsigned patience_ms(const struct redis *r)
{
    return r->timeout_ms > CONNECT_MS ? r->timeout_ms : CONNECT_MS;
}

static void connect_now(struct redis *r)
{
    const char *host = r->address->host.ptr;
    r->resting = false;
    loop_timer_set(r->connect, patience_ms(r));
    if (redis_lookup_needless(host)) {
        connect_to(r, host);
        return;
    }
    r->lookup = redis_lookup_new(r->loop, host, r->failures, on_address, r);
    if (!r->lookup) {
        fail(r, "cannot look up", host);
    }
}

static void on_connect_timer(void *arg)
{
    struct redis *r = arg;
    if (r->ac || r->lookup) {
        fail(r, "cannot connect", "no answer in time");
    } else {
        connect_now(r);
    }
}

/* ---- calls ---- */

void redis_on_answer(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    struct redis_call *c = arg;
    (void)ac;
    list_remove(&c->node);
    if (c->again && c->tell && !c->redis->freeing && c->again(c, arg_reply)) {
        list_push_front(&c->redis->sent, &c->node); /* answers come in order: it is the oldest */
        return;
    }
    call_tell(c, arg_reply);
    mem_free(c);
}

/* The call of a list that is due, or sooner the one that will be next; begun in this order. */
static struct redis_call *oldest(struct list *calls)
{
    for (struct list *n = calls->next; n != calls; n = n->next) {
        struct redis_call *c = LIST_ENTRY(n, struct redis_call, node);
        if (c->tell) {
            return c;
        }
    }
    return NULL;
}

/* Ends those of the list whose time is over; *ret_next_ms: when the next one's is. */
static void calls_expire(struct redis *r, struct list *calls, uint64_t now_ms, bool *ret_stuck,
                         uint64_t *ret_next_ms)
{
    struct redis_call *c;
    while ((c = oldest(calls)) && c->begun_ms + r->timeout_ms <= now_ms) {
        *ret_stuck = *ret_stuck || r->moved_ms <= c->begun_ms;
        if (c->sent) {
            call_tell(c, NULL); /* the answer may still come, and is thrown away */
        } else {
            list_remove(&c->node);
            call_tell(c, NULL);
            mem_free(c);
        }
    }
    if (c && c->begun_ms + r->timeout_ms < *ret_next_ms) {
        *ret_next_ms = c->begun_ms + r->timeout_ms;
    }
}

static void on_answer_timer(void *arg)
{
    struct redis *r = arg;
    uint64_t now = loop_now_ms(r->loop), next = UINT64_MAX;
    bool stuck = false;
    calls_expire(r, &r->sent, now, &stuck, &next);
    calls_expire(r, &r->waiting, now, &stuck, &next);
    if (stuck && r->state != REDIS_DOWN) {
        fail(r, "no answer in time", "");
    } else if (next != UINT64_MAX) {
        loop_timer_set(r->answer, next - now);
    }
}

static bool usable(struct redis *r)
{
    if (r->state == REDIS_IDLE) {
        r->state = REDIS_CONNECTING;
        connect_now(r);
    }
    return r->state == REDIS_UP && r->ac;
}

struct redis_call *redis_call_begin(struct redis *r, struct redis_call *c)
{
    bool up = usable(r), first = !oldest(&r->sent) && !oldest(&r->waiting);
    c->redis = r;
    c->begun_ms = loop_now_ms(r->loop);
    list_init(&c->node);
    if (up ? !call_send(r, c) : r->state != REDIS_CONNECTING) {
        mem_free(c);
        return NULL;
    }
    if (!up) {
        list_push_back(&r->waiting, &c->node);
    }
    if (first) {
        loop_timer_set(r->answer, r->timeout_ms);
    }
    return c;
}

void redis_cancel(struct redis_call *c)
{
    c->tell = NULL;
    if (!c->sent) {
        list_remove(&c->node);
        mem_free(c);
    }
}

void redis_refused(struct redis *r, const redisReply *reply)
{
    if (!r->freeing && r->state == REDIS_UP) {
        (void)snprintf(r->trouble, sizeof(r->trouble), "refused: %s", reply->str);
    }
}

void redis_on_done(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)arg;
    if (reply && !redis_reply_ok(reply)) {
        redis_refused(ac->data, reply);
    }
}

bool redis_is_roomy(struct redis *r, size_t len)
{
    return usable(r) && unwritten(r) + len <= REDIS_WAITING_MAX_BYTES;
}

/* ---- life ---- */

struct redis *redis_new(struct loop *l, const struct redis_address *a, unsigned timeout_ms)
{
    struct redis *r = mem_alloc(sizeof(*r));
    r->loop = l;
    r->address = a;
    r->timeout_ms = timeout_ms;
    r->connect = loop_timer_new(l, on_connect_timer, r);
    r->answer = loop_timer_new(l, on_answer_timer, r);
    list_init(&r->waiting);
    list_init(&r->sent);
    return r;
}

void redis_free(struct redis *r)
{
    if (!r) {
        return;
    }
    r->freeing = true;
    if (r->lookup) {
        redis_lookup_cancel(r->lookup);
    }
    if (r->ac) {
        redisAsyncFree(r->ac);
    }
    calls_end(&r->waiting);
    loop_timer_free(r->connect);
    loop_timer_free(r->answer);
    mem_free(r);
}

bool redis_up(const struct redis *r)
{
    return r->state == REDIS_UP;
}

const char *redis_trouble(const struct redis *r)
{
    return r->trouble;
}
