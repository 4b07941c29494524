/* The ledger's rows (migrations/0014): accounts, leases and alerts. What may be granted is decided
 * in controlplane/ledger; here they are found, locked and written. TX_SYSTEM, but for the lists.
 *
 * Locks: whoever changes an account or one of its leases holds the account's row. Rows are locked
 * budgets before limits, and within a book by quota, window and bucket; so nobody waits in a
 * circle. */
#ifndef CONTROLPLANE_STORE_LEDGER_H
#define CONTROLPLANE_STORE_LEDGER_H

#include "controlplane/store/db.h"

enum ledger_book { LEDGER_BUDGETS = 0, LEDGER_LIMITS, LEDGER_BOOKS };

struct ledger_key {
    struct uuid quota;
    int64_t window_start_s;
    struct str bucket;
};
int ledger_key_cmp(const struct ledger_key *a, const struct ledger_key *b);

struct ledger_account {
    struct ledger_key key;
    struct uuid organization;
    bool create; /* in: make it where it is not there */
    bool dirty;
    int64_t id; /* 0: not there */
    int64_t window_end_s, amount, settled, held, overrun, presumed;
    int64_t level_milli, level_ms, waiting_ms, alerted;
    uint64_t updated_ms;
};

struct ledger_lease {
    struct ledger_account *account;
    struct uuid holder, plane;
    int64_t granted, returned, settled, presumed;
    bool closed, dirty;
};
/* What the holder may still spend; below 0: it spent more than it was granted. */
static inline int64_t ledger_lease_left(const struct ledger_lease *l)
{
    int64_t left = l->granted - l->returned;
    return __builtin_sub_overflow(left, l->settled, &left) ||
                   __builtin_sub_overflow(left, l->presumed, &left)
               ? INT64_MIN
               : left;
}

/* Finds and locks; `list` is in the order of its keys, each once. What is to be created needs
 * organization, window_end_s and amount. */
bool ledger_accounts_lock(struct tx *t, enum ledger_book book, struct ledger_account *list,
                          size_t n, struct arena *a, struct error *err);
/* Fills those leases that are there, found by account and holder; the others stay as they are.
 * Their accounts are locked. */
bool ledger_leases_read(struct tx *t, enum ledger_book book, struct ledger_lease *list, size_t n,
                        struct arena *a, struct error *err);
/* Writes what is dirty. */
bool ledger_accounts_write(struct tx *t, enum ledger_book book, const struct ledger_account *list,
                           size_t n, struct arena *a, struct error *err);
bool ledger_leases_write(struct tx *t, enum ledger_book book, const struct ledger_lease *list,
                         size_t n, struct arena *a, struct error *err);
/* settled + held of accounts of an earlier window, 0 where there is none; not locked. */
bool ledger_before_read(struct tx *t, const struct ledger_key *keys, size_t n, struct arena *a,
                        int64_t *ret, struct error *err);

/* Accounts in which somebody holds something. */
struct ledger_open {
    struct ledger_key key;
    struct uuid organization, holder, plane;
};
/* A holder that was not heard of before is the plane's run of now; those before it are former. */
bool ledger_run_note(struct tx *t, const struct uuid *plane, const struct uuid *holder,
                     struct error *err);
/* Open leases of the plane's other holders; none where the holder itself is a former one. */
bool ledger_former_list(struct tx *t, enum ledger_book book, const struct uuid *plane,
                        const struct uuid *holder, unsigned limit, struct arena *a,
                        struct ledger_open **ret, size_t *ret_n, struct error *err);
/* Open leases with something left whose plane was not heard of for so long (or never). plane,
 * organization NULL: of any. */
bool ledger_absent_list(struct tx *t, enum ledger_book book, const struct uuid *plane,
                        const struct uuid *organization, uint64_t silent_ms, unsigned limit,
                        struct arena *a, struct ledger_open **ret, size_t *ret_n,
                        struct error *err);
/* Whether it was heard of within silent_ms. ERR_NOT_FOUND: no such plane. */
bool ledger_plane_present(struct tx *t, const struct uuid *plane, uint64_t silent_ms, bool *ret,
                          struct error *err);
/* Planes heard of within silent_ms. */
bool ledger_planes_count(struct tx *t, uint64_t silent_ms, unsigned *ret, struct error *err);

/* The rows of budgets and limits, as they are. */
struct ledger_rule_row {
    struct uuid id, organization, workspace; /* workspace nil: none */
    bool limit, disabled;
    struct str name, metric, window, zone, mode, algorithm;
    int64_t amount, burst, extra_amount;
    uint64_t extra_until_ms;
    const int32_t *alert_percents;
    size_t n_alert_percents;
};
bool ledger_rules_read(struct tx *t, const struct uuid *ids, size_t n, struct arena *a,
                       struct ledger_rule_row **ret, size_t *ret_n, struct error *err);

struct ledger_alert {
    const struct ledger_account *account;
    struct uuid workspace;
    struct str metric;
    int32_t percent;
};
/* kind budget_threshold; what was raised before stays as it is. */
bool ledger_alerts_add(struct tx *t, const struct ledger_alert *list, size_t n, struct error *err);

/* Windows that ended so long ago that nothing can be asked of them any more; some thousands at a
 * time. */
bool ledger_prune_limits(struct tx *t, size_t *ret_n, struct error *err);
/* Of budgets, and alerts: after keep_days. What has no end stays while its budget does. */
bool ledger_prune(struct tx *t, unsigned keep_days, size_t *ret_n, struct error *err);

#endif
