/* The slot of one target, shared by the target_state_*.c; nobody else includes it. All of it is
 * atomic: any worker writes at any time, also into a slot that was just taken over for another
 * target (a request that began before). What must change together stands in one word; everything
 * else may be seen half changed without harm. */
#ifndef DATAPLANE_ROUTING_TARGET_STATE_INSIDE_H
#define DATAPLANE_ROUTING_TARGET_STATE_INSIDE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "dataplane/routing/target_state.h"

#define SLOT_ALIGN 64
#define SLICES 10
#define BUCKETS 64
#define RINGS 5
#define RING_DISPLAY 0 /* the last minute, as shown: never emptied */
#define RING_MINUTE 1  /* the breaker's, emptied when it closes; further ones by length */
#define MINUTE_MS 60000u
#define BELIEVED_MS 600000u /* a provider's word about the future counts so long at most */

/* Ten slices of time, each a word of its number (24 bits) and two counts (20 bits, saturating), so
 * that a slice is begun anew and counted in by the same compare-and-swap. */
struct ring {
    _Atomic uint64_t window_ms; /* 0: free */
    _Atomic uint64_t slices[SLICES];
};

/* One of the provider's limits: how much is left until when. */
struct learned {
    _Atomic uint64_t left;
    _Atomic uint64_t resets_at;      /* for display; 0: not told */
    _Atomic uint64_t believed_until; /* 0: never heard of */
};

/* Whom the slot is about, for display: written while the slot's key says busy. */
#define PROVIDER_WORDS 8
#define MODEL_WORDS 16
struct slot_names {
    _Atomic uint64_t id[2];
    _Atomic uint64_t provider[PROVIDER_WORDS];
    _Atomic uint64_t model[MODEL_WORDS];
    _Atomic uint32_t credential;
};

struct target_state {
    /* read by every choice, seldom written */
    alignas(SLOT_ALIGN) _Atomic uint64_t gate; /* the breaker: target_state_breaker.c */
    _Atomic uint64_t cooling_until;
    _Atomic uint64_t ewma_us, sampled_ms;
    _Atomic uint32_t checks_failed; /* in a row */
    /* written by every request */
    alignas(SLOT_ALIGN) _Atomic uint32_t in_flight;
    _Atomic uint64_t last_used;
    _Atomic uint64_t total_requests, total_failures, total_refused;
    struct learned requests, tokens;
    _Atomic uint64_t hold_until; /* Retry-After */
    struct ring rings[RINGS];
    struct ring budget; /* requests and retries by the second */
    _Atomic uint32_t n_samples;
    _Atomic uint32_t buckets[BUCKETS];
    struct slot_names names;
};

static inline uint64_t slot_get(const _Atomic uint64_t *w)
{
    return atomic_load_explicit((_Atomic uint64_t *)w, memory_order_relaxed);
}

static inline void slot_set(_Atomic uint64_t *w, uint64_t v)
{
    atomic_store_explicit(w, v, memory_order_relaxed);
}

static inline void slot_count(_Atomic uint64_t *w)
{
    (void)atomic_fetch_add_explicit(w, 1, memory_order_relaxed);
}

/* Never lowers it. */
void slot_raise(_Atomic uint64_t *w, uint64_t v);

static inline uint64_t time_after(uint64_t now_ms, uint64_t ms)
{
    return ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + ms;
}

static inline uint64_t time_left(uint64_t until_ms, uint64_t now_ms)
{
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

/* target_state_window.c: rings */
void ring_add(struct ring *r, uint64_t now_ms, unsigned a, unsigned b);
void ring_sum(const struct ring *r, uint64_t now_ms, uint32_t *ret_a, uint32_t *ret_b);
/* Counts of the slice of now alone. */
void ring_now(const struct ring *r, uint64_t now_ms, uint32_t *ret_a, uint32_t *ret_b);
void ring_reset(struct ring *r, uint64_t window_ms);
/* The breaker's ring of that length; a free one is taken for it. */
struct ring *window_ring(struct target_state *s, uint64_t window_ms);
void window_count(struct target_state *s, uint64_t now_ms, bool failed, bool breaker_failed);
void window_empty(struct target_state *s);

/* target_state_latency.c */
void latency_sample(struct target_state *s, uint64_t us, uint64_t now_ms);
void latency_reset(struct target_state *s);

/* target_state_limits.c */
void limits_reset(struct target_state *s);
void limits_view(const struct target_state *s, uint64_t now_ms, struct target_view *v);

/* target_state_budget.c */
void budget_reset(struct target_state *s);
void budget_count_request(struct target_state *s, uint64_t now_ms);

/* target_state_breaker.c */
void breaker_reset(struct target_state *s);

#endif
