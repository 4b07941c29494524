/* The wheel. A timer stands on the lowest level whose span reaches its tick; when a higher slot's
 * time comes, its timers move down (cascade). Empty slots are skipped by bitmap when the next
 * wake-up is sought. */
#include "dataplane/net/wheel.h"

#define SLOT_BITS 8u
#define SLOT_MASK (WHEEL_SLOTS - 1)
#define SPAN (1ull << (SLOT_BITS * WHEEL_LEVELS))

void wheel_init(struct wheel *w, uint64_t tick)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned i = 0; i < WHEEL_SLOTS; i++) {
            list_init(&w->slots[level][i]);
        }
        for (unsigned i = 0; i < WHEEL_SLOTS / 64; i++) {
            w->bits[level][i] = 0;
        }
    }
    w->tick = tick;
}

void wheel_timer_init(struct wheel_timer *t)
{
    list_init(&t->node);
    t->due = 0;
}

static uint64_t place(struct wheel *w, struct wheel_timer *t, uint64_t not_before)
{
    uint64_t at = t->due < not_before ? not_before : t->due;
    uint64_t delta = at - w->tick;
    if (delta >=
        SPAN) { /* beyond the wheel: parked in its last slot, placed again when that comes */
        delta = SPAN - 1;
        at = w->tick + delta;
    }
    unsigned level = 0;
    while (level + 1 < WHEEL_LEVELS && delta >> (SLOT_BITS * (level + 1))) {
        level++;
    }
    unsigned slot = (unsigned)(at >> (SLOT_BITS * level)) & SLOT_MASK;
    list_push_back(&w->slots[level][slot], &t->node);
    w->bits[level][slot / 64] |= 1ull << (slot % 64);
    return at >> (SLOT_BITS * level) << (SLOT_BITS * level);
}

uint64_t wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t due)
{
    list_remove(&t->node);
    t->due = due;
    return place(w, t, w->tick + 1);
}

void wheel_cancel(struct wheel_timer *t)
{
    list_remove(&t->node);
}

static void take_slot(struct wheel *w, unsigned level, unsigned slot, struct list *ret)
{
    struct list *s = &w->slots[level][slot];
    w->bits[level][slot / 64] &= ~(1ull << (slot % 64));
    list_init(ret);
    if (!list_empty(s)) {
        *ret = *s;
        ret->next->prev = ret;
        ret->prev->next = ret;
        list_init(s);
    }
}

static void cascade(struct wheel *w, unsigned level)
{
    struct list timers;
    struct list *n;
    take_slot(w, level, (unsigned)(w->tick >> (SLOT_BITS * level)) & SLOT_MASK, &timers);
    while ((n = list_pop_front(&timers))) {
        /* w->tick itself is not collected yet, so a timer due now may still take its slot */
        (void)place(w, LIST_ENTRY(n, struct wheel_timer, node), w->tick);
    }
}

void wheel_advance(struct wheel *w, uint64_t tick, struct list *ret_due)
{
    list_init(ret_due);
    while (w->tick < tick) {
        uint64_t next = wheel_next(w);
        if (next > tick) {
            w->tick = tick;
            return;
        }
        w->tick = next;
        for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
            if ((w->tick & ((1ull << (SLOT_BITS * level)) - 1)) == 0) {
                cascade(w, level);
            }
        }
        struct list due;
        struct list *n;
        take_slot(w, 0, (unsigned)w->tick & SLOT_MASK, &due);
        while ((n = list_pop_front(&due))) {
            list_push_back(ret_due, n);
        }
    }
}

/* Distance in slots (1..256) from `from` to the next slot of the level that holds something, 0 when
 * none does. */
static unsigned next_slot(struct wheel *w, unsigned level, unsigned from)
{
    for (unsigned step = 1; step <= WHEEL_SLOTS;) {
        unsigned slot = (from + step) & SLOT_MASK;
        uint64_t word = w->bits[level][slot / 64] >> (slot % 64);
        if (word == 0) {
            step += 64 - slot % 64;
            continue;
        }
        unsigned skip = (unsigned)__builtin_ctzll(word);
        step += skip;
        if (step > WHEEL_SLOTS) {
            return 0;
        }
        slot = (from + step) & SLOT_MASK;
        if (!list_empty(&w->slots[level][slot])) {
            return step;
        }
        w->bits[level][slot / 64] &= ~(1ull << (slot % 64)); /* all of it was cancelled */
    }
    return 0;
}

uint64_t wheel_next(struct wheel *w)
{
    uint64_t best = UINT64_MAX;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t now = w->tick >> (SLOT_BITS * level);
        unsigned step = next_slot(w, level, (unsigned)now & SLOT_MASK);
        if (step) {
            uint64_t at = (now + step) << (SLOT_BITS * level);
            best = at < best ? at : best;
        }
    }
    return best;
}
