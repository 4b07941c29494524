/* The catalogue in the admin API: list and filters, an update for everybody, an organization's
 * overrides, and what data planes are sent of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_fixture.h"
#include "common/rules/catalogue.h"
#include "controlplane/store/changes.h"

static const char installed[] =
    "{\"format\":1,\"version\":\"2026-01-01 test\",\"models\":["
    "{\"provider\":\"anthropic\",\"model\":\"claude\",\"title\":\"Claude\",\"context\":200000,"
    "\"capabilities\":[\"tools\",\"reason\"],\"input\":[\"text\",\"image\"],\"output\":[\"text\"],"
    "\"price\":{\"token_in\":3000000,\"token_out\":{\"price\":15000000,\"tiers\":[{\"above\":"
    "200000,"
    "\"price\":22500000}]}},\"source\":\"test\"},"
    "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"capabilities\":[\"tools\"],\"input\":["
    "\"text\"],"
    "\"output\":[\"text\"],\"price\":{\"token_in\":2500000}},"
    "{\"provider\":\"openai\",\"model\":\"old\",\"deprecated\":\"\"},"
    "{\"provider\":\"openai\",\"model\":\"org/with:odd@name\"}]}";
/* claude dearer, gpt-4o as it was, old gone, one more */
#define NEWER                                                                                   \
    "{\"format\":1,\"version\":\"2026-02-02 test\",\"models\":["                                \
    "{\"provider\":\"anthropic\",\"model\":\"claude\",\"title\":\"Claude\",\"context\":200000," \
    "\"capabilities\":[\"tools\",\"reason\"],\"input\":[\"text\",\"image\"],\"output\":["       \
    "\"text\"],\"price\":{\"token_in\":4000000},\"source\":\"test\"},"                          \
    "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"capabilities\":[\"tools\"],\"input\":["    \
    "\"text\"],\"output\":[\"text\"],\"price\":{\"token_in\":2500000}},"                        \
    "{\"provider\":\"openai\",\"model\":\"gpt-9\",\"price\":{\"token_in\":1}},"                 \
    "{\"provider\":\"openai\",\"model\":\"org/with:odd@name\"}]}"

static char acme[64], other[64], platform_token[80], acme_admin[80], acme_auditor[80],
    other_owner[80];
static char override_id[64];

static void keep(char *to, size_t size, const char *from)
{
    assert_true(from[0] != '\0' && strlen(from) < size);
    snprintf(to, size, "%s", from);
}

static void as(const char *token)
{
    snprintf(fx.bearer, sizeof fx.bearer, "%s", token);
}

static void make_token(const char *organization, const char *role, char room[static 80])
{
    snprintf(fx.organization, sizeof fx.organization, "%s", organization);
    struct answer a = call("POST", "/admin-tokens", "{\"name\":\"%s %s\",\"role\":\"%s\"}",
                           organization, role, role);
    assert_status(a, 201);
    keep(room, 80, at(&a, "secret"));
    fx.organization[0] = '\0';
}

static void people_are_made(void **state)
{
    (void)state;
    assert_status(sign_in(ADMIN_EMAIL, ADMIN_PASSWORD), 201);
    struct answer a = call("POST", "/organizations", "{\"name\":\"acme\"}");
    keep(acme, sizeof acme, at(&a, "id"));
    a = call("POST", "/organizations", "{\"name\":\"other\"}");
    keep(other, sizeof other, at(&a, "id"));
    a = call("POST", "/admin-tokens", "{\"name\":\"ci\",\"role\":\"platform_admin\"}");
    keep(platform_token, sizeof platform_token, at(&a, "secret"));
    make_token("acme", "admin", acme_admin);
    make_token("acme", "auditor", acme_auditor);
    make_token("other", "owner", other_owner);
}

