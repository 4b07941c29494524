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
/* Tries for up to drain_ms to hand over every spooled event, then joins the thread. */
void bridge_stop(struct bridge *b, unsigned drain_ms);
void bridge_command_done(struct bridge *b, const struct uuid *id, bool ok, const char *error,
                         const char *body_json);
/* For /readyz and metrics. Any thread. */
struct bridge_status {
    bool connected;
    uint64_t version;           /* applied */
    uint64_t last_sync_mono_ms; /* 0: never in this process */
    uint64_t snapshot_wall_ms;  /* when the applied version was last confirmed current */
};
void bridge_status(const struct bridge *b, struct bridge_status *ret);

#endif
