/* What an account grants: see quota.h. Whatever the algorithm, an account comes down to what could
 * be had now (free) and what could be had if everything held came back (could); the rest is the
 * same for all. */
#include "common/rules/quota.h"

#define SLICES 8 /* a lease is at most this part of a plane's share of what is free */
#define MILLI 1000u

__extension__ typedef unsigned __int128 wide;

static uint64_t add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* a * b / c, rounded up or down. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c, bool up)
{
    wide v = ((wide)a * b + (up ? c - 1 : 0)) / c;
    return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* ---- token buckets ---- */

static uint64_t bucket_size(const struct quota_rule *r)
{
    return r->burst != 0 ? r->burst : r->amount;
}

uint64_t quota_window_ms(enum quota_window w)
{
    switch (w) {
    case WINDOW_SECOND:
        return 1000;
    case WINDOW_MINUTE:
        return 60000;
    case WINDOW_HOUR:
        return 3600000;
    case WINDOW_DAY:
        return 86400000;
    case WINDOW_WEEK:
        return 604800000;
    default:
        return 2592000000;
    }
}

/* A bucket is refilled by whole drops at whole milliseconds: the largest common measure of both,
 * so that nothing is lost to rounding however often it is looked at. */
struct drop {
    uint64_t milli; /* 0: it is never refilled */
    uint64_t every_ms;
};

static struct drop drop_of(const struct quota_rule *r)
{
    /* beyond what a thousandth can count, nobody sees the difference */
    uint64_t milli = least(r->amount, UINT64_MAX / MILLI) * MILLI, ms = quota_window_ms(r->window);
    uint64_t measure = common_divisor(milli, ms);
    return (struct drop){milli / measure, ms / measure};
}

/* The most that may stand in it: what is held is out of it, and has its place kept. */
static uint64_t bucket_top(const struct quota_rule *r, uint64_t held)
{
    uint64_t size = minus(bucket_size(r), held);
    return size > UINT64_MAX / MILLI ? UINT64_MAX : size * MILLI;
}

static void refill(const struct quota_rule *r, struct quota_state *s, int64_t now_ms)
{
    uint64_t top = bucket_top(r, s->held);
    struct drop d = drop_of(r);
    if (s->level_ms == 0) {
        s->level_milli = top;
        s->level_ms = now_ms;
        return;
    }
    if (now_ms > s->level_ms) {
        uint64_t drops = (uint64_t)(now_ms - s->level_ms) / d.every_ms;
        wide level = (wide)drops * d.milli + s->level_milli;
        s->level_ms += (int64_t)(drops * d.every_ms);
        s->level_milli = level > top ? top : (uint64_t)level;
    }
    if (s->level_milli >= top) {
        s->level_milli = top;
        s->level_ms = now_ms > s->level_ms ? now_ms : s->level_ms;
    }
}

/* When the bucket holds so much. */
static int64_t refilled_ms(const struct quota_rule *r, const struct quota_state *s, uint64_t milli)
{
    struct drop d = drop_of(r);
    if (milli <= s->level_milli) {
        return s->level_ms;
    }
    if (d.milli == 0) {
        return 0;
    }
    uint64_t drops = scale(milli - s->level_milli, 1, d.milli, true);
    wide at = (wide)drops * d.every_ms + (uint64_t)s->level_ms;
    return at > INT64_MAX ? 0 : (int64_t)at;
}

void quota_give_back(const struct quota_rule *r, struct quota_state *s, uint64_t amount)
{
    uint64_t back = least(amount, s->held);
    s->held -= back;
    if (r->limit && r->algorithm == ALGORITHM_BUCKET && s->level_ms != 0) {
        wide level = (wide)back * MILLI + s->level_milli;
        uint64_t top = bucket_top(r, s->held);
        s->level_milli = level > top ? top : (uint64_t)level;
    }
}

void quota_spend(const struct quota_rule *r, struct quota_state *s, uint64_t amount)
{
    uint64_t held = least(amount, s->held), above = amount - held;
    s->held -= held;
    s->settled = add(s->settled, amount);
    if (r->limit && r->algorithm == ALGORITHM_BUCKET) {
        s->level_milli = above > UINT64_MAX / MILLI ? 0 : minus(s->level_milli, above * MILLI);
    }
}

/* ---- windows ---- */

struct room {
    uint64_t amount, used, free, could;
};

/* The part of the former window that still lies in the one that slides. */
static uint64_t sliding_part(const struct quota_state *s, const struct quota_span *span,
                             int64_t now_ms)
{
    int64_t start = span->start_s * 1000, end = span->end_s * 1000;
    int64_t at = now_ms < start ? start : now_ms > end ? end : now_ms;
    return scale(s->before, (uint64_t)(end - at), (uint64_t)(end - start), true);
}

static bool slides(const struct quota_rule *r, const struct quota_span *span)
{
    return r->limit && r->algorithm == ALGORITHM_SLIDING && span->end_s != INT64_MAX;
}

static struct room room_of(const struct quota_rule *r, const struct quota_state *s,
                           const struct quota_span *span, int64_t now_ms)
{
    struct room x;
    if (r->limit && r->algorithm == ALGORITHM_BUCKET) {
        x.amount = bucket_size(r);
        x.free = s->level_milli / MILLI;
        x.could = least(add(x.free, s->held), x.amount);
        x.used = minus(x.amount, x.could);
        return x;
    }
    x.amount = quota_amount_at(r, now_ms);
    x.used = s->settled;
    if (slides(r, span)) {
        x.used = add(x.used, sliding_part(s, span, now_ms));
    }
    x.could = minus(x.amount, x.used);
    x.free = minus(x.could, s->held);
    return x;
}

/* When `need` fits again into a window that slides, if nothing more is spent. */
static int64_t slid_ms(const struct quota_rule *r, const struct quota_state *s,
                       const struct quota_span *span, uint64_t need)
{
    uint64_t len = (uint64_t)(span->end_s - span->start_s) * 1000;
    int64_t end = span->end_s * 1000;
    uint64_t amount = r->amount, spent = add(s->settled, need);
    if (spent <= amount && s->before > 0) {
        uint64_t left = scale(amount - spent, len, s->before, false);
        return end - (int64_t)least(left, len);
    }
    if (need <= amount && s->settled > 0) {
        uint64_t left = scale(amount - need, len, s->settled, false);
        return end + (int64_t)(len - least(left, len));
    }
    return end;
}

static int64_t reset_of(const struct quota_rule *r, const struct quota_state *s,
                        const struct quota_span *span, uint64_t need, bool fits)
{
    if (r->limit && r->algorithm == ALGORITHM_BUCKET) {
        /* what fits: when it is full again, but for what is held */
        uint64_t milli = fits ? bucket_top(r, s->held) : least(need, UINT64_MAX / MILLI) * MILLI;
        return need > bucket_size(r) ? 0 : refilled_ms(r, s, milli);
    }
    if (span->end_s >= INT64_MAX / 1000) {
        return 0;
    }
    return !fits && slides(r, span) ? slid_ms(r, s, span, need) : span->end_s * 1000;
}

void quota_decide(const struct quota_rule *r, const struct quota_state *s,
                  const struct quota_span *span, uint64_t need, uint64_t want, unsigned planes,
                  int64_t now_ms, struct quota_grant *ret)
{
    struct quota_grant g = {.verdict = QUOTA_GRANTED, .after = *s};
    bool bucket = r->limit && r->algorithm == ALGORITHM_BUCKET;
    if (bucket) {
        refill(r, &g.after, now_ms);
    }
    struct room room = room_of(r, &g.after, span, now_ms);
    want = want > need ? want : need;
    if (need > room.free) {
        g.verdict = need > room.could ? QUOTA_EXCEEDED : QUOTA_HELD;
    } else {
        uint64_t slice = room.free / SLICES / (planes > 0 ? planes : 1);
        g.granted = least(want, slice);
        g.granted = g.granted > need ? g.granted : need;
    }
    g.scarce = want > room.free;
    g.free = room.free - g.granted;
    g.after.held += g.granted;
    if (bucket) {
        g.after.level_milli -= g.granted * MILLI;
    }
    g.reset_ms = reset_of(r, &g.after, span, need, g.verdict == QUOTA_GRANTED);
    *ret = g;
}

void quota_stands(const struct quota_rule *r, const struct quota_state *s,
                  const struct quota_span *span, int64_t now_ms, uint64_t *ret_amount,
                  uint64_t *ret_used)
{
    struct quota_state now = *s;
    if (r->limit && r->algorithm == ALGORITHM_BUCKET) {
        refill(r, &now, now_ms);
    }
    struct room room = room_of(r, &now, span, now_ms);
    *ret_amount = room.amount;
    *ret_used = room.used;
}
