/* Pointer-and-length text. A `struct str` never owns its bytes and need not end in NUL; whoever
 * made the bytes says how long they live. An absent value is `{NULL, 0}`; an empty one has a
 * non-NULL ptr. */
#ifndef COMMON_BASE_STR_H
#define COMMON_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR_LIT(s) ((struct str){(s), sizeof(s) - 1})
#define STR_NONE ((struct str){NULL, 0})
/* for printf: printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct str str_of(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_eqz(struct str a, const char *z)
{
    return str_eq(a, str_of(z));
}

/* Value of a hexadecimal digit in either case; -1 for any other character. */
static inline int str_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ASCII case is folded; locale never matters. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
int str_cmp(struct str a, struct str b); /* byte order, shorter first on a tie */
/* Changes (insert, drop, replace a byte) from a to b, for finding what a misspelt name was meant to
 * be; UINT_MAX for texts longer than STR_DISTANCE_MAX. */
#define STR_DISTANCE_MAX 48
unsigned str_distance(struct str a, struct str b);
struct str str_slice(struct str s, size_t from, size_t len); /* clamped to s */
struct str str_trim(struct str s);                           /* ASCII blanks off both ends */
/* Cuts s at the first `sep`: *ret_head before it, *ret_tail behind it. False (outputs untouched)
 * when absent. */
bool str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail);
/* Decimal without sign, blanks or leading '+'; false on junk or overflow. */
bool str_to_u64(struct str s, uint64_t *ret);
bool str_to_i64(struct str s, int64_t *ret);
/* Heap copy ending in NUL; mem_free it. */
char *str_dup(struct str s);

#endif
