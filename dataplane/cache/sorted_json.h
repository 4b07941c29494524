/* One spelling of a JSON document: members in the byte order of their decoded names at every depth
 * (those of equal names in the order they came), no blanks, numbers and strings in their shortest
 * form. Private to dataplane/cache.
 *
 * Two passes, both linear whatever the nesting: the first notes each object's members and puts them
 * in order, the second writes. */
#ifndef DATAPLANE_CACHE_SORTED_JSON_H
#define DATAPLANE_CACHE_SORTED_JSON_H

#include "common/base/arena.h"
#include "common/json.h"

/* Never more than this for a document of n bytes (a number of some hundred digits may grow by one).
 */
#define SORTED_JSON_MAX(n) ((n) + (n) / 64 + 64)

/* v is validated (json_validate). left_out: names of the top level that are not written. out: room
 * for SORTED_JSON_MAX(v.raw.len). The arena holds the notes. False: out of room. */
bool sorted_json_write(struct json_value v, const struct str *left_out, size_t n_left_out,
                       struct arena *a, char *out, size_t *ret_len);

#endif
