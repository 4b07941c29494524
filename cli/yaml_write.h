/* A JSON document as YAML that people like to read, in block style, lists of plain values in one
 * line. */
#ifndef CLI_YAML_WRITE_H
#define CLI_YAML_WRITE_H

#include "cli/document.h"
#include "common/base/buffer.h"

/* Appends an object; members that are null are left out. Texts that another reader could take for
 * something else are quoted. */
void yaml_write(struct buffer *b, const struct document *object);
/* The same with its nulls: of an object that is somebody's own document. */
void yaml_write_all(struct buffer *b, const struct document *object);

#endif
