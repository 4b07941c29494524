/* What the tests of a request's life share: providers, routing configs, bodies, and how they ask.
 * What the world looks at when nothing is under way (world_is_settled) belongs to each of them: no
 * call runs on, no target has one in flight, no probe is owed, and whatever was opened has just one
 * event. */
#ifndef TESTS_UNIT_DATAPLANE_REQUEST_LIFE_RIG_H
#define TESTS_UNIT_DATAPLANE_REQUEST_LIFE_RIG_H

#include "dataplane/fake_world.h"

#include "dataplane/cache/store.h"

#define PROVIDERS                                                                             \
    "version: 1\n"                                                                            \
    "providers:\n"                                                                            \
    "  - {name: a, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: sk-a}\n"    \
    "  - {name: b, kind: openai, base_url: \"http://127.0.0.1:9002/v1\", api_key: sk-b}\n"    \
    "  - {name: two, kind: openai, base_url: \"http://127.0.0.1:9003/v1\", api_keys: [sk-1, " \
    "sk-2]}\n"                                                                                \
    "  - {name: an, kind: anthropic, base_url: \"http://127.0.0.1:9004\", api_key: sk-an}\n"  \
    "  - {name: br, kind: bedrock, base_url: \"http://127.0.0.1:9005\", region: us-east-1, "  \
    "aws_access_key_id: AKID, aws_secret_access_key: secret}\n"                               \
    "  - {name: az, kind: azure-openai, base_url: \"http://127.0.0.1:9006\", tenant_id: t, "  \
    "client_id: c, client_secret: s, authority: \"http://127.0.0.1:9007\"}\n"
#define REST                                                   \
    "models:\n"                                                \
    "  - {name: fast, targets: [{provider: a, model: m-a}]}\n" \
    "keys:\n"                                                  \
    "  - {name: dev, secret: dev-secret, models: [\"*\"]}\n"

#define CHAT "/v1/chat/completions"
#define BODY "{\"model\":\"any\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"
#define STREAM_BODY                                                                    \
    "{\"model\":\"any\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":" \
    "\"Hi\"}]}"
#define ANSWER                                                                                \
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{\"index\":0," \
    "\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"hi\"}}],"   \
    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":7,\"total_tokens\":17}}"
#define ROLE "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
#define CHUNK "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"
#define TOLD "data: {\"error\":{\"message\":\"no luck\",\"type\":\"server_error\"}}\n\n"
#define DONE "data: [DONE]\n\n"

#define TOKEN "{\"access_token\":\"tok\",\"expires_in\":3600,\"token_type\":\"Bearer\"}"
#define EMBEDDING "{\"embedding\":[0.5,0.25],\"inputTextTokenCount\":3}"
#define EMBED "/v1/embeddings"
#define INPUTS "{\"model\":\"any\",\"input\":[\"one\",\"two\",\"three\"]}"

/* Leaves. */
#define A "{\"provider\":\"@a\",\"model\":\"m-a\"}"
#define B "{\"provider\":\"@b\",\"model\":\"m-b\"}"
#define AN "{\"provider\":\"@an\",\"model\":\"claude-x\"}"
#define AZ "{\"provider\":\"@az\",\"model\":\"gpt\"}"
#define BR "{\"provider\":\"@br\",\"model\":\"amazon.titan-embed-text-v2:0\"}"
#define FALLBACK(list) "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[" list "]}"
#define HEDGE(list) "{\"strategy\":{\"mode\":\"hedge\",\"after_ms\":5},\"targets\":[" list "]}"
#define MIRROR(list) "{\"strategy\":{\"mode\":\"mirror\"},\"targets\":[" list "]}"
#define RETRY(leaf, n) \
    "{\"retry\":{\"attempts\":" n ",\"base_ms\":60000,\"max_ms\":60000},\"targets\":[" leaf "]}"
/* Opens at the first failure, for a moment. */
#define BRITTLE(leaf) \
    "{\"circuit_breaker\":{\"threshold\":1,\"cooldown_ms\":1},\"targets\":[" leaf "]}"

__attribute__((unused)) static int set_up(void **state)
{
    (void)state;
    world_begin(PROVIDERS REST);
    return 0;
}

__attribute__((unused)) static int tear_down(void **state)
{
    (void)state;
    if (world.policy.cache) {
        world_end_turn();
        cache_store_free(world.policy.cache);
        world.policy.cache = NULL;
    }
    world_end();
    return 0;
}

__attribute__((unused)) static void ask_at(const char *path, const char *config, const char *body,
                                           const char *more)
{
    char headers[4096];
    int n = snprintf(headers, sizeof(headers), "Authorization: Bearer dev-secret\n%s%s", more,
                     config ? "x-weir-config: " : "");
    assert_true(n > 0 && (size_t)n + (config ? strlen(config) : 0) < sizeof(headers));
    (void)snprintf(headers + n, sizeof(headers) - (size_t)n, "%s", config ? config : "");
    world_request("POST", path, headers, body);
}

__attribute__((unused)) static void client_goes(void)
{
    assert_non_null(world.x.on_gone);
    world.x.on_gone(world.x.gone_arg);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
