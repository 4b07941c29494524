/* Between the files of the bridge: bridge.c (life, thread, failover), bridge_session.c (hello,
 * sync, commands), bridge_report.c (batches) and bridge_lease.c (leases). Everything below `lock`
 * is the bridge thread's own; NNG's callbacks only put what came into `arrived` and wake it. */
#ifndef DATAPLANE_REPORT_BRIDGE_INSIDE_H
#define DATAPLANE_REPORT_BRIDGE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/buffer.h"
#include "common/base/list.h"
#include "dataplane/report/bridge.h"
#include "dataplane/report/identity.h"
#include "dataplane/snapshot/disk.h"
#include "dataplane/snapshot/run.h"
#include "proto/envelope.h"
#include "proto/link.h"

#define BRIDGE_HELLO_MS 3000
#define BRIDGE_SYNC_MS 8000 /* a sync is parked for two seconds at most */
#define BRIDGE_REPORT_MS 15000
#define BRIDGE_LEASE_MS 2000
#define BRIDGE_LEASE_SPACE_MS 5 /* between two requests for leases */
#define BRIDGE_LEASE_GRACE_MS 1000
#define BRIDGE_BACKOFF_MIN_MS 200
#define BRIDGE_BACKOFF_MAX_MS 2000
#define BRIDGE_BATCH_EVENTS 2048
#define BRIDGE_BATCH_BYTES (1u << 20)
#define BRIDGE_BATCH_MS 50
#define BRIDGE_RENEW_DAYS 30
#define BRIDGE_RECENT_COMMANDS 64

/* One request under way on a socket. */
enum turn_state { TURN_IDLE = 0, TURN_SENT, TURN_ARRIVED };

struct turn {
    struct bridge *bridge;
    enum turn_state state;   /* under lock */
    enum link_result result; /* under lock, when ARRIVED */
    struct buffer reply;     /* likewise */
    struct buffer request;   /* the sealed message, to be sent again as it is */
    uint64_t sequence;       /* last used */
    uint64_t sent_ms;
    unsigned tries;
};

struct command_result {
    struct list node;
    struct uuid id;
    bool ok, sent;
    char *error, *body_json;
};

enum phase { PHASE_AWAY = 0, PHASE_HELLO, PHASE_SESSION };

struct bridge {
    struct bridge_config config;
    char *folder;
    bool has_state_key;
    uint8_t state_key[32], wrap_key[32], hello_key[32];
    struct spool **spools;
    uint64_t *positions; /* per spool: last event in the batch under way; 0: none */
    uint64_t *counts;    /* per spool: how many of them */
    uint64_t *former;    /* per spool: events of former processes that are not stored yet */

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* monotonic clock */
    bool woken, stopping, lease_woken;
    uint64_t stop_asked_ms, stop_by_ms;
    uint64_t announced;  /* highest version heard of */
    struct list results; /* commands' results that no reply has confirmed */
    struct bridge_status status;

    struct identity identity;
    struct snapshot *current;
    struct snapshot_disk *disk;
    uint64_t started_ms;
    uint64_t confirmed_written_ms;

    enum phase phase;
    unsigned endpoint; /* index of the one in use */
    unsigned failures; /* in a row, without a session */
    uint64_t retry_at_ms;
    struct link_req *sync_link, *report_link, *lease_link;
    struct link_sub *announce_link;
    struct turn sync, report, lease;
    uint8_t nonce[32], session_key[32];
    struct uuid session;

    struct snapshot_run *run;
    struct str *parts; /* of the run under way, heap; not kept of a full one */
    size_t n_parts;
    uint64_t refused_version;
    char refused_reason[200];
    bool send_shards;
    uint64_t hurried_for; /* announced version that a parked sync was given up for */
    uint64_t sync_not_before_ms;
    char *pending_key_pem, *pending_csr_pem;
    uint64_t renew_not_before_ms;
    struct uuid recent[BRIDGE_RECENT_COMMANDS];
    unsigned n_recent;

    uint64_t batch_number;
    size_t batch_events;
    uint64_t last_batch_ms, report_not_before_ms;

    bool lease_under_way, lease_reachable; /* as the callbacks were told */
    uint64_t lease_not_before_ms, lease_due_at_ms;
    uint64_t lease_trouble_ms; /* since when there are no answers; 0: there are */
    uint64_t lease_tidied_ms;
    bool disk_failing;
};

/* ---- bridge.c ---- */
void bridge_wake(struct bridge *b);
/* Sends x's request (sealed already) over a link; false: it could not be sent. */
bool turn_send(struct turn *x, struct link_req *link, unsigned timeout_ms);
/* Seals body as the next (or, for hello, the first) request of x. */
bool turn_seal(struct bridge *b, struct turn *x, uint16_t type, const struct uuid *session,
               const uint8_t key[static 32], struct str body);
/* Takes what arrived: true when there was something, with the state idle again; then result and
 * reply are the caller's to read. */
bool turn_take(struct turn *x);
bool turn_is_idle(struct turn *x);
/* Checks an answer against its request: HMAC, session, sequence. On an error reply fills code (else
 * ""). */
bool turn_check(const struct bridge *b, const struct turn *x, uint16_t type,
                const uint8_t key[static 32], const struct uuid *session, struct envelope *ret,
                char code[static 40]);
/* Ends the session; the next endpoint is tried after a pause, or this one at once. */
void bridge_lose(struct bridge *b, const char *why, bool same_at_once);

/* ---- bridge_session.c ---- */
bool session_hello(struct bridge *b);
void session_on_hello(struct bridge *b);
/* Sends the next sync if none is under way. */
void session_sync(struct bridge *b, uint64_t now_ms);
void session_on_sync(struct bridge *b, uint64_t now_ms);
void session_drop_run(struct bridge *b);
/* When the parked sync should be given up for something to say or hear. */
bool session_should_hurry(struct bridge *b, uint64_t now_ms);

/* ---- bridge_report.c ---- */
/* Sends a batch if one is due; returns when to look again (UINT64_MAX: when woken). */
uint64_t report_send(struct bridge *b, uint64_t now_ms);
void report_on_ack(struct bridge *b, uint64_t now_ms);
void report_rewind(struct bridge *b);
bool report_is_empty(const struct bridge *b);

/* ---- bridge_lease.c ---- */
void lease_on_session(struct bridge *b);
void lease_on_lost(struct bridge *b); /* the session has ended */
/* As report_send. */
uint64_t lease_send(struct bridge *b, uint64_t now_ms);
void lease_on_grant(struct bridge *b, uint64_t now_ms);
/* What time alone does, with a session or without; when to look again. */
uint64_t lease_tend(struct bridge *b, uint64_t now_ms);
/* So many events of a spool were acknowledged. */
void lease_on_stored(struct bridge *b, size_t spool, uint64_t events);
bool lease_former_delivered(const struct bridge *b);
/* Nothing is left to give back. */
bool lease_is_done(struct bridge *b);

#endif
