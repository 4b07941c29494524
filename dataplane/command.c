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
#include "dataplane/request/token_post.h"
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
    struct signing signing;
    struct token_waiter waiter;
    struct upstream_call *call;
    struct loop_timer *timer;
    struct buffer body;
    uint64_t started_ns;
    int status;
    bool listed; /* this kind of provider has a list of models */
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
    token_waiter_cancel(&t->waiter);
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
                : t->listed                          ? "the provider answered with an error"
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
    if (t->call) {
        upstream_cancel(t->call);
        t->call = NULL;
    }
    test_done(t, "the provider did not answer in time");
}

/* ---- the request ---- */

static struct str setting_of(void *arg, struct str name)
{
    const struct snap_provider *p = arg;
    for (size_t i = 0; i < p->n_settings; i++) {
        if (str_eq(p->settings[i].name, name)) {
            return p->settings[i].value;
        }
    }
    return STR_NONE;
}

/* Where lists of models stand, by where the operations do. */
static const struct {
    enum provider_api api;
    const char *tail; /* of the operation's path: what stands before it counts */
    const char *list;
} places[] = {
    {API_CHAT, "/deployments/", "/models"},   {API_CHAT, "/chat/completions", "/models"},
    {API_RESPONSES, "/responses", "/models"}, {API_MESSAGES, "/messages", "/models"},
    {API_GENERATE, "/models/", "/models"},    {API_COHERE_CHAT, "/v2/chat", "/v1/models"},
    {API_OLLAMA_CHAT, "/chat", "/tags"},
};

/* "/v1/models" of "/v1/chat/completions", with the operation's query. NULL ptr: the provider has no
 * such list. */
static struct str list_template(struct arena *a, const struct provider_row *row)
{
    for (size_t i = 0; row->auth != AUTH_SIGV4 && i < sizeof(places) / sizeof(places[0]); i++) {
        for (size_t k = 0; k < row->n_endpoints; k++) {
            const char *path = row->endpoints[k].path;
            const char *tail = strstr(path, places[i].tail), *query = strchr(path, '?');
            const char *hole = strchr(path, '{');
            if (row->endpoints[k].api == places[i].api && tail && (!hole || hole > tail)) {
                return arena_printf(a, "%.*s%s%s", (int)(tail - path), path, places[i].list,
                                    query ? query : "");
            }
        }
    }
    return STR_NONE;
}

static bool put_target(struct test *t, const struct snap_provider *p, struct signing *s,
                       struct error *err)
{
    struct str missing, path = list_template(t->arena, p->row);
    t->listed = path.ptr != NULL;
    path = t->listed ? path : STR_LIT("/models"); /* a front of its own may have one all the same */
    path = provider_fill(t->arena, path, STR_NONE, STR_NONE, setting_of, (void *)(uintptr_t)p,
                         &missing);
    if (!path.ptr) {
        return error_set(err, ERR_NOT_READY, "the provider needs the setting '%.*s'",
                         STR_ARG(str_slice(missing, 0, 40)));
    }
    (void)str_cut(path, '?', &path, &s->query);
    s->path = provider_path_join(t->arena, p->path, path);
    return s->path.ptr || error_set(err, ERR_INTERNAL, "out of room");
}

static size_t head_room(const struct snap_provider *p, const struct signing *s)
{
    size_t n = 512 + s->path.len + s->query.len + p->host_header.len + signer_room(s) +
               3 * s->credential.len;
    for (size_t i = 0; i < p->n_headers; i++) {
        n += p->headers[i].name.len + p->headers[i].value.len + 4;
    }
    return n;
}

/* The request's head; t->signing says with which token. *ret_purchase: which one is lacking, when
 * that is so (SIGN_NEEDS_TOKEN). */
