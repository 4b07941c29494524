/* libevent's plain events behind loop.h; no other file includes libevent. What this adds: a timer
 * wheel, so that a request's deadlines cost no heap and no system call; time cached per turn; one
 * eventfd for loop_post and loop_stop; and deferred calls, where objects that a late callback might
 * still meet are freed. */
#include "dataplane/net/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dataplane/net/wheel.h"

#define POST_MAX 65536u

struct call {
    void (*fn)(void *arg);
    void *arg;
};

struct calls {
    struct call *v;
    size_t n, cap;
};

struct loop {
    struct event_base *base;
    struct event wake; /* the eventfd */
    struct event tick; /* the wheel's next work */
    struct event wait; /* bound of one loop_turn */
    int wake_fd;
    atomic_bool stop;
    uint64_t now_ms;
    bool fresh; /* now_ms is of this turn */
    struct wheel wheel;
    uint64_t armed_tick;  /* what `tick` is set to, UINT64_MAX: not set */
    uint64_t wanted_tick; /* earliest that a timer set in this turn asks for */
    struct calls deferred, running;
    struct loop_batch *batch;
    unsigned batch_depth;
    pthread_mutex_t lock; /* guards posted, signalled and ended */
    struct calls posted, taken;
    bool signalled, ended;
};

struct loop_io {
    struct loop *loop;
    struct event read, write;
    unsigned what;
    loop_io_fn fn;
    void *arg;
};

struct loop_timer {
    struct wheel_timer wheel;
    struct loop *loop;
    loop_timer_fn fn;
    void *arg;
};

static void calls_add(struct calls *c, void (*fn)(void *arg), void *arg)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 64;
        c->v = mem_realloc(c->v, c->cap * sizeof(*c->v));
    }
    c->v[c->n++] = (struct call){fn, arg};
}

static void calls_swap(struct calls *a, struct calls *b)
{
    struct calls t = *a;
    *a = *b;
    *b = t;
}

/* The first callback of a turn reads the clock, so the time is that of waking and not of falling
 * asleep. */
static void turn_begin(struct loop *l)
{
    if (!l->fresh) {
        l->now_ms = clock_mono_ms();
        l->fresh = true;
    }
}

static void run_posted(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    calls_swap(&l->posted, &l->taken);
    l->signalled = false;
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < l->taken.n; i++) {
        l->taken.v[i].fn(l->taken.v[i].arg);
    }
    l->taken.n = 0;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    uint64_t n;
    (void)what;
    turn_begin(l);
    ssize_t got = read(fd, &n, sizeof(n));
    (void)got; /* only the wake-up counts */
    run_posted(l);
}

/* The wheel is advanced at the end of each turn; this event only ends the wait. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    (void)fd;
    (void)what;
    l->armed_tick = UINT64_MAX;
}

static void on_wait(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

struct loop *loop_new(void)
{
    struct event_config *config = event_config_new();
    if (!config) {
        return NULL;
    }
    /* Interest that is changed and changed back within a turn costs no system call. */
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
                                            EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST |
                                            EVENT_BASE_FLAG_IGNORE_ENV);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!base || fd < 0) {
        if (base) {
            event_base_free(base);
        }
        if (fd >= 0) {
            (void)close(fd);
        }
        return NULL;
    }
    struct loop *l = mem_alloc(sizeof(*l));
    l->base = base;
    l->wake_fd = fd;
    atomic_init(&l->stop, false);
    pthread_mutex_init(&l->lock, NULL);
    l->now_ms = clock_mono_ms();
    wheel_init(&l->wheel, l->now_ms / WHEEL_TICK_MS);
    l->armed_tick = l->wanted_tick = UINT64_MAX;
    (void)event_assign(&l->wake, base, fd, EV_READ | EV_PERSIST, on_wake, l);
    (void)evtimer_assign(&l->tick, base, on_tick, l);
    (void)evtimer_assign(&l->wait, base, on_wait, l);
    (void)event_add(&l->wake, NULL);
    return l;
}

/* What these defer runs behind the next turn, which then does not wait. */
static void run_deferred(struct loop *l)
{
    calls_swap(&l->deferred, &l->running);
    for (size_t i = 0; i < l->running.n; i++) {
        l->running.v[i].fn(l->running.v[i].arg);
    }
    l->running.n = 0;
}

void loop_free(struct loop *l)
{
    if (!l) {
        return;
    }
    run_posted(l);
    while (l->deferred.n) {
        run_deferred(l);
    }
    (void)event_del(&l->wake);
    (void)event_del(&l->tick);
    (void)event_del(&l->wait);
    event_base_free(l->base);
    (void)close(l->wake_fd);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->deferred.v);
    mem_free(l->running.v);
    mem_free(l->posted.v);
    mem_free(l->taken.v);
    mem_free(l);
}

static void run_timers(struct loop *l)
{
    struct list due;
    struct list *n;
    uint64_t tick = l->now_ms / WHEEL_TICK_MS;
    if (tick <= l->wheel.tick) {
        return;
    }
    wheel_advance(&l->wheel, tick, &due);
    while ((n = list_pop_front(&due))) {
        struct loop_timer *t =
            LIST_ENTRY(LIST_ENTRY(n, struct wheel_timer, node), struct loop_timer, wheel);
        t->fn(t->arg); /* may free itself or others: those leave the list */
    }
}

