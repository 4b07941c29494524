/* The table: finding, taking and taking over slots. Keys stand apart from the slots, eight to a
 * cache line, so that probing and looking for the longest unused touch little memory.
 *
 * Open addressing, linear, over twice as many positions as slots may be in use. A position goes
 * EMPTY -> BUSY -> key -> GONE -> BUSY -> key …, and never back to EMPTY, so a key is always
 * reachable from its home past positions that are not EMPTY. While it is BUSY, which nobody else
 * looks into, the one who claimed it clears the slot and writes its names; the key then serves as
 * their sequence: who reads them between two readings of the same key has them whole. Two workers
 * may put in the same key at once, at different positions; each looks over the whole chain after
 * its own is readable, so at least one sees both, and the one nearer to home stays. */
#include "dataplane/routing/target_state_inside.h"

#include "common/base/map.h"
#include "common/base/mem.h"

#define DEFAULT_SLOTS 4096
#define MAX_SLOTS (UINT64_C(1) << 20)
#define MIN_POSITIONS 64
#define KEY_EMPTY 0
#define KEY_BUSY 1
#define KEY_GONE 2
#define KEY_FIRST 3
#define CLAIM_TRIES 64

struct target_table {
    size_t positions; /* a power of two */
    size_t limit;     /* slots in use at most, but for a few more while workers race */
    _Atomic uint64_t *keys;
    _Atomic uint64_t *used; /* when last asked for; by position */
    struct target_state *slots;
    void *memory; /* of slots, before it was aligned */
    _Atomic size_t live;
};

