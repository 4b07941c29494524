/* Microsoft Entra client credentials: an application's id and secret are turned into an access
 * token at the tenant's token endpoint. Pure, any thread. */
#ifndef DATAPLANE_SIGNERS_ENTRA_TOKEN_H
#define DATAPLANE_SIGNERS_ENTRA_TOKEN_H

#include "dataplane/signers/token_cache.h"

/* The credential is a JSON object: tenant_id, client_id, client_secret, and optionally authority
 * (https://login.microsoftonline.com; other clouds have their own) and scope
 * (https://cognitiveservices.azure.com/.default). Also read under the names azure_tenant_id,
 * azure_client_id, azure_client_secret. */
extern const struct token_source entra_token_source;

/* The form answer of an OAuth 2 token endpoint, which Google's and Microsoft's share: access_token
 * and expires_in (a number or digits as text; else an hour); a refusal's error_description or error
 * goes into err. */
bool entra_token_parse(int status, struct str body, struct arena *a, struct token_answer *ret,
                       struct error *err);

#endif
