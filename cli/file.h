/* Whole files in and out, "-" being the streams that the command has. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/error.h"

/* Appends what is in the file; path "-" reads `in`. At most as much as the buffer may hold. */
bool file_read(const char *path, FILE *in, struct buffer *ret, struct error *err);
bool file_write(const char *path, struct str text, struct error *err);

#endif
