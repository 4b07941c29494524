/* What the stage cache is made of besides cache.c; private to it. */
#ifndef DATAPLANE_STAGES_CACHE_PARTS_H
#define DATAPLANE_STAGES_CACHE_PARTS_H

#include "dataplane/stages/cache.h"

/* cache_identity.c */
/* Operations whose answers may be kept: those that Weir reads, so that it knows a whole answer. */
bool cache_allows(const struct request *r);
/* What the routing config says of caching for the target at hand; NULL: nothing. */
const struct route_cache *cache_policy(const struct request *r);
/* u->key and u->key_text: everything that makes two requests different. False: out of room. */
bool cache_identify(struct request *r, struct cache_use *u);

/* The provider is called by the key that the client brought along. */
bool cache_client_pays(const struct request *r, const struct candidate *c);

/* cache_keep.c */
/* Keeps the answer that went out, where it may be kept. */
enum cache_flight cache_keep(struct request *r);

#endif
