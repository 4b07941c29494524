/* Strings by AVX2, 64 bytes at a step, without a branch per special byte: bit masks say where
 * quotes, backslashes, control characters and non-ASCII bytes are; arithmetic on the mask of
 * backslashes says which bytes are escaped; a table look-up says whether an escaped byte may be;
 * and UTF-8 is checked by three table look-ups on neighbouring nibbles (the published method of
 * Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte"). Only \u escapes are
 * read one by one.
 *
 * Any doubt is answered by NULL, and the scalar reader then decides (json_kernel.h). */
#include "common/json_kernel.h"

#if JSON_HAVE_X86

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi")))
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))

#define EVEN_BITS 0x5555555555555555ULL

/* Runs through all blocks of one string. */
struct string_state {
    __m256i last;        /* the 32 bytes before this block, for sequences that cross */
    __m256i utf8_faults; /* any bit set: not UTF-8 */
    uint64_t high_tail;  /* non-ASCII bits of the last three bytes of the block before */
    uint64_t carry;      /* 1: the block before ended in a backslash that escapes our first byte */
    const char *low_at;  /* the 'u' of a low surrogate that its high half announced */
};

/* Bit classes of a pair of neighbouring bytes; an error is a bit that all three look-ups set. */
enum {
    U_SHORT = 0x01,     /* lead byte without a tail byte behind it */
    U_LONG = 0x02,      /* ASCII with a tail byte behind it */
    U_OVER3 = 0x04,     /* e0 80..9f */
    U_LARGE = 0x08,     /* f4 90.. and f5.. with a tail of 90 or more */
    U_SURROGATE = 0x10, /* ed a0..bf */
    U_OVER2 = 0x20,     /* c0, c1 */
    U_OVER4 = 0x40,     /* f0 80..8f; and f5.. with a tail below 90 */
    U_TAILS = 0x80,     /* two tail bytes: right only where a longer sequence wants it */
    U_ANY_LOW = U_SHORT | U_LONG | U_TAILS,
    U_TAIL = U_LONG | U_TAILS | U_OVER2,
};

#define ROW16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                     \
    _mm256_setr_epi8((char)(a), (char)(b), (char)(c), (char)(d), (char)(e), (char)(f), (char)(g), \
                     (char)(h), (char)(i), (char)(j), (char)(k), (char)(l), (char)(m), (char)(n), \
                     (char)(o), (char)(p), (char)(a), (char)(b), (char)(c), (char)(d), (char)(e), \
                     (char)(f), (char)(g), (char)(h), (char)(i), (char)(j), (char)(k), (char)(l), \
                     (char)(m), (char)(n), (char)(o), (char)(p))

AVX2_INLINE __m256i high_nibbles(__m256i v)
{
    return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(0x0f));
}

