/* The writer: commas, escapes, and that its output is always strict JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json.h"

static void expect(struct buffer *b, const char *want)
{
    assert_false(b->failed);
    if (!str_eqz(buffer_str(b), want))
        fail_msg("'%.*s' is not '%s'", STR_ARG(buffer_str(b)), want);
    buffer_release(b);
}

static void test_nesting_and_commas(void **state)
{
    struct json_writer w;
    struct buffer b;

    (void)state;
    buffer_init(&b, 4096);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_str(&w, "a", STR_LIT("x"));
    json_field_z(&w, "z", NULL);
    json_field_u64(&w, "u", UINT64_MAX);
    json_field_i64(&w, "i", INT64_MIN);
    json_field_i64(&w, "j", 7);
    json_field_bool(&w, "t", true);
    json_field_bool(&w, "f", false);
    json_name(&w, "list");
    json_array_begin(&w);
    json_array_begin(&w);
    json_array_end(&w);
    json_object_begin(&w);
    json_object_end(&w);
    json_put_null(&w);
    json_put_z(&w, "");
    json_put_raw(&w, STR_LIT("{\"r\":[1]}"));
    json_put_raw(&w, STR_NONE);
    json_array_end(&w);
    json_name(&w, "o");
    json_object_begin(&w);
    json_name(&w, "p");
    json_put_u64(&w, 0);
    json_object_end(&w);
    json_object_end(&w);
    expect(&b,
           "{\"a\":\"x\",\"z\":null,\"u\":18446744073709551615,\"i\":-9223372036854775808,\"j\":7,"
           "\"t\":true,\"f\":false,\"list\":[[],{},null,\"\",{\"r\":[1]},null],\"o\":{\"p\":0}}");
}

static void test_strings(void **state)
{
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        {STR_LIT(""), "\"\""},
        {STR_LIT("a\"b\\c/d"), "\"a\\\"b\\\\c/d\""},
        {STR_LIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {STR_LIT("\0\x01\x0b\x1f\x7f"), "\"\\u0000\\u0001\\u000b\\u001f\x7f\""},
        {STR_LIT("\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80"),
         "\"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\""},
        {STR_LIT("a\xff"), "\"a\xef\xbf\xbd\""},
        {STR_LIT("\xed\xa0\x80z"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\""},
        {STR_LIT("\xe4\xb8"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {STR_LIT("0123456789abcdef0123456789abcdef\n0123456789abcdef"),
         "\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_writer w;
        struct buffer b;

        buffer_init(&b, 4096);
        json_writer_init(&w, &b);
        json_put_str(&w, rows[i].in);
        expect(&b, rows[i].want);
    }
}

/* Any bytes at all come out as strict JSON, and UTF-8 comes back as it went in. */
static void test_round_trip_of_any_bytes(void **state)
{
    uint64_t seed = 88172645463325252ULL;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        char in[80], back[400];
        size_t n = (size_t)(seed % sizeof(in)), len = 0;
        struct json_writer w;
        struct json_value v;
        struct buffer b;
        bool ascii = true;

        for (size_t i = 0; i < n; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            in[i] = (char)(round % 2 == 0 ? seed : seed & 0x7f);
            ascii = ascii && (in[i] & 0x80) == 0;
        }
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        buffer_init(&b, 4096);
        json_writer_init(&w, &b);
        json_put_str(&w, (struct str){in, n});
        assert_false(b.failed);
        assert_true(json_validate(buffer_str(&b), 0, &v, NULL));
        assert_true(json_unescape(v, back, sizeof(back), &len));
        if (ascii) {
            assert_int_equal(len, n);
            assert_memory_equal(back, in, n);
        }
        buffer_release(&b);
    }
}

static void test_values_at_top_level_stand_alone(void **state)
{
    struct json_writer w;
    struct buffer b;

    (void)state;
    buffer_init(&b, 4096);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_object_end(&w);
    (void)buffer_append(&b, "\n", 1);
    json_array_begin(&w);
    json_array_end(&w);
    expect(&b, "{}\n[]");
}

static void test_misuse_fails(void **state)
{
    struct json_writer w;
    struct buffer b;

    (void)state;
    buffer_init(&b, 4096);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_name(&w, "a");
    json_object_end(&w);
    assert_true(b.failed);
    buffer_clear(&b);
    json_writer_init(&w, &b);
    json_array_end(&w);
    assert_true(b.failed);
    buffer_clear(&b);
    json_writer_init(&w, &b);
    for (int i = 0; i < 62; i++)
        json_array_begin(&w);
    assert_false(b.failed);
    json_array_begin(&w);
    json_array_begin(&w);
    assert_true(b.failed);
    buffer_release(&b);
}

static void test_ceiling_of_the_buffer(void **state)
{
    struct json_writer w;
    struct buffer b;

    (void)state;
    buffer_init(&b, 16);
    json_writer_init(&w, &b);
    json_array_begin(&w);
    for (int i = 0; i < 10; i++)
        json_put_z(&w, "abc");
    json_array_end(&w);
    assert_true(b.failed);
    assert_true(b.len <= 16);
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting_and_commas),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_round_trip_of_any_bytes),
        cmocka_unit_test(test_values_at_top_level_stand_alone),
        cmocka_unit_test(test_misuse_fails),
        cmocka_unit_test(test_ceiling_of_the_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
