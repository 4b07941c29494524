/* Request bodies: JSON into a small tree in the request's arena, and readers that name the field
 * they refuse. jansson is included in body.c only. Refused as ERR_INVALID_JSON with the position:
 * what is not JSON, a name that stands twice in an object, a NUL in a text, nesting past 96. */
#ifndef CONTROLPLANE_HTTP_BODY_H
#define CONTROLPLANE_HTTP_BODY_H

#include "common/base/arena.h"
#include "common/base/error.h"

enum body_type {
    BODY_NULL = 0,
    BODY_BOOL,
    BODY_INTEGER,
    BODY_REAL,
    BODY_TEXT,
    BODY_ARRAY,
    BODY_OBJECT
};

struct body_value {
    enum body_type type;
    bool boolean;
    int64_t integer;
    /* of a text: decoded; of an object: its compact JSON (not of the top, nor deeper than 8) */
    struct str text;
    struct str raw; /* its bytes as they were sent, within the parsed text */
    size_t n;       /* of an array or object */
    struct str *names;
    struct body_value *items;
};

/* Parses a text whose top level must be an object. */
bool body_parse(struct str text, struct arena *a, struct body_value *ret, struct error *err);
/* Sets `raw` in a tree that was made from the text: a part of body_parse. */
void body_fill_raw(struct str text, struct body_value *v);
/* The same value as JSON, whatever the order of members and the blanks? */
bool body_same_json(struct str a, struct str b);
/* NULL when absent; a member that is null is there, with type BODY_NULL. */
const struct body_value *body_get(const struct body_value *object, const char *name);

/* Where a value stands, for errors: "targets[0].provider". */
struct body_path {
    const struct body_path *up; /* NULL: top */
    const char *name;           /* NULL: an index */
    size_t index;
};
/* ERR_INVALID_FIELD naming the path (and name below it, may be NULL): returns false. */
bool body_refuse(struct error *err, const struct body_path *at, const char *name, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));
/* Every member must be one of the names (NULL-terminated): else "unknown field". */
bool body_known(const struct body_value *object, const char *const *names,
                const struct body_path *at, struct error *err);

/* Readers of a value that is there: they check type and bounds; `name` is the member's, for errors.
 */
bool body_text(const struct body_value *v, size_t min_bytes, size_t max_bytes,
               const struct body_path *at, const char *name, struct str *ret, struct error *err);
bool body_integer(const struct body_value *v, int64_t min, int64_t max, const struct body_path *at,
                  const char *name, int64_t *ret, struct error *err);
bool body_bool(const struct body_value *v, const struct body_path *at, const char *name, bool *ret,
               struct error *err);
/* RFC 3339. */
bool body_time(const struct body_value *v, const struct body_path *at, const char *name,
               uint64_t *ret_ms, struct error *err);
bool body_texts(const struct body_value *v, size_t max_items, size_t max_bytes,
                const struct body_path *at, const char *name, struct arena *a, struct str **ret,
                size_t *ret_n, struct error *err);
bool body_object(const struct body_value *v, size_t max_bytes, const struct body_path *at,
                 const char *name, struct error *err);
bool body_array(const struct body_value *v, size_t max_items, const struct body_path *at,
                const char *name, struct error *err);

#endif
