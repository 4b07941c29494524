/* The grammar: what is taken, what is refused, and that neither depends on how the bytes were
 * split. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "dataplane/net/http1_read.h"

static struct header headers[EXCHANGE_MAX_HEADERS];

#define MAX 65536u

static enum http1_result read_request(const char *z, struct http1_request *ret)
{
    struct error err = ERROR_INIT;
    enum http1_result got = http1_read_request(z, strlen(z), MAX, headers, ret, &err);
    assert_int_equal(err.code != ERR_NONE, got == HTTP1_BAD);
    return got;
}

static void same(struct str s, const char *z)
{
    if (!str_eqz(s, z)) {
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), z);
    }
}

static void test_request_parts(void **state)
{
    (void)state;
    struct http1_request r;
    const char *z = "POST /v1/chat?x=1&y HTTP/1.1\r\nHost: api.example:8443\r\nX-A:\t two words "
                    "\t\r\nEmpty:\r\n"
                    "Content-Length: 17\r\nExpect: 100-Continue\r\n\r\nrest";
    assert_int_equal(read_request(z, &r), HTTP1_DONE);
    same(r.head.method, "POST");
    same(r.head.target, "/v1/chat?x=1&y");
    same(r.head.path, "/v1/chat");
    same(r.head.query, "x=1&y");
    assert_int_equal(r.head.n_headers, 5);
    same(r.head.headers[1].name, "X-A");
    same(r.head.headers[1].value, "two words");
    same(r.head.headers[2].value, "");
    assert_int_equal(r.content_length, 17);
    assert_int_equal(r.head_len, strlen(z) - 4);
    assert_true(r.expect_continue);
    assert_true(r.head.keep_alive);
    assert_false(r.chunked);
}

struct target_case {
    const char *line, *target, *path, *query;
};

static void test_targets(void **state)
{
    (void)state;
    static const struct target_case cases[] = {
        {"GET / HTTP/1.1", "/", "/", NULL},
        {"GET /? HTTP/1.1", "/?", "/", ""},
        {"GET /a%20b?c?d HTTP/1.1", "/a%20b?c?d", "/a%20b", "c?d"},
        {"GET http://h:1/p?q HTTP/1.1", "/p?q", "/p", "q"},
        {"GET HTTPS://[::1]:8/p HTTP/1.1", "/p", "/p", NULL},
        {"GET http://h HTTP/1.1", "/", "/", NULL},
        {"GET http://h?q=/ HTTP/1.1", "/", "/", "q=/"},
        {"OPTIONS * HTTP/1.1", "*", "*", NULL},
        {"GET /{a}|\"b\" HTTP/1.1", "/{a}|\"b\"", "/{a}|\"b\"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        struct http1_request r;
        (void)snprintf(text, sizeof(text), "%s\r\nHost: x\r\n\r\n", cases[i].line);
        assert_int_equal(read_request(text, &r), HTTP1_DONE);
        same(r.head.target, cases[i].target);
        same(r.head.path, cases[i].path);
        assert_int_equal(r.head.query.ptr != NULL, cases[i].query != NULL);
        same(r.head.query, cases[i].query ? cases[i].query : "");
    }
}

static const char *const good_requests[] = {
    "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "M-SEARCH / HTTP/1.1\r\nhost:x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: \x80\xff caf\xc3\xa9\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n!#$%&'*+-.^_`|~1aZ: v\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:   5  \r\n\r\n",
};

static const char *const bad_requests[] = {
    "get / HTTP/1.1\r\nHost: x\r\n\r\n",
    " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "G T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /  HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
    "GET /\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "GET / HTTP/0.9\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.10\r\nHost: x\r\n\r\n",
    "GET / http/1.1\r\nHost: x\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET x HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http://a@b/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\nHost: x\n\n",
    "GET / HTTP/1.1\r\nHost: x\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\n",
    "GET / HTTP/1.1\r\nHost: x\rY: z\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\rX",
    "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost\r\n\r\n",
    "GET / HTTP/1.1\r\n: x\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA(: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA\xc3: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: 0123456789012345678901234567\x0b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: x\r\nhost: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 2\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
    "chunked\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
};

static void test_good_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good_requests) / sizeof(good_requests[0]); i++) {
        struct http1_request r;
        if (read_request(good_requests[i], &r) != HTTP1_DONE) {
            fail_msg("refused: %s", good_requests[i]);
        }
        assert_int_equal(r.head_len, strlen(good_requests[i]));
    }
}

static void test_bad_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
        struct http1_request r;
        if (read_request(bad_requests[i], &r) != HTTP1_BAD) {
            fail_msg("taken: %s", bad_requests[i]);
        }
    }
    struct error err = ERROR_INIT;
    struct http1_request r;
    static const char nul[] = "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n";
    assert_int_equal(http1_read_request(nul, sizeof(nul) - 1, MAX, headers, &r, &err), HTTP1_BAD);
}

static void test_keep_alive(void **state)
{
    (void)state;
    struct http1_request r;
    assert_int_equal(read_request("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &r),
                     HTTP1_DONE);
    assert_false(r.head.keep_alive);
    assert_int_equal(
        read_request("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade , Close\r\n\r\n", &r),
        HTTP1_DONE);
    assert_false(r.head.keep_alive);
    assert_int_equal(read_request("GET / HTTP/1.0\r\n\r\n", &r), HTTP1_DONE);
    assert_false(r.head.keep_alive);
    assert_int_equal(read_request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &r),
                     HTTP1_DONE);
    assert_true(r.head.keep_alive);
    assert_false(r.expect_continue);
}

static void test_limits(void **state)
{
    (void)state;
    struct http1_request r;
    struct error err = ERROR_INIT;
    const char *z = "GET /path HTTP/1.1\r\nHost: x\r\n\r\n";
    size_t n = strlen(z);
    assert_int_equal(http1_read_request(z, n, n, headers, &r, &err), HTTP1_DONE);
    assert_int_equal(http1_read_request(z, n, n - 1, headers, &r, &err), HTTP1_BAD);
    assert_int_equal(err.code, ERR_HEADERS_TOO_LARGE);
    same(r.head.path, "/path"); /* what was read before is told */
    char many[4000];
    int at = snprintf(many, sizeof(many), "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < EXCHANGE_MAX_HEADERS - 1; i++) {
        at += snprintf(many + at, sizeof(many) - (size_t)at, "a: b\r\n");
    }
    (void)snprintf(many + at, sizeof(many) - (size_t)at, "\r\n");
    assert_int_equal(http1_read_request(many, strlen(many), MAX, headers, &r, &err), HTTP1_DONE);
    assert_int_equal(r.head.n_headers, EXCHANGE_MAX_HEADERS);
    (void)snprintf(many + at, sizeof(many) - (size_t)at, "a: b\r\n\r\n");
    assert_int_equal(http1_read_request(many, strlen(many), MAX, headers, &r, &err), HTTP1_BAD);
    assert_int_equal(err.code, ERR_HEADERS_TOO_LARGE);
}

