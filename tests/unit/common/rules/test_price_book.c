/* Promises of common/rules/price_book.h: which rules fit, what they make of prices, and what is
 * said of a book that cannot be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/rules/price_book.h"

#define LIST "{\"token_in\":2500000,\"token_out\":10000000,\"token_cached\":1250000}"

static struct price_book *book_of(const char *json)
{
    struct price_book *b = NULL;
    struct error err = ERROR_INIT;
    if (!price_book_new(str_of(json), &b, &err)) {
        fail_msg("%s: %s", json, error_text(&err));
    }
    return b;
}

static int64_t at(const char *time)
{
    uint64_t ms = 0;
    assert_true(clock_parse_rfc3339(str_of(time), &ms));
    return (int64_t)(ms / 1000);
}

static struct price_query query(void)
{
    return (struct price_query){.provider = STR_LIT("my-openai"),
                                .kind = STR_LIT("openai"),
                                .model = STR_LIT("gpt-4o-2024-11-20"),
                                .called = STR_LIT("fast"),
                                .at_s = at("2026-11-25T12:00:00Z")}; /* a wednesday */
}

/* What token_in costs by the book; UINT64_MAX: there is no price. */
static uint64_t price_in(const char *json, const struct price_query *q, const char *list)
{
    struct price_book *b = book_of(json);
    struct price_list prices = {.units = {{.known = false}}};
    struct error err = ERROR_INIT;
    bool priced = list != NULL;
    assert_true(!list || price_list_parse(str_of(list), &prices, &err));
    price_book_apply(b, q, &prices, &priced);
    price_book_free(b);
    return priced ? prices.units[PRICE_TOKEN_IN].picousd : UINT64_MAX;
}

static void rules_fit_by_provider_and_model(void **state)
{
    static const struct {
        const char *match;
        bool fits;
    } cases[] = {
        {"", true},
        {"\"provider\":\"my-openai\",", true},
        {"\"provider\":\"openai\",", true}, /* its kind */
        {"\"provider\":\"*\",", true},
        {"\"provider\":\"my-*\",", true},
        {"\"provider\":\"azure*\",", false},
        {"\"provider\":[\"azure\",\"openai\"],", true},
        {"\"provider\":[\"azure\",\"vertex\"],", false},
        {"\"model\":\"gpt-4o*\",", true},
        {"\"model\":\"fast\",", true}, /* as it was called */
        {"\"model\":\"gpt-4o\",", false},
        {"\"model\":[\"o3\",\"*2024*\"],", true},
        {"\"provider\":\"openai\",\"model\":\"o3\",", false},
        {"\"provider\":\"azure\",\"model\":\"gpt-4o*\",", false},
        {"\"name\":\"\\u00fc\",\"provider\":\"openai\",\"model\":\"gpt-4o*\",", true},
        {"\"provider\":null,\"model\":null,", true},
    };
    struct price_query q = query();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char json[300];
        (void)snprintf(json, sizeof(json), "{\"rules\":[{%s\"ratio\":\"2\"}]}", cases[i].match);
        uint64_t got = price_in(json, &q, LIST);
        if (got != (cases[i].fits ? 5000000u : 2500000u)) {
            fail_msg("%s: %llu", json, (unsigned long long)got);
        }
    }
}

static void rules_apply_in_their_order(void **state)
{
    struct price_query q = query();
    (void)state;
    assert_int_equal(price_in("{\"rules\":[]}", &q, LIST), 2500000);
    assert_int_equal(price_in("{\"rules\":[{\"ratio\":\"1.1\"},{\"ratio\":\"0.5\"}]}", &q, LIST),
                     1375000);
    assert_int_equal(
        price_in("{\"rules\":[{\"ratio\":0.8},{\"prices\":{\"token_in\":7}}]}", &q, LIST), 7);
    assert_int_equal(
        price_in("{\"rules\":[{\"prices\":{\"token_in\":7}},{\"ratio\":3}]}", &q, LIST), 21);
    /* a rule's own ratio is of its own prices */
    assert_int_equal(
        price_in("{\"rules\":[{\"prices\":{\"token_in\":100},\"ratio\":\"1.5\"}]}", &q, LIST), 150);
    assert_int_equal(price_in("{\"rules\":[{\"ratio\":2,\"stop\":true},{\"ratio\":2}]}", &q, LIST),
                     5000000);
    assert_int_equal(
        price_in("{\"rules\":[{\"model\":\"gpt*\",\"stop\":true},{\"ratio\":2}]}", &q, LIST),
        2500000);
    assert_int_equal(
        price_in("{\"rules\":[{\"model\":\"o3\",\"stop\":true},{\"ratio\":2}]}", &q, LIST),
        5000000);
}

