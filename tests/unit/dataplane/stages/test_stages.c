/* The stages as a client sees them: who is let in, where a name leads, what reaches the provider,
 * what is refused how. */
#include "dataplane/fake_world.h"

#define YAML                                                                                 \
    "version: 1\n"                                                                           \
    "providers:\n"                                                                           \
    "  - {name: openai, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: "     \
    "\"sk-stored\"}\n"                                                                       \
    "  - {name: open, kind: openai, base_url: \"http://127.0.0.1:9002\"}\n"                  \
    "models:\n"                                                                              \
    "  - {name: fast, targets: [{provider: openai, model: gpt-4o-mini}]}\n"                  \
    "  - {name: hidden, targets: [{provider: openai, model: gpt-4o}]}\n"                     \
    "keys:\n"                                                                                \
    "  - {name: dev, secret: \"dev-secret\", models: [\"*\"]}\n"                             \
    "  - {name: bound, secret: \"bound-secret\", models: [\"fast\", \"openai/gpt-4o-m*\"], " \
    "providers: [\"openai\"]}\n"                                                             \
    "  - {name: one, secret: \"one-secret\", providers: [\"open\"]}\n"                       \
    "  - {name: old, secret: \"old-secret\", expires_at: \"2020-01-01T00:00:00Z\"}\n"        \
    "  - {name: off, secret: \"off-secret\", disabled: true}\n"

#define DEV "Authorization: Bearer dev-secret"
#define CHAT "/v1/chat/completions"

static int set_up(void **state)
{
    (void)state;
    world_begin(YAML);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    return 0;
}

static void give_up(void)
{
    if (world.call->live && !world.x.ended) {
        upstream_fail(ERR_UPSTREAM_REFUSED);
    }
}

static void is_refused(int status, const char *code, bool event)
{
    char text[80];
    (void)snprintf(text, sizeof(text), "\"code\":\"%s\"", code);
    assert_int_equal(world.x.status, status);
    assert_true(world.x.replied);
    if (!answer_has(text)) {
        fail_msg("no %s in %.*s", text, (int)world.x.sent.len, world.x.sent.ptr);
    }
    assert_true(header_sent("x-weir-request-id: req_"));
    assert_int_equal(world.n_events, event ? 1 : 0);
    assert_int_equal(world.x.events_at_end, world.n_events);
    assert_int_equal(world.calls, 0);
}

static void keys_are_told_apart(void **state)
{
    (void)state;
    world_request("POST", CHAT, NULL, "{\"model\":\"fast\"}");
    is_refused(401, "missing_api_key", false);
    world_request("POST", CHAT, "Authorization: Basic ZGV2OnNlY3JldA==", "{\"model\":\"fast\"}");
    is_refused(401, "missing_api_key", false);
    world_request("POST", CHAT, "Authorization: Bearer nobody", "{\"model\":\"fast\"}");
    is_refused(401, "invalid_api_key", false);
    world_request("POST", CHAT, "Authorization: Bearer wr_live_000000000000000000000000000000000",
                  "{}");
    is_refused(401, "invalid_api_key", false);
    world_request("POST", CHAT, "Authorization: Bearer old-secret", "{}");
    is_refused(401, "api_key_expired", false);
    world_request("POST", CHAT, "Authorization: Bearer off-secret", "{}");
    is_refused(401, "api_key_disabled", false);
    assert_int_equal(world.counters.unauthenticated, 6);
    assert_false(answer_has("off-secret"));
}

static void no_configuration_is_not_ready(void **state)
{
    (void)state;
    world_end();
    world_begin(NULL);
    world_request("POST", CHAT, DEV, "{\"model\":\"fast\"}");
    is_refused(503, "not_ready", false);
}

static void stale_configuration_refuses_after_authentication(void **state)
{
    (void)state;
    world.policy.stale = true;
    world_request("POST", CHAT, DEV, "{\"model\":\"fast\"}");
    is_refused(503, "configuration_stale", true);
}