/* Faults of 32 bytes `v` that follow the 32 bytes `before`. */
AVX2_INLINE __m256i utf8_check(__m256i before, __m256i v)
{
    const __m256i first_high = ROW16(U_LONG, U_LONG, U_LONG, U_LONG, U_LONG, U_LONG, U_LONG, U_LONG,
                                     U_TAILS, U_TAILS, U_TAILS, U_TAILS, U_SHORT | U_OVER2, U_SHORT,
                                     U_SHORT | U_OVER3 | U_SURROGATE, U_SHORT | U_LARGE | U_OVER4);
    const __m256i first_low = ROW16(
        U_ANY_LOW | U_OVER2 | U_OVER3 | U_OVER4, U_ANY_LOW | U_OVER2, U_ANY_LOW, U_ANY_LOW,
        U_ANY_LOW | U_LARGE, U_ANY_LOW | U_LARGE | U_OVER4, U_ANY_LOW | U_LARGE | U_OVER4,
        U_ANY_LOW | U_LARGE | U_OVER4, U_ANY_LOW | U_LARGE | U_OVER4, U_ANY_LOW | U_LARGE | U_OVER4,
        U_ANY_LOW | U_LARGE | U_OVER4, U_ANY_LOW | U_LARGE | U_OVER4, U_ANY_LOW | U_LARGE | U_OVER4,
        U_ANY_LOW | U_LARGE | U_OVER4 | U_SURROGATE, U_ANY_LOW | U_LARGE | U_OVER4,
        U_ANY_LOW | U_LARGE | U_OVER4);
    const __m256i second_high = ROW16(
        U_SHORT, U_SHORT, U_SHORT, U_SHORT, U_SHORT, U_SHORT, U_SHORT, U_SHORT,
        U_TAIL | U_OVER3 | U_OVER4, U_TAIL | U_OVER3 | U_LARGE, U_TAIL | U_SURROGATE | U_LARGE,
        U_TAIL | U_SURROGATE | U_LARGE, U_SHORT, U_SHORT, U_SHORT, U_SHORT);
    __m256i seam = _mm256_permute2x128_si256(before, v, 0x21);
    __m256i back1 = _mm256_alignr_epi8(v, seam, 15);
    __m256i back2 = _mm256_alignr_epi8(v, seam, 14);
    __m256i back3 = _mm256_alignr_epi8(v, seam, 13);
    __m256i low = _mm256_and_si256(back1, _mm256_set1_epi8(0x0f));
    __m256i pair = _mm256_and_si256(_mm256_shuffle_epi8(first_high, high_nibbles(back1)),
                                    _mm256_shuffle_epi8(first_low, low));
    /* the top bit stays where two or three bytes back stands a lead that wants this byte as a tail
     */
    __m256i third = _mm256_subs_epu8(back2, _mm256_set1_epi8((char)(0xe0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(back3, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i wants = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));

    pair = _mm256_and_si256(pair, _mm256_shuffle_epi8(second_high, high_nibbles(v)));
    return _mm256_xor_si256(pair, wants);
}

/* 0xff where the byte may follow a backslash ('u' too, and the backslash). The low nibble picks the
 * set of high nibbles under which such a byte exists: bit 0 for 2x, 1 for 5x, 2 for 6x, 3 for 7x.
 */
AVX2_INLINE __m256i escape_letters(__m256i v)
{
    const __m256i by_low = ROW16(0, 0, 1 | 4 | 8, 0, 8, 8, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1);
    const __m256i by_high = ROW16(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);
    __m256i hit = _mm256_and_si256(_mm256_shuffle_epi8(by_low, v),
                                   _mm256_shuffle_epi8(by_high, high_nibbles(v)));

    return _mm256_cmpgt_epi8(hit, _mm256_setzero_si256());
}

AVX2_INLINE uint64_t mask64(__m256i a, __m256i b)
{
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

AVX2_INLINE uint64_t mask_of(__m256i a, __m256i b, char c)
{
    __m256i want = _mm256_set1_epi8(c);

    return mask64(_mm256_cmpeq_epi8(a, want), _mm256_cmpeq_epi8(b, want));
}

AVX2_INLINE uint64_t mask_control(__m256i a, __m256i b)
{
    __m256i top = _mm256_set1_epi8(0x1f);

    return mask64(_mm256_cmpeq_epi8(_mm256_min_epu8(a, top), a),
                  _mm256_cmpeq_epi8(_mm256_min_epu8(b, top), b));
}

/* Bits of the bytes (not backslashes) that a backslash escapes. A run of backslashes escapes what
 * follows when it is odd: adding a run's first bit to the mask carries to the bit behind the run,
 * and a run that starts at an even place is odd when it ends at an odd one, and the other way
 * round. */
AVX2_INLINE uint64_t escaped_bytes(uint64_t slashes, uint64_t *carry)
{
    uint64_t s = slashes & ~*carry; /* a backslash that is escaped itself starts nothing */
    uint64_t starts = s & ~(s << 1);
    uint64_t even_ends, odd_ends, out;
    unsigned long long sum;

    out = *carry & ~slashes;
    even_ends =
        (s + (starts & EVEN_BITS)) & ~s; /* place 64 is even: a run from an even place is even */
    *carry = __builtin_uaddll_overflow(s, starts & ~EVEN_BITS, &sum) ? 1 : 0;
    odd_ends = (uint64_t)sum & ~s;
    return out | (even_ends & ~EVEN_BITS) | (odd_ends & EVEN_BITS);
}

/* The \u escapes of a block: `units` marks their 'u's, `p` is the block in the text. */
static bool units_good(struct string_state *st, const char *p, const char *end, uint64_t units)
{
    for (; units != 0; units &= units - 1) {
        const char *u = p + __builtin_ctzll(units);
        int unit;

        if (end - u < 5)
            return false;
        unit = json_hex4(u + 1);
        if (unit < 0)
            return false;
        if (st->low_at == u) {
            if (unit < 0xdc00 || unit > 0xdfff)
                return false;
            st->low_at = NULL;
        } else if (unit >= 0xd800 && unit <= 0xdfff) {
            if (unit > 0xdbff || end - u < 7 || u[5] != '\\' || u[6] != 'u')
                return false;
            st->low_at = u + 6;
        }
    }
    return true;
}

/* One block with something special in it. Returns 1 with *ret_end at the closing quote, 0 to go on,
 * -1 on doubt. Bytes behind the quote are other people's: only UTF-8 looks at them, where non-ASCII
 * is a fault of the text anyway. */
AVX2_INLINE int block_read(struct string_state *st, __m256i a, __m256i b, const char *p,
                           const char *end, bool *escaped, unsigned *ret_at)
{
    uint64_t quotes = mask_of(a, b, '"'), slashes = mask_of(a, b, '\\');
    uint64_t high = mask64(a, b), bad = mask_control(a, b), inside, units = 0;
    uint64_t closing = quotes;

    if ((slashes | st->carry) != 0) {
        uint64_t esc = escaped_bytes(slashes, &st->carry);

        closing &= ~esc;
        bad |= esc & ~mask64(escape_letters(a), escape_letters(b));
        units = esc & mask_of(a, b, 'u');
    }
    inside = closing != 0 ? _blsmsk_u64(closing) : ~0ULL;
    if ((slashes & inside) != 0)
        *escaped = true;
    if ((bad & inside) != 0)
        return -1;
    if ((units & inside) != 0 && !units_good(st, p, end, units & inside))
        return -1;
    if ((high | st->high_tail) != 0) {
        __m256i faults = _mm256_or_si256(utf8_check(st->last, a), utf8_check(a, b));

        st->utf8_faults = _mm256_or_si256(st->utf8_faults, faults);
        st->high_tail = high >> 61;
    }
    st->last = b;
    if (closing == 0)
        return 0;
    *ret_at = (unsigned)__builtin_ctzll(closing);
    return _mm256_testz_si256(st->utf8_faults, st->utf8_faults) ? 1 : -1;
}

/* True when no byte of the 64 is of interest. */
AVX2_INLINE bool block_plain(__m256i a, __m256i b)
{
    __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\');
    __m256i top = _mm256_set1_epi8(0x1f);
    __m256i x = _mm256_or_si256(_mm256_cmpeq_epi8(a, quote), _mm256_cmpeq_epi8(b, quote));
    __m256i y = _mm256_or_si256(_mm256_cmpeq_epi8(a, slash), _mm256_cmpeq_epi8(b, slash));
    /* the smaller of two bytes is a control character when either is; the OR has the top bit of
     * either */
    __m256i least = _mm256_min_epu8(a, b);
    __m256i z = _mm256_cmpeq_epi8(_mm256_min_epu8(least, top), least);

    x = _mm256_or_si256(_mm256_or_si256(x, y), _mm256_or_si256(z, _mm256_or_si256(a, b)));
    return _mm256_movemask_epi8(x) == 0;
}

AVX2 const char *json_string_avx2(const char *p, const char *end, bool *escaped)
{
    struct string_state st = {.last = _mm256_setzero_si256(),
                              .utf8_faults = _mm256_setzero_si256()};
    char tail[64];
    unsigned at = 0;
    int verdict;

    for (; end - p >= 64; p += 64) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));

        if ((st.carry | st.high_tail) == 0 && block_plain(a, b)) {
            st.last = b;
            continue;
        }
        verdict = block_read(&st, a, b, p, end, escaped, &at);
        if (verdict != 0)
            return verdict > 0 ? p + at : NULL;
    }
    /* Zeros behind the text are control characters, so an open string meets doubt there. */
    memset(tail, 0, sizeof(tail));
    memcpy(tail, p, (size_t)(end - p));
    verdict = block_read(&st, _mm256_loadu_si256((const __m256i *)(const void *)tail),
                         _mm256_loadu_si256((const __m256i *)(const void *)(tail + 32)), p, end,
                         escaped, &at);
    return verdict > 0 ? p + at : NULL;
}

#endif
