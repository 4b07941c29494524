/* Takes batches of usage events from data planes. Each event is read and checked by itself: what is
 * well is stored, once; what is not goes to quarantine with its reason. Blocks; any thread. */
#ifndef CONTROLPLANE_INGEST_RECEIVE_H
#define CONTROLPLANE_INGEST_RECEIVE_H

#include "common/base/error.h"
#include "common/base/uuid.h"

struct db_pool;

#define INGEST_MAX_EVENTS 16384 /* in one batch */

struct ingest_ack {
    uint64_t number;
    uint32_t stored, duplicates, quarantined; /* add up to the batch's events */
};

/* Tells whether the plane may report about this workspace (nil: none) of this organization. */
typedef bool (*ingest_serves_fn)(void *arg, const struct uuid *organization,
                                 const struct uuid *workspace);

/* `batch`: a serialized weir.Batch. True after COMMIT. False: nothing may be acknowledged:
 * ERR_BAD_REQUEST (no batch at all) or ERR_DATABASE (the plane tries again; what was stored
 * meanwhile counts as a duplicate then). */
bool ingest_receive(struct db_pool *p, const struct uuid *plane, ingest_serves_fn serves, void *arg,
                    struct str batch, struct ingest_ack *ret, struct error *err);

#endif
