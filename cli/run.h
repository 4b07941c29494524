/* One run of the command line, from argv to exit code; main() without its streams, so that tests
 * can call it. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <stdio.h>

/* Returns an enum cli_exit. Nothing stays allocated. */
int cli_run(int argc, char **argv, FILE *in, FILE *out, FILE *err);

#endif
