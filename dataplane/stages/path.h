/* Percent-encoding in request paths and queries, and what a path passed on to a provider may hold.
 * Pure. */
#ifndef DATAPLANE_STAGES_PATH_H
#define DATAPLANE_STAGES_PATH_H

#include "common/base/arena.h"

/* Decoded into the arena (or the span itself when nothing is encoded). False: a broken escape, a
 * control character (also an encoded one), invalid room. */
bool path_decode(struct arena *a, struct str s, struct str *ret);
/* The same for a name (of a model, a provider) that is looked up, shown and recorded: also
 * well-formed UTF-8 of at most PATH_NAME_MAX bytes. */
#define PATH_NAME_MAX 200
bool path_decode_name(struct arena *a, struct str s, struct str *ret);
/* True when no segment, however encoded, is "." or "..", and no backslash or control character
 * stands in it: what is put behind a provider's base path stays below it. */
bool path_is_plain(struct arena *a, struct str s);
/* The first value of a query parameter, still encoded; NULL ptr when absent. Names are compared as
 * decoded, `name` is plain ASCII. */
struct str query_value(struct str query, const char *name);
/* How often a parameter of that name stands there. */
unsigned query_count(struct str query, const char *name);
/* The query without every parameter of that name, in the arena; false when out of room. */
bool query_without(struct arena *a, struct str query, const char *name, struct str *ret);

#endif
