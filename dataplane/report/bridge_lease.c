/* Leases on budgets and limits: one request under way at a time, its body and its answer opaque
 * here (the quota table's, by the callbacks of bridge.h). Sent at once when there is something to
 * ask, but never more often than every few milliseconds, so that what comes together goes together.
 *
 * Without answers for BRIDGE_LEASE_GRACE_MS, or where a request was not answered in its time, the
 * table is told that there is nobody to ask; the next answer or session takes that back. A request
 * whose answer did not come is sent again as it is, then given up for a new one: everything in it
 * is a running total. */
#include "common/base/clock.h"
#include "common/log.h"
#include "dataplane/report/bridge_inside.h"

#define TRIES 4
#define PAUSE_MS 200
#define PROBE_MS 500
#define TIDY_MS 1000

static bool is_used(const struct bridge *b)
{
    return b->config.lease_gather != NULL;
}

void bridge_lease_wake(struct bridge *b)
{
    (void)pthread_mutex_lock(&b->lock);
    b->lease_woken = b->woken = true;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
}

static bool take_wake(struct bridge *b)
{
    (void)pthread_mutex_lock(&b->lock);
    bool woken = b->lease_woken;
    b->lease_woken = false;
    (void)pthread_mutex_unlock(&b->lock);
    return woken;
}

/* ---- whether there is somebody to ask ---- */

static void tell_reachable(struct bridge *b, bool reachable)
{
    if (b->lease_reachable != reachable) {
        b->lease_reachable = reachable;
        log_write(reachable ? LOG_INFO : LOG_WARN, reachable ? "leases_back" : "leases_away",
                  reachable ? "budgets and limits are leased from the control plane"
                            : "no leases from the control plane: what is leased is spent");
        b->config.lease_reachable(b->config.arg, reachable);
    }
}

static void trouble(struct bridge *b, uint64_t now_ms)
{
    if (b->lease_trouble_ms == 0) {
        b->lease_trouble_ms = now_ms;
    }
}

void lease_on_session(struct bridge *b)
{
    if (is_used(b)) {
        b->lease_trouble_ms = b->lease_not_before_ms = 0;
        tell_reachable(b, true);
        bridge_lease_wake(b);
    }
}

static void give_up(struct bridge *b)
{
    if (b->lease_under_way) {
        b->lease_under_way = false;
        b->config.lease_lost(b->config.arg);
    }
}

void lease_on_lost(struct bridge *b)
{
    if (is_used(b)) {
        give_up(b);
        trouble(b, clock_mono_ms());
    }
}

uint64_t lease_tend(struct bridge *b, uint64_t now_ms)
{
    if (!is_used(b)) {
        return UINT64_MAX;
    }
    uint64_t away_at = b->lease_trouble_ms + BRIDGE_LEASE_GRACE_MS;
    if (b->lease_trouble_ms && now_ms >= away_at) {
        tell_reachable(b, false);
    }
    if (!b->lease_reachable && now_ms >= b->lease_tidied_ms + TIDY_MS) {
        b->lease_tidied_ms = now_ms;
        (void)b->config.lease_due_ms(b->config.arg); /* windows end all the same */
    }
    return b->lease_trouble_ms && b->lease_reachable ? away_at : UINT64_MAX;
}

/* ---- what a former process of this proxy has left to say ---- */

bool lease_former_delivered(const struct bridge *b)
{
    for (size_t i = 0; i < b->config.n_spools; i++) {
        if (b->former[i] > 0) {
            return false;
        }
    }
    return true;
}

void lease_on_stored(struct bridge *b, size_t spool, uint64_t events)
{
    struct spool_stats stats;
    bool before = lease_former_delivered(b);
    spool_stats(b->spools[spool], &stats);
    /* a full spool may have dropped some of them, so that counting alone never ends */
    b->former[spool] -=
        events < b->former[spool] && stats.waiting_records > 0 ? events : b->former[spool];
    if (is_used(b) && !before && lease_former_delivered(b)) {
        bridge_lease_wake(b);
    }
}

