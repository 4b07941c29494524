/* Top-level members of a body that a provider wants under another name, within bounds, or not at
 * all: a row's `params`, and a provider's own rename_params and drop_params. As edits of the body:
 * everything else stays as the client wrote it. */
#ifndef DATAPLANE_STAGES_PARAMS_H
#define DATAPLANE_STAGES_PARAMS_H

#include "dataplane/canonical/splice.h"
#include "dataplane/request/request.h"

/* True when the provider has any for this operation. */
bool params_apply(const struct snap_provider *p, enum provider_api api);
/* Edits the (validated) body; what is left out is named in `losses` (NULL: not told). False: out of
 * room. */
bool params_edit(const struct snap_provider *p, enum provider_api api, struct str body,
                 struct splice *s, struct losses *losses);

#endif
