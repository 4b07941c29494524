/* signers/google_token.c, entra_token.c: the calls that buy tokens, and their answers. The keys
 * were made for this test; the expected signature is the openssl program's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/signers/entra_token.h"
#include "dataplane/signers/google_token.h"

/* as they stand within a JSON string */
#define RSA_KEY                                                           \
    "-----BEGIN PRIVATE KEY-----\\n"                                      \
    "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAKPjrt/uJRGyVhQH\\n" \
    "xKM7HsvpaoP7yVd8/1mGPi3rV4zky1Q4a0NzfzcR2054txEm6551l+qN/OxhdiAH\\n" \
    "zwNXUzGtx1SVFk36dydj75LJ/PzHLsXHhfwsG7upxswu1DPgVnkwEUhJQroKT54p\\n" \
    "/JmdT0T6xDvJF4SRXvBRjB8qh8j7AgMBAAECgYBDeWv4Ge39GTVDTedxZNfLEDCg\\n" \
    "YjuE35up2hEjiq8i/NeRtyDCRnzryVhHOH/2edWsCbIgCZFGKOIfUdezAnLnamyV\\n" \
    "9WncQwBsxiqLJjJDfyqaaUsgBPvJCpgNqUGZG9hQdjGXDGyWFpgJhxG9OuBYwQ9G\\n" \
    "Kk8CGB5UGjyRceWVUQJBANM1Bj1ZxS+noU0ILD44/VmRq0Hi0Ig06hTjKv8q97Bq\\n" \
    "L9fvVRzIt6RR2G/FTqSCJyXL2PzX4HFgO8ndmMY0J98CQQDGpahTONPjuBdN4frj\\n" \
    "6bSJblUtNyYZLDsyPlmAu19Q++aIjtH3XgjR54gkG1ugarZmx1KFTn7FMU+hnXMv\\n" \
    "JbJlAkEAjj9ZG3rZhpYE2ifV/HZPk8K7MB29yu6wdS7mp4Ld3TA3Vty3WzKIFKCW\\n" \
    "//hIVh3eleMsGmaeoF1rBzM7EMrRywJASqlIsr7RJO20FJmy6qaULHNDoFLyBtQR\\n" \
    "C7lTeobyNEX5R6omUIsPVZVoHeoKbiitlcOkyGXQT91QyLWc7UOF4QJBAJRI+o2x\\n" \
    "AuqN/5z0HWefsKu3glYzCKpydJWa757mi4EaG1/1rFpHTathJb2p9w3jqAFNMeP2\\n" \
    "1p6cAmgkIv513qQ=\\n"                                                 \
    "-----END PRIVATE KEY-----\\n"
#define EC_KEY                                                            \
    "-----BEGIN PRIVATE KEY-----\\n"                                      \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+n7YJYdgNS70XGkB\\n" \
    "KN5s//AYOrWjvsH4yxTZg6VqtbKhRANCAASDnpgT8FwVcCHhgLAc12SPFvHzjKDp\\n" \
    "TcKJ9zzoIy0RqFVCNs2pcllzCuDxZb/DjP/RWjq3J+pJCerdmhq0hch+\\n"         \
    "-----END PRIVATE KEY-----\\n"
#define EMAIL "\"client_email\":\"weir@p.iam.gserviceaccount.com\""

static const char assertion[] =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtpZDEifQ.eyJpc3MiOiJ3ZWlyQHAuaWFtLmdzZXJ2a"
    "WNlYWNjb3VudC5jb20iLCJzY29wZSI6Imh0dHBzOi8vd3d3Lmdvb2dsZWFwaXMuY29tL2F1dGgvY2xvdWQtcGxhd"
    "GZvcm0iLCJhdWQiOiJodHRwczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiIsImlhdCI6MTcwMDAwMDAwM"
    "CwiZXhwIjoxNzAwMDAzNjAwfQ.QPoCtWmjbMlFUytvR5MFjKBFiLAY3K6V-2eju_huTIFyqFJ-wY5etDHX7lOHSt"
    "PSgkolryHs9aRM8CU_CLwSug_g9CYdgE09DM68i2-bziRh_LxyFhW8aMMj3UFMaQVpi-J-xRCW2LUj1IrPtddCr2"
    "-9kudHFrqpQuDNDUHKO5g";

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

static struct token_call call_of(const struct token_source *source, const char *credential)
{
    struct token_call call = {.url = STR_NONE};
    assert_true(source->build(str_of(credential), 1700000000, arena, &call, &err));
    assert_true(str_eqz(call.content_type, "application/x-www-form-urlencoded"));
    return call;
}

static void google_assertion_is_signed(void **state)
{
    (void)state;
    struct str jwt = STR_NONE;
    struct str credential =
        STR_LIT("{\"type\":\"service_account\"," EMAIL ",\"private_key_id\":\"kid1\","
                "\"private_key\":\"" RSA_KEY "\"}");
    assert_true(google_token_assertion(credential, 1700000000, arena, &jwt, &err));
    assert_string_equal(jwt.ptr, assertion);
}

