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
#include <stdlib.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dataplane/net/exchange.h"
#include "dataplane/net/loop.h"
#include "dataplane/report/event_json.h"
#include "dataplane/request/request.h"
#include "dataplane/routing/target_state.h"
#include "dataplane/standalone/standalone.h"
#include "dataplane/upstream/client.h"

#include "dataplane/fake_loop.h"

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
    bool answered, stream; /* its head was told; as an event stream */
};

#define WORLD_CALLS 256
#define WORLD_IDS 4096

/* What the spool was told of one request. */
struct world_record {
    struct uuid id;
    unsigned opens, events;
    int status; /* of the event */
};

static struct world {
    struct request_env env;
    struct request_policy policy;
    struct request_counters counters;
    struct swap_hub *hub;
    struct exchange x;
    struct upstream_call *call; /* at hand: the last one made, or as world_turn_to says */
    struct upstream_call pool[WORLD_CALLS];
    struct upstream_call *made[WORLD_CALLS]; /* since the last request began */
    unsigned calls, next_call;
    char *request_text; /* the request's own bytes: they go with its exchange */
    struct world_record records[WORLD_IDS];
    size_t n_records;
    size_t opens, n_events;
    char event[16384]; /* the last one, as JSON */
    bool spool_full;
    void (*on_record)(bool open, struct str record); /* NULL: nobody looks at the bytes */
    struct {
        void (*fn)(void *arg);
        void *arg;
    } deferred[64];
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

static void end_exchange(struct exchange *x)
{
    assert_false(x->ended);
    x->ended = true;
    x->events_at_end = world.n_events;
}

void exchange_end(struct exchange *x)
{
    end_exchange(x);
    assert_true(x->length < 0 || x->sent.len == (size_t)x->length);
}

void exchange_abort(struct exchange *x)
{
    end_exchange(x);
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
    assert_true(world.opens > 0 || memmem(head.ptr, head.len, "/oauth2/", 8)); /* or a token's */
    assert_true(world.calls < WORLD_CALLS);
    struct upstream_call *c;
    unsigned tries = 0;
    do {
        c = &world.pool[world.next_call++ % WORLD_CALLS];
        assert_true(tries++ < WORLD_CALLS);
    } while (c->live);
    *c = (struct upstream_call){.head = head,
                                .body = body,
                                .origin = *o,
                                .head_deadline_ms = head_deadline_ms,
                                .ops = ops,
                                .arg = arg,
                                .live = true};
    world.call = world.made[world.calls++] = c;
    return c;
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
    return true;
}

/* ---- spool and loop ---- */

static struct world_record *record_of(const struct uuid *id)
{
    for (size_t i = world.n_records; i-- > 0;) {
        if (uuid_eq(&world.records[i].id, id)) {
            return &world.records[i];
        }
    }
    assert_true(world.n_records < WORLD_IDS);
    world.records[world.n_records] = (struct world_record){.id = *id};
    return &world.records[world.n_records++];
}

bool spool_append_open(struct spool *s, const struct uuid *id, struct str record,
                       size_t reserve_bytes, struct error *err)
{
    (void)s;
    assert_true(record.len > 0 && reserve_bytes > record.len);
    if (world.spool_full) {
        return error_set(err, ERR_SPOOL_FULL, "usage spool is full");
    }
    assert_int_equal(record_of(id)->events, 0);
    record_of(id)->opens++;
    world.opens++;
    if (world.on_record) {
        world.on_record(true, record);
    }
    return true;
}

bool spool_append_event(struct spool *s, const struct uuid *id, struct str record,
                        struct error *err)
{
    struct buffer out;
    (void)s;
    if (world.spool_full) {
        return error_set(err, ERR_SPOOL_FULL, "usage spool is full");
    }
    buffer_init(&out, sizeof(world.event) - 1);
    assert_true(event_json_write(record, &out, err));
    memcpy(world.event, out.ptr, out.len);
    world.event[out.len] = '\0';
    buffer_release(&out);
    assert_null(strstr(world.event, "\"stream\":true,\"status\":0,"));
    assert_null(strstr(world.event, "\"stream\":false,\"status\":0,"));
    assert_int_equal(record_of(id)->events, 0);
    const char *status = strstr(world.event, ",\"status\":");
    record_of(id)->status = status ? (int)strtol(status + 10, NULL, 10) : 0;
    record_of(id)->events++;
    world.n_events++;
    if (world.on_record) {
        world.on_record(false, record);
    }
    return true;
}

void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
    (void)l;
    assert_true(world.n_deferred < 64);
    world.deferred[world.n_deferred].fn = fn;
    world.deferred[world.n_deferred++].arg = arg;
}

/* ---- the test's hand ---- */

static void world_end_turn(void)
{
    for (unsigned i = 0; i < world.n_deferred; i++) {
        world.deferred[i].fn(world.deferred[i].arg);
    }
    world.n_deferred = 0;
}

/* Every timer that is set now runs out; how many were. */
__attribute__((unused)) static unsigned world_time_over(void)
{
    struct loop_timer *due[sizeof(timers) / sizeof(timers[0])];
    unsigned n = 0, ran = 0;
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        if (timers[i] && timers[i]->set) {
            due[n++] = timers[i];
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (due[i]->set) { /* freed behind the turn, at the earliest */
            due[i]->set = false;
            due[i]->fn(due[i]->arg);
            ran++;
        }
    }
    return ran;
}

