/* Getting to a provider: addresses, refusals, TLS. */
#include "dataplane/upstream/provider.h"

#include "common/tls.h"
#include "common/x509.h"

static void test_refused_and_nowhere(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    (void)close(r->listening);
    call_start(r);
    failed(r, ERR_UPSTREAM_REFUSED);
    assert_non_null(strstr(r->w.text, "127.0.0.1"));
    r->origin.host = STR_LIT("");
    call_start(r);
    failed(r, ERR_UPSTREAM_REFUSED);
    r->listening = rig_listen(&r->origin.port);
    rig_free(r);
}

static void test_next_address_when_the_first_refuses(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof(at);
    int fd6 = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd6 < 0 || bind(fd6, (struct sockaddr *)&at, sizeof(at)) != 0) {
        (void)close(fd6);
        rig_free(r);
        skip(); /* a machine without IPv6 */
    }
    assert_int_equal(listen(fd6, 4), 0);
    assert_int_equal(getsockname(fd6, (struct sockaddr *)&at, &len), 0);
    r->origin.host =
        STR_LIT("localhost"); /* 127.0.0.1, where nobody listens on that port; then ::1 */
    r->origin.port = ntohs(at.sin6_port);
    call_start(r);
    int fd = rig_accept(r->loop, fd6);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    r->origin.host = STR_LIT("[::1]");
    call_start(r);
    (void)close(fd);
    fd = rig_accept(r->loop, fd6);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    (void)close(fd);
    (void)close(fd6);
    rig_free(r);
}

/* ---- TLS: the provider is our own listener ---- */

static void serve(void *arg, struct exchange *x)
{
    unsigned *n = arg;
    assert_true(exchange_tls(x));
    (*n)++;
    struct header h = {STR_LIT("x-test"), STR_LIT("tls")};
    exchange_reply(x, 200, &h, 1, exchange_body(x));
}

static void serve_bad(void *arg, struct exchange *x, const struct error *err)
{
    (void)arg;
    exchange_reply(x, error_status(err->code), NULL, 0, STR_LIT(""));
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

struct pki {
    char dir[64], ca[96], cert[96], key[96];
};

static void pki_new(struct pki *p)
{
    struct error err = ERROR_INIT;
    char *ca = NULL, *ca_key = NULL, *cert = NULL, *key = NULL;
    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    (void)snprintf(p->ca, sizeof(p->ca), "%s/ca.pem", p->dir);
    (void)snprintf(p->cert, sizeof(p->cert), "%s/cert.pem", p->dir);
    (void)snprintf(p->key, sizeof(p->key), "%s/key.pem", p->dir);
    assert_true(x509_make_ca("test", 2, &ca, &ca_key, &err));
    assert_true(x509_make_server(ca, ca_key, "provider", "127.0.0.1", 2, &cert, &key, &err));
    write_file(p->ca, ca);
    write_file(p->cert, cert);
    write_file(p->key, key);
    mem_free(ca);
    mem_free(ca_key);
    mem_free(cert);
    mem_free(key);
}

static void pki_remove(const struct pki *p)
{
    (void)unlink(p->ca);
    (void)unlink(p->cert);
    (void)unlink(p->key);
    (void)rmdir(p->dir);
}

static void test_tls_both_sides(void **state)
{
    (void)state;
    struct pki p;
    struct error err = ERROR_INIT;
    unsigned served = 0;
    pki_new(&p);
    struct tls_context *server = tls_server_new(p.cert, p.key, &err);
    struct tls_context *client = tls_client_new(p.ca, &err);
    assert_non_null(server);
    assert_non_null(client);
    struct rig *r = rig_new_with(NULL, client);
    struct listener_config c = {
        .address = "127.0.0.1:0", .tls = server, .handler = {serve, serve_bad, &served}};
    struct listener *l = listener_new(r->loop, &c, &err);
    assert_non_null(l);
    uint16_t plain_port = r->origin.port;
    r->origin.port = listener_port(l);
    r->origin.tls = true;
    /* small, several records, and more than the sockets hold at once: echoed byte by byte */
    size_t sizes[] = {5, 70000, 3u << 20};
    for (int k = 0; k < 3; k++) {
        char head[100];
        char *body = mem_alloc(sizes[k]);
        for (size_t i = 0; i < sizes[k]; i++) {
            body[i] = (char)('a' + (i * 11 + i / 1000) % 26);
        }
        (void)snprintf(head, sizeof(head),
                       "POST /t HTTP/1.1\r\nhost: p\r\ncontent-length: %zu\r\n\r\n", sizes[k]);
        struct buffer keep = r->w.body;
        buffer_clear(&keep);
        r->w = (struct answer){.body = keep};
        r->w.call = upstream_send(r->up, &r->origin, str_of(head), (struct str){body, sizes[k]},
                                  60000, 30000, &ops, &r->w);
        RIG_UNTIL(r->loop, r->w.ends || r->w.errors);
        assert_string_equal(r->w.text, "");
        assert_string_equal(r->w.header, "tls");
        assert_int_equal(r->w.body.len, sizes[k]);
        assert_memory_equal(r->w.body.ptr, body, sizes[k]);
        mem_free(body);
    }
    assert_int_equal(served, 3);
    assert_int_equal(listener_connections(l), 1); /* all on one connection */
    upstream_close_idle(r->up);
    /* a certificate of nobody we trust */
    struct tls_context *strict = tls_client_new(NULL, &err);
    assert_non_null(strict);
    struct upstream *other = upstream_new(r->loop, NULL, strict);
    struct upstream *mine = r->up;
    r->up = other;
    call_start(r);
    failed(r, ERR_UPSTREAM_TLS);
    upstream_free(other);
    r->up = mine;
    /* the right certificate for another name */
    r->origin.host = STR_LIT("localhost");
    call_start(r);
    failed(r, ERR_UPSTREAM_TLS);
    /* plain bytes where TLS was expected */
    r->origin.host = STR_LIT("127.0.0.1");
    r->origin.port = plain_port;
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    rig_say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    failed(r, ERR_UPSTREAM_TLS);
    (void)close(fd);
    assert_int_equal(served, 3);
    listener_free(l);
    tls_context_unref(server);
    tls_context_unref(client);
    tls_context_unref(strict);
    rig_free(r);
    pki_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_and_nowhere),
        cmocka_unit_test(test_next_address_when_the_first_refuses),
        cmocka_unit_test(test_tls_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
