/* Asking data planes in the name of an organization: which there are, and the transactions around a
 * wait. For explain.c, targets.c and cache.c. */
#ifndef CONTROLPLANE_API_PLANES_H
#define CONTROLPLANE_API_PLANES_H

#include "controlplane/api/resources.h"
#include "controlplane/channel/channel.h"
#include "controlplane/store/data_planes.h"

/* proto/control.proto, enum CommandKind */
enum { PLANES_PURGE = 4, PLANES_EXPLAIN = 5, PLANES_TARGETS = 6 };

/* Runs fn in a transaction of its own: while a data plane is waited for, none is open. */
bool planes_in_tx(struct call *c, enum tx_role role,
                  bool (*fn)(struct call *c, void *arg, struct error *err), void *arg,
                  struct error *err);

struct planes_found {
    const struct uuid *only; /* NULL: all */
    struct data_plane *list;
    struct uuid *ids;
    size_t n;
};
/* Those that serve the call's organization and were heard of lately. Opens a transaction. `only`:
 * that one, ERR_NOT_FOUND when it is none of them. */
bool planes_find(struct call *c, struct planes_found *f, struct error *err);

/* Who answered: the plane of p->id, if it is still there; else only its id stands. Opens a
 * transaction. */
bool planes_read(struct call *c, struct data_plane *p, struct error *err);

/* One more question that waits for data planes; false with ERR_OVERLOADED when there are many.
 * planes_leave is owed for true. */
bool planes_enter(struct call *c, struct error *err);
void planes_leave(struct call *c);

/* Asks all of f (NULL channel: none answers). answers: f->n, in the call's arena. */
bool planes_ask(struct call *c, const struct planes_found *f, unsigned kind, struct str body,
                unsigned timeout_ms, struct channel_answer **ret, struct error *err);

/* "id" and "name", into an open object. */
void planes_put(struct json_writer *w, const struct data_plane *p);

#endif
