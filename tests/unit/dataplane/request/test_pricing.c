/* What an answer costs: the installed catalogue's prices on the event, to the nano-dollar. */
#include "common/rules/catalogue.h"
#include "dataplane/fake_world.h"

#define YAML                                                                             \
    "version: 1\n"                                                                       \
    "providers:\n"                                                                       \
    "  - {name: openai, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: " \
    "\"sk-stored\"}\n"                                                                   \
    "keys:\n"                                                                            \
    "  - {name: dev, secret: \"dev-secret\"}\n"

#define CATALOGUE_JSON                                                                   \
    "{\"format\":1,\"version\":\"test\",\"models\":[{\"provider\":\"openai\",\"model\":" \
    "\"gpt-4o\",\"price\":{\"token_in\":2500000,\"token_cached\":1250000,\"token_out\":" \
    "10000000}}]}"

#define ANSWER                                                                               \
    "{\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{"  \
    "\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":7,\"total_" \
    "tokens\":17,\"prompt_tokens_details\":{\"cached_tokens\":4}}}"

static struct catalogue *catalogue;

static int set_up(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    world_begin(YAML);
    catalogue = catalogue_parse(STR_LIT(CATALOGUE_JSON), &err);
    if (!catalogue) {
        fail_msg("%s", error_text(&err));
    }
    world.policy.catalogue = catalogue;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    catalogue_free(catalogue);
    return 0;
}

static void ask(const char *model)
{
    char body[200];
    (void)snprintf(body, sizeof(body), "{\"model\":\"openai/%s\",\"messages\":[]}", model);
    world_request("POST", "/v1/chat/completions", "Authorization: Bearer dev-secret", body);
    upstream_head(200, "application/json", -1);
    upstream_data(ANSWER);
    upstream_end();
    assert_int_equal(world.n_events, 1);
}

static void lines_and_sum(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) { /* found, then remembered */
        ask("gpt-4o");
        /* 6 at 2.5 µ$, 4 at 1.25 µ$, 7 at 10 µ$ */
        assert_true(event_has("\"cost_nanousd\":90000"));
        assert_true(event_has("\"unit\":\"token_in\",\"quantity\":6"));
        assert_true(event_has("\"price_picousd\":2500000"));
        assert_true(event_has("\"unit\":\"token_cached\",\"quantity\":4"));
        assert_true(event_has("\"price_picousd\":1250000"));
        assert_true(event_has("\"unit\":\"token_out\",\"quantity\":7"));
        assert_true(event_has("\"price_picousd\":10000000"));
    }
}

static void a_model_without_a_price_costs_nothing(void **state)
{
    (void)state;
    ask("nobody-knows-this");
    assert_false(event_has("\"price_picousd\":1"));
    assert_true(event_has("\"unit\":\"token_out\",\"quantity\":7"));
    assert_false(event_has("\"cost_nanousd\":9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_and_sum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_without_a_price_costs_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
