/* Reports: events of all spools in batches, one under way at a time, acknowledged to the spools
 * only when the control plane says that they are stored. An idle system reports at once; a busy one
 * at most every BRIDGE_BATCH_MS or when a batch is full, so that commits are shared. */
#include "common/base/clock.h"
#include "common/log.h"
#include "dataplane/report/bridge_inside.h"
#include "dataplane/snapshot/wire.h"
#include "proto/usage.pb-c.h"

#define TRIES 3

static uint64_t waiting(const struct bridge *b)
{
    uint64_t n = 0;
    struct spool_stats stats;
    for (size_t i = 0; i < b->config.n_spools; i++) {
        spool_stats(b->spools[i], &stats);
        n += stats.waiting_records;
    }
    return n;
}

bool report_is_empty(const struct bridge *b)
{
    return waiting(b) == 0;
}

void report_rewind(struct bridge *b)
{
    for (size_t i = 0; i < b->config.n_spools; i++) {
        if (b->positions[i]) {
            spool_rewind(b->spools[i]);
            b->positions[i] = b->counts[i] = 0;
        }
    }
    b->batch_events = 0;
}

/* Appends `events` (field 2) from the spools in turn. */
static void gather(struct bridge *b, struct buffer *body)
{
    struct str record;
    uint64_t position;
    size_t share = BRIDGE_BATCH_EVENTS / b->config.n_spools + 1;
    b->batch_events = 0;
    /* two rounds: a fair share for each, then whatever is left for whoever has more */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < b->config.n_spools; i++) {
            size_t taken = 0;
            while (b->batch_events < BRIDGE_BATCH_EVENTS && body->len < BRIDGE_BATCH_BYTES &&
                   (round > 0 || taken < share) && spool_read(b->spools[i], &record, &position)) {
                uint8_t head[12], *end = wire_put_varint(head, 2 << 3 | WIRE_BYTES);
                end = wire_put_varint(end, record.len);
                (void)buffer_append(body, head, (size_t)(end - head));
                (void)buffer_append_str(body, record);
                b->positions[i] = position;
                b->counts[i]++;
                b->batch_events++;
                taken++;
            }
        }
    }
}

uint64_t report_send(struct bridge *b, uint64_t now_ms)
{
    struct buffer body;
    uint8_t head[16], *end = head;
    uint64_t at = b->report_not_before_ms;
    if (b->config.n_spools == 0 || !turn_is_idle(&b->report)) {
        return UINT64_MAX;
    }
    if (b->last_batch_ms && now_ms < b->last_batch_ms + BRIDGE_BATCH_MS &&
        waiting(b) < BRIDGE_BATCH_EVENTS) {
        uint64_t spaced = b->last_batch_ms + BRIDGE_BATCH_MS;
        at = spaced > at ? spaced : at;
    }
    if (now_ms < at) {
        return at;
    }
    buffer_init(&body, LINK_MAX_REQUEST - ENVELOPE_OVERHEAD);
    end = wire_put_varint(end, 1 << 3 | WIRE_VARINT);
    end = wire_put_varint(end, b->batch_number);
    (void)buffer_append(&body, head, (size_t)(end - head));
    gather(b, &body);
    if (b->batch_events > 0) {
        b->last_batch_ms = now_ms;
        if (body.failed ||
            !turn_seal(b, &b->report, ENVELOPE_REPORT, &b->session, b->session_key,
                       buffer_str(&body)) ||
            !turn_send(&b->report, b->report_link, BRIDGE_REPORT_MS)) {
            report_rewind(b);
            b->report_not_before_ms = now_ms + BRIDGE_BACKOFF_MIN_MS;
            at = b->report_not_before_ms;
        } else {
            at = UINT64_MAX;
        }
    } else {
        at = UINT64_MAX;
    }
    buffer_release(&body);
    return at;
}

static void acknowledged(struct bridge *b)
{
    for (size_t i = 0; i < b->config.n_spools; i++) {
        if (b->positions[i]) {
            spool_ack(b->spools[i], b->positions[i]);
            lease_on_stored(b, i, b->counts[i]);
            b->positions[i] = b->counts[i] = 0;
        }
    }
    b->batch_number++;
    b->batch_events = 0;
}

static bool ack_fits(const struct bridge *b, const Weir__BatchAck *a)
{
    return a && a->number == b->batch_number &&
           (uint64_t)a->stored + a->duplicates + a->quarantined == b->batch_events;
}

void report_on_ack(struct bridge *b, uint64_t now_ms)
{
    struct turn *x = &b->report;
    struct envelope e;
    char code[40] = "";
    bool lost = x->result != LINK_OK;
    if (lost && x->tries < TRIES && turn_send(x, b->report_link, BRIDGE_REPORT_MS)) {
        return; /* the same sequence: if it was stored, the control plane says so again */
    }
    Weir__BatchAck *a = NULL;
    if (!lost && turn_check(b, x, ENVELOPE_REPORT_ACK, b->session_key, &b->session, &e, code)) {
        a = weir__batch_ack__unpack(NULL, e.body.len, (const uint8_t *)e.body.ptr);
    }
    if (ack_fits(b, a)) {
        if (a->quarantined) {
            log_write(LOG_WARN, "events_quarantined", "control plane could not store some events",
                      LOG_U("count", a->quarantined));
        }
        acknowledged(b);
    } else {
        log_write(LOG_DEBUG, "report_failed", "batch will be sent again",
                  LOG_Z("reason", lost      ? link_result_name(x->result)
                                  : code[0] ? code
                                            : "wrong answer"));
        report_rewind(b);
        b->report_not_before_ms = now_ms + BRIDGE_BACKOFF_MIN_MS * 2;
    }
    weir__batch_ack__free_unpacked(a, NULL);
    if (strcmp(code, "unknown_session") == 0 || strcmp(code, "sequence") == 0) {
        bridge_lose(b, code, true);
    }
}
