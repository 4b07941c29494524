/* Errors in Cohere's shape, which its SDKs read: {"message": text, "id": request id}, and beside
 * them `weir` (the stable code, and the provider's original where it was the provider's error). The
 * functions are those of struct dialect. Pure, any thread. */
#ifndef DATAPLANE_DIALECTS_COHERE_ERROR_H
#define DATAPLANE_DIALECTS_COHERE_ERROR_H

#include "dataplane/dialects/dialect.h"

struct str cohere_error_body(struct arena *a, const struct failure *f);
struct str cohere_error_event(struct arena *a, const struct failure *f, enum framing framing);
/* {"message": text} without what other dialects' errors have. */
bool cohere_error_is_own(struct str body);

#endif
