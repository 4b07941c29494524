/* Signed tokens in place of keys: which are taken, whose key they stand for, and who the caller
 * then is. The snapshot is made of a file, as a proxy on its own has it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <stdio.h>

#include "common/crypto.h"
#include "common/jwt.h"
#include "dataplane/snapshot/swap.h"
#include "dataplane/standalone/standalone.h"
#include "dataplane/stages/authenticate_token.h"

#define NOW_MS 1800000000000

static EVP_PKEY *key, *stranger;
static struct arena *memory;
static struct snapshot *snapshot;
static struct token_memo *memo;

static struct str base64url(const void *p, size_t n)
{
    char *out = arena_alloc(memory, 4 * (n / 3 + 2));
    return (struct str){out, crypto_base64url(p, n, out)};
}

static struct str token_by(EVP_PKEY *signer, const char *payload)
{
    static const char header[] = "{\"alg\":\"EdDSA\",\"kid\":\"k\"}";
    uint8_t sig[64];
    size_t n = sizeof sig;
    struct str h = base64url(header, sizeof header - 1), p = base64url(payload, strlen(payload));
    struct str text = arena_printf(memory, "%.*s.%.*s", STR_ARG(h), STR_ARG(p));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, signer), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const uint8_t *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(ctx);
    struct str s = base64url(sig, n);
    return arena_printf(memory, "%.*s.%.*s", STR_ARG(text), STR_ARG(s));
}

#define CLAIMS(more) \
    "{\"iss\":\"https://idp\",\"aud\":\"weir\",\"sub\":\"ann\",\"exp\":1800000300" more "}"

static struct snapshot *load(const char *audience)
{
    struct snapshot *s = NULL;
    struct error err = ERROR_INIT;
    uint8_t raw[32];
    size_t n = sizeof raw;
    EVP_PKEY_get_raw_public_key(key, raw, &n);
    struct str x = base64url(raw, n);
    struct str yaml = arena_printf(
        memory,
        "version: 1\n"
        "providers: [{name: openai, kind: openai, api_key: sk-x}]\n"
        "models: [{name: gpt, targets: [{provider: openai, model: gpt-4o}]}]\n"
        "teams: [{name: ml}]\n"
        "keys:\n"
        "  - {name: default, secret: first-secret, models: [gpt], metadata: {tier: gold, dept: "
        "none}}\n"
        "  - {name: batch, secret: second-secret, models: ['*']}\n"
        "  - {name: other, secret: third-secret}\n"
        "issuers:\n"
        "  - name: idp\n"
        "    issuer: https://idp\n"
        "    audiences: [%s]\n"
        "    algorithms: [EdDSA]\n"
        "    jwks: {keys: [{kty: OKP, crv: Ed25519, kid: k, x: '%.*s'}]}\n"
        "    key_ids: [default, batch]\n"
        "    denied_jti: [stolen]\n"
        "    claims: {key: weir.key, end_user: customer, team: team, metadata: {dept: "
        "department, cost: cost_center}}\n",
        audience, STR_ARG(x));
    if (!standalone_parse(yaml, &s, NULL, &err)) {
        fail_msg("%d:%d %s: %s", err.line, err.column, err.param, error_text(&err));
    }
    return s;
}

static bool take(struct str token, struct token_caller *ret, struct error *err)
{
    *err = (struct error)ERROR_INIT;
    return authenticate_token(snapshot, memo, token, NOW_MS, memory, ret, err);
}

static struct token_caller must_take(const char *payload)
{
    struct token_caller c;
    struct error err;
    if (!take(token_by(key, payload), &c, &err)) {
        fail_msg("%s: %s", payload, error_text(&err));
    }
    return c;
}

static void must_refuse(struct str token, const char *why)
{
    struct token_caller c;
    struct error err;
    assert_false(take(token, &c, &err));
    assert_int_equal(err.code, ERR_INVALID_TOKEN);
    if (!strstr(error_text(&err), why)) {
        fail_msg("%s, not %s", error_text(&err), why);
    }
}

static void a_token_stands_for_its_issuers_key(void **state)
{
    (void)state;
    struct token_caller c = must_take(CLAIMS(""));
    assert_true(str_eqz(c.key->name, "default"));
    assert_true(str_eqz(c.key->models[0], "gpt"));
    assert_null(c.end_user.ptr);
    c = must_take(CLAIMS(",\"weir\":{\"key\":\"batch\"}"));
    assert_true(str_eqz(c.key->name, "batch"));
    char id[48];
    uuid_format_public("key", &c.key->id, id, sizeof id);
    struct str payload = arena_printf(memory, CLAIMS(",\"weir\":{\"key\":\"%s\"}"), id);
    assert_true(str_eqz(must_take(payload.ptr).key->name, "batch"));
    must_refuse(token_by(key, CLAIMS(",\"weir\":{\"key\":\"other\"}")), "names no key");
    must_refuse(token_by(key, CLAIMS(",\"weir\":{\"key\":\"\"}")), "names no key");
}

static void the_claims_say_who_calls(void **state)
{
    (void)state;
    struct token_caller ann = must_take(CLAIMS("")), again = must_take(CLAIMS(",\"x\":1")),
                        bob = must_take(
                            "{\"iss\":\"https://idp\",\"aud\":\"weir\",\"sub\":\"bob\",\"exp\":"
                            "1800000300,\"customer\":\"c-7\",\"department\":\"re\\u00e9\","
                            "\"cost_center\":12}");
    assert_false(uuid_is_nil(&ann.key->user_id));
    assert_true(uuid_eq(&ann.key->user_id, &again.key->user_id));
    assert_false(uuid_eq(&ann.key->user_id, &bob.key->user_id));
    assert_true(str_eqz(bob.end_user, "c-7"));
    assert_true(str_eqz(ann.key->metadata_json, "{\"tier\":\"gold\",\"dept\":\"none\"}"));
    assert_true(str_eqz(bob.key->metadata_json,
                        "{\"tier\":\"gold\",\"dept\":\"re\\u00e9\",\"cost\":\"12\"}"));
    char team[48];
    struct uuid id = standalone_id(14, STR_LIT("ml")); /* KIND_TEAM */
    uuid_format_public("team", &id, team, sizeof team);
    struct str payload = arena_printf(memory, CLAIMS(",\"team\":\"%s\""), team);
    assert_true(uuid_eq(&must_take(payload.ptr).key->team_id, &id));
    must_refuse(token_by(key, CLAIMS(",\"team\":\"team_00000000000000000000000000000001\"")),
                "team is not known");
}