static void google_call_goes_to_its_token_uri(void **state)
{
    (void)state;
    struct token_call call =
        call_of(&google_token_source, "{" EMAIL ",\"private_key_id\":\"kid1\",\"private_key\":"
                                      "\"" RSA_KEY "\"}");
    assert_true(str_eqz(call.url, "https://oauth2.googleapis.com/token"));
    struct str head =
        STR_LIT("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
    assert_true(str_starts(call.body, head));
    assert_true(str_eqz(str_slice(call.body, head.len, call.body.len), assertion));
    call = call_of(&google_token_source,
                   "{" EMAIL ",\"private_key\":\"" RSA_KEY "\",\"scopes\":[\"a\",\"b\"],"
                   "\"token_uri\":\"http://127.0.0.1:9/t\"}");
    assert_true(str_eqz(call.url, "http://127.0.0.1:9/t"));
}

/* {"service_account": object or text}, and a key whose line ends were encoded once too often */
static void google_account_within_named_secrets(void **state)
{
    (void)state;
    struct str jwt = STR_NONE, other = STR_NONE;
    struct str plain = STR_LIT("{" EMAIL ",\"private_key\":\"" RSA_KEY "\"}");
    struct str object = arena_printf(arena, "{\"service_account\":%.*s}", STR_ARG(plain));
    char *twice = arena_alloc(arena, 2 * plain.len + 1);
    size_t n = 0;
    assert_true(google_token_assertion(plain, 5, arena, &jwt, &err));
    assert_true(google_token_assertion(object, 5, arena, &other, &err));
    assert_true(str_eq(jwt, other));
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.ptr[i] == '"' || plain.ptr[i] == '\\') {
            twice[n++] = '\\';
        }
        twice[n++] = plain.ptr[i];
    }
    struct str text = arena_printf(arena, "{\"service_account\":\"%.*s\"}", (int)n, twice);
    assert_true(google_token_assertion(text, 5, arena, &other, &err));
    assert_true(str_eq(jwt, other));
    n = 0;
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.ptr[i] == '\\') {
            twice[n++] = '\\';
        }
        twice[n++] = plain.ptr[i];
    }
    assert_true(google_token_assertion((struct str){twice, n}, 5, arena, &other, &err));
    assert_true(str_eq(jwt, other));
}

static void google_refuses_what_is_no_account(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "AIza",
                                      "[]",
                                      "{}",
                                      "{" EMAIL "}",
                                      "{\"private_key\":\"x\"}",
                                      "{" EMAIL ",\"private_key\":\"x\"}",
                                      "{" EMAIL ",\"private_key\":\"" EC_KEY "\"}",
                                      "{\"service_account\":7}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct token_call call;
        err = (struct error)ERROR_INIT;
        assert_false(google_token_source.build(str_of(bad[i]), 1, arena, &call, &err));
        assert_int_equal(err.code, ERR_INVALID_FIELD);
        assert_null(strstr(err.text, "AIza"));
    }
}

static void entra_call(void **state)
{
    (void)state;
    struct token_call call =
        call_of(&entra_token_source, "{\"tenant_id\":\"ten-1\",\"client_id\":\"app\","
                                     "\"client_secret\":\"a~b+c/d=e&f g\\u00e9\"}");
    assert_true(str_eqz(call.url, "https://login.microsoftonline.com/ten-1/oauth2/v2.0/token"));
    assert_true(str_eqz(
        call.body,
        "grant_type=client_credentials&client_id=app&client_secret=a~b%2Bc%2Fd%3De%26f%20g%C3%A9"
        "&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"));
    call = call_of(&entra_token_source,
                   "{\"azure_tenant_id\":\"../x\",\"azure_client_id\":\"app\","
                   "\"azure_client_secret\":\"s\",\"authority\":\"http://127.0.0.1:9/\","
                   "\"scope\":\"y\"}");
    assert_true(str_eqz(call.url, "http://127.0.0.1:9/..%2Fx/oauth2/v2.0/token"));
    assert_true(str_ends(call.body, STR_LIT("&scope=y")));
}

static void entra_names_what_is_missing(void **state)
{
    (void)state;
    struct token_call call;
    assert_false(entra_token_source.build(STR_LIT("{\"tenant_id\":\"t\",\"client_id\":\"c\"}"), 1,
                                          arena, &call, &err));
    assert_string_equal(err.param, "client_secret");
    assert_false(entra_token_source.build(STR_LIT("key"), 1, arena, &call, &err));
    assert_null(strstr(err.text, "\"key\""));
}

static void answers(void **state)
{
    (void)state;
    struct token_answer a = {.expires_in_s = 0};
    assert_true(entra_token_parse(
        200, STR_LIT("{\"access_token\":\"ya29\",\"expires_in\":3599,\"token_type\":\"B\"}"), arena,
        &a, &err));
    assert_true(str_eqz(a.token, "ya29"));
    assert_int_equal(a.expires_in_s, 3599);
    assert_true(entra_token_parse(200, STR_LIT("{\"access_token\":\"x\",\"expires_in\":\"86399\"}"),
                                  arena, &a, &err));
    assert_int_equal(a.expires_in_s, 86399);
    assert_true(entra_token_parse(200, STR_LIT("{\"access_token\":\"x\"}"), arena, &a, &err));
    assert_int_equal(a.expires_in_s, 3600);
}

static void refusals(void **state)
{
    (void)state;
    struct token_answer a;
    assert_false(entra_token_parse(400,
                                   STR_LIT("{\"error\":\"invalid_grant\",\"error_description\":"
                                           "\"Invalid JWT Signature.\"}"),
                                   arena, &a, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_REFUSED);
    assert_non_null(strstr(err.text, "Invalid JWT Signature."));
    assert_false(entra_token_parse(502, STR_LIT("<html>"), arena, &a, &err));
    assert_non_null(strstr(err.text, "502"));
    assert_false(entra_token_parse(200, STR_LIT("{\"id_token\":\"x\"}"), arena, &a, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
    assert_false(entra_token_parse(200, STR_LIT("no"), arena, &a, &err));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(google_assertion_is_signed),
        TEST(google_call_goes_to_its_token_uri),
        TEST(google_account_within_named_secrets),
        TEST(google_refuses_what_is_no_account),
        TEST(entra_call),
        TEST(entra_names_what_is_missing),
        TEST(answers),
        TEST(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