static void world_forget_exchange(void)
{
    buffer_release(&world.x.sent);
    world.x = (struct exchange){.length = -2};
    buffer_init(&world.x.sent, 16u << 20);
    mem_free(world.request_text);
    world.request_text = NULL;
    world.opens = world.n_events = 0;
    world.calls = 0;
    world.event[0] = '\0';
}

static void world_publish(const char *yaml)
{
    struct error err = ERROR_INIT;
    struct snapshot *root = NULL;
    if (!standalone_parse(str_of(yaml), &root, NULL, &err)) {
        fail_msg("%d:%d %s", err.line, err.column, error_text(&err));
    }
    swap_publish(world.hub, root);
}

/* yaml NULL: no configuration yet. */
static void world_begin(const char *yaml)
{
    memset(&world, 0, sizeof(world));
    world.call = world.pool;
    request_env_init(&world.env);
    world.policy.upstream_timeout_ms = 600000;
    world.policy.targets = target_table_new(64);
    world.env.policy = &world.policy;
    world.env.counters = &world.counters;
    world.hub = swap_hub_new();
    if (yaml) {
        world_publish(yaml);
    }
    world.env.reader = swap_reader_new(world.hub, NULL, NULL);
    world_forget_exchange();
}

/* Nothing is in flight at that target, and no probe of it is owed. */
static bool target_is_settled(void *arg, const struct target_view *v)
{
    uint64_t now = clock_mono_ms();
    struct target_state *s =
        target_state_of(world.policy.targets, &v->provider_id, str_of(v->provider),
                        str_of(v->model), v->credential, now);
    bool probe = false;
    (void)arg;
    assert_int_equal(v->in_flight, 0);
    if (target_breaker(s, now) == BREAKER_HALF_OPEN && target_reopens_ms(s) <= now) {
        assert_true(target_admits(s, NULL, now, &probe) && probe);
        target_probe_dropped(s);
    }
    return true;
}

/* What must hold when nothing is under way: an event for whatever was opened, and targets at rest.
 */
static void world_is_settled(void)
{
    assert_true(list_empty(&world.env.live));
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        assert_false(world.pool[i].live);
    }
    for (size_t i = 0; i < world.n_records; i++) {
        assert_true(world.records[i].events == 1 || world.spool_full);
    }
    target_table_each(world.policy.targets, clock_mono_ms(), target_is_settled, NULL);
}

static void world_end(void)
{
    world_end_turn();
    world_is_settled();
    buffer_release(&world.x.sent);
    mem_free(world.request_text);
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
    size_t n_target = strlen(target), n_headers = headers ? strlen(headers) : 0;
    size_t n_body = body ? strlen(body) : 0;
    char *text = world.request_text = mem_alloc(n_target + n_headers + n_body + 1);
    memcpy(text, target, n_target);
    memcpy(text + n_target, headers ? headers : "", n_headers);
    memcpy(text + n_target + n_headers, body ? body : "", n_body);
    struct str rest = {text + n_target, n_headers}, line, name, value;
    x->head = (struct request_head){.method = str_of(method),
                                    .target = {text, n_target},
                                    .path = {text, n_target},
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
    x->body = (struct str){text + n_target + n_headers, n_body};
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
    (void)buffer_append_str(&all, world.call->head);
    (void)buffer_append_str(&all, world.call->body);
    bool found = memmem(all.ptr, all.len, text, strlen(text)) != NULL;
    buffer_release(&all);
    return found;
}

/* The call that the provider's hand is on, among those made since the last request began. */
__attribute__((unused)) static void world_turn_to(unsigned i)
{
    assert_true(i < world.calls);
    world.call = world.made[i];
}

/* As the client says it: the header fields are gone when this returns. `more`: "name: value", NULL
 * for none. */
static void upstream_head_with(int status, const char *content_type, int64_t length,
                               const char *more)
{
    struct header headers[4] = {{STR_LIT("content-type"), STR_NONE},
                                {STR_LIT("x-request-id"), STR_LIT("up-1")},
                                {STR_LIT("set-cookie"), STR_LIT("a=b")}};
    char *type = mem_strdup(content_type);
    headers[0].value = str_of(type);
    struct upstream_answer a = {
        .status = status, .headers = headers, .n_headers = 3, .content_length = length};
    if (more) {
        assert_true(str_cut(str_of(more), ':', &headers[3].name, &headers[3].value));
        headers[3].value = str_trim(headers[3].value);
        a.n_headers++;
    }
    assert_true(world.call->live && !world.call->answered);
    world.call->answered = true;
    world.call->stream = strncmp(content_type, "text/event-stream", 17) == 0;
    world.call->ops->on_head(world.call->arg, &a);
    memset(type, '#', strlen(type));
    mem_free(type);
}

__attribute__((unused)) static void upstream_head(int status, const char *content_type,
                                                  int64_t length)
{
    upstream_head_with(status, content_type, length, NULL);
}

__attribute__((unused)) static void upstream_data(const char *text)
{
    struct upstream_call *c = world.call;
    char *copy = mem_strdup(text); /* exactly as long as the call */
    assert_true(c->live && c->answered);
    c->ops->on_data(c->arg, str_of(copy));
    memset(copy, '#', strlen(copy));
    mem_free(copy);
}

__attribute__((unused)) static void upstream_end(void)
{
    struct upstream_call *c = world.call;
    assert_true(c->live && c->answered);
    c->live = false;
    c->ops->on_end(c->arg);
}

__attribute__((unused)) static void upstream_fail(enum error_code code)
{
    struct upstream_call *c = world.call;
    struct error err = {.code = code, .offset = -1};
    assert_true(c->live);
    c->live = false;
    c->ops->on_error(c->arg, &err);
}

#endif
