/* The ledger for people: accounts of a budget or limit, leases of proxies that are gone, alerts. */
#ifndef CONTROLPLANE_STORE_LEDGER_READ_H
#define CONTROLPLANE_STORE_LEDGER_READ_H

#include "controlplane/store/ledger.h"

struct ledger_account_row {
    int64_t id, window_start_s, window_end_s; /* end 0: never */
    struct str bucket;
    int64_t amount, settled, held, overrun, presumed;
    int64_t level_milli, level_ms; /* token buckets */
};
/* Newest window first. bucket NULL ptr: any. after_*: keyset; after_id 0: from the first. Either
 * role. */
struct ledger_account_query {
    enum ledger_book book;
    const struct uuid *quota;
    struct str bucket;
    int64_t after_window_s, after_id;
    unsigned limit;
};
bool ledger_account_list(struct tx *t, const struct ledger_account_query *q, struct arena *a,
                         struct ledger_account_row **ret, size_t *ret_n, struct error *err);

struct ledger_lease_row {
    int64_t account;
    struct uuid holder, plane, budget, workspace; /* workspace nil: none */
    struct str plane_name, budget_name, metric;   /* NULL ptr: gone */
    struct str bucket;
    int64_t window_start_s, held, presumed;
    uint64_t last_seen_ms, since_ms;
};
/* Of planes not heard of for silent_ms: what they hold of budgets, or held when it was written off.
 * By account and holder; after_account 0: from the first. TX_SYSTEM. */
struct ledger_lease_query {
    const struct uuid *organization;
    bool only_workspaces;
    const struct uuid *workspaces;
    size_t n_workspaces;
    uint64_t silent_ms;
    int64_t after_account;
    struct uuid after_holder;
    unsigned limit;
};
bool ledger_lease_list(struct tx *t, const struct ledger_lease_query *q, struct arena *a,
                       struct ledger_lease_row **ret, size_t *ret_n, struct error *err);

struct alert_row {
    struct uuid id, organization, workspace, budget;
    struct str kind, metric, bucket;
    int64_t window_start_s, percent, settled, amount;
    uint64_t at_ms;
};
/* Newest first. Either role. */
struct alert_query {
    const struct uuid *organization, *budget, *before; /* budget, before NULL: any */
    bool only_workspaces;
    const struct uuid *workspaces;
    size_t n_workspaces;
    uint64_t from_ms, to_ms; /* 0: open */
    unsigned limit;
};
bool alert_list(struct tx *t, const struct alert_query *q, struct arena *a, struct alert_row **ret,
                size_t *ret_n, struct error *err);

#endif
