/* Promises of common/rules/price.h: sums, rounding, tiers, stand-ins, saturation; texts of prices.
 * Every expected number was worked out by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rules/price.h"

#define GPT "{\"token_in\":2500000,\"token_out\":10000000,\"token_cached\":1250000}"
#define CLAUDE                                                              \
    "{\"token_in\":3000000,\"token_out\":15000000,\"token_cached\":300000," \
    "\"cache_write_5m\":3750000,\"cache_write_1h\":6000000,\"search\":10000000000}"
#define GEMINI                                                                            \
    "{\"token_in\":{\"price\":1250000,\"tiers\":[{\"above\":200000,\"price\":2500000}]}," \
    "\"token_out\":{\"price\":10000000,\"tiers\":[{\"above\":200000,\"price\":15000000}]}}"
#define TIERS                                                                 \
    "{\"token_in\":{\"price\":1000,\"tiers\":[{\"above\":10,\"price\":2000}," \
    "{\"above\":20,\"price\":3000},{\"above\":30,\"price\":4000},{\"above\":40,\"price\":5000}]}}"
#define INPUTS "{\"token_in\":1000,\"token_out\":9000}"
#define CACHED "{\"token_in\":1000,\"token_cached\":100}"
#define AUDIO                                                                                     \
    "{\"token_in\":1000,\"token_out\":2000,\"audio_in\":30000,\"audio_out\":60000,"               \
    "\"audio_cached\":300,\"image_in\":5000,\"image_out\":7000,\"image_cached\":50,\"video_in\":" \
    "11000}"
#define ONE "{\"token_in\":1}"
#define FREE "{\"token_in\":0,\"token_out\":0}"
#define REASON "{\"token_in\":1000,\"token_out\":2000,\"token_reasoning\":3000}"
#define PIECES                                                                        \
    "{\"image\":40000000000,\"second\":30833333,\"pixel\":19,\"request\":5000000000," \
    "\"search\":10000000000,\"character\":15000000,\"page\":4000000000}"
#define HUGE_PRICE "{\"token_in\":18446744073709551615,\"token_out\":18446744073709551615}"

static const struct cost_case {
    const char *prices;
    uint64_t prompt;
    struct {
        enum price_unit unit;
        uint64_t quantity;
    } lines[4];
    uint64_t want; /* nano-USD */
} cases[] = {
    /* plain sums */
    {GPT, 0, {{PRICE_NONE, 0}}, 0},
    {GPT, 1, {{PRICE_TOKEN_IN, 1}}, 2500},
    {GPT, 1, {{PRICE_TOKEN_OUT, 1}}, 10000},
    {GPT, 1000000, {{PRICE_TOKEN_IN, 1000000}}, 2500000000},
    {GPT, 1000000, {{PRICE_TOKEN_OUT, 1000000}}, 10000000000},
    {GPT, 12, {{PRICE_TOKEN_IN, 12}, {PRICE_TOKEN_OUT, 7}}, 100000},
    {GPT, 100, {{PRICE_TOKEN_IN, 60}, {PRICE_TOKEN_CACHED, 40}, {PRICE_TOKEN_OUT, 5}}, 250000},
    {CLAUDE, 100, {{PRICE_TOKEN_IN, 100}, {PRICE_TOKEN_OUT, 10}}, 450000},
    {CLAUDE, 100, {{PRICE_TOKEN_CACHED, 100}}, 30000},
    {CLAUDE, 100, {{PRICE_CACHE_WRITE_5M, 100}}, 375000},
    {CLAUDE, 100, {{PRICE_CACHE_WRITE_1H, 100}}, 600000},
    {CLAUDE, 100, {{PRICE_SEARCH, 3}}, 30000000},
    {CLAUDE,
     400,
     {{PRICE_TOKEN_IN, 100},
      {PRICE_TOKEN_CACHED, 100},
      {PRICE_CACHE_WRITE_5M, 100},
      {PRICE_CACHE_WRITE_1H, 100}},
     1305000},
    {FREE, 100, {{PRICE_TOKEN_IN, 100}, {PRICE_TOKEN_OUT, 100}}, 0},
    {FREE, 100, {{PRICE_TOKEN_CACHED, 100}}, 0},
    /* rounding: half up, once over the sum */
    {ONE, 0, {{PRICE_TOKEN_IN, 0}}, 0},
    {ONE, 0, {{PRICE_TOKEN_IN, 499}}, 0},
    {ONE, 0, {{PRICE_TOKEN_IN, 500}}, 1},
    {ONE, 0, {{PRICE_TOKEN_IN, 501}}, 1},
    {ONE, 0, {{PRICE_TOKEN_IN, 999}}, 1},
    {ONE, 0, {{PRICE_TOKEN_IN, 1000}}, 1},
    {ONE, 0, {{PRICE_TOKEN_IN, 1499}}, 1},
    {ONE, 0, {{PRICE_TOKEN_IN, 1500}}, 2},
    {ONE, 0, {{PRICE_TOKEN_IN, 250}, {PRICE_TOKEN_IN, 250}}, 1},
    {ONE, 0, {{PRICE_TOKEN_IN, 400}, {PRICE_TOKEN_IN, 400}, {PRICE_TOKEN_IN, 400}}, 1},
    {ONE, 0, {{PRICE_TOKEN_IN, 166}, {PRICE_TOKEN_IN, 166}, {PRICE_TOKEN_IN, 167}}, 0},
    {ONE, 0, {{PRICE_TOKEN_IN, 167}, {PRICE_TOKEN_IN, 166}, {PRICE_TOKEN_IN, 167}}, 1},
    /* tiers: by the whole prompt, above and not at the border, all lines of the request */
    {GEMINI, 1, {{PRICE_TOKEN_IN, 1}}, 1250},
    {GEMINI, 199999, {{PRICE_TOKEN_IN, 199999}}, 249998750},
    {GEMINI, 200000, {{PRICE_TOKEN_IN, 200000}}, 250000000},
    {GEMINI, 200001, {{PRICE_TOKEN_IN, 200001}}, 500002500},
    {GEMINI, 200000, {{PRICE_TOKEN_OUT, 100}}, 1000000},
    {GEMINI, 200001, {{PRICE_TOKEN_OUT, 100}}, 1500000},
    {GEMINI, 300000, {{PRICE_TOKEN_IN, 100000}, {PRICE_TOKEN_CACHED, 200000}}, 750000000},
    {GEMINI, UINT64_MAX, {{PRICE_TOKEN_IN, 1}}, 2500},
    {TIERS, 10, {{PRICE_TOKEN_IN, 1}}, 1},
    {TIERS, 11, {{PRICE_TOKEN_IN, 1}}, 2},
    {TIERS, 20, {{PRICE_TOKEN_IN, 1}}, 2},
    {TIERS, 21, {{PRICE_TOKEN_IN, 1}}, 3},
    {TIERS, 31, {{PRICE_TOKEN_IN, 1}}, 4},
    {TIERS, 40, {{PRICE_TOKEN_IN, 1}}, 4},
    {TIERS, 41, {{PRICE_TOKEN_IN, 1}}, 5},
    {TIERS, 1000, {{PRICE_TOKEN_IN, 10}, {PRICE_AUDIO_IN, 10}}, 100},
    /* stand-ins */
    {INPUTS, 0, {{PRICE_TOKEN_CACHED, 7}}, 7},
    {INPUTS, 0, {{PRICE_CACHE_WRITE_5M, 7}}, 7},
    {INPUTS, 0, {{PRICE_CACHE_WRITE_1H, 7}}, 7},
    {INPUTS, 0, {{PRICE_AUDIO_IN, 7}}, 7},
    {INPUTS, 0, {{PRICE_IMAGE_IN, 7}}, 7},
    {INPUTS, 0, {{PRICE_VIDEO_IN, 7}}, 7},
    {INPUTS, 0, {{PRICE_AUDIO_OUT, 7}}, 63},
    {INPUTS, 0, {{PRICE_IMAGE_OUT, 7}}, 63},
    {INPUTS, 0, {{PRICE_AUDIO_CACHED, 7}}, 7},
    {INPUTS, 0, {{PRICE_IMAGE_CACHED, 7}}, 7},
    {CACHED, 0, {{PRICE_AUDIO_CACHED, 70}}, 7},
    {CACHED, 0, {{PRICE_IMAGE_CACHED, 70}}, 7},
    {CACHED, 0, {{PRICE_CACHE_WRITE_5M, 70}}, 70},
    {CACHED, 0, {{PRICE_TOKEN_OUT, 70}}, 0},
    {CACHED, 0, {{PRICE_AUDIO_OUT, 70}}, 0},
    {INPUTS, 0, {{PRICE_TOKEN_REASONING, 70}}, 0},
    {INPUTS, 0, {{PRICE_IMAGE, 7}, {PRICE_SECOND, 7}, {PRICE_REQUEST, 7}, {PRICE_SEARCH, 7}}, 0},
    {INPUTS, 0, {{PRICE_PIXEL, 7}, {PRICE_CHARACTER, 7}, {PRICE_PAGE, 7}}, 0},
    /* prices of their own beat stand-ins */
    {AUDIO, 0, {{PRICE_AUDIO_IN, 10}}, 300},
    {AUDIO, 0, {{PRICE_AUDIO_OUT, 10}}, 600},
    {AUDIO, 0, {{PRICE_AUDIO_CACHED, 10}}, 3},
    {AUDIO, 0, {{PRICE_IMAGE_IN, 10}}, 50},
    {AUDIO, 0, {{PRICE_IMAGE_OUT, 10}}, 70},
    {AUDIO, 0, {{PRICE_IMAGE_CACHED, 100}}, 5},
    {AUDIO, 0, {{PRICE_VIDEO_IN, 10}}, 110},
    {REASON, 0, {{PRICE_TOKEN_OUT, 10}, {PRICE_TOKEN_REASONING, 10}}, 50},
    /* what is not counted in tokens */
    {PIECES, 0, {{PRICE_IMAGE, 2}}, 80000000},
    {PIECES, 0, {{PRICE_SECOND, 3600}}, 110999999},
    {PIECES, 0, {{PRICE_PIXEL, 1048576}}, 19923},
    {PIECES, 0, {{PRICE_REQUEST, 1}}, 5000000},
    {PIECES, 0, {{PRICE_SEARCH, 5}}, 50000000},
    {PIECES, 0, {{PRICE_CHARACTER, 1000}}, 15000000},
    {PIECES, 0, {{PRICE_PAGE, 12}}, 48000000},
    /* large numbers: 128 bits inside, saturated outside */
    {GPT, 0, {{PRICE_TOKEN_IN, UINT64_MAX}}, UINT64_MAX},
    {ONE, 0, {{PRICE_TOKEN_IN, UINT64_MAX}}, 18446744073709552u},
    {HUGE_PRICE, 0, {{PRICE_TOKEN_IN, 1}}, 18446744073709552u},
    {HUGE_PRICE, 0, {{PRICE_TOKEN_IN, 1000}}, UINT64_MAX},
    {HUGE_PRICE, 0, {{PRICE_TOKEN_IN, 999}, {PRICE_TOKEN_OUT, 1}}, UINT64_MAX},
    {HUGE_PRICE, 0, {{PRICE_TOKEN_IN, 998}, {PRICE_TOKEN_OUT, 1}}, 18428297329635842063u},
    {HUGE_PRICE, 0, {{PRICE_TOKEN_IN, UINT64_MAX}, {PRICE_TOKEN_OUT, UINT64_MAX}}, UINT64_MAX},
};

