/* The HTTP server and the web admin's files over real sockets: limits, escapes, traversal,
 * policies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/x509.h"
#include "controlplane/http/server.h"
#include "controlplane/http/static_files.h"

static struct http_server *server;
static char folder[64], outside[128];
static char answer[1 << 20];

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static bool waiting, released;
static atomic_int working, most_working;

/* Stands for a wait for something else: others may work meanwhile. */
static void wait_for_release(struct http_request *r)
{
    http_wait_begin(r);
    pthread_mutex_lock(&gate);
    waiting = true;
    pthread_cond_broadcast(&moved);
    while (!released) {
        pthread_cond_wait(&moved, &gate);
    }
    pthread_mutex_unlock(&gate);
    http_wait_end(r);
}

/* /wait waits for its release; /work notes how many work at once; /echo tells what arrived; /silent
 * answers nothing; the rest is files under /base/. */
static void handle(void *arg, struct http_request *r)
{
    struct str path = http_path(r), q = http_query(r, "q");
    (void)arg;
    if (str_eqz(path, "/echo")) {
        struct str body = http_body(r);
        struct str text =
            arena_printf(http_arena(r), "%.*s|%.*s|%.*s|%.*s", STR_ARG(http_method(r)), STR_ARG(q),
                         STR_ARG(http_peer(r)), STR_ARG(body));
        http_reply(r, 200, "text/plain", text);
    } else if (str_eqz(path, "/wait")) {
        wait_for_release(r);
        http_reply(r, 200, "text/plain", STR_LIT("released"));
    } else if (str_eqz(path, "/work")) {
        int now = atomic_fetch_add(&working, 1) + 1;
        if (now > atomic_load(&most_working)) {
            atomic_store(&most_working, now);
        }
        for (int i = 0; i < 100; i++) {
            (void)sched_yield();
        }
        (void)atomic_fetch_sub(&working, 1);
        http_reply(r, 200, "text/plain", STR_LIT("done"));
    } else if (str_starts(path, STR_LIT("/base/"))) {
        static_files_serve(r, folder, "/base/", str_slice(path, 6, path.len));
    } else if (str_starts(path, STR_LIT("/none/"))) {
        static_files_serve(r, "/nonexistent", "/none/", str_slice(path, 6, path.len));
    }
}

static int send_only(const struct http_server *to, const char *bytes)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(to)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
    return fd;
}

static int status_on(int fd)
{
    char text[4096];
    size_t got = 0;
    for (ssize_t n;
         got < sizeof text - 1 && (n = recv(fd, text + got, sizeof text - 1 - got, 0)) > 0;) {
        got += (size_t)n;
    }
    text[got] = '\0';
    close(fd);
    int code = 0;
    return sscanf(text, "HTTP/1.1 %d", &code) == 1 ? code : 0;
}

static const char *send_bytes(const char *bytes, size_t len)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t got = 0;
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0) {
        for (size_t sent = 0; sent < len;) {
            ssize_t n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
            if (n <= 0) {
                break;
            }
            sent += (size_t)n;
        }
        for (ssize_t n; got < sizeof answer - 1 &&
                        (n = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;) {
            got += (size_t)n;
        }
    }
    close(fd);
    answer[got] = '\0';
    return answer;
}

static const char *ask(const char *method, const char *path, const char *headers, const char *body)
{
    static char text[1 << 17];
    int n = snprintf(
        text, sizeof text,
        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
        path, headers, strlen(body), body);
    return send_bytes(text, (size_t)n);
}

static int status(const char *reply)
{
    int code = 0;
    return sscanf(reply, "HTTP/1.1 %d", &code) == 1 ? code : 0;
}

static void hands_over_what_arrived(void **state)
{
    (void)state;
    const char *r = ask("POST", "/echo?q=a%20b%2Bc", "", "hello");
    assert_int_equal(status(r), 200);
    assert_non_null(strstr(r, "\r\n\r\nPOST|a b+c|127.0.0.1|hello"));
    assert_non_null(strstr(r, "x-weir-request-id: req_"));
}

static void refuses_broken_escapes(void **state)
{
    static const char *const paths[] = {"/echo%0",   "/echo%zz",    "/ec%00ho",
                                        "/echo?q=%", "/echo?q=%00", "/%ff"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *r = ask("GET", paths[i], "", "");
        if (status(r) != 400) {
            print_message("%s: %s\n", paths[i], r);
        }
        assert_int_equal(status(r), 400);
        assert_non_null(strstr(r, "\"code\":\"bad_request\""));
    }
}

