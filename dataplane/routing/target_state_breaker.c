/* The circuit breaker, and how attempts begin and end. Its whole state is one word, the gate, moved
 * by compare-and-swap: state (2 bits), doublings of the cooldown (2), successful probes (8),
 * whether a probe is out (1), and a time (48): when OPEN ends, or since when the probe is out. */
#include "dataplane/routing/target_state_inside.h"

#define PROBE_GIVEN_UP_MS 60000u
#define MAX_DOUBLINGS 3
#define AT_SHIFT 16
#define AT_MAX ((UINT64_C(1) << 48) - 1)

struct gate {
    enum breaker_state state;
    unsigned doublings, successes;
    bool probing;
    uint64_t at;
};

static uint64_t gate_word(struct gate g)
{
    uint64_t at = g.at < AT_MAX ? g.at : AT_MAX;
    return at << AT_SHIFT | (uint64_t)g.probing << 12 | (uint64_t)g.successes << 4 |
           (uint64_t)g.doublings << 2 | (uint64_t)g.state;
}

static struct gate gate_of(uint64_t word)
{
    return (struct gate){(enum breaker_state)(word & 3), (unsigned)(word >> 2) & 3,
                         (unsigned)(word >> 4) & 0xff, (word >> 12 & 1) != 0, word >> AT_SHIFT};
}

static bool gate_move(struct target_state *s, uint64_t *word, struct gate next)
{
    return atomic_compare_exchange_strong_explicit(&s->gate, word, gate_word(next),
                                                   memory_order_relaxed, memory_order_relaxed);
}

void breaker_reset(struct target_state *s)
{
    slot_set(&s->gate, 0);
    slot_set(&s->cooling_until, 0);
    atomic_store_explicit(&s->checks_failed, 0, memory_order_relaxed);
}

const char *breaker_state_name(enum breaker_state s)
{
    static const char *const names[BREAKER_STATE_COUNT] = {"closed", "open", "half_open"};
    return s < BREAKER_STATE_COUNT ? names[s] : "unknown";
}

/* ---- rules, with the defaults for what is not said ---- */

static struct route_breaker rules_of(const struct route_breaker *b)
{
    struct route_breaker r = b ? *b : (struct route_breaker){0};
    if (!r.set && !r.threshold && !r.percent) {
        r.percent = 50;
    }
    if (!r.set && !r.minimum_requests) {
        r.minimum_requests = 10;
    }
    r.window_ms = r.window_ms ? r.window_ms : MINUTE_MS;
    r.cooldown_ms = r.cooldown_ms ? r.cooldown_ms : 30000;
    r.probes = r.probes ? r.probes : 2;
    r.probes = r.probes < 0xff ? r.probes : 0xff;
    return r;
}

static bool rules_count(const struct route_breaker *r, int status)
{
    if (status == 0) {
        return true; /* no answer at all: no list can name it */
    }
    for (size_t i = 0; i < r->statuses.n; i++) {
        if (r->statuses.list[i] == status) {
            return true;
        }
    }
    return r->statuses.n == 0 && ((status >= 500 && status <= 599) || status == 408 ||
                                  status == 429 || status == 401 || status == 403);
}

static bool rules_are_broken(const struct route_breaker *r, struct target_state *s, uint64_t now_ms)
{
    uint32_t requests, failures;
    ring_sum(window_ring(s, r->window_ms), now_ms, &requests, &failures);
    if (r->threshold && failures >= r->threshold) {
        return true;
    }
    return r->percent && requests >= r->minimum_requests &&
           (uint64_t)failures * 100 >= (uint64_t)requests * r->percent;
}

static uint64_t cooldown_of(uint64_t own_ms, unsigned doublings, uint64_t told_ms)
{
    uint64_t most_ms = own_ms > BELIEVED_MS ? own_ms : BELIEVED_MS;
    uint64_t ms = own_ms > most_ms >> doublings ? most_ms : own_ms << doublings;
    told_ms = told_ms < BELIEVED_MS ? told_ms : BELIEVED_MS;
    return ms > told_ms ? ms : told_ms;
}

/* ---- may a request pass ---- */

bool target_admits(struct target_state *s, const struct route_breaker *b, uint64_t now_ms,
                   bool *ret_probe)
{
    *ret_probe = false;
    if (slot_get(&s->cooling_until) > now_ms) {
        return false;
    }
    if (b && b->off) {
        return true;
    }
    uint64_t word = slot_get(&s->gate);
    for (;;) {
        struct gate g = gate_of(word);
        if (g.state == BREAKER_CLOSED) {
            return true;
        }
        if (g.state == BREAKER_OPEN) {
            if (now_ms < g.at) {
                return false;
            }
            g.successes = 0;
        } else if (g.probing && now_ms < g.at + PROBE_GIVEN_UP_MS) {
            return false;
        }
        g.state = BREAKER_HALF_OPEN;
        g.probing = true;
        g.at = now_ms;
        if (gate_move(s, &word, g)) {
            *ret_probe = true;
            return true;
        }
    }
}

void target_probe_dropped(struct target_state *s)
{
    uint64_t word = slot_get(&s->gate);
    struct gate g;
    do {
        g = gate_of(word);
        if (g.state != BREAKER_HALF_OPEN || !g.probing) {
            return;
        }
        g.probing = false;
        g.at = 0;
    } while (!gate_move(s, &word, g));
}

enum breaker_state target_breaker(const struct target_state *s, uint64_t now_ms)
{
    struct gate g = gate_of(slot_get(&s->gate));
    return g.state == BREAKER_OPEN && now_ms >= g.at ? BREAKER_HALF_OPEN : g.state;
}

