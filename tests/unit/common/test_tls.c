/* Promises of common/tls.h: both ends in one thread, over a socket pair, driven in turns. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/tls.h"
#include "common/x509.h"

static char dir[] = "/tmp/weir-tls-XXXXXX";
static char ca_file[64], chain_file[64], leaf_file[64], key_file[64], other_ca_file[64];
static uint8_t ca_pin[32];
static struct error err = ERROR_INIT;

static void write_file(char path[64], const char *name, const char *text, const char *more)
{
    (void)snprintf(path, 64, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fputs(more, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    (void)state;
    char *ca = NULL, *ca_key = NULL, *cert = NULL, *key = NULL, *other = NULL, *other_key = NULL;
    if (!mkdtemp(dir) || !x509_make_ca("test CA", 10, &ca, &ca_key, &err) ||
        !x509_make_ca("test CA", 10, &other, &other_key, &err) ||
        !x509_make_server(ca, ca_key, "server", "weir.test, 127.0.0.1, ::1", 5, &cert, &key,
                          &err) ||
        !x509_fingerprint(ca, ca_pin, &err)) {
        return -1;
    }
    write_file(ca_file, "ca.pem", ca, "");
    write_file(other_ca_file, "other.pem", other, "");
    write_file(chain_file, "chain.pem", cert, ca);
    write_file(leaf_file, "leaf.pem", cert, "");
    write_file(key_file, "key.pem", key, "");
    mem_free(ca);
    mem_free(ca_key);
    mem_free(cert);
    mem_free(key);
    mem_free(other);
    mem_free(other_key);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    const char *const files[] = {ca_file, other_ca_file, chain_file, leaf_file, key_file};
    for (size_t i = 0; i < 5; i++) {
        unlink(files[i]);
    }
    return rmdir(dir);
}

struct pair {
    int fds[2];
    struct tls *client, *server;
};

/* Contexts stay the caller's. */
static void pair_init(struct pair *p, struct tls_context *client, struct tls_context *server,
                      const char *host)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->fds), 0);
    p->client = tls_connect_new(client, p->fds[0], host);
    p->server = tls_accept_new(server, p->fds[1]);
    assert_non_null(p->client);
    assert_non_null(p->server);
}

static void pair_release(struct pair *p)
{
    tls_free(p->client);
    tls_free(p->server);
    close(p->fds[0]);
    close(p->fds[1]);
}

/* The client's verdict; the server's goes to *ret_server. */
static int shake(struct pair *p, int *ret_server)
{
    int client = TLS_WANT_READ, server = TLS_WANT_READ;
    for (int turn = 0; turn < 20; turn++) {
        client = client < 0 && client >= TLS_WANT_WRITE ? tls_handshake(p->client) : client;
        server = server < 0 && server >= TLS_WANT_WRITE ? tls_handshake(p->server) : server;
    }
    *ret_server = server;
    return client;
}

static struct tls_context *server_new(const char *chain)
{
    struct tls_context *c = tls_server_new(chain, key_file, &err);
    assert_non_null(c);
    return c;
}

static void shakes_hands_and_carries_bytes(void **state)
{
    (void)state;
    struct tls_context *server = server_new(leaf_file), *client = tls_client_new(ca_file, &err);
    static const char *const hosts[] = {"weir.test", "WEIR.test.", "127.0.0.1", "[::1]", "::1"};
    char buf[64];
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct pair p;
        int there;
        pair_init(&p, client, server, hosts[i]);
        assert_int_equal(shake(&p, &there), 1);
        assert_int_equal(there, 1);
        assert_int_equal(tls_read(p.server, buf, sizeof(buf)), TLS_WANT_READ);
        assert_false(tls_pending(p.server));
        assert_int_equal(tls_write(p.client, "hello", 5), 5);
        assert_int_equal(tls_read(p.server, buf, 2), 2);
        assert_true(tls_pending(p.server)); /* the rest of the record waits inside */
        assert_int_equal(tls_read(p.server, buf + 2, sizeof(buf)), 3);
        assert_memory_equal(buf, "hello", 5);
        assert_int_equal(tls_read(p.server, buf, sizeof(buf)), TLS_WANT_READ);
        assert_false(tls_pending(p.server));
        tls_free(p.client); /* says close_notify */
        p.client = NULL;
        assert_int_equal(tls_read(p.server, buf, sizeof(buf)), 0);
        pair_release(&p);
    }
    tls_context_unref(client);
    tls_context_unref(server);
}

