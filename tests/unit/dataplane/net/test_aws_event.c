/* net/aws_event.c: frames in any pieces, and what is wrong with broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/crypto.h"
#include "dataplane/net/aws_event.h"

struct log {
    struct buffer text; /* "kind type content-type payload|" per event */
};

static void on_event(void *arg, const struct aws_event *e)
{
    struct log *l = arg;
    (void)buffer_printf(&l->text, "%d %.*s %.*s %.*s %.*s|", (int)e->kind, STR_ARG(e->type),
                        STR_ARG(e->content_type), STR_ARG(e->message), STR_ARG(e->payload));
}

/* Reads `text` in pieces of n bytes; the log's text must be released. */
static enum aws_event_fault read_in(struct str text, size_t n, size_t max, struct log *l)
{
    struct aws_event_reader r;
    buffer_init(&l->text, 1 << 20);
    aws_event_reader_init(&r, max, on_event, l);
    for (size_t at = 0; at < text.len; at += n) {
        (void)aws_event_feed(&r, str_slice(text, at, n));
    }
    (void)aws_event_finish(&r);
    enum aws_event_fault fault = aws_event_fault(&r);
    aws_event_reader_release(&r);
    return fault;
}

static void check(struct str text, size_t n, enum aws_event_fault fault, const char *events)
{
    struct log l;
    assert_int_equal(read_in(text, n, 0, &l), fault);
    assert_int_equal(l.text.len, strlen(events));
    assert_memory_equal(l.text.ptr ? l.text.ptr : "", events, l.text.len);
    buffer_release(&l.text);
}

static const char three[] = "0 messageStart application/json  {\"role\":\"assistant\"}|"
                            "0 empty   |"
                            "1 throttlingException application/json  {\"message\":\"slow\"}|";

static void three_frames(struct buffer *b)
{
    buffer_init(b, 1 << 20);
    assert_true(aws_event_write(b, STR_LIT("messageStart"), STR_LIT("application/json"),
                                STR_LIT("{\"role\":\"assistant\"}")));
    assert_true(aws_event_write(b, STR_LIT("empty"), STR_NONE, STR_NONE));
    assert_true(
        aws_exception_write(b, STR_LIT("throttlingException"), STR_LIT("{\"message\":\"slow\"}")));
}

static void any_split_gives_the_same_events(void **state)
{
    (void)state;
    struct buffer b;
    three_frames(&b);
    for (size_t n = 1; n <= b.len; n++) {
        check(buffer_str(&b), n, AWS_FAULT_NONE, three);
    }
    buffer_release(&b);
}

/* Built by hand, header by header: every type of value, and the names of an unmodelled error. */
static void frame_of_all_header_types_is_read(void **state)
{
    (void)state;
    static const char headers[] = "\4true\0"
                                  "\5false\1"
                                  "\2u8\2\x7f"
                                  "\3i16\3\1\2"
                                  "\3i32\4\1\2\3\4"
                                  "\3i64\5\1\2\3\4\5\6\7\x08"
                                  "\3bin\6\0\3abc"
                                  "\4time\x08\1\2\3\4\5\6\7\x08"
                                  "\4uuid\x09\1\2\3\4\5\6\7\x08\1\2\3\4\5\6\7\x08"
                                  "\15:message-type\7\0\5error"
                                  "\13:error-code\7\0\4Oops"
                                  "\16:error-message\7\0\3bad";
    char frame[256];
    size_t n = sizeof(headers) - 1, total = n + 16;
    memset(frame, 0, sizeof(frame));
    frame[3] = (char)total;
    frame[7] = (char)n;
    memcpy(frame + 12, headers, n);
    for (int i = 0; i < 2; i++) {
        size_t at = i ? total - 4 : 8;
        uint32_t sum = crypto_crc32(0, frame, at);
        for (int k = 0; k < 4; k++) {
            frame[at + (size_t)k] = (char)(sum >> (24 - 8 * k));
        }
    }
    assert_true(total < 256);
    check((struct str){frame, total}, 7, AWS_FAULT_NONE, "2 Oops  bad |");
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1 << 16);
    assert_true(aws_event_write(&b, STR_LIT("x"), STR_LIT("y"), STR_LIT("{\"a\":1}")));
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        struct log l;
        b.ptr[bit / 8] = (char)(b.ptr[bit / 8] ^ 1 << bit % 8);
        assert_int_not_equal(read_in(buffer_str(&b), 1 + bit % 9, 0, &l), AWS_FAULT_NONE);
        assert_int_equal(l.text.len, 0);
        buffer_release(&l.text);
        b.ptr[bit / 8] = (char)(b.ptr[bit / 8] ^ 1 << bit % 8);
    }
    check(buffer_str(&b), 3, AWS_FAULT_NONE, "0 x y  {\"a\":1}|");
    buffer_release(&b);
}

