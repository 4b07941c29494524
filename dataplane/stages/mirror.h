/* Copies of a request to further targets, whose answers are only recorded. A part of dispatch. */
#ifndef DATAPLANE_STAGES_MIRROR_H
#define DATAPLANE_STAGES_MIRROR_H

#include "dataplane/request/request.h"

/* With the first attempt: one copy for each mirror of the step at hand, each a request of its own
 * with its own event (mirror_of), which outlives this one or not. What fails there concerns nobody.
 */
void mirror_send(struct request *r);

#endif
