/* Time, injectable. clock_mono_* never goes back and is for deadlines; clock_wall_* is for records.
 * Tests replace both with clock_set_source; the default source is the kernel. Any thread. */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include "common/base/str.h"

uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);
uint64_t clock_wall_ms(void); /* Unix time */
uint64_t clock_wall_us(void);
typedef uint64_t (*clock_fn)(void); /* nanoseconds */
/* NULL restores the kernel's. For tests, before threads start. */
void clock_set_source(clock_fn mono_ns, clock_fn wall_ns);
/* "2026-11-21T22:53:31.123Z" into buf (>= 25 bytes). */
void clock_format_rfc3339(uint64_t wall_ms, char buf[static 25]);
/* Reads "2026-11-21T22:53:31.123+01:00": a blank may stand for the T, fractions are optional, a
 * zone is not. False on anything else, on days that do not exist, and before 1970. */
bool clock_parse_rfc3339(struct str s, uint64_t *ret_wall_ms);

#endif
