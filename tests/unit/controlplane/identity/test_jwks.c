/* Key sets as they are kept, discovery documents, addresses that may be asked, and the forms of
 * claims and group rules. No database and no network. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/fetch/fetch.h"
#include "controlplane/identity/mapping.h"

static struct arena *memory;

#define KEY(kid, x) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" kid "\",\"x\":\"" x "\"}"
#define A KEY("a", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
#define A_ANEW                                                                  \
    "{\"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\", \"kid\": \"a\", " \
    "\"crv\": \"Ed25519\", \"kty\": \"OKP\", \"d\": \"secret\", \"more\": [1]}"
#define B KEY("b", "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw")
#define C KEY("c", "_Nu1HXEfWNb0K2Z9hUzrnOHmPdQpqmN2s3m7pKr0bUw")
#define SET(keys) "{\"keys\":[" keys "]}"

struct set {
    struct str jwks, former;
    bool changed;
};

static struct set merge(struct set s, const char *fresh)
{
    struct set out;
    struct error err = ERROR_INIT;
    if (!jwks_merge(s.jwks, s.former, str_of(fresh), memory, &out.jwks, &out.former, &out.changed,
                    &err)) {
        fail_msg("%s", error_text(&err));
    }
    return out;
}

static bool has(struct str jwks, const char *kid)
{
    struct jwt_keys *k = NULL;
    struct error err = ERROR_INIT;
    assert_true(jwt_keys_new(jwks, &k, &err));
    bool found = jwt_keys_have(k, str_of(kid));
    jwt_keys_free(k);
    return found;
}

static const struct set empty = {STR_LIT("{\"keys\": []}"), STR_LIT("{\"keys\": []}"), false};

static void a_key_stays_until_keys_were_replaced_twice(void **state)
{
    (void)state;
    struct set s = merge(empty, SET(A));
    assert_true(s.changed && has(s.jwks, "a"));
    s = merge(s, SET(B));
    assert_true(s.changed && has(s.jwks, "a") && has(s.jwks, "b"));
    s = merge(s, SET(B));
    assert_false(s.changed);
    assert_true(has(s.jwks, "a")); /* asked again is not replaced again */
    s = merge(s, SET(C));
    assert_true(s.changed && has(s.jwks, "c") && has(s.jwks, "b"));
    assert_false(has(s.jwks, "a"));
}

static void a_key_ahead_of_its_use_drives_none_out(void **state)
{
    (void)state;
    struct set s = merge(merge(empty, SET(A)), SET(B));
    s = merge(s, SET(B "," C));
    assert_true(s.changed && has(s.jwks, "a") && has(s.jwks, "b") && has(s.jwks, "c"));
    s = merge(s, SET(C)); /* now the second is gone: the first has been replaced twice */
    assert_true(has(s.jwks, "b") && has(s.jwks, "c"));
    assert_false(has(s.jwks, "a"));
    s = merge(s, SET(B)); /* and it came back */
    assert_true(has(s.jwks, "b"));
}

static void the_same_keys_are_the_same_however_they_are_written(void **state)
{
    (void)state;
    struct set s = merge(empty, SET(A "," B));
    assert_false(merge(s, SET(B "," A_ANEW)).changed);
    assert_null(memmem(merge(empty, SET(A_ANEW)).jwks.ptr, merge(empty, SET(A_ANEW)).jwks.len,
                       "secret", 6));
}

static void a_set_without_keys_displaces_nothing(void **state)
{
    static const char *const bad[] = {
        "", "[]", "{}", SET(""), SET("{\"kty\":\"oct\",\"k\":\"AA\"}"), "<html>"};
    struct set out;
    (void)state;
    struct set s = merge(empty, SET(A));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error err = ERROR_INIT;
        assert_false(jwks_merge(s.jwks, s.former, str_of(bad[i]), memory, &out.jwks, &out.former,
                                &out.changed, &err));
        assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
    }
}

static void the_next_question_comes_ahead_of_the_end_and_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(jwks_next_s(0), 2880);
    assert_int_equal(jwks_next_s(1), 240);
    assert_int_equal(jwks_next_s(1000), 800);
    assert_int_equal(jwks_next_s(UINT64_MAX), 69120);
}

