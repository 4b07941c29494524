/* Any text as a price book. What must hold: one that is refused says why; one that is taken does
 * the same to the same prices each time, leaves tiers in their order, and no call in any service
 * tier that it names costs more than the bound of the prices that it makes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/rules/price_book.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIST                                                                              \
    "{\"token_in\":{\"price\":1250000,\"tiers\":[{\"above\":200000,\"price\":2500000}]}," \
    "\"token_out\":10000000,\"token_cached\":310000,\"search\":35000000000}"

static void check_prices(const struct price_list *p)
{
    struct price_line lines[] = {{.unit = PRICE_TOKEN_IN, .quantity = 150000},
                                 {.unit = PRICE_CACHE_WRITE_1H, .quantity = 50001},
                                 {.unit = PRICE_TOKEN_OUT, .quantity = 1000},
                                 {.unit = PRICE_REQUEST, .quantity = 1}};
    struct price_line request = {.unit = PRICE_REQUEST, .quantity = 1};
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        assert(p->units[u].n_tiers <= PRICE_TIERS);
        for (unsigned i = 1; i < p->units[u].n_tiers; i++) {
            assert(p->units[u].tiers[i - 1].above < p->units[u].tiers[i].above);
        }
    }
    uint64_t cost = price_lines_ratio(p, 200001, lines, 4, 800000, NULL);
    assert(cost <= price_bound(p, 200001, 1000, &request, 1, 800000));
}

static void apply(const struct price_book *b, struct str tier, int64_t at_s)
{
    struct price_query q = {.provider = STR_LIT("openai"),
                            .kind = STR_LIT("openai"),
                            .model = STR_LIT("gpt-4o"),
                            .called = STR_LIT("fast"),
                            .service_tier = tier,
                            .at_s = at_s};
    struct price_list one, two;
    struct error err = ERROR_INIT;
    bool priced = true, again = true;
    assert(price_list_parse(STR_LIT(LIST), &one, &err));
    two = one;
    price_book_apply(b, &q, &one, &priced);
    price_book_apply(b, &q, &two, &again);
    assert(priced && again && price_list_equal(&one, &two));
    check_prices(&one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t times[] = {0, 1764072000, 1795564800, -86400, 253402300799};
    struct price_book *b = NULL;
    struct error err = ERROR_INIT;
    const struct str *tiers;
    if (!price_book_new((struct str){(const char *)data, size}, &b, &err)) {
        assert(err.code != ERR_NONE && !b);
        return 0;
    }
    size_t n = price_book_tiers(b, &tiers);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        apply(b, STR_LIT(""), times[i]);
        for (size_t k = 0; k < n; k++) {
            assert(tiers[k].len > 0 && tiers[k].len < 32);
            apply(b, tiers[k], times[i]);
        }
    }
    price_book_free(b);
    return 0;
}
