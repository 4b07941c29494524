/* One thread that waits for notifications of the database and keeps the state fresh: the first
 * change at once, then at most every 50 ms; and by polling every 2 s when notifications fail. */
#ifndef CONTROLPLANE_SNAPSHOT_WATCH_H
#define CONTROLPLANE_SNAPSHOT_WATCH_H

#include "controlplane/snapshot/state.h"

struct watch;

struct watch_config {
    struct db_pool *pool;
    struct state *state;
    /* Both run on the watching thread and must not block for long. */
    void (*on_change)(void *arg); /* the state has a new version or other groups */
    /* Other channels: weir_plane (payload: plane id), weir_command (command id). */
    void (*on_notify)(void *arg, struct str channel, struct str payload);
    void *arg;
};

struct watch *watch_start(const struct watch_config *c);
void watch_stop(struct watch *w); /* accepts NULL */

#endif
