/* Small readers that every dialect needs: JSON spans to neutral values. All texts are decoded, in
 * the arena where they held escapes, else spans of the input. Pure; no allocation outside the
 * arena. */
#ifndef DATAPLANE_CANONICAL_READ_H
#define DATAPLANE_CANONICAL_READ_H

#include "common/json.h"
#include "dataplane/canonical/chat.h"

/* Text of a JSON string; STR_NONE (ptr NULL) for any other type, or when out of room. */
struct str read_text(struct arena *a, struct json_value v);
/* The same for a member that may be absent. */
struct str read_member(struct arena *a, const struct json_member *m);
/* Decoded text of a member that must be a string when it is there and not null; else err
 * (ERR_INVALID_FIELD, param) and false. *ret is STR_NONE when absent or null. */
bool read_text_member(struct arena *a, const struct json_member *m, const char *param,
                      struct str *ret, struct error *err);
/* JSON number text of a member; absent/null: STR_NONE; another type: err and false. */
bool read_number_member(const struct json_member *m, const char *param, struct str *ret,
                        struct error *err);
/* Whole number, 0 or more; absent/null leaves *ret. "4.0" and "1e2" are accepted where integral. */
bool read_u64_member(const struct json_member *m, const char *param, uint64_t *ret,
                     struct error *err);
/* true/false to 1/0; absent/null leaves *ret. */
bool read_bool_member(const struct json_member *m, const char *param, int *ret, struct error *err);
/* The raw JSON of a member; STR_NONE when absent or null. */
struct str read_raw(const struct json_member *m);
/* Whether it is there and not null. */
static inline bool read_there(const struct json_member *m)
{
    return m->found && m->value.type != JSON_NULL;
}
/* First value of that name in a validated object (no duplicate check); false when absent or null.
 */
bool read_get(struct json_value object, const char *name, struct json_value *ret);
/* A number of such an object, 0 when absent or not a whole number. */
uint64_t read_get_u64(struct json_value object, const char *name);
/* Text of a string member of such an object; STR_NONE when absent. */
struct str read_get_text(struct arena *a, struct json_value object, const char *name);
/* Validates text as one JSON value; false when it is not. */
bool read_json(struct str text, struct json_value *ret);

/* "data:image/png;base64,AAAA" to media_type and data; any other URL to url. The part's format is
 * left alone. A data URL that is not base64 (percent-encoded text) is turned to base64. */
bool media_of_url(struct arena *a, struct str url, struct media *ret);
/* The reverse: "data:<type>;base64,<data>" in the arena for data, url itself for a URL. */
struct str media_url(struct arena *a, const struct media *m);
/* Media type of a file name or URL path by its ending ("image/png"), STR_NONE when not known. */
struct str media_type_of_name(struct str name);
/* "wav" → "audio/wav", "mp3" → "audio/mpeg" …, and back; STR_NONE when not known. */
struct str media_type_of_format(struct str format);
struct str media_format_of_type(struct str media_type); /* "png", "pdf", "wav", "mp3", "mp4" … */

/* Empty, or white space only: what Anthropic and Bedrock refuse as a text. */
bool text_blank(struct str s);
/* Tool arguments as providers want them: one JSON object. "" and blanks become "{}"; a text that is
 * no JSON object becomes {"_raw": "<text>"}. */
struct str arguments_of(struct arena *a, struct str text);
/* All texts of parts joined by "\n\n" (system prompts) or "" (tool results); single texts are not
 * copied. Other parts are skipped; *ret_skipped (may be NULL) says whether any was. */
struct str parts_text(struct arena *a, const struct part *parts, size_t n, struct str between,
                      bool *ret_skipped);
/* Standard base64 of bytes, and back (accepts URL alphabet, missing padding); STR_NONE on failure.
 */
struct str base64_text(struct arena *a, struct str bytes);
struct str base64_bytes(struct arena *a, struct str text);

/* ---- schemas ---- */
/* A copy of a JSON schema that Gemini's `parameters` (an OpenAPI subset) takes: $ref into $defs
 * resolved, $schema, $id, $defs, additionalProperties, unsupported formats and keywords left out,
 * type arrays with "null" turned to nullable, const to enum, oneOf to anyOf, allOf merged where
 * simple. Recursion is cut (an object without properties). Raw JSON in the arena. */
struct str schema_openapi(struct arena *a, struct str schema);

#endif
