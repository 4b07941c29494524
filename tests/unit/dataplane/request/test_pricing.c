/* What an answer costs: the installed catalogue's prices on the event, to the nano-dollar. */
#include "common/rules/catalogue.h"
#include "dataplane/fake_world.h"
#include "dataplane/request/pricing.h"
#include "proto/snapshot.pb-c.h"

#define YAML                                                                             \
    "version: 1\n"                                                                       \
    "providers:\n"                                                                       \
    "  - {name: openai, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: " \
    "\"sk-stored\"}\n"                                                                   \
    "  - {name: claude, kind: anthropic, base_url: \"http://127.0.0.1:9002/v1\", "       \
    "api_key: \"sk-stored\"}\n"                                                          \
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

/* ---- the organization's own rules ---- */

#define GROUPS                                    \
    "price_groups:\n"                             \
    "  - {name: internal, ratio: 0.1}\n"          \
    "  - name: partners\n"                        \
    "    ratio: '0.8'\n"                          \
    "    overrides:\n"                            \
    "      - {provider: anthropic, ratio: 1.5}\n" \
    "      - {model: 'nobody*', ratio: '2'}\n"

#define BOOK                                                                        \
    "price_book:\n"                                                                 \
    "  document:\n"                                                                 \
    "    rules:\n"                                                                  \
    "      - {provider: openai, ratio: '1.1'}\n"                                    \
    "      - {model: 'nobody*', prices: {token_in: 1000000, token_out: 2000000}}\n" \
    "      - {model: 'per-call', prices: {request: 5000000000}}\n"                  \
    "      - {provider: openai, service_tiers: {flex: {ratio: 0.5}, priority: {ratio: 2}}}\n"

/* The file's configuration, and settings for its organization. */
static void publish(const char *yaml, const char *settings)
{
    struct error err = ERROR_INIT;
    struct snapshot *root = NULL, *with;
    Weir__Organization o = WEIR__ORGANIZATION__INIT;
    struct uuid id = standalone_id(WEIR__KIND__KIND_ORGANIZATION, STR_LIT("default"));
    uint8_t bytes[1024];
    if (!standalone_parse(str_of(yaml), &root, NULL, &err)) {
        fail_msg("%d:%d %s", err.line, err.column, error_text(&err));
    }
    o.id = (ProtobufCBinaryData){.len = 16, .data = id.b};
    o.name = (char *)(uintptr_t) "default";
    o.settings_json = (char *)(uintptr_t)settings;
    size_t n = weir__organization__pack(&o, bytes);
    struct snapshot_builder *b = snapshot_builder_new(root);
    assert_true(snapshot_builder_put(b, WEIR__KIND__KIND_ORGANIZATION, &id,
                                     (struct str){(const char *)bytes, n}, &err));
    with = snapshot_builder_finish(b, 7, &err);
    assert_non_null(with);
    snapshot_unref(root);
    swap_publish(world.hub, with);
}

static void send_request(const char *model, const char *headers, const char *more)
{
    char body[300], head[300];
    (void)snprintf(body, sizeof(body),
                   "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]%s}",
                   model, more);
    (void)snprintf(head, sizeof(head), "Authorization: Bearer dev-secret%s", headers);
    world_request("POST", "/v1/chat/completions", head, body);
}

static void answer(const char *text)
{
    upstream_head(200, "application/json", -1);
    upstream_data(text);
    upstream_end();
    assert_int_equal(world.n_events, 1);
}

static void expect_event(const char *text)
{
    if (!event_has(text)) {
        fail_msg("no %s in %s", text, world.event);
    }
}

/* The one that waits for its provider. */
static struct request *at_work(void)
{
    assert_false(list_empty(&world.env.live));
    return LIST_ENTRY(world.env.live.next, struct request, node);
}

static void a_group_multiplies_once(void **state)
{
    (void)state;
    publish(YAML GROUPS, "{\"price_group\":\"partners\"}");
    send_request("openai/gpt-4o", "", "");
    answer(ANSWER);
    /* 6 x 2.50 + 4 x 1.25 + 7 x 10 = 90 millionths of a USD; x 0.8 */
    expect_event("\"cost_nanousd\":72000");
    expect_event("\"list_nanousd\":90000");
    expect_event("\"ratio_ppm\":800000");
    expect_event("\"price_picousd\":2500000"); /* lines are at list price */
    expect_event("\"price_group\":\"partners\"");
}

