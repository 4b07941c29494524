/* Standalone mode's reader of the spools: a thread of its own that appends each event as one JSON
 * line to a file and acknowledges it in the spool once written (and synced, as the policy says). A
 * crash between write and acknowledgement does not double a line: at start the ids in the file's
 * tail are read and skipped when the spool offers them again. */
#ifndef DATAPLANE_REPORT_SINK_FILE_H
#define DATAPLANE_REPORT_SINK_FILE_H

#include "common/base/error.h"
#include "dataplane/report/spool.h"

struct sink_file;

struct sink_file_config {
    const char *path;      /* appended to; made with mode 0600 if absent; "-" is standard output */
    struct spool **spools; /* this thread becomes their reader; they outlive the sink */
    size_t n_spools;
    enum spool_sync
        sync; /* NONE: never fsync; else fdatasync after each batch and before it is acknowledged */
    unsigned wait_ms; /* a batch waits this long to fill; 0: 50 */
    /* Before a batch's lines are written: books what its events (as they stand in the spool)
     * charge, once however often they are offered. False (err: why): as a line that cannot be
     * written, all of it is tried again. NULL: nobody books. Called by the sink's thread, as the
     * next. */
    bool (*book)(void *arg, const struct str *events, size_t n, struct error *err);
    /* Once: all that was in the spools when the sink began is booked, written, acknowledged. */
    void (*caught_up)(void *arg);
    void *arg;
};

/* False names the path and why. */
struct sink_file *sink_file_start(const struct sink_file_config *c, struct error *err);
/* Opens the path again (log rotation) before the next line. Any thread. */
void sink_file_reopen(struct sink_file *s);
/* Writes what the spools still hold, for at most drain_ms, then joins the thread. Accepts NULL. */
void sink_file_stop(struct sink_file *s, unsigned drain_ms);
/* Lines written, and failed writes and bookings (full disk: the events stay in the spool and are
 * tried again). Any thread. */
void sink_file_stats(const struct sink_file *s, uint64_t *ret_lines, uint64_t *ret_failures);

#endif
