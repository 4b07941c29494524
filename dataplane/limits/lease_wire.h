/* Lease messages (proto/control.proto) as plain structs, and their bytes, read and written in place
 * without an allocation each. Whoever keeps the books in this very process (a standalone proxy's
 * ledger) needs no bytes at all: quota_gather_asks gives it the asks, quota_answered_list takes its
 * answers. Pure; any thread. */
#ifndef DATAPLANE_LIMITS_LEASE_WIRE_H
#define DATAPLANE_LIMITS_LEASE_WIRE_H

#include "common/base/buffer.h"
#include "common/base/uuid.h"

struct quota_table;

/* Everything is a running total of this account and holder (proto/control.proto, LeaseAsk). */
struct lease_ask {
    struct uuid quota;
    struct str bucket;
    int64_t window_start_s;
    uint64_t granted_total, returned_total, used_total;
    uint64_t need, want;
};

struct lease_answer {
    unsigned state; /* enum quota_verdict, the numbers of LeaseState */
    uint64_t granted_total, amount, settled, held;
    int64_t reset_ms;
    bool scarce;
};

#define LEASE_ASK_MAX 420 /* bytes that an ask takes at most */

/* ---- writing; false: the buffer's ceiling (its `failed` is set) ---- */
bool lease_request_write(struct buffer *out, const struct uuid *holder, bool former_delivered,
                         const struct lease_ask *asks, size_t n);
bool lease_grant_write(struct buffer *out, const struct lease_answer *answers, size_t n,
                       unsigned planes);

/* ---- reading: texts point into the message ---- */

/* False: no such message, or one with more than `max` asks. */
bool lease_request_read(struct str message, struct uuid *ret_holder, bool *ret_former_delivered,
                        struct lease_ask *ret_asks, size_t max, size_t *ret_n);
/* False too when the answers are not exactly n. */
bool lease_grant_read(struct str message, struct lease_answer *ret_answers, size_t n,
                      unsigned *ret_planes);

/* ---- the same without bytes, for an authority in this process; else as quota_gather ---- */

/* The asks that are under way from now on, at most max; their buckets live until they are answered
 * or lost. */
size_t quota_gather_asks(struct quota_table *t, size_t max, struct lease_ask *ret_asks);
/* One answer for each ask, in their order; false (as lost) when n is another number. */
bool quota_answered_list(struct quota_table *t, const struct lease_answer *answers, size_t n,
                         unsigned planes);

#endif
