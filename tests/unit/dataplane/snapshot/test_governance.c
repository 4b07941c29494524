/* Keys' bounds and former secrets, budgets and limits by where they stand, teams, price groups and
 * books, issuers: what requests find of each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/jwt.h"
#include "dataplane/snapshot/entities.h"

static struct arena *memory;

static char *z(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void put(struct snapshot_builder *b, unsigned kind, unsigned n, const ProtobufCMessage *m)
{
    struct error err = ERROR_INIT;
    struct uuid id = id_of(kind, n);
    struct str body = packed(m);
    if (!snapshot_builder_put(b, kind, &id, body, &err)) {
        fail_msg("put: %s", error_text(&err));
    }
    release(body);
}

static struct snapshot *finish(struct snapshot_builder *b)
{
    struct error err = ERROR_INIT;
    struct snapshot *s = snapshot_builder_finish(b, 1, &err);
    if (!s) {
        fail_msg("finish: %s", error_text(&err));
    }
    return s;
}

/* ---- keys ---- */

static void test_all_of_a_key(void **state)
{
    (void)state;
    uint8_t hashes[2][32];
    struct uuid id = id_of(3, 1), org = id_of(1, 1), ws = id_of(2, 1), team = id_of(14, 1),
                account = id_of(9, 9);
    ProtobufCBinaryData secrets[2] = {{32, hashes[0]}, {32, hashes[1]}};
    char *two[] = {z("chat.completions"), z("models")}, *star[] = {z("*")};
    Weir__Key m = WEIR__KEY__INIT;
    secret_of(1, hashes[0]);
    secret_of(2, hashes[1]);
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    m.workspace_id = bytes_of_uuid(&ws);
    m.team_id = bytes_of_uuid(&team);
    m.service_account_id = bytes_of_uuid(&account);
    m.n_secret_sha256 = 2;
    m.secret_sha256 = secrets;
    m.former_expires_at_ms = 1234567890123;
    m.price_group = z("partners");
    m.n_endpoints = 2;
    m.endpoints = two;
    m.n_models = m.n_ip_allow = 1;
    m.models = m.ip_allow = star;
    m.n_required_metadata = 2;
    m.required_metadata = two;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 3, 1, &m.base);
    struct snapshot *s = finish(b);
    const struct snap_key *k = snapshot_key(s, hashes[0], memory);
    assert_non_null(k);
    assert_int_equal(k->former_expires_at_ms, 0);
    assert_true(uuid_eq(&k->team_id, &team) && uuid_eq(&k->service_account_id, &account));
    assert_true(uuid_is_nil(&k->user_id));
    assert_true(str_eqz(k->price_group, "partners") && str_eqz(k->config, ""));
    assert_int_equal(k->n_endpoints, 2);
    assert_true(str_eqz(k->endpoints[1], "models"));
    assert_int_equal(k->n_configs + k->n_mcp_tools + k->n_tags + k->n_providers, 0);
    assert_true(k->n_ip_allow == 1 && str_eqz(k->ip_allow[0], "*"));
    assert_true(k->n_required_metadata == 2 && k->n_models == 1);
    /* the other secret is the former one, and knows when it ends */
    k = snapshot_key(s, hashes[1], memory);
    assert_int_equal(k->former_expires_at_ms, 1234567890123);
    assert_int_equal(snapshot_key_by_id(s, &id, memory)->former_expires_at_ms, 0);
    snapshot_unref(s);
}

static void test_a_key_does_not_fit_into_a_full_arena(void **state)
{
    (void)state;
    uint8_t hash[32];
    struct arena *small = arena_new(16);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    struct error err = ERROR_INIT;
    struct uuid id = id_of(3, 1);
    struct str body = key_body((struct key_spec){.n = 1, .organization = 1, .workspace = 1});
    assert_true(snapshot_builder_put(b, 3, &id, body, &err));
    release(body);
    struct snapshot *s = finish(b);
    secret_of(1, hash);
    assert_null(snapshot_key(s, hash, small));
    assert_non_null(snapshot_key(s, hash, memory));
    arena_free(small);
    snapshot_unref(s);
}

static void test_a_key_of_wrong_types_is_refused(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid id = id_of(3, 1);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    struct str body = key_body((struct key_spec){.n = 1, .organization = 1, .workspace = 1});
    char bad[256];
    memcpy(bad, body.ptr, body.len);
    memcpy(bad + body.len, "\xb8\x01\x05", 3); /* price_group as a number */
    assert_false(snapshot_builder_put(b, 3, &id, (struct str){bad, body.len + 3}, &err));
    memcpy(bad + body.len, "\xfa\x3f\x01x", 4); /* a field of the future */
    assert_true(snapshot_builder_put(b, 3, &id, (struct str){bad, body.len + 4}, &err));
    release(body);
    snapshot_unref(finish(b));
}

