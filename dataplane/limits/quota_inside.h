/* Between the files of the quota table: quota.c (table and accounts), quota_take.c (taking,
 * settling, waiters), quota_ask.c (what is asked and what is answered), quota_queue.c (which
 * account has something to say, and when), quota_local.c (shares without an authority).
 *
 * Locks, in the order in which they may be taken: a shard (its chains), an account, then one of
 * the leaves: the queue, the families, a waiter's loop. An account is freed by the authority's
 * thread alone, when its window is over, nobody refers to it and nothing in it is left to tell.
 *
 * Waiters are told through notes, as in dataplane/cache/flight.h: a note is made when a waiter is
 * parked and stays until it has been taken off the waiter's loop. Other threads touch notes, never
 * waiters; a waiter that leaves after its note was posted only blanks it, on its own loop. */
#ifndef DATAPLANE_LIMITS_QUOTA_INSIDE_H
#define DATAPLANE_LIMITS_QUOTA_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/limits/lease_wire.h"
#include "dataplane/limits/quota.h"

#define QUOTA_SHARDS 64u
#define QUOTA_FAMILY_BUCKETS 4096u
#define QUOTA_ACCOUNTS_DEFAULT 1000000u
#define QUOTA_WAIT_DEFAULT_MS 10000
#define QUOTA_LIMIT_WAIT_MS 1000
#define QUOTA_IDLE_MS 500     /* what was not touched for so long is given back */
#define QUOTA_HELD_MS 50      /* between two asks for what others hold; and as much again, random */
#define QUOTA_OVER_MS 250     /* how long "does not fit" is remembered */
#define QUOTA_UNKNOWN_MS 1000 /* how long an authority may not know what it is asked about */
#define QUOTA_PREFETCH_MS 100 /* after asking ahead gave nothing */
#define QUOTA_BURN_MS 250     /* what spending is measured over */
#define QUOTA_STRANDED_MS 5   /* a loop whose queue was full is tried again */
#define QUOTA_FRESH_MS 200    /* quota_look */
#define QUOTA_FIGURES_MS 2000 /* how long what was free is a guess at what is */

enum quota_note_state { NOTE_WAITS = 0, NOTE_STRANDED, NOTE_POSTED };

struct quota_note {
    struct list node;            /* in its account's waiters, looks or stranded */
    struct quota_waiter *waiter; /* NULL: it has left; touched on the waiter's loop only */
    struct loop *loop;
    uint64_t amount, until_ms;
    enum quota_note_state state; /* under the account's lock */
    bool look;
    enum quota_answer answer;
};

/* All buckets of a quota in one window, to keep them few. */
struct quota_family {
    struct quota_family *next;
    struct uuid quota;
    int64_t start_s;
    uint32_t accounts;
};

struct quota_account {
    struct quota_account *next; /* in its shard; under the shard's lock */
    struct quota_table *table;
    struct quota_family *family; /* NULL: the shared rest */
    uint64_t hash;
    atomic_uint refs;
    struct uuid quota;
    int64_t start_s, end_s;

    /* under the queue's lock */
    struct list ready;
    bool is_ready;
    size_t heap_at; /* from 1; 0: not in the heap */
    uint64_t due_ms;

    pthread_mutex_t lock;   /* all below, but the bucket */
    struct quota_rule rule; /* without its zone, which is a snapshot's */
    int64_t available;      /* below zero: more was spent than had been reserved */
    uint64_t in_flight;
    uint64_t granted_total, returned_total, used_total;
    uint64_t returned_told, used_told;    /* as the authority has confirmed */
    uint64_t entitled;                    /* sum of all wants: never more than that is granted */
    struct list waiters, looks, stranded; /* notes */
    uint64_t n_waiting;

    bool asking;    /* in the message under way */
    bool soon;      /* a visit is due within QUOTA_IDLE_MS */
    bool succeeded; /* the next window has been asked for */
    bool scarce, held, first_only;
    bool known;
    uint64_t told_ms; /* when the figures came */
    uint64_t amount, settled, held_all;
    int64_t reset_ms;
    uint64_t again_ms, prefetch_ms; /* not before */
    uint64_t over_ms, over_amount;  /* until then, so much does not fit */
    uint64_t unknown_ms;            /* since when; 0: it is known */

    int64_t burn_sum;       /* what left `available` since burn_ms */
    uint64_t burn_ms, burn; /* a second's */
    uint64_t tried_ms;      /* when somebody last wanted something */
    uint64_t missed;        /* wanted by those who could not wait */
    int64_t low;            /* least that was available since low_ms */
    uint64_t low_ms;

    struct quota_state *local; /* without an authority; NULL: never was */
    uint64_t local_granted, local_used;

    uint16_t bucket_len;
    char bucket[];
};