static void arm_tick(struct loop *l)
{
    uint64_t wanted = l->wanted_tick;
    l->wanted_tick = UINT64_MAX;
    if (l->armed_tick == UINT64_MAX) {
        wanted = wheel_next(&l->wheel);
    }
    if (wanted >= l->armed_tick) {
        return;
    }
    uint64_t at_ms = wanted * WHEEL_TICK_MS;
    uint64_t ms = at_ms > l->now_ms ? at_ms - l->now_ms : 0;
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    (void)event_add(&l->tick, &tv);
    l->armed_tick = wanted;
}

void loop_turn(struct loop *l, uint64_t max_wait_ms)
{
    int flags = EVLOOP_ONCE;
    arm_tick(l);
    if (l->deferred.n || max_wait_ms == 0) {
        flags |= EVLOOP_NONBLOCK;
    } else if (max_wait_ms != UINT64_MAX) {
        struct timeval tv = {.tv_sec = (time_t)(max_wait_ms / 1000),
                             .tv_usec = (suseconds_t)(max_wait_ms % 1000 * 1000)};
        (void)event_add(&l->wait, &tv);
    }
    l->fresh = false;
    (void)event_base_loop(l->base, flags);
    turn_begin(l);
    run_timers(l);
    run_deferred(l);
    l->fresh = false;
}

void loop_run(struct loop *l)
{
    while (!atomic_exchange(&l->stop, false)) {
        loop_turn(l, UINT64_MAX);
    }
}

static void wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof(one));
    (void)n; /* a full counter is a wake-up too */
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    wake(l);
}

uint64_t loop_now_ms(const struct loop *l)
{
    return l->fresh ? l->now_ms : clock_mono_ms();
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    struct loop_io *io = arg;
    (void)what;
    turn_begin(io->loop);
    io->fn(io->arg, fd, LOOP_READ);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    struct loop_io *io = arg;
    (void)what;
    turn_begin(io->loop);
    io->fn(io->arg, fd, LOOP_WRITE);
}

struct loop_io *loop_io_new(struct loop *l, int fd, loop_io_fn fn, void *arg)
{
    struct loop_io *io = mem_alloc(sizeof(*io));
    io->loop = l;
    io->fn = fn;
    io->arg = arg;
    (void)event_assign(&io->read, l->base, fd, EV_READ | EV_PERSIST, on_read, io);
    (void)event_assign(&io->write, l->base, fd, EV_WRITE | EV_PERSIST, on_write, io);
    return io;
}

static void io_switch(struct event *e, bool on)
{
    (void)(on ? event_add(e, NULL) : event_del(e));
}

void loop_io_set(struct loop_io *io, unsigned what)
{
    unsigned changed = io->what ^ what;
    if (changed & LOOP_READ) {
        io_switch(&io->read, what & LOOP_READ);
    }
    if (changed & LOOP_WRITE) {
        io_switch(&io->write, what & LOOP_WRITE);
    }
    io->what = what;
}

void loop_io_free(struct loop_io *io)
{
    if (io) {
        loop_io_set(io, 0);
        mem_free(io);
    }
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn fn, void *arg)
{
    struct loop_timer *t = mem_alloc(sizeof(*t));
    wheel_timer_init(&t->wheel);
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
    return t;
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
    struct loop *l = t->loop;
    /* rounded up, so that no deadline strikes early */
    uint64_t due = (loop_now_ms(l) + delay_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    uint64_t wanted = wheel_set(&l->wheel, &t->wheel, due);
    if (wanted < l->wanted_tick) {
        l->wanted_tick = wanted;
    }
}

void loop_timer_cancel(struct loop_timer *t)
{
    wheel_cancel(&t->wheel);
}

void loop_timer_free(struct loop_timer *t)
{
    if (t) {
        wheel_cancel(&t->wheel);
        mem_free(t);
    }
}

void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
    calls_add(&l->deferred, fn, arg);
}

bool loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&l->lock);
    bool room = l->posted.n < POST_MAX && !l->ended;
    bool signal = room && !l->signalled;
    if (room) {
        calls_add(&l->posted, fn, arg);
        l->signalled = true;
    }
    pthread_mutex_unlock(&l->lock);
    if (signal) {
        wake(l);
    }
    return room;
}

void loop_end(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->ended = true;
    pthread_mutex_unlock(&l->lock);
    run_posted(l);
}

void loop_batch_begin(struct loop *l)
{
    l->batch_depth++;
}

bool loop_batch_add(struct loop *l, struct loop_batch *b)
{
    if (l->batch_depth == 0) {
        return false;
    }
    if (!b->link) {
        b->next = l->batch;
        b->link = &l->batch;
        if (b->next) {
            b->next->link = &b->next;
        }
        l->batch = b;
    }
    return true;
}

void loop_batch_remove(struct loop_batch *b)
{
    if (b->link) {
        *b->link = b->next;
        if (b->next) {
            b->next->link = b->link;
        }
        b->link = NULL;
        b->next = NULL;
    }
}

void loop_batch_end(struct loop *l)
{
    if (--l->batch_depth > 0) {
        return;
    }
    while (l->batch) {
        struct loop_batch *b = l->batch;
        loop_batch_remove(b);
        b->fn(b->arg);
    }
}
