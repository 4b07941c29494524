/* How a model name a client sends is matched: exact alias, provider/model, @provider/model, and
 * wildcard patterns in key scopes. Pure. Names are compared byte for byte. */
#ifndef COMMON_RULES_MODEL_NAME_H
#define COMMON_RULES_MODEL_NAME_H

#include "common/base/str.h"

/* '*' matches any run of bytes (also '/'); everything else is literal. "*" matches all. */
bool model_name_matches(struct str pattern, struct str name);
/* Splits "provider/model" or "@provider/model" at the first '/': false when there is none or a part
 * is empty. */
bool model_name_split(struct str name, struct str *ret_provider, struct str *ret_model);
/* 1..200 bytes of printable ASCII without blanks, quotes or control characters, not starting with
 * '@'. */
bool model_name_valid(struct str name);

#endif
