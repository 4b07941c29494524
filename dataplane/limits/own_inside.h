/* What own_ledger.c (booking), own_accounts.c (accounts and events known again) and own_answer.c
 * (leases) share. */
#ifndef DATAPLANE_LIMITS_OWN_INSIDE_H
#define DATAPLANE_LIMITS_OWN_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/list.h"
#include "dataplane/limits/own_journal.h"
#include "dataplane/limits/own_ledger.h"

struct map;

#define OWN_RING_LEN 65536u
#define OWN_KEY_MAX (16 + 8 + QUOTA_BUCKET_MAX)

struct own_account {
    struct list node; /* in the ledger's `booked` or `passing` */
    bool booked;      /* the file knows it; else it is of leases alone and passes with its window */
    /* Running totals with this process: granted - returned - spent is held. Spent: by events of a
     * budget, as told with the asks of a limit. */
    uint64_t granted, returned, spent;
    struct quota_state state;
    uint32_t alerted;  /* percent */
    int64_t touched_s; /* Unix time of the last booking or ask */
    int64_t end_s;     /* of its window; 0: not known yet */
    int64_t keep_s;    /* without an end: idle for so long it says nothing any more */
    size_t key_len;
    uint8_t key[]; /* quota, window_start_s, bucket */
};

struct own_ledger {
    struct own_ledger_config config;
    struct own_journal journal; /* the booking thread's, as `seen`, ring and records */
    struct buffer records;
    struct map *seen;  /* ids in the ring */
    struct uuid *ring; /* the last events, oldest at ring_at when full; NULL: none yet */
    size_t ring_len, ring_at;
    uint64_t retry_bytes; /* no compaction below this size: the last one failed */
    pthread_mutex_t lock; /* over what follows */
    struct map *accounts; /* by key */
    struct list booked, passing;
    size_t n_booked;
    int64_t swept_s;
    atomic_bool caught_up;
    bool crowded; /* max_accounts was told */
    struct own_ledger_stats stats;
};

int64_t own_now_ms(const struct own_ledger *l);

/* ---- own_accounts.c; under the lock ---- */
struct str own_key(const struct uuid *quota, int64_t window_start_s, struct str bucket,
                   uint8_t buf[static OWN_KEY_MAX]);
struct uuid own_account_quota(const struct own_account *a);
int64_t own_account_start(const struct own_account *a);
struct str own_account_bucket(const struct own_account *a);
struct own_account *own_account_find(const struct own_ledger *l, struct str key);
/* Made where there is none. */
struct own_account *own_account_get(struct own_ledger *l, struct str key);
/* As own_account_get, for what is booked: the rest's account where there are too many. */
struct own_account *own_account_book(struct own_ledger *l, struct str key);
void own_account_settle(struct own_account *a, uint64_t amount, int64_t now_s);
void own_account_hold(struct own_account *a); /* state.held from the totals */
void own_account_drop(struct own_ledger *l, struct own_account *a);
/* Drops accounts of leases whose window is over; once in a while. */
void own_accounts_sweep(struct own_ledger *l, int64_t now_s);
void own_accounts_free(struct own_ledger *l);

/* ---- events known again; the booking thread's ---- */
bool own_is_seen(const struct own_ledger *l, const struct uuid *id);
void own_see(struct own_ledger *l, const struct uuid *id);

/* ---- own_compact.c; the booking thread's ---- */
/* A record of the file, told to the ledger that opens it. */
void own_replay(void *arg, struct str record);
bool own_compact(struct own_ledger *l); /* where it is time; whether it was done */

#endif
