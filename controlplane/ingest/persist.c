/* Storing a run of events, whatever is in them: see internal.h. What they were charged goes into
 * the ledger in the same transaction, for those that are new; so each counts once, however often it
 * comes. */
#include "controlplane/ingest/internal.h"

#include "common/base/arena.h"
#include "controlplane/ledger/ledger.h"

static bool is_data_error(const struct error *e)
{
    return e->code == ERR_INVALID_FIELD || e->code == ERR_CONFLICT;
}

static size_t gather_charges(const struct usage_event *const *events, const bool *is_new, size_t n,
                             struct ledger_charge *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; is_new[i] && k < events[i]->n_charges; k++) {
            const struct usage_charge *c = &events[i]->charges[k];
            if (ret) {
                ret[count] = (struct ledger_charge){.organization = events[i]->organization_id,
                                                    .quota = c->quota,
                                                    .holder = c->holder,
                                                    .bucket = c->bucket,
                                                    .window_start_s = c->window_start_s,
                                                    .amount = c->amount,
                                                    .overrun = c->overrun};
            }
            count++;
        }
    }
    return count;
}

static bool settle(struct tx *t, const struct uuid *plane, const struct usage_event *const *events,
                   const bool *is_new, size_t n, struct arena *a, struct error *err)
{
    size_t count = gather_charges(events, is_new, n, NULL);
    struct ledger_charge *charges = arena_alloc(a, (count + 1) * sizeof(*charges));
    if (!charges) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    (void)gather_charges(events, is_new, n, charges);
    return ledger_settle(t, plane, charges, count, 0, err);
}

/* One transaction. *ret_stored: how many were new. */
static bool store(struct db_pool *p, const struct uuid *plane,
                  const struct usage_event *const *events, size_t n,
                  const struct usage_refused *refused, size_t n_refused, size_t *ret_stored,
                  struct error *err)
{
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    struct arena *a = arena_new(0);
    bool *is_new = arena_zalloc(a, (n + 1) * sizeof(*is_new));
    bool ok = (is_new || error_set(err, ERR_OVERLOADED, "%s", "")) &&
              usage_write(t, plane, events, n, refused, n_refused, is_new, err) &&
              usage_touch_keys(t, events, n, err) && settle(t, plane, events, is_new, n, a, err);
    size_t stored = 0;
    for (size_t i = 0; ok && i < n; i++) {
        stored += is_new[i];
    }
    arena_free(a);
    if (!ok) {
        tx_rollback(t);
        return false;
    }
    if (!tx_commit(t, NULL, err)) {
        return false;
    }
    *ret_stored = stored;
    return true;
}

bool persist_events(struct db_pool *p, const struct uuid *plane,
                    const struct usage_event *const *events, size_t n,
                    const struct usage_refused *refused, size_t n_refused, struct ingest_ack *ret,
                    struct error *err)
{
    struct error why = ERROR_INIT;
    size_t stored = 0;
    if (n == 0 && n_refused == 0) {
        return true;
    }
    if (store(p, plane, events, n, refused, n_refused, &stored, &why)) {
        ret->stored += (uint32_t)stored;
        ret->duplicates += (uint32_t)(n - stored);
        ret->quarantined += (uint32_t)n_refused;
        return true;
    }
    if (!is_data_error(&why) || n == 0) {
        *err = why;
        err->code = ERR_DATABASE;
        return false;
    }
    if (n == 1) {
        struct usage_refused alone = {events[0]->payload, error_text(&why)};
        return persist_events(p, plane, NULL, 0, &alone, 1, ret, err) &&
               persist_events(p, plane, NULL, 0, refused, n_refused, ret, err);
    }
    return persist_events(p, plane, events, n / 2, refused, n_refused, ret, err) &&
           persist_events(p, plane, events + n / 2, n - n / 2, NULL, 0, ret, err);
}
