/* Time zones from the system's database (/usr/share/zoneinfo, package tzdata), read by our own
 * reader: libc's needs a process-wide variable. Immutable once loaded; any thread. */
#ifndef COMMON_ZONE_H
#define COMMON_ZONE_H

#include "common/base/arena.h"
#include "common/base/error.h"

struct zone;

struct civil_time {
    int year, month, day;     /* 1-12, 1-31 */
    int hour, minute, second; /* 0-23 */
    int weekday;              /* 0 monday … 6 sunday */
};

/* "Europe/Berlin", "UTC". The name is checked (letters, digits, "_+-/", no "..") before a file is
 * opened. False: err. */
bool zone_load(struct str name, struct arena *a, const struct zone **ret, struct error *err);
/* NULL zone: UTC. Beyond the table's last transition the file's POSIX rule holds. */
void zone_civil(const struct zone *z, int64_t unix_s, struct civil_time *ret);
/* Unix time of a civil time in the zone; an hour that does not exist is the one after the gap, one
 * that exists twice the first. */
int64_t zone_unix(const struct zone *z, const struct civil_time *c);

#endif