static void key_stands_in_any_of_its_places(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "Authorization: bearer   dev-secret",
        "x-weir-key: dev-secret\nAuthorization: Bearer sk-placeholder",
        "x-portkey-api-key: dev-secret\nAuthorization: Bearer sk-placeholder",
        "cf-aig-authorization: Bearer dev-secret\nAuthorization: Bearer sk-placeholder",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        world_request("POST", CHAT, headers[i], "{\"model\":\"fast\"}");
        assert_int_equal(world.calls, 1);
        /* an SDK's placeholder never defeats the stored credential, and no key of ours goes out */
        assert_true(upstream_got("Authorization: Bearer sk-stored\r\n"));
        assert_false(upstream_got("sk-placeholder"));
        assert_false(upstream_got("dev-secret"));
        give_up();
    }
    /* the first place that holds something counts */
    world_request("POST", CHAT, "x-weir-key: nobody\n" DEV, "{\"model\":\"fast\"}");
    is_refused(401, "invalid_api_key", false);
}

static void native_keys_stand_where_sdks_put_them(void **state)
{
    (void)state;
    static const char *const headers[] = {DEV, "x-api-key: dev-secret",
                                          "x-goog-api-key: dev-secret", "api-key: dev-secret"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        world_request("GET", "/openai/models", headers[i], NULL);
        assert_int_equal(world.calls, 1);
        assert_false(upstream_got("dev-secret"));
        give_up();
    }
    world_request("GET", "/openai/models?a=1&key=dev-secret&b=2", NULL, NULL);
    assert_true(upstream_got("GET /v1/models?a=1&b=2 HTTP/1.1\r\n"));
    assert_false(upstream_got("dev-secret"));
    give_up();
    /* nor does a parameter that was not the key that counted, however it is written */
    world_request("GET", "/openai/models?%6bEy=1&k%65y=sk-x&key&key=wr_live_x", DEV, NULL);
    assert_true(upstream_got("GET /v1/models?%6bEy=1 HTTP/1.1\r\n"));
    give_up();
    world_request("POST", CHAT "?key=dev-secret", NULL, "{\"model\":\"fast\"}");
    is_refused(401, "missing_api_key", false);
}

static void own_credential_passes_where_none_is_stored(void **state)
{
    (void)state;
    world_request("POST", CHAT, "x-weir-key: dev-secret\nAuthorization: Bearer sk-mine",
                  "{\"model\":\"open/m\"}");
    assert_true(upstream_got("Authorization: Bearer sk-mine\r\n"));
    give_up();
    world_request("POST", CHAT, DEV, "{\"model\":\"open/m\"}");
    assert_false(upstream_got("Authorization"));
    give_up();
}

static void names_lead_somewhere(void **state)
{
    (void)state;
    world_request("POST", CHAT, DEV, "{\"model\":\"fast\"}");
    assert_true(upstream_got("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n"));
    assert_true(upstream_got("\r\n\r\n{\"model\":\"gpt-4o-mini\"}"));
    assert_true(upstream_got("Content-Length: 23\r\n"));
    give_up();
    world_request("POST", "/chat/completions", DEV, "{\"model\":\"openai/gpt-x/y\"}");
    assert_true(upstream_got("{\"model\":\"gpt-x/y\"}"));
    give_up();
    world_request("POST", CHAT, DEV, "{\"model\":\"@open/m\"}");
    assert_true(upstream_got("POST /chat/completions HTTP/1.1\r\nHost: 127.0.0.1:9002\r\n"));
    give_up();
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    world_request("POST", CHAT, DEV, "{\"model\":\"nope\"}");
    is_refused(404, "model_not_found", true);
    assert_true(answer_has("\"param\":\"model\""));
    assert_true(event_has("\"model\":\"nope\"") && event_has("\"outcome\":\"refused\"") &&
                event_has("\"status\":404"));
    world_request("POST", CHAT, DEV, "{\"model\":\"nobody/m\"}");
    is_refused(404, "model_not_found", true);
    world_request("POST", CHAT, "Authorization: Bearer bound-secret", "{\"model\":\"hidden\"}");
    is_refused(403, "model_not_allowed", true);
    world_request("POST", CHAT, "Authorization: Bearer bound-secret",
                  "{\"model\":\"openai/gpt-4o-mini\"}");
    assert_int_equal(world.calls, 1);
    give_up();
}

