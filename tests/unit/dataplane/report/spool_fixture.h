/* What the tests of the spool share: a folder, a small spool, records by number. */
#ifndef DATAPLANE_REPORT_SPOOL_FIXTURE_H
#define DATAPLANE_REPORT_SPOOL_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/report/spool.h"
#include "dataplane/report/spool_inside.h"

#define SEGMENT (64u << 10)
#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, make_folder, remove_folder)

static char folder[256];

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/weir-spool-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct spool_config config(void)
{
    return (struct spool_config){
        .folder = folder, .segment_bytes = SEGMENT, .max_bytes = 16 * SEGMENT};
}

/* "unknown " and the open's text. */
static inline bool recover(void *arg, struct str open, struct buffer *out)
{
    unsigned *n = arg;
    if (n) {
        ++*n;
    }
    return buffer_append_z(out, "unknown ") && buffer_append_str(out, open);
}

static inline struct spool *open_spool(const struct spool_config *c, unsigned *recovered)
{
    struct error err = ERROR_INIT;
    struct spool *s = spool_open(c, recover, recovered, &err);
    if (!s) {
        fail_msg("spool_open: %s", error_text(&err));
    }
    return s;
}

static inline struct uuid id_of(uint64_t n)
{
    struct uuid u = {{0}};
    memcpy(u.b + 8, &n, sizeof(n));
    return u;
}

static inline void open_record(struct spool *s, uint64_t n, const char *text)
{
    struct error err = ERROR_INIT;
    struct uuid id = id_of(n);
    if (!spool_append_open(s, &id, str_of(text), 200, &err)) {
        fail_msg("open: %s", error_text(&err));
    }
}

static inline void event_record(struct spool *s, uint64_t n, const char *text)
{
    struct error err = ERROR_INIT;
    struct uuid id = id_of(n);
    if (!spool_append_event(s, &id, str_of(text), &err)) {
        fail_msg("event: %s", error_text(&err));
    }
}

/* All that can be read, joined by commas; *ret_position is the last one's. */
static inline struct str read_all(struct spool *s, struct buffer *out, uint64_t *ret_position)
{
    struct str record;
    uint64_t position;
    buffer_clear(out);
    while (spool_read(s, &record, &position)) {
        (void)buffer_append_str(out, record);
        (void)buffer_append(out, ",", 1);
        if (ret_position) {
            *ret_position = position;
        }
    }
    return buffer_str(out);
}

static inline void copy_folder(const char *to)
{
    char command[2048];
    (void)snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", to, folder, to);
    assert_int_equal(system(command), 0);
}

static inline uint64_t waiting(const struct spool *s)
{
    struct spool_stats stats;
    spool_stats(s, &stats);
    return stats.waiting_records;
}

#endif
