/* Addresses and CIDR blocks of IPv4 and IPv6, for allow lists. Pure; any thread. */
#ifndef COMMON_RULES_IP_BLOCK_H
#define COMMON_RULES_IP_BLOCK_H

#include "common/base/str.h"

#define IP_BLOCK_TEXT_MAX 64

/* IPv4 stands in the IPv4-mapped part of IPv6, so ::ffff:10.0.0.1 and 10.0.0.1 are the same. */
struct ip_block {
    uint8_t b[16];
    unsigned bits; /* of 128 */
};

/* "10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1". Bits behind the prefix are cleared. False:
 * neither. */
bool ip_block_parse(struct str text, struct ip_block *ret);
/* The normal text, with NUL: "10.0.0.0/8", and one address without a prefix. Its length. */
size_t ip_block_format(const struct ip_block *block, char out[static IP_BLOCK_TEXT_MAX]);
/* The address of a connection's peer, with or without port and brackets: "127.0.0.1:4711",
 * "[::1]:80". False: it is none. */
bool ip_block_parse_peer(struct str text, struct ip_block *ret);
bool ip_block_holds(const struct ip_block *block, const uint8_t address[static 16]);

#endif
