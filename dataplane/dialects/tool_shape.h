/* What providers demand of the tools that other dialects' clients name: an alphabet and a length
 * for names and ids, and schemas that say that they are of objects. Pure, any thread. */
#ifndef DATAPLANE_DIALECTS_TOOL_SHAPE_H
#define DATAPLANE_DIALECTS_TOOL_SHAPE_H

#include "dataplane/canonical/chat.h"

#define TOOL_TEXT_ANY SIZE_MAX

/* The name or id within letters, digits, '_' and '-', and at most `max` bytes (24 or more): what
 * does not fit is replaced or cut, and gets a hash of the whole behind it, so that two stay two. */
struct str tool_text(struct arena *a, struct str text, size_t max);
/* The client's own name of the tool that was sent as tool_text made it; `name` itself when there
 * is none, or when the client has a tool of that very name. q may be NULL. */
struct str tool_text_back(struct arena *a, const struct chat_request *q, struct str name,
                          size_t max);
/* The same for Gemini's functions: '.' and ':' too, a letter or '_' in front, 64 bytes. */
struct str tool_gemini(struct arena *a, struct str name);
struct str tool_gemini_back(struct arena *a, const struct chat_request *q, struct str name);
/* A tool's parameters as a schema with a "type" at its top, which providers want where OpenAI does
 * not: absent and {} become an object without properties. */
struct str tool_schema(struct arena *a, struct str schema);

#endif
