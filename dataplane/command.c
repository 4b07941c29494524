/* See command.h. A provider test runs on worker 0 with its connections, its TLS and the provider's
 * signer: what it says holds for requests too. Its answer is
 * {"ok","status","latency_ms","models","error"}. */
#include "dataplane/command.h"

#include <pthread.h>
#include <stdio.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/log.h"
#include "dataplane/cache/key.h"
#include "dataplane/cache/redis.h"
#include "dataplane/cache/store.h"
#include "dataplane/provider_get.h"
#include "dataplane/service.h"
#include "dataplane/stages/explain.h"
#include "dataplane/target_list.h"
#include "proto/control.pb-c.h"

#define TEST_DEADLINE_MS 10000
#define TEST_BODY_MAX (4u << 20)
#define EXPLAIN_MAX (8u << 20)

struct commands {
    struct service *service;
    pthread_mutex_t lock;
    struct list tests; /* under way */
};

/* A provider test, or a question for the targets or for what would be done with a request. */
struct test {
    struct list node;
    struct commands *commands;
    struct bridge *bridge;
    struct uuid id, subject; /* the provider; the organization, nil: all */
    struct worker *worker;
    char *question;           /* explain: JSON; else NULL */
    struct provider_get *get; /* on the worker's thread */
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
    provider_get_cancel(t->get);
    (void)pthread_mutex_lock(&t->commands->lock);
    list_remove(&t->node);
    (void)pthread_mutex_unlock(&t->commands->lock);
    mem_free(t->question);
    mem_free(t);
}

