/* Microsoft Entra client credentials; see entra_token.h. */
#include "dataplane/signers/entra_token.h"

#include "dataplane/canonical/read.h"

#define AUTHORITY "https://login.microsoftonline.com"
#define SCOPE "https://cognitiveservices.azure.com/.default"
#define DEFAULT_LIFE_S 3600 /* where an answer does not say */

/* application/x-www-form-urlencoded: what is not unreserved becomes %XX. */
static struct str form_escape(struct arena *a, struct str s)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(a, 3 * s.len + 1);
    size_t n = 0;
    if (!out) {
        return STR_NONE;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    out[n] = '\0';
    return (struct str){out, n};
}

/* A member under its plain name, else under Azure's. */
static struct str setting(struct arena *a, struct json_value o, const char *name, const char *other)
{
    struct str s = read_get_text(a, o, name);
    return s.len ? s : read_get_text(a, o, other);
}

static bool entra_build(struct str credential, uint64_t now_s, struct arena *a,
                        struct token_call *ret, struct error *err)
{
    struct json_value o;
    (void)now_s;
    if (!read_json(credential, &o) || o.type != JSON_OBJECT) {
        return error_set(err, ERR_INVALID_FIELD, "the provider's credential is not a JSON object");
    }
    struct str tenant = setting(a, o, "tenant_id", "azure_tenant_id");
    struct str id = setting(a, o, "client_id", "azure_client_id");
    struct str secret = setting(a, o, "client_secret", "azure_client_secret");
    struct str authority = setting(a, o, "authority", "azure_authority");
    struct str scope = setting(a, o, "scope", "azure_scope");
    const char *missing = !tenant.len ? "tenant_id" : !id.len ? "client_id" : "client_secret";
    if (!tenant.len || !id.len || !secret.len) {
        return error_set_param(err, ERR_INVALID_FIELD, missing,
                               "the provider's credential lacks %s", missing);
    }
    authority = authority.len ? authority : STR_LIT(AUTHORITY);
    while (authority.len && authority.ptr[authority.len - 1] == '/') {
        authority.len--;
    }
    tenant = form_escape(a, tenant);
    id = form_escape(a, id);
    secret = form_escape(a, secret);
    scope = form_escape(a, scope.len ? scope : STR_LIT(SCOPE));
    if (!tenant.ptr || !id.ptr || !secret.ptr || !scope.ptr) {
        return error_set(err, ERR_INTERNAL, "out of room for a token request");
    }
    struct token_call call = {
        .url = arena_printf(a, "%.*s/%.*s/oauth2/v2.0/token", STR_ARG(authority), STR_ARG(tenant)),
        .content_type = STR_LIT("application/x-www-form-urlencoded"),
        .body = arena_printf(
            a, "grant_type=client_credentials&client_id=%.*s&client_secret=%.*s&scope=%.*s",
            STR_ARG(id), STR_ARG(secret), STR_ARG(scope)),
    };
    if (!call.url.ptr || !call.body.ptr) {
        return error_set(err, ERR_INTERNAL, "out of room for a token request");
    }
    *ret = call;
    return true;
}

/* A refusal's own words: endpoints name the reason, never the secret. */
static bool refused(int status, struct json_value o, bool is_object, struct arena *a,
                    struct error *err)
{
    struct str text = is_object ? read_get_text(a, o, "error_description") : STR_NONE;
    if (!text.len && is_object) {
        text = read_get_text(a, o, "error");
    }
    if (text.len) {
        text = str_slice(text, 0, 160);
        return error_set(err, ERR_UPSTREAM_REFUSED, "the token endpoint answered %d: %.*s", status,
                         STR_ARG(text));
    }
    return error_set(err, ERR_UPSTREAM_REFUSED, "the token endpoint answered %d", status);
}

bool entra_token_parse(int status, struct str body, struct arena *a, struct token_answer *ret,
                       struct error *err)
{
    struct json_value o, life;
    bool is_object = read_json(body, &o) && o.type == JSON_OBJECT;
    if (status < 200 || status > 299) {
        return refused(status, o, is_object, a, err);
    }
    struct token_answer answer = {.expires_in_s = DEFAULT_LIFE_S};
    answer.token = is_object ? read_get_text(a, o, "access_token") : STR_NONE;
    if (!answer.token.len) {
        return error_set(err, ERR_UPSTREAM_GARBAGE,
                         "the token endpoint's answer holds no access_token");
    }
    if (read_get(o, "expires_in", &life)) {
        struct str digits = life.type == JSON_STRING ? read_text(a, life) : life.raw;
        uint64_t seconds;
        if (str_to_u64(digits, &seconds)) {
            answer.expires_in_s = seconds;
        }
    }
    *ret = answer;
    return true;
}

const struct token_source entra_token_source = {"entra", entra_build, entra_token_parse};
