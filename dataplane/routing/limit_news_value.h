/* Values of the header fields that tell of limits: numbers, durations and dates in all the ways
 * that providers write them. */
#ifndef DATAPLANE_ROUTING_LIMIT_NEWS_VALUE_H
#define DATAPLANE_ROUTING_LIMIT_NEWS_VALUE_H

#include "common/base/str.h"

#define LIMIT_NEWS_MAX_MS (UINT64_C(366) * 86400 * 1000)

/* A count: digits, decimals dropped; what follows behind ',' or ';' is not read. At most INT64_MAX.
 */
bool limit_count_read(struct str text, uint64_t *ret);
/* A number of `unit_ms` milliseconds, with decimals; at most LIMIT_NEWS_MAX_MS. A negative one is
 * 0.
 */
bool limit_number_read(struct str text, uint64_t unit_ms, uint64_t *ret_ms);
/* How long from now: seconds ("2", "0.5"), a duration ("6m0s", "120ms", "1h2m3.5s", "1d"), a Unix
 * time (a number past 10^9, of seconds or milliseconds), RFC 3339, or an HTTP date in its three
 * forms. What has passed is 0. */
bool limit_time_read(struct str text, int64_t wall_s, uint64_t *ret_ms);

#endif