/* As a connection does: once at first, then when a head may be complete. A fault within a line may
 * wait for the line's end to be seen, so where one is expected the lines are ended. */
static enum http1_result drip(const char *z, size_t len, size_t max, size_t step, bool end_lines,
                              struct http1_request *r, struct error *err)
{
    static const char ends[] = "\r\n\r\n";
    size_t n = len + (end_lines ? 4 : 0);
    char *p = mem_alloc(n);
    memcpy(p, z, len);
    memcpy(p + len, ends, n - len);
    size_t seen = 0;
    enum http1_result got = HTTP1_MORE;
    for (size_t have = 0; have < n && got == HTTP1_MORE;) {
        bool first = have == 0;
        have = have + step < n ? have + step : n;
        if (first) {
            seen = have;
        }
        if (first || http1_head_ready(p, have, max, &seen)) {
            got = http1_read_request(p, have, max, headers, r, err);
        }
    }
    mem_free(p);
    return got;
}

static void test_verdict_does_not_depend_on_the_split(void **state)
{
    (void)state;
    size_t n_good = sizeof(good_requests) / sizeof(good_requests[0]);
    size_t n_all = n_good + sizeof(bad_requests) / sizeof(bad_requests[0]);
    for (size_t i = 0; i < n_all; i++) {
        const char *z = i < n_good ? good_requests[i] : bad_requests[i - n_good];
        size_t limits[] = {MAX, strlen(z) - 1, 20};
        for (size_t k = 0; k < 3; k++) {
            struct http1_request whole, part;
            struct error err = ERROR_INIT, err2 = ERROR_INIT;
            enum http1_result want =
                http1_read_request(z, strlen(z), limits[k], headers, &whole, &err);
            for (size_t step = 1; step <= strlen(z); step++) {
                err2 = (struct error)ERROR_INIT;
                enum http1_result got =
                    drip(z, strlen(z), limits[k], step, want == HTTP1_BAD, &part, &err2);
                if (got != want || err.code != err2.code) {
                    fail_msg("in steps of %zu: %d, not %d: %s", step, (int)got, (int)want, z);
                }
                assert_int_equal(got == HTTP1_DONE ? part.head_len : 0,
                                 want == HTTP1_DONE ? whole.head_len : 0);
            }
        }
    }
}

