/* The last good snapshot on disk: a base file (everything) and a log of deltas behind it, both as
 * the parts of proto/snapshot.proto, one record each. When the log has grown past the base, a
 * thread of its own writes a new base from the root at hand and removes what that replaces; deltas
 * meanwhile go to the next log.
 *
 * With a state key each record is sealed (AES-256-GCM, bound to its file and place); without one
 * the files are in clear, mode 0600. A base counts only when whole and its root hash fits; of a log
 * every complete run up to the first bad byte counts, and the rest is cut off. All calls from one
 * thread. */
#ifndef DATAPLANE_SNAPSHOT_DISK_H
#define DATAPLANE_SNAPSHOT_DISK_H

#include "dataplane/snapshot/index.h"

struct snapshot_disk;

struct snapshot_disk_config {
    const char *folder;       /* exists */
    const uint8_t *state_key; /* 32 bytes, NULL: in clear */
    const uint8_t
        *wrap_key; /* 32 bytes: seals and opens data keys, as on the wire; NULL: there are none */
    size_t log_min_bytes; /* a log below this is never folded; 0: 4 MiB */
};

/* Never fails for what is in the files: those that cannot be used are passed over. */
struct snapshot_disk *snapshot_disk_open(const struct snapshot_disk_config *c, struct error *err);
/* The last good root, one reference to the caller; NULL: none, and err (if its code is set) says
 * why what is there cannot be used. Once, before the first append. */
struct snapshot *snapshot_disk_load(struct snapshot_disk *d, struct error *err);
/* A run that was applied: its parts as they came, and the root that it gave. A full run, or a log
 * that is due, makes a new base in the background. False: the disk is behind (err says why) until a
 * later call succeeds in making a base. */
bool snapshot_disk_append(struct snapshot_disk *d, const struct str *parts, size_t n_parts,
                          bool full, struct snapshot *root, struct error *err);
/* To be called now and then: takes in a fold that has ended, and begins one if the disk is behind.
 * As append otherwise. */
bool snapshot_disk_tend(struct snapshot_disk *d, struct snapshot *root, struct error *err);
/* True while a base is being written. */
bool snapshot_disk_is_folding(struct snapshot_disk *d);
/* Waits for the fold under way. Accepts NULL. */
void snapshot_disk_close(struct snapshot_disk *d);

#endif
