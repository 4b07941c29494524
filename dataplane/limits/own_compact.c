/* What stands in the own ledger's file: a letter and what it says. Numbers are little-endian as
 * this machine has them; the file does not travel. E id, n, n * (quota, window start, amount,
 * bucket)   an event's charges P quota, window start, percent, bucket               an alert was
 * told A quota, window start, settled, percent, touched, bucket   an account, when the file was
 * made anew I n * id                                             events known again, then */
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "dataplane/limits/own_records.h"

#define COMPACT_BYTES (4u << 20)
#define PIECE_BYTES (256u << 10)
#define IDS_A_RECORD 1024u
#define KEEP_S (7 * 86400)       /* behind the end of a window */
#define KEEP_GONE_S (40 * 86400) /* of budgets that are gone: they may come again */

/* ---- writing ---- */

static void put(struct buffer *b, const void *p, size_t n)
{
    (void)buffer_append(b, p, n);
}

static void put_bucket(struct buffer *b, struct str bucket)
{
    uint16_t len = (uint16_t)bucket.len;
    put(b, &len, sizeof(len));
    put(b, bucket.ptr, bucket.len);
}

size_t own_put_event(struct buffer *b, const struct uuid *id)
{
    size_t at = own_record_begin(b);
    put(b, "E", 1);
    put(b, id->b, sizeof(id->b));
    return at;
}

void own_put_charge(struct buffer *b, const struct own_charge *c)
{
    put(b, c->quota.b, sizeof(c->quota.b));
    put(b, &c->window_start_s, sizeof(c->window_start_s));
    put(b, &c->amount, sizeof(c->amount));
    put_bucket(b, c->bucket);
}

void own_put_alert(struct buffer *b, const struct own_account *a)
{
    size_t at = own_record_begin(b);
    put(b, "P", 1);
    put(b, a->key, 24);
    put(b, &a->alerted, sizeof(a->alerted));
    put_bucket(b, own_account_bucket(a));
    own_record_end(b, at);
}

static void put_account(struct buffer *b, const struct own_account *a)
{
    size_t at = own_record_begin(b);
    put(b, "A", 1);
    put(b, a->key, 24);
    put(b, &a->state.settled, sizeof(a->state.settled));
    put(b, &a->alerted, sizeof(a->alerted));
    put(b, &a->touched_s, sizeof(a->touched_s));
    put_bucket(b, own_account_bucket(a));
    own_record_end(b, at);
}

/* ---- reading ---- */

static bool take(struct str *rest, void *ret, size_t n)
{
    if (rest->len < n) {
        return false;
    }
    memcpy(ret, rest->ptr, n);
    *rest = str_slice(*rest, n, rest->len);
    return true;
}

static bool take_bucket(struct str *rest, struct str *ret)
{
    uint16_t len;
    if (!take(rest, &len, sizeof(len)) || rest->len < len) {
        return false;
    }
    *ret = str_slice(*rest, 0, len);
    *rest = str_slice(*rest, len, rest->len);
    return true;
}

static bool take_charge(struct str *rest, struct own_charge *c)
{
    return take(rest, c->quota.b, sizeof(c->quota.b)) &&
           take(rest, &c->window_start_s, sizeof(c->window_start_s)) &&
           take(rest, &c->amount, sizeof(c->amount)) && take_bucket(rest, &c->bucket);
}

static void replay_event(struct own_ledger *l, struct str rest)
{
    struct uuid id;
    struct own_charge c;
    if (!take(&rest, id.b, sizeof(id.b)) || own_is_seen(l, &id)) {
        return;
    }
    own_see(l, &id);
    while (rest.len && take_charge(&rest, &c)) {
        uint8_t buf[OWN_KEY_MAX];
        struct own_account *a =
            own_account_book(l, own_key(&c.quota, c.window_start_s, c.bucket, buf));
        own_account_settle(a, c.amount, (int64_t)(uuid_time_ms(&id) / 1000));
    }
}

static void replay_account(struct own_ledger *l, struct str rest, bool alert)
{
    uint8_t head[24], buf[OWN_KEY_MAX];
    struct uuid quota;
    int64_t start_s, touched_s = 0;
    uint64_t settled = 0;
    uint32_t percent;
    struct str bucket;
    if (!take(&rest, head, sizeof(head)) || (!alert && !take(&rest, &settled, sizeof(settled))) ||
        !take(&rest, &percent, sizeof(percent)) ||
        (!alert && !take(&rest, &touched_s, sizeof(touched_s))) || !take_bucket(&rest, &bucket)) {
        return;
    }
    memcpy(quota.b, head, sizeof(quota.b));
    memcpy(&start_s, head + 16, sizeof(start_s));
    struct own_account *a = own_account_book(l, own_key(&quota, start_s, bucket, buf));
    own_account_settle(a, settled, touched_s);
    a->alerted = percent > a->alerted ? percent : a->alerted;
}

