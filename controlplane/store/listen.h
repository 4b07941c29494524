/* LISTEN on a connection of its own, outside the pool. One thread. */
#ifndef CONTROLPLANE_STORE_LISTEN_H
#define CONTROLPLANE_STORE_LISTEN_H

#include "controlplane/store/db.h"

struct db_listener;

/* Connects and listens on the n channels (names without special characters). NULL with
 * ERR_DATABASE. */
struct db_listener *db_listen(struct db_pool *p, const char *const *channels, size_t n,
                              struct error *err);
void db_listener_free(struct db_listener *l); /* accepts NULL */
/* Waits until notifications come, `wake_fd` is readable, or timeout_ms have passed; calls fn for
 * each notification. False: the connection is broken (free it and listen anew; notifications in
 * between are lost). */
bool db_listener_wait(struct db_listener *l, unsigned timeout_ms, int wake_fd,
                      void (*fn)(void *arg, struct str channel, struct str payload), void *arg);

#endif
