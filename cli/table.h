/* Aligned columns for people. Cells are made safe for a terminal and counted in characters, not
 * bytes. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#include "common/base/str.h"

struct table;

/* Titles, NULL-terminated; one that begins with '>' is a column set to the right. */
struct table *table_new(const char *const *titles);
void table_free(struct table *t);
/* The next cell; rows fill up by themselves. An empty text shows as "-". */
void table_cell(struct table *t, struct str text);
void table_cell_z(struct table *t, const char *text);
/* Frees the text, which is heap. */
void table_cell_take(struct table *t, char *text);
void table_print(const struct table *t, FILE *out, bool color);
/* For output that goes on: prints the rows so far with at least the former widths, then forgets
 * them; titles only once. */
void table_flush(struct table *t, FILE *out, bool color);

#endif
