/* Rolling counts: rings of ten slices. A worker whose clock is a little behind counts into the
 * newer slice that it meets rather than beginning the old one anew. */
#include "dataplane/routing/target_state_inside.h"

#define NUMBER_SHIFT 40
#define COUNT_BITS 20
#define COUNT_MAX ((1u << COUNT_BITS) - 1)
#define MAX_BEHIND 16 /* slices; what lies further ahead is left from long ago */

static uint64_t slice_word(uint64_t number, uint64_t a, uint64_t b)
{
    return number << NUMBER_SHIFT | a << COUNT_BITS | b;
}

static uint32_t slice_a(uint64_t word)
{
    return (uint32_t)(word >> COUNT_BITS) & COUNT_MAX;
}

static uint32_t slice_b(uint64_t word)
{
    return (uint32_t)word & COUNT_MAX;
}

/* How many slices the word is older than `number` (negative: newer), by their low 24 bits. */
static int32_t slice_age(uint64_t number, uint64_t word)
{
    uint32_t behind = (uint32_t)(number - (word >> NUMBER_SHIFT)) & 0xffffffu;
    return behind & 0x800000u ? (int32_t)behind - 0x1000000 : (int32_t)behind;
}

static uint64_t slice_number(const struct ring *r, uint64_t now_ms)
{
    uint64_t width = slot_get(&r->window_ms) / SLICES;
    return now_ms / (width ? width : 1);
}

void slot_raise(_Atomic uint64_t *w, uint64_t v)
{
    uint64_t old = slot_get(w);
    while (old < v && !atomic_compare_exchange_weak_explicit(w, &old, v, memory_order_relaxed,
                                                             memory_order_relaxed)) {
    }
}

void ring_add(struct ring *r, uint64_t now_ms, unsigned a, unsigned b)
{
    uint64_t number = slice_number(r, now_ms);
    _Atomic uint64_t *slice = &r->slices[number % SLICES];
    uint64_t old = slot_get(slice);
    uint64_t word;
    do {
        int32_t age = slice_age(number, old);
        if (age > 0 || age < -MAX_BEHIND) {
            word = slice_word(number, a, b);
        } else if (slice_a(old) + a > COUNT_MAX || slice_b(old) + b > COUNT_MAX) {
            return; /* both stop, so that their ratio stays */
        } else {
            word = old + slice_word(0, a, b);
        }
    } while (!atomic_compare_exchange_weak_explicit(slice, &old, word, memory_order_relaxed,
                                                    memory_order_relaxed));
}

void ring_sum(const struct ring *r, uint64_t now_ms, uint32_t *ret_a, uint32_t *ret_b)
{
    uint64_t number = slice_number(r, now_ms);
    uint32_t a = 0, b = 0;
    for (size_t i = 0; i < SLICES; i++) {
        uint64_t word = slot_get(&r->slices[i]);
        int32_t age = slice_age(number, word);
        if (age < SLICES && age >= -SLICES) {
            a += slice_a(word);
            b += slice_b(word);
        }
    }
    *ret_a = a;
    *ret_b = b;
}

void ring_now(const struct ring *r, uint64_t now_ms, uint32_t *ret_a, uint32_t *ret_b)
{
    uint64_t number = slice_number(r, now_ms);
    uint64_t word = slot_get(&r->slices[number % SLICES]);
    int32_t age = slice_age(number, word);
    bool current = age <= 0 && age >= -MAX_BEHIND;
    *ret_a = current ? slice_a(word) : 0;
    *ret_b = current ? slice_b(word) : 0;
}

static void ring_empty(struct ring *r)
{
    for (size_t i = 0; i < SLICES; i++) {
        slot_set(&r->slices[i], 0);
    }
}

void ring_reset(struct ring *r, uint64_t window_ms)
{
    slot_set(&r->window_ms, window_ms);
    ring_empty(r);
}

/* The one of that length, else the one that is nearest by ratio: never NULL, as the minute's is
 * always there. */
static struct ring *ring_nearest(struct target_state *s, uint64_t window_ms)
{
    struct ring *best = NULL;
    uint64_t best_ratio = 0;
    for (size_t i = RING_MINUTE; i < RINGS; i++) {
        uint64_t length = slot_get(&s->rings[i].window_ms);
        if (length == 0) {
            continue;
        }
        uint64_t large = length > window_ms ? length : window_ms;
        uint64_t small = length > window_ms ? window_ms : length;
        uint64_t ratio = (large > UINT64_MAX / 1024 ? UINT64_MAX : large * 1024) / (small | 1);
        if (length == window_ms) {
            return &s->rings[i];
        }
        if (!best || ratio < best_ratio) {
            best = &s->rings[i];
            best_ratio = ratio;
        }
    }
    return best ? best : &s->rings[RING_MINUTE];
}

struct ring *window_ring(struct target_state *s, uint64_t window_ms)
{
    for (size_t i = RING_MINUTE; i < RINGS; i++) {
        uint64_t length = slot_get(&s->rings[i].window_ms);
        if (length == 0 &&
            atomic_compare_exchange_strong_explicit(&s->rings[i].window_ms, &length, window_ms,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            return &s->rings[i];
        }
        if (length == window_ms) { /* as it was, or as another worker has just made it */
            return &s->rings[i];
        }
    }
    return ring_nearest(s, window_ms);
}

void window_count(struct target_state *s, uint64_t now_ms, bool failed, bool breaker_failed)
{
    ring_add(&s->rings[RING_DISPLAY], now_ms, 1, failed);
    for (size_t i = RING_MINUTE; i < RINGS; i++) {
        if (slot_get(&s->rings[i].window_ms) > 0) {
            ring_add(&s->rings[i], now_ms, 1, breaker_failed);
        }
    }
}

void window_empty(struct target_state *s)
{
    for (size_t i = RING_MINUTE; i < RINGS; i++) {
        ring_empty(&s->rings[i]);
    }
}

void target_window(const struct target_state *s, uint64_t window_ms, uint64_t now_ms,
                   uint32_t *ret_requests, uint32_t *ret_failures)
{
    /* nothing is taken for a mere look */
    const struct ring *r = ring_nearest((struct target_state *)s, window_ms);
    ring_sum(r, now_ms, ret_requests, ret_failures);
}
