/* Timer wheel: many coarse deadlines, of which most are moved or cancelled before they are due.
 * Three levels of 256 slots over ticks of 4 ms; setting, moving and cancelling are O(1). Knows no
 * clock and no event loop: the owner says which tick it is. One thread. */
#ifndef DATAPLANE_NET_WHEEL_H
#define DATAPLANE_NET_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"

#define WHEEL_TICK_MS 4u
#define WHEEL_LEVELS 3u
#define WHEEL_SLOTS 256u

struct wheel_timer {
    struct list node; /* points at itself when not set */
    uint64_t due;     /* tick */
};

struct wheel {
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    uint64_t bits[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* set: the slot may hold something */
    uint64_t tick; /* all up to and including this one have been collected */
};

void wheel_init(struct wheel *w, uint64_t tick);
void wheel_timer_init(struct wheel_timer *t);
/* Sets or moves; a tick that has passed already counts as the next one. Returns the tick at which
 * the wheel must be advanced for the timer to keep its time (its own, or earlier where it moves
 * down a level). */
uint64_t wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t due);
void wheel_cancel(struct wheel_timer *t);
/* Moves time to `tick`; what is due is moved to the list `ret_due`, from which the owner pops it.
 */
void wheel_advance(struct wheel *w, uint64_t tick, struct list *ret_due);
/* The next tick at which advancing does something, UINT64_MAX when nothing is set. */
uint64_t wheel_next(struct wheel *w);

#endif