static void overrides_come_first(void **state)
{
    bool grouped;
    (void)state;
    publish(YAML GROUPS, "{\"price_group\":\"partners\"}");
    send_request("claude/nobody-knows-this", "", "");
    struct request *r = at_work();
    assert_int_equal(pricing_ratio(r, &r->candidates[0], &grouped), 1500000);
    assert_true(grouped);
    answer("{}");
    send_request("openai/nobody-knows-this", "", "");
    r = at_work();
    assert_int_equal(pricing_ratio(r, &r->candidates[0], &grouped), 2000000);
    answer(ANSWER);
    publish(YAML GROUPS, "{\"price_group\":\"gone\"}");
    send_request("openai/gpt-4o", "", "");
    r = at_work();
    assert_int_equal(pricing_ratio(r, &r->candidates[0], &grouped), 1000000);
    assert_false(grouped);
    answer(ANSWER);
    expect_event("\"cost_nanousd\":90000");
    expect_event("\"ratio_ppm\":0");
}

static void a_book_changes_the_list(void **state)
{
    struct str group;
    struct uuid book;
    uint64_t version;
    (void)state;
    publish(YAML BOOK GROUPS, "{\"price_group\":\"partners\"}");
    send_request("openai/gpt-4o", "", "");
    struct request *r = at_work();
    pricing_names(r, &group, &book, &version);
    assert_true(str_eqz(group, "partners"));
    assert_false(uuid_is_nil(&book));
    assert_int_equal(version, 1);
    answer(ANSWER);
    /* x 1.1 = 99, x 0.8 = 79.2 */
    expect_event("\"list_nanousd\":99000");
    expect_event("\"cost_nanousd\":79200");
    expect_event("\"price_picousd\":2750000");
    /* a model that the catalogue does not know, which the group takes twice for */
    send_request("openai/nobody-knows-this", "", "");
    answer(ANSWER);
    /* 6 x 1 + 4 x 1 + 7 x 2 = 24; x 2 */
    expect_event("\"list_nanousd\":24000");
    expect_event("\"cost_nanousd\":48000");
}

static void the_tier_is_the_one_it_was_served_in(void **state)
{
    (void)state;
    publish(YAML BOOK, "{}");
    send_request("openai/gpt-4o", "", ",\"service_tier\":\"auto\"");
    answer("{\"id\":\"c1\",\"model\":\"m\",\"service_tier\":\"flex\",\"choices\":[],\"usage\":{"
           "\"prompt_tokens\":10,\"completion_tokens\":7}}");
    /* (10 x 2.50 + 7 x 10) x 1.1 x 0.5 */
    expect_event("\"cost_nanousd\":52250");
    expect_event("\"service_tier\":\"flex\"");
    send_request("openai/gpt-4o", "", ",\"stream\":true");
    upstream_head(200, "text/event-stream", -1);
    upstream_data("data: {\"id\":\"c\",\"service_tier\":\"default\",\"choices\":[{\"index\":0,"
                  "\"delta\":{\"content\":\"hi\"}}]}\n\n"
                  "data: {\"id\":\"c\",\"service_tier\":\"priority\",\"choices\":[],\"usage\":{"
                  "\"prompt_tokens\":10,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n");
    upstream_end();
    expect_event("\"cost_nanousd\":209000");
    expect_event("\"service_tier\":\"priority\"");
}

static void a_request_has_a_price_where_it_was_answered(void **state)
{
    (void)state;
    publish(YAML BOOK, "{}");
    send_request("openai/per-call", "", "");
    answer(ANSWER);
    expect_event("\"unit\":\"request\",\"quantity\":1");
    expect_event("\"cost_nanousd\":5000000");
    send_request("openai/per-call", "", "");
    upstream_head(400, "application/json", -1);
    upstream_data("{\"error\":{\"message\":\"no\"}}");
    upstream_end();
    assert_false(event_has("\"unit\":\"request\""));
    assert_false(event_has("\"cost_nanousd\":5000000"));
}

static void bounds_hold_for_every_tier(void **state)
{
    (void)state;
    publish(YAML BOOK GROUPS, "{\"price_group\":\"partners\"}");
    send_request("openai/gpt-4o", "", "");
    struct request *r = at_work();
    const struct candidate *c = &r->candidates[0];
    /* priority is the dearest: (1000 x 2.50 + 100 x 10) x 1.1 x 2 x 0.8 millionths */
    assert_int_equal(pricing_bound(r, c, 1000, 100), 6160000);
    assert_int_equal(pricing_tokens_for(r, c, 1000, 6160000), 100);
    assert_int_equal(pricing_tokens_for(r, c, 1000, 6159999), 99);
    assert_int_equal(pricing_tokens_for(r, c, 1000, 4399999), 0); /* the prompt alone: 4400000 */
    assert_int_equal(pricing_tokens_for(r, c, 1000, 0), 0);
    answer(ANSWER);
    send_request("openai/per-call", "", "");
    r = at_work();
    /* whatever its answer's length: 5,000,000 x 2 x 0.8 */
    assert_int_equal(pricing_bound(r, &r->candidates[0], 10, 10), 8000000);
    assert_true(pricing_tokens_for(r, &r->candidates[0], 10, 8000000) == UINT64_MAX);
    answer(ANSWER);
    publish(YAML, "{}");
    send_request("openai/nobody-knows-this", "", "");
    r = at_work();
    assert_true(pricing_bound(r, &r->candidates[0], 10, 10) == UINT64_MAX);
    assert_int_equal(pricing_tokens_for(r, &r->candidates[0], 10, 1000), 0);
    answer(ANSWER);
}

