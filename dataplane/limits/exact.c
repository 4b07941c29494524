/* Asks as words for the scripts, and holds: what a request took and has not settled. See exact.h.
 */
#include "dataplane/limits/exact.h"

#include <stdio.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/limits/exact_script.h"
#include "dataplane/net/loop.h"

#define KEY_PREFIX "weir:limit:"
#define KEY_LEN (sizeof(KEY_PREFIX) - 1 + 32)
#define NUMBER_LEN 24
#define NAME_LEN (32 + 1 + 20)
#define NUMBER_MAX 9000000000000000ull /* scripts count in doubles */
#define SLOT_MS 30000u
#define RENEW_BATCH 100u
#define WORDS_MAX 256 /* of the longest: EXACT_HEAD + EXACT_ASKS_MAX * EXACT_ARGS */

struct exact {
    struct exact_config config;
    struct loop *loop;
    struct loop_timer *renew;
    struct list asked; /* holds whose answer has not come */
    struct list held;  /* holds that were taken; those with slots are renewed */
    uint64_t count;
    char who[33]; /* of this worker, random: names of its requests begin so */
};

/* One limit of a hold: all that settling needs. */
struct kept {
    char key[KEY_LEN + 1];
    char kind; /* one of EXACT_FIXED … */
    uint64_t amount, window_ms, burst, taken;
    int64_t mark;
};

struct exact_hold {
    struct list node;
    struct exact *exact;
    void (*fn)(void *arg, enum exact_answer answer, const struct exact_view *views);
    void *arg;
    bool look, slots;
    char name[NAME_LEN + 1];
    size_t n;
    struct kept kept[];
};

/* Words of a script's call, each in a place of its own. */
struct words {
    struct str list[WORDS_MAX];
    char text[WORDS_MAX][NUMBER_LEN];
    size_t n;
};

static void word_add(struct words *w, struct str s)
{
    w->list[w->n++] = s;
}

static void word_u64(struct words *w, uint64_t v)
{
    v = v < NUMBER_MAX ? v : NUMBER_MAX;
    int len = snprintf(w->text[w->n], NUMBER_LEN, "%llu", (unsigned long long)v);
    word_add(w, (struct str){w->text[w->n], (size_t)len});
}

static void word_i64(struct words *w, int64_t v)
{
    int len = snprintf(w->text[w->n], NUMBER_LEN, "%lld", (long long)v);
    word_add(w, (struct str){w->text[w->n], (size_t)len});
}

static void word_now(struct words *w, const struct exact *e)
{
    word_i64(w, e->config.now_ms ? e->config.now_ms(e->config.arg) : 0);
}

/* ---- a limit ---- */

bool exact_can(const struct quota_rule *rule)
{
    return rule->limit && (rule->metric == METRIC_CONCURRENCY ||
                           ((rule->metric == METRIC_REQUESTS || rule->metric == METRIC_TOKENS) &&
                            rule->window >= WINDOW_SECOND && rule->window <= WINDOW_DAY));
}

static char kind_of(const struct quota_rule *r)
{
    if (r->metric == METRIC_CONCURRENCY) {
        return EXACT_SLOTS[0];
    }
    return r->algorithm == ALGORITHM_BUCKET    ? EXACT_BUCKET[0]
           : r->algorithm == ALGORITHM_SLIDING ? EXACT_SLIDING[0]
                                               : EXACT_FIXED[0];
}

/* Kind, window and metric are part of the key: a limit that becomes another sort begins anew,
 * instead of finding what it cannot read. */
static void kept_fill(struct kept *k, const struct exact_ask *a, bool look)
{
    uint8_t hash[CRYPTO_SHA256_LEN], head[19];
    uint8_t bytes[sizeof(head) + CRYPTO_SHA256_LEN];
    k->kind = kind_of(a->rule);
    k->amount = a->rule->amount;
    k->window_ms = k->kind == EXACT_SLOTS[0] ? 0 : quota_window_ms(a->rule->window);
    k->burst = a->rule->burst ? a->rule->burst : a->rule->amount;
    k->taken = look ? 0 : a->amount < NUMBER_MAX ? a->amount : NUMBER_MAX;
    memcpy(head, a->quota.b, 16);
    head[16] = (uint8_t)k->kind;
    head[17] = (uint8_t)(k->window_ms ? a->rule->window : 0);
    head[18] = (uint8_t)a->rule->metric;
    crypto_sha256(a->bucket.ptr ? a->bucket.ptr : "", a->bucket.len, hash);
    memcpy(bytes, head, sizeof(head));
    memcpy(bytes + sizeof(head), hash, sizeof(hash));
    crypto_sha256(bytes, sizeof(bytes), hash);
    memcpy(k->key, KEY_PREFIX, sizeof(KEY_PREFIX) - 1);
    crypto_hex(hash, 16, k->key + sizeof(KEY_PREFIX) - 1);
}

