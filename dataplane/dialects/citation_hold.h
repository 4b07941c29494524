/* Citations of a stream's text block, held until the block ends: Anthropic's models tell them
 * before the text that they are of, or behind it, and readers of other dialects want to know from
 * where to where it goes. Bounded; one thread. */
#ifndef DATAPLANE_DIALECTS_CITATION_HOLD_H
#define DATAPLANE_DIALECTS_CITATION_HOLD_H

#include "common/json.h"
#include "dataplane/canonical/chat.h"

/* Fields are private. */
struct citation_hold {
    struct buffer list; /* a JSON array that is not closed yet */
    int64_t characters; /* of the block's text so far */
};

void citation_hold_init(struct citation_hold *h);
void citation_hold_release(struct citation_hold *h);
/* More text of the block. */
void citation_hold_text(struct citation_hold *h, struct str text);
/* As the provider wrote it; past 1 MiB it is left out. */
void citation_hold_add(struct citation_hold *h, struct json_value raw);
/* Each that is held, in order; `characters` is the block's length. Then forgets all,
 * for the next block. */
void citation_hold_give(struct citation_hold *h,
                        void (*give)(void *arg, struct json_value raw, int64_t characters),
                        void *arg);
/* Characters of a text. */
int64_t citation_characters(struct str text);

#endif
