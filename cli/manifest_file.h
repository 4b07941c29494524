/* A file of the declarative format, read for `weir apply`: everything that is written env: or file:
 * is resolved here, and errors are turned back into a place in the file. */
#ifndef CLI_MANIFEST_FILE_H
#define CLI_MANIFEST_FILE_H

#include <stdio.h>

#include "cli/manifest_extras.h"
#include "common/base/buffer.h"
#include "common/rules/manifest.h"

struct manifest_file {
    const char *name; /* as errors call it; "<stdin>" for "-" */
    struct yaml_node *root;
    struct manifest manifest;
    struct manifest_extras extras;
    const char *organization, *workspace; /* that the file names; NULL when it names none */
};

/* path "-" reads `in`. Everything lives in the arena. False: *err has line and column where they
 * are known and its text begins with "FILE:LINE:COLUMN: ". */
bool manifest_file_read(const char *path, FILE *in, struct arena *a, struct manifest_file *ret,
                        struct error *err);
/* The body of POST /apply. A section that the file has not is not in it: it is left alone. */
struct apply_flags {
    bool prune, dry_run;
    const char *workspace; /* NULL: the file's, if it names one */
};
void manifest_file_json(const struct manifest_file *f, const struct apply_flags *flags,
                        struct buffer *ret);
/* When err->param is a path of the manifest ("models[0].targets[1].provider"), puts the place in
 * the file before the text. */
void manifest_file_locate(const struct manifest_file *f, struct error *err);

#endif