void commands_free(struct commands *c)
{
    if (!c) {
        return;
    }
    while (!list_empty(&c->tests)) {
        test_free(LIST_ENTRY(c->tests.next, struct test, node));
    }
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* Entries of {"data":[…]}, of Gemini's, Cohere's and Ollama's {"models":[…]}, or of an array. */
static bool count_models(struct str body, uint64_t *ret)
{
    struct json_member m[] = {{.name = STR_LIT("data")}, {.name = STR_LIT("models")}};
    struct json_value list, item;
    size_t pos = 0;
    if (!json_validate(body, 0, &list, NULL)) {
        return false;
    }
    if (list.type == JSON_OBJECT && json_members(list, m, 2, NULL) && (m[0].found || m[1].found)) {
        list = m[0].found ? m[0].value : m[1].value;
    }
    if (list.type != JSON_ARRAY) {
        return false;
    }
    for (*ret = 0; json_next(list, &pos, NULL, &item); (*ret)++) {
    }
    return true;
}

/* Ends the test with its answer. */
static void on_answer(void *arg, const struct provider_answer *a)
{
    struct test *t = arg;
    struct buffer out;
    struct json_writer w;
    uint64_t models = 0;
    bool counted = count_models(a->body, &models);
    bool ok = !a->error && a->status == 200;
    const char *error = a->error;
    if (!error && !ok) {
        error = a->status == 401 || a->status == 403 ? "the provider refused the credential"
                : a->listed                          ? "the provider answered with an error"
                            : "this kind of provider has no list of models to ask for; it can be "
                              "reached, and no more is known";
    } else if (ok && !counted) {
        ok = false;
        error = "the provider's answer is no list of models";
    }
    buffer_init(&out, 4096);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_field_bool(&w, "ok", ok);
    json_field_u64(&w, "status", (uint64_t)a->status);
    json_field_u64(&w, "latency_ms", a->took_ms);
    json_field_u64(&w, "models", models);
    json_field_str(&w, "error", error ? str_of(error) : STR_NONE);
    json_object_end(&w);
    char *text = buffer_detach(&out);
    bridge_command_done(t->bridge, &t->id, true, NULL, text);
    mem_free(text);
    test_free(t);
}

static void run_test(void *arg)
{
    struct test *t = arg;
    struct provider_get_config c = {
        .env = worker_env(t->worker),
        .provider_id = t->subject,
        .path = STR_LIT(""),
        .deadline_ms = TEST_DEADLINE_MS,
        .max_body = TEST_BODY_MAX,
        .fn = on_answer,
        .arg = t,
    };
    provider_get_start(&c, &t->get);
}

static void run_targets(void *arg)
{
    struct test *t = arg;
    struct buffer out;
    buffer_init(&out, TARGET_LIST_MAX);
    bool ok = target_list_write(worker_env(t->worker), &t->subject, &out);
    char *text = ok ? buffer_detach(&out) : NULL;
    bridge_command_done(t->bridge, &t->id, ok, ok ? NULL : "the list does not fit", text);
    mem_free(text);
    buffer_release(&out);
    test_free(t);
}

static void run_explain(void *arg)
{
    struct test *t = arg;
    struct buffer out;
    struct error err = ERROR_INIT;
    buffer_init(&out, EXPLAIN_MAX);
    bool ok = explain_answer(worker_env(t->worker), str_of(t->question), &out, &err);
    char *text = ok ? buffer_detach(&out) : NULL;
    bridge_command_done(t->bridge, &t->id, ok, ok ? NULL : error_text(&err), text);
    mem_free(text);
    buffer_release(&out);
    test_free(t);
}

/* Runs fn on worker 0, for what the body names. */
static void start_test(struct commands *c, struct bridge *b, const struct uuid *id,
                       const struct uuid *subject, struct str question, void (*fn)(void *arg))
{
    struct test *t = mem_alloc(sizeof(*t));
    if (question.ptr) {
        t->question = mem_alloc(question.len + 1);
        memcpy(t->question, question.ptr, question.len);
    }
    t->commands = c;
    t->bridge = b;
    t->id = *id;
    t->subject = *subject;
    t->worker = service_worker(c->service, 0);
    (void)pthread_mutex_lock(&c->lock);
    list_push_back(&c->tests, &t->node);
    (void)pthread_mutex_unlock(&c->lock);
    if (!worker_post(t->worker, fn, t)) {
        test_free(t);
        bridge_command_done(b, id, false, "the proxy is overloaded", NULL);
    }
}

/* Bodies are ids of 16 bytes each. */
static bool read_id(struct str *body, struct uuid *ret)
{
    if (body->len < sizeof(ret->b)) {
        return false;
    }
    memcpy(ret->b, body->ptr, sizeof(ret->b));
    *body = str_slice(*body, sizeof(ret->b), body->len);
    return true;
}

/* The shared cache's entries of these workspaces, through worker 0's connection. */
struct shared_purge {
    struct worker *worker;
    size_t n;
    struct uuid tenants[];
};

static void run_shared_purge(void *arg)
{
    struct shared_purge *p = arg;
    struct redis *redis = worker_env(p->worker)->redis;
    char prefix[CACHED_NAME_BYTES];
    for (size_t i = 0; redis && i < p->n; i++) {
        redis_delete_all(redis, cached_prefix(&p->tenants[i], prefix));
    }
    mem_free(p);
}

static void purge_shared(struct commands *c, struct str tenants)
{
    size_t n = tenants.len / sizeof(struct uuid);
    struct shared_purge *p = mem_alloc(sizeof(*p) + (n + 1) * sizeof(p->tenants[0]));
    p->worker = service_worker(c->service, 0);
    p->n = n ? n : 1; /* none: everybody's, which the nil id stands for */
    if (n) {
        memcpy(p->tenants, tenants.ptr, n * sizeof(p->tenants[0]));
    }
    if (!worker_env(p->worker)->redis || !worker_post(p->worker, run_shared_purge, p)) {
        mem_free(p);
    }
}

/* Of these workspaces; of none: of everybody. The store has locks of its own. */
static void purge(struct commands *c, struct bridge *b, const struct uuid *id, struct str body)
{
    struct uuid tenant = {{0}};
    struct cache_store *store = worker_env(service_worker(c->service, 0))->policy->cache;
    size_t gone = 0;
    char json[64];
    if (body.len % sizeof(tenant.b) != 0) {
        bridge_command_done(b, id, false, "the command's body is no list of workspaces", NULL);
        return;
    }
    purge_shared(c, body);
    if (body.len == 0 && store) {
        gone = cache_purge(store, &tenant);
    }
    while (read_id(&body, &tenant)) {
        gone += store && !uuid_is_nil(&tenant) ? cache_purge(store, &tenant) : 0;
    }
    (void)snprintf(json, sizeof(json), "{\"entries\":%zu}", gone);
    bridge_command_done(b, id, true, NULL, json);
}

static void set_log_level(struct bridge *b, const struct uuid *id, struct str body)
{
    enum log_level level;
    if (!log_level_parse(body, &level)) {
        bridge_command_done(b, id, false, "no such log level", NULL);
        return;
    }
    log_set_level(level);
    bridge_command_done(b, id, true, NULL, NULL);
}

void commands_on_command(struct commands *c, struct bridge *b, const struct uuid *id, unsigned kind,
                         struct str body, uint64_t deadline_ms)
{
    struct uuid subject = {{0}};
    (void)deadline_ms;
    switch (kind) {
    case WEIR__COMMAND_KIND__COMMAND_TEST_PROVIDER:
        if (!read_id(&body, &subject) || body.len) {
            bridge_command_done(b, id, false, "the command's body is not a provider's id", NULL);
            return;
        }
        start_test(c, b, id, &subject, STR_NONE, run_test);
        return;
    case WEIR__COMMAND_KIND__COMMAND_TARGETS:
        if ((body.len && !read_id(&body, &subject)) || body.len) {
            bridge_command_done(b, id, false, "the command's body is not an organization's id",
                                NULL);
            return;
        }
        start_test(c, b, id, &subject, STR_NONE, run_targets);
        return;
    case WEIR__COMMAND_KIND__COMMAND_EXPLAIN:
        start_test(c, b, id, &subject, body, run_explain);
        return;
    case WEIR__COMMAND_KIND__COMMAND_PURGE:
        purge(c, b, id, body);
        return;
    case WEIR__COMMAND_KIND__COMMAND_DRAIN:
        service_request_drain(c->service);
        bridge_command_done(b, id, true, NULL, NULL);
        return;
    case WEIR__COMMAND_KIND__COMMAND_LOG_LEVEL:
        set_log_level(b, id, body);
        return;
    default:
        bridge_command_done(b, id, false, "unsupported", NULL);
    }
}