static void costs_are_exact(void **state)
{
    (void)state;
    assert_true(sizeof(cases) / sizeof(cases[0]) >= 60);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct price_list prices;
        struct price_line lines[4] = {{.unit = PRICE_NONE}};
        struct error err = ERROR_INIT;
        assert_true(price_list_parse(str_of(cases[i].prices), &prices, &err));
        for (size_t n = 0; n < 4; n++) {
            lines[n].unit = cases[i].lines[n].unit;
            lines[n].quantity = cases[i].lines[n].quantity;
        }
        uint64_t got = price_lines(&prices, cases[i].prompt, lines, 4);
        if (got != cases[i].want) {
            fail_msg("case %zu: %llu, not %llu", i, (unsigned long long)got,
                     (unsigned long long)cases[i].want);
        }
    }
}

static void lines_tell_the_price_that_was_applied(void **state)
{
    (void)state;
    struct price_list prices;
    struct price_line lines[] = {{PRICE_TOKEN_CACHED, 5, 77},
                                 {PRICE_TOKEN_OUT, 1, 77},
                                 {PRICE_TOKEN_REASONING, 9, 77},
                                 {(enum price_unit)99, 9, 77}};
    struct error err = ERROR_INIT;
    assert_true(price_list_parse(STR_LIT(GEMINI), &prices, &err));
    assert_int_equal(price_lines(&prices, 200001, lines, 4), 12500 + 15000);
    assert_int_equal(lines[0].picousd, 2500000);
    assert_int_equal(lines[1].picousd, 15000000);
    assert_int_equal(lines[2].picousd, 0);
    assert_int_equal(lines[3].picousd, 0);
    assert_int_equal(price_lines(&prices, 1, NULL, 0), 0);
}

