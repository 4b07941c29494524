/* signers/aws_sigv4.c against the signatures that AWS publishes, and the key id in a client's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/signers/aws_sigv4.h"

#define TIME_2015 1440938160 /* 20150830T123600Z */

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct sigv4_request suite(void)
{
    return (struct sigv4_request){.method = STR_LIT("GET"),
                                  .host = STR_LIT("example.amazonaws.com"),
                                  .path = STR_LIT("/"),
                                  .region = STR_LIT("us-east-1"),
                                  .service = STR_LIT("service"),
                                  .time_s = TIME_2015,
                                  .access_key = STR_LIT("AKIDEXAMPLE"),
                                  .secret_key =
                                      STR_LIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};
}

static const char *signed_lines(const struct sigv4_request *r)
{
    struct head h;
    struct error err = ERROR_INIT;
    assert_true(head_init(&h, arena, sigv4_room(r)));
    assert_true(sigv4_sign(r, arena, &h, &err));
    return arena_str(arena, head_str(&h)).ptr;
}

static void expect(const struct sigv4_request *r, const char *text)
{
    const char *lines = signed_lines(r);
    if (!strstr(lines, text)) {
        print_message("%s\n", lines);
        fail_msg("no %s", text);
    }
}

static void published_signatures_come_out(void **state)
{
    (void)state;
    struct sigv4_request r = suite();
    assert_string_equal(
        signed_lines(&r),
        "X-Amz-Date: 20150830T123600Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
        "aws4_request, SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n");
    r.query = STR_LIT("Param2=value2&Param1=value1"); /* get-vanilla-query-order-key-case */
    expect(&r, "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    r = suite();
    r.method = STR_LIT("POST"); /* post-vanilla */
    expect(&r, "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    r.payload = STR_LIT("Param1=value1"); /* post-x-www-form-urlencoded */
    r.headers = &(struct sigv4_header){STR_LIT("Content-Type"),
                                       STR_LIT("application/x-www-form-urlencoded")};
    r.n_headers = 1;
    expect(&r, "SignedHeaders=content-type;host;x-amz-date, "
               "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
    r = suite();
    r.path = STR_LIT("/\xe1\x88\xb4"); /* get-utf8 */
    expect(&r, "Signature=8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
    r = suite(); /* get-header-value-trim */
    struct sigv4_header trimmed[] = {{STR_LIT("My-Header1"), STR_LIT(" value1")},
                                     {STR_LIT("My-Header2"), STR_LIT(" \"a   b   c\"")}};
    r.headers = trimmed;
    r.n_headers = 2;
    expect(&r, "Signature=acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

/* The example of AWS's own guide: IAM's ListUsers. */
static void example_of_the_guide_comes_out(void **state)
{
    (void)state;
    struct sigv4_request r = suite();
    struct sigv4_header type = {STR_LIT("content-type"),
                                STR_LIT("application/x-www-form-urlencoded; charset=utf-8")};
    r.host = STR_LIT("iam.amazonaws.com");
    r.service = STR_LIT("iam");
    r.query = STR_LIT("Action=ListUsers&Version=2010-05-08");
    r.headers = &type;
    r.n_headers = 1;
    expect(&r, "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

/* Both computed apart from this code, from the definition. */
static void model_ids_are_encoded_twice(void **state)
{
    (void)state;
    struct sigv4_request r = suite();
    r.method = STR_LIT("POST");
    r.host = STR_LIT("bedrock-runtime.us-east-1.amazonaws.com");
    r.service = STR_LIT("bedrock");
    r.payload = STR_LIT("{}");
    r.path = STR_LIT("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse");
    expect(&r, "Signature=50d6d7a91d621be4cc2695fced3682f439c66cb59d0394a3a175444c33d0c9c4");
    r.path = STR_LIT("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F"
                     "us.amazon.nova-lite-v1%3A0/converse-stream");
    r.session_token = STR_LIT("token/+=");
    r.content_sha256 = true;
    expect(&r, "X-Amz-Security-Token: token/+=\r\n");
    expect(&r, "X-Amz-Content-Sha256: "
               "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\r\n");
    expect(&r, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "
               "Signature=9b0a91d896db7e157e89cc6c281e7e9ac0ea5cfd1581ab6116f31c9ad8c1b3d4");
}

static void bad_credentials_are_refused_unseen(void **state)
{
    (void)state;
    struct sigv4_request r = suite();
    struct head h;
    struct error err = ERROR_INIT;
    assert_true(head_init(&h, arena, 1024));
    r.session_token = STR_LIT("secret\r\nX: y");
    assert_false(sigv4_sign(&r, arena, &h, &err));
    assert_null(strstr(error_text(&err), "secret"));
    r = suite();
    r.secret_key = STR_NONE;
    assert_false(sigv4_sign(&r, arena, &h, &err));
    assert_int_equal(h.len, 0);
}

static void key_id_is_read_from_what_clients_send(void **state)
{
    (void)state;
    assert_true(str_eqz(
        sigv4_access_key(STR_LIT("AWS4-HMAC-SHA256 Credential=wr_live_abc/20260101/us-east-1/"
                                 "bedrock/aws4_request, SignedHeaders=host, Signature=00")),
        "wr_live_abc"));
    assert_true(str_eqz(
        sigv4_access_key(STR_LIT("AKID%2F20260101%2Fus-east-1%2Fbedrock%2Faws4_request")), "AKID"));
    assert_null(sigv4_access_key(STR_LIT("Bearer wr_live_abc")).ptr);
    assert_null(sigv4_access_key(STR_LIT("AWS4-HMAC-SHA256 Credential=, x/y")).ptr);
    assert_null(sigv4_access_key(STR_LIT("AWS4-HMAC-SHA256 SignedHeaders=host")).ptr);
    assert_null(sigv4_access_key(STR_NONE).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(published_signatures_come_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(example_of_the_guide_comes_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(model_ids_are_encoded_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_credentials_are_refused_unseen, set_up, tear_down),
        cmocka_unit_test(key_id_is_read_from_what_clients_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
