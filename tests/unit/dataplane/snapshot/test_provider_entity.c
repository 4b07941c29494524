/* What requests read of a provider: its row, settings and secrets, its address; and the look-ups by
 * kind, by star, and of catalogue rows and organizations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dataplane/snapshot/entities.h"

static struct snapshot_builder *b;

static int set_up(void **state)
{
    (void)state;
    b = snapshot_builder_new(NULL);
    return 0;
}

static void put(unsigned kind, unsigned n, struct str body)
{
    struct uuid id = id_of(kind, n);
    struct error err = ERROR_INIT;
    if (!snapshot_builder_put(b, kind, &id, body, &err)) {
        fail_msg("%s", err.text);
    }
    release(body);
}

static struct snapshot *finish(void)
{
    struct error err = ERROR_INIT;
    struct snapshot *s = snapshot_builder_finish(b, 1, &err);
    assert_non_null(s);
    return s;
}

static const struct snap_provider *get(const struct snapshot *s, unsigned n)
{
    struct uuid id = id_of(4, n);
    const struct snap_provider *p = snapshot_provider(s, &id);
    assert_non_null(p);
    return p;
}

static bool has(const struct snap_provider *p, const char *name, const char *value)
{
    return str_eq(snap_provider_setting(p, name), str_of(value));
}

#define PROVIDER(...) provider_body((struct provider_spec){.organization = 1, __VA_ARGS__})

static void settings_and_secrets_are_found_by_name(void **state)
{
    (void)state;
    put(4, 1,
        PROVIDER(.n = 1, .name = "bed", .kind = "aws-bedrock",
                 .settings = "{\"region\":\"eu-west-1\",\"headers\":{\"x-a\":\"b\"},"
                             "\"drop_params\":[\"user\"],\"rename_params\":3,\"later\":7}",
                 .plain = "{\"api_key\":\"k\",\"aws_secret_access_key\":\"s\\u0041\"}"));
    put(4, 2,
        PROVIDER(.n = 2, .name = "cf", .kind = "bedrock", .base_url = "http://127.0.0.1:1",
                 .plain = "{\"accessKeyId\":\"AK\",\"secretAccessKey\":\"SK\"}"));
    put(4, 3,
        PROVIDER(.n = 3, .name = "v", .kind = "vertex", .settings = "{\"project\":\"p\"}",
                 .plain = "{\"private_key\":\"x\",\"client_email\":\"y\"}"));
    put(4, 4, PROVIDER(.n = 4, .name = "o", .plain = "{no json"));
    struct snapshot *s = finish();
    const struct snap_provider *p = get(s, 1);
    assert_string_equal(p->row->name, "bedrock");
    assert_true(str_eqz(p->host, "bedrock-runtime.eu-west-1.amazonaws.com") && !p->disabled);
    assert_true(str_eqz(p->credential, "k") && has(p, "aws_secret_access_key", "sA"));
    assert_true(has(p, "region", "eu-west-1") && has(p, "later", "7"));
    assert_null(snap_provider_setting(p, "project").ptr);
    assert_int_equal(p->n_headers, 1);
    assert_true(str_eqz(p->headers[0].name, "x-a") && str_eqz(p->headers[0].value, "b"));
    assert_true(str_eqz(p->drop_json, "[\"user\"]"));
    assert_null(p->rename_json.ptr);
    p = get(s, 2);
    assert_true(has(p, "aws_access_key_id", "AK") && has(p, "aws_secret_access_key", "SK"));
    assert_true(has(p, "region", "us-east-1"));
    p = get(s, 3);
    assert_true(str_eqz(p->host, "aiplatform.googleapis.com") && has(p, "location", "global"));
    assert_true(has(p, "service_account", "{\"private_key\":\"x\",\"client_email\":\"y\"}"));
    assert_int_equal(p->credential.len, 0);
    assert_true(str_eqz(get(s, 4)->credential, "{no json"));
    snapshot_unref(s);
}

static void keys_are_listed_once_each(void **state)
{
    (void)state;
    put(4, 1, PROVIDER(.n = 1, .name = "one", .plain = "sk-1"));
    put(4, 2, PROVIDER(.n = 2, .name = "none"));
    put(4, 3,
        PROVIDER(.n = 3, .name = "list",
                 .plain = "{\"api_keys\":[\"k1\",\"k\\u0032\",\"k1\",\"\",7]}"));
    put(4, 4,
        PROVIDER(.n = 4, .name = "both",
                 .plain = "{\"api_keys\":[\"k1\",\"k2\"],\"api_key\":\"k2\"}"));
    put(4, 5, PROVIDER(.n = 5, .name = "no_list", .plain = "{\"api_keys\":\"k1\"}"));
    put(4, 6,
        PROVIDER(.n = 6, .name = "open",
                 .settings = "{\"api_keys\":[\"k1\"],"
                             "\"health_check\":{\"failures\":2}}"));
    struct snapshot *s = finish();
    const struct snap_provider *p = get(s, 1);
    assert_int_equal(p->n_credentials, 1);
    assert_true(str_eqz(p->credentials[0], "sk-1") && str_eqz(p->credential, "sk-1"));
    p = get(s, 2);
    assert_int_equal(p->n_credentials, 1);
    assert_true(p->credentials[0].len == 0 && p->credentials[0].ptr);
    p = get(s, 3);
    assert_int_equal(p->n_credentials, 2);
    assert_true(str_eqz(p->credentials[0], "k1") && str_eqz(p->credentials[1], "k2"));
    assert_true(str_eqz(p->credential, "k1"));
    assert_null(p->health_check_json.ptr);
    p = get(s, 4);
    assert_int_equal(p->n_credentials, 2);
    assert_true(str_eqz(p->credentials[0], "k2") && str_eqz(p->credentials[1], "k1"));
    p = get(s, 5);
    assert_int_equal(p->n_credentials, 1);
    assert_int_equal(p->credential.len, 0);
    p = get(s, 6); /* a key among the settings is none */
    assert_int_equal(p->n_credentials, 1);
    assert_int_equal(p->credential.len, 0);
    assert_true(str_eqz(p->health_check_json, "{\"failures\":2}"));
    snapshot_unref(s);
}