static void ratios_round_each_price_half_up(void **state)
{
    struct price_query q = query();
    (void)state;
    assert_int_equal(price_in("{\"rules\":[{\"ratio\":\"0.5\"}]}", &q, "{\"token_in\":1}"), 1);
    assert_int_equal(price_in("{\"rules\":[{\"ratio\":\"0.499999\"}]}", &q, "{\"token_in\":1}"), 0);
    assert_int_equal(price_in("{\"rules\":[{\"ratio\":\"0\"}]}", &q, LIST), 0);
    assert_int_equal(
        price_in("{\"rules\":[{\"ratio\":\"1000\"}]}", &q, "{\"token_in\":18446744073709551615}"),
        UINT64_MAX);
    struct price_book *b = book_of("{\"rules\":[{\"ratio\":\"0.8\"}]}");
    struct price_list prices;
    struct error err = ERROR_INIT;
    bool priced = true;
    assert_true(price_list_parse(STR_LIT("{\"token_in\":{\"price\":10,\"tiers\":[{\"above\":5,"
                                         "\"price\":21}]}}"),
                                 &prices, &err));
    price_book_apply(b, &q, &prices, &priced);
    assert_int_equal(prices.units[PRICE_TOKEN_IN].picousd, 8);
    assert_int_equal(prices.units[PRICE_TOKEN_IN].tiers[0].picousd, 17);
    assert_int_equal(prices.units[PRICE_TOKEN_IN].tiers[0].above, 5);
    price_book_free(b);
}

static void prices_replace_all_or_only_theirs(void **state)
{
    struct price_query q = query();
    struct price_list prices;
    struct error err = ERROR_INIT;
    bool priced = true;
    (void)state;
    struct price_book *b = book_of("{\"rules\":[{\"prices\":{\"token_in\":7}}]}");
    assert_true(price_list_parse(STR_LIT(LIST), &prices, &err));
    price_book_apply(b, &q, &prices, &priced);
    assert_false(prices.units[PRICE_TOKEN_OUT].known);
    price_book_free(b);
    b = book_of("{\"rules\":[{\"prices\":{\"search\":7},\"keep_others\":true}]}");
    assert_true(price_list_parse(STR_LIT(LIST), &prices, &err));
    price_book_apply(b, &q, &prices, &priced);
    assert_int_equal(prices.units[PRICE_TOKEN_OUT].picousd, 10000000);
    assert_int_equal(prices.units[PRICE_SEARCH].picousd, 7);
    /* of a model without prices there is nothing to keep, whatever lies there */
    priced = false;
    price_book_apply(b, &q, &prices, &priced);
    assert_true(priced);
    assert_false(prices.units[PRICE_TOKEN_OUT].known);
    price_book_free(b);
    assert_int_equal(price_in("{\"rules\":[{\"ratio\":2}]}", &q, NULL), UINT64_MAX);
    assert_int_equal(price_in("{\"rules\":[{\"prices\":{\"token_in\":9}}]}", &q, NULL), 9);
}

