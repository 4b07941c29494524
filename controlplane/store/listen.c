/* LISTEN: see listen.h. */
#include "controlplane/store/listen.h"

#include <poll.h>

#include "common/base/mem.h"
#include "controlplane/store/db_internal.h"

struct db_listener {
    PGconn *conn;
};

struct db_listener *db_listen(struct db_pool *p, const char *const *channels, size_t n,
                              struct error *err)
{
    PGconn *c = db_connect(db_pool_url(p), "weir-control listen", err);
    if (!c) {
        return NULL;
    }
    struct db_listener *l = mem_alloc(sizeof(*l));
    l->conn = c;
    for (size_t i = 0; i < n; i++) {
        struct arena *a = arena_new(0);
        struct str sql = arena_printf(a, "LISTEN %s", channels[i]);
        bool ok = db_run_simple(c, sql.ptr, err);
        arena_free(a);
        if (!ok) {
            db_listener_free(l);
            return NULL;
        }
    }
    return l;
}

void db_listener_free(struct db_listener *l)
{
    if (l) {
        PQfinish(l->conn);
        mem_free(l);
    }
}

static void deliver(struct db_listener *l, void (*fn)(void *, struct str, struct str), void *arg)
{
    PGnotify *n;
    while ((n = PQnotifies(l->conn)) != NULL) {
        fn(arg, str_of(n->relname), str_of(n->extra));
        PQfreemem(n);
    }
}

bool db_listener_wait(struct db_listener *l, unsigned timeout_ms, int wake_fd,
                      void (*fn)(void *arg, struct str channel, struct str payload), void *arg)
{
    struct pollfd fds[2] = {{.fd = PQsocket(l->conn), .events = POLLIN},
                            {.fd = wake_fd, .events = POLLIN}};
    deliver(l, fn, arg); /* what came with an earlier answer makes no socket readable */
    if (poll(fds, 2, (int)timeout_ms) > 0 && fds[0].revents != 0 &&
        (!PQconsumeInput(l->conn) || PQstatus(l->conn) != CONNECTION_OK)) {
        return false;
    }
    deliver(l, fn, arg);
    return true;
}
