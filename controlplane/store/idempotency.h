/* Answers to calls that carried an Idempotency-Key, kept for a day. The look-up, the call's own
 * writes and the stored answer are one transaction, so an answer is there exactly when its effect
 * is. Either role. */
#ifndef CONTROLPLANE_STORE_IDEMPOTENCY_H
#define CONTROLPLANE_STORE_IDEMPOTENCY_H

#include "controlplane/store/db.h"

struct idempotency {
    struct str actor, key;
    uint8_t request_hash[32];
};

/* Holds the key until the transaction ends. *ret_held false: another call with it runs at this
 * moment. */
bool idempotency_hold(struct tx *t, const struct idempotency *i, bool *ret_held, struct error *err);

/* Seals of stored answers are bound to this row id, made from actor and key. */
struct uuid idempotency_row(struct str actor, struct str key);

struct idempotency_answer {
    bool found, same_request;
    int status;
    struct str response;
};
bool idempotency_find(struct tx *t, const struct idempotency *i, struct arena *a,
                      struct idempotency_answer *ret, struct error *err);
bool idempotency_save(struct tx *t, const struct idempotency *i, int status, struct str response,
                      struct error *err);

#endif
