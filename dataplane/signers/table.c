/* A row per authentication style; see signer.h. */
#include "dataplane/signers/sign.h"
#include "dataplane/signers/signer.h"

static enum sign_result done_if(bool ok)
{
    return ok ? SIGN_DONE : SIGN_FAILED;
}

static enum sign_result sign_bearer(struct signing *s, struct arena *a, struct head *out,
                                    struct token_purchase *ret, struct error *err)
{
    (void)a;
    (void)ret;
    return done_if(signer_bearer(s->credential, out, err));
}

static enum sign_result sign_header(struct signing *s, struct arena *a, struct head *out,
                                    struct token_purchase *ret, struct error *err)
{
    (void)a;
    (void)ret;
    return done_if(signer_header(str_of(s->row->auth_name), s->credential, out, err));
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static enum sign_result sign_query(struct signing *s, struct arena *a, struct head *out,
                                   struct token_purchase *ret, struct error *err)
{
    static const char hex[] = "0123456789ABCDEF";
    struct head h;
    (void)out;
    (void)ret;
    if (s->credential.len == 0) {
        return SIGN_DONE;
    }
    struct str name = str_of(s->row->auth_name);
    if (!head_init(&h, a, s->query.len + name.len + 3 * s->credential.len + 2)) {
        (void)error_set(err, ERR_INTERNAL, "out of room for the request to the provider");
        return SIGN_FAILED;
    }
    if (s->query.len) {
        head_put(&h, s->query);
        head_put(&h, STR_LIT("&"));
    }
    head_put(&h, name);
    head_put(&h, STR_LIT("="));
    for (size_t i = 0; i < s->credential.len; i++) {
        char c = s->credential.ptr[i];
        char code[3] = {'%', hex[(unsigned char)c >> 4], hex[c & 15]};
        head_put(&h, is_unreserved(c) ? (struct str){&c, 1} : (struct str){code, 3});
    }
    s->query = head_str(&h);
    return SIGN_DONE;
}

static enum sign_result sign_none(struct signing *s, struct arena *a, struct head *out,
                                  struct token_purchase *ret, struct error *err)
{
    /* a self-hosted server may want a key all the same */
    return sign_bearer(s, a, out, ret, err);
}

static const struct {
    enum sign_result (*sign)(struct signing *s, struct arena *a, struct head *out,
                             struct token_purchase *ret, struct error *err);
} table[AUTH_COUNT] = {
    [AUTH_BEARER] = {sign_bearer}, [AUTH_HEADER] = {sign_header}, [AUTH_QUERY] = {sign_query},
    [AUTH_SIGV4] = {sign_aws},     [AUTH_GOOGLE] = {sign_google}, [AUTH_AZURE] = {sign_azure},
    [AUTH_NONE] = {sign_none},
};

enum sign_result signer_sign(struct signing *s, struct arena *a, struct head *out,
                             struct token_purchase *ret_purchase, struct error *err)
{
    enum provider_auth auth = s->row && s->row->auth < AUTH_COUNT ? s->row->auth : AUTH_BEARER;
    return table[auth].sign(s, a, out, ret_purchase, err);
}

size_t signer_room(const struct signing *s)
{
    size_t n = SIGNER_ROOM + s->credential.len + s->token.len;
    for (size_t i = 0; i < s->provider->n_settings; i++) {
        n += s->provider->settings[i].value.len;
    }
    return n;
}
