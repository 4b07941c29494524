/* Stored prompts as a client calls them: which one is found, what goes to the provider, what is
 * answered and recorded. */
#include "dataplane/fake_world.h"

#include "common/crypto.h"
#include "proto/snapshot.pb-c.h"

#define YAML                                                                             \
    "version: 1\n"                                                                       \
    "providers:\n"                                                                       \
    "  - {name: openai, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: " \
    "\"sk-stored\"}\n"                                                                   \
    "models:\n"                                                                          \
    "  - {name: fast, targets: [{provider: openai, model: gpt-4o-mini}]}\n"              \
    "keys:\n"                                                                            \
    "  - {name: dev, secret: \"dev-secret\"}\n"                                          \
    "  - {name: bound, secret: \"bound-secret\", models: [\"other\"]}\n"

#define DEV "Authorization: Bearer dev-secret"
#define DOC(text)                                                                                \
    "{\"model\":\"fast\",\"parameters\":{\"temperature\":0.5},\"messages\":[{\"role\":\"user\"," \
    "\"content\":\"" text "\"}]}"

static struct snapshot *base;

struct version {
    unsigned number;
    const char *json;
    const char *label; /* NULL: none */
};

struct prompt_spec {
    unsigned id;
    const char *name;
    bool shared, partial;
    unsigned published;
    const char *needs;
    struct version versions[4]; /* a number of 0 ends them */
};

static struct uuid id_of(unsigned n)
{
    struct uuid u = {{1, 2, 3, 4, 5, 6, 0x70, 8, 0x80}};
    u.b[15] = (uint8_t)n;
    return u;
}

static ProtobufCBinaryData bytes_of(struct uuid *u)
{
    return (ProtobufCBinaryData){16, u->b};
}

static void put_prompt(struct snapshot_builder *b, const struct prompt_spec *p,
                       struct uuid organization, struct uuid workspace)
{
    struct error err = ERROR_INIT;
    struct uuid id = id_of(p->id);
    Weir__Prompt m = WEIR__PROMPT__INIT;
    Weir__DocumentVersion v[4], *versions[4];
    Weir__DocumentLabel l[4], *labels[4];
    char *needs[] = {(char *)(uintptr_t)p->needs};
    m.id = bytes_of(&id);
    m.organization_id = bytes_of(&organization);
    if (!p->shared) {
        m.workspace_id = bytes_of(&workspace);
    }
    m.name = (char *)(uintptr_t)p->name;
    m.partial = p->partial;
    m.published = p->published;
    m.versions = versions;
    m.labels = labels;
    m.needs = needs;
    m.n_needs = p->needs ? 1 : 0;
    for (size_t i = 0; i < 4 && p->versions[i].number; i++) {
        weir__document_version__init(&v[i]);
        v[i].number = p->versions[i].number;
        v[i].document_json = (char *)(uintptr_t)p->versions[i].json;
        versions[m.n_versions++] = &v[i];
        if (p->versions[i].label) {
            weir__document_label__init(&l[m.n_labels]);
            l[m.n_labels].name = (char *)(uintptr_t)p->versions[i].label;
            l[m.n_labels].version = p->versions[i].number;
            labels[m.n_labels] = &l[m.n_labels];
            m.n_labels++;
        }
    }
    uint8_t *body = mem_alloc(weir__prompt__get_packed_size(&m) + 1);
    struct str packed = {(char *)body, weir__prompt__pack(&m, body)};
    if (!snapshot_builder_put(b, WEIR__KIND__KIND_PROMPT, &id, packed, &err)) {
        fail_msg("%s", error_text(&err));
    }
    mem_free(body);
}

static void publish(const struct prompt_spec *list, size_t n)
{
    struct error err = ERROR_INIT;
    uint8_t hash[32];
    struct snapshot_builder *b = snapshot_builder_new(base);
    crypto_sha256("dev-secret", 10, hash);
    struct arena *a = arena_new(0);
    const struct snap_key *key = snapshot_key(base, hash, a);
    assert_non_null(key);
    for (size_t i = 0; i < n; i++) {
        put_prompt(b, &list[i], key->organization_id, key->workspace_id);
    }
    arena_free(a);
    struct snapshot *root = snapshot_builder_finish(b, 9, &err);
    if (!root) {
        fail_msg("%s", error_text(&err));
    }
    swap_publish(world.hub, root);
}

