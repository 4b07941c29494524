/* From argv to a command of the table with its options: `weir [global options] WORDS... [options]
 * [arguments]`. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include "cli/cli.h"

struct arguments {
    const struct command *command; /* NULL: no command was named */
    bool help;                     /* --help or -h stands somewhere */
    bool version;                  /* --version, without a command */
    struct option_row *rows;       /* global and the command's; heap */
    size_t n_rows;
    void *options; /* heap, released by arguments_release */
    char **words;  /* heap array of pointers into argv */
    int n_words;
};

/* table: rows of commands. False with *err set: the use is wrong; ret->command may be known all the
 * same (for the hint). Call arguments_release in either case. */
bool arguments_read(const struct command *table, size_t n, int argc, char **argv,
                    struct arguments *ret, struct error *err);
void arguments_release(struct arguments *a);
/* The long name of a one-letter option, NULL when there is none; and the other way round ('\0'). */
const char *arguments_long(char letter);
char arguments_short(const char *name);

#endif