static int count(const char *path)
{
    struct answer a = call("GET", path, NULL);
    char name[16];
    int n = 0;
    assert_status(a, 200);
    for (;; n++) {
        snprintf(name, sizeof name, "data.%d.id", n);
        if (at(&a, name)[0] == '\0') {
            return n;
        }
    }
}

static void the_list_is_filtered_and_paged(void **state)
{
    (void)state;
    char path[512];
    as(acme_auditor);
    struct answer a = call("GET", "/catalogue", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "version"), "2026-01-01 test");
    assert_string_equal(at(&a, "data.0.model"), "claude");
    assert_string_equal(at(&a, "data.0.price.token_in"), "3000000");
    assert_string_equal(at(&a, "data.0.price.token_out.tiers.0.price"), "22500000");
    assert_string_equal(at(&a, "data.0.capabilities.1"), "reason");
    assert_string_equal(at(&a, "data.2.deprecated"), "true");
    assert_string_equal(at(&a, "next_cursor"), "null");
    keep(path, sizeof path, at(&a, "data.3.id"));
    char one[600];
    snprintf(one, sizeof one, "/catalogue/%s", path);
    a = call("GET", one, NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "model"), "org/with:odd@name");
    assert_status(call("GET", "/catalogue/cat_00000000000000000000000000000000", NULL), 404);
    assert_int_equal(count("/catalogue?provider=openai"), 3);
    assert_int_equal(count("/catalogue?q=CLAU"), 1);
    assert_int_equal(count("/catalogue?q=nobody"), 0);
    assert_int_equal(count("/catalogue?priced=true"), 2);
    assert_int_equal(count("/catalogue?priced=false"), 2);
    assert_int_equal(count("/catalogue?capability=tools"), 2);
    assert_int_equal(count("/catalogue?capability=tools,input:image"), 1);
    assert_int_equal(count("/catalogue?overridden=true"), 0);
    assert_status(call("GET", "/catalogue?capability=flight", NULL), 400);
    assert_status(call("GET", "/catalogue?capability=input:tools", NULL), 400);
    assert_status(call("GET", "/catalogue?priced=1", NULL), 400);
    assert_status(call("GET", "/catalogue?limit=0", NULL), 400);
    assert_status(call("GET", "/catalogue?cursor=none", NULL), 400);
    a = call("GET", "/catalogue?limit=3", NULL);
    snprintf(path, sizeof path, "/catalogue?limit=3&cursor=%s", at(&a, "next_cursor"));
    a = call("GET", path, NULL);
    assert_string_equal(at(&a, "data.0.model"), "org/with:odd@name");
    assert_string_equal(at(&a, "next_cursor"), "null");
    a = call("GET", "/catalogue/providers", NULL);
    assert_string_equal(at(&a, "data.1.provider"), "openai");
    assert_string_equal(at(&a, "data.1.models"), "3");
    assert_string_equal(at(&a, "data.1.priced"), "1");
}

