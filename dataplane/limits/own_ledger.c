/* Booking: file first, then the accounts; then who wants to be told of thresholds. See
 * own_ledger.h. */
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "dataplane/limits/own_event.h"

#define RECORDS_MAX (64u << 20) /* of one batch: far more than a batch may have */

__extension__ typedef unsigned __int128 wide;

int64_t own_now_ms(const struct own_ledger *l)
{
    return l->config.now_ms ? l->config.now_ms(l->config.arg) : (int64_t)clock_wall_ms();
}

/* ---- alerts ---- */

static void tell(const struct own_ledger *l, const struct own_alert *a)
{
    if (l->config.on_alert) {
        l->config.on_alert(l->config.arg, a);
        return;
    }
    log_write(LOG_WARN, "budget_alert", "a budget has reached a threshold",
              LOG_S("budget", a->quota->name), LOG_S("bucket", a->bucket),
              LOG_U("percent", a->percent), LOG_U("spent", a->settled), LOG_U("amount", a->amount),
              LOG_I("window_start", a->window_start_s));
}

static bool is_reached(uint64_t settled, uint64_t amount, uint32_t percent)
{
    return settled > 0 && (wide)settled * 100 >= (wide)amount * percent;
}

/* Thresholds that this account has reached and nobody was told of, from the lowest; the highest is
 * what the file remembers. A soft budget without any has one at its amount. */
static void alert(struct own_ledger *l, struct own_account *a, const struct snap_quota *q)
{
    static const uint32_t whole[] = {100};
    const uint32_t *percents = q->alert_percents;
    size_t n = q->n_alert_percents;
    if (n == 0 && q->rule.mode == MODE_SOFT) {
        percents = whole;
        n = 1;
    }
    struct own_alert told = {.quota = q,
                             .bucket = own_account_bucket(a),
                             .window_start_s = own_account_start(a),
                             .settled = a->state.settled,
                             .amount = quota_amount_at(&q->rule, own_now_ms(l))};
    uint32_t before = a->alerted;
    for (;;) {
        uint32_t lowest = UINT32_MAX;
        for (size_t i = 0; i < n; i++) {
            if (percents[i] > a->alerted && percents[i] < lowest &&
                is_reached(told.settled, told.amount, percents[i])) {
                lowest = percents[i];
            }
        }
        if (lowest == UINT32_MAX) {
            break;
        }
        a->alerted = told.percent = lowest;
        tell(l, &told);
    }
    if (a->alerted != before) {
        own_put_alert(&l->records, a);
    }
}

/* ---- booking ---- */

/* Accounts that a batch changed, each once. */
struct touched {
    struct own_account **list;
    size_t n, cap;
};

static void touch(struct touched *t, struct own_account *a)
{
    for (size_t i = 0; i < t->n && i < 64; i++) { /* mostly the same few */
        if (t->list[t->n - 1 - i] == a) {
            return;
        }
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->list = mem_realloc(t->list, t->cap * sizeof(struct own_account *));
    }
    t->list[t->n++] = a;
}

static void apply(struct own_ledger *l, const struct uuid *id, struct str charges,
                  struct touched *t)
{
    struct own_charge c;
    uint8_t buf[OWN_KEY_MAX];
    own_see(l, id);
    (void)pthread_mutex_lock(&l->lock);
    for (size_t n = 0; n < OWN_CHARGES_MAX && own_event_next(&charges, &l->config.holder, &c);
         n++) {
        struct own_account *a =
            own_account_book(l, own_key(&c.quota, c.window_start_s, c.bucket, buf));
        own_account_settle(a, c.amount, own_now_ms(l) / 1000);
        if (c.ours) {
            a->spent = a->spent > UINT64_MAX - c.amount ? UINT64_MAX : a->spent + c.amount;
            own_account_hold(a);
        }
        touch(t, a);
    }
    (void)pthread_mutex_unlock(&l->lock);
}

/* The event's record; false: there is nothing to book (any more). */
static bool encode(struct own_ledger *l, struct str event, struct uuid *ret_id,
                   struct str *ret_charges)
{
    struct own_charge c;
    size_t n = 0;
    if (!own_event_read(event, ret_id, ret_charges) || !ret_charges->ptr) {
        return false;
    }
    if (own_is_seen(l, ret_id)) {
        (void)pthread_mutex_lock(&l->lock);
        l->stats.repeated++;
        (void)pthread_mutex_unlock(&l->lock);
        return false;
    }
    size_t at = own_put_event(&l->records, ret_id);
    struct str rest = *ret_charges;
    while (n < OWN_CHARGES_MAX && own_event_next(&rest, &l->config.holder, &c)) {
        uint8_t buf[OWN_KEY_MAX];
        struct str key = own_key(&c.quota, c.window_start_s, c.bucket, buf);
        c.bucket = str_slice(key, 24, key.len);
        own_put_charge(&l->records, &c);
        n++;
    }
    if (n == 0) {
        l->records.len = at;
        return false;
    }
    own_record_end(&l->records, at);
    return true;
}

