/* Mustache templates (mustache 1.4 as its specification's tests have it: interpolation, sections,
 * inverted sections, comments, delimiters, partials with indentation), rendered over JSON data.
 * Compiled once, immutable, any thread. No lambdas, no inheritance, no dynamic code: data only. */
#ifndef COMMON_MUSTACHE_H
#define COMMON_MUSTACHE_H

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/json.h"

struct mustache;

#define MUSTACHE_MAX_DEPTH 64 /* open sections, and partials within partials */
#define MUSTACHE_MAX_TEXT (1u << 20)

/* How {{name}} is written; {{{name}}} and {{&name}} always plain. */
enum mustache_escape {
    MUSTACHE_PLAIN = 0,
    MUSTACHE_HTML, /* the specification's */
    /* For a template that is JSON text. Within the template's quotes every value is escaped as they
     * demand, {{{name}}} too. Outside of them a value is a whole JSON value: {{name}} of a string
     * brings its own quotes; {{{name}}} of a string that is JSON text itself puts that in. */
    MUSTACHE_JSON
};

/* err: what is wrong, with line and column ("section 'x' opened at line 3 is not closed"). The
 * template's text must outlive the result or be in the arena. */
bool mustache_compile(struct str text, struct arena *a, const struct mustache **ret,
                      struct error *err);

/* Look-up tables over a document that several templates are rendered with, made as names are asked
 * for, and what those renderings may cost together: lists within lists would otherwise take a
 * time that neither template nor data shows. The value must outlive it. NULL: out of room. */
#define MUSTACHE_MAX_WORK (32u << 20) /* nodes visited and bytes of data looked at */
struct mustache_data;
struct mustache_data *mustache_data_new(struct json_value data, struct arena *a);

/* Finds a partial by name; NULL: there is none (which renders as nothing, or fails when `strict`).
 */
typedef const struct mustache *(*mustache_partial_fn)(void *arg, struct str name);

struct mustache_options {
    enum mustache_escape escape;
    mustache_partial_fn partial; /* NULL: no partials */
    void *partial_arg;
    struct mustache_data
        *data;   /* of the same value as is rendered; NULL: for this rendering alone */
    bool strict; /* an interpolated name that is nowhere, or a missing partial, is an error naming
                    it in err->param */
};

/* data: a validated JSON value (an object, usually). Appends to out, whose ceiling bounds the
 * result. Numbers are written as they stand in the data; objects and lists interpolated are written
 * as JSON. A partial's name may itself be a variable's value: {{>*name}} (dynamic names, an
 * optional module of the specification; {{>>name}} is the same, as Portkey writes it). A section of
 * false, null, "", 0, an empty list or a name that is nowhere is skipped. False: err (depth, size,
 * work, strict); what was appended is then cut short. The arena is scratch. */
bool mustache_render(const struct mustache *m, struct json_value data,
                     const struct mustache_options *o, struct arena *a, struct buffer *out,
                     struct error *err);

/* True when the template is nothing but one interpolation. *ret: its value; *ret_found: whether the
 * data has it. */
bool mustache_sole_value(const struct mustache *m, struct mustache_data *data, bool *ret_found,
                         struct json_value *ret);
bool mustache_is_sole(const struct mustache *m);

/* Every name that the template interpolates or opens a section of, each once, in order of
 * appearance, without those of partials: for a form that asks for them. {{>*name}} counts as an
 * interpolation of `name`; the dot alone is none. False from fn stops. */
struct mustache_name {
    struct str name;
    bool section, inverted, partial;
};
void mustache_each_name(const struct mustache *m,
                        bool (*fn)(void *arg, const struct mustache_name *n), void *arg);

#endif
