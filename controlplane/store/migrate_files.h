/* The migration files: from a folder or from those embedded at build time, in order, without gaps;
 * and their statements one by one. Pure but for reading the folder. */
#ifndef CONTROLPLANE_STORE_MIGRATE_FILES_H
#define CONTROLPLANE_STORE_MIGRATE_FILES_H

#include "common/base/arena.h"
#include "common/base/error.h"

/* Filled by the build (embed_migrations.cmake). */
struct migration_embedded {
    const char *name;
    const unsigned char *text;
    size_t len;
};
extern const struct migration_embedded migration_embedded[];
extern const size_t migration_embedded_count;

struct migration_file {
    unsigned number; /* 1, 2, 3, … */
    const char *name;
    struct str text;
    bool no_transaction; /* first line is `-- weir: no transaction` */
};

/* Into the arena, ordered by number. `folder` NULL: the embedded ones. Refuses names that are not
 * NNNN_what.sql, two files of one number, gaps, and an empty folder. */
bool migration_files_load(const char *folder, struct arena *a, struct migration_file **ret,
                          size_t *ret_n, struct error *err);
/* The next statement of `text` from *pos, without its semicolon and the comments before it; false
 * at the end. *ret_line is the 1-based line that it starts on. Knows comments, quotes and dollar
 * quotes; not BEGIN ATOMIC bodies. */
bool migration_statement(struct str text, size_t *pos, struct str *ret_statement, int *ret_line);

#endif
