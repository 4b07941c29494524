/* Secrets written as references in a manifest: env:NAME and file:PATH are read where the program
 * runs, any other text stands for itself. Blocks on the file. */
#ifndef COMMON_RULES_SECRET_REF_H
#define COMMON_RULES_SECRET_REF_H

#include "common/base/arena.h"
#include "common/base/error.h"

#define SECRET_MAX_BYTES 4096

/* The secret, in the arena: 1 to SECRET_MAX_BYTES bytes of printable ASCII without blanks (it will
 * stand in a header field). One line end behind a file's text is dropped. False: *err (code and
 * text only) names the variable or file, never the secret. */
bool secret_ref_resolve(struct str text, struct arena *a, struct str *ret, struct error *err);

#define TEXT_REF_MAX_BYTES (64 << 10)
/* The same for a text that need not fit into a header field (a Google service account): 1 to
 * TEXT_REF_MAX_BYTES bytes without NUL. */
bool text_ref_resolve(struct str text, struct arena *a, struct str *ret, struct error *err);

#endif