static void rows_follow_settings(void **state)
{
    (void)state;
    put(4, 1,
        PROVIDER(.n = 1, .name = "az", .kind = "azure", .base_url = "https://r.openai.azure.com",
                 .settings = "{\"api_version\":\"2024-10-21\"}"));
    put(4, 2,
        PROVIDER(.n = 2, .name = "az2", .kind = "azure", .base_url = "https://r.openai.azure.com"));
    put(4, 3,
        PROVIDER(.n = 3, .name = "c", .kind = "custom", .base_url = "http://h/x",
                 .settings = "{\"dialect\":\"messages\",\"auth\":\"header:X-K\"}"));
    put(4, 4, PROVIDER(.n = 4, .name = "c2", .kind = "custom", .base_url = "http://h"));
    put(4, 5, PROVIDER(.n = 5, .name = "vl", .kind = "vllm", .base_url = "http://h:8000"));
    put(4, 6, PROVIDER(.n = 6, .name = "q", .kind = "quantum", .base_url = "http://h"));
    put(4, 7, PROVIDER(.n = 7, .name = "b", .kind = "bedrock"));
    put(4, 8, PROVIDER(.n = 8, .name = "o", .settings = "{\"organization\":\"org-1\"}"));
    put(4, 9,
        PROVIDER(.n = 9, .name = "b2", .kind = "bedrock",
                 .settings = "{\"region\":\"x/../evil.test#\"}"));
    struct snapshot *s = finish();
    assert_string_equal(get(s, 1)->row->endpoints[0].path,
                        "/openai/deployments/{model}/chat/completions?api-version={api_version}");
    assert_string_equal(get(s, 2)->row->endpoints[0].path, "/openai/v1/chat/completions");
    const struct snap_provider *p = get(s, 3);
    assert_int_equal(p->row->n_endpoints, 2);
    assert_int_equal(p->row->endpoints[0].api, API_MESSAGES);
    assert_int_equal(p->row->auth, AUTH_HEADER);
    assert_string_equal(p->row->auth_name, "X-K");
    assert_int_equal(get(s, 4)->row->endpoints[0].api, API_CHAT);
    assert_int_equal(get(s, 4)->path.len, 0);
    assert_true(str_eqz(get(s, 5)->path, "/v1"));
    assert_true(get(s, 6)->needs_unknown && !get(s, 5)->needs_unknown);
    assert_true(get(s, 7)->base_url_invalid && get(s, 7)->disabled);
    assert_int_equal(get(s, 8)->n_headers, 1);
    assert_true(str_eqz(get(s, 8)->headers[0].name, "OpenAI-Organization") &&
                str_eqz(get(s, 8)->headers[0].value, "org-1"));
    assert_true(get(s, 9)->base_url_invalid);
    snapshot_unref(s);
}

