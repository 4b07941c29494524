/* Between the files of channel/: the channel's state, sessions and commands.
 *
 * One lock covers sessions and commands; nothing slow happens under it (no database, no packing, no
 * HMAC). Sessions are counted, so a thread may finish with one that was ended meanwhile. */
#ifndef CONTROLPLANE_CHANNEL_INTERNAL_H
#define CONTROLPLANE_CHANNEL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/list.h"
#include "controlplane/channel/channel.h"
#include "controlplane/channel/work.h"
#include "controlplane/snapshot/state.h"
#include "controlplane/snapshot/watch.h"
#include "proto/control.pb-c.h"
#include "proto/envelope.h"
#include "proto/link.h"

#define CHANNEL_PARK_MS 2000
#define CHANNEL_ANNOUNCE_MS 250
#define CHANNEL_BEAT_MS 2000
#define CHANNEL_ALIVE_MS 1000    /* how often revocations are looked for */
#define CHANNEL_SEEN_MS 1000     /* between two writes of one plane's row */
#define CHANNEL_PENDING_MS 30000 /* a hello that nothing followed */
#define CHANNEL_IDLE_MS 60000    /* a session without messages */
#define CHANNEL_CONNECTED_MS 5000
#define CHANNEL_REPAIR_MS 1000
#define CHANNEL_PENDING_MAX 4 /* per plane */
#define CHANNEL_SESSIONS_MAX 20000
#define CHANNEL_CERT_DAYS 90
#define CHANNEL_ENDPOINTS_MAX 32
#define CHANNEL_FEATURES_MAX 64

enum lane_kind { LANE_SYNC = 0, LANE_REPORT, LANE_LEASE, LANE_COUNT };

/* One socket of a session: its sequence, the request under way, and the last reply, for a request
 * that comes again. */
struct lane {
    uint64_t last; /* 0: none yet */
    bool busy;     /* `last` is being worked on, or parked */
    struct link_call *call;
    struct buffer reply;
};

struct session {
    struct list node; /* in channel.sessions */
    unsigned refs;    /* under the lock */
    struct uuid id, plane, group;
    uint8_t key[32], wrap_key[32];
    bool current; /* a valid message has come */
    bool ended;   /* no longer in the table */
    uint64_t born_ms, last_seen_ms;
    char *software_version;
    struct str *features; /* heap, texts too */
    size_t n_features;
    struct lane lanes[LANE_COUNT];
    /* what the last sync said */
    uint64_t have, refused_version;
    uint8_t root[32];
    bool has_root;
    char refused_reason[256];
    char state_json[320];
    bool dirty, dirty_version;
    uint64_t written_ms, repaired_ms, ahead_since_ms, endpoints_told;
    struct run *run; /* being sent in parts */
    bool parked;
    uint64_t park_until_ms;
    struct list commands;
};

enum command_state { COMMAND_QUEUED = 0, COMMAND_SENT, COMMAND_DONE, COMMAND_LOST };

/* A command to a plane in session here. Owned by who waits for it (local) or by the session (from
 * another instance). */
struct command {
    struct list node; /* in session.commands while queued or sent */
    struct uuid id;
    unsigned kind;
    char *body;
    size_t body_len;
    uint64_t until_ms, deadline_wall_ms;
    enum command_state state;
    bool remote; /* asked by another instance: the outcome goes into the database */
    bool ok;
    char *error, *body_json;
};

/* Waiting for the outcome of a command that another instance passes on. */
struct remote_wait {
    struct list node;
    struct uuid id;
    bool told;
};

struct channel {
    struct channel_config config;
    char *address, *advertise;
    struct uuid instance;
    char *ca_cert, *ca_key, *cert, *key, *chain;
    struct state *state;
    struct watch *watch;
    struct work *syncs, *reports, *leases;
    struct link_server *sync, *report, *lease;
    struct link_pub *announce;
    char urls[4][192]; /* announce, sync, report, lease */
    char *endpoints_json;

