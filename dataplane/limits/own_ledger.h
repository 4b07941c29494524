/* The accounts of a proxy on its own (standalone): what the control plane's ledger is for the
 * others. It grants leases on budgets and limits to this process, by the rules of weir.yaml, and
 * books what usage events charge (proto/usage.proto, Charge).
 *
 * What budgets spent lives in the state folder: each event with charges is in the file before it is
 * acknowledged in the spool, and counts once however often it is offered, after a crash at any
 * moment too; what a crash left in the spool, and what it left without an end (booked at its
 * bound), is booked before anything is granted again. Leases and limits live in memory: they end
 * with the process that they were granted to. A file that cannot be written (full disk) is told,
 * keeps the events in the spool, and grants nothing that was not free before.
 *
 * Threads: own_ledger_book and own_ledger_caught_up belong to the reader of the spools, the rest is
 * for any; one lock, never held over a write. */
#ifndef DATAPLANE_LIMITS_OWN_LEDGER_H
#define DATAPLANE_LIMITS_OWN_LEDGER_H

#include "common/base/error.h"
#include "common/base/uuid.h"
#include "dataplane/limits/lease_wire.h"
#include "dataplane/snapshot/index.h"

struct own_ledger;

/* A soft or hard budget has spent so much: once for each percent of a window. */
struct own_alert {
    const struct snap_quota *quota;
    struct str bucket;
    int64_t window_start_s;
    uint32_t percent;
    uint64_t settled, amount;
};

struct own_ledger_config {
    const char *folder; /* made with mode 0700 if absent; of this ledger alone */
    bool sync; /* booked is on disk (fdatasync a batch); else only safe from a crash of us */
    struct uuid holder; /* this process's (quota_holder): its charges are taken out of its leases */
    /* The quota as it is now, NULL: there is none. What it gives is used until `release` is called
     * with what it put into *ret_pin. Any thread. */
    const struct snap_quota *(*find)(void *arg, const struct uuid *id, void **ret_pin);
    void (*release)(void *arg, void *pin);
    void (*on_alert)(void *arg, const struct own_alert *a); /* NULL: a line in the log */
    void *arg;
    int64_t (*now_ms)(void *arg); /* NULL: the process's wall clock */
    size_t remember; /* the last so many events are known again; 0: 65,536. More than can be read
                        and not acknowledged */
    size_t max_accounts; /* of budgets; 0: a million. Further buckets share QUOTA_BUCKET_REST's */
    uint64_t
        compact_bytes; /* the file is made anew when it has grown by this and doubled; 0: 4 MiB */
};

/* Reads what is booked. False: err names the file. */
struct own_ledger *own_ledger_open(const struct own_ledger_config *c, struct error *err);
void own_ledger_close(struct own_ledger *l); /* accepts NULL */

/* Books the charges of a batch of events (Event messages as they stand in the spool): all of them
 * or, when the file cannot be written, none. Events that were booked before, and what is no event,
 * are passed over. */
bool own_ledger_book(struct own_ledger *l, const struct str *events, size_t n, struct error *err);
/* What a former process left in the spool is booked: budgets may be granted from now on. Until then
 * asks for them are answered HELD. */
void own_ledger_caught_up(struct own_ledger *l);
bool own_ledger_is_caught_up(const struct own_ledger *l);

/* Answers asks of this process's quota table, in order. */
void own_ledger_answer(struct own_ledger *l, const struct lease_ask *asks, size_t n,
                       struct lease_answer *ret_answers);

/* What stands in an account; false (0, 0): nothing ever did. */
bool own_ledger_sums(struct own_ledger *l, const struct uuid *quota, struct str bucket,
                     int64_t window_start_s, uint64_t *ret_settled, uint64_t *ret_held);

struct own_ledger_stats {
    uint64_t accounts, booked, repeated, failures, compactions, file_bytes;
};
void own_ledger_stats(struct own_ledger *l, struct own_ledger_stats *ret);

#endif
