/* The scripts of exact.c, and how a limit is told to them. */
#ifndef DATAPLANE_LIMITS_EXACT_SCRIPT_H
#define DATAPLANE_LIMITS_EXACT_SCRIPT_H

#include "common/base/str.h"

/* A limit's kind, as the scripts have it. */
#define EXACT_FIXED "f"
#define EXACT_SLIDING "s"
#define EXACT_BUCKET "b"
#define EXACT_SLOTS "c"

/* KEYS: a limit each. ARGV: now (0: Redis' own), "1" to take or "0" to look, the request's name,
 * then six a limit: kind, amount, window in ms, burst, what to take, and width of a sliding
 * window's slots or life of a concurrency slot in ms. Answers EXACT_ANSWERS integers a limit:
 * whether it fits, remaining, resets_in_ms, retry_in_ms, mark. */
#define EXACT_HEAD 3
#define EXACT_ARGS 6
#define EXACT_ANSWERS 5
extern const struct str exact_script_take;

/* KEYS: a limit each. ARGV: the request's name, then five a limit: kind, what to add (may be
 * negative), mark, window in ms, burst. Answers an empty list. */
#define EXACT_SETTLE_ARGS 5
extern const struct str exact_script_settle;

/* KEYS: a limit each. ARGV: now (0: Redis' own), life in ms, then a request's name each. Answers an
 * empty list. */
extern const struct str exact_script_renew;

#endif