static void refuses_who_is_not_meant(void **state)
{
    (void)state;
    struct tls_context *server = server_new(chain_file);
    struct tls_context *knows = tls_client_new(ca_file, &err),
                       *other = tls_client_new(other_ca_file, &err);
    struct tls_context *system = tls_client_new(NULL, &err);
    struct {
        struct tls_context *client;
        const char *host, *reason;
    } cases[] = {{knows, "evil.test", "certificate verify failed: hostname mismatch"},
                 {knows, "127.0.0.2", "certificate verify failed: IP address mismatch"},
                 {other, "weir.test", "certificate verify failed: "},
                 {system, "weir.test", "certificate verify failed: "}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair p;
        int there;
        char byte;
        pair_init(&p, cases[i].client, server, cases[i].host);
        assert_int_equal(shake(&p, &there), TLS_FAILED);
        assert_memory_equal(tls_failure(p.client), cases[i].reason, strlen(cases[i].reason));
        assert_int_equal(tls_read(p.client, &byte, 1), TLS_FAILED); /* stays failed */
        assert_int_equal(tls_write(p.client, "x", 1), TLS_FAILED);
        pair_release(&p);
    }
    assert_null(tls_connect_new(knows, 0, NULL));
    assert_null(tls_connect_new(server, 0, "weir.test"));
    tls_context_unref(system);
    tls_context_unref(other);
    tls_context_unref(knows);
    tls_context_unref(server);
}

static void a_pin_trusts_one_ca_only(void **state)
{
    (void)state;
    uint8_t wrong[32] = {1};
    struct tls_context *server = server_new(chain_file), *bare = server_new(leaf_file);
    struct tls_context *client = tls_client_pinned_new(ca_pin, &err),
                       *other = tls_client_pinned_new(wrong, &err);
    struct {
        struct tls_context *client, *server;
        const char *host;
        int want;
    } cases[] = {{client, server, NULL, 1},
                 {client, server, "weir.test", 1},
                 {client, server, "evil.test", TLS_FAILED},
                 {client, bare, NULL, TLS_FAILED}, /* the CA was not sent */
                 {other, server, NULL, TLS_FAILED}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair p;
        int there;
        pair_init(&p, cases[i].client, cases[i].server, cases[i].host);
        assert_int_equal(shake(&p, &there), cases[i].want);
        pair_release(&p);
    }
    tls_context_unref(client);
    tls_context_unref(other);
    tls_context_unref(bare);
    tls_context_unref(server);
}

static void tells_a_cut_from_a_close(void **state)
{
    (void)state;
    struct tls_context *server = server_new(leaf_file), *client = tls_client_new(ca_file, &err);
    struct pair p;
    int there;
    char buf[8];
    pair_init(&p, client, server, "weir.test");
    assert_int_equal(shake(&p, &there), 1);
    assert_int_equal(tls_write(p.server, "ab", 2), 2);
    assert_int_equal(shutdown(p.fds[1], SHUT_WR), 0);
    assert_int_equal(tls_read(p.client, buf, sizeof(buf)), 2);
    assert_int_equal(tls_read(p.client, buf, sizeof(buf)), TLS_TRUNCATED);
    assert_int_equal(tls_read(p.client, buf, sizeof(buf)), TLS_TRUNCATED);
    assert_true(tls_failure(p.client)[0]);
    pair_release(&p);

    /* cut within the handshake */
    pair_init(&p, client, server, "weir.test");
    assert_int_equal(tls_handshake(p.client), TLS_WANT_READ);
    assert_int_equal(shutdown(p.fds[1], SHUT_WR), 0);
    assert_int_equal(tls_handshake(p.client), TLS_TRUNCATED);
    pair_release(&p);
    tls_context_unref(client);
    tls_context_unref(server);
}

/* SIGPIPE has its default action here: the process would die. */
static void writing_to_nobody_is_an_error_and_no_signal(void **state)
{
    (void)state;
    struct tls_context *server = server_new(leaf_file), *client = tls_client_new(ca_file, &err);
    struct pair p;
    int there;
    pair_init(&p, client, server, "weir.test");
    assert_int_equal(shake(&p, &there), 1);
    tls_free(p.server);
    p.server = NULL;
    assert_int_equal(shutdown(p.fds[1], SHUT_RDWR), 0);
    assert_int_equal(tls_write(p.client, "x", 1), TLS_FAILED);
    assert_string_equal(tls_failure(p.client), "Broken pipe");
    pair_release(&p);
    tls_context_unref(client);
    tls_context_unref(server);
}