static void limits_bodies_and_heads(void **state)
{
    static char big[6000], head[64 * 1024 + 64];
    (void)state;
    memset(big, 'x', sizeof big - 1);
    const char *r = ask("POST", "/echo", "", big);
    assert_int_equal(status(r), 413);
    assert_non_null(strstr(r, "\"code\":\"body_too_large\""));
    /* without a declared length */
    static char chunked[8192];
    int n = snprintf(
        chunked, sizeof chunked,
        "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "%zx\r\n%s\r\n0\r\n\r\n",
        sizeof big - 1, big);
    assert_int_equal(status(send_bytes(chunked, (size_t)n)), 413);
    n = snprintf(
        chunked, sizeof chunked,
        "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n");
    assert_non_null(strstr(send_bytes(chunked, (size_t)n), "|hello"));
    n = snprintf(head, sizeof head, "X-Flood: ");
    memset(head + n, 'y', sizeof head - 64);
    memcpy(head + sizeof head - 32, "\r\n", 3);
    assert_int_equal(status(ask("GET", "/echo", head, "")), 431);
}

static void an_unanswered_call_is_a_500(void **state)
{
    (void)state;
    assert_int_equal(status(ask("GET", "/silent", "", "")), 500);
}

static void serves_the_page_with_base_and_nonce(void **state)
{
    (void)state;
    static const char *const paths[] = {"/base/", "/base/keys", "/base/keys/key_1/edit",
                                        "/base/index.html"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *r = ask("GET", paths[i], "", "");
        assert_int_equal(status(r), 200);
        assert_non_null(strstr(r, "<base href=\"/base/\">"));
        assert_null(strstr(r, "__WEIR_"));
        assert_non_null(strstr(r, "cache-control: no-cache"));
        const char *nonce = strstr(r, "'nonce-");
        assert_non_null(nonce);
        char expected[64];
        snprintf(expected, sizeof expected, "nonce=\"%.*s\"", (int)strcspn(nonce + 7, "'"),
                 nonce + 7);
        assert_non_null(strstr(r, expected));
        assert_non_null(
            strstr(r, "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"));
        assert_non_null(strstr(r, "frame-ancestors 'none'"));
    }
    const char *r = ask("GET", "/none/", "", "");
    assert_int_equal(status(r), 200);
    assert_non_null(strstr(r, "not built yet"));
    assert_int_equal(status(ask("POST", "/base/", "", "x")), 405);
}

static void serves_assets(void **state)
{
    (void)state;
    const char *r = ask("GET", "/base/assets/app-1.js", "", "");
    assert_int_equal(status(r), 200);
    assert_non_null(strstr(r, "text/javascript"));
    assert_non_null(strstr(r, "immutable"));
    assert_non_null(strstr(r, "nosniff"));
    assert_non_null(strstr(r, "\r\n\r\nplain"));
    r = ask("GET", "/base/assets/app-1.js", "Accept-Encoding: gzip, br;q=1\r\n", "");
    assert_non_null(strstr(r, "content-encoding: br"));
    assert_non_null(strstr(r, "\r\n\r\nbrotli"));
    r = ask("GET", "/base/assets/app-1.js", "Accept-Encoding: br;q=0, gzip\r\n", "");
    assert_null(strstr(r, "content-encoding: br"));
    assert_int_equal(status(ask("GET", "/base/assets/gone-2.js", "", "")), 404);
    assert_int_equal(status(ask("GET", "/base/favicon.ico", "", "")), 404);
}

static void stays_inside_the_folder(void **state)
{
    static const char *const paths[] = {
        "/base/../outside.txt",
        "/base/%2e%2e/outside.txt",
        "/base/assets/../../outside.txt",
        "/base/..%2foutside.txt",
        "/base/assets/link.txt",
        "/base/.hidden.txt",
        "/base//outside.txt",
        "/base/assets/..%5c..%5coutside.txt",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *r = ask("GET", paths[i], "", "");
        if (strstr(r, "TOP SECRET")) {
            print_message("served: %s\n", paths[i]);
        }
        assert_null(strstr(r, "TOP SECRET"));
    }
    assert_true(static_files_path_ok(STR_LIT("assets/a.js")));
    assert_false(static_files_path_ok(STR_LIT("")));
    assert_false(static_files_path_ok(STR_LIT("/etc/passwd")));
    assert_false(static_files_path_ok(STR_LIT("a/../b")));
    assert_false(static_files_path_ok(STR_LIT("a/..")));
    assert_false(static_files_path_ok(STR_LIT("a//b")));
    assert_false(static_files_path_ok(STR_LIT("a/")));
    assert_false(static_files_path_ok(STR_LIT("a\0b")));
    assert_false(static_files_path_ok(STR_LIT("a\\b")));
}

