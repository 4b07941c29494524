/* Rows to messages: what of a row travels, byte for byte the same each time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/snapshot/internal.h"
#include "proto/snapshot.pb-c.h"

static struct build_key build_with;

static struct uuid id_of(uint8_t n)
{
    struct uuid u = {{0}};
    u.b[0] = 1;
    u.b[15] = n;
    return u;
}

static bool is_id(ProtobufCBinaryData b, uint8_t n)
{
    struct uuid u = id_of(n);
    return b.len == 16 && memcmp(b.data, u.b, 16) == 0;
}

static struct entity *built(const struct config_row *row)
{
    struct build_secrets none = {.credential = STR_NONE};
    struct str versions[4] = {STR_NONE, STR_NONE, STR_NONE, STR_NONE};
    none.versions = versions;
    struct entity *e = build_entity(row, &none, &build_with), *again;
    assert_non_null(e);
    again = build_entity(row, &none, &build_with);
    assert_int_equal(e->len, again->len);
    assert_memory_equal(e->body, again->body, e->len);
    assert_memory_equal(e->hash, again->hash, 32);
    assert_int_equal(e->key.kind, row->kind);
    entity_unref(again);
    return e;
}

static struct config_row row_of(unsigned kind, const char *name)
{
    return (struct config_row){.kind = kind,
                               .id = id_of(1),
                               .organization_id = id_of(2),
                               .workspace_id = id_of(3),
                               .name = str_of(name)};
}

static void test_a_plain_key_is_small(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        0x0a, 0x10, 1,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, /* id */
        0x12, 0x10, 1,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, /* organization */
        0x1a, 0x10, 1,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, /* workspace */
        0x2a, 0x20, 7,   7,   7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* its secret */
        7,    7,    7,   7,   7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,       /* … */
        0x32, 0x01, 'k',                                                /* name */
        0x3a, 0x01, '*',                                                /* models */
        0x5a, 0x02, '{', '}',                                           /* metadata */
    };
    char hash[32];
    struct str star = STR_LIT("*");
    struct config_row row = row_of(CONFIG_KEY, "k");
    memset(hash, 7, sizeof(hash));
    row.secret_hash = (struct str){hash, 32};
    row.models = &star;
    row.n_models = 1;
    row.metadata_json = STR_LIT("{}");
    struct entity *e = built(&row);
    assert_int_equal(e->len, sizeof(golden));
    assert_memory_equal(e->body, golden, sizeof(golden));
    entity_unref(e);
}

static void test_all_that_binds_a_key(void **state)
{
    (void)state;
    char hash[32], former[32];
    struct str list[] = {STR_LIT("a"), STR_LIT("b*")};
    struct config_row row = row_of(CONFIG_KEY, "k");
    memset(hash, 7, sizeof(hash));
    memset(former, 8, sizeof(former));
    row.secret_hash = (struct str){hash, 32};
    row.former_hash = (struct str){former, 32};
    row.former_expires_at_ms = 1700000000123;
    row.team_id = id_of(4);
    row.service_account_id = id_of(5);
    row.price_group = STR_LIT("partners");
    row.bounds = (struct config_bounds){.endpoints = list,
                                        .n_endpoints = 1,
                                        .configs = list,
                                        .n_configs = 2,
                                        .mcp_tools = list,
                                        .n_mcp_tools = 1,
                                        .ip_allow = list + 1,
                                        .n_ip_allow = 1,
                                        .required_metadata = list,
                                        .n_required_metadata = 2};
    struct entity *e = built(&row);
    Weir__Key *m = weir__key__unpack(NULL, e->len, e->body);
    assert_int_equal(m->n_secret_sha256, 2);
    assert_memory_equal(m->secret_sha256[0].data, hash, 32);
    assert_memory_equal(m->secret_sha256[1].data, former, 32);
    assert_int_equal(m->former_expires_at_ms, 1700000000123);
    assert_true(is_id(m->team_id, 4) && is_id(m->service_account_id, 5));
    assert_int_equal(m->user_id.len, 0);
    assert_string_equal(m->price_group, "partners");
    assert_int_equal(m->n_endpoints, 1);
    assert_int_equal(m->n_configs, 2);
    assert_string_equal(m->configs[1], "b*");
    assert_int_equal(m->n_mcp_tools, 1);
    assert_string_equal(m->ip_allow[0], "b*");
    assert_int_equal(m->n_required_metadata, 2);
    assert_int_equal(m->n_needs, 6); /* a proxy that lacks one of these refuses the key */
    weir__key__free_unpacked(m, NULL);
    entity_unref(e);
}

