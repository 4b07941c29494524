/* Azure: the resource's key in a header of its own, or a token of Microsoft Entra. */
#include "dataplane/signers/entra_token.h"
#include "dataplane/signers/sign.h"

#include "common/json.h"

#define CREDENTIAL_MAX (16u << 10)

static const char *const names[][2] = {
    {"tenant_id", "azure_tenant_id"},
    {"client_id", "azure_client_id"},
    {"client_secret", "azure_client_secret"},
    {"authority", "azure_authority"},
    {"scope", "azure_scope"},
};

static struct str setting(const struct signing *s, size_t i)
{
    struct str v = snap_provider_setting(s->provider, names[i][0]);
    return v.len ? v : snap_provider_setting(s->provider, names[i][1]);
}

/* The settings as one credential, which is what tokens are bought and remembered by. */
static struct str credential_of(const struct signing *s, struct arena *a)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, CREDENTIAL_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str v = setting(s, i);
        if (v.len) {
            json_field_str(&w, names[i][0], v);
        }
    }
    json_object_end(&w);
    struct str text = b.failed ? STR_NONE : arena_str(a, buffer_str(&b));
    if (b.len) {
        memset(b.ptr, 0, b.len);
    }
    buffer_release(&b);
    return text;
}

enum sign_result sign_azure(struct signing *s, struct arena *a, struct head *out,
                            struct token_purchase *ret, struct error *err)
{
    struct str token = s->token;
    if (!token.len) {
        token = snap_provider_setting(s->provider, "access_token");
    }
    if (token.len) {
        return signer_bearer(token, out, err) ? SIGN_DONE : SIGN_FAILED;
    }
    if (!setting(s, 1).len || !setting(s, 2).len) {
        return signer_header(STR_LIT("api-key"), s->credential, out, err) ? SIGN_DONE : SIGN_FAILED;
    }
    *ret = (struct token_purchase){&entra_token_source, credential_of(s, a)};
    if (!ret->credential.ptr) {
        (void)error_set(err, ERR_INTERNAL, "out of room for the provider's credential");
        return SIGN_FAILED;
    }
    return SIGN_NEEDS_TOKEN;
}
