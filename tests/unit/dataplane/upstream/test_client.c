/* Calls to a provider that is a plain socket in this same thread, so each byte and each close
 * happens when the test says so. */
#include "dataplane/net/rig.h"

#include "common/tls.h"
#include "common/x509.h"
#include "dataplane/upstream/client.h"

struct answer {
    unsigned heads, ends, errors;
    int status;
    int64_t length;
    enum error_code code;
    char text[240];
    struct buffer body;
    char header[100]; /* value of x-test */
    bool cancel_on_head, pause_on_head;
    struct upstream_call *call;
};

static void on_head(void *arg, const struct upstream_answer *a)
{
    struct answer *w = arg;
    w->heads++;
    w->status = a->status;
    w->length = a->content_length;
    for (size_t i = 0; i < a->n_headers; i++) {
        if (str_eq_nocase(a->headers[i].name, STR_LIT("x-test"))) {
            (void)snprintf(w->header, sizeof(w->header), "%.*s", STR_ARG(a->headers[i].value));
        }
    }
    if (w->cancel_on_head) {
        upstream_cancel(w->call);
    } else if (w->pause_on_head) {
        upstream_pause(w->call);
    }
}

static void on_data(void *arg, struct str piece)
{
    struct answer *w = arg;
    assert_true(piece.len > 0);
    assert_true(buffer_append_str(&w->body, piece));
}

static void on_end(void *arg)
{
    struct answer *w = arg;
    w->ends++;
}

static void on_error(void *arg, const struct error *err)
{
    struct answer *w = arg;
    w->errors++;
    w->code = err->code;
    (void)snprintf(w->text, sizeof(w->text), "%s", err->text);
}

static const struct upstream_ops ops = {on_head, on_data, on_end, on_error};

struct rig {
    struct loop *loop;
    struct upstream *up;
    int listening;
    struct upstream_origin origin;
    struct answer w;
    struct buffer in; /* what the provider has received */
};

#define HEAD_TEXT "POST /v1/chat HTTP/1.1\r\nhost: p\r\ncontent-length: 4\r\n\r\n"

static struct rig *rig_new_with(const struct upstream_limits *limits, struct tls_context *tls)
{
    struct rig *r = mem_alloc(sizeof(*r));
    clock_set_source(rig_clock, rig_wall);
    r->loop = loop_new();
    r->up = upstream_new(r->loop, limits, tls);
    r->listening = rig_listen(&r->origin.port);
    r->origin.host = STR_LIT("127.0.0.1");
    buffer_init(&r->w.body, 1u << 27);
    buffer_init(&r->in, 1u << 27);
    return r;
}

static struct rig *rig_new(void)
{
    return rig_new_with(NULL, NULL);
}

static void rig_free(struct rig *r)
{
    upstream_free(r->up);
    loop_free(r->loop);
    (void)close(r->listening);
    buffer_release(&r->w.body);
    buffer_release(&r->in);
    mem_free(r);
    clock_set_source(NULL, NULL);
}

static void call_start(struct rig *r)
{
    struct buffer keep = r->w.body;
    bool cancel = r->w.cancel_on_head, pause = r->w.pause_on_head;
    buffer_clear(&keep);
    buffer_clear(&r->in);
    r->w = (struct answer){.body = keep, .cancel_on_head = cancel, .pause_on_head = pause};
    r->w.call = upstream_send(r->up, &r->origin, STR_LIT(HEAD_TEXT), STR_LIT("body"), 60000, 30000,
                              &ops, &r->w);
    assert_non_null(r->w.call);
    assert_int_equal(r->w.heads + r->w.ends + r->w.errors, 0);
}

/* The provider has the whole request. */
static void request_arrives(struct rig *r, int fd)
{
    rig_expect(r->loop, fd, &r->in, HEAD_TEXT "body");
    assert_int_equal(r->in.len, strlen(HEAD_TEXT "body"));
    buffer_clear(&r->in);
}

static void answered(struct rig *r, int status, const char *body)
{
    RIG_UNTIL(r->loop, r->w.ends || r->w.errors);
    if (r->w.errors) {
        fail_msg("error: %s", r->w.text);
    }
    assert_int_equal(r->w.heads, 1);
    assert_int_equal(r->w.ends, 1);
    assert_int_equal(r->w.status, status);
    assert_int_equal(r->w.body.len, strlen(body));
    assert_memory_equal(r->w.body.ptr, body, strlen(body));
}

