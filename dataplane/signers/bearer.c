/* A key in a header of its own: Authorization: Bearer, as OpenAI and all who speak its dialect want
 * it, or another. */
#include "dataplane/signers/signer.h"

static bool value_ok(struct str credential, struct error *err)
{
    return head_value_ok(credential) ||
           error_set(err, ERR_INTERNAL, "the provider's credential holds control characters");
}

bool signer_bearer(struct str credential, struct head *out, struct error *err)
{
    if (credential.len == 0) {
        return true;
    }
    if (!value_ok(credential, err)) {
        return false;
    }
    head_put(out, STR_LIT("Authorization: Bearer "));
    head_put(out, credential);
    head_put(out, STR_LIT("\r\n"));
    return true;
}

bool signer_header(struct str name, struct str credential, struct head *out, struct error *err)
{
    if (credential.len == 0) {
        return true;
    }
    if (!value_ok(credential, err)) {
        return false;
    }
    head_put_header(out, name, credential);
    return true;
}