static uint64_t next_random(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 33;
}

/* Damaged requests, fixed seed: a verdict is reached without reading past the end (the copy is
 * exact, for the sanitizer), the same one in any split, and what is taken is well formed. */
static void test_damaged_requests(void **state)
{
    (void)state;
    uint64_t seed = 20261121;
    size_t n_good = sizeof(good_requests) / sizeof(good_requests[0]);
    unsigned taken = 0, refused = 0;
    for (int round = 0; round < 20000; round++) {
        const char *z = good_requests[next_random(&seed) % n_good];
        size_t n = strlen(z);
        char *p = mem_dup(z, n);
        for (uint64_t k = next_random(&seed) % 3; k > 0; k--) {
            static const char bytes[] = "\r\n \t:\0/\x7f\x80xG,;";
            p[next_random(&seed) % n] = bytes[next_random(&seed) % sizeof(bytes)];
        }
        struct http1_request r, r2;
        struct error err = ERROR_INIT;
        enum http1_result want = http1_read_request(p, n, MAX, headers, &r, &err);
        if (want == HTTP1_DONE) {
            taken++;
            assert_true(r.head_len <= n);
            for (size_t i = 0; i < r.head.n_headers; i++) {
                assert_null(memchr(headers[i].value.ptr, '\r', headers[i].value.len));
                assert_null(memchr(headers[i].value.ptr, '\n', headers[i].value.len));
            }
        }
        refused += want == HTTP1_BAD;
        assert_int_equal(drip(p, n, MAX, 1 + next_random(&seed) % 9, want == HTTP1_BAD, &r2, &err),
                         want);
        mem_free(p);
    }
    assert_true(taken > 1000 && refused > 1000);
}

static void test_responses(void **state)
{
    (void)state;
    struct http1_response r;
    struct error err = ERROR_INIT;
    static const struct {
        const char *text;
        int status;
        int64_t length;
        bool chunked, keep_alive;
    } good[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, 12, false, true},
        {"HTTP/1.1 200\r\n\r\n", 200, -1, false, true},
        {"HTTP/1.1 999 \r\n\r\n", 999, -1, false, true},
        {"HTTP/1.0 404 Not  Found \xe9\r\n\r\n", 404, -1, false, false},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, 0, false,
         true},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", 200, -1,
         true, false},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t n = strlen(good[i].text);
        assert_int_equal(http1_read_response(good[i].text, n, MAX, headers, &r, &err), HTTP1_DONE);
        assert_int_equal(r.status, good[i].status);
        assert_int_equal(r.content_length, good[i].length);
        assert_int_equal(r.chunked, good[i].chunked);
        assert_int_equal(r.keep_alive, good[i].keep_alive);
        assert_int_equal(r.head_len, n);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(http1_read_response(good[i].text, k, MAX, headers, &r, &err),
                             HTTP1_MORE);
        }
    }
    static const char *const bad[] = {
        "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 20x OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\nK\r\n\r\n",
        "HTTP/3 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(http1_read_response(bad[i], strlen(bad[i]), MAX, headers, &r, &err),
                         HTTP1_BAD);
        assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
    }
}

/* ---- chunked ---- */

/* Decodes in pieces of `step`; *ret_rest: bytes left behind the end. */
static enum http1_result decode(const char *p, size_t n, size_t step, struct buffer *out,
                                size_t *ret_rest)
{
    struct http1_chunks c = {0};
    struct error err = ERROR_INIT;
    buffer_clear(out);
    for (size_t at = 0; at < n;) {
        size_t take = step < n - at ? step : n - at, used = 0;
        char *copy = mem_dup(p + at, take);
        struct str data;
        enum http1_result got = http1_decode_chunks(&c, copy, take, &data, &used, &err);
        assert_true(used <= take && (got != HTTP1_MORE || used == take));
        assert_true(buffer_append_str(out, data));
        mem_free(copy);
        at += used;
        if (got != HTTP1_MORE) {
            *ret_rest = n - at;
            return got;
        }
    }
    return HTTP1_MORE;
}

