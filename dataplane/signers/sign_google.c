/* Google: Gemini's API takes a key in a header of its own, Vertex AI an access token. */
#include "dataplane/signers/google_token.h"
#include "dataplane/signers/sign.h"

enum sign_result sign_google(struct signing *s, struct arena *a, struct head *out,
                             struct token_purchase *ret, struct error *err)
{
    struct str account = snap_provider_setting(s->provider, "service_account");
    struct str token = s->token;
    (void)a;
    if (!token.len) {
        token = snap_provider_setting(s->provider, "access_token");
    }
    if (token.len) {
        return signer_bearer(token, out, err) ? SIGN_DONE : SIGN_FAILED;
    }
    /* only the stored one: a service account says by itself where to ask for its tokens, and that
     * is not for a client to say */
    if (!account.len && str_starts(s->provider->credential, STR_LIT("{"))) {
        account = s->provider->credential;
    }
    if (account.len) {
        *ret = (struct token_purchase){&google_token_source, account};
        return SIGN_NEEDS_TOKEN;
    }
    /* what a client holds for itself may be a token too */
    bool is_token = str_starts(s->credential, STR_LIT("ya29."));
    bool ok = is_token ? signer_bearer(s->credential, out, err)
                       : signer_header(STR_LIT("x-goog-api-key"), s->credential, out, err);
    return ok ? SIGN_DONE : SIGN_FAILED;
}
