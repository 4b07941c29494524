/* Google service accounts: assertion and token request; see google_token.h. */
#include "dataplane/signers/google_token.h"

#include "common/crypto.h"
#include "common/x509.h"
#include "dataplane/canonical/read.h"
#include "dataplane/signers/entra_token.h"

#define TOKEN_URI "https://oauth2.googleapis.com/token"
#define SCOPE "https://www.googleapis.com/auth/cloud-platform"
#define LIFE_S 3600u /* the longest that Google grants */
#define SIGNATURE_MAX 1024
#define JSON_MAX (64u << 10) /* header or claims */

struct account {
    struct str email, key_pem, key_id, token_uri, scopes;
};

/* "a b" of a text or an array of texts. */
static struct str scopes_of(struct arena *a, struct json_value o)
{
    struct json_value v, item;
    struct str all = STR_NONE;
    size_t pos = 0;
    if (!read_get(o, "scopes", &v) && !read_get(o, "scope", &v)) {
        return STR_LIT(SCOPE);
    }
    if (v.type == JSON_STRING) {
        all = read_text(a, v);
    }
    while (v.type == JSON_ARRAY && json_next(v, &pos, NULL, &item)) {
        struct str one = read_text(a, item);
        if (one.len) {
            all = all.len ? arena_printf(a, "%.*s %.*s", STR_ARG(all), STR_ARG(one)) : one;
        }
    }
    return all.len ? all : STR_LIT(SCOPE);
}

static bool account_read(struct str credential, struct arena *a, struct account *ret,
                         struct error *err)
{
    struct json_value o, inner;
    if (!read_json(credential, &o) || o.type != JSON_OBJECT) {
        return error_set(err, ERR_INVALID_FIELD, "the service account is not a JSON object");
    }
    if (read_get(o, "service_account", &inner)) {
        struct str text = inner.type == JSON_STRING ? read_text(a, inner) : inner.raw;
        if (!read_json(text, &o) || o.type != JSON_OBJECT) {
            return error_set(err, ERR_INVALID_FIELD, "the service account is not a JSON object");
        }
    }
    struct account account = {
        .email = read_get_text(a, o, "client_email"),
        .key_pem = read_get_text(a, o, "private_key"),
        .key_id = read_get_text(a, o, "private_key_id"),
        .token_uri = read_get_text(a, o, "token_uri"),
        .scopes = scopes_of(a, o),
    };
    const char *missing = account.email.len ? "private_key" : "client_email";
    if (!account.email.len || !account.key_pem.len) {
        return error_set_param(err, ERR_INVALID_FIELD, missing, "the service account lacks %s",
                               missing);
    }
    if (!account.token_uri.len) {
        account.token_uri = STR_LIT(TOKEN_URI);
    }
    *ret = account;
    return true;
}

/* A key that went through one JSON encoding too many, or through an environment variable, has
 * backslash-n where the line ends belong. PEM itself has no backslash. NUL-terminated. */
static char *key_lines(struct arena *a, struct str pem)
{
    char *out = arena_alloc(a, pem.len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < pem.len; i++) {
        if (pem.ptr[i] == '\\' && i + 1 < pem.len && pem.ptr[i + 1] == 'n') {
            out[n++] = '\n';
            i++;
        } else if (pem.ptr[i] == '\\' && i + 1 < pem.len && pem.ptr[i + 1] == 'r') {
            i++;
        } else {
            out[n++] = pem.ptr[i];
        }
    }
    if (out) {
        out[n] = '\0';
    }
    return out;
}

static struct str base64url(struct arena *a, const void *p, size_t n)
{
    char *out = arena_alloc(a, 4 * ((n + 2) / 3) + 1);
    return out ? (struct str){out, crypto_base64url(p, n, out)} : STR_NONE;
}

/* header.claims, each in base64url. */
static struct str signing_text(struct arena *a, const struct account *account, uint64_t now_s)
{
    struct buffer header, claims;
    struct json_writer w;
    buffer_init(&header, JSON_MAX);
    buffer_init(&claims, JSON_MAX);
    json_writer_init(&w, &header);
    json_object_begin(&w);
    json_field_z(&w, "alg", "RS256");
    json_field_z(&w, "typ", "JWT");
    if (account->key_id.len) {
        json_field_str(&w, "kid", account->key_id);
    }
    json_object_end(&w);
    json_writer_init(&w, &claims);
    json_object_begin(&w);
    json_field_str(&w, "iss", account->email);
    json_field_str(&w, "scope", account->scopes);
    json_field_str(&w, "aud", account->token_uri);
    json_field_u64(&w, "iat", now_s);
    json_field_u64(&w, "exp", now_s + LIFE_S);
    json_object_end(&w);
    struct str ret = STR_NONE;
    if (!header.failed && !claims.failed) {
        struct str h = base64url(a, header.ptr, header.len);
        struct str c = base64url(a, claims.ptr, claims.len);
        ret = h.ptr && c.ptr ? arena_printf(a, "%.*s.%.*s", STR_ARG(h), STR_ARG(c)) : STR_NONE;
    }
    buffer_release(&header);
    buffer_release(&claims);
    return ret;
}

static bool assertion(const struct account *account, uint64_t now_s, struct arena *a,
                      struct str *ret, struct error *err)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t len = 0;
    struct str text = signing_text(a, account, now_s);
    char *key = key_lines(a, account->key_pem);
    if (!text.ptr || !key) {
        return error_set(err, ERR_INTERNAL, "out of room for a token request");
    }
    if (!x509_sign_rs256(key, text, signature, sizeof(signature), &len, err)) {
        return false;
    }
    struct str s = base64url(a, signature, len);
    *ret = s.ptr ? arena_printf(a, "%.*s.%.*s", STR_ARG(text), STR_ARG(s)) : STR_NONE;
    return ret->ptr || error_set(err, ERR_INTERNAL, "out of room for a token request");
}

bool google_token_assertion(struct str credential, uint64_t now_s, struct arena *a, struct str *ret,
                            struct error *err)
{
    struct account account;
    return account_read(credential, a, &account, err) && assertion(&account, now_s, a, ret, err);
}

static bool google_build(struct str credential, uint64_t now_s, struct arena *a,
                         struct token_call *ret, struct error *err)
{
    struct account account;
    struct str signed_text = STR_NONE;
    if (!account_read(credential, a, &account, err) ||
        !assertion(&account, now_s, a, &signed_text, err)) {
        return false;
    }
    /* the grant's name has its colons escaped; the assertion's alphabet needs none */
    struct str body = arena_printf(a,
                                   "grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3A"
                                   "jwt-bearer&assertion=%.*s",
                                   STR_ARG(signed_text));
    if (!body.ptr) {
        return error_set(err, ERR_INTERNAL, "out of room for a token request");
    }
    *ret =
        (struct token_call){account.token_uri, STR_LIT("application/x-www-form-urlencoded"), body};
    return true;
}

const struct token_source google_token_source = {"google", google_build, entra_token_parse};
