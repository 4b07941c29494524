/* Where a worker's access tokens come from: the token cache of its requests, whose POSTs go through
 * its own upstream client. */
#ifndef DATAPLANE_REQUEST_TOKEN_POST_H
#define DATAPLANE_REQUEST_TOKEN_POST_H

#include "dataplane/request/env.h"
#include "dataplane/signers/token_cache.h"

/* The worker's cache, made at first need. */
struct token_cache *token_post_cache(struct request_env *env);
/* While the upstream client still lives; harmless when there is none. */
void token_post_release(struct request_env *env);

#endif
