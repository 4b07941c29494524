/* UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits kept increasing within a
 * millisecond per thread, so ids made by one thread sort by the time they were made. Any thread. */
#ifndef COMMON_BASE_UUID_H
#define COMMON_BASE_UUID_H

#include "common/base/str.h"

struct uuid {
    uint8_t b[16];
};

struct uuid uuid_v7(void);
uint64_t uuid_time_ms(const struct uuid *u);
void uuid_format(const struct uuid *u, char buf[static 37]); /* 8-4-4-4-12 lower case */
/* Takes the 36-character form, either case; false on anything else. */
bool uuid_parse(struct str s, struct uuid *ret);
bool uuid_eq(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *u);
/* Public form: type prefix + "_" + 32 hex digits, such as "key_0193…"; buf holds prefix + 34 bytes.
 */
void uuid_format_public(const char *prefix, const struct uuid *u, char *buf, size_t size);
/* Accepts the public form with that prefix, or the plain 36-character form. */
bool uuid_parse_public(const char *prefix, struct str s, struct uuid *ret);

#endif
