/* Secrets that people type or keep in files. */
#ifndef CLI_PASSWORD_H
#define CLI_PASSWORD_H

#include <stdio.h>

#include "common/base/error.h"

#define PASSWORD_ROOM 1026

/* The first line of a file ("-": of `in`), without its line end; wipe it after use. */
bool password_read_file(const char *path, FILE *in, char ret[static PASSWORD_ROOM],
                        struct error *err);
/* Asks on the terminal, without echo when hidden. False when there is no terminal; `instead` names
 * the option that does without. */
bool password_ask(const char *question, bool hidden, const char *instead,
                  char ret[static PASSWORD_ROOM], struct error *err);

#endif
