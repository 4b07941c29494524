/* A run of snapshot parts (proto/snapshot.proto, SnapshotPart), from the wire or from disk, put
 * together and turned into a new root at once. A run with from_version 0 gives everything; else it
 * starts from the base root's version. One thread. */
#ifndef DATAPLANE_SNAPSHOT_RUN_H
#define DATAPLANE_SNAPSHOT_RUN_H

#include "dataplane/snapshot/index.h"

struct snapshot_run;

/* base: what is applied now; NULL for nothing. wrap_key: opens the data keys (envelope_wrap_key);
 * NULL: they stay closed, and providers that need them are marked credential_unreadable. Takes its
 * own reference on base. */
struct snapshot_run *snapshot_run_new(struct snapshot *base, const uint8_t *wrap_key);
void snapshot_run_free(struct snapshot_run *r); /* accepts NULL */
/* The next part, serialized. False: it does not fit (number, versions) or cannot be read; the run
 * is then of no use. */
bool snapshot_run_part(struct snapshot_run *r, struct str part, struct error *err);
/* The same in two steps, for whoever asks for the next part before this one is taken in: the head
 * says what is to come next, the body (of the part whose head came last) is the work. */
bool snapshot_run_head(struct snapshot_run *r, struct str part, struct error *err);
bool snapshot_run_body(struct snapshot_run *r, struct str part, struct error *err);
bool snapshot_run_wants_more(const struct snapshot_run *r); /* no head said that it is the last */
/* The number of a part, and the version that its run leads to. False: it cannot be read. */
bool snapshot_run_peek(struct str part, uint32_t *ret_part, uint64_t *ret_to_version);
bool snapshot_run_complete(const struct snapshot_run *r); /* the last part has come */
uint64_t
snapshot_run_version(const struct snapshot_run *r); /* to_version; 0 before the first part */
uint32_t snapshot_run_next_part(const struct snapshot_run *r);
bool snapshot_run_is_full(const struct snapshot_run *r); /* from_version 0 */
/* Frees r. One reference to the caller; NULL: err. *ret_diverged: the root hash is not the one that
 * the run promised. */
struct snapshot *snapshot_run_finish(struct snapshot_run *r, bool *ret_diverged, struct error *err);

#endif
