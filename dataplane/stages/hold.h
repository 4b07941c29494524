/* The start of an answer: at once, or, while another target may still be tried, held back until its
 * first content (a whole body: to its end, as far as there is room). A part of relay. */
#ifndef DATAPLANE_STAGES_HOLD_H
#define DATAPLANE_STAGES_HOLD_H

#include "dataplane/stream/sink.h"

/* The status that the client gets. */
int hold_status(const struct relay *rl);
/* The client's answer begins. */
void hold_start(struct relay *rl);
/* From here on the answer is this one; nothing to do where nothing is held. */
void hold_release(struct relay *rl);
/* Releases it when content is there, or more is held than there is room for. */
void hold_look(struct relay *rl);
/* The provider told of a failure within a stream before any content: as good as an error status.
 * True: another target is tried (rl is no longer the request's); else its own words go to the
 * client. */
bool hold_failed(struct relay *rl);
/* A whole answer has its end. One that was held and is no JSON is as good as a failure, too. True:
 * another target is tried. */
bool hold_garbled(struct relay *rl);

#endif