/* Twice in one batch: the second has nothing to book. */
static bool is_in_batch(const struct uuid *ids, size_t n, const struct uuid *id)
{
    for (size_t i = 0; i < n; i++) {
        if (uuid_eq(&ids[i], id)) {
            return true;
        }
    }
    return false;
}

static void alert_all(struct own_ledger *l, const struct touched *t)
{
    struct error err = ERROR_INIT;
    buffer_clear(&l->records);
    for (size_t i = 0; i < t->n; i++) {
        struct uuid id = own_account_quota(t->list[i]);
        void *pin = NULL;
        const struct snap_quota *q = l->config.find(l->config.arg, &id, &pin);
        if (q && !q->disabled && !q->rule.limit) {
            alert(l, t->list[i], q);
        }
        l->config.release(l->config.arg, pin);
    }
    if (l->records.len && !own_journal_append(&l->journal, buffer_str(&l->records), false, &err)) {
        log_write(LOG_WARN, "ledger_alert_lost", "an alert may be told again after a restart",
                  LOG_Z("error", error_text(&err)));
    }
}

bool own_ledger_book(struct own_ledger *l, const struct str *events, size_t n, struct error *err)
{
    struct uuid *ids = mem_alloc((n + 1) * sizeof(*ids));
    struct str *charges = mem_alloc((n + 1) * sizeof(*charges));
    struct touched touched = {0};
    size_t count = 0;
    bool compacted = false;
    buffer_clear(&l->records);
    for (size_t i = 0; i < n; i++) {
        size_t at = l->records.len;
        if (!encode(l, events[i], &ids[count], &charges[count])) {
            continue;
        }
        if (is_in_batch(ids, count, &ids[count])) {
            l->records.len = at;
            continue;
        }
        count++;
    }
    bool ok = !l->records.failed || error_set(err, ERR_INTERNAL, "batch too large to be booked");
    ok = ok && (count == 0 || own_journal_append(&l->journal, buffer_str(&l->records), true, err));
    for (size_t i = 0; ok && i < count; i++) {
        apply(l, &ids[i], charges[i], &touched);
    }
    if (ok && touched.n) {
        alert_all(l, &touched);
        compacted = own_compact(l);
    }
    (void)pthread_mutex_lock(&l->lock);
    l->stats.compactions += compacted;
    l->stats.booked += ok ? count : 0;
    l->stats.failures += !ok;
    l->stats.file_bytes = l->journal.size;
    (void)pthread_mutex_unlock(&l->lock);
    mem_free(touched.list);
    mem_free(ids);
    mem_free(charges);
    return ok;
}

void own_ledger_caught_up(struct own_ledger *l)
{
    atomic_store(&l->caught_up, true);
}

bool own_ledger_is_caught_up(const struct own_ledger *l)
{
    return atomic_load(&l->caught_up);
}

/* ---- life ---- */

struct own_ledger *own_ledger_open(const struct own_ledger_config *c, struct error *err)
{
    struct own_ledger *l = mem_alloc(sizeof(*l));
    uint64_t cut = 0;
    l->config = *c;
    l->config.folder = NULL; /* not kept */
    l->accounts = map_new();
    l->seen = map_new();
    list_init(&l->booked);
    list_init(&l->passing);
    buffer_init(&l->records, RECORDS_MAX);
    (void)pthread_mutex_init(&l->lock, NULL);
    if (!own_journal_open(&l->journal, c->folder, c->sync, own_replay, l, &cut, err)) {
        own_ledger_close(l);
        return NULL;
    }
    if (cut) {
        log_write(LOG_WARN, "ledger_cut", "the ledger's file ended within a record",
                  LOG_Z("file", l->journal.path), LOG_U("bytes", cut));
    }
    l->stats.file_bytes = l->journal.size;
    return l;
}

void own_ledger_close(struct own_ledger *l)
{
    if (!l) {
        return;
    }
    own_journal_close(&l->journal);
    own_accounts_free(l);
    buffer_release(&l->records);
    (void)pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

bool own_ledger_sums(struct own_ledger *l, const struct uuid *quota, struct str bucket,
                     int64_t window_start_s, uint64_t *ret_settled, uint64_t *ret_held)
{
    uint8_t buf[OWN_KEY_MAX];
    (void)pthread_mutex_lock(&l->lock);
    const struct own_account *a = own_account_find(l, own_key(quota, window_start_s, bucket, buf));
    *ret_settled = a ? a->state.settled : 0;
    *ret_held = a ? a->state.held : 0;
    (void)pthread_mutex_unlock(&l->lock);
    return a != NULL;
}

void own_ledger_stats(struct own_ledger *l, struct own_ledger_stats *ret)
{
    (void)pthread_mutex_lock(&l->lock);
    *ret = l->stats;
    ret->accounts = map_count(l->accounts);
    (void)pthread_mutex_unlock(&l->lock);
}
