/* What the own ledger wants of an event's bytes (proto/usage.proto, Event): its id and its charges,
 * found without unpacking the rest. Pure. */
#ifndef DATAPLANE_LIMITS_OWN_EVENT_H
#define DATAPLANE_LIMITS_OWN_EVENT_H

#include "dataplane/limits/own_records.h"

#define OWN_CHARGES_MAX 2000 /* of one event; more are passed over */

/* False: no event with an id of sixteen bytes. *ret_charges: the first one's place, for
 * own_event_next; NULL ptr: it has none. */
bool own_event_read(struct str event, struct uuid *ret_id, struct str *ret_charges);
/* The next charge; false: no more. Those without a quota or an amount are passed over. Texts point
 * into the event. `holder`: whose charges are ours. */
bool own_event_next(struct str *charges, const struct uuid *holder, struct own_charge *ret);

#endif
