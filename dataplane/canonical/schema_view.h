/* What schema.c looks at a JSON schema through. A schema has sources: the object itself, what its
 * $ref names, the members of its allOf, the one variant that is left beside null. A keyword is the
 * first source's that has it. Nobody else includes this. */
#ifndef DATAPLANE_CANONICAL_SCHEMA_VIEW_H
#define DATAPLANE_CANONICAL_SCHEMA_VIEW_H

#include "dataplane/canonical/read.h"

#define SCHEMA_DEPTH_MAX 20 /* nested schemas; the writer has 63 levels, three for each at most */
#define SCHEMA_SOURCES_MAX 24

struct schema_view {
    struct json_value sources[SCHEMA_SOURCES_MAX];
    size_t n;
    bool nullable;
    bool cut; /* a reference that cannot be followed, or that has been already */
};

/* Where in a document the eye is. */
struct schema_place {
    struct arena *a;
    struct json_value root;
    const char *refs[SCHEMA_DEPTH_MAX * 4]; /* targets gone into, by their place in the text */
    size_t n_refs;
    struct json_value scopes[SCHEMA_DEPTH_MAX + 1]; /* schemas around, for sloppy $refs */
    size_t n_scopes;
    size_t work; /* bytes looked through so far */
    size_t most; /* past so many nothing is looked at any more; 0: no limit */
};

/* Adds v and all that it names to the view; targets of $ref are pushed to p->refs, which the caller
 * cuts back when it is done with the schema. */
void schema_look(struct schema_place *p, struct schema_view *s, struct json_value v);
/* About how often a schema's text is walked through for its keywords. */
#define SCHEMA_LOOKS 32u
/* A hostile schema has been looked at enough: the rest is cut. */
bool schema_spent(const struct schema_place *p);
/* False when no source has it, or null. */
bool schema_keyword(const struct schema_view *s, const char *name, struct json_value *ret);
/* {"type":"null"}, {"const":null}, {"enum":[null]}. */
bool schema_is_null(struct json_value v);
/* The type that the keywords other than `type` speak of; NULL when none does. */
const char *schema_type_implied(const struct schema_view *s);
/* Members of a container. */
size_t schema_count(struct json_value container);

#endif