static void test_chunks(void **state)
{
    (void)state;
    static const struct {
        const char *coded, *plain;
        enum http1_result result;
        size_t rest;
    } cases[] = {
        {"0\r\n\r\n", "", HTTP1_DONE, 0},
        {"5\r\nhello\r\n0\r\n\r\nGET", "hello", HTTP1_DONE, 3},
        {"00005\r\nhello\r\n000\r\n\r\n", "hello", HTTP1_DONE, 0},
        {"A;n=\"v\";x\r\n0123456789\r\n1;\r\nZ\r\n0;last\r\nT: v\r\nU:\r\n\r\n", "0123456789Z",
         HTTP1_DONE, 0},
        {"3\r\nabc\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n", "abcdef", HTTP1_DONE, 0},
        {"3\r\nab", "ab", HTTP1_MORE, 0},
        {"\r\n", "", HTTP1_BAD, 0},
        {"x\r\n", "", HTTP1_BAD, 0},
        {"-1\r\n", "", HTTP1_BAD, 0},
        {"0x1\r\n", "", HTTP1_BAD, 0},
        {"5 \r\nhello\r\n", "", HTTP1_BAD, 0},
        {" 5\r\nhello\r\n", "", HTTP1_BAD, 0},
        {"5\nhello\r\n", "", HTTP1_BAD, 0},
        {"5\rhello", "", HTTP1_BAD, 0},
        {"5;a\nb\r\nhello", "", HTTP1_BAD, 0},
        {"2\r\nabc\r\n", "ab", HTTP1_BAD, 0},
        {"2\r\nab\n", "ab", HTTP1_BAD, 0},
        {"2\r\nab\rX", "ab", HTTP1_BAD, 0},
        {"0\r\n\rX", "", HTTP1_BAD, 0},
        {"0\r\n\n", "", HTTP1_BAD, 0},
        {"0\r\n x: y\r\n\r\n", "", HTTP1_BAD, 0},
        {"0\r\nx y: z\r\n\r\n", "", HTTP1_BAD, 0},
        {"0\r\nx: y\nz: q\r\n\r\n", "", HTTP1_BAD, 0},
        {"1000000000000000\r\n", "", HTTP1_BAD, 0},
        {"0000000000000001\r\n", "", HTTP1_BAD, 0},
    };
    struct buffer out;
    buffer_init(&out, 100000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = strlen(cases[i].coded);
        for (size_t step = 1; step <= n; step++) {
            size_t rest = 0;
            enum http1_result got = decode(cases[i].coded, n, step, &out, &rest);
            if (got != cases[i].result) {
                fail_msg("%d for \"%s\" in steps of %zu", (int)got, cases[i].coded, step);
            }
            assert_int_equal(out.len, strlen(cases[i].plain));
            if (out.len) {
                assert_memory_equal(out.ptr, cases[i].plain, out.len);
            }
            if (got == HTTP1_DONE) {
                assert_int_equal(rest, cases[i].rest);
            }
        }
    }
    buffer_release(&out);
}

static void test_chunk_extras_are_bounded(void **state)
{
    (void)state;
    struct buffer in, out;
    size_t rest;
    buffer_init(&in, 1u << 20);
    buffer_init(&out, 1u << 20);
    for (int kind = 0; kind < 2; kind++) {
        for (int over = 0; over < 2; over++) {
            buffer_clear(&in);
            assert_true(buffer_append_z(&in, kind ? "0\r\nt:" : "1;"));
            for (size_t i = 0; i + (kind ? 2 : 0) < HTTP1_CHUNK_EXTRA_MAX - 2 + (unsigned)over * 8;
                 i++) {
                assert_true(buffer_append(&in, "e", 1));
            }
            assert_true(buffer_append_z(&in, kind ? "\r\n\r\n" : "\r\nZ\r\n0\r\n\r\n"));
            assert_int_equal(decode(in.ptr, in.len, 1000, &out, &rest),
                             over ? HTTP1_BAD : HTTP1_DONE);
        }
    }
    /* many small ones add up */
    buffer_clear(&in);
    for (unsigned i = 0; i < HTTP1_CHUNK_EXTRA_MAX; i++) {
        assert_true(buffer_append_z(&in, "1;xx\r\nZ\r\n"));
    }
    assert_int_equal(decode(in.ptr, in.len, 1000, &out, &rest), HTTP1_BAD);
    buffer_release(&in);
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_parts),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_good_requests),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_verdict_does_not_depend_on_the_split),
        cmocka_unit_test(test_damaged_requests),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunk_extras_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