uint64_t target_reopens_ms(const struct target_state *s)
{
    struct gate g = gate_of(slot_get(&s->gate));
    uint64_t opens = g.state == BREAKER_OPEN ? g.at : 0;
    uint64_t cools = slot_get(&s->cooling_until);
    return opens > cools ? opens : cools;
}

/* ---- what moves it ---- */

static void gate_trip(struct target_state *s, const struct route_breaker *r, uint64_t told_ms,
                      uint64_t now_ms)
{
    uint64_t word = slot_get(&s->gate);
    uint64_t until = time_after(now_ms, cooldown_of(r->cooldown_ms, 0, told_ms));
    while (gate_of(word).state == BREAKER_CLOSED &&
           !gate_move(s, &word, (struct gate){.state = BREAKER_OPEN, .at = until})) {
    }
}

static void gate_probe_failed(struct target_state *s, const struct route_breaker *r,
                              uint64_t told_ms, uint64_t now_ms)
{
    uint64_t word = slot_get(&s->gate);
    struct gate g;
    do {
        g = gate_of(word);
        if (g.state != BREAKER_HALF_OPEN) {
            return; /* given up, and meanwhile decided by another */
        }
        unsigned doublings = g.doublings < MAX_DOUBLINGS ? g.doublings + 1 : MAX_DOUBLINGS;
        g = (struct gate){.state = BREAKER_OPEN,
                          .doublings = doublings,
                          .at =
                              time_after(now_ms, cooldown_of(r->cooldown_ms, doublings, told_ms))};
    } while (!gate_move(s, &word, g));
}

static void gate_probe_passed(struct target_state *s, const struct route_breaker *r)
{
    uint64_t word = slot_get(&s->gate);
    struct gate g;
    do {
        g = gate_of(word);
        if (g.state != BREAKER_HALF_OPEN) {
            return;
        }
        g.successes = g.successes < 0xff ? g.successes + 1 : 0xff;
        g.probing = false;
        g.at = 0;
        if (g.successes >= r->probes) {
            g = (struct gate){.state = BREAKER_CLOSED};
            window_empty(s); /* before it closes: the old failures must not open it again */
        }
    } while (!gate_move(s, &word, g));
}

void target_started(struct target_state *s, uint64_t now_ms)
{
    (void)atomic_fetch_add_explicit(&s->in_flight, 1, memory_order_relaxed);
    slot_count(&s->total_requests);
    slot_raise(&s->last_used, now_ms);
    budget_count_request(s, now_ms);
}

static void in_flight_lower(struct target_state *s)
{
    uint32_t n = atomic_load_explicit(&s->in_flight, memory_order_relaxed);
    while (n > 0 && !atomic_compare_exchange_weak_explicit(
                        &s->in_flight, &n, n - 1, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static bool status_cools(int status)
{
    return status == 401 || status == 402 || status == 403 || status == 429 || status == 503 ||
           status == 529;
}

void target_finished(struct target_state *s, const struct route_breaker *b,
                     const struct target_outcome *o, bool probe)
{
    in_flight_lower(s);
    slot_raise(&s->last_used, o->now_ms);
    if (!o->counts) {
        if (probe) {
            target_probe_dropped(s);
        }
        return;
    }
    if (o->success && o->first_token_us > 0) {
        latency_sample(s, o->first_token_us, o->now_ms);
    }
    struct route_breaker r = rules_of(b);
    bool failed = !o->success;
    bool breaker_failed = failed && rules_count(&r, o->status);
    (void)window_ring(s, r.window_ms);
    window_count(s, o->now_ms, failed, breaker_failed);
    if (failed) {
        slot_count(&s->total_failures);
        if (o->cooldown_ms > 0 && status_cools(o->status)) {
            uint64_t ms = o->cooldown_ms < BELIEVED_MS ? o->cooldown_ms : BELIEVED_MS;
            slot_raise(&s->cooling_until, time_after(o->now_ms, ms));
        }
    }
    if (probe && breaker_failed) {
        gate_probe_failed(s, &r, o->cooldown_ms, o->now_ms);
    } else if (probe) {
        gate_probe_passed(s, &r);
    } else if (breaker_failed && !r.off && rules_are_broken(&r, s, o->now_ms)) {
        gate_trip(s, &r, o->cooldown_ms, o->now_ms);
    }
}

void target_checked(struct target_state *s, bool healthy, unsigned failures_needed,
                    uint64_t cooldown_ms, uint64_t now_ms)
{
    uint64_t word = slot_get(&s->gate);
    struct gate g = gate_of(word);
    if (healthy) {
        atomic_store_explicit(&s->checks_failed, 0, memory_order_relaxed);
        while (g.state != BREAKER_CLOSED) {
            window_empty(s);
            if (gate_move(s, &word, (struct gate){.state = BREAKER_CLOSED})) {
                return;
            }
            g = gate_of(word);
        }
        return;
    }
    uint32_t failed = atomic_fetch_add_explicit(&s->checks_failed, 1, memory_order_relaxed) + 1;
    if (failed < failures_needed) {
        return;
    }
    atomic_store_explicit(&s->checks_failed, failures_needed, memory_order_relaxed);
    uint64_t until = time_after(now_ms, cooldown_ms);
    while (g.state != BREAKER_OPEN || g.at < until) {
        g = (struct gate){.state = BREAKER_OPEN, .doublings = g.doublings, .at = until};
        if (gate_move(s, &word, g)) {
            return;
        }
        g = gate_of(word);
    }
}
