/* Time to first token: a moving average for choosing, a histogram for the p95 that hedging waits
 * for. Integer arithmetic throughout. */
#include "dataplane/routing/target_state_inside.h"

#define SAMPLE_MAX_US (UINT64_C(1) << 40)
#define FORGET_MS 600000u
#define FIRST_OCTAVE 10 /* buckets begin at 2^10 us and end at 2^26 us, 67 s */
#define PER_OCTAVE 4    /* each 2^(1/4) wide */
#define DECAY_AT 512    /* samples; then every count is halved */
#define P95_MIN_SAMPLES 20

/* 2^(k/4) in 1/65536 */
static const uint32_t quarter[PER_OCTAVE + 1] = {65536, 77936, 92682, 110218, 131072};

/* Where the bucket ends; the next one begins there. */
static uint64_t bucket_end(unsigned bucket)
{
    return (UINT64_C(1) << (FIRST_OCTAVE + bucket / PER_OCTAVE)) *
               quarter[bucket % PER_OCTAVE + 1] >>
           16;
}

static unsigned bucket_of(uint64_t us)
{
    if (us < UINT64_C(1) << FIRST_OCTAVE) {
        return 0;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(us) - FIRST_OCTAVE;
    unsigned bucket = octave * PER_OCTAVE;
    while (bucket < BUCKETS && us >= bucket_end(bucket)) {
        bucket++;
    }
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* Only who brings the number of samples down halves the counts. */
static void histogram_add(struct target_state *s, uint64_t us)
{
    (void)atomic_fetch_add_explicit(&s->buckets[bucket_of(us)], 1, memory_order_relaxed);
    uint32_t n = atomic_fetch_add_explicit(&s->n_samples, 1, memory_order_relaxed) + 1;
    if (n < DECAY_AT || !atomic_compare_exchange_strong_explicit(
                            &s->n_samples, &n, n / 2, memory_order_relaxed, memory_order_relaxed)) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        uint32_t count = atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&s->buckets[i], &count, count / 2,
                                                      memory_order_relaxed, memory_order_relaxed)) {
        }
    }
}

static bool sample_is_old(uint64_t sampled_ms, uint64_t now_ms)
{
    return now_ms > sampled_ms && now_ms - sampled_ms > FORGET_MS;
}

void latency_sample(struct target_state *s, uint64_t us, uint64_t now_ms)
{
    us = us < SAMPLE_MAX_US ? us : SAMPLE_MAX_US;
    bool anew = sample_is_old(slot_get(&s->sampled_ms), now_ms);
    uint64_t old = slot_get(&s->ewma_us);
    uint64_t next;
    do {
        next = old == 0 || anew ? us : (old * 7 + us * 3 + 5) / 10;
    } while (!atomic_compare_exchange_weak_explicit(&s->ewma_us, &old, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    slot_raise(&s->sampled_ms, now_ms);
    histogram_add(s, us);
}

void latency_reset(struct target_state *s)
{
    slot_set(&s->ewma_us, 0);
    slot_set(&s->sampled_ms, 0);
    atomic_store_explicit(&s->n_samples, 0, memory_order_relaxed);
    for (size_t i = 0; i < BUCKETS; i++) {
        atomic_store_explicit(&s->buckets[i], 0, memory_order_relaxed);
    }
}

uint64_t target_latency_us(const struct target_state *s, uint64_t now_ms)
{
    return sample_is_old(slot_get(&s->sampled_ms), now_ms) ? 0 : slot_get(&s->ewma_us);
}

uint64_t target_p95_us(const struct target_state *s)
{
    uint32_t counts[BUCKETS];
    uint64_t total = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        counts[i] = atomic_load_explicit((_Atomic uint32_t *)&s->buckets[i], memory_order_relaxed);
        total += counts[i];
    }
    if (total < P95_MIN_SAMPLES) {
        return 0;
    }
    uint64_t needed = (total * 95 + 99) / 100;
    uint64_t seen = 0;
    unsigned bucket = 0;
    while (bucket < BUCKETS - 1 && (seen += counts[bucket]) < needed) {
        bucket++;
    }
    return bucket_end(bucket);
}
