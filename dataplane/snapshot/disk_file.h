/* One file of records under disk.c: header, then records of length, CRC-32 and bytes (sealed when
 * there is a key). */
#ifndef DATAPLANE_SNAPSHOT_DISK_FILE_H
#define DATAPLANE_SNAPSHOT_DISK_FILE_H

#include "common/base/buffer.h"
#include "common/base/error.h"

#define DISK_RECORD_MAX (80u << 20)

struct disk_file {
    int fd; /* -1: not open */
    bool sealed;
    uint8_t key[32]; /* of this file */
    uint8_t header[48];
    uint64_t records; /* written or read so far: the place that a record is bound to */
    uint64_t size;    /* bytes up to the last whole record */
    char path[4096];
};

/* New and empty, mode 0600. */
bool disk_file_create(struct disk_file *f, const char *path, const uint8_t *state_key,
                      struct error *err);
/* For reading from its first record, then appending. False: absent (ERR_NOT_FOUND), or not one of
 * ours, or sealed under another key. */
bool disk_file_open(struct disk_file *f, const char *path, const uint8_t *state_key,
                    struct error *err);
/* The next record into ret (cleared before); false at the end and at the first byte that is not
 * good. */
bool disk_file_read(struct disk_file *f, struct buffer *ret);
/* All records or none: on failure the file is cut back. */
bool disk_file_append(struct disk_file *f, const struct str *records, size_t n, bool sync,
                      struct error *err);
/* Cuts to a place remembered from `size` and `records`. */
bool disk_file_cut(struct disk_file *f, uint64_t size, uint64_t records);
void disk_file_close(struct disk_file *f);

#endif
