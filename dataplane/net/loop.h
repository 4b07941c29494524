/* The event loop: libevent's plain `event`s behind one small interface (loop.c is the only includer
 * of libevent). One loop per worker thread; every call is made on that thread unless it says
 * otherwise. */
#ifndef DATAPLANE_NET_LOOP_H
#define DATAPLANE_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_io;
struct loop_timer;

#define LOOP_READ 1
#define LOOP_WRITE 2

struct loop *loop_new(void);
void loop_free(struct loop *l);
void loop_run(struct loop *l);  /* until loop_stop */
void loop_stop(struct loop *l); /* any thread */
/* One turn: waits for events (at most max_wait_ms; 0: not at all), runs them, due timers and
 * deferred calls. loop_run is this in a loop; tests drive it by hand. */
void loop_turn(struct loop *l, uint64_t max_wait_ms);
/* Cached at the start of the turn; cheap. */
uint64_t loop_now_ms(const struct loop *l);

typedef void (*loop_io_fn)(void *arg, int fd, unsigned what);
/* Level-triggered and persistent; `what` may be 0 at first. The struct is the caller's until
 * loop_io_free. */
struct loop_io *loop_io_new(struct loop *l, int fd, loop_io_fn fn, void *arg);
void loop_io_set(struct loop_io *io, unsigned what); /* no syscall when unchanged */
void loop_io_free(struct loop_io *io);               /* before the fd is closed; accepts NULL */

typedef void (*loop_timer_fn)(void *arg);
/* One-shot; set again to move it. Coarse deadlines share one wheel, so setting is O(1) and needs no
 * syscall. */
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn fn, void *arg);
void loop_timer_set(struct loop_timer *t, uint64_t delay_ms);
void loop_timer_cancel(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* accepts NULL */

/* Runs fn after this turn's events, in the order of the calls (what is deferred from there: after
 * the next turn's): where objects that a late callback might still meet are freed. */
void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg);
/* Wakes the loop from any thread and runs fn on it. False when the queue (bounded) is full or the
 * loop has ended. What was posted and has not run when the loop is freed runs then. */
bool loop_post(struct loop *l, void (*fn)(void *arg), void *arg);
/* The loop turns no more: runs here what was posted, while all that it may touch still lives, and
 * refuses what others post from now on. Once the loop's thread has been joined; may be repeated. */
void loop_end(struct loop *l);

/* A batch: the upstream client opens one around the callbacks of one read, so that a client
 * connection may gather the small pieces that they send and write them once, when the batch ends
 * (still within the same event: no latency is added). */
struct loop_batch {
    struct loop_batch *next, **link; /* link NULL: not queued */
    void (*fn)(void *arg);
    void *arg;
};
void loop_batch_begin(struct loop *l); /* may nest */
void loop_batch_end(struct loop *l);   /* the outermost runs what was added, then forgets it */
/* False when no batch is open: do it now. Adding twice is harmless. */
bool loop_batch_add(struct loop *l, struct loop_batch *b);
void loop_batch_remove(struct loop_batch *b); /* harmless when not queued */

#endif
