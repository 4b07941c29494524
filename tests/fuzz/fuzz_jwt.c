/* Tokens, key sets and claims by whoever sends them: nothing crashes, nothing forged is valid, what
 * looks like a token and what can be read as one agree, and a text for bytes is the only one. The
 * first byte says what the rest is. */
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/jwt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char public_key[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void token_check(struct str token)
{
    static struct jwt_keys *keys;
    static const struct str audience[] = {{"weir", 4}};
    struct arena *a = arena_new((size_t)1 << 20);
    struct error err = ERROR_INIT;
    struct json_value claims;
    struct str iss, kid;

    if (!keys)
        must(jwt_keys_new(str_of(public_key), &keys, &err));
    struct jwt_check c = {.keys = keys,
                          .issuer = STR_LIT("joe"),
                          .audiences = audience,
                          .n_audiences = 1,
                          .algorithms = ~0u,
                          .now_s = 1300819000,
                          .leeway_s = 60};
    if (jwt_peek(token, a, &iss, &kid, &err))
        must(jwt_payload(token, a, &claims) && iss.ptr);
    /* nobody here has the private keys, and the examples of the RFCs are for no audience */
    must(jwt_verify(token, &c, a, &claims) != JWT_VALID);
    if (jwt_token_algorithm(token) != JWT_NONE)
        must(jwt_looks_like(token));
    arena_free(a);
}

static void keys_check(struct str json)
{
    struct jwt_keys *k = NULL;
    struct error err = ERROR_INIT;

    if (!jwt_keys_new(json, &k, &err)) {
        must(err.code != ERR_NONE);
        return;
    }
    must(jwt_keys_count(k) <= JWT_KEYS_MAX);
    (void)jwt_keys_have(k, STR_LIT("k"));
    jwt_keys_free(k);
}

/* path, then a line end, then the claims */
static void claim_check(struct str text)
{
    struct str path, json;
    struct json_value claims, found;

    if (str_cut(text, '\n', &path, &json) && json_validate(json, 0, &claims, NULL) &&
        jwt_claim(claims, path, &found))
        must(found.raw.ptr >= json.ptr && found.raw.ptr + found.raw.len <= json.ptr + json.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *copy = mem_dup((const char *)data, size);
    struct str text = {copy + 1, size - 1};
    switch (data[0] % 3) {
    case 0:
        token_check(text);
        break;
    case 1:
        keys_check(text);
        break;
    default:
        claim_check(text);
    }
    mem_free(copy);
    return 0;
}
