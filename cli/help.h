/* Help pages, made from the table of commands. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/cli.h"

/* The overview: one line per command, and the global options. */
void help_overview(FILE *out, const struct command *table, size_t n);
/* One command's page. */
void help_command(FILE *out, const struct command *k);
/* That page, or its JSON form under --json; returns the exit code. */
int help_page(struct cli *c, const struct command *k);
/* The table as one JSON document. */
struct buffer;
void help_json(struct buffer *b, const struct command *table, size_t n);

#endif
