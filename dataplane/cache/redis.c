/* hiredis' asynchronous connection on the worker's loop.
 *
 * States: idle until the first use; then connecting, with calls waiting for it; then up, or down. A
 * connection counts as up when AUTH, SELECT and PING have been answered, so a server that accepts
 * and says nothing never is. While it is down nobody waits: calls are refused at once, and a timer
 * connects again, from 100 ms to 10 s apart. */
#include "dataplane/cache/redis.h"

#include <stdatomic.h>
#include <stdio.h>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/log.h"
#include "dataplane/cache/redis_lookup.h"
#include "dataplane/net/loop.h"

#define BACKOFF_MIN_MS 100u
#define BACKOFF_MAX_MS 10000u
#define CONNECT_MS 1000u              /* at least, from the first packet to PING's answer */
#define WAITING_MAX_BYTES (16u << 20) /* to be written, or of one answer */
#define SCAN_COUNT "500"

enum state { REDIS_IDLE = 0, REDIS_CONNECTING, REDIS_UP, REDIS_DOWN };

struct redis {
    struct loop *loop;
    const struct redis_address *address;
    unsigned timeout_ms;
    enum state state;
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
    char trouble[160];
};

struct redis_call {
    struct list node;
    struct redis *redis;
    void (*fn)(void *arg, bool found, struct str value); /* NULL: cancelled, or timed out */
    void *arg;
    uint64_t begun_ms;
    bool sent;
    size_t key_len;
    char key[];
};

static void connect_now(struct redis *r);

/* ---- the end of a connection ---- */

