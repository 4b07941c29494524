/* The usage event of a request, as it stands at that moment. */
#ifndef DATAPLANE_STAGES_EVENT_H
#define DATAPLANE_STAGES_EVENT_H

#include "dataplane/request/request.h"

/* Fills the event; attempts holds REQUEST_MAX_ATTEMPTS. Everything is borrowed from the request.
 * Needs r->key. */
void event_of_request(struct request *r, struct event *ret, struct event_attempt *attempts);

#endif
