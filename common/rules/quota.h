/* Budgets and rate limits as rules: what they count, in which window, and what whoever keeps the
 * account (the control plane's ledger, a standalone proxy's own) grants of it. Both are "quotas"
 * here. Pure; any thread. Amounts are nano-USD, tokens, requests or slots. docs/budgets.md. */
#ifndef COMMON_RULES_QUOTA_H
#define COMMON_RULES_QUOTA_H

#include "common/base/error.h"
#include "common/zone.h"

enum quota_scope {
    SCOPE_NONE = 0,
    SCOPE_ORGANIZATION,
    SCOPE_WORKSPACE, /* value: an id; so are the next four's and the provider's where it is one */
    SCOPE_TEAM,
    SCOPE_USER,
    SCOPE_SERVICE_ACCOUNT,
    SCOPE_KEY,
    SCOPE_END_USER,
    SCOPE_MODEL,    /* pattern over the name as called, "provider/model" and the target's model */
    SCOPE_PROVIDER, /* id, or pattern over its name */
    SCOPE_TAG,
    SCOPE_METADATA,
    SCOPE_COUNT
};

enum quota_metric {
    METRIC_NONE = 0,
    METRIC_COST, /* nano-USD */
    METRIC_TOKENS,
    METRIC_REQUESTS,
    METRIC_CONCURRENCY,
    METRIC_COUNT
};

enum quota_window {
    WINDOW_NONE = 0, /* concurrency */
    WINDOW_SECOND,
    WINDOW_MINUTE,
    WINDOW_HOUR,
    WINDOW_DAY,
    WINDOW_WEEK, /* from monday */
    WINDOW_MONTH,
    WINDOW_TOTAL,
    WINDOW_COUNT
};

enum quota_algorithm { ALGORITHM_FIXED = 0, ALGORITHM_SLIDING, ALGORITHM_BUCKET, ALGORITHM_COUNT };
enum quota_mode { MODE_HARD = 0, MODE_SOFT, MODE_DOWNGRADE, MODE_COUNT };
enum quota_absent { ABSENT_REFUSE = 0, ABSENT_ALLOW, ABSENT_LOCAL, ABSENT_COUNT };

/* Names as in proto/snapshot.proto and the API; "" of what is NONE. The parsers give NONE (0) or
 * false for what is unknown. */
const char *quota_scope_name(enum quota_scope s);
const char *quota_metric_name(enum quota_metric m);
const char *quota_window_name(enum quota_window w);
const char *quota_algorithm_name(enum quota_algorithm a);
const char *quota_mode_name(enum quota_mode m);
const char *quota_absent_name(enum quota_absent a);
enum quota_scope quota_scope_named(struct str s);
enum quota_metric quota_metric_named(struct str s);
enum quota_window quota_window_named(struct str s);
bool quota_algorithm_named(struct str s, enum quota_algorithm *ret); /* "": fixed */
bool quota_mode_named(struct str s, enum quota_mode *ret);           /* "": hard */
bool quota_absent_named(struct str s, enum quota_absent *ret);       /* "": refuse */
/* Its value is an id wherever it is not "*". */
bool quota_scope_by_id(enum quota_scope s);

struct quota_rule {
    bool limit; /* a rate limit; else a budget */
    enum quota_metric metric;
    enum quota_window window;
    enum quota_algorithm algorithm; /* limits */
    enum quota_mode mode;           /* budgets */
    enum quota_absent when_unavailable;
    const struct zone *zone; /* NULL: UTC */
    uint64_t amount, burst;
    uint64_t extra_amount; /* counts until extra_until_ms (Unix time) */
    int64_t extra_until_ms;
};

/* A second to a week in milliseconds; 30 days of what has no length of its own. */
uint64_t quota_window_ms(enum quota_window w);

/* The window that a moment lies in: [start, end) in Unix seconds. Calendar windows begin at the
 * zone's own midnight, monday, first of the month; so a day may have 23 or 25 hours. TOTAL, NONE
 * and token buckets: start 0, end INT64_MAX. */
struct quota_span {
    int64_t start_s, end_s;
};
struct quota_span quota_span_of(const struct quota_rule *r, int64_t now_s);
/* The one before, for sliding windows. */
struct quota_span quota_span_before(const struct quota_rule *r, const struct quota_span *s);
uint64_t quota_amount_at(const struct quota_rule *r, int64_t now_ms);

/* What stands in an account. */
struct quota_state {
    uint64_t settled; /* spent in this window */
    uint64_t held;    /* granted and neither spent nor given back, all holders */
    uint64_t before;  /* sliding: spent in the window before */
    /* token bucket: what was in it at level_ms (scaled by 1000, so slow refills are not lost);
     * level_ms 0: never used, full */
    uint64_t level_milli;
    int64_t level_ms;
};

enum quota_verdict {
    QUOTA_UNKNOWN = 0, /* as proto/control.proto, LeaseState */
    QUOTA_GRANTED,
    QUOTA_HELD,
    QUOTA_EXCEEDED,
};

struct quota_grant {
    enum quota_verdict verdict;
    uint64_t granted; /* need … want, or 0 */
    uint64_t free;    /* what could be granted to anybody behind this grant */
    bool scarce;      /* less is free than those who ask would like */
    int64_t reset_ms; /* when the window ends, or `need` is refilled; 0: never */
    struct quota_state after;
};

/* Decides what somebody who needs `need` (0: nothing) and would like `want` gets. Never more than
 * fits: settled + held + granted stays within the amount. A slice is at most an eighth of what is
 * free per asking plane's fair part, down to exactly `need` near the end, so that little lies
 * about where it is not wanted. EXCEEDED: it would not fit if everything held came back unused;
 * HELD: then it would. Of a sliding window the part of `before` that still lies in it counts; a
 * token bucket is refilled first. `planes`: proxies that share, 1 at least. */
void quota_decide(const struct quota_rule *r, const struct quota_state *s,
                  const struct quota_span *span, uint64_t need, uint64_t want, unsigned planes,
                  int64_t now_ms, struct quota_grant *ret);

/* For whoever keeps the account: of what is held `amount` comes back unused, or is spent (more than
 * is held: an overrun). With a token bucket both also change its level. */
void quota_give_back(const struct quota_rule *r, struct quota_state *s, uint64_t amount);
void quota_spend(const struct quota_rule *r, struct quota_state *s, uint64_t amount);
/* What stands in it as people are told: the amount as it is now (a bucket's size) and what is used
 * of it, so that amount - used - held is what is left. */
void quota_stands(const struct quota_rule *r, const struct quota_state *s,
                  const struct quota_span *span, int64_t now_ms, uint64_t *ret_amount,
                  uint64_t *ret_used);

#define QUOTA_BUCKET_MAX 256 /* bytes of an account's bucket; longer values are hashed into it */
#define QUOTA_BUCKET_REST "\x1e"
#define QUOTA_SCOPES_MAX 4
#define QUOTA_VALUES_DEFAULT 10000

#endif