static void garbage_fails_without_poisoning_others(void **state)
{
    (void)state;
    struct tls_context *server = server_new(leaf_file), *client = tls_client_new(ca_file, &err);
    struct pair good, bad;
    int there;
    char buf[16];
    pair_init(&good, client, server, "weir.test");
    assert_int_equal(shake(&good, &there), 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, bad.fds), 0);
    bad.client = NULL;
    bad.server = tls_accept_new(server, bad.fds[1]);
    assert_int_equal(write(bad.fds[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    assert_int_equal(tls_handshake(bad.server), TLS_FAILED);
    assert_string_equal(tls_failure(bad.server), "http request");
    /* the other connection of this thread goes on */
    assert_int_equal(tls_read(good.server, buf, sizeof(buf)), TLS_WANT_READ);
    assert_int_equal(tls_write(good.client, "still", 5), 5);
    assert_int_equal(tls_read(good.server, buf, sizeof(buf)), 5);
    pair_release(&bad);
    pair_release(&good);
    tls_context_unref(client);
    tls_context_unref(server);
}

static void big_writes_go_in_parts_from_moving_buffers(void **state)
{
    (void)state;
    enum { SIZE = 2 << 20 };
    struct tls_context *server = server_new(leaf_file), *client = tls_client_new(ca_file, &err);
    struct pair p;
    int there, waited = 0;
    size_t sent = 0, got = 0;
    char *source = mem_alloc(SIZE), *moved = mem_alloc(SIZE), *sink = mem_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        source[i] = moved[i] = (char)(i * 2654435761u >> 13);
    }
    pair_init(&p, client, server, "weir.test");
    assert_int_equal(shake(&p, &there), 1);
    while (got < SIZE) {
        long n = sent < SIZE
                     ? tls_write(p.client, (waited & 1 ? moved : source) + sent, SIZE - sent)
                     : 0;
        assert_true(n >= 0 || n == TLS_WANT_WRITE);
        sent += n > 0 ? (size_t)n : 0;
        if (n > 0) {
            continue;
        }
        waited++;
        n = tls_read(p.server, sink + got, SIZE - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_true(waited > 10);
    assert_memory_equal(source, sink, SIZE);
    pair_release(&p);
    mem_free(source);
    mem_free(moved);
    mem_free(sink);
    tls_context_unref(client);
    tls_context_unref(server);
}

static size_t hello_size(struct tls_context *client, struct tls_context *server, const char *host)
{
    struct pair p;
    int there;
    char buf[4096];
    pair_init(&p, client, server, host);
    assert_int_equal(tls_handshake(p.client), TLS_WANT_READ);
    ssize_t first = recv(p.fds[1], buf, sizeof(buf), MSG_PEEK);
    assert_true(first > 0);
    assert_int_equal(shake(&p, &there), 1);
    assert_int_equal(tls_read(p.client, buf, sizeof(buf)), TLS_WANT_READ); /* takes the ticket */
    pair_release(&p);
    return (size_t)first;
}

/* A hello that offers a session carries its ticket: it is larger by that much. */
static void sessions_are_used_again_per_host(void **state)
{
    (void)state;
    struct tls_context *server = server_new(leaf_file), *client = tls_client_new(ca_file, &err);
    size_t fresh = hello_size(client, server, "weir.test");
    size_t resumed = hello_size(client, server, "weir.test");
    size_t other = hello_size(client, server, "127.0.0.1");
    assert_true(resumed > fresh + 100);
    assert_true(other < fresh + 100);
    tls_context_unref(client);
    tls_context_unref(server);
}

struct job {
    struct tls_context *client, *server;
};

static void *connect_in_thread(void *arg)
{
    const struct job *j = arg;
    for (int i = 0; i < 5; i++) {
        (void)hello_size(j->client, j->server, "weir.test");
    }
    return NULL;
}

static void threads_share_a_context_and_leave_nothing(void **state)
{
    (void)state;
    struct job j = {tls_client_new(ca_file, &err), server_new(leaf_file)};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, connect_in_thread, &j), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    tls_context_unref(j.client);
    tls_context_unref(j.server);
}

static void bad_files_are_named(void **state)
{
    (void)state;
    char want[128];
    assert_null(tls_server_new("/nonexistent/c.pem", key_file, &err));
    assert_string_equal(
        err.text, "cannot use certificate file \"/nonexistent/c.pem\": No such file or directory");
    assert_null(tls_server_new(leaf_file, ca_file, &err));
    (void)snprintf(want, sizeof(want), "cannot use key file \"%s\": ", ca_file);
    assert_memory_equal(err.text, want, strlen(want));
    assert_null(tls_server_new(ca_file, key_file, &err)); /* not its key */
    assert_non_null(strstr(err.text, key_file));
    assert_null(tls_client_new("/nonexistent/ca.pem", &err));
    assert_string_equal(err.text,
                        "cannot use CA file \"/nonexistent/ca.pem\": No such file or directory");
    assert_null(tls_client_new(key_file, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shakes_hands_and_carries_bytes),
        cmocka_unit_test(refuses_who_is_not_meant),
        cmocka_unit_test(a_pin_trusts_one_ca_only),
        cmocka_unit_test(tells_a_cut_from_a_close),
        cmocka_unit_test(writing_to_nobody_is_an_error_and_no_signal),
        cmocka_unit_test(garbage_fails_without_poisoning_others),
        cmocka_unit_test(big_writes_go_in_parts_from_moving_buffers),
        cmocka_unit_test(sessions_are_used_again_per_host),
        cmocka_unit_test(threads_share_a_context_and_leave_nothing),
        cmocka_unit_test(bad_files_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