/* ---- quotas ---- */

struct budget_spec {
    unsigned n, organization, workspace;
    const char *metric, *window, *zone, *mode, *need;
    struct {
        const char *kind, *name, *value;
    } scopes[3];
};

static void hex_of(struct uuid id, char text[33])
{
    for (int i = 0; i < 16; i++) {
        (void)snprintf(text + (size_t)i * 2, 3, "%02x", id.b[i]);
    }
}

static void put_budget(struct snapshot_builder *b, const struct budget_spec *x)
{
    struct uuid id = id_of(9, x->n), org = id_of(1, x->organization), ws = id_of(2, x->workspace);
    uint32_t percents[] = {50, 80, 300};
    char *needs[] = {z(x->need)};
    Weir__Budget m = WEIR__BUDGET__INIT;
    Weir__Scope s[3], *list[3];
    for (; m.n_scopes < 3 && x->scopes[m.n_scopes].kind; m.n_scopes++) {
        weir__scope__init(&s[m.n_scopes]);
        s[m.n_scopes].kind = z(x->scopes[m.n_scopes].kind);
        s[m.n_scopes].name = z(x->scopes[m.n_scopes].name ? x->scopes[m.n_scopes].name : "");
        s[m.n_scopes].value = z(x->scopes[m.n_scopes].value);
        list[m.n_scopes] = &s[m.n_scopes];
    }
    m.scopes = list;
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    if (x->workspace) {
        m.workspace_id = bytes_of_uuid(&ws);
    }
    m.metric = z(x->metric ? x->metric : "cost");
    m.window = z(x->window ? x->window : "month");
    m.zone = z(x->zone ? x->zone : "");
    m.mode = z(x->mode ? x->mode : "");
    m.amount = 1000000000;
    m.n_alert_percents = 3;
    m.alert_percents = percents;
    m.n_needs = x->need ? 1 : 0;
    m.needs = needs;
    put(b, 9, x->n, &m.base);
}

static unsigned anchored(const struct snapshot *s, struct uuid anchor)
{
    size_t n;
    const struct snap_quota *const *list = snapshot_quotas(s, &anchor, &n);
    unsigned numbers = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned number;
        memcpy(&number, list[i]->id.b + 8, sizeof(number));
        numbers = numbers * 10 + number;
    }
    return numbers;
}

static void test_quotas_stand_at_the_most_particular_thing(void **state)
{
    (void)state;
    char key[33], user[33], space[33];
    hex_of(id_of(3, 7), key);
    hex_of(id_of(20, 7), user);
    hex_of(id_of(2, 4), space);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put_budget(b, &(struct budget_spec){.n = 4, .organization = 1});
    put_budget(b, &(struct budget_spec){.n = 1, .organization = 1});
    put_budget(b, &(struct budget_spec){.n = 2, .organization = 1, .workspace = 3});
    put_budget(b, &(struct budget_spec){.n = 3,
                                        .organization = 1,
                                        .scopes = {{"user", NULL, user}, {"key", NULL, key}}});
    put_budget(b, &(struct budget_spec){
                      .n = 5, .organization = 1, .workspace = 3, .scopes = {{"user", NULL, "*"}}});
    put_budget(b, &(struct budget_spec){
                      .n = 6,
                      .organization = 1,
                      .scopes = {{"workspace", NULL, space}, {"metadata", "env", "prod"}}});
    struct snapshot *s = finish(b);
    assert_int_equal(anchored(s, id_of(1, 1)), 14);
    assert_int_equal(anchored(s, id_of(2, 3)), 25);
    assert_int_equal(anchored(s, id_of(3, 7)), 3);
    assert_int_equal(anchored(s, id_of(20, 7)), 0);
    assert_int_equal(anchored(s, id_of(2, 4)), 6);
    struct uuid five = id_of(9, 5), six = id_of(9, 6);
    const struct snap_quota *q = snapshot_quota(s, &five);
    assert_true(q->n_scopes == 1 && q->scopes[0].kind == SCOPE_USER && q->scopes[0].each);
    q = snapshot_quota(s, &six);
    assert_true(q->n_scopes == 2 && str_eqz(q->scopes[1].name, "env") && !q->scopes[1].each);
    assert_false(q->needs_unknown);
    /* one moves, one goes; the old root stays as it was */
    b = snapshot_builder_new(s);
    put_budget(b, &(struct budget_spec){.n = 4, .organization = 1, .workspace = 3});
    snapshot_builder_delete(b, 9, &five);
    struct snapshot *after = finish(b);
    assert_int_equal(anchored(after, id_of(1, 1)), 1);
    assert_int_equal(anchored(after, id_of(2, 3)), 24);
    assert_int_equal(anchored(s, id_of(1, 1)), 14);
    assert_int_equal(anchored(s, id_of(2, 3)), 25);
    /* a rewrite in place is the new object */
    b = snapshot_builder_new(after);
    put_budget(b, &(struct budget_spec){.n = 1, .organization = 1, .window = "day"});
    struct snapshot *last = finish(b);
    struct uuid org = id_of(1, 1);
    size_t n;
    assert_int_equal(snapshot_quotas(last, &org, &n)[0]->rule.window, WINDOW_DAY);
    assert_int_equal(n, 1);
    snapshot_unref(s);
    snapshot_unref(after);
    snapshot_unref(last);
}