static void a_discovery_document_must_be_the_issuers_own(void **state)
{
    struct discovery d;
    struct error err = ERROR_INIT;
    (void)state;
    assert_true(discovery_read(
        STR_LIT("{\"issuer\":\"https://idp\",\"jwks_uri\":\"https://idp/k\",\"token_endpoint\":"
                "\"https://idp/t\",\"authorization_response_iss_parameter_supported\":true,"
                "\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"],\"x\":null}"),
        STR_LIT("https://idp"), memory, &d, &err));
    assert_true(d.iss_in_response && d.secret_in_body);
    assert_true(str_eqz(d.jwks_uri, "https://idp/k"));
    assert_null(d.end_session_endpoint.ptr);
    static const char *const bad[] = {
        "{\"issuer\":\"https://idp/\",\"jwks_uri\":\"https://idp/k\"}",
        "{\"jwks_uri\":\"https://idp/k\"}",
        "{\"issuer\":\"https://idp\"}",
        "{\"issuer\":\"https://idp\",\"jwks_uri\":\"http://idp/k\"}",
        "{\"issuer\":\"https://idp\",\"jwks_uri\":\"file:///etc/passwd\"}",
        "{\"issuer\":\"https://idp\",\"jwks_uri\":\"https://idp/k\",\"token_endpoint\":\"ftp://"
        "x\"}",
        "[]",
        "<html>",
        ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(discovery_read(str_of(bad[i]), STR_LIT("https://idp"), memory, &d, &err));
    }
}

