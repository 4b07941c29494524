/* Settings from one table: built-in default < file (--config-file, YAML map of the long names) <
 * environment < flags. The same table prints --help, and tests/lint checks that every row is
 * documented in docs/configuration.md. Implemented in common/options.c: reading the file needs the
 * layer above. */
#ifndef COMMON_BASE_OPTIONS_H
#define COMMON_BASE_OPTIONS_H

#include "common/base/error.h"

enum option_type { OPTION_BOOL, OPTION_U64, OPTION_TEXT, OPTION_DURATION_MS, OPTION_BYTES };

struct option_row {
    const char *name; /* "spool-size": flag --spool-size, file key spool_size or spool-size */
    const char *env;  /* "WEIR_SPOOL_SIZE", NULL for none */
    enum option_type
        type; /* DURATION takes 500ms, 30s, 10m, 2h, 7d; BYTES takes 64KiB, 8MiB, 1GiB or plain */
    size_t offset;        /* of the field in the target struct: bool, uint64_t, or char * */
    const char *fallback; /* default, in the form a user would write; NULL = unset (NULL text, 0) */
    uint64_t min, max;    /* for numbers; both 0 = any */
    bool secret;          /* never printed */
    const char *help;     /* one line */
};

/* Fills `target` from defaults, the file at `file` (NULL: none), environ, then argv[first..argc).
 * Flags: --name=value, --name value, and for booleans --name / --no-name. Positional words are
 * gathered in order into *ret_positional (argv pointers, count *ret_n; either may be NULL: then a
 * positional word is an error). Texts are heap copies owned by target (options_release). False with
 * *err set: the text names the source ("flag --port", "environment WEIR_PORT", "FILE:3:5") and what
 * is wrong; the target is released. The target's former content is overwritten, not freed. An
 * environment variable that is set but empty counts as unset; the word "--" ends the flags. The
 * array in *ret_positional is heap (mem_free), NULL when there are none. */
bool options_load(const struct option_row *rows, size_t n, void *target, const char *file, int argc,
                  char **argv, int first, char ***ret_positional, int *ret_n, struct error *err);
/* As options_load, with the file layer given as a YAML map that was parsed elsewhere (a manifest's
 * `settings`, NULL for none); `settings_name` stands for the file in messages. */
struct yaml_node;
bool options_load_settings(const struct option_row *rows, size_t n, void *target,
                           const struct yaml_node *settings, const char *settings_name, int argc,
                           char **argv, int first, char ***ret_positional, int *ret_n,
                           struct error *err);
void options_release(const struct option_row *rows, size_t n, void *target);
/* The --help text: usage line, then each row with its environment name and default. To stdout. */
void options_help(const struct option_row *rows, size_t n, const char *usage);
/* Finds the value of one flag in argv before the table is loaded (e.g. --config-file); NULL when
 * absent, "" when the flag stands without a value (--help). The last one counts. `name` without
 * dashes. */
const char *options_peek(int argc, char **argv, const char *name);

#endif