static void test_the_last_quota_leaves_nothing(void **state)
{
    (void)state;
    struct uuid one = id_of(9, 1);
    struct snapshot *none = snapshot_new();
    assert_false(snapshot_has_quotas(none));
    assert_int_equal(anchored(none, id_of(1, 1)), 0);
    struct snapshot_builder *b = snapshot_builder_new(none);
    put_budget(b, &(struct budget_spec){.n = 1, .organization = 1});
    struct snapshot *s = finish(b);
    assert_true(snapshot_has_quotas(s));
    b = snapshot_builder_new(s);
    snapshot_builder_delete(b, 9, &one);
    struct snapshot *after = finish(b);
    assert_false(snapshot_has_quotas(after));
    assert_int_equal(anchored(after, id_of(1, 1)), 0);
    assert_null(snapshot_quota(after, &one));
    snapshot_unref(none);
    snapshot_unref(s);
    snapshot_unref(after);
}

static const struct snap_quota *budget_of(struct snapshot *s, unsigned n)
{
    struct uuid id = id_of(9, n);
    const struct snap_quota *q = snapshot_quota(s, &id);
    assert_non_null(q);
    return q;
}

static void test_what_is_not_known_binds(void **state)
{
    (void)state;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put_budget(b, &(struct budget_spec){.n = 1, .organization = 1, .zone = "Europe/Berlin"});
    put_budget(b, &(struct budget_spec){.n = 2, .organization = 1, .zone = "Europe/Atlantis"});
    put_budget(b, &(struct budget_spec){.n = 3, .organization = 1, .metric = "carbon"});
    put_budget(b, &(struct budget_spec){.n = 4, .organization = 1, .window = "decade"});
    put_budget(b, &(struct budget_spec){.n = 5, .organization = 1, .mode = "gentle"});
    put_budget(b, &(struct budget_spec){.n = 6, .organization = 1, .need = "time-travel"});
    put_budget(b, &(struct budget_spec){.n = 7, .organization = 1, .need = "budgets"});
    put_budget(
        b, &(struct budget_spec){.n = 8, .organization = 1, .scopes = {{"planet", NULL, "mars"}}});
    put_budget(b, &(struct budget_spec){
                      .n = 9, .organization = 1, .scopes = {{"user", NULL, "somebody"}}});
    put_budget(b, &(struct budget_spec){.n = 10, .organization = 1, .zone = "UTC"});
    struct snapshot *s = finish(b);
    assert_false(budget_of(s, 1)->needs_unknown);
    assert_non_null(budget_of(s, 1)->rule.zone);
    assert_int_equal(budget_of(s, 1)->n_alert_percents, 3);
    assert_int_equal(budget_of(s, 1)->alert_percents[2], 300);
    assert_int_equal(budget_of(s, 1)->max_values, QUOTA_VALUES_DEFAULT);
    assert_int_equal(budget_of(s, 1)->rule.mode, MODE_HARD);
    for (unsigned n = 2; n <= 6; n++) {
        assert_true(budget_of(s, n)->needs_unknown);
    }
    assert_false(budget_of(s, 7)->needs_unknown);
    assert_true(budget_of(s, 8)->needs_unknown);
    assert_true(budget_of(s, 9)->needs_unknown);
    assert_null(budget_of(s, 10)->rule.zone);
    assert_false(budget_of(s, 10)->needs_unknown);
    snapshot_unref(s);
}