static void test_budgets_and_limits(void **state)
{
    (void)state;
    struct config_scope scopes[] = {
        {STR_LIT("user"), STR_LIT(""), STR_LIT("*")},
        {STR_LIT("metadata"), STR_LIT("env"), STR_LIT("prod")},
    };
    uint32_t percents[] = {50, 100};
    struct config_row row = row_of(CONFIG_BUDGET, "money");
    row.quota = (struct config_quota){.scopes = scopes,
                                      .n_scopes = 2,
                                      .metric = STR_LIT("cost"),
                                      .window = STR_LIT("month"),
                                      .zone = STR_LIT("Europe/Berlin"),
                                      .mode = STR_LIT("downgrade"),
                                      .downgrade_model = STR_LIT("gpt-4o-mini"),
                                      .when_unavailable = STR_LIT("refuse"),
                                      .amount = 1000000000,
                                      .max_cost = 5,
                                      .extra_amount = 6,
                                      .extra_until_ms = 7,
                                      .alert_percents = percents,
                                      .n_alert_percents = 2,
                                      .max_values = 99};
    struct entity *e = built(&row);
    Weir__Budget *m = weir__budget__unpack(NULL, e->len, e->body);
    assert_true(is_id(m->id, 1) && is_id(m->organization_id, 2) && is_id(m->workspace_id, 3));
    assert_true(m->n_scopes == 2 && m->amount == 1000000000 && m->max_cost == 5);
    assert_string_equal(m->scopes[0]->value, "*");
    assert_string_equal(m->scopes[1]->name, "env");
    assert_string_equal(m->zone, "Europe/Berlin");
    assert_string_equal(m->downgrade_model, "gpt-4o-mini");
    assert_true(m->extra_amount == 6 && m->extra_until_ms == 7 && m->max_values == 99);
    assert_true(m->n_alert_percents == 2 && m->alert_percents[1] == 100 && !m->disabled);
    weir__budget__free_unpacked(m, NULL);
    entity_unref(e);
    row.kind = CONFIG_LIMIT;
    row.workspace_id = (struct uuid){{0}};
    row.disabled = true;
    row.quota.metric = STR_LIT("requests");
    row.quota.window = STR_LIT("minute");
    row.quota.algorithm = STR_LIT("sliding");
    row.quota.burst = 3;
    row.quota.exact = true;
    e = built(&row);
    Weir__Limit *l = weir__limit__unpack(NULL, e->len, e->body);
    assert_int_equal(l->workspace_id.len, 0);
    assert_string_equal(l->algorithm, "sliding");
    assert_true(l->burst == 3 && l->exact && l->disabled && l->n_scopes == 2);
    weir__limit__free_unpacked(l, NULL);
    entity_unref(e);
}

static void test_prices(void **state)
{
    (void)state;
    struct config_ratio ratio = {STR_LIT("openai"), STR_LIT("gpt-*"), 500000};
    struct config_row row = row_of(CONFIG_PRICE_GROUP, "internal");
    row.ratio_ppm = 100000;
    row.ratios = &ratio;
    row.n_ratios = 1;
    struct entity *e = built(&row);
    Weir__PriceGroup *g = weir__price_group__unpack(NULL, e->len, e->body);
    assert_true(g->ratio_ppm == 100000 && g->n_overrides == 1);
    assert_string_equal(g->overrides[0]->provider, "openai");
    assert_int_equal(g->overrides[0]->ratio_ppm, 500000);
    weir__price_group__free_unpacked(g, NULL);
    entity_unref(e);
    struct config_version version = {.number = 4, .document = STR_LIT("{\"rules\":[]}")};
    row = row_of(CONFIG_PRICE_BOOK, "book");
    row.workspace_id = (struct uuid){{0}};
    row.versions = &version;
    row.n_versions = 1;
    row.published = 4;
    e = built(&row);
    Weir__PriceBook *b = weir__price_book__unpack(NULL, e->len, e->body);
    assert_true(b->published == 4 && b->n_versions == 1 && b->versions[0]->number == 4);
    assert_string_equal(b->versions[0]->document_json, "{\"rules\":[]}");
    assert_int_equal(b->workspace_id.len, 0);
    weir__price_book__free_unpacked(b, NULL);
    entity_unref(e);
    row = row_of(CONFIG_WORKSPACE, "ws");
    row.price_group = STR_LIT("internal");
    e = built(&row);
    Weir__Workspace *w = weir__workspace__unpack(NULL, e->len, e->body);
    assert_string_equal(w->price_group, "internal");
    weir__workspace__free_unpacked(w, NULL);
    entity_unref(e);
    row = row_of(CONFIG_TEAM, "core");
    row.price_group = STR_LIT("vip");
    e = built(&row);
    Weir__Team *t = weir__team__unpack(NULL, e->len, e->body);
    assert_string_equal(t->name, "core");
    assert_string_equal(t->price_group, "vip");
    weir__team__free_unpacked(t, NULL);
    entity_unref(e);
}

static void test_issuers(void **state)
{
    (void)state;
    struct str audience = STR_LIT("weir"), algorithm = STR_LIT("RS256"), jti = STR_LIT("x");
    struct uuid keys[] = {id_of(8), id_of(9)};
    struct config_row row = row_of(CONFIG_ISSUER, "login");
    row.organization_id = row.workspace_id = (struct uuid){{0}};
    row.issuer = (struct config_issuer){.issuer = STR_LIT("https://login.example"),
                                        .jwks_json = STR_LIT("{\"keys\": []}"),
                                        .claims_json = STR_LIT("{\"user\": \"sub\"}"),
                                        .audiences = &audience,
                                        .n_audiences = 1,
                                        .algorithms = &algorithm,
                                        .n_algorithms = 1,
                                        .denied_jti = &jti,
                                        .n_denied_jti = 1,
                                        .key_ids = keys,
                                        .n_key_ids = 2,
                                        .leeway_s = 60};
    struct entity *e = built(&row);
    Weir__Issuer *m = weir__issuer__unpack(NULL, e->len, e->body);
    assert_string_equal(m->issuer, "https://login.example");
    assert_string_equal(m->jwks_json, "{\"keys\": []}");
    assert_string_equal(m->claims_json, "{\"user\": \"sub\"}");
    assert_int_equal(m->organization_id.len, 0);
    assert_true(m->n_key_ids == 2 && is_id(m->key_ids[1], 9) && m->leeway_s == 60);
    assert_string_equal(m->algorithms[0], "RS256");
    assert_string_equal(m->denied_jti[0], "x");
    weir__issuer__free_unpacked(m, NULL);
    entity_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_key_is_small),
        cmocka_unit_test(test_all_that_binds_a_key),
        cmocka_unit_test(test_budgets_and_limits),
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_issuers),
    };
    struct uuid id = id_of(77);
    build_key_init(&build_with, &id, (const uint8_t[32]){1});
    return cmocka_run_group_tests(tests, NULL, NULL);
}
