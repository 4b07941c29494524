/* Idempotency-Key: the same call again gets the same answer, and its effect stands once. Stored
 * answers may show a secret, so they are sealed. */
#ifndef CONTROLPLANE_HTTP_REPLAY_H
#define CONTROLPLANE_HTTP_REPLAY_H

#include "controlplane/http/router.h"
#include "controlplane/store/idempotency.h"

struct replay {
    bool active; /* the call carries a key */
    struct idempotency id;
};

/* In the call's transaction. *ret_answered: call->status and call->out hold the stored answer.
 * False: ERR_CONFLICT (another body under this key, or the first call still runs),
 * ERR_INVALID_FIELD (bad key). */
bool replay_begin(struct call *c, struct replay *ret, bool *ret_answered, struct error *err);
/* Stores the answer; before commit. */
bool replay_save(struct call *c, const struct replay *p, struct error *err);

#endif