static void test_limits(void **state)
{
    (void)state;
    struct uuid id = id_of(10, 1), org = id_of(1, 1);
    Weir__Limit m = WEIR__LIMIT__INIT;
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    m.metric = z("concurrency");
    m.amount = 5;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 10, 1, &m.base);
    m.metric = z("requests");
    m.window = z("minute");
    m.algorithm = z("token_bucket");
    m.burst = 9;
    m.exact = true;
    m.when_unavailable = z("refuse");
    id = id_of(10, 2);
    put(b, 10, 2, &m.base);
    m.metric = z("cost"); /* no limit is of money */
    id = id_of(10, 3);
    put(b, 10, 3, &m.base);
    struct snapshot *s = finish(b);
    id = id_of(10, 1);
    const struct snap_quota *q = snapshot_quota(s, &id);
    assert_true(q->rule.limit && q->rule.metric == METRIC_CONCURRENCY && !q->needs_unknown);
    assert_int_equal(q->rule.when_unavailable, ABSENT_LOCAL);
    id = id_of(10, 2);
    q = snapshot_quota(s, &id);
    assert_true(q->rule.algorithm == ALGORITHM_BUCKET && q->rule.burst == 9 && q->exact);
    assert_true(q->rule.when_unavailable == ABSENT_REFUSE && !q->needs_unknown);
    id = id_of(10, 3);
    assert_true(snapshot_quota(s, &id)->needs_unknown);
    size_t n;
    assert_non_null(snapshot_quotas(s, &org, &n));
    assert_int_equal(n, 3);
    snapshot_unref(s);
}

/* ---- prices ---- */

static void test_groups_of_teams_workspaces_and_organizations(void **state)
{
    (void)state;
    struct uuid org = id_of(1, 1), other = id_of(1, 2), ws = id_of(2, 1), team = id_of(14, 1),
                group = id_of(12, 1);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    Weir__Organization o = WEIR__ORGANIZATION__INIT;
    o.id = bytes_of_uuid(&org);
    o.settings_json = z("{\"unpriced_models\": \"refuse\", \"price_group\": \"Caf\\u00e9\"}");
    put(b, 1, 1, &o.base);
    Weir__Workspace w = WEIR__WORKSPACE__INIT;
    w.id = bytes_of_uuid(&ws);
    w.organization_id = bytes_of_uuid(&org);
    w.price_group = z("internal");
    put(b, 2, 1, &w.base);
    Weir__Team t = WEIR__TEAM__INIT;
    t.id = bytes_of_uuid(&team);
    t.organization_id = bytes_of_uuid(&org);
    t.name = z("core");
    t.price_group = z("vip");
    put(b, 14, 1, &t.base);
    Weir__PriceGroup g = WEIR__PRICE_GROUP__INIT;
    Weir__PriceRatio r = WEIR__PRICE_RATIO__INIT, *ratios[] = {&r};
    r.model = z("gpt-*");
    r.ratio_ppm = 500000;
    g.id = bytes_of_uuid(&group);
    g.organization_id = bytes_of_uuid(&org);
    g.name = z("internal");
    g.ratio_ppm = 100000;
    g.n_overrides = 1;
    g.overrides = ratios;
    put(b, 12, 1, &g.base);
    struct snapshot *s = finish(b);
    assert_true(str_eqz(snapshot_organization(s, &org)->price_group, "Caf\xc3\xa9"));
    assert_true(str_eqz(snapshot_workspace(s, &ws)->price_group, "internal"));
    assert_true(uuid_eq(&snapshot_workspace(s, &ws)->organization_id, &org));
    assert_true(str_eqz(snapshot_team(s, &team)->price_group, "vip"));
    assert_null(snapshot_team(s, &ws));
    assert_null(snapshot_workspace(s, &team));
    const struct snap_price_group *found = snapshot_price_group(s, &org, STR_LIT("internal"));
    assert_non_null(found);
    assert_int_equal(found->ratio_ppm, 100000);
    assert_true(found->n_overrides == 1 && found->overrides[0].ppm == 500000);
    assert_true(str_eqz(found->overrides[0].provider, ""));
    assert_null(snapshot_price_group(s, &other, STR_LIT("internal")));
    assert_null(snapshot_price_group(s, &org, STR_LIT("vip")));
    b = snapshot_builder_new(s);
    snapshot_builder_delete(b, 12, &group);
    struct snapshot *after = finish(b);
    assert_null(snapshot_price_group(after, &org, STR_LIT("internal")));
    snapshot_unref(after);
    snapshot_unref(s);
}