static void kinds_and_stars_find_something(void **state)
{
    (void)state;
    struct uuid org = id_of(1, 1), other = id_of(1, 2), ws = id_of(2, 1);
    put(4, 1, PROVIDER(.n = 1, .name = "zz", .kind = "openai"));
    put(4, 2, PROVIDER(.n = 2, .name = "aa", .kind = "openai", .base_url = "ftp://broken"));
    put(4, 3, PROVIDER(.n = 3, .workspace = 1, .name = "own", .kind = "groq"));
    put(5, 1, model_body(1, 1, 0, "gpt-*", 1));
    put(5, 2, model_body(2, 1, 0, "gpt-4*", 1));
    put(5, 3, model_body(3, 1, 1, "gpt-4*", 1));
    put(5, 4, model_body(4, 2, 0, "*", 1));
    struct snapshot *s = finish();
    struct str rest = STR_NONE;
    assert_true(str_eqz(snapshot_provider_of_kind(s, &org, &ws, STR_LIT("OpenAI"))->name, "zz"));
    assert_true(str_eqz(snapshot_provider_of_kind(s, &org, &ws, STR_LIT("groq"))->name, "own"));
    assert_null(snapshot_provider_of_kind(s, &org, NULL, STR_LIT("groq")));
    assert_null(snapshot_provider_of_kind(s, &other, &ws, STR_LIT("openai")));
    assert_null(snapshot_provider_of_kind(s, &org, &ws, STR_LIT("quantum")));
    const struct snap_model *m = snapshot_model_wildcard(s, &org, &ws, STR_LIT("gpt-4o"), &rest);
    assert_true(m && !uuid_is_nil(&m->workspace_id) && str_eqz(rest, "o"));
    m = snapshot_model_wildcard(s, &org, NULL, STR_LIT("gpt-4"), &rest);
    assert_true(m && uuid_is_nil(&m->workspace_id) && rest.len == 0);
    m = snapshot_model_wildcard(s, &org, &ws, STR_LIT("gpt-5"), &rest);
    assert_true(m && str_eqz(m->name, "gpt-*") && str_eqz(rest, "5"));
    assert_null(snapshot_model_wildcard(s, &org, &ws, STR_LIT("claude"), &rest));
    m = snapshot_model_wildcard(s, &other, &ws, STR_LIT("claude"), &rest);
    assert_true(m && str_eqz(rest, "claude"));
    snapshot_unref(s);
}

static struct str entry_body(unsigned n, unsigned organization, const char *entry)
{
    struct uuid id = id_of(6, n), org = id_of(1, organization);
    Weir__CatalogueModel m = WEIR__CATALOGUE_MODEL__INIT;
    char provider[] = "openai", model[] = "gpt-x";
    m.id = bytes_of_uuid(&id);
    if (organization) {
        m.organization_id = bytes_of_uuid(&org);
    }
    m.provider = provider;
    m.model = model;
    m.entry_json = (char *)(uintptr_t)entry;
    return packed(&m.base);
}

static void catalogue_rows_and_organizations_are_found(void **state)
{
    (void)state;
    struct uuid org1 = id_of(1, 1), org2 = id_of(1, 2);
    Weir__Organization o = WEIR__ORGANIZATION__INIT;
    char settings[] = "{\"unpriced_models\":\"allow\"}";
    o.id = bytes_of_uuid(&org1);
    o.settings_json = settings;
    put(1, 1, packed(&o.base));
    put(6, 1, entry_body(1, 0, "{\"a\":1}"));
    put(6, 2, entry_body(2, 1, "{\"a\":2}"));
    struct snapshot *s = finish();
    assert_true(str_eqz(snapshot_organization(s, &org1)->settings_json, settings));
    assert_null(snapshot_organization(s, &org2));
    struct str openai = STR_LIT("openai"), model = STR_LIT("gpt-x");
    assert_true(str_eqz(snapshot_catalogue_entry(s, &org1, openai, model), "{\"a\":2}"));
    assert_true(str_eqz(snapshot_catalogue_entry(s, &org2, openai, model), "{\"a\":1}"));
    assert_null(snapshot_catalogue_entry(s, &org1, openai, STR_LIT("gpt-y")).ptr);
    assert_null(snapshot_catalogue_entry(s, &org1, STR_LIT("azure"), model).ptr);
    /* the organization's own goes: everybody's shows again */
    struct uuid id = id_of(6, 2);
    b = snapshot_builder_new(s);
    snapshot_builder_delete(b, 6, &id);
    struct snapshot *t = finish();
    assert_true(str_eqz(snapshot_catalogue_entry(t, &org1, openai, model), "{\"a\":1}"));
    snapshot_unref(t);
    snapshot_unref(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(settings_and_secrets_are_found_by_name),
        TEST(keys_are_listed_once_each),
        TEST(rows_follow_settings),
        TEST(kinds_and_stars_find_something),
        TEST(catalogue_rows_and_organizations_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