struct quota_shard {
    pthread_mutex_t lock;
    struct quota_account **chains;
    size_t n_chains, n;
    _Atomic uint64_t taken, refused, occupied, without;
    char pad[64];
};

struct quota_queue {
    pthread_mutex_t lock;
    struct list ready;
    struct quota_account **heap; /* by due_ms; heap[0] is not used */
    size_t n, cap;
};

/* An account in the message under way. */
struct quota_asked {
    struct quota_account *account;
    uint64_t returned, used, need, want, first;
    bool several; /* need is more than the first waiter's */
};

struct quota_table {
    struct quota_table_config config;
    struct quota_shard shards[QUOTA_SHARDS];
    pthread_mutex_t families_lock;
    struct quota_family *families[QUOTA_FAMILY_BUCKETS];
    struct quota_queue queue;
    atomic_size_t accounts;
    atomic_uint planes;
    atomic_bool reachable, draining, woken;
    _Atomic int64_t latest_s; /* windows never go back, whatever the clock does */
    _Atomic uint64_t waiting, asks;
    /* the authority's thread */
    struct quota_asked *asked;
    struct lease_ask *list;       /* room for as many */
    struct lease_answer *answers; /* likewise */
    size_t n_asked, cap_asked;
    uint64_t random;
};

/* ---- quota.c ---- */
uint64_t quota_mono_ms(const struct quota_table *t);
int64_t quota_wall_ms(struct quota_table *t);
static inline bool quota_is_past(const struct quota_account *a, int64_t wall_ms)
{
    return a->end_s < INT64_MAX / 1000 && wall_ms >= a->end_s * 1000;
}
/* Authority's thread: makes the account of the window of now for a busy one whose window ended. */
void quota_succeed(struct quota_account *a, const struct quota_rule *rule, uint64_t burn);
/* Authority's thread: frees it if nothing speaks against. */
bool quota_bury(struct quota_account *a, int64_t wall_ms);
/* Each account, under its shard's lock. */
void quota_each(struct quota_table *t, void (*fn)(struct quota_account *a, void *arg), void *arg);

/* ---- quota_take.c; the account's lock is held ---- */
/* Gives out what is available, first come first served. */
void quota_serve(struct quota_account *a, uint64_t now_ms);
/* Tells the note (taken off its list here) this. */
void quota_tell(struct quota_account *a, struct quota_note *n, enum quota_answer answer);
void quota_tell_waiters(struct quota_account *a, enum quota_answer answer);
/* Those who need at least so much. */
void quota_refuse_from(struct quota_account *a, uint64_t amount);
void quota_tell_looks(struct quota_account *a, enum quota_answer answer);
void quota_rescue(struct quota_account *a); /* stranded notes */
void quota_expire(struct quota_account *a, uint64_t now_ms);
void quota_roll_burn(struct quota_account *a, uint64_t now_ms);
/* What a second takes: as measured, or at least what the present moment has taken already. */
static inline uint64_t quota_burn(const struct quota_account *a)
{
    uint64_t sum = a->burn_sum > 0 ? (uint64_t)a->burn_sum : 0;
    uint64_t burn = sum < UINT64_MAX / 4 ? sum * (1000 / QUOTA_BURN_MS) : sum;
    return burn > a->burn ? burn : a->burn;
}
struct quota_note *quota_first(const struct quota_account *a); /* NULL: nobody waits */

/* ---- quota_queue.c; any thread ---- */
void quota_queue_init(struct quota_queue *q);
void quota_queue_release(struct quota_queue *q);
/* Has something to ask: wakes the authority. */
void quota_queue_now(struct quota_account *a);
/* To be looked at then, or earlier if it already is. */
void quota_queue_at(struct quota_account *a, uint64_t due_ms);
/* The next that has something or is due; NULL: none. */
struct quota_account *quota_queue_pop(struct quota_queue *q, uint64_t now_ms);
/* Only those that are due by time. */
struct quota_account *quota_queue_pop_due(struct quota_queue *q, uint64_t now_ms);
void quota_queue_remove(struct quota_queue *q, struct quota_account *a);
bool quota_queue_is_ready(struct quota_queue *q);
uint64_t quota_queue_due(struct quota_queue *q); /* UINT64_MAX: nothing is */

/* ---- quota_local.c; the account's lock is held ---- */
/* Grants this process's own share, as much as `amount` needs; false: not its rule, or used up. */
bool quota_local_grant(struct quota_account *a, uint64_t amount, int64_t wall_ms);
/* Takes back what of it is available, once there is an authority again. */
void quota_local_reclaim(struct quota_account *a);
/* How much of what was used counts as the authority's. */
uint64_t quota_local_use(struct quota_account *a, uint64_t used);

#endif
