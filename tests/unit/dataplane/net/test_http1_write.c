/* Heads of answers: what they hold, and what they never do. */
#include "dataplane/net/rig.h"

#include "dataplane/net/http1_read.h"
#include "dataplane/net/http1_write.h"

static uint64_t wall_s;

static uint64_t wall(void)
{
    return wall_s * 1000000000u;
}

static void test_date(void **state)
{
    (void)state;
    struct http1_date d = {0};
    clock_set_source(NULL, wall);
    wall_s = 784111777; /* RFC 9110's own example */
    assert_true(str_eqz(http1_date(&d, 1), "Sun, 06 Nov 1994 08:49:37 GMT"));
    wall_s = 1709164800;
    assert_true(str_eqz(http1_date(&d, 1), "Sun, 06 Nov 1994 08:49:37 GMT")); /* the same turn */
    assert_true(str_eqz(http1_date(&d, 2), "Thu, 29 Feb 2024 00:00:00 GMT"));
    clock_set_source(NULL, NULL);
}

static void test_head_reads_back(void **state)
{
    (void)state;
    struct header in[] = {
        {STR_LIT("content-type"), STR_LIT("application/json")},
        {STR_LIT("x-empty"), STR_LIT("")},
        {STR_LIT("Date"), STR_LIT("never")},
        {STR_LIT("Transfer-Encoding"), STR_LIT("gzip")},
        {STR_LIT("Connection"), STR_LIT("upgrade")},
        {STR_LIT("Keep-Alive"), STR_LIT("1")},
        {STR_LIT("content-LENGTH"), STR_LIT("3")},
        {STR_LIT("x-split"), STR_LIT("a\r\nb: c")},
        {STR_LIT("x name"), STR_LIT("v")},
        {STR_LIT(""), STR_LIT("v")},
        {STR_LIT("x-nul"), {"a\0b", 3}},
    };
    struct buffer b;
    struct header out[EXCHANGE_MAX_HEADERS];
    struct http1_response r;
    struct error err = ERROR_INIT;
    buffer_init(&b, 10000);
    struct http1_answer a = {.status = 200,
                             .headers = in,
                             .n_headers = sizeof(in) / sizeof(in[0]),
                             .length = 17,
                             .keep_alive = true};
    assert_true(http1_write_head(&b, &a, STR_LIT("D")));
    assert_int_equal(http1_read_response(b.ptr, b.len, 10000, out, &r, &err), HTTP1_DONE);
    assert_int_equal(r.head_len, b.len);
    assert_int_equal(r.n_headers, 4); /* two of ours, date, content-length */
    assert_int_equal(r.content_length, 17);
    assert_true(r.keep_alive);
    a = (struct http1_answer){.status = 299, .length = -1, .chunked = true};
    buffer_clear(&b);
    assert_true(http1_write_head(&b, &a, STR_LIT("D")));
    assert_int_equal(http1_read_response(b.ptr, b.len, 10000, out, &r, &err), HTTP1_DONE);
    assert_int_equal(r.status, 299);
    assert_true(r.chunked);
    assert_false(r.keep_alive);
    buffer_release(&b);
}

static void test_full_buffer_is_said(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 64);
    struct http1_answer a = {.status = 200, .length = 0};
    assert_false(http1_write_head(&b, &a, STR_LIT("D")));
    buffer_release(&b);
}

static void test_chunk_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *text;
    } cases[] = {{1, "1\r\n"},
                 {15, "f\r\n"},
                 {16, "10\r\n"},
                 {65536, "10000\r\n"},
                 {SIZE_MAX, "ffffffffffffffff\r\n"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[20];
        size_t n = http1_write_chunk_size(text, cases[i].n);
        assert_int_equal(n, strlen(cases[i].text));
        assert_memory_equal(text, cases[i].text, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_head_reads_back),
        cmocka_unit_test(test_full_buffer_is_said),
        cmocka_unit_test(test_chunk_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
