/* Which header fields cross the gateway, each way: all but those that belong to one connection,
 * that hold credentials or describe the caller, or that Weir sets itself. Names in any case. Pure.
 */
#ifndef DATAPLANE_STAGES_HEADERS_H
#define DATAPLANE_STAGES_HEADERS_H

#include "common/base/str.h"
#include "dataplane/net/exchange.h"

/* Client to provider. */
bool header_goes_up(struct str name);
/* Provider to client. */
bool header_comes_down(struct str name);
/* True when `name` is listed in one of the Connection fields: then it ends here. */
bool header_is_named_by_connection(const struct header *headers, size_t n, struct str name);

#endif
