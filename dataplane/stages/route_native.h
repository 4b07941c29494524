/* Native calls: whom they go to, and whether the key may make them. A part of route. */
#ifndef DATAPLANE_STAGES_ROUTE_NATIVE_H
#define DATAPLANE_STAGES_ROUTE_NATIVE_H

#include "dataplane/request/request.h"

/* True when one of the patterns matches. */
bool route_matches(const struct str *patterns, uint16_t n, struct str name);
/* The provider of that name, or of that kind, if the key may use it; NULL: none. */
const struct snap_provider *route_visible_provider(struct request *r, struct str name);
/* False, with r->error. */
bool route_unknown_provider(struct request *r, struct str name);
/* True when the provider can serve now; else r->error says why not. */
bool route_provider_usable(struct request *r, const struct snap_provider *p);

/* The candidate of a native call: of the request itself (step NULL; sets native_path, face_api,
 * stream and the model as the provider's own operations have them), or of one step of a universal
 * request. False: r->error. */
bool route_native_candidate(struct request *r, struct str provider, struct step *step,
                            struct candidate *ret);

#endif