/* Of a sliding window's slots: a log to the millisecond while that is short. */
static uint64_t slot_width(const struct kept *k)
{
    return k->amount <= EXACT_LOG_MAX ? 1 : (k->window_ms + 9999) / 10000;
}

static unsigned slot_life(const struct exact *e)
{
    return e->config.slot_ms ? e->config.slot_ms : SLOT_MS;
}

/* ---- settling ---- */

static void hold_free(struct exact_hold *h)
{
    list_remove(&h->node);
    mem_free(h);
}

static void settle(const struct exact_hold *h, const uint64_t *used)
{
    const struct exact *e = h->exact;
    struct words w;
    struct str keys[EXACT_ASKS_MAX];
    size_t n = 0;
    w.n = 0;
    word_add(&w, str_of(h->name));
    for (size_t i = 0; i < h->n; i++) {
        const struct kept *k = &h->kept[i];
        bool slot = k->kind == EXACT_SLOTS[0];
        uint64_t spent = used ? used[i] < NUMBER_MAX ? used[i] : NUMBER_MAX : k->taken;
        if (!slot && spent == k->taken) {
            continue;
        }
        keys[n++] = (struct str){k->key, KEY_LEN};
        word_add(&w, (struct str){&k->kind, 1});
        word_i64(&w, (int64_t)spent - (int64_t)k->taken);
        word_i64(&w, k->mark);
        word_u64(&w, k->window_ms);
        word_u64(&w, k->burst);
    }
    if (n) {
        (void)e->config.redis.eval(e->config.redis.arg, exact_script_settle, keys, n, w.list, w.n,
                                   NULL, NULL);
    }
}

void exact_settle(struct exact_hold *h, const uint64_t *used)
{
    if (h) {
        settle(h, used);
        hold_free(h);
    }
}

/* ---- taking ---- */

/* Nobody waits for it any more: what it took goes back. */
static void give_back(struct exact_hold *h, bool taken)
{
    static const uint64_t nothing[EXACT_ASKS_MAX];
    if (taken || (!h->look && h->slots)) { /* a slot by its name, whether or not it was got */
        if (!taken) {
            for (size_t i = 0; i < h->n; i++) {
                h->kept[i].taken = 0;
            }
        }
        settle(h, nothing);
    }
}

static void on_taken(void *arg, const int64_t *values, size_t n)
{
    struct exact_hold *h = arg;
    struct exact_view views[EXACT_ASKS_MAX];
    void (*fn)(void *arg, enum exact_answer answer, const struct exact_view *views) = h->fn;
    void *fn_arg = h->arg;
    bool known = values && n == h->n * EXACT_ANSWERS, taken = known;
    for (size_t i = 0; known && i < h->n; i++) {
        const int64_t *v = values + i * EXACT_ANSWERS;
        views[i] = (struct exact_view){.refused = !v[0],
                                       .remaining = v[1] > 0 ? (uint64_t)v[1] : 0,
                                       .resets_in_ms = v[2],
                                       .retry_in_ms = v[3]};
        h->kept[i].mark = v[4];
        taken = taken && v[0];
    }
    list_remove(&h->node);
    if (taken && !h->look && fn) {
        list_push_back(&h->exact->held, &h->node);
    } else {
        if (!known || !fn) {
            give_back(h, taken && !h->look);
        }
        mem_free(h);
    }
    if (fn) {
        fn(fn_arg,
           !known  ? EXACT_UNREACHABLE
           : taken ? EXACT_TAKEN
                   : EXACT_REFUSED,
           known ? views : NULL);
    }
}

