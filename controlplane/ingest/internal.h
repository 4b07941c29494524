/* Between receive.c and persist.c. */
#ifndef CONTROLPLANE_INGEST_INTERNAL_H
#define CONTROLPLANE_INGEST_INTERNAL_H

#include "controlplane/ingest/receive.h"
#include "controlplane/store/usage_write.h"

/* Stores all; when the database refuses some event for what it holds, the run is halved until the
 * culprit stands alone, and that one is quarantined. Adds to ret's counts. */
bool persist_events(struct db_pool *p, const struct uuid *plane,
                    const struct usage_event *const *events, size_t n,
                    const struct usage_refused *refused, size_t n_refused, struct ingest_ack *ret,
                    struct error *err);

#endif
