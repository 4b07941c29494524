/* Signals as events of the main loop, by a signalfd. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log.h"
#include "dataplane/net/loop.h"
#include "dataplane/service_parts.h"

struct signals {
    struct service *service;
    struct loop_io *io;
    int fd;
};

static void fill(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;
    fill(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void end(struct service *s)
{
    if (!atomic_load(&s->policy.draining)) {
        service_drain(s);
        return;
    }
    log_write(LOG_WARN, "ending_now", "second signal: ending without waiting");
    s->hurry = true;
    loop_stop(s->loop);
}

static void on_signal(void *arg, int fd, unsigned what)
{
    struct signals *g = arg;
    struct signalfd_siginfo info;
    (void)what;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            service_reload(g->service);
        } else {
            end(g->service);
        }
    }
}

struct signals *signals_new(struct service *s)
{
    struct signals *g = mem_alloc(sizeof(*g));
    sigset_t set;
    fill(&set);
    g->service = s;
    g->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (g->fd < 0) {
        log_write(LOG_ERROR, "signals", "signals cannot be received",
                  LOG_Z("error", strerror(errno)));
        mem_free(g);
        return NULL;
    }
    g->io = loop_io_new(s->loop, g->fd, on_signal, g);
    loop_io_set(g->io, LOOP_READ);
    return g;
}

void signals_free(struct signals *g)
{
    if (!g) {
        return;
    }
    loop_io_free(g->io);
    (void)close(g->fd);
    mem_free(g);
}
