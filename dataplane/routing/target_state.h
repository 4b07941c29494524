/* What is known of each target (provider, model and credential) over all requests of the process:
 * circuit breaker, time to first token, requests in flight, cooldowns, the provider's own limits as
 * its headers tell them, and the budget for retries. One table, made at start, shared by all
 * workers: padded slots of atomics, no lock, no allocation after that. Time is given by the caller
 * (milliseconds, mono), so tests turn the clock.
 *
 * A slot is found by a 64-bit hash of whom it is about; the table never forgets a slot that was
 * used in the last hour; when it is full the slot longest unused is taken over (and all that was
 * known of that target with it). */
#ifndef DATAPLANE_ROUTING_TARGET_STATE_H
#define DATAPLANE_ROUTING_TARGET_STATE_H

#include "common/base/str.h"
#include "common/base/uuid.h"
#include "common/rules/route_config.h"

struct target_table;
struct target_state;

struct target_table *target_table_new(size_t slots); /* rounded up to a power of two; 0: 4096 */
void target_table_free(struct target_table *t);      /* accepts NULL */

/* Whom a slot is about, kept in it for display. credential: number of the key among the provider's
 * (0 where it has one); model "": the provider as a whole (its credential). Never NULL. */
struct target_state *target_state_of(struct target_table *t, const struct uuid *provider_id,
                                     struct str provider_name, struct str model,
                                     unsigned credential, uint64_t now_ms);

/* ---- breaker ---- */

enum breaker_state { BREAKER_CLOSED = 0, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATE_COUNT };
const char *breaker_state_name(enum breaker_state s); /* "half_open" */

/* How one attempt ended, for breaker, latency and budget. */
struct target_outcome {
    bool success;
    bool counts; /* false: says nothing of the target (client gone, our own fault, a 400) */
    int status;  /* 0: no answer */
    uint64_t first_token_us; /* 0: not measured */
    uint64_t cooldown_ms;    /* the provider said so long (Retry-After, reset); 0: it did not */
    uint64_t now_ms;
};

/* May a request be sent? CLOSED: yes. OPEN: no, until its cooldown is over; then HALF_OPEN, where
 * one probe at a time may pass: *ret_probe, and the caller owes target_finished for it. */
bool target_admits(struct target_state *s, const struct route_breaker *b, uint64_t now_ms,
                   bool *ret_probe);
/* Without taking the probe: for choosing among several, and for display. */
enum breaker_state target_breaker(const struct target_state *s, uint64_t now_ms);
uint64_t target_reopens_ms(
    const struct target_state *s); /* mono ms at which OPEN or a cooldown ends; 0: none */

/* An attempt begins; counts as in flight until target_finished, which every target_started is
 * followed by once. */
void target_started(struct target_state *s, uint64_t now_ms);
void target_finished(struct target_state *s, const struct route_breaker *b,
                     const struct target_outcome *o, bool probe);

/* Counts of failures and requests in the breaker's rolling window (10 slices of window_ms). */
void target_window(const struct target_state *s, uint64_t window_ms, uint64_t now_ms,
                   uint32_t *ret_requests, uint32_t *ret_failures);

/* An active health check's verdict: `failures` in a row open the breaker as failures of requests
 * do, a success closes it. */
void target_checked(struct target_state *s, bool healthy, unsigned failures_needed,
                    uint64_t cooldown_ms, uint64_t now_ms);

/* ---- what choices look at ---- */

/* EWMA (alpha 0.3) of time to first token, in us; 0: no sample in the last ten minutes. */
uint64_t target_latency_us(const struct target_state *s, uint64_t now_ms);
/* p95 of the last some hundred samples (a decaying histogram of 64 logarithmic buckets, each at
 * most 19 % wide); 0: fewer than 20. */
uint64_t target_p95_us(const struct target_state *s);
uint32_t target_in_flight(const struct target_state *s);

/* ---- the provider's own limits ---- */

/* From an answer's header fields, whichever family they are of:
 * x-ratelimit-{limit,remaining,reset}-{requests,tokens} (reset as "1s", "6m0s", "120ms", seconds,
 * or RFC 3339), anthropic-ratelimit-{requests,tokens,input-tokens,
 * output-tokens}-{limit,remaining,reset}, ratelimit-* of the IETF draft, and retry-after(-ms),
 * x-ms-retry-after-ms, retry-after as an HTTP date. */
struct limit_news {
    bool has_requests, has_tokens;
    uint64_t requests_left, tokens_left;
    uint64_t requests_reset_ms, tokens_reset_ms; /* from now */
    bool has_retry_after;
    uint64_t retry_after_ms;
};
struct header; /* dataplane/net/exchange.h */
/* wall_s: Unix time, for dates. False: nothing of the kind was there. */
bool limit_news_read(const struct header *headers, size_t n, int64_t wall_s,
                     struct limit_news *ret);
void target_learn(struct target_state *s, const struct limit_news *news, uint64_t now_ms);
/* By what it last said, and what was sent since, a request of so many tokens would get a 429 now.
 */
bool target_saturated(const struct target_state *s, uint64_t tokens, uint64_t now_ms);
/* Notes what is being sent, against the numbers that the provider last told. */
void target_spend(struct target_state *s, uint64_t tokens);

/* ---- retry budget ---- */

/* Takes one retry from the target's budget: retries of its last ten seconds must stay below percent
 * of its requests in them, or below minimum per second. False: no retry now. */
bool target_may_retry(struct target_state *s, unsigned percent, unsigned minimum, uint64_t now_ms);

/* ---- display ---- */

struct target_view {
    struct uuid provider_id;
    char provider[64], model[128];
    unsigned credential;
    enum breaker_state breaker;
    uint64_t reopens_in_ms, latency_us, p95_us, last_used_ms_ago;
    uint32_t in_flight, requests, failures; /* of the last minute */
    uint64_t total_requests, total_failures, total_retries_refused;
    bool limits_known;
    uint64_t requests_left, tokens_left, limits_reset_in_ms; /* UINT64_MAX: not told */
};
void target_table_each(const struct target_table *t, uint64_t now_ms,
                       bool (*fn)(void *arg, const struct target_view *v), void *arg);

#endif
