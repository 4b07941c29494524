/* A request's surroundings without sockets: an exchange, an upstream and a spool that note what is
 * asked of them and let the test play the peers. Everything between them (stages, sinks, snapshot,
 * events) is the real thing. Included once per test program; the programs link these instead of
 * dp_net's and dp_upstream's objects. */
#ifndef TESTS_UNIT_DATAPLANE_FAKE_WORLD_H
#define TESTS_UNIT_DATAPLANE_FAKE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "dataplane/net/exchange.h"
#include "dataplane/net/loop.h"
#include "dataplane/report/event_json.h"
#include "dataplane/request/request.h"
#include "dataplane/routing/target_state.h"
#include "dataplane/standalone/standalone.h"
#include "dataplane/upstream/client.h"

struct exchange {
    struct request_head head;
    struct header headers[64];
    struct str body;
    void (*on_gone)(void *arg);
    void *gone_arg;
    void (*on_drain)(void *arg);
    void *drain_arg;
    int status;
    char answer_headers[4096]; /* "name: value\n" */
    int64_t length;
    struct buffer sent;
    bool started, replied, ended, aborted, flushed;
    bool full;            /* what exchange_send says */
    size_t events_at_end; /* how many events stood in the spool when the last byte went */
    size_t events_at_last_send;
};

struct upstream_call {
    struct str head, body;
    struct upstream_origin origin;
    unsigned head_deadline_ms;
    const struct upstream_ops *ops;
    void *arg;
    bool paused, cancelled, live;
};

static struct world {
    struct request_env env;
    struct request_policy policy;
    struct request_counters counters;
    struct swap_hub *hub;
    struct exchange x;
    struct upstream_call call;
    unsigned calls;
    size_t opens, n_events;
    char event[16384]; /* the last one, as JSON */
    bool spool_full;
    struct {
        void (*fn)(void *arg);
        void *arg;
    } deferred[8];
    unsigned n_deferred;
} world;

/* ---- exchange ---- */

const struct request_head *exchange_head(const struct exchange *x)
{
    return &x->head;
}

struct str exchange_body(const struct exchange *x)
{
    return x->body;
}

struct str exchange_header(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->head.n_headers; i++) {
        if (str_eq_nocase(x->head.headers[i].name, str_of(name))) {
            return x->head.headers[i].value;
        }
    }
    return STR_NONE;
}

struct str exchange_peer(const struct exchange *x)
{
    (void)x;
    return STR_LIT("127.0.0.1:4711");
}

bool exchange_tls(const struct exchange *x)
{
    (void)x;
    return false;
}

void exchange_on_gone(struct exchange *x, void (*fn)(void *arg), void *arg)
{
    x->on_gone = fn;
    x->gone_arg = arg;
}

void exchange_on_drain(struct exchange *x, void (*fn)(void *arg), void *arg)
{
    x->on_drain = fn;
    x->drain_arg = arg;
}

static void note_head(struct exchange *x, int status, const struct header *headers, size_t n)
{
    size_t at = 0;
    x->status = status;
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(x->answer_headers + at, sizeof(x->answer_headers) - at,
                               "%.*s: %.*s\n", STR_ARG(headers[i].name), STR_ARG(headers[i].value));
        assert_true(at < sizeof(x->answer_headers));
    }
}

void exchange_reply(struct exchange *x, int status, const struct header *headers, size_t n,
                    struct str body)
{
    assert_false(x->started || x->replied || x->ended);
    note_head(x, status, headers, n);
    (void)buffer_append_str(&x->sent, body);
    x->replied = x->ended = true;
    x->events_at_end = x->events_at_last_send = world.n_events;
}

void exchange_start(struct exchange *x, int status, const struct header *headers, size_t n,
                    int64_t length, bool flush)
{
    assert_false(x->started || x->replied || x->ended);
    note_head(x, status, headers, n);
    x->started = true;
    x->length = length;
    x->flushed = flush;
}

bool exchange_send(struct exchange *x, struct str piece)
{
    assert_true(x->started && !x->ended && piece.len > 0);
    (void)buffer_append_str(&x->sent, piece);
    x->events_at_last_send = world.n_events;
    return !x->full;
}

void exchange_end(struct exchange *x)
{
    assert_false(x->ended);
    x->ended = true;
    x->events_at_end = world.n_events;
}

