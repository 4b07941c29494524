/* The price engine against its table of cases, and the bound that no call may pass. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rules/price_cases.h"

#define N_CASES (sizeof(price_cases) / sizeof(price_cases[0]))

static size_t lines_of(const struct price_case *c, struct price_line lines[PRICE_CASE_LINES])
{
    size_t n = 0;
    for (; n < PRICE_CASE_LINES && c->lines[n].unit != PRICE_NONE; n++) {
        lines[n] = (struct price_line){.unit = c->lines[n].unit, .quantity = c->lines[n].quantity};
    }
    return n;
}

static void every_case_comes_to_its_sum(void **state)
{
    (void)state;
    assert_true(N_CASES >= 200);
    for (size_t i = 0; i < N_CASES; i++) {
        const struct price_case *c = &price_cases[i];
        struct price_line lines[PRICE_CASE_LINES];
        struct price_list prices;
        struct error err = ERROR_INIT;
        uint64_t list = 0;
        size_t n = lines_of(c, lines);
        assert_true(price_list_parse(str_of(c->prices), &prices, &err));
        uint64_t got = price_lines_ratio(&prices, c->prompt, lines, n, c->ratio_ppm, &list);
        if (got != c->want || list != c->list) {
            fail_msg("case %zu: %llu of %llu, not %llu of %llu", i, (unsigned long long)got,
                     (unsigned long long)list, (unsigned long long)c->want,
                     (unsigned long long)c->list);
        }
        assert_int_equal(price_lines(&prices, c->prompt, lines, n), c->list);
    }
}

static void cases_cover_every_unit(void **state)
{
    bool seen[PRICE_UNIT_COUNT] = {false};
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        for (size_t k = 0; k < PRICE_CASE_LINES; k++) {
            seen[price_cases[i].lines[k].unit] = true;
        }
    }
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        if (!seen[u]) {
            fail_msg("no case has %s", price_unit_name((enum price_unit)u));
        }
    }
}

/* --- the bound --- */

static uint64_t seed;

/* xorshift64*: the same numbers every time */
static uint64_t some(uint64_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 2685821657736338717u % below;
}

static struct price some_price(void)
{
    struct price p = {.known = some(3) > 0, .picousd = some(4) ? some(100000000) : some(2)};
    uint64_t above = 0;
    if (!p.known) {
        return (struct price){.known = false};
    }
    p.n_tiers = some(3) ? 0 : (unsigned)some(PRICE_TIERS + 1);
    for (unsigned i = 0; i < p.n_tiers; i++) {
        above += 1 + some(400);
        p.tiers[i] = (struct price_tier){.above = above, .picousd = some(100000000)};
    }
    return p;
}

/* Splits a number of tokens over the kinds that there are, at random. */
static size_t split(struct price_line *lines, size_t n, bool input, uint64_t tokens)
{
    for (unsigned u = 1; u < PRICE_UNIT_COUNT && tokens > 0; u++) {
        enum price_unit unit = (enum price_unit)u;
        if ((input ? price_unit_input(unit) : price_unit_output(unit)) && some(2)) {
            uint64_t part = some(tokens + 1);
            lines[n++] = (struct price_line){.unit = unit, .quantity = part};
            tokens -= part;
        }
    }
    return n;
}

static uint64_t prompt_of(const struct price_line *lines, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += price_unit_input(lines[i].unit) ? lines[i].quantity : 0;
    }
    return sum;
}

static void no_call_passes_its_bound(void **state)
{
    static const uint64_t ratios[] = {0, 1, 100000, 800000, 999999, 1000000, 1250000, 1000000000};
    (void)state;
    seed = 20261122;
    for (int round = 0; round < 20000; round++) {
        struct price_list prices = {.units = {{.known = false}}};
        struct price_line lines[PRICE_UNIT_COUNT + 2], pieces[2];
        for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
            prices.units[u] = some_price();
        }
        uint64_t in = some(2000), out = some(2000), ppm = ratios[some(8)];
        pieces[0] = (struct price_line){.unit = PRICE_REQUEST, .quantity = 1};
        pieces[1] = (struct price_line){.unit = PRICE_SEARCH, .quantity = some(4)};
        uint64_t bound = price_bound(&prices, in, out, pieces, 2, ppm);
        size_t n = split(lines, 0, true, in);
        n = split(lines, n, false, out);
        lines[n++] = pieces[0];
        lines[n++] =
            (struct price_line){.unit = PRICE_SEARCH, .quantity = some(pieces[1].quantity + 1)};
        uint64_t cost = price_lines_ratio(&prices, prompt_of(lines, n), lines, n, ppm, NULL);
        if (cost > bound) {
            fail_msg("round %d: %llu is more than %llu", round, (unsigned long long)cost,
                     (unsigned long long)bound);
        }
    }
}

/* A bound that is never reached would keep budgets from being used. */
static void the_bound_is_the_dearest_call(void **state)
{
    struct price_list prices;
    struct error err = ERROR_INIT;
    struct price_line request = {.unit = PRICE_REQUEST, .quantity = 1};
    (void)state;
    assert_true(price_list_parse(STR_LIT(GPT_4O), &prices, &err));
    /* 1000 x 2.50 + 500 x 10 USD a million */
    assert_int_equal(price_bound(&prices, 1000, 500, &request, 1, 1000000), 7500000);
    assert_int_equal(price_bound(&prices, 1000, 500, &request, 1, 800000), 6000000);
    assert_true(price_list_parse(STR_LIT(SONNET), &prices, &err));
    /* written for an hour: 6 USD a million, above 200,000 tokens 12; output 15 and 22.50 */
    assert_int_equal(price_bound(&prices, 1000, 100, NULL, 0, 1000000), 6000000 + 1500000);
    assert_int_equal(price_bound(&prices, 200000, 100, NULL, 0, 1000000), 1200000000 + 1500000);
    assert_int_equal(price_bound(&prices, 200001, 100, NULL, 0, 1000000), 2400012000 + 2250000);
    assert_true(price_list_parse(STR_LIT(STEPS), &prices, &err));
    /* the third tier is cheaper than the second, which a shorter prompt may fall into: 3 nano-USD
     */
    assert_int_equal(price_bound(&prices, 35, 0, NULL, 0, 1000000), 105);
    assert_true(price_list_parse(STR_LIT(SONAR_RESEARCH), &prices, &err));
    assert_int_equal(price_bound(&prices, 0, 1000, NULL, 0, 1000000), 8000000);
    assert_true(price_list_parse(STR_LIT(SONAR), &prices, &err));
    assert_int_equal(price_bound(&prices, 10, 10, &request, 1, 1000000), 5020000);
    assert_true(price_list_parse(STR_LIT(HUGE), &prices, &err));
    assert_true(price_bound(&prices, UINT64_MAX, 1, NULL, 0, 1000000) == UINT64_MAX);
    assert_int_equal(price_bound(&prices, UINT64_MAX, UINT64_MAX, NULL, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_comes_to_its_sum),
        cmocka_unit_test(cases_cover_every_unit),
        cmocka_unit_test(no_call_passes_its_bound),
        cmocka_unit_test(the_bound_is_the_dearest_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