static void a_taken_port_and_a_bad_address_are_errors(void **state)
{
    struct error err = ERROR_INIT;
    struct http_server_config c = {.address = "localhost:80", .handle = handle};
    (void)state;
    assert_null(http_server_start(&c, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    c = (struct http_server_config){
        .address = "127.0.0.1", .port = ntohs(sa.sin_port), .handle = handle};
    assert_null(http_server_start(&c, &err));
    assert_non_null(strstr(err.text, "cannot listen"));
    close(fd);
}

static void tls_needs_a_certificate_that_is_one(void **state)
{
    struct error err = ERROR_INIT;
    char *ca = NULL, *ca_key = NULL, *cert = NULL, *key = NULL;
    struct http_server_config c = {.address = "127.0.0.1",
                                   .handle = handle,
                                   .cert_pem = "no certificate",
                                   .key_pem = "no key"};
    (void)state;
    assert_null(http_server_start(&c, &err));
    assert_true(x509_make_ca("test", 1, &ca, &ca_key, &err));
    assert_true(x509_make_server(ca, ca_key, "127.0.0.1", "127.0.0.1", 1, &cert, &key, &err));
    c.cert_pem = cert;
    c.key_pem = key;
    struct http_server *tls = http_server_start(&c, &err);
    assert_non_null(tls);
    assert_true(http_server_port(tls) > 0);
    http_server_stop(tls);
    mem_free(ca);
    mem_free(ca_key);
    mem_free(cert);
    mem_free(key);
}

static bool put(const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    return f && fputs(content, f) >= 0 && fclose(f) == 0;
}

static int setup(void **state)
{
    struct error err = ERROR_INIT;
    struct http_server_config c = {
        .address = "127.0.0.1", .threads = 2, .max_body = 4096, .handle = handle};
    char path[256];
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weir-static-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/assets", folder);
    bool ok =
        mkdir(path, 0700) == 0 &&
        put("index.html",
            "<html><head><base href=\"__WEIR_BASE__\"><style nonce=\"__WEIR_NONCE__\"></style>") &&
        put("assets/app-1.js", "plain") && put("assets/app-1.js.br", "brotli") &&
        put(".hidden.txt", "TOP SECRET");
    snprintf(outside, sizeof outside, "%s-outside.txt", folder);
    FILE *f = fopen(outside, "we");
    ok = ok && f && fputs("TOP SECRET", f) >= 0;
    ok = f && fclose(f) == 0 && ok;
    snprintf(path, sizeof path, "%s/assets/link.txt", folder);
    ok = ok && symlink(outside, path) == 0;
    server = ok ? http_server_start(&c, &err) : NULL;
    return server ? 0 : -1;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void a_handler_that_waits_lets_others_work(void **state)
{
    struct error err = ERROR_INIT;
    const struct http_server_config c = {.address = "127.0.0.1", .threads = 1, .handle = handle};
    (void)state;
    struct http_server *one = http_server_start(&c, &err);
    assert_non_null(one);
    int patient = send_only(one, GET("/wait"));
    pthread_mutex_lock(&gate);
    while (!waiting) {
        pthread_cond_wait(&moved, &gate);
    }
    pthread_mutex_unlock(&gate);
    assert_int_equal(status_on(send_only(one, GET("/echo"))), 200);
    pthread_mutex_lock(&gate);
    released = true;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&gate);
    assert_int_equal(status_on(patient), 200);
    http_server_stop(one);
}

static void no_more_handlers_work_at_once_than_configured(void **state)
{
    struct error err = ERROR_INIT;
    const struct http_server_config c = {.address = "127.0.0.1", .threads = 2, .handle = handle};
    int fds[24];
    (void)state;
    struct http_server *two = http_server_start(&c, &err);
    assert_non_null(two);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        fds[i] = send_only(two, GET("/work"));
    }
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        assert_int_equal(status_on(fds[i]), 200);
    }
    http_server_stop(two);
    assert_in_range(atomic_load(&most_working), 1, 2);
}

static int teardown(void **state)
{
    static const char *const files[] = {"index.html", "assets/app-1.js", "assets/app-1.js.br",
                                        "assets/link.txt", ".hidden.txt"};
    char path[256];
    (void)state;
    http_server_stop(server);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    snprintf(path, sizeof path, "%s/assets", folder);
    (void)rmdir(path);
    (void)unlink(outside);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_over_what_arrived),
        cmocka_unit_test(refuses_broken_escapes),
        cmocka_unit_test(limits_bodies_and_heads),
        cmocka_unit_test(an_unanswered_call_is_a_500),
        cmocka_unit_test(a_handler_that_waits_lets_others_work),
        cmocka_unit_test(no_more_handlers_work_at_once_than_configured),
        cmocka_unit_test(serves_the_page_with_base_and_nonce),
        cmocka_unit_test(serves_assets),
        cmocka_unit_test(stays_inside_the_folder),
        cmocka_unit_test(a_taken_port_and_a_bad_address_are_errors),
        cmocka_unit_test(tls_needs_a_certificate_that_is_one),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