static void put_book(struct snapshot_builder *b, unsigned n, unsigned organization,
                     uint64_t published, const char *document)
{
    struct uuid id = id_of(11, n), org = id_of(1, organization);
    Weir__PriceBook m = WEIR__PRICE_BOOK__INIT;
    Weir__DocumentVersion v = WEIR__DOCUMENT_VERSION__INIT, *versions[] = {&v};
    v.number = 2;
    v.document_json = z(document);
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    m.n_versions = 1;
    m.versions = versions;
    m.published = published;
    put(b, 11, n, &m.base);
}

static void test_price_books(void **state)
{
    (void)state;
    struct uuid org = id_of(1, 1), id, first = id_of(11, 1);
    uint64_t version = 0;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put_book(b, 2, 1, 2, "{\"rules\": []}");
    put_book(b, 1, 1, 2, "{\"rules\": []}");
    put_book(b, 3, 2, 0, "{\"rules\": []}");
    put_book(b, 4, 3, 2, "no book");
    struct snapshot *s = finish(b);
    assert_non_null(snapshot_price_book(s, &org, &id, &version));
    assert_true(uuid_eq(&id, &first));
    assert_int_equal(version, 2);
    for (unsigned n = 2; n <= 4; n++) {
        org = id_of(1, n); /* not published; no book; nobody's */
        assert_null(snapshot_price_book(s, &org, &id, &version));
    }
    snapshot_unref(s);
}

/* ---- issuers ---- */

static void put_issuer(struct snapshot_builder *b, unsigned n, unsigned organization,
                       const char *jwks)
{
    struct uuid id = id_of(13, n), org = id_of(1, organization), key = id_of(3, 1);
    char *audiences[] = {z("weir")},
         *algorithms[] = {z("RS256"), z("ES512"), z("none"), z("HS256")};
    ProtobufCBinaryData keys[] = {bytes_of_uuid(&key)};
    Weir__Issuer m = WEIR__ISSUER__INIT;
    m.id = bytes_of_uuid(&id);
    if (organization) {
        m.organization_id = bytes_of_uuid(&org);
    }
    m.issuer = z("https://login.example");
    m.n_audiences = 1;
    m.audiences = audiences;
    m.n_algorithms = 4;
    m.algorithms = algorithms;
    m.jwks_json = z(jwks);
    m.n_key_ids = 1;
    m.key_ids = keys;
    m.leeway_s = 30;
    put(b, 13, n, &m.base);
}

static void test_issuers_of_one_name_follow_each_other(void **state)
{
    (void)state;
    struct uuid one = id_of(13, 1), key = id_of(3, 1);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put_issuer(b, 3, 2, "{\"keys\":[]}");
    put_issuer(b, 1, 0, "not JSON");
    put_issuer(b, 2, 1, "{\"keys\":[]}");
    struct snapshot *s = finish(b);
    const struct snap_issuer *i = snapshot_issuer(s, STR_LIT("https://login.example"), NULL);
    assert_non_null(i);
    assert_true(uuid_eq(&i->id, &one));
    assert_non_null(i->keys); /* what cannot be read holds no keys */
    assert_int_equal(jwt_keys_count(i->keys), 0);
    assert_int_equal(i->algorithms, 1u << JWT_RS256 | 1u << JWT_ES512);
    assert_true(i->n_key_ids == 1 && uuid_eq(&i->key_ids[0], &key));
    assert_true(i->n_audiences == 1 && i->leeway_s == 30 && !i->needs_unknown);
    unsigned n = 0;
    for (; i; i = snapshot_issuer(s, STR_LIT("https://login.example"), i)) {
        n++;
    }
    assert_int_equal(n, 3);
    assert_null(snapshot_issuer(s, STR_LIT("https://login.example/"), NULL));
    b = snapshot_builder_new(s);
    snapshot_builder_delete(b, 13, &one);
    struct snapshot *after = finish(b);
    i = snapshot_issuer(after, STR_LIT("https://login.example"), NULL);
    assert_true(i && !uuid_eq(&i->id, &one));
    snapshot_unref(after);
    snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_a_key),
        cmocka_unit_test(test_a_key_does_not_fit_into_a_full_arena),
        cmocka_unit_test(test_a_key_of_wrong_types_is_refused),
        cmocka_unit_test(test_quotas_stand_at_the_most_particular_thing),
        cmocka_unit_test(test_the_last_quota_leaves_nothing),
        cmocka_unit_test(test_what_is_not_known_binds),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_groups_of_teams_workspaces_and_organizations),
        cmocka_unit_test(test_price_books),
        cmocka_unit_test(test_issuers_of_one_name_follow_each_other),
    };
    memory = arena_new(0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(memory);
    return failed;
}