static bool ask(struct exact_hold *h)
{
    const struct exact *e = h->exact;
    struct words w;
    struct str keys[EXACT_ASKS_MAX];
    w.n = 0;
    word_now(&w, e);
    word_add(&w, h->look ? STR_LIT("0") : STR_LIT("1"));
    word_add(&w, str_of(h->name));
    for (size_t i = 0; i < h->n; i++) {
        const struct kept *k = &h->kept[i];
        keys[i] = (struct str){k->key, KEY_LEN};
        word_add(&w, (struct str){&k->kind, 1});
        word_u64(&w, k->amount);
        word_u64(&w, k->window_ms);
        word_u64(&w, k->burst);
        word_u64(&w, k->taken);
        word_u64(&w, k->kind == EXACT_SLOTS[0] ? slot_life(e) : slot_width(k));
    }
    return e->config.redis.eval(e->config.redis.arg, exact_script_take, keys, h->n, w.list, w.n,
                                on_taken, h) != NULL;
}

static struct exact_hold *
begin(struct exact *e, const struct exact_ask *asks, size_t n, bool look,
      void (*fn)(void *arg, enum exact_answer answer, const struct exact_view *views), void *arg)
{
    if (n == 0 || n > EXACT_ASKS_MAX) {
        return NULL;
    }
    struct exact_hold *h = mem_alloc(sizeof(*h) + n * sizeof(h->kept[0]));
    h->exact = e;
    h->fn = fn;
    h->arg = arg;
    h->look = look;
    h->n = n;
    (void)snprintf(h->name, sizeof(h->name), "%s-%llu", e->who, (unsigned long long)++e->count);
    for (size_t i = 0; i < n; i++) {
        kept_fill(&h->kept[i], &asks[i], look);
        h->slots = h->slots || h->kept[i].kind == EXACT_SLOTS[0];
    }
    list_push_back(&e->asked, &h->node);
    if (!ask(h)) {
        hold_free(h);
        return NULL;
    }
    return h;
}

struct exact_hold *exact_take(struct exact *e, const struct exact_ask *asks, size_t n,
                              void (*fn)(void *arg, enum exact_answer answer,
                                         const struct exact_view *views),
                              void *arg)
{
    return begin(e, asks, n, false, fn, arg);
}

struct exact_hold *exact_look(struct exact *e, const struct exact_ask *asks, size_t n,
                              void (*fn)(void *arg, enum exact_answer answer,
                                         const struct exact_view *views),
                              void *arg)
{
    return begin(e, asks, n, true, fn, arg);
}

void exact_cancel(struct exact_hold *h)
{
    h->fn = NULL; /* the answer is waited for, so that what was taken is known */
}

/* ---- slots ---- */

static void renew(const struct exact *e, const struct str *keys, struct words *w)
{
    size_t n = w->n - 2;
    if (n) {
        (void)e->config.redis.eval(e->config.redis.arg, exact_script_renew, keys, n, w->list, w->n,
                                   NULL, NULL);
    }
    w->n = 2;
}

static void on_renew(void *arg)
{
    struct exact *e = arg;
    struct words w;
    struct str keys[RENEW_BATCH];
    w.n = 0;
    word_now(&w, e);
    word_u64(&w, slot_life(e));
    for (struct list *at = e->held.next; at != &e->held; at = at->next) {
        const struct exact_hold *h = LIST_ENTRY(at, struct exact_hold, node);
        for (size_t i = 0; h->slots && i < h->n; i++) {
            if (h->kept[i].kind == EXACT_SLOTS[0]) {
                keys[w.n - 2] = (struct str){h->kept[i].key, KEY_LEN};
                word_add(&w, str_of(h->name));
            }
            if (w.n - 2 == RENEW_BATCH) {
                renew(e, keys, &w);
            }
        }
    }
    renew(e, keys, &w);
    loop_timer_set(e->renew, slot_life(e) / 3);
}

/* ---- life ---- */

struct exact *exact_new(struct loop *l, const struct exact_config *c)
{
    struct exact *e = mem_alloc(sizeof(*e));
    uint8_t who[16];
    e->config = *c;
    e->loop = l;
    list_init(&e->asked);
    list_init(&e->held);
    crypto_random(who, sizeof(who));
    crypto_hex(who, sizeof(who), e->who);
    e->renew = loop_timer_new(l, on_renew, e);
    loop_timer_set(e->renew, slot_life(e) / 3);
    return e;
}

static void holds_free(struct list *holds)
{
    struct list *n;
    while ((n = list_pop_front(holds))) {
        mem_free(LIST_ENTRY(n, struct exact_hold, node));
    }
}

void exact_free(struct exact *e)
{
    if (!e) {
        return;
    }
    holds_free(&e->asked);
    holds_free(&e->held);
    loop_timer_free(e->renew);
    mem_free(e);
}