/* ---- asking ---- */

static bool send_asks(struct bridge *b, uint64_t now_ms)
{
    struct buffer body;
    bool sent = false;
    buffer_init(&body, LINK_MAX_REQUEST - ENVELOPE_OVERHEAD);
    b->config.lease_gather(b->config.arg, lease_former_delivered(b), &body);
    if (body.len > 0) {
        b->lease_under_way = true;
        b->lease_not_before_ms = now_ms + BRIDGE_LEASE_SPACE_MS;
        sent = !body.failed &&
               turn_seal(b, &b->lease, ENVELOPE_LEASE, &b->session, b->session_key,
                         buffer_str(&body)) &&
               turn_send(&b->lease, b->lease_link, BRIDGE_LEASE_MS);
        if (!sent) {
            give_up(b);
            trouble(b, now_ms);
            b->lease_not_before_ms = now_ms + PAUSE_MS;
        }
    }
    buffer_release(&body);
    return sent;
}

uint64_t lease_send(struct bridge *b, uint64_t now_ms)
{
    if (!is_used(b) || b->lease_under_way || !turn_is_idle(&b->lease)) {
        return UINT64_MAX;
    }
    if (now_ms < b->lease_not_before_ms) {
        return b->lease_not_before_ms;
    }
    if ((take_wake(b) || now_ms >= b->lease_due_at_ms) && send_asks(b, now_ms)) {
        return UINT64_MAX;
    }
    uint64_t due = b->config.lease_due_ms(b->config.arg);
    due = b->lease_reachable || due < PROBE_MS ? due : PROBE_MS; /* is it back? */
    b->lease_due_at_ms = due > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + due;
    return b->lease_due_at_ms > b->lease_not_before_ms ? b->lease_due_at_ms
                                                       : b->lease_not_before_ms;
}

static void answered(struct bridge *b, struct str body)
{
    b->lease_under_way = false;
    b->lease_trouble_ms = 0;
    b->lease_due_at_ms = 0; /* looked at again: what it brought may lead to more */
    if (!b->config.lease_answer(b->config.arg, body)) {
        log_write(LOG_WARN, "leases_unreadable", "the control plane's leases cannot be read");
    }
    tell_reachable(b, true);
}

void lease_on_grant(struct bridge *b, uint64_t now_ms)
{
    struct turn *x = &b->lease;
    struct envelope e;
    char code[40] = "";
    if (x->result != LINK_OK) {
        trouble(b, now_ms);
        if (x->result == LINK_TIMEOUT) {
            tell_reachable(b, false); /* whoever waits has waited for long */
        }
        if (x->tries < TRIES && turn_send(x, b->lease_link, BRIDGE_LEASE_MS)) {
            return; /* the same sequence: if it was worked on, the same answer comes */
        }
    } else if (turn_check(b, x, ENVELOPE_LEASE_GRANT, b->session_key, &b->session, &e, code)) {
        answered(b, e.body);
        return;
    }
    log_write(LOG_DEBUG, "lease_failed", "leases will be asked for again",
              LOG_Z("reason", x->result != LINK_OK ? link_result_name(x->result)
                              : code[0]            ? code
                                                   : "wrong answer"));
    give_up(b);
    trouble(b, now_ms);
    b->lease_not_before_ms = now_ms + PAUSE_MS;
    b->lease_due_at_ms = 0;
    if (strcmp(code, "unknown_session") == 0 || strcmp(code, "sequence") == 0) {
        bridge_lose(b, code, true);
    }
}

bool lease_is_done(struct bridge *b)
{
    if (!is_used(b) || b->phase != PHASE_SESSION || b->lease_trouble_ms) {
        return true; /* nobody takes them back; the next run of this proxy says that it is over */
    }
    (void)pthread_mutex_lock(&b->lock);
    bool woken = b->lease_woken;
    (void)pthread_mutex_unlock(&b->lock);
    return !b->lease_under_way && !woken && b->config.lease_due_ms(b->config.arg) > 0;
}
