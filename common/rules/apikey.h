/* Weir's own keys: prefix + 160 random bits in base62 (27 characters, zero-padded) + "_"-less CRC32
 * in base62 (6 characters) of prefix and body, e.g. wr_live_<27><6>. Recognisable by scanners:
 * ^wr_(live|adm|scim)_[0-9A-Za-z]{33}$. Only the SHA-256 of the whole text is ever stored. */
#ifndef COMMON_RULES_APIKEY_H
#define COMMON_RULES_APIKEY_H

#include "common/base/str.h"

#define APIKEY_LIVE "wr_live_"
#define APIKEY_ADMIN "wr_adm_"
#define APIKEY_SCIM "wr_scim_"
#define APIKEY_MAX 64 /* text with NUL */

void apikey_mint(const char *prefix, char out[static APIKEY_MAX]);
/* True when s begins with one of Weir's prefixes; then *ret_valid tells whether length, alphabet
 * and checksum hold, so a typo is refused without a lookup. Keys that users bring (weir.yaml) have
 * no such form. */
bool apikey_is_ours(struct str s, bool *ret_valid);
void apikey_hash(struct str s, uint8_t out[static 32]);
/* "wr_live_…a1b2": prefix, ellipsis, last four, for display (any key). */
void apikey_mask(struct str s, char out[static 32]);

#endif