void exchange_abort(struct exchange *x)
{
    exchange_end(x);
    x->aborted = true;
}

bool exchange_started(const struct exchange *x)
{
    return x->started || x->replied;
}

/* ---- upstream ---- */

struct upstream_call *upstream_send(struct upstream *u, const struct upstream_origin *o,
                                    struct str head, struct str body, unsigned head_deadline_ms,
                                    unsigned gap_deadline_ms, const struct upstream_ops *ops,
                                    void *arg)
{
    (void)u;
    (void)gap_deadline_ms;
    assert_true(world.opens > 0);
    world.call = (struct upstream_call){.head = head,
                                        .body = body,
                                        .origin = *o,
                                        .head_deadline_ms = head_deadline_ms,
                                        .ops = ops,
                                        .arg = arg,
                                        .live = true};
    world.calls++;
    return &world.call;
}

void upstream_pause(struct upstream_call *c)
{
    c->paused = true;
}

void upstream_resume(struct upstream_call *c)
{
    c->paused = false;
}

void upstream_cancel(struct upstream_call *c)
{
    assert_true(c->live);
    c->live = false;
    c->cancelled = true;
}

bool upstream_sent(const struct upstream_call *c)
{
    assert_false(c->cancelled); /* its memory may be gone */
    return c == &world.call;
}

/* ---- spool and loop ---- */

bool spool_append_open(struct spool *s, const struct uuid *id, struct str record,
                       size_t reserve_bytes, struct error *err)
{
    (void)s;
    (void)id;
    assert_true(record.len > 0 && reserve_bytes > record.len);
    if (world.spool_full) {
        return error_set(err, ERR_SPOOL_FULL, "usage spool is full");
    }
    world.opens++;
    return true;
}

bool spool_append_event(struct spool *s, const struct uuid *id, struct str record,
                        struct error *err)
{
    struct buffer out;
    (void)s;
    (void)id;
    if (world.spool_full) {
        return error_set(err, ERR_SPOOL_FULL, "usage spool is full");
    }
    buffer_init(&out, sizeof(world.event) - 1);
    assert_true(event_json_write(record, &out, err));
    memcpy(world.event, out.ptr, out.len);
    world.event[out.len] = '\0';
    buffer_release(&out);
    world.n_events++;
    return true;
}

void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
    (void)l;
    assert_true(world.n_deferred < 8);
    world.deferred[world.n_deferred].fn = fn;
    world.deferred[world.n_deferred++].arg = arg;
}

/* Timers run when the test says so: world_time_over. */
struct loop_timer {
    loop_timer_fn fn;
    void *arg;
    bool set;
    uint64_t delay_ms;
};

static struct loop_timer *timers[16];

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn fn, void *arg)
{
    (void)l;
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        if (!timers[i]) {
            timers[i] = mem_alloc(sizeof(**timers));
            timers[i]->fn = fn;
            timers[i]->arg = arg;
            return timers[i];
        }
    }
    fail_msg("too many timers");
    return NULL;
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
    t->set = true;
    t->delay_ms = delay_ms;
}

void loop_timer_cancel(struct loop_timer *t)
{
    t->set = false;
}

void loop_timer_free(struct loop_timer *t)
{
    for (size_t i = 0; t && i < sizeof(timers) / sizeof(timers[0]); i++) {
        if (timers[i] == t) {
            timers[i] = NULL;
        }
    }
    mem_free(t);
}

/* Nothing comes from elsewhere in this world. */
bool loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    (void)l;
    (void)fn;
    (void)arg;
    return false;
}

struct loop_io *loop_io_new(struct loop *l, int fd, loop_io_fn fn, void *arg)
{
    (void)l;
    (void)fd;
    (void)fn;
    (void)arg;
    fail_msg("no sockets here");
    return NULL;
}

void loop_io_set(struct loop_io *io, unsigned what)
{
    (void)io;
    (void)what;
}

void loop_io_free(struct loop_io *io)
{
    (void)io;
}

uint64_t loop_now_ms(const struct loop *l)
{
    (void)l;
    return 0;
}

/* ---- the test's hand ---- */

static void world_end_turn(void)
{
    unsigned n = world.n_deferred;
    world.n_deferred = 0;
    for (unsigned i = 0; i < n; i++) {
        world.deferred[i].fn(world.deferred[i].arg);
    }
}

