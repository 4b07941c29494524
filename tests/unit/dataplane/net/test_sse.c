/* The event stream reader: the standard's own examples and corners, each cut into every two pieces,
 * every three, and single bytes; what it forwards when events are dropped; its ceiling; and the
 * writer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "dataplane/net/sse.h"

/* Everything a reader said: events as text, a line each, and the bytes to send on. */
struct log {
    struct buffer events, bytes;
    const char *drop; /* events whose data holds this are dropped */
};

static enum sse_verdict on_event(void *arg, const struct sse_event *e)
{
    struct log *l = arg;

    assert_true(e->begin < e->end);
    (void)buffer_printf(&l->events, "%.*s|%.*s", STR_ARG(e->name), STR_ARG(e->data));
    if (e->id.ptr != NULL)
        (void)buffer_printf(&l->events, "|id=%.*s", STR_ARG(e->id));
    if (e->retry_ms >= 0)
        (void)buffer_printf(&l->events, "|retry=%d", (int)e->retry_ms);
    (void)buffer_printf(&l->events, "%s%s@%d-%d;", e->too_large ? "|large" : "",
                        e->cut ? "|cut" : "", (int)e->begin, (int)e->end);
    if (l->drop != NULL && memmem(e->data.ptr, e->data.len, l->drop, strlen(l->drop)) != NULL)
        return SSE_DROP;
    return SSE_KEEP;
}

static void on_bytes(void *arg, struct str bytes)
{
    assert_true(bytes.len > 0);
    (void)buffer_append_str(&((struct log *)arg)->bytes, bytes);
}

static const struct sse_ops filter_ops = {on_event, on_bytes};
static const struct sse_ops look_ops = {on_event, NULL};

static void log_init(struct log *l, const char *drop)
{
    *l = (struct log){.drop = drop};
    buffer_init(&l->events, 1 << 20);
    buffer_init(&l->bytes, 1 << 20);
}

static void log_release(struct log *l)
{
    buffer_release(&l->events);
    buffer_release(&l->bytes);
}

/* Feeds text in pieces that end at a and b (and each byte by itself when a is 0), each in memory of
 * its own. */
static void run(const struct sse_ops *ops, struct log *l, size_t max, struct str text, size_t a,
                size_t b)
{
    struct sse_reader r;
    size_t at = 0;

    sse_reader_init(&r, max, ops, l);
    while (at < text.len) {
        size_t to = a == 0 ? at + 1 : at < a ? a : at < b ? b : text.len;
        char *copy;

        to = to < text.len ? to : text.len;
        copy = mem_dup(text.ptr + at, to - at);
        sse_feed(&r, (struct str){copy, to - at});
        sse_feed(&r, STR_NONE);
        mem_free(copy);
        at = to;
    }
    sse_finish(&r);
    sse_reader_release(&r);
}

static void check(struct str text, size_t max, const char *drop, struct str events,
                  struct str bytes)
{
    for (size_t a = 0; a <= text.len; a++) {
        for (size_t b = a; b <= text.len; b++) {
            struct log l;

            log_init(&l, drop);
            run(&filter_ops, &l, max, text, a, b);
            if (!str_eq(buffer_str(&l.events), events))
                fail_msg("cut at %zu, %zu: '%.*s' is not '%.*s'", a, b,
                         STR_ARG(buffer_str(&l.events)), STR_ARG(events));
            if (!str_eq(buffer_str(&l.bytes), bytes))
                fail_msg("cut at %zu, %zu: sent on '%.*s', not '%.*s'", a, b,
                         STR_ARG(buffer_str(&l.bytes)), STR_ARG(bytes));
            log_release(&l);
            if (a == 0)
                break;
        }
    }
}

/* Nothing is dropped: every byte goes on, by either use of the reader. */
static void expect(const char *text, const char *events)
{
    struct log l;

    check(str_of(text), 4096, NULL, str_of(events), str_of(text));
    log_init(&l, NULL);
    run(&look_ops, &l, 4096, str_of(text), 1, 5);
    assert_true(str_eqz(buffer_str(&l.events), events));
    assert_int_equal(l.bytes.len, 0);
    log_release(&l);
}

static void test_examples_of_the_standard(void **state)
{
    (void)state;
    expect("data: YHOO\ndata: +2\ndata: 10\n\n", "|YHOO\n+2\n10@0-30;");
    expect(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third "
           "event\n\n",
           "|first event|id=1@15-40;|second event|id=@40-62;| third event@62-82;");
    expect("data\n\ndata\ndata\n\ndata:", "|@0-6;|\n@6-17;||cut@17-22;");
    expect("data:test\n\ndata: test\n\n", "|test@0-11;|test@11-23;");
}

static void test_line_ends(void **state)
{
    (void)state;
    expect("data: a\n\ndata: b\n\n", "|a@0-9;|b@9-18;");
    expect("data: a\r\rdata: b\r\r", "|a@0-9;|b@9-18;");
    /* `end` is behind the CR, and the LF starts nothing */
    expect("data: a\r\n\r\ndata: b\r\n\r\n", "|a@0-10;|b@11-21;");
    expect("data: a\rdata: b\r\ndata: c\n\r\n", "|a\nb\nc@0-26;");
    expect("data: a\n\r\n\n\r\r\ndata: b\n\n", "|a@0-9;|b@14-23;");
    expect("\n\n\r\r\n", "");
}

