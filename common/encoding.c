/* The encodings that crypto.h promises: hex, base64 and CRC-32. Plain arithmetic, no OpenSSL. */
#include "common/crypto.h"

#include <pthread.h>

void crypto_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = p;
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[from[i] >> 4];
        *out++ = digits[from[i] & 15];
    }
    *out = '\0';
}

bool crypto_unhex(struct str hex, uint8_t *out, size_t n)
{
    if (hex.len != 2 * n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int high = str_hex_digit(hex.ptr[2 * i]), low = str_hex_digit(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

size_t crypto_base64url(const void *p, size_t n, char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *from = p;
    char *at = out;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | from[i];
        for (held += 8; held >= 6; held -= 6) {
            *at++ = alphabet[bits >> (held - 6) & 63];
        }
    }
    if (held) {
        *at++ = alphabet[bits << (6 - held) & 63];
    }
    *at = '\0';
    return (size_t)(at - out);
}

int crypto_base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '-' || c == '+') {
        return 62;
    }
    return c == '_' || c == '/' ? 63 : -1;
}

bool crypto_unbase64(struct str s, uint8_t *out, size_t cap, size_t *ret_len)
{
    if (s.len && s.len % 4 == 0) {
        /* padding stands only at the end of a full group */
        for (int i = 0; i < 2 && s.ptr[s.len - 1] == '='; i++) {
            s.len--;
        }
    }
    if (s.len % 4 == 1 || s.len / 4 * 3 + (s.len % 4 * 6) / 8 > cap) {
        return false;
    }
    uint32_t bits = 0;
    unsigned held = 0;
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        int v = crypto_base64_digit(s.ptr[i]);
        if (v < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)v;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[len++] = (uint8_t)(bits >> held);
        }
    }
    /* bits that no byte takes must be zero, or two texts would mean the same bytes */
    if (bits & ((1u << held) - 1)) {
        return false;
    }
    *ret_len = len;
    return true;
}

/* Eight bytes a step: table k holds the effect of a byte that k more bytes follow. */
static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) {
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        }
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            uint32_t c = crc_table[k - 1][i];
            crc_table[k][i] = c >> 8 ^ crc_table[0][c & 255];
        }
    }
}

uint32_t crypto_crc32(uint32_t seed, const void *p, size_t n)
{
    (void)pthread_once(&crc_once, crc_fill);
    const uint8_t *at = p;
    uint32_t c = ~seed;
    for (; n >= 8; n -= 8, at += 8) {
        uint32_t low = c ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                            (uint32_t)at[3] << 24);
        c = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^ crc_table[5][low >> 16 & 255] ^
            crc_table[4][low >> 24] ^ crc_table[3][at[4]] ^ crc_table[2][at[5]] ^
            crc_table[1][at[6]] ^ crc_table[0][at[7]];
    }
    for (; n; n--, at++) {
        c = c >> 8 ^ crc_table[0][(c ^ *at) & 255];
    }
    return ~c;
}
