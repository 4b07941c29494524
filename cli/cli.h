/* What every command of `weir` works with: the global options, the words behind the command, where
 * output goes, and the rows of THE command table (commands.c). One command runs per process, in one
 * thread; everything may block. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdio.h>

#include "cli/profile.h"
#include "common/base/error.h"
#include "common/base/options.h"

struct http;

/* Exit codes, documented in docs/cli.md. */
enum cli_exit {
    CLI_OK = 0,
    CLI_ERROR = 1,
    CLI_USAGE = 2,
    CLI_NOT_FOUND = 3,
    CLI_CONFLICT = 4,
};

/* First member of every command's options. */
struct cli_options {
    char *url, *organization, *ca_file;
    bool json, no_color;
};

struct cli {
    FILE *in, *out, *err;
    bool color;
    const struct command *command;
    void *options; /* the struct of command->options; begins with struct cli_options */
    const struct cli_options *common;
    char **words; /* what stood behind the command's own words, options taken out */
    int n_words;
    struct profile profile;
    const char
        *organization;    /* that the command found out to be meant, where no option names one */
    struct http *http;    /* made at the first call */
    char request_id[64];  /* of the last answer of the API, "" for none */
    char server_code[64]; /* of the last error that the API sent; may be one that this build does
                             not know */
    bool signing_in;      /* errors need no hint at `weir login` */
};

typedef int (*command_fn)(struct cli *c); /* returns an enum cli_exit */

#define COMMAND_REPEATABLE_MAX 8

/* A row of the table. Help, completion and the reading of arguments come from it. */
struct command {
    const char *words;     /* "key create" */
    const char *arguments; /* "NAME", "" for none; shown in the usage line */
    const char *summary;   /* one line, lower case */
    command_fn run;
    const struct option_row *options;               /* besides the global ones */
    size_t n_options, options_size;                 /* size of the struct that they fill */
    int min_words, max_words;                       /* how many arguments */
    const char *repeatable[COMMAND_REPEATABLE_MAX]; /* text options that may stand several times:
                                                       values joined by '\n' */
    const char *details; /* further lines of its help page, may be NULL */
};

/* Global options and their rows, which every command has. */
extern const struct option_row cli_rows[];
extern const size_t cli_n_rows;

/* Prints the error for people on `err`, and under --json as one document on `out`; returns the exit
 * code. */
int cli_report(struct cli *c, const struct error *err);
/* Same for a wrong use of the command line: CLI_USAGE, with a hint at the help page. */
int cli_usage(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The --json answer of a command that is made here and not by the server: text is one JSON
 * document. */
int cli_print_json(struct cli *c, struct str text);
/* Text from elsewhere for a terminal: control characters (escape sequences among them) become '?'.
 * Heap, mem_free it. */
char *cli_printable(struct str s);

#endif