static void calls_end(struct list *calls)
{
    struct list *n;
    while ((n = list_pop_front(calls))) {
        struct redis_call *c = LIST_ENTRY(n, struct redis_call, node);
        void (*fn)(void *arg, bool found, struct str value) = c->redis->freeing ? NULL : c->fn;
        void *arg = c->arg;
        mem_free(c);
        if (fn) {
            fn(arg, false, STR_NONE);
        }
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
                  up ? "the shared cache can be used again" : "the shared cache cannot be used",
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
        if (r->ac && r->ac->c.reader->len > WAITING_MAX_BYTES) {
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

static bool reply_ok(const redisReply *reply)
{
    return reply && reply->type != REDIS_REPLY_ERROR;
}

static bool call_send(struct redis *r, struct redis_call *c);

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
    if (!reply_ok(reply)) {
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

static void on_got(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    struct redis_call *c = arg;
    const redisReply *reply = arg_reply;
    void (*fn)(void *arg, bool found, struct str value) = c->redis->freeing ? NULL : c->fn;
    void *fn_arg = c->arg;
    (void)ac;
    list_remove(&c->node);
    mem_free(c);
    if (fn) {
        bool found = reply && reply->type == REDIS_REPLY_STRING;
        fn(fn_arg, found, found ? (struct str){reply->str, (size_t)reply->len} : STR_NONE);
    }
}

static bool call_send(struct redis *r, struct redis_call *c)
{
    const char *argv[] = {"GET", c->key};
    size_t len[] = {3, c->key_len};
    if (redisAsyncCommandArgv(r->ac, on_got, c, 2, argv, len) != REDIS_OK) {
        return false;
    }
    c->sent = true;
    list_push_back(&r->sent, &c->node);
    return true;
}

/* The call of a list that is due, or sooner the one that will be next; begun in this order. */
static struct redis_call *oldest(struct list *calls)
{
    for (struct list *n = calls->next; n != calls; n = n->next) {
        struct redis_call *c = LIST_ENTRY(n, struct redis_call, node);
        if (c->fn) {
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
        void (*fn)(void *arg, bool found, struct str value) = c->fn;
        void *arg = c->arg;
        *ret_stuck = *ret_stuck || r->moved_ms <= c->begun_ms;
        c->fn = NULL; /* the answer may still come, and is thrown away */
        if (!c->sent) {
            list_remove(&c->node);
            mem_free(c);
        }
        fn(arg, false, STR_NONE);
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

struct redis_call *redis_get(struct redis *r, struct str key,
                             void (*fn)(void *arg, bool found, struct str value), void *arg)
{
    bool up = usable(r), first = !oldest(&r->sent) && !oldest(&r->waiting);
    if (!up && r->state != REDIS_CONNECTING) {
        return NULL;
    }
    struct redis_call *c = mem_alloc(sizeof(*c) + key.len);
    *c = (struct redis_call){
        .redis = r, .fn = fn, .arg = arg, .begun_ms = loop_now_ms(r->loop), .key_len = key.len};
    memcpy(c->key, key.ptr, key.len);
    list_init(&c->node);
    if (!up) {
        list_push_back(&r->waiting, &c->node);
    } else if (!call_send(r, c)) {
        mem_free(c);
        return NULL;
    }
    if (first) {
        loop_timer_set(r->answer, r->timeout_ms);
    }
    return c;
}

void redis_cancel(struct redis_call *c)
{
    c->fn = NULL;
    if (!c->sent) {
        list_remove(&c->node);
        mem_free(c);
    }
}

/* What is fired and forgotten still tells when the server refuses it. */
static void on_done(redisAsyncContext *ac, void *reply, void *arg)
{
    struct redis *r = ac->data;
    (void)arg;
    if (reply && !reply_ok(reply) && !r->freeing && r->state == REDIS_UP) {
        (void)snprintf(r->trouble, sizeof(r->trouble), "refused: %s", ((redisReply *)reply)->str);
    }
}

static bool roomy(struct redis *r, size_t len)
{
    return usable(r) && unwritten(r) + len <= WAITING_MAX_BYTES;
}

void redis_set(struct redis *r, struct str key, struct str value, uint64_t ttl_ms)
{
    char ttl[24];
    const char *argv[] = {"SET", key.ptr, value.ptr, "PX", ttl};
    size_t len[] = {3, key.len, value.len, 2, 0};
    if (ttl_ms == 0 || !roomy(r, value.len)) {
        return;
    }
    len[4] = (size_t)snprintf(ttl, sizeof(ttl), "%llu", (unsigned long long)ttl_ms);
    (void)redisAsyncCommandArgv(r->ac, on_done, NULL, 5, argv, len);
}

void redis_delete(struct redis *r, struct str key)
{
    const char *argv[] = {"DEL", key.ptr};
    size_t len[] = {3, key.len};
    if (roomy(r, key.len)) {
        (void)redisAsyncCommandArgv(r->ac, on_done, NULL, 2, argv, len);
    }
}

/* ---- all keys of a prefix ---- */

struct sweep {
    size_t len;
    char pattern[]; /* the prefix, escaped, and a star */
};

static void on_scanned(redisAsyncContext *ac, void *reply, void *arg);

static void sweep_step(redisAsyncContext *ac, struct sweep *w, struct str cursor)
{
    const char *argv[] = {"SCAN", cursor.ptr, "MATCH", w->pattern, "COUNT", SCAN_COUNT};
    size_t len[] = {4, cursor.len, 5, w->len, 5, sizeof(SCAN_COUNT) - 1};
    if (redisAsyncCommandArgv(ac, on_scanned, w, 6, argv, len) != REDIS_OK) {
        mem_free(w);
    }
}

static void keys_delete(redisAsyncContext *ac, const redisReply *keys)
{
    const char **argv = mem_alloc((keys->elements + 1) * sizeof(*argv));
    size_t *len = mem_alloc((keys->elements + 1) * sizeof(*len));
    argv[0] = "DEL";
    len[0] = 3;
    for (size_t i = 0; i < keys->elements; i++) {
        argv[i + 1] = keys->element[i]->str;
        len[i + 1] = (size_t)keys->element[i]->len;
    }
    (void)redisAsyncCommandArgv(ac, on_done, NULL, (int)keys->elements + 1, argv, len);
    mem_free(argv);
    mem_free(len);
}

static void on_scanned(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    const redisReply *reply = arg_reply;
    struct sweep *w = arg;
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        on_done(ac, arg_reply, NULL);
        mem_free(w);
        return;
    }
    struct str cursor = {reply->element[0]->str, (size_t)reply->element[0]->len};
    if (reply->element[1]->elements > 0) {
        keys_delete(ac, reply->element[1]);
    }
    if (str_eqz(cursor, "0")) {
        mem_free(w);
    } else {
        sweep_step(ac, w, cursor);
    }
}

void redis_delete_all(struct redis *r, struct str prefix)
{
    if (!roomy(r, prefix.len)) {
        return;
    }
    struct sweep *w = mem_alloc(sizeof(*w) + 2 * prefix.len + 1);
    for (size_t i = 0; i < prefix.len; i++) {
        if (memchr("*?[]^\\", prefix.ptr[i], 6)) {
            w->pattern[w->len++] = '\\';
        }
        w->pattern[w->len++] = prefix.ptr[i];
    }
    w->pattern[w->len++] = '*';
    sweep_step(r->ac, w, STR_LIT("0"));
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
