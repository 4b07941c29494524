/* The inside of a spool, shared by spool.c (writer and life), spool_reader.c and spool_recover.c.
 *
 * Segments form a list by sequence; the writer appends at its tail, the reader takes drained ones
 * out of anywhere, and a writer with the policy drop_oldest takes one out behind the reader. `lock`
 * guards the list's links and rd_segment at those moments only (once per segment); appending and
 * reading records take no lock. */
#ifndef DATAPLANE_REPORT_SPOOL_INSIDE_H
#define DATAPLANE_REPORT_SPOOL_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/report/open_table.h"
#include "dataplane/report/segment.h"

#define SPOOL_AHEAD_MAX 64

struct spool {
    char *folder;
    unsigned worker;
    size_t segment_bytes, max_bytes;
    bool drop_oldest;
    enum spool_sync sync;
    int lock_fd; /* flock on spool-<worker>.lock: two processes never share a spool */

    pthread_mutex_t lock;
    struct segment *head; /* oldest */

    /* writer */
    struct segment *tail;
    uint64_t off;
    struct segment
        *ahead[SPOOL_AHEAD_MAX]; /* taken, not yet begun: room that reservations count on */
    unsigned n_ahead;
    uint64_t next_seq;
    struct open_table opens;
    size_t reserved;    /* sum over opens */
    size_t largest;     /* of the outstanding reservations, or more */
    uint64_t failed_ms; /* last time that no segment could be made; 0: the last try worked */
    bool carrying;

    /* reader */
    struct segment *rd_segment;
    uint64_t rd_off;

    /* both */
    struct segment *_Atomic spare; /* put by the reader, taken by the writer */
    _Atomic unsigned n_segments;   /* files, spares too */
    _Atomic unsigned next_number;
    _Atomic bool begun; /* the writer appended something: keep a spare ready */
    _Atomic bool sleeping;
    _Atomic bool wake_set;
    void (*wake)(void *arg);
    void *wake_arg;
    _Atomic uint64_t records_in, bytes_in;   /* writer */
    _Atomic uint64_t records_out, bytes_out; /* acknowledged (reader) */
    _Atomic uint64_t records_dropped, bytes_dropped;
};

/* A new file if the ceiling allows; NULL: err says why. Either thread. */
struct segment *spool_segment_new(struct spool *s, bool ignore_ceiling, struct error *err);
void spool_segment_delete(struct spool *s, struct segment *g);
/* Reads the folder: list of former segments, opens turned into events. The first live segment is
 * begun here. */
bool spool_recover(struct spool *s, bool (*recover)(void *arg, struct str open, struct buffer *out),
                   void *arg, struct error *err);
/* Appends an event past all checks of room but the file system's. */
bool spool_append_recovered(struct spool *s, const struct uuid *id, struct str record,
                            struct error *err);
#endif
