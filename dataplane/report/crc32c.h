/* CRC-32C (Castagnoli) for spool records: the processor's own instruction where there is one (about
 * 20 bytes a nanosecond-and-a-half), else a table; both give the same number. Not zlib's CRC-32,
 * which has no instruction. */
#ifndef DATAPLANE_REPORT_CRC32C_H
#define DATAPLANE_REPORT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues from `seed` (0 at first): crc32c(crc32c(0, a), b) is the checksum of a then b. */
uint32_t crc32c(uint32_t seed, const void *p, size_t n);
/* The table's way, for machines without the instruction and for the test that compares. */
uint32_t crc32c_table(uint32_t seed, const void *p, size_t n);

#endif
