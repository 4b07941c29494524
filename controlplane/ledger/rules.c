/* From the rows of budgets and limits to rules; and the alerts that budgets ask for. */
#include <stdlib.h>

#include "controlplane/ledger/internal.h"

static bool read_zone(struct str name, struct arena *a, const struct zone **ret)
{
    struct error ignored = ERROR_INIT;
    *ret = NULL;
    return name.len == 0 || str_eqz(name, "UTC") || zone_load(name, a, ret, &ignored);
}

static void read_rule(const struct ledger_rule_row *row, struct arena *a, struct ledger_rule *ret)
{
    struct quota_rule r = {.limit = row->limit,
                           .metric = quota_metric_named(row->metric),
                           .window = quota_window_named(row->window),
                           .amount = (uint64_t)row->amount,
                           .burst = (uint64_t)row->burst,
                           .extra_amount = (uint64_t)row->extra_amount,
                           .extra_until_ms = to_i64(row->extra_until_ms)};
    bool known = r.metric != METRIC_NONE &&
                 (r.window != WINDOW_NONE || r.metric == METRIC_CONCURRENCY) &&
                 quota_algorithm_named(row->algorithm, &r.algorithm) &&
                 quota_mode_named(row->mode, &r.mode) && read_zone(row->zone, a, &r.zone);
    *ret = (struct ledger_rule){row, r, known};
}

static int compare_rules(const void *a, const void *b)
{
    return memcmp(((const struct ledger_rule *)a)->row->id.b,
                  ((const struct ledger_rule *)b)->row->id.b, 16);
}

bool rules_read(struct tx *t, const struct uuid *ids, size_t n, struct arena *a,
                struct ledger_rules *ret, struct error *err)
{
    struct ledger_rule_row *rows = NULL;
    size_t count = 0;
    if (!ledger_rules_read(t, ids, n, a, &rows, &count, err)) {
        return false;
    }
    ret->list = arena_zalloc(a, (count + 1) * sizeof *ret->list);
    if (!ret->list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    ret->n = count;
    for (size_t i = 0; i < count; i++) {
        read_rule(&rows[i], a, &ret->list[i]);
    }
    if (count > 1) {
        qsort(ret->list, count, sizeof *ret->list, compare_rules);
    }
    return true;
}

const struct ledger_rule *rules_find(const struct ledger_rules *r, const struct uuid *id)
{
    const struct ledger_rule_row row = {.id = *id};
    const struct ledger_rule key = {.row = &row};
    return r->n == 0 ? NULL : bsearch(&key, r->list, r->n, sizeof key, compare_rules);
}

/* ---- alerts ---- */

/* settled * 100 >= amount * percent, for any of them. */
static bool crossed(int64_t settled, int64_t amount, int32_t percent)
{
    __extension__ typedef __int128 wide;
    return settled > 0 && (wide)settled * 100 >= (wide)amount * percent;
}

/* Those percents that are crossed and above what was alerted; returns the highest. */
static int32_t find_crossed(const struct ledger_rule *rule, const struct ledger_account *x,
                            struct ledger_alert *ret, size_t *n)
{
    int32_t highest = (int32_t)x->alerted;
    for (size_t i = 0; i < rule->row->n_alert_percents; i++) {
        int32_t percent = rule->row->alert_percents[i];
        if (percent > x->alerted && crossed(x->settled, x->amount, percent)) {
            ret[(*n)++] =
                (struct ledger_alert){x, rule->row->workspace, rule->row->metric, percent};
            highest = percent > highest ? percent : highest;
        }
    }
    return highest;
}

bool alerts_raise(struct tx *t, const struct work_book *w, const struct ledger_rules *rules,
                  int64_t now_ms, struct arena *a, struct error *err)
{
    for (size_t i = 0; i < w->n_accounts; i++) {
        struct ledger_account *x = &w->accounts[i];
        const struct ledger_rule *rule = rules_find(rules, &x->key.quota);
        if (x->id == 0 || !x->dirty || !rule || !rule->known || rule->row->limit) {
            continue;
        }
        size_t n = 0;
        x->amount = to_i64(quota_amount_at(&rule->rule, now_ms));
        struct ledger_alert *list =
            arena_alloc(a, (rule->row->n_alert_percents + 1) * sizeof *list);
        if (!list) {
            return error_set(err, ERR_OVERLOADED, "%s", "");
        }
        int32_t highest = find_crossed(rule, x, list, &n);
        if (n > 0 && !ledger_alerts_add(t, list, n, err)) {
            return false;
        }
        x->alerted = highest;
    }
    return true;
}
