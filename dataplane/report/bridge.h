/* The one thread that owns NNG: session, sync, announce, report. It reads the workers' spools,
 * posts new roots to the swap hub and runs commands through callbacks. In standalone mode there is
 * no bridge: `sink` writes the events as JSON lines. */
#ifndef DATAPLANE_REPORT_BRIDGE_H
#define DATAPLANE_REPORT_BRIDGE_H

#include "common/base/error.h"
#include "common/base/uuid.h"
#include "dataplane/report/spool.h"
#include "dataplane/snapshot/swap.h"

struct bridge;

struct bridge_config {
    const char
        *state_folder; /* identity (plane.json, certificate, key), snapshot base and delta log */
    const char
        *state_key; /* 64 hex digits or base64 of 32 bytes; NULL: files are mode 0600 in clear */
    struct swap_hub *hub;
    struct spool **spools;
    size_t n_spools;
    /* Runs on the bridge thread; must answer by calling bridge_command_done (any thread), now or
     * later. */
    void (*on_command)(void *arg, struct bridge *b, const struct uuid *id, unsigned kind,
                       struct str body, uint64_t deadline_ms);
    /* Fills what heartbeats say (in flight, draining, totals); spool figures are added by the
     * bridge. */
    void (*on_state)(void *arg, uint64_t *in_flight, uint64_t *requests_total, bool *draining);
    /* Leases (dataplane/limits/quota.h), on the bridge thread; lease_gather NULL: none of them.
     * Appends the body of a request, or nothing when there is nothing to ask (but something, to
     * find out, while lease_reachable said false). former_delivered: all that was in the spools at
     * the start is stored by the control plane. What was gathered is then answered (false: it could
     * not be read) or lost before more is gathered. */
    void (*lease_gather)(void *arg, bool former_delivered, struct buffer *out);
    bool (*lease_answer)(void *arg, struct str grant);
    void (*lease_lost)(void *arg);
    void (*lease_reachable)(void *arg, bool reachable);
    /* Milliseconds until there is something to gather without bridge_lease_wake; UINT64_MAX: there
     * will not be. Called every second or so, with a session or without. */
    uint64_t (*lease_due_ms)(void *arg);
    void *arg;
};

/* Enrols once, blocking: connects to https://control (host:port of the enrolment listener), pinned
 * by the token's fingerprint, and writes the identity into state_folder. An identity that is
 * already there is an error. */
bool bridge_enrol(const char *state_folder, const char *state_key, const char *token,
                  const char *control, const char *name, struct error *err);
bool bridge_is_enrolled(const char *state_folder);
/* Loads the last good snapshot from disk, publishes it to the hub, then starts the thread. */
struct bridge *bridge_start(const struct bridge_config *c, struct error *err);
/* Tries for up to drain_ms to hand over every spooled event and all that there is to gather (what
 * is given back of leases), then joins the thread. */
void bridge_stop(struct bridge *b, unsigned drain_ms);
void bridge_command_done(struct bridge *b, const struct uuid *id, bool ok, const char *error,
                         const char *body_json);
/* There is something to gather. Any thread. */
void bridge_lease_wake(struct bridge *b);
/* For /readyz and metrics. Any thread. */
struct bridge_status {
    bool connected;
    uint64_t version;           /* applied */
    uint64_t last_sync_mono_ms; /* 0: never in this process */
    uint64_t snapshot_wall_ms;  /* when the applied version was last confirmed current */
};
void bridge_status(const struct bridge *b, struct bridge_status *ret);

#endif
