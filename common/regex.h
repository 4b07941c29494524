/* Regular expressions (PCRE2, its only includer): compiled once, matched by any thread, with bounds
 * on time and memory so that neither a pattern nor a text can hang a worker. */
#ifndef COMMON_REGEX_H
#define COMMON_REGEX_H

#include "common/base/arena.h"
#include "common/base/error.h"

struct regex;

/* UTF-8, no flags, as JavaScript's new RegExp(pattern) reads the common subset; at most 4 KiB, and
 * no item repeated more than 1,000 times. Freed with the arena. False: err names what is wrong and
 * the offset in the pattern. */
bool regex_compile(struct str pattern, struct arena *a, const struct regex **ret,
                   struct error *err);
/* True when it matches anywhere. A match that passes the bounds (100,000 steps from one place of
 * the text, a million steps and characters in all, text cut at 64 KiB) is no match. */
bool regex_matches(const struct regex *x, struct str text);
/* The same within a number of steps that several matches share: what this one took is taken from
 * *left, and with none left nothing matches. */
bool regex_matches_within(const struct regex *x, struct str text, uint64_t *left);

#endif
