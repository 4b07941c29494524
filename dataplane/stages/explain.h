/* Questions of the control plane's: what would be done with a request, without sending it
 * (docs/routing.md, Explain). */
#ifndef DATAPLANE_STAGES_EXPLAIN_H
#define DATAPLANE_STAGES_EXPLAIN_H

#include "common/base/buffer.h"
#include "common/json.h"
#include "dataplane/request/request.h"

struct explanation {
    struct buffer decisions;
    struct json_writer writer;
    struct str proposed; /* config in place of the one in force; NULL ptr: none */
};

/* On the worker's thread: `question` as POST /api/v1/explain has it; writes the answer (all but the
 * data plane's name) to `out`, or {"error": {status, code, message, param}} where the question
 * itself is wrong. False: err; there is no answer. */
bool explain_answer(struct request_env *env, struct str question, struct buffer *out,
                    struct error *err);

#endif
