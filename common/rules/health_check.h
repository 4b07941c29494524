/* A provider's setting `health_check`: whether and how data planes ask by themselves if the
 * provider is well. Pure. */
#ifndef COMMON_RULES_HEALTH_CHECK_H
#define COMMON_RULES_HEALTH_CHECK_H

#include "common/base/error.h"
#include "common/base/str.h"

#define HEALTH_CHECK_PATH_MAX 1024

struct health_check {
    unsigned interval_ms;   /* default 10 s, at least 1 s */
    unsigned timeout_ms;    /* default 5 s */
    unsigned failures;      /* so many in a row open the breaker; default 3 */
    unsigned cooldown_ms;   /* that it then stays open, unless a check succeeds; default 30 s */
    unsigned expect_status; /* 0 (default): any 2xx */
    struct str path; /* on the provider's host, from its root, with a query; "" (default): its list
                        of models. A part of `json` */
};

/* json: an object. Absent members get their defaults. False: err names the member and why. Unknown
 * members are refused when strict; a data plane, which may be older than what wrote them, is not.
 */
bool health_check_read(struct str json, bool strict, struct health_check *ret, struct error *err);

#endif
