/* The ledger: what is spent of every budget and limit and what is leased to whom, in PostgreSQL.
 * Any number of control planes work on it at once: each call is one transaction over rows that it
 * locks, so settled + held never pass an amount by what is granted (docs/budgets.md).
 *
 * Of a holder (one run of a proxy) and an account the rows keep running totals: granted, returned,
 * and settled, which are its events' charges (budgets) or what it says it used (limits). What is
 * left of them counts as held. Everything may come twice, late, or not at all. Blocks; any
 * thread. */
#ifndef CONTROLPLANE_LEDGER_LEDGER_H
#define CONTROLPLANE_LEDGER_LEDGER_H

#include "common/rules/quota.h"
#include "controlplane/store/db.h"

#define LEDGER_ASKS_MAX 4096
#define LEDGER_PRESENT_MS 10000u /* a plane not heard of for so long is not in session */
#define LEDGER_SCARCE_MS 2000    /* after somebody was told to wait for what others hold */
#define LEDGER_KEEP_DAYS 400

struct ledger_ask {
    struct uuid quota;
    struct str bucket;
    int64_t window_start_s;
    uint64_t granted_total, returned_total, used_total, need, want;
};

struct ledger_answer {
    enum quota_verdict state;
    uint64_t granted_total, amount, settled, held;
    int64_t reset_ms;
    bool scarce;
};

struct ledger_request {
    struct uuid plane, holder;
    bool former_delivered; /* the plane's other holders have no events left */
    int64_t now_ms;        /* Unix; 0: the clock */
    /* Whether the plane may ask about it; workspace NULL: any part of the organization. */
    bool (*serves)(void *arg, const struct uuid *organization, const struct uuid *workspace);
    void *arg;
};

/* Answers in the order of the asks (at most LEDGER_ASKS_MAX). *ret_planes: planes in session, 1 at
 * least. False with ERR_DATABASE: nothing happened, ask again. */
bool ledger_lease(struct db_pool *p, const struct ledger_request *q, const struct ledger_ask *asks,
                  size_t n, struct ledger_answer *ret, unsigned *ret_planes, struct error *err);

struct ledger_charge {
    struct uuid organization;  /* the event's: a budget of another is left alone */
    struct uuid quota, holder; /* holder nil: no lease */
    struct str bucket;
    int64_t window_start_s;
    int64_t amount;
    bool overrun;
};

/* Books the charges of events that are stored for the first time, in their transaction (TX_SYSTEM),
 * as its last step: the locks that it takes are held until COMMIT. Raises the alerts that are due.
 * now_ms 0: the clock. */
bool ledger_settle(struct tx *t, const struct uuid *plane, const struct ledger_charge *charges,
                   size_t n, int64_t now_ms, struct error *err);

/* Books what holders of planes that were not heard of for silent_ms hold as spent, marked presumed.
 * When such a plane is heard of again, its events and returns take the place of the presumption.
 * plane, organization NULL: of all; some thousand leases at a time. *ret: one of each organization
 * that had any. In a TX_SYSTEM transaction. */
struct ledger_written_off {
    struct uuid organization;
    size_t leases;
    int64_t cost_nanousd; /* of budgets in money; tokens and requests beside it */
    int64_t tokens, requests;
};
bool ledger_write_off(struct tx *t, const struct uuid *plane, const struct uuid *organization,
                      uint64_t silent_ms, struct arena *a, struct ledger_written_off **ret,
                      size_t *ret_n, struct error *err);
/* The same of limits, where it is free again: what was leased to who is gone is nobody's. */
bool ledger_free_limits(struct tx *t, uint64_t silent_ms, size_t *ret_n, struct error *err);

#endif
