/* Routing configs and prompts as a snapshot carries them: numbered versions, labels, and which one
 * is published. Each version that somebody can name without its number (published, labelled,
 * newest) is compiled when the entity comes, so that a request only reads; the others when they are
 * asked for. */
#ifndef DATAPLANE_SNAPSHOT_DOCUMENT_ENTITY_H
#define DATAPLANE_SNAPSHOT_DOCUMENT_ENTITY_H

#include "dataplane/snapshot/entity.h"

/* Reads the message into `ret` (texts point into body or the arena). `e` gives its id, and gets
 * data_key_id set to a data key that is missing. False: it is no such message. */
bool document_entity_read(struct entity_more *e, struct str body, const struct entity_source *from,
                          struct snap_document *ret, struct uuid *ret_own);

#endif
