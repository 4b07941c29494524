/* One transaction's accounts and leases, and how amounts move between them: see internal.h. */
#include <stdlib.h>

#include "controlplane/ledger/internal.h"

#define MILLI 1000

bool work_init(struct work_book *w, enum ledger_book book, size_t accounts, size_t leases,
               struct arena *a)
{
    *w = (struct work_book){.book = book};
    w->accounts = arena_zalloc(a, (accounts + 1) * sizeof *w->accounts);
    w->leases = arena_zalloc(a, (leases + 1) * sizeof *w->leases);
    return w->accounts && w->leases;
}

void work_add(struct work_book *w, const struct ledger_account *x)
{
    w->accounts[w->n_accounts++] = *x;
}

static int compare_accounts(const void *a, const void *b)
{
    return ledger_key_cmp(&((const struct ledger_account *)a)->key,
                          &((const struct ledger_account *)b)->key);
}

bool work_lock(struct tx *t, struct work_book *w, struct arena *a, struct error *err)
{
    size_t n = 0;
    if (w->n_accounts > 1) {
        qsort(w->accounts, w->n_accounts, sizeof *w->accounts, compare_accounts);
    }
    for (size_t i = 0; i < w->n_accounts; i++) {
        if (n > 0 && compare_accounts(&w->accounts[n - 1], &w->accounts[i]) == 0) {
            if (w->accounts[i].create && !w->accounts[n - 1].create) {
                w->accounts[n - 1] = w->accounts[i];
            }
        } else {
            w->accounts[n++] = w->accounts[i];
        }
    }
    w->n_accounts = n;
    return ledger_accounts_lock(t, w->book, w->accounts, n, a, err);
}

struct ledger_account *work_account(const struct work_book *w, const struct ledger_key *key)
{
    const struct ledger_account wanted = {.key = *key};
    struct ledger_account *x = w->n_accounts == 0 ? NULL
                                                  : bsearch(&wanted, w->accounts, w->n_accounts,
                                                            sizeof *w->accounts, compare_accounts);
    return x && x->id != 0 ? x : NULL;
}

struct ledger_lease *work_lease(struct work_book *w, struct ledger_account *x,
                                const struct uuid *holder, const struct uuid *plane)
{
    struct ledger_lease *l = w->n_leases > 0 ? &w->leases[w->n_leases - 1] : NULL;
    if (!l || l->account != x || !uuid_eq(&l->holder, holder)) {
        l = &w->leases[w->n_leases++];
        *l = (struct ledger_lease){.account = x, .holder = *holder, .plane = *plane};
    }
    return l;
}

bool work_leases(struct tx *t, struct work_book *w, struct arena *a, struct error *err)
{
    return ledger_leases_read(t, w->book, w->leases, w->n_leases, a, err);
}

bool work_write(struct tx *t, const struct work_book *w, struct arena *a, struct error *err)
{
    return ledger_accounts_write(t, w->book, w->accounts, w->n_accounts, a, err) &&
           ledger_leases_write(t, w->book, w->leases, w->n_leases, a, err);
}

/* ---- moves ---- */

static int64_t positive(int64_t v)
{
    return v > 0 ? v : 0;
}

static bool is_bucket(const struct quota_rule *rule)
{
    return rule && rule->limit && rule->algorithm == ALGORITHM_BUCKET;
}

/* What is neither held nor spent is in the bucket, up to its size. */
static void pour(struct ledger_account *x, const struct quota_rule *rule, int64_t amount)
{
    uint64_t size = rule->burst ? rule->burst : rule->amount;
    int64_t top = positive(to_i64(size) - x->held), level = x->level_milli;
    top = top > INT64_MAX / MILLI ? INT64_MAX : top * MILLI;
    int64_t milli = amount > INT64_MAX / MILLI    ? INT64_MAX
                    : amount < -INT64_MAX / MILLI ? -INT64_MAX
                                                  : amount * MILLI;
    level = positive(add_i64(level, milli));
    x->level_milli = level > top ? top : level;
}

void account_move(struct ledger_account *x, const struct quota_rule *rule, int64_t left_before,
                  int64_t left_after, int64_t spent)
{
    int64_t held = positive(left_after) - positive(left_before);
    if (held == 0 && spent == 0) {
        return;
    }
    x->held = positive(add_i64(x->held, held));
    x->settled = positive(add_i64(x->settled, spent));
    if (is_bucket(rule) && x->level_ms != 0) {
        pour(x, rule, -add_i64(held, spent));
    }
    x->dirty = true;
}

void lease_revive(struct ledger_lease *l, enum ledger_book book, const struct quota_rule *rule)
{
    int64_t presumed = l->presumed, before = ledger_lease_left(l);
    if (presumed == 0) {
        return;
    }
    l->presumed = 0;
    l->dirty = true;
    if (book == LEDGER_BUDGETS) {
        l->account->presumed = positive(l->account->presumed - presumed);
    }
    account_move(l->account, rule, before, ledger_lease_left(l),
                 book == LEDGER_BUDGETS ? -presumed : 0);
    l->account->dirty = true;
}

void lease_close(struct ledger_lease *l, enum ledger_book book, const struct quota_rule *rule)
{
    lease_revive(l, book, rule);
    int64_t left = ledger_lease_left(l);
    l->returned += positive(left);
    l->closed = l->dirty = true;
    account_move(l->account, rule, left, ledger_lease_left(l), 0);
}

int64_t lease_give_up(struct ledger_lease *l, enum ledger_book book, const struct quota_rule *rule)
{
    int64_t left = positive(ledger_lease_left(l));
    if (left == 0) {
        return 0;
    }
    l->presumed += left;
    l->dirty = true;
    if (book == LEDGER_BUDGETS) {
        l->account->presumed = add_i64(l->account->presumed, left);
    }
    account_move(l->account, rule, left, 0, book == LEDGER_BUDGETS ? left : 0);
    return left;
}