#define SEARCHES    \
    "price_book:\n" \
    "  document: {rules: [{prices: {token_in: 1000, token_out: 1000, search: 1000000}}]}\n"

static void searches_are_bounded_or_not_at_all(void **state)
{
    static const struct {
        const char *more;
        uint64_t want; /* nano-USD of 10 tokens in, 10 out and the searches */
    } cases[] = {
        {"", 20},
        {",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"search\"}}]", 20},
        {",\"web_search_options\":{}", 1020},
        {",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\",\"max_uses\":3}]",
         3020},
        {",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]", UINT64_MAX},
        {",\"tools\":[{\"google_search\":{}}]", UINT64_MAX},
        {",\"plugins\":[{\"id\":\"web\"}]", UINT64_MAX},
    };
    (void)state;
    publish(YAML SEARCHES, "{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        send_request("openai/m", "", cases[i].more);
        struct request *r = at_work();
        if (pricing_bound(r, &r->candidates[0], 10, 10) != cases[i].want) {
            fail_msg("%s: %llu", cases[i].more,
                     (unsigned long long)pricing_bound(r, &r->candidates[0], 10, 10));
        }
        answer(ANSWER);
    }
}

/* ---- what callers say ---- */

static void custom_costs_are_exact(void **state)
{
    static const struct {
        const char *json;
        bool known;
        uint64_t want; /* of 6 tokens in, 4 cached, 7 out */
    } cases[] = {
        {"{\"per_token_in\":0.000001,\"per_token_out\":0.000002}", true, 24000},
        {"{\"per_token_in\":1e-6,\"per_token_out\":2E-6}", true, 24000},
        {"{\"per_token_in\":\"0.000001\",\"per_token_out\":\"2e-6\"}", true, 24000},
        {"{\"per_token_in\":1e-6,\"per_token_out\":2e-6,\"per_cache_read_token\":1e-7}", true,
         20400},
        {"{\"per_token_in\":0.00000000015,\"per_token_out\":0}", true, 2}, /* 1.5 */
        {"{\"per_token_in\":0.000000000149,\"per_token_out\":0}", true, 1},
        {"{\"per_token_out\":1}", true, 7000000000},
        {"{\"total_cost\":0.25}", true, 250000000},
        {"{\"total_cost\":\"12345678901.5\"}", true, 12345678901500000000u},
        {"{\"total_cost\":0}", true, 0},
        {"{\"total_cost\":0.0000000005}", true, 1},
        {"{\"total_cost\":-1}", false, 0},
        {"{\"total_cost\":\"much\"}", false, 0},
        {"{\"per_token_in\":1e-6,\"per_token_out\":\"x\"}", false, 0},
        {"{\"per_cache_read_token\":1}", false, 0},
        {"{}", false, 0},
        {"[]", false, 0},
        {"nonsense", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char header[200], want[80];
        (void)snprintf(header, sizeof(header), "\n%s: %s",
                       i % 2 ? "cf-aig-custom-cost" : "x-weir-custom-cost", cases[i].json);
        publish(YAML, "{\"custom_costs\":true}");
        send_request("openai/gpt-4o", header, "");
        answer(ANSWER);
        (void)snprintf(want, sizeof(want), "\"cost_nanousd\":%llu",
                       (unsigned long long)(cases[i].known ? cases[i].want : 90000));
        expect_event(want);
        expect_event("\"list_nanousd\":90000");
        publish(YAML, "{\"custom_costs\":false}");
        send_request("openai/gpt-4o", header, "");
        answer(ANSWER);
        expect_event("\"cost_nanousd\":90000");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_and_sum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_without_a_price_costs_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_multiplies_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(overrides_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_book_changes_the_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_tier_is_the_one_it_was_served_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_has_a_price_where_it_was_answered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bounds_hold_for_every_tier, set_up, tear_down),
        cmocka_unit_test_setup_teardown(searches_are_bounded_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(custom_costs_are_exact, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