static void failed(struct rig *r, enum error_code code)
{
    RIG_UNTIL(r->loop, r->w.ends || r->w.errors);
    assert_int_equal(r->w.ends, 0);
    assert_int_equal(r->w.errors, 1);
    assert_string_equal(error_code_name(r->w.code), error_code_name(code));
    assert_true(r->w.text[0] != '\0');
}

#define OK_HELLO "HTTP/1.1 200 OK\r\nX-Test: yes\r\nContent-Length: 5\r\n\r\nhello"

static void test_pooled_connection_is_used_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    assert_false(upstream_sent(r->w.call));
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    assert_true(upstream_sent(r->w.call));
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    assert_string_equal(r->w.header, "yes");
    assert_int_equal(r->w.length, 5);
    for (int i = 0; i < 3; i++) {
        call_start(r);
        assert_true(upstream_sent(r->w.call)); /* at once: no connecting */
        request_arrives(r, fd);
        rig_say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        answered(r, 204, "");
    }
    assert_int_equal(accept4(r->listening, NULL, NULL, 0), -1);
    (void)close(fd);
    rig_free(r);
}

static void test_last_in_first_out(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct answer second = {0};
    buffer_init(&second.body, 1000);
    call_start(r);
    second.call =
        upstream_send(r->up, &r->origin, STR_LIT(HEAD_TEXT), STR_LIT("body"), 0, 0, &ops, &second);
    int a = rig_accept(r->loop, r->listening), b = rig_accept(r->loop, r->listening);
    request_arrives(r, a);
    request_arrives(r, b);
    rig_say(a, OK_HELLO);
    RIG_UNTIL(r->loop, r->w.ends + second.ends == 1);
    rig_say(b, OK_HELLO);
    RIG_UNTIL(r->loop, r->w.ends + second.ends == 2);
    call_start(r); /* goes to b, which was used last */
    request_arrives(r, b);
    rig_say(b, OK_HELLO);
    answered(r, 200, "hello");
    (void)close(a);
    (void)close(b);
    buffer_release(&second.body);
    rig_free(r);
}

struct framing_case {
    const char *answer;
    const char *body;
    int status;
    bool close_after;
};

static const struct framing_case framings[] = {
    {OK_HELLO, "hello", 200, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n "
     "world\r\n0\r\nA: b\r\n\r\n",
     "hello world", 200, false},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", "until the end", 200, true},
    {"HTTP/1.0 200 OK\r\n\r\nold", "old", 200, true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_HELLO, "hello",
     200, false},
    {"HTTP/1.1 429\r\nContent-Length: 0\r\n\r\n", "", 429, false},
};

static void test_framings_in_any_split(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (size_t k = 0; k < sizeof(framings) / sizeof(framings[0]); k++) {
        const struct framing_case *f = &framings[k];
        size_t len = strlen(f->answer);
        for (size_t cut = 1; cut <= len; cut++) {
            call_start(r);
            int fd = rig_accept(r->loop, r->listening);
            request_arrives(r, fd);
            rig_send(fd, f->answer, cut);
            rig_turns(r->loop, 3);
            assert_int_equal(r->w.errors, 0);
            rig_send(fd, f->answer + cut, len - cut);
            if (f->close_after) {
                assert_int_equal(shutdown(fd, SHUT_WR), 0);
            }
            answered(r, f->status, f->body);
            upstream_close_idle(r->up);
            (void)close(fd);
        }
    }
    rig_free(r);
}

static const char *const garbage[] = {
    "SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
};

static void test_garbage_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (size_t k = 0; k < sizeof(garbage) / sizeof(garbage[0]); k++) {
        call_start(r);
        int fd = rig_accept(r->loop, r->listening);
        request_arrives(r, fd);
        rig_say(fd, garbage[k]);
        failed(r, ERR_UPSTREAM_GARBAGE);
        rig_expect_end(r->loop, fd, &r->in);
        (void)close(fd);
    }
    /* a head without end */
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, "HTTP/1.1 200 OK\r\nX: ");
    for (int i = 0; i < 70 && !r->w.errors; i++) {
        char filler[1000];
        memset(filler, 'f', sizeof(filler));
        (void)send(fd, filler, sizeof(filler), MSG_NOSIGNAL);
        rig_turns(r->loop, 2);
    }
    failed(r, ERR_UPSTREAM_GARBAGE);
    (void)close(fd);
    rig_free(r);
}

