/* Budgets and limits in the data plane: the accounts that this process has leases on. Requests
 * reserve before they send and settle afterwards; what is granted comes from an authority, which is
 * the control plane's ledger (over the bridge), the process's own (standalone), or for limits the
 * process alone. Nothing here blocks: who finds too little is parked, first come first served, and
 * told through its own loop.
 *
 * A budget's account: granted = in flight + spent (told by events) + available + given back. What a
 * request took and did not spend is available again at once. Threads: any, except where said; one
 * lock per account, held for a few instructions. */
#ifndef DATAPLANE_LIMITS_QUOTA_H
#define DATAPLANE_LIMITS_QUOTA_H

#include "common/base/buffer.h"
#include "common/base/list.h"
#include "common/base/uuid.h"
#include "common/rules/quota.h"

struct loop;
struct quota_account; /* counted: quota_account gives a reference, quota_account_unref takes it */
struct quota_table;

struct quota_table_config {
    /* There is something to ask: the authority calls quota_gather soon. Any thread; must neither
     * block nor call the table. */
    void (*wake)(void *arg);
    void *arg;
    struct uuid holder; /* of this run; random */
    /* Wall clock in ms, for tests; NULL: the process's */
    int64_t (*now_ms)(void *arg);
    unsigned reserve_wait_ms; /* how long a request may be parked; 0: 10 s */
    size_t max_accounts;      /* 0: a million */
};

struct quota_table *quota_table_new(const struct quota_table_config *c);
void quota_table_free(struct quota_table *t); /* behind the last reference and waiter */

/* The account of a quota for this bucket in the window of now. `rule` is copied; an account whose
 * rule changed follows it from the next ask on. The bucket is copied. NULL: too many accounts (a
 * million), which callers treat as "unavailable". Where more than max_values buckets of one quota
 * and window are alive, the account of QUOTA_BUCKET_REST. */
struct quota_account *quota_account(struct quota_table *t, const struct uuid *quota,
                                    const struct quota_rule *rule, struct str bucket,
                                    uint32_t max_values);
void quota_account_unref(struct quota_account *a); /* accepts NULL */

enum quota_answer {
    QUOTA_TAKEN = 1, /* reserved: settle it */
    QUOTA_PARKED,    /* the waiter will be told */
    QUOTA_OVER,      /* does not fit: 429 */
    QUOTA_OCCUPIED,  /* would fit, but is held by requests under way, here or elsewhere, for longer
                        than reserve_wait_ms: 503. Of a limit it is OVER then, after a second at
                        most; OCCUPIED only where nobody could be parked */
    QUOTA_NO_AUTHORITY /* nobody to ask and too little here: the rule's when_unavailable decides */
};

/* Embedded by who may wait; not touched by the table before quota_take and after on_answer. */
struct quota_waiter {
    struct list node;
    struct loop *loop;
    /* On that loop, once. TAKEN, OVER, OCCUPIED or NO_AUTHORITY; for a look TAKEN means "told". */
    void (*on_answer)(void *arg, enum quota_answer answer);
    void *arg;
    uint64_t amount;
    void *note;                    /* the table's */
    struct quota_account *account; /* whoever waits keeps his reference meanwhile */
};

/* Reserves `amount`. w NULL: never parks (what would be PARKED is OCCUPIED). While the authority is
 * out of reach what is leased is still spent; ABSENT_LOCAL gives this process its share of the
 * limit. */
enum quota_answer quota_take(struct quota_account *a, uint64_t amount, struct quota_waiter *w);
/* Takes a parked waiter back: it is not told any more. From its loop. What it may have been given
 * meanwhile goes back. */
void quota_cancel(struct quota_waiter *w);
/* What was reserved is over: `used` was spent of it (more than `reserved`: an overrun, which makes
 * the account owe). Of concurrency used is 0: the slot comes back. Wakes who waits. */
void quota_settle(struct quota_account *a, uint64_t reserved, uint64_t used);
/* Asks what stands in it, without reserving. PARKED, TAKEN (fresh enough: less than 200 ms old) or
 * NO_AUTHORITY. */
enum quota_answer quota_look(struct quota_account *a, struct quota_waiter *w);

struct quota_view {
    bool known; /* an authority told the figures; else amount is the rule's and the rest is ours */
    uint64_t amount, settled, held;
    uint64_t remaining; /* amount - settled - held + what is available here: what a request of now
                           could get at most, as far as is known */
    int64_t reset_ms;   /* Unix; 0: never */
    int64_t window_start_s;
};
void quota_view(struct quota_account *a, struct quota_view *ret);
/* For the event's charges: the account's bucket (lives as long as it) and window. */
struct str quota_bucket(const struct quota_account *a);
int64_t quota_window_start(const struct quota_account *a);
const struct uuid *quota_holder(const struct quota_table *t);

/* ---- the authority's side: one thread ---- */

/* Appends a LeaseRequest (proto/control.proto) of what is to be asked or given back now, with at
 * most `max` asks; 0: nothing is. What it holds is under way until quota_answered or quota_lost. */
size_t quota_gather(struct quota_table *t, bool former_delivered, size_t max, struct buffer *out);
/* The LeaseGrant to what was gathered last. False: it cannot be read (as lost). */
bool quota_answered(struct quota_table *t, struct str grant);
/* No answer came. It is gathered again; running totals make that safe. */
void quota_lost(struct quota_table *t);
/* There is (no) session: without one, who waits is told NO_AUTHORITY, and so is who comes. */
void quota_reachable(struct quota_table *t, bool reachable);
/* When quota_gather has something again by time alone (idle leases to give back, held ones to ask
 * for again): milliseconds from now, UINT64_MAX: not. */
uint64_t quota_due_ms(struct quota_table *t);
/* Drain: gives back everything that is not reserved with the next gather, and grants no more. */
void quota_drain(struct quota_table *t);

struct quota_counts {
    uint64_t accounts, waiting, taken, refused, occupied, without_authority, asks;
};
void quota_counts(struct quota_table *t, struct quota_counts *ret);

#endif