static enum sign_result write_head(struct test *t, const struct snap_provider *p, struct str *ret,
                                   struct token_purchase *ret_purchase, struct error *err)
{
    struct head h, lines;
    struct signing *s = &t->signing;
    s->now_ms = clock_wall_ms();
    if (!head_init(&lines, t->arena, signer_room(s))) {
        (void)error_set(err, ERR_INTERNAL, "out of room");
        return SIGN_FAILED;
    }
    enum sign_result how = signer_sign(s, t->arena, &lines, ret_purchase, err);
    if (how != SIGN_DONE) {
        return how;
    }
    (void)head_init(&h, t->arena, head_room(p, s));
    head_put(&h, STR_LIT("GET "));
    head_put(&h, s->path);
    if (s->query.ptr) {
        head_put(&h, STR_LIT("?"));
        head_put(&h, s->query);
    }
    head_put(&h, STR_LIT(" HTTP/1.1\r\n"));
    head_put_header(&h, STR_LIT("Host"), p->host_header);
    head_put(&h, head_str(&lines));
    for (size_t i = 0; i < p->n_headers; i++) {
        head_put_header(&h, p->headers[i].name, p->headers[i].value);
    }
    head_put(&h, STR_LIT("Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: "
                         "weir/" WEIR_VERSION "\r\n\r\n"));
    *ret = head_str(&h);
    if (h.failed || lines.failed) {
        (void)error_set(err, ERR_INTERNAL, "out of room");
        return SIGN_FAILED;
    }
    return SIGN_DONE;
}

static void send_test(struct test *t, const struct snap_provider *p);

static void on_token(void *arg, enum token_state state, struct str token, const struct error *err)
{
    struct test *t = arg;
    struct error why = err ? *err : (struct error)ERROR_INIT;
    if (state != TOKEN_READY) {
        test_done(t, error_text(&why));
        return;
    }
    t->signing.token = arena_str(t->arena, token);
    send_test(t, t->signing.provider);
}

static void buy_token(struct test *t, const struct token_purchase *purchase)
{
    struct str id = {(const char *)t->provider_id.b, sizeof(t->provider_id.b)}, token;
    struct error err = ERROR_INIT;
    t->waiter.fn = on_token;
    t->waiter.arg = t;
    switch (token_cache_get(token_post_cache(worker_env(t->worker)), id, purchase->source,
                            purchase->credential, &t->waiter, &token, &err)) {
    case TOKEN_READY:
        on_token(t, TOKEN_READY, token, NULL);
        break;
    case TOKEN_WAIT:
        break; /* the test's own deadline holds */
    default:
        test_done(t, error_text(&err));
        break;
    }
}

static void send_test(struct test *t, const struct snap_provider *p)
{
    struct token_purchase purchase;
    struct error err = ERROR_INIT;
    struct str head;
    enum sign_result how = write_head(t, p, &head, &purchase, &err);
    if (how == SIGN_NEEDS_TOKEN && !t->signing.token.ptr) {
        buy_token(t, &purchase);
        return;
    }
    if (how != SIGN_DONE) {
        test_done(t, err.code ? error_text(&err) : "no access token for the provider");
        return;
    }
    struct upstream_origin origin = {.tls = p->tls, .host = p->host, .port = p->port};
    t->call = upstream_send(worker_env(t->worker)->upstream, &origin, head, STR_LIT(""),
                            TEST_DEADLINE_MS, TEST_DEADLINE_MS, &ops, t);
}

static void run_test(void *arg)
{
    struct test *t = arg;
    struct request_env *env = worker_env(t->worker);
    struct error err = ERROR_INIT;
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
    t->signing = (struct signing){
        .provider = p, .row = p->row, .credential = p->credential, .method = STR_LIT("GET")};
    if (!put_target(t, p, &t->signing, &err)) {
        test_done(t, error_text(&err));
        return;
    }
    t->timer = loop_timer_new(env->loop, on_deadline, t);
    loop_timer_set(t->timer,
                   TEST_DEADLINE_MS +
                       500); /* behind the call's own deadlines, for an answer that trickles */
    send_test(t, p);
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