static void test_bytes_behind_an_answer_spoil_the_connection(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO "HTTP/1.1 200 OK\r\n");
    answered(r, 200, "hello");
    rig_expect_end(r->loop, fd, &r->in);
    (void)close(fd);
    rig_free(r);
}

static void test_stale_pooled_connection_is_replaced(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    /* closed while idle, and noticed only by the write (the loop has not turned since) */
    (void)close(fd);
    call_start(r);
    fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    /* closed when the request had arrived: sent again, once */
    call_start(r);
    request_arrives(r, fd);
    (void)close(fd);
    fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    (void)close(fd);
    failed(r, ERR_UPSTREAM_CLOSED);
    rig_free(r);
}

static void test_no_second_sending_when_it_could_be_billed_twice(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (int k = 0; k < 3; k++) {
        call_start(r);
        int fd = rig_accept(r->loop, r->listening);
        request_arrives(r, fd);
        if (k > 0) { /* else it is fresh, not pooled */
            rig_say(fd, OK_HELLO);
            answered(r, 200, "hello");
            call_start(r);
            request_arrives(r, fd);
        }
        if (k == 1) {
            rig_say(fd, "HTTP/1.1 2"); /* the answer had begun */
            rig_turns(r->loop, 3);
        } else if (k == 2) {
            rig_turns(r->loop, 2);
            rig_skip_ms(5000); /* the provider had worked on it */
        }
        (void)close(fd);
        failed(r, ERR_UPSTREAM_CLOSED);
        assert_int_equal(accept4(r->listening, NULL, NULL, 0), -1);
    }
    rig_free(r);
}

static void test_truncated_answers(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\n",
    };
    struct rig *r = rig_new();
    for (int k = 0; k < 3; k++) {
        call_start(r);
        int fd = rig_accept(r->loop, r->listening);
        request_arrives(r, fd);
        rig_say(fd, parts[k]);
        (void)close(fd);
        failed(r, ERR_UPSTREAM_CLOSED);
        assert_int_equal(r->w.heads, k < 2);
    }
    rig_free(r);
}

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

static void test_deadlines(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_skip_ms(59000);
    rig_turns(r->loop, 3);
    assert_int_equal(r->w.errors, 0);
    rig_skip_ms(1100);
    failed(r, ERR_UPSTREAM_TIMEOUT);
    rig_expect_end(r->loop, fd, &r->in);
    (void)close(fd);
    /* between pieces: each piece starts the time anew, a pause stops it */
    call_start(r);
    fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
    for (unsigned i = 1; i <= 3; i++) {
        rig_say(fd, "x");
        RIG_UNTIL(r->loop, r->w.body.len == i);
        rig_skip_ms(29000);
        rig_turns(r->loop, 2);
    }
    upstream_pause(r->w.call);
    rig_skip_ms(100000);
    rig_turns(r->loop, 3);
    assert_int_equal(r->w.errors, 0);
    upstream_resume(r->w.call);
    rig_turns(r->loop, 3);
    assert_int_equal(r->w.errors, 0);
    rig_skip_ms(30100);
    failed(r, ERR_UPSTREAM_TIMEOUT);
    (void)close(fd);
    /* an idle connection is let go after its time */
    call_start(r);
    fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    rig_skip_ms(54000);
    rig_turns(r->loop, 3);
    assert_true(rig_pull(fd, &r->in));
    rig_skip_ms(1100);
    rig_expect_end(r->loop, fd, &r->in);
    (void)close(fd);
    rig_free(r);
}

