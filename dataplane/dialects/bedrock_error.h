/* Errors as Bedrock's runtime gives them: {"message":…} with the class in the header
 * x-amzn-errortype, or an exception frame within a stream. The classes are those that AWS's SDKs
 * have exceptions for, each with AWS's own status. */
#ifndef DATAPLANE_DIALECTS_BEDROCK_ERROR_H
#define DATAPLANE_DIALECTS_BEDROCK_ERROR_H

#include "common/base/buffer.h"
#include "dataplane/dialects/dialect.h"

/* {"message":…,"weir":{"code","param","request_id","provider","status","provider_error"}} */
struct str bedrock_error_body(struct arena *a, const struct failure *f);
/* An exception frame (FRAMING_AWS); in any other framing the body and a line end. */
struct str bedrock_error_event(struct arena *a, const struct failure *f, enum framing framing);
int bedrock_error_status(const struct failure *f);
/* "ValidationException" */
struct str bedrock_error_header_value(const struct failure *f);
/* {"message":…} and nothing of another's shape. */
bool bedrock_error_is_own(struct str body);
/* The exception that ends a stream after the provider's own failure within it. */
bool bedrock_error_frame(struct buffer *out, const struct provider_error *e);

#endif
