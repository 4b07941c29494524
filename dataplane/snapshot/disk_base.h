/* Writing a base file from a root, on a thread of its own: the root is immutable, so nobody waits.
 */
#ifndef DATAPLANE_SNAPSHOT_DISK_BASE_H
#define DATAPLANE_SNAPSHOT_DISK_BASE_H

#include "dataplane/snapshot/index.h"

struct disk_base_job {
    char *path;
    const char *folder;
    const uint8_t *state_key, *wrap_key;
    struct snapshot *root;
    uint64_t generation;
    uint64_t bytes; /* out */
    bool ok;        /* out */
};

/* Writes beside, syncs, renames, syncs the folder. False: nothing at `path` was touched. */
bool disk_base_write(struct disk_base_job *job, struct error *err);

#endif