static void forged_foreign_and_ended_tokens_are_refused(void **state)
{
    (void)state;
    must_refuse(token_by(stranger, CLAIMS("")), "signature is wrong");
    must_refuse(token_by(key, "{\"iss\":\"https://idp\",\"aud\":\"x\",\"sub\":\"a\",\"exp\":"
                              "1800000300}"),
                "another audience");
    must_refuse(token_by(key, "{\"iss\":\"https://evil\",\"aud\":\"weir\",\"sub\":\"a\",\"exp\":"
                              "1800000300}"),
                "issuer is not trusted");
    must_refuse(token_by(key, "{\"iss\":\"https://idp\",\"aud\":\"weir\",\"sub\":\"a\",\"exp\":"
                              "1799999000}"),
                "has expired");
    must_refuse(token_by(key, CLAIMS(",\"jti\":\"stolen\"")), "was revoked");
    must_refuse(STR_LIT("eyJhbGciOiJub25lIn0.e30."), "malformed");
    must_take(CLAIMS(",\"jti\":\"other\""));
}

/* What was verified is not verified again, but never longer than it holds, nor under another
 * configuration. */
static void the_memo_forgets_in_time(void **state)
{
    struct token_caller c;
    struct error err = ERROR_INIT;
    struct str token = token_by(key, CLAIMS(",\"once\":1"));
    (void)state;
    assert_true(take(token, &c, &err));
    assert_true(take(token, &c, &err));
    assert_true(authenticate_token(snapshot, memo, token, NOW_MS + 359000, memory, &c, &err));
    assert_false(authenticate_token(snapshot, memo, token, NOW_MS + 360000, memory, &c, &err));
    assert_int_equal(err.code, ERR_INVALID_TOKEN);
    struct snapshot *other = load("others");
    assert_false(authenticate_token(other, memo, token, NOW_MS, memory, &c, &err));
    snapshot_unref(other);
    assert_true(authenticate_token(snapshot, NULL, token, NOW_MS, memory, &c, &err));
    /* one byte more is another token */
    must_refuse(arena_printf(memory, "%.*sA", STR_ARG(token)), "signature is wrong");
}

static int begin(void **state)
{
    (void)state;
    memory = arena_new(0);
    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    stranger = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    memo = token_memo_new();
    snapshot = load("weir");
    return 0;
}

static int end(void **state)
{
    (void)state;
    snapshot_unref(snapshot);
    token_memo_free(memo);
    EVP_PKEY_free(key);
    EVP_PKEY_free(stranger);
    arena_free(memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_stands_for_its_issuers_key),
        cmocka_unit_test(the_claims_say_who_calls),
        cmocka_unit_test(forged_foreign_and_ended_tokens_are_refused),
        cmocka_unit_test(the_memo_forgets_in_time),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