static void every_cut_is_found_and_what_came_before_is_kept(void **state)
{
    (void)state;
    struct buffer b;
    size_t ends[3];
    three_frames(&b);
    ends[0] = 0;
    ends[1] = (uint8_t)b.ptr[3];
    ends[2] = ends[1] + (uint8_t)b.ptr[ends[1] + 3];
    for (size_t cut = 1; cut < b.len; cut++) {
        bool between = cut == ends[1] || cut == ends[2];
        struct log l;
        assert_int_equal(read_in(str_slice(buffer_str(&b), 0, cut), 5, 0, &l),
                         between ? AWS_FAULT_NONE : AWS_FAULT_TRUNCATED);
        assert_true(l.text.len == 0 || memcmp(l.text.ptr, three, l.text.len) == 0);
        assert_int_equal(l.text.len > 0, cut >= ends[1]);
        buffer_release(&l.text);
    }
    buffer_release(&b);
}

static void a_broken_reader_stays_broken(void **state)
{
    (void)state;
    struct buffer b;
    struct log l;
    struct aws_event_reader r;
    three_frames(&b);
    buffer_init(&l.text, 1 << 16);
    aws_event_reader_init(&r, 0, on_event, &l);
    assert_false(aws_event_mid_frame(&r));
    assert_true(aws_event_feed(&r, str_slice(buffer_str(&b), 0, 1)));
    assert_true(aws_event_mid_frame(&r));
    assert_false(aws_event_feed(&r, STR_LIT("garbage garbage")));
    assert_int_equal(aws_event_fault(&r), AWS_FAULT_PRELUDE_CRC);
    assert_false(aws_event_feed(&r, buffer_str(&b)));
    assert_false(aws_event_finish(&r));
    assert_int_equal(l.text.len, 0);
    aws_event_reader_release(&r);
    buffer_release(&b);
}

static void ceiling_is_kept(void **state)
{
    (void)state;
    struct buffer b;
    struct log l;
    three_frames(&b);
    assert_int_equal(read_in(buffer_str(&b), 4, 64, &l), AWS_FAULT_TOO_LARGE);
    assert_int_equal(l.text.len, 0);
    buffer_release(&l.text);
    buffer_release(&b);
}

static void impossible_lengths_are_refused(void **state)
{
    (void)state;
    static const char lengths[][8] = {{0, 0, 0, 15, 0, 0, 0, 0}, {0, 0, 0, 20, 0, 0, 0, 5}};
    for (size_t i = 0; i < 2; i++) {
        char frame[20] = {0};
        memcpy(frame, lengths[i], 8);
        uint32_t sum = crypto_crc32(0, frame, 8);
        for (int k = 0; k < 4; k++) {
            frame[8 + k] = (char)(sum >> (24 - 8 * k));
        }
        check((struct str){frame, sizeof(frame)}, 6, AWS_FAULT_LENGTH, "");
    }
}

static void chunks_wrap_and_unwrap(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    static const char *const texts[] = {"{}", "{\"a\":1}", "{\"ab\":1}", "{\"abc\":1}"};
    for (size_t i = 0; i < 4; i++) {
        struct buffer b;
        struct str inner = STR_NONE;
        buffer_init(&b, 4096);
        assert_true(aws_event_chunk(&b, str_of(texts[i])));
        size_t headers = (uint8_t)b.ptr[7];
        struct str payload = str_slice(buffer_str(&b), 12 + headers, b.len - headers - 16);
        assert_true(aws_event_chunk_inner(a, payload, &inner));
        assert_true(str_eqz(inner, texts[i]));
        buffer_release(&b);
    }
    struct str inner;
    assert_true(aws_event_chunk_inner(a, STR_LIT("{\"bytes\":\"e30=\",\"p\":\"abc\"}"), &inner));
    assert_true(str_eqz(inner, "{}"));
    assert_false(aws_event_chunk_inner(a, STR_LIT("{\"bytes\":\"*\"}"), &inner));
    assert_false(aws_event_chunk_inner(a, STR_LIT("{}"), &inner));
    assert_false(aws_event_chunk_inner(a, STR_LIT("nonsense"), &inner));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_events),
        cmocka_unit_test(frame_of_all_header_types_is_read),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_cut_is_found_and_what_came_before_is_kept),
        cmocka_unit_test(a_broken_reader_stays_broken),
        cmocka_unit_test(ceiling_is_kept),
        cmocka_unit_test(impossible_lengths_are_refused),
        cmocka_unit_test(chunks_wrap_and_unwrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