struct target_table *target_table_new(size_t slots)
{
    struct target_table *t = mem_alloc(sizeof(*t));
    size_t wanted = slots ? slots : DEFAULT_SLOTS;
    wanted = wanted < MAX_SLOTS ? wanted : MAX_SLOTS;
    t->limit = 1;
    while (t->limit < wanted) {
        t->limit *= 2;
    }
    t->positions = 2 * t->limit > MIN_POSITIONS ? 2 * t->limit : MIN_POSITIONS;
    t->keys = mem_alloc(t->positions * sizeof(*t->keys));
    t->used = mem_alloc(t->positions * sizeof(*t->used));
    /* zeroed pages that nobody touched cost nothing, so positions are no waste */
    t->memory = mem_alloc(t->positions * sizeof(*t->slots) + SLOT_ALIGN);
    uintptr_t at = ((uintptr_t)t->memory + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    t->slots = (struct target_state *)at;
    return t;
}

void target_table_free(struct target_table *t)
{
    if (!t) {
        return;
    }
    mem_free(t->memory);
    mem_free((void *)t->used);
    mem_free((void *)t->keys);
    mem_free(t);
}

/* ---- names ---- */

/* A release store, so that whoever reads the new word finds the key BUSY (or newer) afterwards. */
static void word_put(_Atomic uint64_t *w, uint64_t v)
{
    atomic_store_explicit(w, v, memory_order_release);
}

static uint64_t word_take(const _Atomic uint64_t *w)
{
    return atomic_load_explicit((_Atomic uint64_t *)w, memory_order_acquire);
}

/* Cut to the room there is, at a UTF-8 character's begin, and ended by NUL. */
static void text_put(_Atomic uint64_t *words, size_t n_words, struct str text)
{
    size_t room = n_words * sizeof(uint64_t) - 1;
    size_t len = text.len < room ? text.len : room;
    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    for (size_t i = 0; i < n_words; i++) {
        size_t from = i * sizeof(uint64_t);
        uint64_t word = 0;
        if (from < len) {
            size_t n = len - from < sizeof(word) ? len - from : sizeof(word);
            memcpy(&word, text.ptr + from, n);
        }
        word_put(&words[i], word);
    }
}

static void text_take(const _Atomic uint64_t *words, size_t n_words, char *ret)
{
    for (size_t i = 0; i < n_words; i++) {
        uint64_t word = word_take(&words[i]);
        memcpy(ret + i * sizeof(word), &word, sizeof(word));
    }
    ret[n_words * sizeof(uint64_t) - 1] = '\0';
}

static void id_put(_Atomic uint64_t words[2], const struct uuid *id)
{
    uint64_t w[2];
    memcpy(w, id->b, sizeof(w));
    word_put(&words[0], w[0]);
    word_put(&words[1], w[1]);
}

/* ---- keys ---- */

struct subject {
    const struct uuid *provider_id;
    struct str provider_name, model;
    unsigned credential;
    uint64_t key;
};

static uint64_t subject_key(const struct subject *x)
{
    struct {
        struct uuid provider;
        uint64_t credential, model;
    } whole = {*x->provider_id, x->credential,
               map_hash(x->model.len ? x->model.ptr : "", x->model.len)};
    uint64_t h = map_hash(&whole, sizeof(whole));
    return h < KEY_FIRST ? h + KEY_FIRST : h;
}

/* All are sequentially consistent: the argument about two workers with one key rests on it. */
static uint64_t key_at(const struct target_table *t, size_t at)
{
    return atomic_load(&t->keys[at]);
}

static bool key_swap(struct target_table *t, size_t at, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong(&t->keys[at], &from, to);
}

static size_t key_home(const struct target_table *t, uint64_t key)
{
    return (size_t)key & (t->positions - 1);
}

#define NOWHERE SIZE_MAX

/* The first position of the key, `skip` positions behind its home or later. */
static size_t key_find(const struct target_table *t, uint64_t key, size_t skip)
{
    size_t home = key_home(t, key);
    for (size_t i = skip; i < t->positions; i++) {
        size_t at = (home + i) & (t->positions - 1);
        uint64_t k = key_at(t, at);
        if (k == key) {
            return at;
        }
        if (k == KEY_EMPTY) {
            return NOWHERE;
        }
    }
    return NOWHERE;
}

static void key_drop(struct target_table *t, size_t at, uint64_t key)
{
    if (key_swap(t, at, key, KEY_GONE)) {
        (void)atomic_fetch_sub(&t->live, 1);
    }
}

/* ---- taking a slot ---- */

/* Nothing was learned of it that the next request would not find out: it never answered well, and
 * its breaker is as it began. */
static bool is_blank(const struct target_state *s)
{
    return atomic_load_explicit(&((struct target_state *)s)->n_samples, memory_order_relaxed) ==
               0 &&
           slot_get(&s->gate) == 0;
}

/* Gives up the slot longest unused; with requests in flight it counts as used just now. Blank ones
 * go first: whoever names models that are not there pushes out no target that is. */
static void table_evict(struct target_table *t)
{
    size_t best = NOWHERE, any = NOWHERE;
    uint64_t best_used = UINT64_MAX, any_used = UINT64_MAX;
    bool best_blank = false;
    for (size_t at = 0; at < t->positions; at++) {
        if (key_at(t, at) < KEY_FIRST) {
            continue;
        }
        uint64_t used = slot_get(&t->used[at]);
        if (any == NOWHERE || used < any_used) {
            any = at;
            any_used = used;
        }
        bool blank = is_blank(&t->slots[at]);
        bool better =
            best == NOWHERE || (blank && !best_blank) || (blank == best_blank && used < best_used);
        if (better && atomic_load_explicit(&t->slots[at].in_flight, memory_order_relaxed) == 0) {
            best = at;
            best_used = used;
            best_blank = blank;
        }
    }
    best = best != NOWHERE ? best : any;
    if (best != NOWHERE) {
        uint64_t key = key_at(t, best);
        if (key >= KEY_FIRST) {
            key_drop(t, best, key);
        }
    }
}

/* The first free position on the key's way, now BUSY and ours. */
static size_t position_claim(struct target_table *t, uint64_t key)
{
    size_t home = key_home(t, key);
    for (size_t i = 0; i < t->positions; i++) {
        size_t at = (home + i) & (t->positions - 1);
        uint64_t k = key_at(t, at);
        if ((k == KEY_EMPTY || k == KEY_GONE) && key_swap(t, at, k, KEY_BUSY)) {
            return at;
        }
    }
    return NOWHERE;
}

/* in_flight is left alone: requests that began for the target before will still end here. */
static void slot_begin(struct target_state *s, const struct subject *x, uint64_t now_ms)
{
    breaker_reset(s);
    latency_reset(s);
    limits_reset(s);
    budget_reset(s);
    for (size_t i = 0; i < RINGS; i++) {
        ring_reset(&s->rings[i], i <= RING_MINUTE ? MINUTE_MS : 0);
    }
    slot_set(&s->last_used, now_ms);
    slot_set(&s->total_requests, 0);
    slot_set(&s->total_failures, 0);
    slot_set(&s->total_refused, 0);
    id_put(s->names.id, x->provider_id);
    text_put(s->names.provider, PROVIDER_WORDS, x->provider_name);
    text_put(s->names.model, MODEL_WORDS, x->model);
    atomic_store_explicit(&s->names.credential, x->credential, memory_order_release);
}

/* Leaves one position of the key, the nearest to its home, and returns it. */
static size_t key_settle(struct target_table *t, uint64_t key, size_t mine)
{
    size_t first = key_find(t, key, 0);
    if (first == NOWHERE) {
        return mine; /* taken over already */
    }
    size_t home = key_home(t, key);
    size_t at = first;
    for (;;) {
        size_t skip = ((at - home) & (t->positions - 1)) + 1;
        at = key_find(t, key, skip);
        if (at == NOWHERE) {
            return first;
        }
        key_drop(t, at, key);
    }
}

static size_t slot_take(struct target_table *t, const struct subject *x, uint64_t now_ms)
{
    for (unsigned i = 0; i < CLAIM_TRIES; i++) {
        /* again where another worker gave up the same one, or more had come in than there is room
         */
        for (unsigned k = 0; k < CLAIM_TRIES && atomic_load(&t->live) >= t->limit; k++) {
            table_evict(t);
        }
        size_t at = position_claim(t, x->key);
        if (at == NOWHERE) {
            continue; /* more workers at it than there are positions to spare */
        }
        slot_begin(&t->slots[at], x, now_ms);
        slot_set(&t->used[at], now_ms);
        (void)atomic_fetch_add(&t->live, 1);
        atomic_store(&t->keys[at], x->key);
        return key_settle(t, x->key, at);
    }
    return key_home(t, x->key); /* shared with whomever it belongs to; never NULL */
}

struct target_state *target_state_of(struct target_table *t, const struct uuid *provider_id,
                                     struct str provider_name, struct str model,
                                     unsigned credential, uint64_t now_ms)
{
    struct subject x = {provider_id, provider_name, model, credential, 0};
    x.key = subject_key(&x);
    size_t at = key_find(t, x.key, 0);
    if (at == NOWHERE) {
        at = slot_take(t, &x, now_ms);
    } else if (slot_get(&t->used[at]) < now_ms) {
        slot_set(&t->used[at], now_ms);
    }
    return &t->slots[at];
}

/* ---- display ---- */

static void slot_view(const struct target_state *s, uint64_t now_ms, struct target_view *v)
{
    uint64_t id[2] = {word_take(&s->names.id[0]), word_take(&s->names.id[1])};
    memcpy(v->provider_id.b, id, sizeof(id));
    text_take(s->names.provider, PROVIDER_WORDS, v->provider);
    text_take(s->names.model, MODEL_WORDS, v->model);
    v->credential =
        atomic_load_explicit((_Atomic uint32_t *)&s->names.credential, memory_order_acquire);
    v->breaker = target_breaker(s, now_ms);
    v->reopens_in_ms = time_left(target_reopens_ms(s), now_ms);
    v->latency_us = target_latency_us(s, now_ms);
    v->p95_us = target_p95_us(s);
    uint64_t last_used = slot_get(&s->last_used);
    v->last_used_ms_ago = now_ms > last_used ? now_ms - last_used : 0;
    v->in_flight = target_in_flight(s);
    ring_sum(&s->rings[RING_DISPLAY], now_ms, &v->requests, &v->failures);
    v->total_requests = slot_get(&s->total_requests);
    v->total_failures = slot_get(&s->total_failures);
    v->total_retries_refused = slot_get(&s->total_refused);
    limits_view(s, now_ms, v);
}

uint32_t target_in_flight(const struct target_state *s)
{
    return atomic_load_explicit((_Atomic uint32_t *)&s->in_flight, memory_order_relaxed);
}

void target_table_each(const struct target_table *t, uint64_t now_ms,
                       bool (*fn)(void *arg, const struct target_view *v), void *arg)
{
    for (size_t at = 0; at < t->positions; at++) {
        uint64_t key = key_at(t, at);
        if (key < KEY_FIRST) {
            continue;
        }
        struct target_view v;
        memset(&v, 0, sizeof(v));
        slot_view(&t->slots[at], now_ms, &v);
        /* taken over while it was read: the new target had its first request just now */
        if (key_at(t, at) == key && !fn(arg, &v)) {
            return;
        }
    }
}

void target_table_checked(struct target_table *t, const struct uuid *provider_id, bool healthy,
                          unsigned failures_needed, uint64_t cooldown_ms, uint64_t now_ms)
{
    for (size_t at = 0; at < t->positions; at++) {
        uint64_t key = key_at(t, at);
        struct target_view v;
        if (key < KEY_FIRST) {
            continue;
        }
        memset(&v, 0, sizeof(v));
        slot_view(&t->slots[at], now_ms, &v);
        if (key_at(t, at) == key && uuid_eq(&v.provider_id, provider_id)) {
            target_checked(&t->slots[at], healthy, failures_needed, cooldown_ms, now_ms);
        }
    }
}
