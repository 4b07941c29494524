/* The memory-mapped spool: one writer (a worker), one reader (the bridge thread), no locks. The
 * ring is the file: segments of fixed size, preallocated with posix_fallocate (so a full disk is an
 * error at creation and never a SIGBUS), each record with length, CRC-32 and a commit mark written
 * last (release). Survives the process always; power loss as `sync` says.
 *
 * An `open` record is written before an attempt is sent, the event before the last byte goes to the
 * client. A segment is recycled when all its events are acknowledged and none of its opens still
 * waits for its event. */
#ifndef DATAPLANE_REPORT_SPOOL_H
#define DATAPLANE_REPORT_SPOOL_H

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/uuid.h"

enum spool_sync { SPOOL_SYNC_NONE = 0, SPOOL_SYNC_BATCH, SPOOL_SYNC_RECORD };
enum spool_kind { SPOOL_OPEN = 1, SPOOL_EVENT = 2 };

struct spool_config {
    const char *folder;   /* made with mode 0700 if absent */
    unsigned worker;      /* files are spool-<worker>-<n>.seg */
    size_t segment_bytes; /* default 8 MiB */
    size_t max_bytes;     /* ceiling over all segments of this worker */
    bool drop_oldest; /* policy when full: drop the oldest unacknowledged segment and count, else
                         refuse */
    enum spool_sync sync;
};

struct spool;

/* Opens what is there. Records left by a former process are kept for the reader; opens without
 * event are turned into events by `recover` (given the open's bytes, appends the unknown event's
 * bytes to out; false = skip it). */
struct spool *spool_open(const struct spool_config *c,
                         bool (*recover)(void *arg, struct str open, struct buffer *out), void *arg,
                         struct error *err);
/* Only after writer and reader have stopped. What is unacknowledged stays on disk. */
void spool_close(struct spool *s);

/* Writer side, one thread. `id` joins an open with its event. ERR_SPOOL_FULL when there is no room
 * (full disk or ceiling): for an open, the attempt is not sent. Room for the event is reserved with
 * its open (reserve_bytes, at least the event's later size; a larger event is cut by the caller),
 * so an event that follows an open never fails. */
bool spool_append_open(struct spool *s, const struct uuid *id, struct str record,
                       size_t reserve_bytes, struct error *err);
bool spool_append_event(struct spool *s, const struct uuid *id, struct str record,
                        struct error *err);

/* Reader side, one thread. Next committed event at the read position (not yet acknowledged); false
 * when there is none now. The span is valid until spool_ack passes it. */
bool spool_read(struct spool *s, struct str *ret_record, uint64_t *ret_position);
/* Everything read up to `position` (inclusive) is stored: forget it. */
void spool_ack(struct spool *s, uint64_t position);
/* Read again from the first unacknowledged event (after a failed batch). */
void spool_rewind(struct spool *s);

/* Housekeeping that reading and acknowledging do by the way: recycles, makes the writer's next
 * segment, syncs. For a reader that has no cause to read for long (nobody to report to): once a
 * second or so. */
void spool_tend(struct spool *s);

/* Any thread. */
struct spool_stats {
    uint64_t waiting_records, waiting_bytes, dropped, segments;
};
void spool_stats(const struct spool *s, struct spool_stats *ret);
/* How many workers' spools are in the folder (highest number + 1; 0: none). A process that starts
 * with fewer workers opens the others too, as spools that are only read, so that nothing stays
 * behind. */
unsigned spool_workers_on_disk(const char *folder);
/* Called (by the writer) after an append when the reader said it sleeps; thread-safe wake of the
 * bridge. */
void spool_set_wake(struct spool *s, void (*wake)(void *arg), void *arg);

#endif