static void test_names_ids_retry(void **state)
{
    (void)state;
    expect("event: add\ndata: 1\n\nevent: x\nevent: y\ndata:2\n\n", "add|1@0-20;y|2@20-46;");
    expect("event: lost\n\ndata: 1\n\n", "|1@13-22;");
    expect("retry: 250\ndata: a\n\nretry: 2x\ndata: b\n\nretry:\ndata: c\n\n",
           "|a|retry=250@0-20;|b@20-39;|c@39-55;");
    expect("Data: no\ndata : no\n data: no\ndata: yes\n\n", "|yes@0-40;");
    expect("event:\ndata: a\n\n", "|a@0-16;");
    expect("nonsense\nfoo: bar\ndata: x: y\n\n", "|x: y@0-30;");
    check(STR_LIT("id: a\0b\ndata: 1\n\n"), 4096, NULL, STR_LIT("|1@0-17;"),
          STR_LIT("id: a\0b\ndata: 1\n\n"));
}

static void test_byte_order_mark(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf"
           "data: a\n\ndata: b\n\n",
           "|a@0-12;|b@12-21;");
    expect("\xef\xbb\xbf\n\xef\xbb\xbf"
           "data: a\ndata: b\n\n",
           "|b@4-24;");
    expect("\xef\xbb\xbf: hi\ndata: a\n\n", "|a@8-17;");
    expect("\xef\xbb"
           "data: a\ndata: b\n\n",
           "|b@0-19;");
    expect("\xef\ndata: a\n\n", "|a@0-11;");
    expect("\xef\xbb\xbf\xef\xbb\xbf"
           "data: a\n\n",
           "");
    expect("\xef\xbb\xbf", "");
    expect("\xef\xbb", "");
}

static void test_comments(void **state)
{
    (void)state;
    expect(": ping\n\n:\n:\n\ndata: a\n: in between\ndata: b\n\n: end", "|a\nb@13-43;");
    expect(": one\n: two\ndata: a\n\n", "|a@12-21;");
}

/* A heartbeat must not wait for the event behind it. */
static void test_comments_go_at_once(void **state)
{
    struct sse_reader r;
    struct log l;

    (void)state;
    log_init(&l, NULL);
    sse_reader_init(&r, 4096, &filter_ops, &l);
    sse_feed(&r, STR_LIT(": ping\n"));
    assert_true(str_eqz(buffer_str(&l.bytes), ": ping\n"));
    sse_feed(&r, STR_LIT("\n"));
    assert_true(str_eqz(buffer_str(&l.bytes), ": ping\n\n"));
    /* and only what may yet be dropped waits */
    sse_feed(&r, STR_LIT("data: a\n\nda"));
    assert_true(str_eqz(buffer_str(&l.bytes), ": ping\n\ndata: a\n\n"));
    sse_feed(&r, STR_LIT("ta: b\n"));
    assert_true(str_eqz(buffer_str(&l.bytes), ": ping\n\ndata: a\n\n"));
    sse_feed(&r, STR_LIT("\r"));
    assert_true(str_eqz(buffer_str(&l.bytes), ": ping\n\ndata: a\n\ndata: b\n\r"));
    sse_finish(&r);
    sse_reader_release(&r);
    log_release(&l);
}

static void test_dropped_events(void **state)
{
    (void)state;
    check(STR_LIT("data: a\n\ndata: hide\n\ndata: b\n\n"), 4096, "hide",
          STR_LIT("|a@0-9;|hide@9-21;|b@21-30;"), STR_LIT("data: a\n\ndata: b\n\n"));
    check(STR_LIT("data: hide\n\n"), 4096, "hide", STR_LIT("|hide@0-12;"), STR_LIT(""));
    check(STR_LIT("data: a\r\n\r\ndata: hide\r\n\r\ndata: b\r\n\r\n"), 4096, "hide",
          STR_LIT("|a@0-10;|hide@11-24;|b@25-35;"), STR_LIT("data: a\r\n\r\ndata: b\r\n\r\n"));
    check(STR_LIT(": c\n\ndata: hide\ndata: more\n\n: d\n\ndata: hide\n\n\ndata: z\n\n"), 4096,
          "hide", STR_LIT("|hide\nmore@5-28;|hide@33-45;|z@46-55;"),
          STR_LIT(": c\n\n: d\n\n\ndata: z\n\n"));
    check(STR_LIT("data: a\n\ndata: hide"), 4096, "hide", STR_LIT("|a@0-9;|hide|cut@9-19;"),
          STR_LIT("data: a\n\n"));
    check(STR_LIT("data: hide\r\rdata: b\r\r\n"), 4096, "hide", STR_LIT("|hide@0-12;|b@12-21;"),
          STR_LIT("data: b\r\r\n"));
}

