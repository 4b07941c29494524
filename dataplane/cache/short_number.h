/* A JSON number in its shortest form, without rounding a digit. Private to dataplane/cache. */
#ifndef DATAPLANE_CACHE_SHORT_NUMBER_H
#define DATAPLANE_CACHE_SHORT_NUMBER_H

#include "common/base/str.h"

/* raw: a valid JSON number. Equal values give equal texts, but for exponents of more than fifteen
 * digits, whose numbers stay as they are. False: more than cap bytes. */
bool short_number(struct str raw, char *out, size_t cap, size_t *ret_len);

#endif
