/* Runs a command line in this process and keeps what it wrote. */
#ifndef CLI_RUN_CLI_H
#define CLI_RUN_CLI_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run.h"

struct ran {
    int exit;
    char *out, *err; /* ran_release */
};

static inline void ran_release(struct ran *r)
{
    free(r->out);
    free(r->err);
    *r = (struct ran){.exit = 0};
}

/* input NULL: empty. The words end in NULL. */
static inline struct ran run_cli(const char *input, ...)
{
    struct ran r = {.exit = -1};
    char *argv[24] = {(char *)(size_t) "weir"};
    char none[] = "";
    size_t out_len, err_len;
    int argc = 1;
    va_list args;
    va_start(args, input);
    for (char *word; (word = va_arg(args, char *)) != NULL;) {
        argv[argc++] = word;
    }
    va_end(args);
    FILE *in = input && *input ? fmemopen((char *)(size_t)input, strlen(input), "r")
                               : fmemopen(none, 1, "r");
    FILE *out = open_memstream(&r.out, &out_len), *err = open_memstream(&r.err, &err_len);
    if (input == NULL || !*input) {
        (void)fgetc(in); /* the one byte that an empty stream must have */
    }
    r.exit = cli_run(argc, argv, in, out, err);
    fclose(in);
    fclose(out);
    fclose(err);
    return r;
}

#endif
