/* Conditions of routing configs, evaluated over one request. Each field is asked of the request at
 * most once and kept, so a thousand conditions on one field cost a thousand comparisons and one
 * look-up. Semantics are Portkey's, and more where theirs has none:
 *
 * - A field that is absent (or null) makes every comparison false, $ne and $nin too; only
 *   `$exists: false` and $not hold.
 * - Order ($gt …): as numbers when both sides read as one (JavaScript's parseFloat), as texts when
 *   neither does, false when one alone does. Times and dates compare as what they are ("9:30" is
 *   "09:30").
 * - Equality ($eq, $ne, $in, $nin): equal texts; or equal numbers, where at least one side is a
 * JSON number and the other is one from its first to its last character ("2026-01-02" is not 2026).
 * - A list holds where one of its items does. An object is there ($exists) but equals nothing.
 * - The regular expressions of one tree share FACTS_REGEX_STEPS for a request; what comes after
 * that matches nothing, so that neither a config nor a body holds up a worker. */
#ifndef DATAPLANE_ROUTING_CONDITION_H
#define DATAPLANE_ROUTING_CONDITION_H

#include "common/base/arena.h"
#include "common/rules/route_config.h"

enum fact_type { FACT_ABSENT = 0, FACT_TEXT, FACT_NUMBER, FACT_BOOL, FACT_LIST };

struct fact {
    enum fact_type type;
    struct str text; /* decoded; of numbers and booleans as written; raw of lists and objects */
    bool is_number;  /* reads as a number */
    int64_t micro;
    const struct str *items; /* FACT_LIST: decoded texts */
    size_t n_items;
};

/* Asked once per field and request. */
typedef void (*fact_fn)(void *arg, const struct route_field *f, struct fact *ret);

#define FACTS_REGEX_STEPS 4000000u

struct facts {
    const struct route_tree *tree;
    fact_fn ask;
    void *arg;
    struct fact *known; /* by field index; in the arena */
    uint8_t *asked;
    uint64_t regex_left; /* steps of all regular expressions of the request together */
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
/* Any JSON value: strings decoded into the arena, lists as FACT_LIST of their primitive items,
 * objects as an empty list; null (and what there is no room for) is absent. */
void fact_json(struct fact *ret, struct arena *a, struct json_value v);
/* steps of ROUTE_FIELD_BODY over a value; over a validated body. */
void fact_steps(struct fact *ret, struct arena *a, struct json_value at,
                const struct route_path_step *steps, size_t n);
void fact_body(struct fact *ret, struct arena *a, struct str body, const struct route_field *f);

#endif