static void bad_bodies_are_refused_with_an_owner(void **state)
{
    (void)state;
    world_request("POST", CHAT, DEV, "{\"model\":\"fast\",}");
    is_refused(400, "invalid_json", true);
    assert_true(answer_has("line 1 column 17") && answer_has("offset 16"));
    assert_true(answer_has("\"param\":null"));
    world_request("POST", CHAT, DEV, "");
    is_refused(400, "invalid_json", true);
    world_request("POST", CHAT, DEV, "{\"messages\":[]}");
    is_refused(400, "invalid_field", true);
    assert_true(answer_has("\"param\":\"model\""));
    world_request("POST", CHAT, NULL, "{");
    is_refused(401, "missing_api_key", false);
}

static void paths_and_methods(void **state)
{
    (void)state;
    world_request("POST", "/v1/unknown", DEV, "{}");
    is_refused(404, "not_found", false);
    world_request("GET", CHAT, DEV, NULL);
    is_refused(405, "method_not_allowed", false);
    assert_true(header_sent("allow: POST"));
    world_request("DELETE", "/v1/models", DEV, NULL);
    is_refused(405, "method_not_allowed", false);
    world_request("OPTIONS", CHAT, NULL, NULL);
    assert_int_equal(world.x.status, 204);
    assert_true(header_sent("allow: POST"));
    world_request("GET", "/", NULL, NULL);
    is_refused(404, "not_found", false);
    world_request("GET", "/openai/../admin", DEV, NULL);
    is_refused(400, "bad_request", false);
    world_request("GET", "/openai/%2e%2e/admin", DEV, NULL);
    is_refused(400, "bad_request", false);
    world_request("GET", "/nobody/models", DEV, NULL);
    is_refused(404, "provider_not_found", true);
}

static void models_are_those_that_the_key_may_use(void **state)
{
    (void)state;
    world_request("GET", "/v1/models", DEV, NULL);
    assert_int_equal(world.x.status, 200);
    assert_true(answer_has("\"id\":\"fast\"") && answer_has("\"id\":\"hidden\"") &&
                answer_has("\"object\":\"list\""));
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"endpoint\":\"models\"") && event_has("\"outcome\":\"ok\""));
    world_request("GET", "/v1/models", "Authorization: Bearer bound-secret", NULL);
    assert_true(answer_has("\"id\":\"fast\""));
    assert_false(answer_has("hidden"));
    world_request("GET", "/v1/models/fast", DEV, NULL);
    assert_true(answer_has("{\"id\":\"fast\",\"object\":\"model\""));
    world_request("GET", "/v1/models/openai%2Fgpt-4o", DEV, NULL);
    assert_int_equal(world.x.status, 200);
    world_request("GET", "/v1/models/hidden", "Authorization: Bearer bound-secret", NULL);
    is_refused(404, "model_not_found", true);
    world_request("GET", "/v1/models/%zz", DEV, NULL);
    is_refused(400, "invalid_field", false);
}