static void service_tiers(void **state)
{
    static const char json[] =
        "{\"rules\":[{\"model\":\"gpt-4o*\",\"prices\":{\"token_in\":1000},\"service_tiers\":{"
        "\"batch\":{\"ratio\":\"0.5\"},\"Priority\":{\"prices\":{\"token_in\":1700}}}},"
        "{\"service_tier\":[\"flex\",\"scale\"],\"ratio\":\"0.1\"},"
        "{\"service_tier\":\"default\",\"ratio\":\"3\"}]}";
    static const struct {
        const char *tier;
        uint64_t want;
    } cases[] = {{"", 3000},          {"default", 3000},
                 {"standard", 3000},  {"auto", 3000},
                 {"batch", 500},      {"BATCH", 500},
                 {"priority", 1700},  {"flex", 100},
                 {"scale", 100},      {"turbo", 1000},
                 {"on_demand", 3000}, {"a tier whose name is longer than any that there is", 1000}};
    struct price_query q = query();
    const struct str *tiers;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        q.service_tier = str_of(cases[i].tier);
        if (price_in(json, &q, LIST) != cases[i].want) {
            fail_msg("%s: %llu", cases[i].tier, (unsigned long long)price_in(json, &q, LIST));
        }
    }
    struct price_book *b = book_of(json);
    assert_int_equal(price_book_tiers(b, &tiers), 4);
    assert_true(str_eqz(tiers[0], "batch"));
    assert_true(str_eqz(tiers[1], "priority"));
    assert_int_equal(price_book_rules(b), 3);
    price_book_free(b);
}

static void hours_of_the_day(void **state)
{
    /* DeepSeek's cheap hours: 16:30 to 00:30 UTC */
    static const char night[] =
        "{\"rules\":[{\"hours\":[{\"from\":\"16:30\",\"until\":\"00:30\"}],\"ratio\":2}]}";
    static const char office[] =
        "{\"rules\":[{\"hours\":[{\"from\":\"09:00\",\"until\":\"17:00\",\"weekdays\":[\"mon\","
        "\"tue\",\"wed\",\"thu\",\"fri\"],\"zone\":\"Europe/Berlin\"}],\"ratio\":2}]}";
    static const char friday[] = "{\"rules\":[{\"hours\":[{\"from\":\"22:00\",\"until\":\"06:00\","
                                 "\"weekdays\":[\"fri\"]}],\"ratio\":2}]}";
    static const char whole[] = "{\"rules\":[{\"hours\":[{\"from\":\"00:00\",\"until\":\"24:00\","
                                "\"weekdays\":\"sun\"}],\"ratio\":2}]}";
    static const char all_day[] =
        "{\"rules\":[{\"hours\":[{\"from\":\"08:00\",\"until\":\"08:00\"}],\"ratio\":2}]}";
    static const char two[] =
        "{\"rules\":[{\"hours\":[{\"from\":\"01:00\",\"until\":\"02:00\"},{\"from\":\"03:00\","
        "\"until\":\"04:00\"}],\"ratio\":2}]}";
    static const struct {
        const char *json, *time;
        bool fits;
    } cases[] = {
        {night, "2026-11-25T16:29:59Z", false},
        {night, "2026-11-25T16:30:00Z", true},
        {night, "2026-11-25T23:59:59Z", true},
        {night, "2026-11-26T00:29:59Z", true},
        {night, "2026-11-26T00:30:00Z", false},
        {office, "2026-11-25T07:59:59Z", false}, /* winter: an hour ahead of UTC */
        {office, "2026-11-25T08:00:00Z", true},
        {office, "2026-11-25T15:59:59Z", true},
        {office, "2026-11-25T16:00:00Z", false},
        {office, "2026-07-01T07:00:00Z", true}, /* summer: two */
        {office, "2026-07-01T15:00:00Z", false},
        {office, "2026-11-28T10:00:00Z", false}, /* saturday */
        {friday, "2026-11-27T22:00:00Z", true},
        {friday, "2026-11-28T05:59:59Z", true}, /* it began on friday */
        {friday, "2026-11-28T22:00:00Z", false},
        {friday, "2026-11-27T05:00:00Z", false},
        {whole, "2026-11-29T00:00:00Z", true},
        {whole, "2026-11-29T23:59:59Z", true},
        {whole, "2026-11-30T00:00:00Z", false},
        {whole, "2026-11-28T23:59:59Z", false},
        {all_day, "2026-11-28T07:59:59Z", true},
        {two, "2026-11-28T01:30:00Z", true},
        {two, "2026-11-28T02:30:00Z", false},
        {two, "2026-11-28T03:30:00Z", true},
    };
    struct price_query q = query();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        q.at_s = at(cases[i].time);
        if (price_in(cases[i].json, &q, LIST) != (cases[i].fits ? 5000000u : 2500000u)) {
            fail_msg("case %zu: %s", i, cases[i].time);
        }
    }
}