static void an_override_is_the_organizations_own(void **state)
{
    (void)state;
    char path[128];
    as(acme_auditor);
    assert_status(call("POST", "/catalogue-overrides",
                       "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"entry\":{\"context\":1}}"),
                  403);
    as(acme_admin);
    static const char *const bad[] = {"{}",
                                      "{\"price\":{\"token_in\":2.5}}",
                                      "{\"price\":{\"tokens\":2}}",
                                      "{\"provider\":\"x\"}",
                                      "{\"context\":\"much\"}",
                                      "{\"match\":{\"equals\":\"x\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct answer a =
            call("POST", "/catalogue-overrides",
                 "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"entry\":%s}", bad[i]);
        assert_status(a, 400);
        assert_true(strncmp(at(&a, "error.param"), "entry", 5) == 0);
    }
    struct answer a = call("POST", "/catalogue-overrides",
                           "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"entry\":{\"price\":{"
                           "\"token_in\":9007199254740993},\"context\":9}}");
    assert_status(a, 201);
    keep(override_id, sizeof override_id, at(&a, "id"));
    assert_string_equal(at(&a, "entry.price.token_in"), "9007199254740993");
    assert_status(call("POST", "/catalogue-overrides",
                       "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"entry\":{\"context\":1}}"),
                  409);
    assert_status(call("POST", "/catalogue-overrides",
                       "{\"provider\":\"house\",\"model\":\"own\",\"entry\":{\"price\":{"
                       "\"token_in\":5}}}"),
                  201);
    a = call("GET", "/catalogue?overridden=true", NULL);
    assert_string_equal(at(&a, "data.0.provider"), "house");
    assert_string_equal(at(&a, "data.1.override_id"), override_id);
    assert_string_equal(at(&a, "data.1.context"), "9");
    assert_string_equal(at(&a, "data.1.capabilities.0"), "tools");
    as(other_owner);
    assert_int_equal(count("/catalogue"), 4);
    assert_int_equal(count("/catalogue?overridden=true"), 0);
    assert_int_equal(count("/catalogue-overrides"), 0);
    snprintf(path, sizeof path, "/catalogue-overrides/%s", override_id);
    assert_status(call("GET", path, NULL), 404);
    as(acme_admin);
    snprintf(fx.extra, sizeof fx.extra, "If-Match: *\r\n");
    a = call("PATCH", path, "{\"entry\":{\"price\":{\"token_in\":7}}}");
    assert_status(a, 200);
    assert_int_equal(count("/catalogue-overrides?provider=openai"), 1);
}

static void an_update_is_shown_then_stored_for_everybody(void **state)
{
    (void)state;
    as(acme_admin);
    assert_status(call("POST", "/catalogue/update", "%s", NEWER), 403);
    as(platform_token);
    struct answer a = call("POST", "/catalogue/update?dry_run=true", "%s", NEWER);
    assert_status(a, 200);
    assert_string_equal(at(&a, "counts.added"), "1");
    assert_string_equal(at(&a, "counts.removed"), "1");
    assert_string_equal(at(&a, "counts.changed"), "1");
    assert_string_equal(at(&a, "counts.unchanged"), "2");
    assert_string_equal(at(&a, "added.0.model"), "gpt-9");
    assert_string_equal(at(&a, "removed.0.model"), "old");
    assert_string_equal(at(&a, "changed.0.prices.0.unit"), "token_in");
    assert_string_equal(at(&a, "changed.0.prices.0.old"), "3000000");
    assert_string_equal(at(&a, "changed.0.prices.0.new"), "4000000");
    assert_string_equal(at(&a, "changed.0.prices.1.new"), "null");
    assert_string_equal(at(&a, "rows_written"), "0");
    assert_int_equal(count("/catalogue"), 4); /* nothing was done */
    a = call("POST", "/catalogue/update", "%s", NEWER);
    assert_status(a, 200);
    assert_string_equal(at(&a, "rows_written"), "2");
    a = call("GET", "/audit", NULL);
    assert_string_equal(at(&a, "data.0.action"), "catalogue.update");
    a = call("POST", "/catalogue/update", "%s", NEWER);
    assert_string_equal(at(&a, "counts.added"), "0");
    assert_string_equal(at(&a, "counts.changed"), "0");
    assert_string_equal(at(&a, "rows_written"), "0");
    as(other_owner);
    a = call("GET", "/catalogue?q=claude", NULL);
    assert_string_equal(at(&a, "data.0.price.token_in"), "4000000");
    assert_string_equal(at(&a, "data.0.price.token_out"), ""); /* prices as a whole */
    assert_string_equal(at(&a, "data.0.updated"), "true");
    assert_int_equal(count("/catalogue"), 5);
    as(acme_admin);
    a = call("GET", "/catalogue?q=gpt-4o", NULL);
    assert_string_equal(at(&a, "data.0.price.token_in"), "7"); /* its own wins */
    as(platform_token);
    assert_status(call("POST", "/catalogue/update", "{\"format\":7}"), 400);
    a = call("POST", "/catalogue/update", "%s", installed); /* back: the rows go */
    assert_string_equal(at(&a, "rows_removed"), "2");
    as(other_owner);
    assert_int_equal(count("/catalogue"), 4);
}

