/* Budgets and limits as people write them (API, weir.yaml), checked as a whole: one place says what
 * goes together, so that the control plane and a proxy on its own refuse the same things. Pure but
 * for the zone, which is read from the system's database. docs/budgets.md. */
#ifndef COMMON_RULES_QUOTA_CHECK_H
#define COMMON_RULES_QUOTA_CHECK_H

#include "common/rules/quota.h"

#define QUOTA_AMOUNT_MAX UINT64_C(1000000000000000000) /* a thousand million USD */
#define QUOTA_PERCENT_MAX 1000
#define QUOTA_PERCENTS_MAX 10
#define QUOTA_VALUES_MAX 1000000
#define QUOTA_SCOPE_VALUE_MAX 200

struct quota_scope_text {
    struct str kind, name, value; /* absent: no pointer */
};

/* All as text; absent or empty: the default. */
struct quota_draft {
    bool limit; /* else a budget */
    struct str metric, amount, window, when_unavailable;
    struct str zone, mode, downgrade_model, max_cost; /* budgets */
    struct str algorithm, burst;                      /* limits */
    bool exact;
    const struct quota_scope_text *scopes;
    size_t n_scopes;
    const uint64_t *percents;
    size_t n_percents;
};

/* Decimals of a metric's amounts: MONEY_DECIMALS of cost, else 0. */
unsigned quota_decimals(enum quota_metric m);

/* False: err->param is the member that is wrong ("scopes[1].kind"), its text what is wrong with it
 * ("must be ..."). a NULL: the zone is not looked at (ret->zone NULL); it may be one that this
 * machine lacks. What names have no meaning for other machines (ids, names) is not looked at. */
bool quota_draft_check(const struct quota_draft *d, struct arena *a, struct quota_rule *ret,
                       uint64_t *ret_max_cost, struct error *err);

#endif
