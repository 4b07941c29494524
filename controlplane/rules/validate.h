/* What is well formed. Pure; each answers NULL when it is, else what is wrong with it ("must ...").
 */
#ifndef CONTROLPLANE_RULES_VALIDATE_H
#define CONTROLPLANE_RULES_VALIDATE_H

#include "common/base/str.h"

/* A name people give: no control characters, no blanks at its ends. */
const char *validate_name(struct str s);
/* The name of a provider or a model pattern's first part: letters, digits, . _ - ; it stands in
 * paths and in "provider/model". */
const char *validate_slug(struct str s);
const char *validate_model_name(struct str s);
/* A pattern over names: printable ASCII without blanks. */
const char *validate_pattern(struct str s);
const char *validate_email(struct str s);
/* Absolute http or https URL with a host, without user, query or fragment; or "". */
const char *validate_base_url(struct str s);
/* A secret given by its bytes: no control characters, no blanks at its ends (it travels in a
 * header), and no reference (env:, file:), which is resolved where the command line runs. */
const char *validate_secret(struct str s);
const char *validate_password(struct str s);
/* Well-formed UTF-8 without NUL: whatever may go into a text column. */
bool validate_utf8(struct str s);

#endif
