/* Between the files of ledger/: one transaction's work on one book. */
#ifndef CONTROLPLANE_LEDGER_INTERNAL_H
#define CONTROLPLANE_LEDGER_INTERNAL_H

#include "controlplane/ledger/ledger.h"
#include "controlplane/store/ledger.h"

/* A rule with its row. `known` false: its row says what this program does not understand. */
struct ledger_rule {
    const struct ledger_rule_row *row;
    struct quota_rule rule;
    bool known;
};

struct ledger_rules {
    struct ledger_rule *list;
    size_t n;
};
/* Reads those of `ids` (any order, repeated or not). */
bool rules_read(struct tx *t, const struct uuid *ids, size_t n, struct arena *a,
                struct ledger_rules *ret, struct error *err);
const struct ledger_rule *rules_find(const struct ledger_rules *r, const struct uuid *id);

/* The accounts and leases of one book that a transaction works on. */
struct work_book {
    enum ledger_book book;
    struct ledger_account *accounts;
    size_t n_accounts;
    struct ledger_lease *leases;
    size_t n_leases;
};
/* Room for so many of each; NULL members when there is none. */
bool work_init(struct work_book *w, enum ledger_book book, size_t accounts, size_t leases,
               struct arena *a);
/* Before work_lock. What is to be created has organization, window_end_s and amount. */
void work_add(struct work_book *w, const struct ledger_account *x);
/* Sorts, joins what was added twice, locks. */
bool work_lock(struct tx *t, struct work_book *w, struct arena *a, struct error *err);
/* Behind work_lock: NULL when it was not added, or is not there. */
struct ledger_account *work_account(const struct work_book *w, const struct ledger_key *key);
/* Behind work_lock, before work_leases: adds a lease, unless it is the one that was added last. The
 * caller sees to it that none is added twice. */
struct ledger_lease *work_lease(struct work_book *w, struct ledger_account *x,
                                const struct uuid *holder, const struct uuid *plane);
bool work_leases(struct tx *t, struct work_book *w, struct arena *a, struct error *err);
bool work_write(struct tx *t, const struct work_book *w, struct arena *a, struct error *err);

/* ---- moves; each keeps held the sum of what is left of the leases ---- */

/* What the lease has is `left` after its totals changed; `spent` more is settled. rule: NULL but of
 * limits. */
void account_move(struct ledger_account *x, const struct quota_rule *rule, int64_t left_before,
                  int64_t left_after, int64_t spent);
/* What was given up of a lease is the holder's again. */
void lease_revive(struct ledger_lease *l, enum ledger_book book, const struct quota_rule *rule);
/* The holder is dead and told everything: the rest is free. */
void lease_close(struct ledger_lease *l, enum ledger_book book, const struct quota_rule *rule);
/* What is left of it is given up: of a budget it counts as spent, of a limit it is free. */
int64_t lease_give_up(struct ledger_lease *l, enum ledger_book book, const struct quota_rule *rule);

/* Alerts of the accounts that are dirty. */
bool alerts_raise(struct tx *t, const struct work_book *w, const struct ledger_rules *rules,
                  int64_t now_ms, struct arena *a, struct error *err);

static inline int64_t add_i64(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

static inline int64_t to_i64(uint64_t v)
{
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

#endif