static void headers_are_sifted(void **state)
{
    (void)state;
    world_request("POST", CHAT,
                  DEV
                  "\nCookie: a=b\nX-Forwarded-For: 1.2.3.4\nx-weir-trace: 1\nx-portkey-trace-id: "
                  "c\nTransfer-Encoding: chunked"
                  "\nConnection: close, x-hop\nx-hop: 1\nUser-Agent: sdk/1\ntraceparent: "
                  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nOpenAI-"
                  "Organization: org-1\nIdempotency-Key: k"
                  "\nAccept-Encoding: gzip\nContent-Type: text/plain",
                  "{\"model\":\"fast\"}");
    static const char *const gone[] = {
        "Cookie", "X-Forwarded", "x-weir",     "x-portkey",  "Transfer-Encoding",
        "x-hop",  "gzip",        "text/plain", "dev-secret", "Connection"};
    static const char *const there[] = {"User-Agent: sdk/1\r\n",
                                        "traceparent: 00-0af",
                                        "OpenAI-Organization: org-1\r\n",
                                        "Idempotency-Key: k\r\n",
                                        "Accept-Encoding: identity\r\n",
                                        "Content-Type: application/json\r\n",
                                        "Accept: */*\r\n"};
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        assert_false(upstream_got(gone[i]));
    }
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        assert_true(upstream_got(there[i]));
    }
    give_up();
    assert_true(event_has("\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\""));
}

static void native_passes_as_it_is(void **state)
{
    (void)state;
    world_request("PUT", "/openai/files/a%20b?x=%2F&y",
                  DEV "\nContent-Type: multipart/form-data; boundary=z", "--z raw \x01");
    assert_true(upstream_got("PUT /v1/files/a%20b?x=%2F&y HTTP/1.1\r\n"));
    assert_true(upstream_got("Content-Type: multipart/form-data; boundary=z\r\n"));
    assert_true(upstream_got("\r\n\r\n--z raw \x01"));
    give_up();
    world_request("GET", "/openai", DEV, NULL);
    assert_true(upstream_got("GET /v1 HTTP/1.1\r\n"));
    assert_false(upstream_got("Content-Length"));
    give_up();
    world_request("GET", "/open", DEV, NULL);
    assert_true(upstream_got("GET / HTTP/1.1\r\n"));
    give_up();
}

static void a_bound_key_stays_bound_on_native_paths(void **state)
{
    (void)state;
#define BOUND "Authorization: Bearer bound-secret\nContent-Type: application/json"
    world_request("POST", "/openai/chat/completions", BOUND, "{\"model\":\"gpt-4o\"}");
    is_refused(403, "model_not_allowed", true);
    world_request("POST", "/openai/chat/completions", "Authorization: Bearer bound-secret",
                  "{\"model\":\"gpt-4o-mini\"}");
    is_refused(403, "model_not_allowed", true);
    world_request("GET", "/open/models", BOUND, NULL);
    is_refused(404, "provider_not_found", true);
    world_request("POST", "/openai/chat/completions", BOUND, "{\"model\":\"gpt-4o-mini\"}");
    assert_int_equal(world.calls, 1);
    give_up();
    world_request("GET", "/openai/models", BOUND, NULL);
    assert_int_equal(world.calls, 1);
    give_up();
    /* what the URL names counts too, beside a body that names what is allowed or without one */
    static const char *const other[] = {"/openai/deployments/gpt-4o/audio/speech",
                                        "/openai/Deployments//gpt-4o/chat",
                                        "/openai/deployments%2fgpt-4o/chat",
                                        "/openai/models/gpt-4o:generateContent",
                                        "/openai/engines/%67pt-4o/completions",
                                        "/openai/audio?model=gpt-4o",
                                        "/openai/audio?model=gpt-4o-mini&mod%65l=gpt-4o"};
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        world_request("POST", other[i], BOUND, "{\"model\":\"gpt-4o-mini\"}");
        is_refused(403, "model_not_allowed", true);
        world_request("POST", other[i], BOUND, NULL);
        is_refused(403, "model_not_allowed", true);
    }
    static const char *const own[] = {"/openai/deployments/gpt-4o-mini/audio/speech",
                                      "/openai/models/gpt-4o-mini:generateContent",
                                      "/openai/models/?model=gpt-4o-mini", "/openai/models"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        world_request("POST", own[i], BOUND, "{\"model\":\"gpt-4o-mini\"}");
        assert_int_equal(world.calls, 1);
        give_up();
    }
}