static void test_early_answer_to_a_large_body(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    size_t n = 32u << 20;
    char *body = mem_alloc(n);
    struct buffer keep = r->w.body;
    r->w = (struct answer){.body = keep};
    r->w.call = upstream_send(r->up, &r->origin, STR_LIT("POST / HTTP/1.1\r\n\r\n"),
                              (struct str){body, n}, 0, 0, &ops, &r->w);
    int fd = rig_accept(r->loop, r->listening);
    rig_expect(r->loop, fd, &r->in, "POST / HTTP/1.1");
    rig_turns(r->loop, 5);
    assert_int_equal(r->w.errors, 0);
    rig_say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
    answered(r, 413, "big");
    rig_expect_end(r->loop, fd, &r->in); /* not fit for another call */
    (void)close(fd);
    /* and a body that is taken to the last byte, in as many writes as it needs */
    r->w = (struct answer){.body = r->w.body};
    buffer_clear(&r->w.body);
    size_t got = 0;
    r->w.call = upstream_send(r->up, &r->origin, STR_LIT("POST / HTTP/1.1\r\n\r\n"),
                              (struct str){body, n}, 0, 0, &ops, &r->w);
    fd = rig_accept(r->loop, r->listening);
    while (got < n + 19) {
        buffer_clear(&r->in);
        assert_true(rig_pull(fd, &r->in));
        got += r->in.len;
        loop_turn(r->loop, 0);
    }
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    (void)close(fd);
    mem_free(body);
    rig_free(r);
}

static void test_pause_holds_the_provider_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    static char piece[65536];
    r->w.pause_on_head = true;
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    size_t total = 48u << 20, sent = 0;
    char head[80];
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", total);
    rig_say(fd, head);
    for (int idle = 0; idle < 50;) {
        ssize_t n = send(fd, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        loop_turn(r->loop, n > 0 ? 0 : 1);
    }
    assert_int_equal(r->w.heads, 1);
    assert_true(sent < total); /* the kernel's buffers are full, ours hold nothing */
    assert_true(r->w.body.len <= 262144);
    upstream_resume(r->w.call);
    while (!r->w.ends) {
        size_t left = total - sent < sizeof(piece) ? total - sent : sizeof(piece);
        ssize_t n = left ? send(fd, piece, left, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        sent += n > 0 ? (size_t)n : 0;
        loop_turn(r->loop, 0);
        assert_int_equal(r->w.errors, 0);
    }
    assert_int_equal(r->w.body.len, total);
    (void)close(fd);
    rig_free(r);
}

static void test_cancel_closes_at_once_and_is_silent(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (int k = 0; k < 3; k++) {
        r->w.cancel_on_head = k == 2;
        call_start(r);
        if (k == 0) { /* while connecting */
            upstream_cancel(r->w.call);
            rig_turns(r->loop, 3);
        }
        int fd = rig_accept(r->loop, r->listening);
        if (k > 0) {
            request_arrives(r, fd);
            if (k == 1) {
                upstream_cancel(r->w.call);
            } else {
                rig_say(fd, OK_HELLO); /* from inside on_head: no on_data any more */
            }
        }
        rig_expect_end(r->loop, fd, &r->in);
        rig_turns(r->loop, 3);
        assert_int_equal(r->w.heads, k == 2);
        assert_int_equal(r->w.ends + r->w.errors, 0);
        assert_int_equal(r->w.body.len, 0);
        (void)close(fd);
    }
    rig_free(r);
}

static void test_free_while_calls_run(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    struct answer *w = &r->w;
    upstream_free(r->up);
    r->up = NULL;
    rig_turns(r->loop, 3);
    assert_int_equal(w->ends + w->errors, 0);
    (void)close(fd);
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
        cmocka_unit_test(test_pooled_connection_is_used_again),
        cmocka_unit_test(test_last_in_first_out),
        cmocka_unit_test(test_framings_in_any_split),
        cmocka_unit_test(test_garbage_is_refused),
        cmocka_unit_test(test_bytes_behind_an_answer_spoil_the_connection),
        cmocka_unit_test(test_stale_pooled_connection_is_replaced),
        cmocka_unit_test(test_no_second_sending_when_it_could_be_billed_twice),
        cmocka_unit_test(test_truncated_answers),
        cmocka_unit_test(test_refused_and_nowhere),
        cmocka_unit_test(test_next_address_when_the_first_refuses),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_early_answer_to_a_large_body),
        cmocka_unit_test(test_pause_holds_the_provider_back),
        cmocka_unit_test(test_cancel_closes_at_once_and_is_silent),
        cmocka_unit_test(test_free_while_calls_run),
        cmocka_unit_test(test_tls_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
