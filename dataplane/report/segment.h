/* One file of a spool: mapped, preallocated, walked record by record. Layout (little-endian, this
 * machine's):
 *
 *   header 128 bytes   magic, sequence, nonce, size, CRC-32C of these; at 64 the reader's
 * acknowledged offset records            mark u64 | len u32 | crc u32 | id 16 | kind u8 | closed u8
 * | 6 spare | payload, padded to 8
 *
 * The mark (nonce of this use of the file XOR the record's offset) is stored last, with release: a
 * record without it does not exist. The nonce is drawn anew whenever a file is used again, so stale
 * bytes and bytes that a client chose are never taken for records. `closed` is set later, in place
 * and outside of the CRC: the open's event was written. */
#ifndef DATAPLANE_REPORT_SEGMENT_H
#define DATAPLANE_REPORT_SEGMENT_H

#include <stdatomic.h>

#include "common/base/error.h"
#include "common/base/uuid.h"
#include "dataplane/report/spool.h"

#define SEGMENT_HEADER 128u

struct record {
    _Atomic uint64_t mark;
    uint32_t len, crc;
    struct uuid id;
    uint8_t kind; /* enum spool_kind */
    _Atomic uint8_t closed;
    uint8_t spare[6];
    char payload[];
};

struct segment {
    struct segment *_Atomic next; /* later segment; non-NULL: the writer has left this one */
    uint8_t *base;
    size_t size;
    size_t limit; /* end of what may be read: size while live, the end of the good prefix after a
                     restart */
    uint64_t seq, nonce;
    unsigned number; /* of the file's name */
    _Atomic uint64_t
        events; /* unacknowledged when it was opened, plus those appended since (writer) */
    uint64_t acked_events;    /* reader */
    uint64_t acked_off;       /* reader: first byte that is not acknowledged */
    _Atomic uint32_t waiting; /* opens here whose event has not come */
    uint64_t synced_events;   /* reader, for SPOOL_SYNC_BATCH */
};

struct record_scan {
    const struct record *record;
    uint64_t off, end;
};

/* New file, all blocks allocated, every page touched. NULL: err says why (a full disk:
 * ERR_SPOOL_FULL). */
struct segment *segment_create(const char *folder, unsigned worker, unsigned number, size_t size,
                               struct error *err);
/* Maps a file that is there. NULL with err ERR_NOT_FOUND: it is an unused spare; other codes: not
 * readable as a segment. */
struct segment *segment_open(const char *folder, unsigned worker, unsigned number,
                             struct error *err);
/* Makes a created or recycled file live under a new sequence number. No system call but the
 * nonce's. */
void segment_begin(struct segment *s, uint64_t seq);
/* Marks it as unused: a restart will delete it. */
void segment_retire(struct segment *s);
/* Unmaps; with `folder`, deletes the file too. Accepts NULL. */
void segment_close(struct segment *s, const char *folder, unsigned worker);
void segment_path(char *buf, size_t size, const char *folder, unsigned worker, unsigned number);
/* "spool-<worker>-<number>.seg" */
bool segment_name_parse(const char *name, unsigned *ret_worker, unsigned *ret_number);

/* Writes a record at off (the caller checked the room) and commits it. */
void segment_put(struct segment *s, uint64_t off, enum spool_kind kind, const struct uuid *id,
                 struct str payload);
void segment_acked(struct segment *s, uint64_t off); /* notes the reader's offset in the file */
bool segment_sync(const struct segment *s, uint64_t from, uint64_t to);

static inline size_t record_size(size_t payload)
{
    return (sizeof(struct record) + payload + 7) & ~(size_t)7;
}

static inline struct record *segment_record(const struct segment *s, uint64_t off)
{
    return (struct record *)(void *)(s->base + off);
}

/* The committed record at off; NULL when there is none (yet). */
static inline const struct record *segment_at(const struct segment *s, uint64_t off)
{
    if (off + sizeof(struct record) > s->limit) {
        return NULL;
    }
    const struct record *r = segment_record(s, off);
    return atomic_load_explicit(&r->mark, memory_order_acquire) == (s->nonce ^ off) ? r : NULL;
}

/* segment_at with all checks, for files of a former process. */
const struct record *segment_check(const struct segment *s, uint64_t off);

#endif