static void reasoning_is_split_only_where_it_has_a_price(void **state)
{
    (void)state;
    struct price_list prices;
    struct error err = ERROR_INIT;
    assert_true(price_list_parse(STR_LIT(REASON), &prices, &err));
    assert_true(price_splits_reasoning(&prices));
    assert_true(price_list_parse(STR_LIT(GPT), &prices, &err));
    assert_false(price_splits_reasoning(&prices));
}

static void units_have_one_name_each(void **state)
{
    (void)state;
    for (int u = PRICE_NONE + 1; u < PRICE_UNIT_COUNT; u++) {
        const char *name = price_unit_name((enum price_unit)u);
        assert_true(name[0] != '\0');
        assert_int_equal(price_unit_named(str_of(name)), u);
    }
    assert_int_equal(price_unit_named(STR_LIT("")), PRICE_NONE);
    assert_int_equal(price_unit_named(STR_LIT("TOKEN_IN")), PRICE_NONE);
    assert_string_equal(price_unit_name((enum price_unit)99), "");
}

static void bad_prices_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *json, *param;
    } bad[] = {
        {"", ""},
        {"[]", ""},
        {"{\"token_in\":1", ""},
        {"{\"tokens\":1}", ""},
        {"{\"token_in\":-1}", "token_in"},
        {"{\"token_in\":2.5}", "token_in"},
        {"{\"token_in\":1e6}", "token_in"},
        {"{\"token_in\":\"2500000\"}", "token_in"},
        {"{\"token_in\":null}", "token_in"},
        {"{\"token_in\":18446744073709551616}", "token_in"},
        {"{\"token_in\":1,\"token_in\":2}", "token_in"},
        {"{\"token_out\":{}}", "token_out"},
        {"{\"token_out\":{\"price\":1,\"tiers\":{}}}", "token_out"},
        {"{\"token_out\":{\"price\":1,\"tiers\":[1]}}", "token_out"},
        {"{\"token_out\":{\"price\":1,\"tiers\":[{\"above\":5}]}}", "token_out"},
        {"{\"token_out\":{\"price\":1,\"tiers\":[{\"above\":5,\"price\":0.5}]}}", "token_out"},
        {"{\"token_out\":{\"price\":1,\"tiers\":[{\"above\":5,\"price\":2},{\"above\":5,\"price\":"
         "3}]"
         "}}",
         "token_out"},
        {"{\"token_out\":{\"price\":1,\"tiers\":[{\"above\":1,\"price\":1},{\"above\":2,\"price\":"
         "1},"
         "{\"above\":3,\"price\":1},{\"above\":4,\"price\":1},{\"above\":5,\"price\":1}]}}",
         "token_out"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct price_list prices = {.units[PRICE_PAGE] = {.known = true, .picousd = 42}};
        struct error err = ERROR_INIT;
        assert_false(price_list_parse(str_of(bad[i].json), &prices, &err));
        assert_int_not_equal(err.code, ERR_NONE);
        assert_string_equal(err.param, bad[i].param);
        assert_int_equal(prices.units[PRICE_PAGE].picousd, 42); /* untouched */
    }
}

static void writing_is_the_reverse_of_reading(void **state)
{
    (void)state;
    static const char *const texts[] = {GPT, GEMINI, TIERS, FREE, "{}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct price_list prices, again;
        struct error err = ERROR_INIT;
        struct buffer b;
        struct json_writer w;
        buffer_init(&b, 4096);
        json_writer_init(&w, &b);
        assert_true(price_list_parse(str_of(texts[i]), &prices, &err));
        price_list_write(&prices, &w);
        assert_false(b.failed);
        assert_true(str_eqz(buffer_str(&b), texts[i]));
        assert_true(price_list_parse(buffer_str(&b), &again, &err));
        assert_true(price_list_equal(&prices, &again));
        again.units[PRICE_TOKEN_IN].picousd++;
        assert_false(price_list_equal(&prices, &again));
        buffer_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_exact),
        cmocka_unit_test(lines_tell_the_price_that_was_applied),
        cmocka_unit_test(reasoning_is_split_only_where_it_has_a_price),
        cmocka_unit_test(units_have_one_name_each),
        cmocka_unit_test(bad_prices_are_named),
        cmocka_unit_test(writing_is_the_reverse_of_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
