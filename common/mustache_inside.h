/* Inside of common/mustache*.c: the compiled form, and how names are found in data. Nobody else
 * includes this. */
#ifndef COMMON_MUSTACHE_INSIDE_H
#define COMMON_MUSTACHE_INSIDE_H

#include "common/mustache.h"

enum mustache_kind {
    MUSTACHE_TEXT = 0,
    MUSTACHE_VALUE,     /* {{name}} */
    MUSTACHE_RAW_VALUE, /* {{{name}}}, {{&name}} */
    MUSTACHE_SECTION,
    MUSTACHE_INVERTED,
    MUSTACHE_PARTIAL,
    MUSTACHE_DYNAMIC, /* {{>*name}}: the partial that the value names */
};

/* A name taken apart at its dots. None: the dot alone, which is the value at hand. */
struct mustache_path {
    const struct str *parts;
    size_t n;
    bool here; /* a leading dot: only the value at hand is asked */
};

struct mustache_node {
    enum mustache_kind kind;
    bool line_start;           /* a text: a line of the template begins with it */
    struct str text;           /* literal, or the name as written */
    struct mustache_path path; /* of a name */
    struct str indent;         /* of a partial that has a line for itself; else NULL ptr */
    size_t end;                /* of a section: index behind its last node */
};

struct mustache {
    const struct mustache_node *nodes;
    size_t n;
};

/* What names are looked up in, from the inside out. */
struct mustache_frame {
    const struct mustache_frame *outer;
    struct json_value value;
};

/* Takes `n` off what this rendering may cost; false: it is used up. */
bool mustache_data_spend(struct mustache_data *d, size_t n);
/* False: the name is nowhere, or the work is used up (which the next spend tells). */
bool mustache_data_find(struct mustache_data *d, const struct mustache_path *path,
                        const struct mustache_frame *top, struct json_value *ret);
/* True when a section of it is entered. */
bool mustache_is_true(struct json_value v);

#endif
