/* The dice of chaos_rig.h under budgets and limits: hedges, retries, fallbacks, mirrors, series,
 * clients that go, workers that end. Whatever happens, what the events charge is what is settled,
 * no budget is overspent, and nothing stays reserved. WEIR_TEST_ROUNDS plays longer. */
#define CHAOS_YAML PROVIDERS REST QUOTAS
#define QUOTAS                                                                                     \
    "budgets:\n"                                                                                   \
    "  - {name: all, scopes: [{kind: key, value: dev}], metric: cost, amount: \"0.004\", window: " \
    "hour, mode: hard}\n"                                                                          \
    "  - {name: users, scopes: [{kind: end_user, value: \"*\"}], metric: tokens, amount: 30000, "  \
    "window: hour, mode: hard}\n"                                                                  \
    "  - {name: tags, scopes: [{kind: tag, value: \"*\"}], metric: requests, amount: 40, window: " \
    "hour, mode: hard, max_values: 2}\n"                                                           \
    "  - {name: soft, metric: cost, amount: \"0.001\", window: day, mode: soft}\n"                 \
    "  - {name: down, scopes: [{kind: model, value: \"m-b\"}], metric: cost, amount: "             \
    "\"0.001\", window: hour, mode: downgrade, downgrade_model: fast}\n"                           \
    "  - {name: of-a, scopes: [{kind: provider, value: a}], metric: requests, amount: 60, "        \
    "window: hour, mode: hard}\n"                                                                  \
    "limits:\n"                                                                                    \
    "  - {name: rate, scopes: [{kind: key, value: dev}], metric: requests, amount: 50, window: "   \
    "minute}\n"                                                                                    \
    "  - {name: slots, scopes: [{kind: model, value: \"*\"}], metric: concurrency, amount: 2}\n"   \
    "  - {name: tpm, scopes: [{kind: provider, value: b}], metric: tokens, amount: 2000, window: " \
    "minute, algorithm: token_bucket}\n"                                                           \
    "  - {name: rpm, scopes: [{kind: model, value: \"m-a\"}], metric: requests, amount: 30, "      \
    "window: minute, algorithm: sliding}\n"

#include "dataplane/request/chaos_rig.h"

#include "dataplane/quota_world.h"

/* A thousandth of a US cent a token. */
#define CATALOGUE                                                                            \
    "{\"format\":1,\"version\":\"test\",\"models\":["                                        \
    "{\"provider\":\"openai\",\"model\":\"m-a\",\"max_output\":100,\"price\":{\"token_in\":" \
    "1000000,\"token_out\":1000000}},"                                                       \
    "{\"provider\":\"openai\",\"model\":\"m-b\",\"max_output\":100,\"price\":{\"token_in\":" \
    "2000000,\"token_out\":2000000}},"                                                       \
    "{\"provider\":\"anthropic\",\"model\":\"claude-x\",\"price\":{\"token_in\":"            \
    "1000000,\"token_out\":1000000}}]}"

static uint64_t refused, served;

static void meanwhile(void)
{
    if (roll(3)) {
        books_pump();
    } else if (roll(200) == 0) {
        books.now_ms += 60000 * (int64_t)roll(70);
    } else {
        books.now_ms += roll(40);
    }
}

static void what_is_charged_is_settled(void **state)
{
    static const char *const more[] = {"", "x-weir-end-user: ann\n",
                                       "x-weir-end-user: bob\nx-weir-tags: red,red, blue\n",
                                       "x-weir-tags: one,two,three,four,five\n"};
    const char *rounds = getenv("WEIR_TEST_ROUNDS");
    unsigned n = rounds ? (unsigned)strtoul(rounds, NULL, 10) : 1200;
    (void)state;
    on_turn = meanwhile;
    for (unsigned i = 0; i < n; i++) {
        dice = i;
        play_request(more[roll(4)]);
        refused += world.x.status == 429;
        served += world.x.status == 200;
        if (i % 10 == 9) {
            request_end_all(&world.env);
            world.env.ending = false;
            world_end_turn();
            world_is_settled();
            books_are_at_rest();
            world.n_records = 0;
            books.now_ms += roll(5) ? 1000 : 1800000;
        }
    }
    request_end_all(&world.env);
    world_end_turn();
    books_add_up();
    assert_int_equal(books.overruns, 0);
    assert_true(refused > n / 50 && served > n / 10);
}

static int set_up_books(void **state)
{
    (void)set_up(state);
    books_begin(CHAOS_YAML, CATALOGUE);
    return 0;
}

static int tear_down_books(void **state)
{
    world_end_turn();
    (void)tear_down(state);
    books_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_charged_is_settled, set_up_books, tear_down_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
