/* The rows of table.c that have a file of their own; see signer.h. */
#ifndef DATAPLANE_SIGNERS_SIGN_H
#define DATAPLANE_SIGNERS_SIGN_H

#include "dataplane/signers/signer.h"

/* sign_aws.c: SigV4 with the keys of the settings, or a Bedrock API key as bearer. */
enum sign_result sign_aws(struct signing *s, struct arena *a, struct head *out,
                          struct token_purchase *ret, struct error *err);
/* sign_google.c: an access token, given or bought with a service account, or an API key. */
enum sign_result sign_google(struct signing *s, struct arena *a, struct head *out,
                             struct token_purchase *ret, struct error *err);
/* sign_azure.c: the resource's key, or an Entra token, given or bought. */
enum sign_result sign_azure(struct signing *s, struct arena *a, struct head *out,
                            struct token_purchase *ret, struct error *err);

#endif
