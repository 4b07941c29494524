/* The file under the own ledger (own_ledger.h): a header and records of length, CRC-32 and bytes.
 * Batches are appended whole or not at all; from time to time a shorter file that says the same
 * takes its place, by rename. A crash may leave a batch in part at the end: what of it is whole
 * counts, the rest is cut off when the file is opened. One thread. */
#ifndef DATAPLANE_LIMITS_OWN_JOURNAL_H
#define DATAPLANE_LIMITS_OWN_JOURNAL_H

#include "common/base/buffer.h"
#include "common/base/error.h"

#define OWN_RECORD_MAX (1u << 20)

struct own_journal {
    char *path, *next_path; /* of the file, and of the one that will take its place */
    int fd, next_fd;        /* -1: not open */
    uint64_t size;          /* up to the last whole batch */
    uint64_t next_size;
    uint64_t base; /* size when it was last replaced; of an empty file before that */
    bool sync;
};

/* Reads what is there (fn for each record; the text lives during the call), or makes the file and
 * its folder with modes 0600 and 0700. False: err names the path; also for a file that is not one
 * of ours. *ret_cut: bytes at the end that were no whole record. */
bool own_journal_open(struct own_journal *j, const char *folder, bool sync,
                      void (*fn)(void *arg, struct str record), void *arg, uint64_t *ret_cut,
                      struct error *err);
void own_journal_close(struct own_journal *j);

/* Puts one record into b: begin, append its bytes, end. */
size_t own_record_begin(struct buffer *b);
void own_record_end(struct buffer *b, size_t begin);

/* All or none; on disk afterwards where `sync` is on and `lasting` asked for. */
bool own_journal_append(struct own_journal *j, struct str records, bool lasting, struct error *err);

/* A new file beside the old one, which stays what counts until commit has returned true. */
bool own_journal_begin(struct own_journal *j, struct error *err);
bool own_journal_write(struct own_journal *j, struct str records, struct error *err);
bool own_journal_commit(struct own_journal *j, struct error *err);
void own_journal_abandon(struct own_journal *j); /* accepts one without */

#endif
