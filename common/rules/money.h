/* Decimal text and integers, exactly: amounts of money ("1.25" USD is 1250000000 nano-USD), ratios
 * ("0.8" is 800000 millionths), whole numbers (0 decimals). Never through floating point. Pure; any
 * thread. */
#ifndef COMMON_RULES_MONEY_H
#define COMMON_RULES_MONEY_H

#include "common/base/str.h"

#define MONEY_DECIMALS 9       /* of USD in nano-USD */
#define MONEY_RATIO_DECIMALS 6 /* of a ratio in millionths */
#define MONEY_TEXT_MAX 32      /* room for every result of money_format, its NUL too */

/* Reads a decimal text ("12", "0.000000001", ".5", "5.", also with an exponent, as JSON and YAML
 * may write numbers: "1e-9") as value * 10^decimals. False (*ret untouched): no number, a sign,
 * blanks, finer than `decimals`, more than 64 bits hold, or longer than 64 characters. Zeros that
 * change nothing ("1.50000000000") are fine. */
bool money_parse(struct str text, unsigned decimals, uint64_t *ret);
/* The shortest text of v / 10^decimals ("0.8", "1"); with MONEY_DECIMALS two decimals stand at
 * least ("1.00"). Ends in NUL; returns its length, 0 when `room` is too little (MONEY_TEXT_MAX
 * never is) or decimals more than 18. */
size_t money_format(uint64_t v, unsigned decimals, char *out, size_t room);

#endif
