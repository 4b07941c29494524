/* The thread between a proxy's quota table and its own ledger: it asks when the table wakes it or
 * has something to ask by time, so that no worker ever waits for either. */
#ifndef DATAPLANE_LIMITS_OWN_PUMP_H
#define DATAPLANE_LIMITS_OWN_PUMP_H

#include "dataplane/limits/own_ledger.h"
#include "dataplane/limits/quota.h"

struct own_pump;

struct own_pump *own_pump_new(void);
/* The table's `wake` (quota_table_config), with the pump as its arg. Any thread, from the moment
 * that the pump was made. */
void own_pump_wake(void *pump);
/* Both outlive own_pump_stop. Tells the table that its authority can be reached. */
bool own_pump_start(struct own_pump *p, struct quota_table *t, struct own_ledger *l,
                    struct error *err);
/* Joins the thread; may still be woken. Accepts NULL and one that was not started. */
void own_pump_stop(struct own_pump *p);
void own_pump_free(struct own_pump *p); /* behind own_pump_stop and the table; accepts NULL */

#endif
