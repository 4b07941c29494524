/* Conditions of routing configs, evaluated over one request. Each field is asked of the request at
 * most once and kept, so a thousand conditions on one field cost a thousand comparisons and one
 * look-up. Semantics are Portkey's: a field that is absent makes every comparison false ($ne and
 * $nin too are false, as theirs), numbers compare as numbers when both sides read as one
 * (JavaScript's parseFloat), else as texts; a list holds where one of its items does. */
#ifndef DATAPLANE_ROUTING_CONDITION_H
#define DATAPLANE_ROUTING_CONDITION_H

#include "common/base/arena.h"
#include "common/rules/route_config.h"

enum fact_type { FACT_ABSENT = 0, FACT_TEXT, FACT_NUMBER, FACT_BOOL, FACT_LIST };

struct fact {
    enum fact_type type;
    struct str text; /* decoded; of numbers and booleans as written */
    bool is_number;  /* reads as a number */
    int64_t micro;
    const struct str *items; /* FACT_LIST: decoded texts */
    size_t n_items;
};

/* Asked once per field and request. */
typedef void (*fact_fn)(void *arg, const struct route_field *f, struct fact *ret);

struct facts {
    const struct route_tree *tree;
    fact_fn ask;
    void *arg;
    struct fact *known; /* by field index; in the arena */
    uint8_t *asked;
};
/* False: out of room. */
bool facts_init(struct facts *f, const struct route_tree *t, struct arena *a, fact_fn ask,
                void *arg);
const struct fact *facts_get(struct facts *f, uint16_t field);
bool condition_holds(struct facts *f, const struct route_query *q);

/* Helpers for whoever answers facts. */
void fact_text(struct fact *ret, struct str text); /* NULL ptr: absent */
void fact_number(struct fact *ret, struct arena *a, int64_t n);
void fact_bool(struct fact *ret, bool v);
/* Any JSON value: strings decoded into the arena, lists of primitives as FACT_LIST, objects absent.
 */
void fact_json(struct fact *ret, struct arena *a, struct json_value v);
/* steps of ROUTE_FIELD_BODY over a validated body. */
void fact_body(struct fact *ret, struct arena *a, struct str body, const struct route_field *f);

#endif