    pthread_mutex_t lock;
    pthread_cond_t pump_wake;  /* monotonic clock */
    pthread_cond_t books_wake; /* monotonic clock */
    bool beat_now;             /* under lock: another instance came or went */
    pthread_cond_t command_done;
    struct list sessions;
    unsigned n_sessions;
    struct list remote_waits;
    bool stopping, changed, pump_running, books_running;
    /* other live instances, as they wrote themselves */
    struct {
        struct uuid id;
        char urls[4][192];
    } others[CHANNEL_ENDPOINTS_MAX];
    unsigned n_others;
    uint64_t endpoints_version;
    pthread_t pump, books;
};

/* Milliseconds from then to now; 0 when `now` was read before `then` by another thread. */
static inline uint64_t ms_since(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

/* ---- session.c ---- */

/* A message on a socket; runs on a worker. Takes over the call. */
void session_request(struct channel *c, enum lane_kind lane, struct link_call *call,
                     struct str message);
/* The next reply of a lane, sealed and remembered, unless the request was overtaken. body is
 * copied; type error replies are not remembered, so the request may come again. Drops the caller's
 * reference on s. */
void session_finish(struct channel *c, struct session *s, enum lane_kind lane, uint64_t sequence,
                    uint16_t type, struct str body, bool remember);
void session_finish_error(struct channel *c, struct session *s, enum lane_kind lane,
                          uint64_t sequence, const char *code, const char *text);
/* Lock held. Calls still waiting are put into calls[LANE_COUNT] for the caller to answer after
 * unlocking. */
void session_end(struct channel *c, struct session *s, struct link_call *calls[LANE_COUNT]);
void session_unref_locked(struct session *s);
void session_unref(struct channel *c, struct session *s);
/* Is a workspace served by the session's plane? For the books; arg: a session_scope. */
struct session_scope {
    const struct channel *channel;
    const struct session *session;
};
bool session_serves(void *arg, const struct uuid *organization, const struct uuid *workspace);
/* Ends every session of the plane and tells it so. */
void sessions_end_plane(struct channel *c, const struct uuid *plane);
/* Ends what was left over; on stop, without answering. */
void sessions_free(struct channel *c);
void reply_error(struct channel *c, struct link_call *call, const struct envelope *request,
                 const char *code, const char *text);
/* Seals body into out (cleared before). */
bool seal_message(const struct channel *c, uint16_t type, const struct uuid *session,
                  uint64_t sequence, const uint8_t key[static 32], struct str body,
                  struct buffer *out);
/* Packs a protobuf message into out (cleared before). */
bool pack_message(const ProtobufCMessage *m, struct buffer *out);

/* ---- sync.c ---- */

/* Handles a valid sync request; owns a reference on s. */
void sync_request(struct channel *c, struct session *s, uint64_t sequence, struct str body);
/* Lock held: true when the parked session should be answered now. */
bool sync_is_due(const struct channel *c, const struct session *s, uint64_t now_ms);
/* Answers a parked session; owns a reference on s. */
void sync_answer(struct channel *c, struct session *s);
/* Fills the messages (all three arrays hold n + 1) with this instance and the others. Texts live
 * while the lock is held or, given the arena, for its life. */
size_t endpoints_fill(struct channel *c, Weir__Endpoint *items, Weir__Endpoint **list, size_t max,
                      struct arena *a);

/* ---- command.c ---- */

/* Lock held. */
void command_result(struct channel *c, struct session *s, const Weir__CommandResult *r);
void commands_lose(struct channel *c, struct session *s);
void commands_expire(struct channel *c, uint64_t now_ms);
/* A notification named this command. Watching thread. */
void command_notified(struct channel *c, struct str id);

/* ---- report.c ---- */

void report_request(struct channel *c, struct session *s, uint64_t sequence, struct str body);

/* ---- lease.c ---- */

void lease_request(struct channel *c, struct session *s, uint64_t sequence, struct str body);

/* ---- pump.c ---- */

bool pump_start(struct channel *c);
void pump_stop(struct channel *c);
bool books_beat(struct channel *c, struct error *err);

#endif
