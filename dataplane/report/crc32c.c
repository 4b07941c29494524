/* CRC-32C, reflected polynomial 0x82f63b78. The way is chosen once, at the first call. */
#include "dataplane/report/crc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) {
            c = (c >> 1) ^ (0x82f63b78u & (0u - (c & 1)));
        }
        table[i] = c;
    }
}

uint32_t crc32c_table(uint32_t seed, const void *p, size_t n)
{
    const uint8_t *at = p;
    uint32_t c = ~seed;
    (void)pthread_once(&table_once, table_fill);
    for (size_t i = 0; i < n; i++) {
        c = (c >> 8) ^ table[(c ^ at[i]) & 0xff];
    }
    return ~c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_fast(uint32_t seed, const void *p,
                                                              size_t n)
{
    const uint8_t *at = p;
    uint64_t c = ~seed;
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        c = _mm_crc32_u64(c, word);
    }
    for (; n; n--, at++) {
        c = _mm_crc32_u8((uint32_t)c, *at);
    }
    return ~(uint32_t)c;
}

uint32_t crc32c(uint32_t seed, const void *p, size_t n)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_fast(seed, p, n) : crc32c_table(seed, p, n);
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
uint32_t crc32c(uint32_t seed, const void *p, size_t n)
{
    const uint8_t *at = p;
    uint32_t c = ~seed;
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        c = __crc32cd(c, word);
    }
    for (; n; n--, at++) {
        c = __crc32cb(c, *at);
    }
    return ~c;
}
#else
uint32_t crc32c(uint32_t seed, const void *p, size_t n)
{
    return crc32c_table(seed, p, n);
}
#endif