static void effective_dates(void **state)
{
    static const char json[] = "{\"rules\":[{\"effective_from\":\"2026-12-01\",\"effective_until\":"
                               "\"2027-01-01T00:00:00+01:00\",\"ratio\":2}]}";
    struct price_query q = query();
    (void)state;
    q.at_s = at("2026-11-30T23:59:59Z");
    assert_int_equal(price_in(json, &q, LIST), 2500000);
    q.at_s = at("2026-12-01T00:00:00Z");
    assert_int_equal(price_in(json, &q, LIST), 5000000);
    q.at_s = at("2026-12-31T22:59:59Z");
    assert_int_equal(price_in(json, &q, LIST), 5000000);
    q.at_s = at("2026-12-31T23:00:00Z");
    assert_int_equal(price_in(json, &q, LIST), 2500000);
}

static void bad_books_are_named(void **state)
{
    static const struct {
        const char *json, *param;
    } bad[] = {
        {"", ""},
        {"[]", ""},
        {"{}", "rules"},
        {"{\"rules\":{}}", "rules"},
        {"{\"rules\":[],\"more\":1}", ""},
        {"{\"rules\":[],\"rules\":[]}", ""},
        {"{\"rules\":[1]}", "rules[0]"},
        {"{\"rules\":[{}]}", "rules[0]"},
        {"{\"rules\":[{\"ratio\":\"1\"},{\"ration\":\"1\"}]}", "rules[1]"},
        {"{\"rules\":[{\"ratio\":\"-1\"}]}", "rules[0].ratio"},
        {"{\"rules\":[{\"ratio\":\"1000.000001\"}]}", "rules[0].ratio"},
        {"{\"rules\":[{\"ratio\":\"0.1234567\"}]}", "rules[0].ratio"},
        {"{\"rules\":[{\"ratio\":\"much\"}]}", "rules[0].ratio"},
        {"{\"rules\":[{\"ratio\":true}]}", "rules[0].ratio"},
        {"{\"rules\":[{\"ratio\":1,\"name\":5}]}", "rules[0].name"},
        {"{\"rules\":[{\"ratio\":1,\"provider\":5}]}", "rules[0].provider"},
        {"{\"rules\":[{\"ratio\":1,\"provider\":\"\"}]}", "rules[0].provider"},
        {"{\"rules\":[{\"ratio\":1,\"model\":[]}]}", "rules[0].model"},
        {"{\"rules\":[{\"ratio\":1,\"model\":[\"a\",1]}]}", "rules[0].model[1]"},
        {"{\"rules\":[{\"prices\":5}]}", "rules[0].prices"},
        {"{\"rules\":[{\"prices\":{\"tokens\":5}}]}", "rules[0].prices"},
        {"{\"rules\":[{\"prices\":{\"token_in\":-5}}]}", "rules[0].prices.token_in"},
        {"{\"rules\":[{\"ratio\":1,\"keep_others\":true}]}", "rules[0].keep_others"},
        {"{\"rules\":[{\"prices\":{},\"keep_others\":1}]}", "rules[0].keep_others"},
        {"{\"rules\":[{\"ratio\":1,\"service_tier\":5}]}", "rules[0].service_tier"},
        {"{\"rules\":[{\"ratio\":1,\"service_tier\":\"a name that is longer than a tier's\"}]}",
         "rules[0].service_tier"},
        {"{\"rules\":[{\"service_tiers\":[]}]}", "rules[0].service_tiers"},
        {"{\"rules\":[{\"service_tiers\":{\"batch\":{}}}]}", "rules[0].service_tiers.batch"},
        {"{\"rules\":[{\"service_tiers\":{\"batch\":{\"ratio\":\"x\"}}}]}",
         "rules[0].service_tiers.batch.ratio"},
        {"{\"rules\":[{\"service_tiers\":{\"batch\":{\"hours\":[]}}}]}",
         "rules[0].service_tiers.batch"},
        {"{\"rules\":[{\"service_tiers\":{\"batch\":{\"ratio\":1},\"BATCH\":{\"ratio\":1}}}]}",
         "rules[0].service_tiers"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":{}}]}", "rules[0].hours"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":[]}]}", "rules[0].hours"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":[{}]}]}", "rules[0].hours[0].from"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":[{\"from\":\"8:00\",\"until\":\"09:00\"}]}]}",
         "rules[0].hours[0].from"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":[{\"from\":\"24:00\",\"until\":\"09:00\"}]}]}",
         "rules[0].hours[0].from"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":[{\"from\":\"08:00\",\"until\":\"24:01\"}]}]}",
         "rules[0].hours[0].until"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":[{\"from\":\"08:00\",\"until\":\"08:60\"}]}]}",
         "rules[0].hours[0].until"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":[{\"from\":\"08:00\",\"until\":\"09:00\","
         "\"weekdays\":[\"monday\"]}]}]}",
         "rules[0].hours[0].weekdays"},
        {"{\"rules\":[{\"ratio\":1,\"hours\":[{\"from\":\"08:00\",\"until\":\"09:00\",\"zone\":"
         "\"Atlantis/Harbour\"}]}]}",
         "rules[0].hours[0].zone"},
        {"{\"rules\":[{\"ratio\":1,\"effective_from\":\"soon\"}]}", "rules[0].effective_from"},
        {"{\"rules\":[{\"ratio\":1,\"effective_from\":5}]}", "rules[0].effective_from"},
        {"{\"rules\":[{\"ratio\":1,\"effective_from\":\"2026-12-01\",\"effective_until\":"
         "\"2026-12-01\"}]}",
         "rules[0].effective_until"},
        {"{\"rules\":[{\"ratio\":1,\"stop\":\"yes\"}]}", "rules[0].stop"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct price_book *b = NULL;
        struct error err = ERROR_INIT;
        if (price_book_new(str_of(bad[i].json), &b, &err)) {
            fail_msg("%s is no book", bad[i].json);
        }
        assert_null(b);
        assert_int_not_equal(err.code, ERR_NONE);
        if (strcmp(err.param, bad[i].param) != 0) {
            fail_msg("%s: \"%s\", not \"%s\"", bad[i].json, err.param, bad[i].param);
        }
    }
    price_book_free(NULL);
}

static void patterns_of_groups(void **state)
{
    (void)state;
    assert_true(price_pattern_fits(STR_NONE, STR_LIT("openai"), STR_NONE));
    assert_true(price_pattern_fits(STR_LIT("open*"), STR_LIT("openai"), STR_NONE));
    assert_true(price_pattern_fits(STR_LIT("open*"), STR_LIT("mine"), STR_LIT("openai")));
    assert_false(price_pattern_fits(STR_LIT("open*"), STR_LIT("mine"), STR_LIT("azure")));
    assert_false(price_pattern_fits(STR_LIT("open*"), STR_NONE, STR_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_fit_by_provider_and_model),
        cmocka_unit_test(rules_apply_in_their_order),
        cmocka_unit_test(ratios_round_each_price_half_up),
        cmocka_unit_test(prices_replace_all_or_only_theirs),
        cmocka_unit_test(service_tiers),
        cmocka_unit_test(hours_of_the_day),
        cmocka_unit_test(effective_dates),
        cmocka_unit_test(bad_books_are_named),
        cmocka_unit_test(patterns_of_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
