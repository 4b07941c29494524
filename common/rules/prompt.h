/* Prompt templates: the JSON document that a prompt's version holds, and its expansion into the
 * body of a chat completion. Pure; the control plane checks documents with it, the data plane
 * expands.
 *
 *   {"messages": [{"role": "system", "content": "You are {{tone}}."}, "{{history}}", …],
 *    "model": "alias or provider/model", "parameters": {"temperature": 0.2, …},
 *    "tools": […], "tool_choice": …, "response_format": …, "config": "NAME[@…]",
 *    "variables": {"tone": {"default": "kind", "required": true, "description": "…"}},
 *    "metadata": {…}}
 *
 * Strings anywhere in messages, tools, tool_choice and response_format are mustache templates; a
 * message's content that is exactly one interpolation of a list or an object gets that value
 * itself, and so does any string of the other three. A string in the place of a message (or of a
 * tool) is exactly one interpolation: of a message, or of a list of them, which then stands there
 * item by item. `messages` may be one text instead, a template of the JSON array: it is rendered
 * with JSON escaping and read afterwards, so sections may stand around messages, and a list within
 * the list is taken as its items. docs/prompts.md. */
#ifndef COMMON_RULES_PROMPT_H
#define COMMON_RULES_PROMPT_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/json.h"
#include "common/mustache.h"

struct prompt;

#define PROMPT_MAX_DOCUMENT (1u << 20)
#define PROMPT_MAX_BODY (8u << 20)

/* err names what is wrong with its path ("messages[1].content: section 'x' …"). The text must
 * outlive the result or be in the arena. A partial's document is {"text": "…"} or a JSON string. */
bool prompt_compile(struct str json, struct arena *a, const struct prompt **ret, struct error *err);
bool prompt_partial_compile(struct str json, struct arena *a, const struct mustache **ret,
                            struct error *err);

struct str prompt_model(const struct prompt *p);  /* NULL ptr: none */
struct str prompt_config(const struct prompt *p); /* NULL ptr: none */
/* Names that its templates use, and declares. */
void prompt_each_variable(const struct prompt *p,
                          bool (*fn)(void *arg, struct str name, bool required,
                                     struct str default_json),
                          void *arg);

/* The body of a chat completion: the template's members, then `overrides` (an object: the caller's
 * body; its members replace the template's; `variables`, `promptID` and `prompt_id` are left out),
 * rendered with `variables` (an object; raw NULL or null: none; a member that is null counts as not
 * given). A partial that cannot be found is an error with param "partials.NAME". False:
 * ERR_INVALID_FIELD with param "variables.NAME" for a required one that is missing, or what
 * mustache says. */
struct prompt_input {
    struct json_value variables, overrides; /* raw.ptr NULL: none */
    mustache_partial_fn partial;
    void *partial_arg;
};
bool prompt_expand(const struct prompt *p, const struct prompt_input *in, struct arena *a,
                   struct str *ret_body, struct error *err);

#endif
