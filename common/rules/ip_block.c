/* See ip_block.h. */
#include "common/rules/ip_block.h"

#include <arpa/inet.h>
#include <stdio.h>

#define MAPPED_BITS 96

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_mapped(const struct ip_block *block)
{
    return block->bits >= MAPPED_BITS && memcmp(block->b, mapped, sizeof mapped) == 0;
}

/* "08" would be eight for one reader and wrong for the next. */
static bool read_bits(struct str s, unsigned max, unsigned *ret)
{
    uint64_t v;
    if (s.len == 0 || s.len > 3 || (s.len > 1 && s.ptr[0] == '0') || !str_to_u64(s, &v) ||
        v > max) {
        return false;
    }
    *ret = (unsigned)v;
    return true;
}

static void clear_behind(struct ip_block *block)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned begin = i * 8;
        if (begin >= block->bits) {
            block->b[i] = 0;
        } else if (begin + 8 > block->bits) {
            block->b[i] &= (uint8_t)(0xff << (begin + 8 - block->bits));
        }
    }
}

bool ip_block_parse(struct str text, struct ip_block *ret)
{
    struct ip_block block = {.bits = 128};
    struct str address = text, bits = STR_NONE;
    char z[INET6_ADDRSTRLEN];
    bool prefixed = str_cut(text, '/', &address, &bits);
    if (address.len == 0 || address.len >= sizeof z || memchr(address.ptr, '\0', address.len)) {
        return false;
    }
    memcpy(z, address.ptr, address.len);
    z[address.len] = '\0';
    if (inet_pton(AF_INET, z, block.b + sizeof mapped) == 1) {
        memcpy(block.b, mapped, sizeof mapped);
        if (prefixed && !read_bits(bits, 32, &block.bits)) {
            return false;
        }
        block.bits = prefixed ? block.bits + MAPPED_BITS : 128;
    } else if (inet_pton(AF_INET6, z, block.b) != 1 ||
               (prefixed && !read_bits(bits, 128, &block.bits))) {
        return false;
    }
    clear_behind(&block);
    *ret = block;
    return true;
}

size_t ip_block_format(const struct ip_block *block, char out[static IP_BLOCK_TEXT_MAX])
{
    bool v4 = is_mapped(block);
    unsigned most = v4 ? 32 : 128, bits = v4 ? block->bits - MAPPED_BITS : block->bits;
    char z[INET6_ADDRSTRLEN];
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? block->b + sizeof mapped : block->b, z,
                   sizeof z)) {
        z[0] = '\0';
    }
    int n = bits == most ? snprintf(out, IP_BLOCK_TEXT_MAX, "%s", z)
                         : snprintf(out, IP_BLOCK_TEXT_MAX, "%s/%u", z, bits);
    return n > 0 ? (size_t)n : 0;
}

bool ip_block_holds(const struct ip_block *block, const uint8_t address[static 16])
{
    unsigned whole = block->bits / 8, rest = block->bits % 8;
    if (memcmp(block->b, address, whole) != 0) {
        return false;
    }
    return rest == 0 || ((block->b[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool ip_block_parse_peer(struct str text, struct ip_block *ret)
{
    struct str host = text, rest;
    if (str_starts(text, STR_LIT("["))) {
        if (!str_cut(str_slice(text, 1, text.len), ']', &host, &rest)) {
            return false;
        }
    } else if (str_cut(text, ':', &host, &rest) && memchr(rest.ptr, ':', rest.len)) {
        host = text; /* an IPv6 address without brackets */
    } else if (host.len == 0) {
        host = text;
    }
    return ip_block_parse(host, ret) && ret->bits == 128;
}