static void test_ceiling(void **state)
{
    struct str text =
        STR_LIT("data: a\n\nevent: hide\ndata: hide 456789\n\ndata: hide\n\ndata: b\n\n");

    (void)state;
    /* the second is 31 bytes: it passes as it is when it may not be collected */
    check(text, 30, "hide", STR_LIT("|a@0-9;||large@9-40;|hide@40-52;|b@52-61;"),
          STR_LIT("data: a\n\nevent: hide\ndata: hide 456789\n\ndata: b\n\n"));
    check(text, 31, "hide", STR_LIT("|a@0-9;hide|hide 456789@9-40;|hide@40-52;|b@52-61;"),
          STR_LIT("data: a\n\ndata: b\n\n"));
    /* comments do not count, however long */
    check(STR_LIT(": 0123456789012345678901234567890123456789\ndata: hide\n\n"), 12, "hide",
          STR_LIT("|hide@43-55;"), STR_LIT(": 0123456789012345678901234567890123456789\n"));
    check(STR_LIT("data: 0123456789"), 10, "1", STR_LIT("||large|cut@0-16;"),
          STR_LIT("data: 0123456789"));
}

static void test_memory_is_bounded(void **state)
{
    struct sse_reader r;
    struct log l;
    char block[1000];

    (void)state;
    memset(block, 'x', sizeof(block));
    log_init(&l, NULL);
    sse_reader_init(&r, 5000, &look_ops, &l);
    sse_feed(&r, STR_LIT("data: "));
    for (int i = 0; i < 2000; i++) {
        sse_feed(&r, (struct str){block, sizeof(block)});
        assert_true(r.held.cap <= 5000 && r.join.cap <= 5000);
    }
    sse_feed(&r, STR_LIT("\n\ndata: after\n\n"));
    sse_finish(&r);
    assert_true(str_eqz(buffer_str(&l.events), "||large@0-2000008;|after@2000008-2000021;"));
    sse_reader_release(&r);
    log_release(&l);
}

static enum sse_verdict on_event_inside(void *arg, const struct sse_event *e)
{
    const struct str *piece = arg;

    assert_true(e->data.ptr >= piece->ptr && e->data.ptr + e->data.len <= piece->ptr + piece->len);
    assert_int_equal(e->data.len, 3);
    return SSE_KEEP;
}

static void test_whole_events_are_not_copied(void **state)
{
    static const struct sse_ops ops = {on_event_inside, NULL};
    struct str piece = STR_LIT("data: abc\n\nevent: e\ndata: def\n\n");
    struct sse_reader r;

    (void)state;
    sse_reader_init(&r, 100, &ops, &piece);
    sse_feed(&r, piece);
    assert_null(r.held.ptr);
    assert_null(r.join.ptr);
    sse_reader_release(&r);
    sse_reader_release(NULL);
}

static void write_check(struct str name, struct str data, const char *want, const char *event)
{
    struct buffer b;
    struct log l;

    buffer_init(&b, 4096);
    assert_true(sse_write(&b, name, data));
    if (!str_eqz(buffer_str(&b), want))
        fail_msg("'%.*s' is not '%s'", STR_ARG(buffer_str(&b)), want);
    log_init(&l, NULL);
    run(&look_ops, &l, 4096, buffer_str(&b), 3, 9);
    assert_true(str_starts(buffer_str(&l.events), str_of(event)));
    log_release(&l);
    buffer_release(&b);
}

static void test_writer(void **state)
{
    struct buffer b;

    (void)state;
    write_check(STR_NONE, STR_LIT("[DONE]"), "data: [DONE]\n\n", "|[DONE]@");
    write_check(STR_LIT("error"), STR_LIT("{}"), "event: error\ndata: {}\n\n", "error|{}@");
    write_check(STR_NONE, STR_NONE, "data: \n\n", "|@");
    write_check(STR_NONE, STR_LIT(" a\nb\r\nc\rd\n"),
                "data:  a\ndata: b\ndata: c\ndata: d\ndata: \n\n", "| a\nb\nc\nd\n@");
    buffer_init(&b, 64);
    assert_false(sse_write(&b, STR_LIT("a\nb"), STR_LIT("x")));
    assert_false(sse_write(&b, STR_LIT("a\r"), STR_LIT("x")));
    assert_int_equal(b.len, 0);
    assert_true(sse_write_comment(&b, STR_LIT("a\nb\r\nc")));
    assert_true(str_eqz(buffer_str(&b), ": a b  c\n\n"));
    buffer_clear(&b);
    assert_true(sse_write_comment(&b, STR_NONE));
    assert_true(str_eqz(buffer_str(&b), ": \n\n"));
    buffer_release(&b);
    buffer_init(&b, 10);
    assert_false(sse_write(&b, STR_NONE, STR_LIT("0123456789")));
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_the_standard),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_names_ids_retry),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_comments_go_at_once),
        cmocka_unit_test(test_dropped_events),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_whole_events_are_not_copied),
        cmocka_unit_test(test_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
