/* What is known of each target (provider, model and credential) over all requests of the process:
 * circuit breaker, time to first token, requests in flight, cooldowns, the provider's own limits as
 * its headers tell them, and the budget for retries. One table, made at start, shared by all
 * workers: padded slots of atomics, no lock, no allocation after that. Time is given by the caller
 * (milliseconds, mono), so tests turn the clock.
 *
 * A slot is found by a 64-bit hash of whom it is about; the table never forgets a slot that was
 * used in the last hour; when it is full the slot longest unused is taken over (and all that was
 * known of that target with it), of those first that never answered well, one with requests in
 * flight only where every slot has some. A pointer to a slot stays valid as long as the table.
 *
 * Workers may tell the time of their loops, which differ by some milliseconds: a time that goes
 * back a little is taken as it is, and never undoes what a later one has done. */
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

/* How the breaker goes. CLOSED opens on a failure (one of its statuses, or no answer at all) when
 * the window has `threshold` failures, or `percent` of at least minimum_requests. It stays OPEN for
 * cooldown_ms, or for the provider's cooldown when that is longer (of which ten minutes count).
 * Then HALF_OPEN: one probe at a time; `probes` successes in a row close it, with an empty window;
 * a failure opens it for twice the last cooldown, at most eight times the config's and, unless the
 * config's own is longer, ten minutes. A probe that does not report within 60 s is given up. What
 * ends while it is OPEN without being a probe moves nothing. A breaker that is NULL has the
 * defaults.
 *
 * Apart from the breaker, and where that is off as well, a target cools down: a 401, 402, 403 or
 * 429, or a 503 or 529 ("overloaded"), that comes with a cooldown_ms (the caller may put in its own
 * for a key that was refused) keeps target_admits false for so long, at most ten minutes. */

/* May a request be sent? CLOSED: yes. OPEN: no, until its cooldown is over; then HALF_OPEN, where
 * one probe at a time may pass: *ret_probe, and the caller owes target_finished for it, or
 * target_probe_dropped. */
bool target_admits(struct target_state *s, const struct route_breaker *b, uint64_t now_ms,
                   bool *ret_probe);
/* The probe that target_admits gave was not sent (never target_started): another may go. */
void target_probe_dropped(struct target_state *s);
/* Without taking the probe: for choosing among several, and for display. */
enum breaker_state target_breaker(const struct target_state *s, uint64_t now_ms);
/* Mono ms at which OPEN or a cooldown ends, whichever is later; it may lie in the past. 0: none. */
uint64_t target_reopens_ms(const struct target_state *s);

/* An attempt begins; counts as in flight until target_finished, which every target_started is
 * followed by once. */
void target_started(struct target_state *s, uint64_t now_ms);
void target_finished(struct target_state *s, const struct route_breaker *b,
                     const struct target_outcome *o, bool probe);

/* Counts of failures and requests in the breaker's rolling window (10 slices of window_ms). A slot
 * keeps the windows of 60 s and of three other lengths, those first used; a further length is
 * answered by the nearest. */
void target_window(const struct target_state *s, uint64_t window_ms, uint64_t now_ms,
                   uint32_t *ret_requests, uint32_t *ret_failures);

/* An active health check's verdict: failures_needed in a row open the breaker as failures of
 * requests do, further ones keep it open; a success closes it. */
void target_checked(struct target_state *s, bool healthy, unsigned failures_needed,
                    uint64_t cooldown_ms, uint64_t now_ms);

/* The same for every target of the provider that has been called. */
void target_table_checked(struct target_table *t, const struct uuid *provider_id, bool healthy,
                          unsigned failures_needed, uint64_t cooldown_ms, uint64_t now_ms);

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
 * x-ms-retry-after-ms, retry-after as an HTTP date. Where several tell of the same (a minute's and
 * a day's tokens), the one with the least left is told; output tokens only once there are none
 * left. Numbers too large are cut to INT64_MAX, times to 366 days; what does not read as expected
 * is passed over. */
struct limit_news {
    bool has_requests, has_tokens;
    uint64_t requests_left, tokens_left;
    uint64_t requests_reset_ms, tokens_reset_ms; /* from now; 0: not told */
    bool has_retry_after;
    uint64_t retry_after_ms;
};
struct header; /* dataplane/net/exchange.h */
/* wall_s: Unix time, for dates. False: nothing of the kind was there. */
bool limit_news_read(const struct header *headers, size_t n, int64_t wall_s,
                     struct limit_news *ret);
/* Numbers hold until their reset, but are believed for ten minutes at most (then a request may find
 * out), and for ten seconds where no reset was told. */
void target_learn(struct target_state *s, const struct limit_news *news, uint64_t now_ms);
/* By what it last said, and what was sent since, a request of so many tokens would get a 429 now:
 * no request or token is left, fewer tokens than that, or its Retry-After is not over. */
bool target_saturated(const struct target_state *s, uint64_t tokens, uint64_t now_ms);
/* Notes what is being sent, against the numbers that the provider last told. */
void target_spend(struct target_state *s, uint64_t tokens);

/* ---- retry budget ---- */

/* Takes one retry from the target's budget: retries of its last ten seconds must stay below percent
 * of its requests (target_started) in them, or those of this second below minimum. False: no retry
 * now. */
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
/* Every slot once, in no order, until fn says false. */
void target_table_each(const struct target_table *t, uint64_t now_ms,
                       bool (*fn)(void *arg, const struct target_view *v), void *arg);

#endif
