/* The own ledger's records (own_compact.c). */
#ifndef DATAPLANE_LIMITS_OWN_RECORDS_H
#define DATAPLANE_LIMITS_OWN_RECORDS_H

#include "dataplane/limits/own_inside.h"

/* One of an event's charges. */
struct own_charge {
    struct uuid quota;
    int64_t window_start_s;
    uint64_t amount;
    struct str bucket;
    bool ours; /* out of this process's lease */
};

/* An event's record: this, its charges, own_record_end of what was returned. */
size_t own_put_event(struct buffer *b, const struct uuid *id);
void own_put_charge(struct buffer *b, const struct own_charge *c);
void own_put_alert(struct buffer *b, const struct own_account *a);

#endif
