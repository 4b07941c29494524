/* LISTEN, gather bursts, refresh: see watch.h. */
#include "controlplane/snapshot/watch.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/store/listen.h"

#define GATHER_MS 50
#define POLL_MS 2000
#define RETRY_MS 500

struct watch {
    struct watch_config config;
    pthread_t thread;
    int wake_fd;
    atomic_bool stopping;
    bool pending;     /* a change was notified and not read yet */
    bool failing;     /* said so in the log */
    uint64_t last_ms; /* of the last refresh, 0: never */
};

static const char *const channels[] = {"weir_config", "weir_plane", "weir_command",
                                       "weir_instance"};

static void on_notification(void *arg, struct str channel, struct str payload)
{
    struct watch *w = arg;
    if (str_eqz(channel, "weir_config")) {
        w->pending = true;
    } else {
        w->config.on_notify(w->config.arg, channel, payload);
    }
}

static void refresh(struct watch *w)
{
    struct error err = ERROR_INIT;
    bool changed = false;
    w->pending = false;
    w->last_ms = clock_mono_ms();
    if (!state_refresh(w->config.state, &changed, &err)) {
        if (!w->failing) {
            log_write(LOG_WARN, "snapshot_stale", "cannot read the configuration",
                      LOG_Z("error", error_text(&err)));
        }
        w->failing = true;
        return;
    }
    if (w->failing) {
        log_write(LOG_INFO, "snapshot_fresh", "the configuration can be read again");
    }
    w->failing = false;
    if (changed) {
        w->config.on_change(w->config.arg);
    }
}

/* How long nothing needs to be done if nothing comes. */
static unsigned idle_ms(const struct watch *w)
{
    uint64_t due = w->last_ms + (w->pending ? GATHER_MS : POLL_MS), now = clock_mono_ms();
    return due > now ? (unsigned)(due - now) : 0;
}

static struct db_listener *listen_again(struct watch *w)
{
    struct error err = ERROR_INIT;
    struct db_listener *l =
        db_listen(w->config.pool, channels, sizeof(channels) / sizeof(channels[0]), &err);
    if (l) {
        w->pending = true; /* what was notified before is known to nobody */
        return l;
    }
    struct pollfd wake = {.fd = w->wake_fd, .events = POLLIN};
    (void)poll(&wake, 1, RETRY_MS);
    return NULL;
}

static void *watch_run(void *arg)
{
    struct watch *w = arg;
    struct db_listener *l = NULL;
    while (!atomic_load(&w->stopping)) {
        if (!l) {
            l = listen_again(w);
        } else if (!db_listener_wait(l, idle_ms(w), w->wake_fd, on_notification, w)) {
            db_listener_free(l);
            l = NULL;
        }
        if (!atomic_load(&w->stopping) && idle_ms(w) == 0) {
            refresh(w);
        }
    }
    db_listener_free(l);
    return NULL;
}

struct watch *watch_start(const struct watch_config *c)
{
    struct watch *w = mem_alloc(sizeof(*w));
    w->config = *c;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->last_ms = clock_mono_ms();
    if (w->wake_fd < 0 || pthread_create(&w->thread, NULL, watch_run, w) != 0) {
        if (w->wake_fd >= 0) {
            close(w->wake_fd);
        }
        mem_free(w);
        return NULL;
    }
    return w;
}

void watch_stop(struct watch *w)
{
    if (!w) {
        return;
    }
    uint64_t one = 1;
    atomic_store(&w->stopping, true);
    (void)!write(w->wake_fd, &one, sizeof(one));
    pthread_join(w->thread, NULL);
    close(w->wake_fd);
    mem_free(w);
}