static const struct prompt_spec prompts[] = {
    {1,
     "hello",
     false,
     false,
     2,
     NULL,
     {{1, DOC("v1 {{who}}"), "old"},
      {2, DOC("v2 {{who}}"), "production"},
      {3, DOC("v3 {{who}}"), NULL}}},
    {2, "hello", true, false, 1, NULL, {{1, DOC("shared"), NULL}}},
    {3, "only shared", true, false, 1, NULL, {{1, DOC("shared {{>rules}}"), NULL}}},
    {4, "draft", false, false, 0, NULL, {{1, DOC("draft"), NULL}}},
    {5,
     "rules",
     false,
     true,
     2,
     NULL,
     {{1, "\"first\"", NULL}, {2, "{\"text\":\"be {{tone}}\"}", "kind"}, {3, "\"third\"", NULL}}},
    {6,
     "with",
     false,
     false,
     1,
     NULL,
     {{1,
       "{\"model\":\"fast\",\"messages\":[{\"role\":\"user\",\"content\":\"{{>rules}} {{>rules@1}} "
       "{{>rules@latest}} {{>*pick}}{{>rules@1}}\"}],\"variables\":{\"tone\":{\"required\":true}}}",
       NULL}}},
    {7, "later", false, false, 1, "telepathy", {{1, DOC("x"), NULL}}},
    {8, "newer", false, false, 1, NULL, {{1, "{\"messages\":{}}", NULL}}},
    {9,
     "no model",
     false,
     false,
     1,
     NULL,
     {{1, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", NULL}}},
};

static int set_up(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    world_begin(YAML);
    if (!standalone_parse(STR_LIT(YAML), &base, NULL, &err)) {
        fail_msg("%s", error_text(&err));
    }
    publish(prompts, sizeof(prompts) / sizeof(prompts[0]));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    snapshot_unref(base);
    return 0;
}

static void answer_from_provider(void)
{
    assert_int_equal(world.calls, 1);
    static const char body[] = "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-"
                               "mini\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                               "\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],"
                               "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,"
                               "\"total_tokens\":2}}";
    upstream_head(200, "application/json", sizeof(body) - 1);
    upstream_data(body);
    upstream_end();
    world_end_turn();
}

/* The prompt that the path names is sent with this text. */
static void sends(const char *id, const char *text, const char *version)
{
    char path[200], content[200], header[60];
    (void)snprintf(path, sizeof(path), "/v1/prompts/%s/completions", id);
    world_request("POST", path, DEV, "{\"variables\":{\"who\":\"Ada\",\"tone\":\"kind\"}}");
    if (world.calls != 1) {
        fail_msg("%s: %.*s", id, STR_ARG(buffer_str(&world.x.sent)));
    }
    (void)snprintf(content, sizeof(content), "\"content\":\"%s\"", text);
    if (!upstream_got(content)) {
        fail_msg("no %s in %.*s", content, STR_ARG(world.call->body));
    }
    assert_true(upstream_got("\"model\":\"gpt-4o-mini\""));
    answer_from_provider();
    (void)snprintf(header, sizeof(header), "x-weir-prompt-version: %s\n", version);
    assert_true(header_sent(header));
    assert_true(answer_has("chat.completion"));
}

static void is_refused(const char *id, const char *body, int status, const char *code,
                       const char *says)
{
    char path[200], text[100];
    (void)snprintf(path, sizeof(path), "/v1/prompts/%s/completions", id);
    (void)snprintf(text, sizeof(text), "\"code\":\"%s\"", code);
    world_request("POST", path, DEV, body);
    assert_int_equal(world.calls, 0);
    assert_int_equal(world.x.status, status);
    if (!answer_has(text) || !answer_has(says)) {
        fail_msg("no %s or '%s' in %.*s", text, says, STR_ARG(buffer_str(&world.x.sent)));
    }
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("prompts.completions"));
}

static void versions_are_chosen_by_reference(void **state)
{
    (void)state;
    sends("hello", "v2 Ada", "2");
    sends("hello@1", "v1 Ada", "1");
    sends("hello@3", "v3 Ada", "3");
    sends("hello@latest", "v3 Ada", "3");
    sends("hello@old", "v1 Ada", "1");
    sends("hello%40production", "v2 Ada", "2");
    sends("draft@latest", "draft", "1");
    sends("draft@1", "draft", "1");
}

static void ids_are_names_too(void **state)
{
    char text[60], at[80];
    struct uuid own = id_of(1), shared = id_of(2), gone = id_of(99);
    (void)state;
    uuid_format_public("prm", &own, text, sizeof(text));
    sends(text, "v2 Ada", "2");
    (void)snprintf(at, sizeof(at), "%s@old", text);
    sends(at, "v1 Ada", "1");
    uuid_format_public("prm", &shared, text, sizeof(text));
    sends(text, "shared", "1");
    uuid_format_public("prm", &gone, text, sizeof(text));
    is_refused(text, "{}", 404, "prompt_not_found", "does not exist");
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    is_refused("nobody", "{}", 404, "prompt_not_found", "prompt 'nobody' does not exist");
    is_refused("hello@7", "{}", 404, "prompt_not_found", "prompt 'hello' has no version 7");
    is_refused("hello@staging", "{}", 404, "prompt_not_found", "has no label 'staging'");
    is_refused("draft", "{}", 404, "prompt_not_found", "prompt 'draft' has no published version");
    is_refused("rules", "{}", 404, "prompt_not_found", "is a partial");
    is_refused("hello@", "{}", 404, "prompt_not_found", "does not exist");
    is_refused("later", "{}", 503, "upgrade_required", "lacks a feature");
    is_refused("newer", "{}", 503, "upgrade_required", "messages: is of the wrong type");
    is_refused("no%20model", "{}", 400, "invalid_field", "model");
}

static void workspaces_shadow_their_organization(void **state)
{
    (void)state;
    sends("hello", "v2 Ada", "2");
    sends("only%20shared", "shared be kind", "1");
}

/* Another organization's prompt is not there, by whatever name. */
static void tenants_are_apart(void **state)
{
    struct snapshot_builder *b = snapshot_builder_new(base);
    struct error err = ERROR_INIT;
    struct uuid other = id_of(77), nil = {{0}}, id = id_of(1);
    static const struct prompt_spec theirs = {
        1, "hello", true, false, 1, NULL, {{1, DOC("theirs"), NULL}}};
    char text[60];
    (void)state;
    put_prompt(b, &theirs, other, nil);
    swap_publish(world.hub, snapshot_builder_finish(b, 10, &err));
    is_refused("hello", "{}", 404, "prompt_not_found", "does not exist");
    uuid_format_public("prm", &id, text, sizeof(text));
    is_refused(text, "{}", 404, "prompt_not_found", "does not exist");
}

static void partials_are_found_by_reference(void **state)
{
    (void)state;
    world_request("POST", "/v1/prompts/with/completions", DEV,
                  "{\"variables\":{\"tone\":\"kind\",\"pick\":\"rules@kind\"}}");
    assert_true(upstream_got("be kind first third be kindfirst"));
    answer_from_provider();
    is_refused("with", "{\"variables\":{\"tone\":\"x\",\"pick\":\"gone\"}}", 400, "invalid_field",
               "\"param\":\"partials.gone\"");
    is_refused("with", "{\"variables\":{\"tone\":\"x\",\"pick\":\"rules@9\"}}", 400,
               "invalid_field", "partial 'rules' has no version 9");
    is_refused("with", "{\"variables\":{\"tone\":\"x\",\"pick\":\"hello\"}}", 400, "invalid_field",
               "partial 'hello' does not exist");
}

static void bodies_are_checked(void **state)
{
    (void)state;
    is_refused("with", "{}", 400, "invalid_field", "\"param\":\"variables.tone\"");
    is_refused("with", "", 400, "invalid_field", "\"param\":\"variables.tone\"");
    is_refused("hello", "{\"variables\":[]}", 400, "invalid_field", "\"param\":\"variables\"");
    is_refused("hello", "[]", 400, "invalid_json", "must be a JSON object");
    is_refused("hello", "{\"variables\":", 400, "invalid_json", "");
    is_refused("hello", "{\"stream\":7}", 400, "invalid_field", "\"param\":\"stream\"");
}

static void callers_override(void **state)
{
    (void)state;
    world_request("POST", "/prompts/hello/completions", DEV,
                  "{\"variables\":{\"who\":\"\\\"x\\\"\"},\"temperature\":0.9,\"max_tokens\":5,"
                  "\"stream\":true,\"promptID\":\"hello\"}");
    assert_int_equal(world.calls, 1);
    assert_true(upstream_got("\"temperature\":0.9,\"max_tokens\":5,\"stream\":true"));
    assert_true(upstream_got("POST /v1/chat/completions"));
    assert_true(upstream_got("v2 \\\"x\\\""));
    assert_false(upstream_got("variables"));
    assert_false(upstream_got("promptID"));
    assert_false(upstream_got("0.5"));
    upstream_head(200, "text/event-stream", -1);
    upstream_data(
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":"
        "0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: "
        "[DONE]\n\n");
    upstream_end();
    world_end_turn();
    assert_true(header_sent("x-weir-prompt-version: 2\n"));
    assert_true(answer_has("data: [DONE]"));
    assert_true(event_has("prompts.completions"));
    assert_true(event_has("\"model\":\"fast\""));
    is_refused("hello", "{\"model\":\"unknown\"}", 404, "model_not_found", "unknown");
    assert_true(header_sent("x-weir-prompt-version: 2\n"));
}

static void keys_keep_their_bounds(void **state)
{
    (void)state;
    world_request("POST", "/v1/prompts/hello/completions", "Authorization: Bearer bound-secret",
                  "{}");
    assert_int_equal(world.x.status, 403);
    assert_true(answer_has("model_not_allowed"));
    world_request("POST", "/v1/prompts/hello/completions", NULL, "{}");
    assert_int_equal(world.x.status, 401);
    world_request("GET", "/v1/prompts/hello/completions", DEV, NULL);
    assert_int_equal(world.x.status, 405);
    world_request("POST", "/v1/prompts/hello", DEV, "{}");
    assert_int_equal(world.x.status, 404);
    world_request("POST", "/v1/prompts/hello/generate", DEV, "{}");
    assert_int_equal(world.x.status, 404);
    world_request("POST", "/v1/prompts/%ff/render", DEV, "{}");
    assert_int_equal(world.x.status, 400);
    assert_true(answer_has("not well encoded"));
}

static void rendering_calls_nobody(void **state)
{
    (void)state;
    world_request("POST", "/v1/prompts/hello/render", DEV,
                  "{\"variables\":{\"who\":\"Ada\"},\"max_tokens\":3}");
    assert_int_equal(world.x.status, 200);
    assert_int_equal(world.calls, 0);
    assert_true(str_eqz(buffer_str(&world.x.sent),
                        "{\"success\":true,\"data\":{\"model\":\"fast\",\"temperature\":0.5,"
                        "\"messages\":[{\"role\":\"user\",\"content\":\"v2 Ada\"}],\"max_tokens\":"
                        "3}}"));
    assert_true(header_sent("content-type: application/json"));
    assert_true(header_sent("x-weir-prompt-version: 2\n"));
    assert_true(header_sent("x-weir-request-id: req_"));
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"endpoint\":\"prompts.render\""));
    assert_true(event_has("\"outcome\":\"ok\""));
    assert_true(event_has("\"model\":\"fast\""));
    world_request("POST", "/v1/prompts/no%20model/render", DEV, "");
    assert_int_equal(world.x.status, 200);
    world_request("POST", "/v1/prompts/nobody/render", DEV, "");
    assert_int_equal(world.x.status, 404);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions_are_chosen_by_reference),
        TEST(ids_are_names_too),
        TEST(what_is_missing_is_named),
        TEST(workspaces_shadow_their_organization),
        TEST(tenants_are_apart),
        TEST(partials_are_found_by_reference),
        TEST(bodies_are_checked),
        TEST(callers_override),
        TEST(keys_keep_their_bounds),
        TEST(rendering_calls_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
