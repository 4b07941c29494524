/* Authorization: Bearer, as OpenAI and all who speak its dialect want it. */
#include "dataplane/signers/signer.h"

bool signer_bearer(struct str credential, struct head *out, struct error *err)
{
    if (credential.len == 0) {
        return true;
    }
    if (!head_value_ok(credential)) {
        return error_set(err, ERR_INTERNAL, "the provider's credential holds control characters");
    }
    head_put(out, STR_LIT("Authorization: Bearer "));
    head_put(out, credential);
    head_put(out, STR_LIT("\r\n"));
    return true;
}
