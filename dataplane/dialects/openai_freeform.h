/* OpenAI's custom tools: a model calls one with plain text (a patch, a script) where a function
 * takes an object. No other dialect has them, so in the neutral form one is a function of a single
 * text, `input`; on the way back to the client its call becomes a custom one again. A grammar that
 * the text must follow cannot be enforced elsewhere: it is told in the description. Pure. */
#ifndef DATAPLANE_DIALECTS_OPENAI_FREEFORM_H
#define DATAPLANE_DIALECTS_OPENAI_FREEFORM_H

#include "dataplane/dialects/openai_fields.h"

/* {"type":"custom","name","description","format"}, or those within "custom" as chat completions
 * nest them; appended to the request's tools. */
bool openai_read_freeform(struct openai_decode *d, struct json_value tool);
/* {"input":"…"}; STR_NONE when out of room. */
struct str openai_freeform_arguments(struct arena *a, struct str input);
/* The reverse; arguments of another shape are the text themselves. */
struct str openai_freeform_input(struct arena *a, struct str arguments);
/* Whether the client's tool of this name is one; q may be NULL. */
bool openai_is_freeform(const struct chat_request *q, struct str name);

#endif
