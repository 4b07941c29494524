/* signers: what goes into the upstream head and the query by each style, and what never does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/signers/signer.h"

static struct arena *arena;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    err = (struct error)ERROR_INIT;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* The header lines; the query as it became, in s. */
static struct str lines_of(struct signing *s, enum sign_result want)
{
    struct head h;
    struct token_purchase purchase = {.source = NULL};
    assert_true(head_init(&h, arena, signer_room(s)));
    assert_int_equal(signer_sign(s, arena, &h, &purchase, &err), want);
    assert_false(h.failed);
    assert_int_equal(want == SIGN_NEEDS_TOKEN, purchase.source != NULL);
    return head_str(&h);
}

static void bearer_is_one_line(void **state)
{
    (void)state;
    struct snap_provider p = {.n_settings = 0};
    struct provider_row row = {.name = "x", .auth = AUTH_BEARER};
    struct signing s = {.provider = &p, .row = &row, .credential = STR_LIT("sk-1")};
    assert_true(str_eqz(lines_of(&s, SIGN_DONE), "Authorization: Bearer sk-1\r\n"));
    s.row = NULL;
    assert_true(str_eqz(lines_of(&s, SIGN_DONE), "Authorization: Bearer sk-1\r\n"));
}

static void no_credential_no_line(void **state)
{
    (void)state;
    struct snap_provider p = {.n_settings = 0};
    struct provider_row row = {.name = "x", .auth_name = "x-key"};
    struct signing s = {.provider = &p, .row = &row, .query = STR_LIT("a=1")};
    for (unsigned i = 0; i < AUTH_COUNT; i++) {
        row.auth = (enum provider_auth)i;
        s.credential = i % 2 ? STR_LIT("") : STR_NONE;
        assert_int_equal(lines_of(&s, SIGN_DONE).len, 0);
        assert_true(str_eqz(s.query, "a=1"));
    }
}

static void a_line_break_is_refused_and_not_shown(void **state)
{
    (void)state;
    struct snap_provider p = {.n_settings = 0};
    struct provider_row row = {.name = "x", .auth = AUTH_HEADER, .auth_name = "x-api-key"};
    struct signing s = {.provider = &p, .row = &row, .credential = STR_LIT("sk\r\nX-Evil: 1")};
    assert_int_equal(lines_of(&s, SIGN_FAILED).len, 0);
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_null(strstr(err.text, "Evil"));
}

static void header_and_query_keys(void **state)
{
    (void)state;
    struct snap_provider p = {.n_settings = 0};
    struct provider_row row = {.name = "x", .auth = AUTH_HEADER, .auth_name = "x-api-key"};
    struct signing s = {.provider = &p, .row = &row, .credential = STR_LIT("k/1 &")};
    assert_true(str_eqz(lines_of(&s, SIGN_DONE), "x-api-key: k/1 &\r\n"));
    row.auth = AUTH_QUERY;
    row.auth_name = "key";
    assert_int_equal(lines_of(&s, SIGN_DONE).len, 0);
    assert_true(str_eqz(s.query, "key=k%2F1%20%26"));
    s.query = STR_LIT("alt=sse");
    assert_int_equal(lines_of(&s, SIGN_DONE).len, 0);
    assert_true(str_eqz(s.query, "alt=sse&key=k%2F1%20%26"));
}

static void google_takes_key_token_or_account(void **state)
{
    (void)state;
    struct snap_setting setting = {STR_LIT("access_token"), STR_LIT("ya29.a")};
    struct snap_provider p = {.settings = &setting, .n_settings = 0};
    struct provider_row row = {.name = "vertex", .auth = AUTH_GOOGLE};
    struct signing s = {.provider = &p, .row = &row, .credential = STR_LIT("AIza")};
    assert_true(str_eqz(lines_of(&s, SIGN_DONE), "x-goog-api-key: AIza\r\n"));
    p.n_settings = 1;
    assert_true(str_eqz(lines_of(&s, SIGN_DONE), "Authorization: Bearer ya29.a\r\n"));
    setting = (struct snap_setting){STR_LIT("service_account"), STR_LIT("{}")};
    assert_int_equal(lines_of(&s, SIGN_NEEDS_TOKEN).len, 0);
    s.token = STR_LIT("bought");
    assert_true(str_eqz(lines_of(&s, SIGN_DONE), "Authorization: Bearer bought\r\n"));
}

static void azure_takes_key_or_entra(void **state)
{
    (void)state;
    struct snap_setting settings[] = {{STR_LIT("tenant_id"), STR_LIT("t")},
                                      {STR_LIT("client_id"), STR_LIT("c")},
                                      {STR_LIT("client_secret"), STR_LIT("secret")}};
    struct snap_provider p = {.settings = settings, .n_settings = 1};
    struct provider_row row = {.name = "azure-openai", .auth = AUTH_AZURE};
    struct signing s = {.provider = &p, .row = &row, .credential = STR_LIT("k")};
    assert_true(str_eqz(lines_of(&s, SIGN_DONE), "api-key: k\r\n"));
    p.n_settings = 3;
    assert_int_equal(lines_of(&s, SIGN_NEEDS_TOKEN).len, 0);
}

static void aws_signs_with_keys_else_bearer(void **state)
{
    (void)state;
    struct str body = STR_LIT("{}");
    struct snap_setting settings[] = {{STR_LIT("aws_access_key_id"), STR_LIT("AKID")},
                                      {STR_LIT("aws_secret_access_key"), STR_LIT("topsecret")},
                                      {STR_LIT("region"), STR_LIT("eu-west-1")}};
    struct snap_provider p = {.settings = settings,
                              .host_header = STR_LIT("bedrock-runtime.eu-west-1.amazonaws.com")};
    struct provider_row row = {.name = "bedrock", .auth = AUTH_SIGV4};
    struct signing s = {.provider = &p,
                        .row = &row,
                        .credential = STR_LIT("abc"),
                        .method = STR_LIT("POST"),
                        .path = STR_LIT("/model/m/converse"),
                        .body = &body,
                        .n_body = 1,
                        .now_ms = 1700000000000};
    assert_true(str_eqz(lines_of(&s, SIGN_DONE), "Authorization: Bearer abc\r\n"));
    p.n_settings = 3;
    struct str lines = lines_of(&s, SIGN_DONE);
    assert_non_null(memmem(lines.ptr, lines.len, "Credential=AKID/", 16));
    assert_non_null(memmem(lines.ptr, lines.len, "/eu-west-1/bedrock/aws4_request", 31));
    assert_null(memmem(lines.ptr, lines.len, "topsecret", 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bearer_is_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_credential_no_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_break_is_refused_and_not_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(header_and_query_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(google_takes_key_token_or_account, set_up, tear_down),
        cmocka_unit_test_setup_teardown(azure_takes_key_or_entra, set_up, tear_down),
        cmocka_unit_test_setup_teardown(aws_signs_with_keys_else_bearer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
