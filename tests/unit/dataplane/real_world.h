/* A worker with real sockets: a small provider on a loop of its own, a worker that serves a
 * weir.yaml, a spool in a folder that goes with the test, and a client that blocks. Included once
 * per test program. */
#ifndef TESTS_UNIT_DATAPLANE_REAL_WORLD_H
#define TESTS_UNIT_DATAPLANE_REAL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/tls.h"
#include "dataplane/dp_options.h"
#include "dataplane/net/listener.h"
#include "dataplane/net/loop.h"
#include "dataplane/report/event.h"
#include "dataplane/report/event_json.h"
#include "dataplane/standalone/standalone.h"
#include "dataplane/worker.h"

#define WAIT_MS 10000

static struct world {
    /* the provider */
    struct loop *loop;
    struct listener *listener;
    pthread_t thread;
    atomic_uint calls, peers,
        gone; /* peers: how often a call came from another connection than the one before */
    char peer[64];
    /* the proxy */
    struct dp_options options;
    struct request_policy policy;
    struct swap_hub *hub;
    struct spool *spool;
    struct tls_context *client_tls;
    struct worker *worker;
    char folder[64];
} world;

/* ---- the provider ---- */

static bool has(struct str s, const char *text)
{
    return s.len && memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

static void on_held_gone(void *arg)
{
    atomic_fetch_add(&world.gone, 1);
    exchange_end(arg);
}

static void provide_stream(struct exchange *x, struct str body)
{
    struct header type = {STR_LIT("content-type"), STR_LIT("text/event-stream")};
    exchange_start(x, 200, &type, 1, -1, true);
    (void)exchange_send(x,
                        STR_LIT("data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"));
    if (has(body, "hold")) {
        exchange_on_gone(x, on_held_gone, x);
        return;
    }
    if (has(body, "die")) {
        exchange_abort(x);
        return;
    }
    if (has(body, "\"include_usage\":true")) {
        (void)exchange_send(x, STR_LIT("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2,"
                                       "\"completion_tokens\":3,\"total_tokens\":5}}\n\n"));
    }
    (void)exchange_send(x, STR_LIT("data: [DONE]\n\n"));
    exchange_end(x);
}

static void provide(void *arg, struct exchange *x)
{
    struct header type = {STR_LIT("content-type"), STR_LIT("application/json")};
    struct str body = exchange_body(x);
    (void)arg;
    atomic_fetch_add(&world.calls, 1);
    if (!str_eqz(exchange_peer(x), world.peer)) {
        (void)snprintf(world.peer, sizeof(world.peer), "%.*s", STR_ARG(exchange_peer(x)));
        atomic_fetch_add(&world.peers, 1);
    }
    if (str_eqz(exchange_head(x)->path, "/v1/models")) {
        bool known = str_eqz(exchange_header(x, "authorization"), "Bearer sk-stored");
        exchange_reply(x, known ? 200 : 401, &type, 1,
                       STR_LIT("{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"));
    } else if (has(body, "\"stream\":true")) {
        provide_stream(x, body);
    } else {
        exchange_reply(
            x, 200, &type, 1,
            STR_LIT("{\"model\":\"m\",\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3}}"));
    }
}

static void provide_bad(void *arg, struct exchange *x, const struct error *err)
{
    (void)arg;
    exchange_reply(x, error_status(err->code), NULL, 0, STR_LIT(""));
}

static void *run_provider(void *arg)
{
    (void)arg;
    loop_run(world.loop);
    return NULL;
}

static uint16_t start_provider(void)
{
    struct error err = ERROR_INIT;
    struct listener_config c = {.address = "127.0.0.1:0",
                                .max_connections = 100,
                                .limits = {65536, 1 << 20, WAIT_MS, WAIT_MS, WAIT_MS, WAIT_MS},
                                .handler = {provide, provide_bad, NULL}};
    world.loop = loop_new();
    world.listener = listener_new(world.loop, &c, &err);
    assert_non_null(world.listener);
    assert_int_equal(pthread_create(&world.thread, NULL, run_provider, NULL), 0);
    return listener_port(world.listener);
}

/* ---- the proxy ---- */

__attribute__((unused)) static void world_begin(void)
{
    struct error err = ERROR_INIT;
    char yaml[1024];
    struct snapshot *root = NULL;
    char *argv[] = {(char *)(uintptr_t) "weir-proxy", NULL};
    memset(&world, 0, sizeof(world));
    unsigned port = start_provider();
    (void)snprintf(
        yaml, sizeof(yaml),
        "version: 1\n"
        "providers:\n"
        "  - {name: p, kind: openai, base_url: \"http://127.0.0.1:%u/v1\", api_key: sk-stored}\n"
        "  - {name: wrong, kind: openai, base_url: \"http://127.0.0.1:%u/v1\", api_key: sk-no}\n"
        "  - {name: closed, kind: openai, base_url: \"http://127.0.0.1:1/v1\"}\n"
        "keys: [{name: k, secret: the-key}]\n",
        port, port);
    (void)snprintf(world.folder, sizeof(world.folder), "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(world.folder));
    assert_true(dp_options_load(&world.options, NULL, NULL, 1, argv, 1, &err));
    struct spool_config sc = {
        .folder = world.folder, .segment_bytes = 1 << 20, .max_bytes = 8 << 20};
    world.spool = spool_open(&sc, event_recover, NULL, &err);
    assert_non_null(world.spool);
    world.client_tls = tls_client_new(NULL, &err);
    assert_non_null(world.client_tls);
    world.policy.upstream_timeout_ms = WAIT_MS;
    world.hub = swap_hub_new();
    if (!standalone_parse(str_of(yaml), &root, NULL, &err)) {
        fail_msg("%d:%d %s", err.line, err.column, error_text(&err));
    }
    swap_publish(world.hub, root);
    struct worker_config c = {.options = &world.options,
                              .count = 1,
                              .listen = "127.0.0.1:0",
                              .client_tls = world.client_tls,
                              .hub = world.hub,
                              .policy = &world.policy,
                              .spool = world.spool};
    world.worker = worker_new(&c, &err);
    assert_non_null(world.worker);
    assert_true(worker_start(world.worker, &err));
}

static void remove_folder(void)
{
    char path[512];
    struct dirent *e;
    DIR *d = opendir(world.folder);
    while (d && (e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", world.folder, e->d_name);
        (void)unlink(path);
    }
    if (d) {
        (void)closedir(d);
    }
    (void)rmdir(world.folder);
}

__attribute__((unused)) static void world_end(void)
{
    worker_stop(world.worker);
    worker_free(world.worker);
    loop_stop(world.loop);
    (void)pthread_join(world.thread, NULL);
    listener_free(world.listener);
    loop_free(world.loop);
    spool_close(world.spool);
    swap_hub_free(world.hub);
    tls_context_unref(world.client_tls);
    dp_options_release(&world.options);
    remove_folder();
}

/* True once *value has reached `want`; the test's patience is the only time that counts. */
__attribute__((unused)) static bool reaches(atomic_uint *value, unsigned want)
{
    for (uint64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until;) {
        if (atomic_load(value) >= want) {
            return true;
        }
        (void)poll(NULL, 0, 1);
    }
    return false;
}

/* The next event, as JSON in buf; waits for it. */
__attribute__((unused)) static const char *next_event(char *buf, size_t size)
{
    struct str record;
    uint64_t position;
    struct error err = ERROR_INIT;
    struct buffer out;
    uint64_t until = clock_mono_ms() + WAIT_MS;
    while (!spool_read(world.spool, &record, &position)) {
        if (clock_mono_ms() > until) {
            fail_msg("no event came");
        }
        (void)poll(NULL, 0, 1);
    }
    buffer_init(&out, size - 1);
    assert_true(event_json_write(record, &out, &err));
    memcpy(buf, out.ptr, out.len);
    buf[out.len] = '\0';
    buffer_release(&out);
    spool_ack(world.spool, position);
    return buf;
}

/* ---- the client ---- */

__attribute__((unused)) static int client_open(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(worker_port(world.worker)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

__attribute__((unused)) static void client_ask(int fd, const char *key, const char *body)
{
    char text[2048];
    int n = snprintf(text, sizeof(text),
                     "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     key, strlen(body), body);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

/* Reads until `until` stands in what came, or the connection ends. */
__attribute__((unused)) static const char *client_read(int fd, const char *until, char *buf,
                                                       size_t size)
{
    size_t at = 0;
    buf[0] = '\0';
    while (!strstr(buf, until)) {
        ssize_t n = recv(fd, buf + at, size - at - 1, 0);
        if (n <= 0) {
            break;
        }
        at += (size_t)n;
        buf[at] = '\0';
    }
    return buf;
}

#endif
