/* See command.h. A provider test runs on worker 0 with its connections, its TLS and the provider's
 * signer: what it says holds for requests too. Its answer is
 * {"ok","status","latency_ms","models","error"}. */
#include "dataplane/command.h"

#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/log.h"
#include "dataplane/canonical/head.h"
#include "dataplane/net/loop.h"
#include "dataplane/service.h"
#include "dataplane/signers/signer.h"
#include "dataplane/upstream/client.h"
#include "proto/control.pb-c.h"

#define TEST_DEADLINE_MS 10000
#define TEST_BODY_MAX (4u << 20)

struct commands {
    struct service *service;
    pthread_mutex_t lock;
    struct list tests; /* under way */
};

struct test {
    struct list node;
    struct commands *commands;
    struct bridge *bridge;
    struct uuid id, provider_id;
    struct worker *worker;
    /* on the worker's thread */
    struct swap_hold *hold;
    struct arena *arena;
    struct upstream_call *call;
    struct loop_timer *timer;
    struct buffer body;
    uint64_t started_ns;
    int status;
};

struct commands *commands_new(struct service *s)
{
    struct commands *c = mem_alloc(sizeof(*c));
    c->service = s;
    (void)pthread_mutex_init(&c->lock, NULL);
    list_init(&c->tests);
    return c;
}

static void test_free(struct test *t)
{
    if (t->hold) {
        swap_release(worker_env(t->worker)->reader, t->hold);
    }
    loop_timer_free(t->timer);
    (void)pthread_mutex_lock(&t->commands->lock);
    list_remove(&t->node);
    (void)pthread_mutex_unlock(&t->commands->lock);
    buffer_release(&t->body);
    arena_free(t->arena);
    mem_free(t);
}

