/* Weir's own keys. The checksum lets a typo be refused without a look-up and lets scanners of
 * leaked secrets be sure of a find; it is no protection by itself. */
#include "common/rules/apikey.h"

#include <stdio.h>

#include "common/crypto.h"

#define BODY_LEN 27 /* 62^27 > 2^160 */
#define CHECK_LEN 6 /* 62^6 > 2^32 */

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char *const prefixes[] = {APIKEY_LIVE, APIKEY_ADMIN, APIKEY_SCIM};

static void put_check(struct str covered, char out[static CHECK_LEN])
{
    uint32_t crc = crypto_crc32(0, covered.ptr, covered.len);
    for (int i = CHECK_LEN - 1; i >= 0; i--) {
        out[i] = alphabet[crc % 62];
        crc /= 62;
    }
}

/* The big-endian number of n bytes in base62, zero-padded; the bytes are used up. */
static void put_base62(uint8_t *bytes, size_t n, char *out, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        unsigned rest = 0;
        for (size_t k = 0; k < n; k++) {
            unsigned v = rest << 8 | bytes[k];
            bytes[k] = (uint8_t)(v / 62);
            rest = v % 62;
        }
        out[i] = alphabet[rest];
    }
}

void apikey_mint(const char *prefix, char out[static APIKEY_MAX])
{
    uint8_t random[20];
    int len = snprintf(out, APIKEY_MAX - BODY_LEN - CHECK_LEN, "%s", prefix);
    if (len >= APIKEY_MAX - BODY_LEN - CHECK_LEN) {
        len = APIKEY_MAX - BODY_LEN - CHECK_LEN - 1;
    }
    crypto_random(random, sizeof(random));
    put_base62(random, sizeof(random), out + len, BODY_LEN);
    put_check((struct str){out, (size_t)len + BODY_LEN}, out + len + BODY_LEN);
    out[len + BODY_LEN + CHECK_LEN] = '\0';
}

static size_t prefix_length(struct str s)
{
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (str_starts(s, str_of(prefixes[i]))) {
            return strlen(prefixes[i]);
        }
    }
    return 0;
}

bool apikey_is_ours(struct str s, bool *ret_valid)
{
    size_t prefix = prefix_length(s);
    if (!prefix) {
        return false;
    }
    *ret_valid = false;
    if (s.len != prefix + BODY_LEN + CHECK_LEN) {
        return true;
    }
    for (size_t i = prefix; i < s.len; i++) {
        if (!s.ptr[i] || !strchr(alphabet, s.ptr[i])) {
            return true;
        }
    }
    char check[CHECK_LEN];
    put_check(str_slice(s, 0, s.len - CHECK_LEN), check);
    *ret_valid = memcmp(check, s.ptr + s.len - CHECK_LEN, CHECK_LEN) == 0;
    return true;
}

void apikey_hash(struct str s, uint8_t out[static 32])
{
    crypto_sha256(s.ptr, s.len, out);
}

void apikey_mask(struct str s, char out[static 32])
{
    size_t prefix = prefix_length(s);
    char tail[5] = "";
    /* four bytes of a short key would be too much of it */
    if (s.len >= prefix + 12) {
        for (size_t i = 0; i < 4; i++) {
            char c = s.ptr[s.len - 4 + i];
            tail[i] = c > ' ' && c < 0x7f ? c : '?';
        }
    }
    (void)snprintf(out, 32, "%.*s\xe2\x80\xa6%s", (int)prefix, s.ptr ? s.ptr : "", tail);
}
