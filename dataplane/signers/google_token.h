/* Google service accounts (RFC 7523): a JWT signed with the account's key is turned into an access
 * token at its token_uri. Pure, any thread; one RSA signature per build. */
#ifndef DATAPLANE_SIGNERS_GOOGLE_TOKEN_H
#define DATAPLANE_SIGNERS_GOOGLE_TOKEN_H

#include "dataplane/signers/token_cache.h"

/* The credential is the service account's key file as Google gives it: a JSON object with
 * client_email, private_key, and where they are there private_key_id, token_uri (else Google's)
 * and scopes (a text or an array; else cloud-platform). The same object may stand as text or object
 * under `service_account` of a credential of named secrets. */
extern const struct token_source google_token_source;

/* The signed assertion alone: header.claims.signature. */
bool google_token_assertion(struct str credential, uint64_t now_s, struct arena *a, struct str *ret,
                            struct error *err);

#endif
