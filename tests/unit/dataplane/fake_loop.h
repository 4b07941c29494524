/* The part of fake_world.h that stands in for the loop: timers that run when the test says so, and
 * no sockets. */
#ifndef TESTS_UNIT_DATAPLANE_FAKE_LOOP_H
#define TESTS_UNIT_DATAPLANE_FAKE_LOOP_H

#include "common/base/mem.h"
#include "dataplane/net/loop.h"

/* Timers run when the test says so: world_time_over. */
struct loop_timer {
    loop_timer_fn fn;
    void *arg;
    bool set;
    uint64_t delay_ms;
};

static struct loop_timer *timers[64];

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn fn, void *arg)
{
    (void)l;
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        if (!timers[i]) {
            timers[i] = mem_alloc(sizeof(**timers));
            timers[i]->fn = fn;
            timers[i]->arg = arg;
            return timers[i];
        }
    }
    fail_msg("too many timers");
    return NULL;
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
    t->set = true;
    t->delay_ms = delay_ms;
}

void loop_timer_cancel(struct loop_timer *t)
{
    t->set = false;
}

void loop_timer_free(struct loop_timer *t)
{
    for (size_t i = 0; t && i < sizeof(timers) / sizeof(timers[0]); i++) {
        if (timers[i] == t) {
            timers[i] = NULL;
        }
    }
    mem_free(t);
}

/* Nothing comes from elsewhere in this world, but where a test plays that too. */
static bool (*on_post)(void (*fn)(void *arg), void *arg);

bool loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    (void)l;
    return on_post && on_post(fn, arg);
}

struct loop_io *loop_io_new(struct loop *l, int fd, loop_io_fn fn, void *arg)
{
    (void)l;
    (void)fd;
    (void)fn;
    (void)arg;
    fail_msg("no sockets here");
    return NULL;
}

void loop_io_set(struct loop_io *io, unsigned what)
{
    (void)io;
    (void)what;
}

void loop_io_free(struct loop_io *io)
{
    (void)io;
}

uint64_t loop_now_ms(const struct loop *l)
{
    (void)l;
    return 0;
}

#endif