static void data_planes_are_sent_the_rows(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct config_row *rows;
    struct change_row *log;
    struct uuid first = {{0}};
    size_t n, n_log, seen = 0;
    as(platform_token);
    assert_status(call("POST", "/catalogue/update", "%s", NEWER), 200);
    struct tx *t = tx_begin_snapshot(fx.pool, TX_SYSTEM, NULL, &err);
    struct arena *a = arena_new(0);
    assert_true(changes_page(t, CONFIG_CATALOGUE, &first, 100, a, &rows, &n, &err));
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        if (str_eqz(rows[i].name, "claude")) {
            assert_true(uuid_is_nil(&rows[i].organization_id));
            assert_true(str_eqz(rows[i].provider_kind, "anthropic"));
            struct catalogue_model m = {.priced = false};
            assert_true(catalogue_entry_read(rows[i].settings_json, a, &m, &err));
            assert_int_equal(m.prices.units[PRICE_TOKEN_IN].picousd, 4000000);
        }
    }
    assert_true(changes_after(t, 0, 1000, a, &log, &n_log, &err));
    for (size_t i = 0; i < n_log; i++) {
        seen += log[i].kind == CONFIG_CATALOGUE;
    }
    assert_true(seen >= 7);
    arena_free(a);
    tx_rollback(t);
}

static void an_organization_says_what_unpriced_models_cost(void **state)
{
    (void)state;
    char path[128];
    as(other_owner);
    snprintf(path, sizeof path, "/organizations/%s", other);
    static const struct {
        const char *settings;
        int status;
    } cases[] = {{"{\"unpriced_models\":\"refuse\"}", 200},
                 {"{\"unpriced_models\":\"allow\",\"more\":1}", 200},
                 {"{\"unpriced_models\":\"default\",\"default_prices\":{\"token_in\":5}}", 200},
                 {"{\"unpriced_models\":\"default\"}", 400},
                 {"{\"unpriced_models\":\"free\"}", 400},
                 {"{\"unpriced_models\":true}", 400},
                 {"{\"default_prices\":{\"token_in\":0.5}}", 400},
                 {"{\"default_prices\":{\"coins\":5}}", 400},
                 {"{\"default_prices\":[]}", 400}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(fx.extra, sizeof fx.extra, "If-Match: *\r\n");
        struct answer a = call("PATCH", path, "{\"settings\":%s}", cases[i].settings);
        assert_status(a, cases[i].status);
    }
}

static void an_override_is_deleted(void **state)
{
    (void)state;
    char path[128];
    as(acme_admin);
    snprintf(path, sizeof path, "/catalogue-overrides/%s", override_id);
    assert_status(call("DELETE", path, NULL), 204);
    struct answer a = call("GET", "/catalogue?q=gpt-4o", NULL);
    assert_string_equal(at(&a, "data.0.price.token_in"), "2500000");
    assert_string_equal(at(&a, "data.0.override_id"), "null");
}

static int setup(void **state)
{
    struct error err = ERROR_INIT;
    fx.catalogue = catalogue_parse(str_of(installed), &err);
    return fx.catalogue ? fixture_setup(state) : -1;
}

static int teardown(void **state)
{
    int rc = fixture_teardown(state);
    catalogue_free((struct catalogue *)(uintptr_t)fx.catalogue);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_are_made),
        cmocka_unit_test(the_list_is_filtered_and_paged),
        cmocka_unit_test(an_override_is_the_organizations_own),
        cmocka_unit_test(an_update_is_shown_then_stored_for_everybody),
        cmocka_unit_test(data_planes_are_sent_the_rows),
        cmocka_unit_test(an_organization_says_what_unpriced_models_cost),
        cmocka_unit_test(an_override_is_deleted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