static void only_https_and_loopback_are_asked(void **state)
{
    static const char *const good[] = {"https://idp.example.com", "https://[2001:db8::1]:8443/x",
                                       "http://127.0.0.1:9", "http://localhost/x?y=1",
                                       "http://[::1]:80"};
    static const char *const bad[] = {"",
                                      "http://idp.example.com",
                                      "http://127.0.0.1.evil.test",
                                      "http://127.1.evil.test",
                                      "https://user@idp",
                                      "https://",
                                      "https:///x",
                                      "ftp://idp",
                                      "https://a b",
                                      "https://idp#x",
                                      "https://idp\\@evil",
                                      "http://localhost.evil.test",
                                      "//idp",
                                      "HTTP://127.0.0.1"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(fetch_url_is_safe(str_of(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (fetch_url_is_safe(str_of(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
}

/* Refused where the connection is made, so no name and no second look-up leads around it. */
static void no_private_address_is_connected_to(void **state)
{
    static const char *const urls[] = {
        "https://10.0.0.1/",         "https://192.168.1.1/",   "https://172.31.255.255/",
        "https://169.254.169.254/",  "https://127.0.0.1:1/",   "https://[::1]:1/",
        "https://[fe80::1]/",        "https://[fd00::1]/",     "https://[::ffff:10.0.0.1]/",
        "https://0.0.0.0/",          "https://100.64.0.1/",    "https://localhost:1/",
        "https://[64:ff9b::a00:1]/", "https://[2002:a00:1::]/"};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct fetch_request r = {.url = urls[i], .timeout_ms = 500};
        struct fetch_answer answer;
        struct error err = ERROR_INIT;
        assert_false(fetch(&r, &answer, &err));
        if (!strstr(error_text(&err), "not a public address")) {
            fail_msg("%s: %s", urls[i], error_text(&err));
        }
    }
}

static void private_hosts_are_those_on_the_list(void **state)
{
    struct identity_config c = {.private_issuers = " idp.internal , 127.0.0.1:9000,[::1]"};
    struct identity *i = identity_new(&c);
    struct uuid organization = uuid_v7(), nil = {{0}};
    (void)state;
    assert_true(identity_private_ok(i, &organization, STR_LIT("https://IDP.internal:8443/x")));
    assert_true(identity_private_ok(i, &organization, STR_LIT("http://127.0.0.1:9000/x")));
    assert_true(identity_private_ok(i, &organization, STR_LIT("http://[::1]/x")));
    assert_false(identity_private_ok(i, &organization, STR_LIT("http://127.0.0.1:9001/x")));
    assert_false(identity_private_ok(i, &organization, STR_LIT("https://x.idp.internal/")));
    assert_true(identity_private_ok(i, &nil, STR_LIT("https://10.0.0.1/")));
    identity_free(i);
    c.private_issuers = NULL;
    i = identity_new(&c);
    assert_false(identity_private_ok(i, &organization, STR_LIT("https://10.0.0.1/")));
    identity_free(i);
}

static void forms_of_claims_and_rules_are_checked(void **state)
{
    static const char *const claims_bad[] = {"[]",
                                             "{\"x\":\"y\"}",
                                             "{\"user\":1}",
                                             "{\"user\":\"\"}",
                                             "{\"metadata\":\"x\"}",
                                             "{\"metadata\":{\"a\":1}}"};
    static const char *const rules_bad[] = {
        "{}",
        "[1]",
        "[{}]",
        "[{\"group\":\"x\"}]",
        "[{\"role\":\"owner\"}]",
        "[{\"group\":\"x\",\"regex\":\"y\",\"role\":\"owner\"}]",
        "[{\"regex\":\"(\",\"role\":\"owner\"}]",
        "[{\"group\":\"x\",\"role\":1}]",
        "[{\"group\":\"x\",\"role\":\"owner\",\"organization\":\"other\"}]",
        "[{\"group\":\"x\",\"role\":\"platform_admin\"}]",
        "[{\"group\":\"x\",\"rule\":\"owner\"}]"};
    struct error err = ERROR_INIT;
    (void)state;
    assert_true(claims_check(STR_LIT("{}"), &err));
    assert_true(claims_check(
        STR_LIT("{\"groups\":\"realm_access.roles\",\"metadata\":{\"team\":\"dept\"}}"), &err));
    for (size_t i = 0; i < sizeof claims_bad / sizeof claims_bad[0]; i++) {
        assert_false(claims_check(str_of(claims_bad[i]), &err));
        assert_string_equal(err.param, "claims");
    }
    assert_true(rules_check(STR_LIT("[{\"group\":\"a*\",\"workspace\":\"w\",\"role\":\"viewer\"},"
                                    "{\"regex\":\"^b\",\"team\":\"t\",\"claim\":null}]"),
                            true, &err));
    for (size_t i = 0; i < sizeof rules_bad / sizeof rules_bad[0]; i++) {
        assert_false(rules_check(str_of(rules_bad[i]), true, &err));
    }
    /* the installation's own must say where */
    assert_false(rules_check(STR_LIT("[{\"group\":\"a\",\"role\":\"owner\"}]"), false, &err));
    assert_true(rules_check(STR_LIT("[{\"group\":\"a\",\"role\":\"platform_admin\"},"
                                    "{\"group\":\"a\",\"organization\":\"o\",\"role\":\"owner\"}]"),
                            false, &err));
}

static struct person person_of(const char *config, const char *claims)
{
    struct issuer x = {.claims = str_of(config)};
    struct json_value v;
    struct person p = {.n_groups = 0};
    struct error err = ERROR_INIT;
    assert_true(json_validate(str_of(claims), 0, &v, NULL));
    if (!person_read(&x, v, memory, &p, &err)) {
        assert_int_equal(err.code, ERR_INVALID_TOKEN);
        assert_null(p.subject.ptr);
    }
    return p;
}

static void claims_make_a_person(void **state)
{
    (void)state;
    struct person p = person_of("{}", "{\"sub\":\"1\",\"email\":\"a@b.c\",\"email_verified\":true,"
                                      "\"name\":\"Zo\\u00eb\",\"groups\":[\"x\",1,\"y\"]}");
    assert_true(str_eqz(p.subject, "1") && str_eqz(p.email, "a@b.c") && str_eqz(p.name, "Zoë"));
    assert_true(p.email_verified);
    assert_int_equal(p.n_groups, 2);
    p = person_of("{\"groups\":\"realm.roles\",\"user\":\"oid\"}",
                  "{\"sub\":\"1\",\"oid\":\"2\",\"realm\":{\"roles\":\"one\"},\"hasgroups\":true,"
                  "\"email\":\"no address\",\"email_verified\":\"true\"}");
    assert_true(str_eqz(p.subject, "2") && str_eqz(p.groups[0], "one"));
    assert_null(p.email.ptr);
    assert_true(p.overage && p.email_verified);
    assert_null(person_of("{}", "{}").subject.ptr);
    assert_null(person_of("{}", "{\"sub\":1}").subject.ptr);
    assert_null(person_of("{}", "{\"sub\":\"\"}").subject.ptr);
    assert_null(person_of("{}", "{\"sub\":\"a\\u0000b\"}").subject.ptr);
    assert_false(person_of("{}", "{\"sub\":\"1\",\"email_verified\":\"yes\"}").email_verified);
    assert_int_equal(person_of("{}", "{\"sub\":\"1\",\"groups\":{\"a\":\"b\"}}").n_groups, 0);
}

static int begin(void **state)
{
    (void)state;
    memory = arena_new(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_stays_until_keys_were_replaced_twice),
        cmocka_unit_test(a_key_ahead_of_its_use_drives_none_out),
        cmocka_unit_test(the_same_keys_are_the_same_however_they_are_written),
        cmocka_unit_test(a_set_without_keys_displaces_nothing),
        cmocka_unit_test(the_next_question_comes_ahead_of_the_end_and_within_bounds),
        cmocka_unit_test(a_discovery_document_must_be_the_issuers_own),
        cmocka_unit_test(only_https_and_loopback_are_asked),
        cmocka_unit_test(no_private_address_is_connected_to),
        cmocka_unit_test(private_hosts_are_those_on_the_list),
        cmocka_unit_test(forms_of_claims_and_rules_are_checked),
        cmocka_unit_test(claims_make_a_person),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