void commands_free(struct commands *c)
{
    if (!c) {
        return;
    }
    while (!list_empty(&c->tests)) {
        struct test *t = LIST_ENTRY(c->tests.next, struct test, node);
        if (t->call) {
            upstream_cancel(t->call);
        }
        test_free(t);
    }
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* Entries of {"data":[…]}. */
static bool count_models(struct str body, uint64_t *ret)
{
    struct json_member data = {.name = STR_LIT("data")};
    struct json_value item;
    size_t pos = 0;
    if (!json_scan(body, &data, 1, 0, NULL) || !data.found || data.value.type != JSON_ARRAY) {
        return false;
    }
    for (*ret = 0; json_next(data.value, &pos, NULL, &item); (*ret)++) {
    }
    return true;
}

/* Ends the test with its answer; err NULL: the provider answered. */
static void test_done(struct test *t, const char *error)
{
    struct buffer out;
    struct json_writer w;
    uint64_t models = 0;
    bool counted = count_models(buffer_str(&t->body), &models);
    bool ok = !error && t->status == 200;
    if (!error && !ok) {
        error = t->status == 401 || t->status == 403 ? "the provider refused the credential"
                                                     : "the provider answered with an error";
    } else if (ok && !counted) {
        ok = false;
        error = "the provider's answer is no list of models";
    }
    buffer_init(&out, 4096);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_field_bool(&w, "ok", ok);
    json_field_u64(&w, "status", (uint64_t)t->status);
    json_field_u64(&w, "latency_ms", (clock_mono_ns() - t->started_ns) / 1000000);
    json_field_u64(&w, "models", models);
    json_field_str(&w, "error", error ? str_of(error) : STR_NONE);
    json_object_end(&w);
    char *text = buffer_detach(&out);
    bridge_command_done(t->bridge, &t->id, true, NULL, text);
    mem_free(text);
    test_free(t);
}

static void on_head(void *arg, const struct upstream_answer *a)
{
    struct test *t = arg;
    t->status = a->status;
}

static void on_data(void *arg, struct str piece)
{
    struct test *t = arg;
    (void)buffer_append_str(&t->body, piece);
}

static void on_end(void *arg)
{
    test_done(arg, NULL);
}

static void on_error(void *arg, const struct error *err)
{
    test_done(arg, error_text(err));
}

static const struct upstream_ops ops = {on_head, on_data, on_end, on_error};

static void on_deadline(void *arg)
{
    struct test *t = arg;
    upstream_cancel(t->call);
    test_done(t, "the provider did not answer in time");
}

static bool write_head(struct test *t, const struct snap_provider *p, struct str *ret,
                       struct error *err)
{
    struct head h, lines;
    struct token_purchase purchase;
    struct signing s = {.provider = p,
                        .row = p->row,
                        .credential = p->credential,
                        .method = STR_LIT("GET"),
                        .path = provider_path_join(t->arena, p->path, STR_LIT("/models")),
                        .now_ms = clock_wall_ms()};
    if (!s.path.ptr || !head_init(&lines, t->arena, signer_room(&s))) {
        return error_set(err, ERR_INTERNAL, "out of room");
    }
    enum sign_result how = signer_sign(&s, t->arena, &lines, &purchase, err);
    if (how != SIGN_DONE) {
        return how == SIGN_FAILED ? false
                                  : error_set(err, ERR_NOT_IMPLEMENTED,
                                              "providers with bought access tokens are not tested");
    }
    if (!head_init(&h, t->arena, 512 + s.path.len + s.query.len + p->host_header.len + lines.len)) {
        return error_set(err, ERR_INTERNAL, "out of room");
    }
    head_put(&h, STR_LIT("GET "));
    head_put(&h, s.path);
    if (s.query.ptr) {
        head_put(&h, STR_LIT("?"));
        head_put(&h, s.query);
    }
    head_put(&h, STR_LIT(" HTTP/1.1\r\n"));
    head_put_header(&h, STR_LIT("Host"), p->host_header);
    head_put(&h, head_str(&lines));
    head_put(&h, STR_LIT("Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: "
                         "weir/" WEIR_VERSION "\r\n\r\n"));
    *ret = head_str(&h);
    return !(h.failed || lines.failed) || error_set(err, ERR_INTERNAL, "out of room");
}

static void run_test(void *arg)
{
    struct test *t = arg;
    struct request_env *env = worker_env(t->worker);
    struct error err = ERROR_INIT;
    struct str head;
    t->started_ns = clock_mono_ns();
    t->hold = swap_acquire(env->reader);
    const struct snap_provider *p =
        t->hold ? snapshot_provider(swap_root(t->hold), &t->provider_id) : NULL;
    if (!p) {
        test_done(t, "this proxy does not know the provider");
        return;
    }
    if (p->credential_unreadable) {
        test_done(t, "the provider's credential cannot be read by this proxy");
        return;
    }
    t->arena = arena_new(1u << 20);
    if (!write_head(t, p, &head, &err)) {
        test_done(t, error_text(&err));
        return;
    }
    struct upstream_origin origin = {.tls = p->tls, .host = p->host, .port = p->port};
    t->call = upstream_send(env->upstream, &origin, head, STR_LIT(""), TEST_DEADLINE_MS,
                            TEST_DEADLINE_MS, &ops, t);
    t->timer = loop_timer_new(env->loop, on_deadline, t);
    loop_timer_set(t->timer,
                   TEST_DEADLINE_MS +
                       500); /* behind the call's own deadlines, for an answer that trickles */
}

static void start_test(struct commands *c, struct bridge *b, const struct uuid *id, struct str body)
{
    if (body.len != sizeof(struct uuid)) {
        bridge_command_done(b, id, false, "the command's body is not a provider's id", NULL);
        return;
    }
    struct test *t = mem_alloc(sizeof(*t));
    t->commands = c;
    t->bridge = b;
    t->id = *id;
    memcpy(t->provider_id.b, body.ptr, sizeof(t->provider_id.b));
    t->worker = service_worker(c->service, 0);
    buffer_init(&t->body, TEST_BODY_MAX);
    (void)pthread_mutex_lock(&c->lock);
    list_push_back(&c->tests, &t->node);
    (void)pthread_mutex_unlock(&c->lock);
    if (!worker_post(t->worker, run_test, t)) {
        test_free(t);
        bridge_command_done(b, id, false, "the proxy is overloaded", NULL);
    }
}

void commands_on_command(struct commands *c, struct bridge *b, const struct uuid *id, unsigned kind,
                         struct str body, uint64_t deadline_ms)
{
    enum log_level level;
    (void)deadline_ms;
    switch (kind) {
    case WEIR__COMMAND_KIND__COMMAND_TEST_PROVIDER:
        start_test(c, b, id, body);
        return;
    case WEIR__COMMAND_KIND__COMMAND_DRAIN:
        service_request_drain(c->service);
        bridge_command_done(b, id, true, NULL, NULL);
        return;
    case WEIR__COMMAND_KIND__COMMAND_LOG_LEVEL:
        if (!log_level_parse(body, &level)) {
            bridge_command_done(b, id, false, "no such log level", NULL);
            return;
        }
        log_set_level(level);
        bridge_command_done(b, id, true, NULL, NULL);
        return;
    default:
        bridge_command_done(b, id, false, "unsupported", NULL);
    }
}
