/* Documents that commands send: routing configs, prompts, request bodies. Files hold JSON or YAML.
 */
#ifndef CLI_DOCUMENT_FILE_H
#define CLI_DOCUMENT_FILE_H

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/error.h"

/* The file ("-": `in`) as JSON text, appended. False: *err names file and place. */
bool document_file_read(const char *path, FILE *in, struct buffer *ret, struct error *err);

#endif