void own_replay(void *arg, struct str record)
{
    struct own_ledger *l = arg;
    struct str rest = str_slice(record, 1, record.len);
    struct uuid id;
    switch (record.ptr[0]) {
    case 'E':
        replay_event(l, rest);
        break;
    case 'A':
        replay_account(l, rest, false);
        break;
    case 'P':
        replay_account(l, rest, true);
        break;
    case 'I':
        while (take(&rest, id.b, sizeof(id.b))) {
            if (!own_is_seen(l, &id)) {
                own_see(l, &id);
            }
        }
        break;
    default: /* a later version's */
        break;
    }
}

/* ---- making it anew ---- */

/* Its window ended so long ago that nothing can be booked in it any more. */
static bool is_past(const struct own_ledger *l, const struct own_account *a, int64_t now_s)
{
    struct uuid id = own_account_quota(a);
    void *pin = NULL;
    const struct snap_quota *q = l->config.find(l->config.arg, &id, &pin);
    bool past = a->touched_s + KEEP_GONE_S < now_s;
    if (q) {
        struct quota_span span = quota_span_of(&q->rule, own_account_start(a));
        past = span.end_s < INT64_MAX - KEEP_S && span.end_s + KEEP_S < now_s;
    }
    l->config.release(l->config.arg, pin);
    return past;
}

static void drop_past(struct own_ledger *l)
{
    int64_t now_s = own_now_ms(l) / 1000;
    for (struct list *n = l->booked.next, *next; n != &l->booked; n = next) {
        struct own_account *a = LIST_ENTRY(n, struct own_account, node);
        next = n->next;
        if (is_past(l, a, now_s)) {
            (void)pthread_mutex_lock(&l->lock);
            if (a->state.held == 0) {
                own_account_drop(l, a);
            }
            (void)pthread_mutex_unlock(&l->lock);
        }
    }
}

static bool flush(struct own_ledger *l, bool all, struct error *err)
{
    if (!all && l->records.len < PIECE_BYTES) {
        return true;
    }
    bool ok = !l->records.failed && own_journal_write(&l->journal, buffer_str(&l->records), err);
    buffer_clear(&l->records);
    return ok;
}

static bool write_ids(struct own_ledger *l, struct error *err)
{
    size_t max = l->config.remember ? l->config.remember : OWN_RING_LEN;
    size_t from = l->ring_len == max ? l->ring_at : 0;
    for (size_t i = 0; i < l->ring_len;) {
        size_t at = own_record_begin(&l->records);
        put(&l->records, "I", 1);
        for (size_t n = 0; n < IDS_A_RECORD && i < l->ring_len; n++, i++) {
            put(&l->records, l->ring[(from + i) % max].b, sizeof(l->ring[0].b));
        }
        own_record_end(&l->records, at);
        if (!flush(l, false, err)) {
            return false;
        }
    }
    return true;
}

/* The list of what is booked, and what it says, are changed by this thread alone. */
static bool write_all(struct own_ledger *l, struct error *err)
{
    buffer_clear(&l->records);
    if (!own_journal_begin(&l->journal, err) || !write_ids(l, err)) {
        return false;
    }
    for (struct list *n = l->booked.next; n != &l->booked; n = n->next) {
        put_account(&l->records, LIST_ENTRY(n, struct own_account, node));
        if (!flush(l, false, err)) {
            return false;
        }
    }
    return flush(l, true, err) && own_journal_commit(&l->journal, err);
}

bool own_compact(struct own_ledger *l)
{
    uint64_t grown = l->config.compact_bytes ? l->config.compact_bytes : COMPACT_BYTES;
    uint64_t size = l->journal.size, base = l->journal.base;
    struct error err = ERROR_INIT;
    if (size < base + grown || size < 2 * base || size < l->retry_bytes) {
        return false;
    }
    drop_past(l);
    bool ok = write_all(l, &err);
    l->retry_bytes = ok ? 0 : size + grown;
    if (!ok) {
        own_journal_abandon(&l->journal);
        log_write(LOG_ERROR, "ledger_not_compacted", "the ledger's file goes on growing",
                  LOG_Z("error", error_text(&err)));
    }
    buffer_clear(&l->records);
    return ok;
}