static void a_key_names_providers_only_of_its_own(void **state)
{
    (void)state;
    world_request("POST", CHAT, "x-weir-key: one-secret", "{\"model\":\"openai/gpt-4o\"}");
    is_refused(404, "model_not_found", true);
    world_request("GET", "/v1/models/openai%2Fgpt-4o", "x-weir-key: one-secret", NULL);
    is_refused(404, "model_not_found", true);
    world_request("POST", CHAT, "x-weir-key: one-secret", "{\"model\":\"@open/m\"}");
    assert_int_equal(world.calls, 1);
    give_up();
    /* an alias leads where its owner put it */
    world_request("POST", CHAT, "x-weir-key: one-secret", "{\"model\":\"fast\"}");
    assert_int_equal(world.calls, 1);
    give_up();
}

static void names_that_are_no_text_are_refused(void **state)
{
    (void)state;
    char path[300] = "/v1/models/";
    memset(path + 11, 'x', 201);
    world_request("GET", path, DEV, NULL);
    is_refused(400, "invalid_field", false);
    world_request("GET", "/v1/models/%ff", DEV, NULL);
    is_refused(400, "invalid_field", false);
    world_request("GET", "/%c3%28/models", DEV, NULL);
    is_refused(404, "not_found", false);
    /* a message that is cut is cut between characters */
    char body[300];
    struct buffer b;
    buffer_init(&b, sizeof(body));
    (void)buffer_append_z(&b, "{\"model\":\"a");
    for (size_t i = 0; i < 60; i++) {
        (void)buffer_append_z(&b, "\xe2\x82\xac");
    }
    (void)buffer_append(&b, "\"}", 3);
    memcpy(body, b.ptr, b.len);
    buffer_release(&b);
    world_request("POST", CHAT, DEV, body);
    is_refused(404, "model_not_found", true);
    assert_true(json_validate(buffer_str(&world.x.sent), 0, &(struct json_value){0}, NULL));
    world_request("GET", "/v1/models",
                  DEV "\ntraceparent: 00-\xff\xff"
                      "7651916cd43dd8448eb211c80319c\"-b7ad6b7169203331-01",
                  NULL);
    assert_true(event_has("\"trace_id\":\"\""));
}

static void without_authentication_anybody_is_somebody(void **state)
{
    (void)state;
    static const struct str all[] = {STR_LIT("*")};
    struct snap_key anonymous = {.organization_id = standalone_id(1, STR_LIT("default")),
                                 .workspace_id = standalone_id(2, STR_LIT("default")),
                                 .models = all,
                                 .providers = all,
                                 .n_models = 1,
                                 .n_providers = 1};
    world.policy.anonymous = &anonymous;
    world_request("POST", CHAT, NULL, "{\"model\":\"fast\"}");
    assert_true(upstream_got("Bearer sk-stored"));
    give_up();
    world_request("POST", CHAT, "Authorization: Bearer sk-mine", "{\"model\":\"open/m\"}");
    assert_true(upstream_got("Bearer sk-mine"));
    give_up();
}

static void full_spool_sends_nothing(void **state)
{
    (void)state;
    world.spool_full = true;
    world_request("POST", CHAT, DEV, "{\"model\":\"fast\"}");
    is_refused(503, "accounting_unavailable", false);
    assert_int_equal(world.counters.events_refused, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(keys_are_told_apart),
        T(no_configuration_is_not_ready),
        T(stale_configuration_refuses_after_authentication),
        T(key_stands_in_any_of_its_places),
        T(native_keys_stand_where_sdks_put_them),
        T(own_credential_passes_where_none_is_stored),
        T(names_lead_somewhere),
        T(wrong_names_are_refused),
        T(bad_bodies_are_refused_with_an_owner),
        T(paths_and_methods),
        T(models_are_those_that_the_key_may_use),
        T(headers_are_sifted),
        T(native_passes_as_it_is),
        T(a_bound_key_stays_bound_on_native_paths),
        T(a_key_names_providers_only_of_its_own),
        T(names_that_are_no_text_are_refused),
        T(without_authentication_anybody_is_somebody),
        T(full_spool_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