static void world_forget_exchange(void)
{
    buffer_release(&world.x.sent);
    world.x = (struct exchange){.length = -2};
    buffer_init(&world.x.sent, 16u << 20);
    world.opens = world.n_events = 0;
    world.calls = 0;
    world.event[0] = '\0';
}

/* yaml NULL: no configuration yet. */
static void world_begin(const char *yaml)
{
    struct error err = ERROR_INIT;
    memset(&world, 0, sizeof(world));
    request_env_init(&world.env);
    world.policy.upstream_timeout_ms = 600000;
    world.policy.targets = target_table_new(64);
    world.env.policy = &world.policy;
    world.env.counters = &world.counters;
    world.hub = swap_hub_new();
    if (yaml) {
        struct snapshot *root = NULL;
        if (!standalone_parse(str_of(yaml), &root, NULL, &err)) {
            fail_msg("%d:%d %s", err.line, err.column, error_text(&err));
        }
        swap_publish(world.hub, root);
    }
    world.env.reader = swap_reader_new(world.hub, NULL, NULL);
    world_forget_exchange();
}

static void world_end(void)
{
    world_end_turn();
    assert_true(list_empty(&world.env.live));
    buffer_release(&world.x.sent);
    swap_reader_free(world.env.reader);
    request_env_release(&world.env);
    target_table_free(world.policy.targets);
    swap_hub_free(world.hub);
}

/* headers: "name: value" lines, NULL for none. The answer, if it is there at once, stands in
 * world.x. */
static void world_request(const char *method, const char *target, const char *headers,
                          const char *body)
{
    world_end_turn();
    world_forget_exchange();
    struct exchange *x = &world.x;
    struct str rest = str_of(headers ? headers : ""), line, name, value;
    x->head = (struct request_head){.method = str_of(method),
                                    .target = str_of(target),
                                    .path = str_of(target),
                                    .headers = x->headers,
                                    .keep_alive = true};
    (void)str_cut(x->head.target, '?', &x->head.path, &x->head.query);
    while (rest.len) {
        if (!str_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = STR_NONE;
        }
        assert_true(str_cut(line, ':', &name, &value));
        x->headers[x->head.n_headers++] = (struct header){name, str_trim(value)};
    }
    x->body = str_of(body ? body : "");
    request_on_exchange(&world.env, x);
}

__attribute__((unused)) static bool answer_has(const char *text)
{
    return world.x.sent.len &&
           memmem(world.x.sent.ptr, world.x.sent.len, text, strlen(text)) != NULL;
}

__attribute__((unused)) static bool header_sent(const char *line)
{
    return strstr(world.x.answer_headers, line) != NULL;
}

__attribute__((unused)) static bool event_has(const char *text)
{
    return strstr(world.event, text) != NULL;
}

/* The request as the provider got it, head and body. */
__attribute__((unused)) static bool upstream_got(const char *text)
{
    struct buffer all;
    buffer_init(&all, 16u << 20);
    (void)buffer_append_str(&all, world.call.head);
    (void)buffer_append_str(&all, world.call.body);
    bool found = memmem(all.ptr, all.len, text, strlen(text)) != NULL;
    buffer_release(&all);
    return found;
}

__attribute__((unused)) static void upstream_head(int status, const char *content_type,
                                                  int64_t length)
{
    struct header headers[3] = {{STR_LIT("content-type"), str_of(content_type)},
                                {STR_LIT("x-request-id"), STR_LIT("up-1")},
                                {STR_LIT("set-cookie"), STR_LIT("a=b")}};
    struct upstream_answer a = {
        .status = status, .headers = headers, .n_headers = 3, .content_length = length};
    world.call.ops->on_head(world.call.arg, &a);
}

__attribute__((unused)) static void upstream_data(const char *text)
{
    char *copy = mem_strdup(text); /* exactly as long as the call */
    world.call.ops->on_data(world.call.arg, str_of(copy));
    memset(copy, '#', strlen(copy));
    mem_free(copy);
}

__attribute__((unused)) static void upstream_end(void)
{
    world.call.live = false;
    world.call.ops->on_end(world.call.arg);
}

__attribute__((unused)) static void upstream_fail(enum error_code code)
{
    struct error err = {.code = code, .offset = -1};
    world.call.live = false;
    world.call.ops->on_error(world.call.arg, &err);
}

#endif
