/* Decisions as JSON, for `explain`. */
#include <stdio.h>

#include "dataplane/routing/walk_inside.h"

#define FIELDS_SHOWN 32 /* of one condition */
#define VALUE_SHOWN 256 /* bytes of one value */
#define ITEMS_SHOWN 16  /* of a list */

/* ---- conditions ---- */

static struct str shortened(struct str s)
{
    size_t n = s.len < VALUE_SHOWN ? s.len : VALUE_SHOWN;

    while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) {
        n--; /* never within a character */
    }
    return str_slice(s, 0, n);
}

static void put_fact(struct json_writer *out, const struct fact *f)
{
    switch (f->type) {
    case FACT_ABSENT:
        json_put_null(out);
        return;
    case FACT_BOOL:
        json_put_bool(out, str_eqz(f->text, "true"));
        return;
    case FACT_NUMBER:
        json_put_raw(out, f->text);
        return;
    case FACT_LIST:
        json_array_begin(out);
        for (size_t i = 0; i < f->n_items && i < ITEMS_SHOWN; i++) {
            json_put_str(out, shortened(f->items[i]));
        }
        json_array_end(out);
        return;
    default:
        json_put_str(out, shortened(f->text));
    }
}

struct shown {
    uint16_t fields[FIELDS_SHOWN];
    size_t n;
};

static void put_values(struct walk *w, struct facts *facts, const struct route_query *q,
                       struct shown *shown)
{
    if (q->op <= ROUTE_OP_NOT) {
        for (size_t i = 0; i < q->n_parts; i++) {
            put_values(w, facts, q->parts[i], shown);
        }
        return;
    }
    for (size_t i = 0; i < shown->n; i++) {
        if (shown->fields[i] == q->field) {
            return;
        }
    }
    if (shown->n == FIELDS_SHOWN) {
        return;
    }
    shown->fields[shown->n++] = q->field;
    struct str name = arena_str(w->env.arena, facts->tree->fields[q->field].text);
    if (name.ptr) {
        json_name(w->env.explain, name.ptr);
        put_fact(w->env.explain, facts_get(facts, q->field));
    }
}

static void put_conditions(struct walk *w, struct frame *f)
{
    const struct route_strategy *st = f->node->strategy;
    struct json_writer *out = w->env.explain;
    struct facts *facts = grove_facts(f->grove);
    bool holds = false;

    json_name(out, "conditions");
    json_array_begin(out);
    for (size_t i = 0; facts && i < st->n_conditions && !holds; i++) {
        struct shown shown = {.n = 0};
        holds = condition_holds(facts, st->conditions[i].query);
        json_object_begin(out);
        json_name(out, "query");
        json_put_raw(out, st->conditions[i].query->text.ptr ? st->conditions[i].query->text
                                                            : STR_LIT("null"));
        json_field_bool(out, "holds", holds);
        json_name(out, "values");
        json_object_begin(out);
        put_values(w, facts, st->conditions[i].query, &shown);
        json_object_end(out);
        json_object_end(out);
    }
    json_array_end(out);
}

/* ---- targets ---- */

/* NULL: it is not. */
static const char *passed_over(struct frame *f, uint32_t child, bool known)
{
    struct walk *w = f->grove->walk;
    const struct route_node *c = f->node->children[child];
    const struct spot *s = grove_spot(f->grove, c);
    enum route_mode mode = f->node->strategy->mode;

    if (!known) {
        return mode == ROUTE_MIRROR   ? "gets a copy"
               : mode == ROUTE_SPLIT  ? "no share"
               : mode == ROUTE_SINGLE ? "not the first"
                                      : "not asked for";
    }
    if (f->marks[child] & MARK_TRIED) {
        return "tried";
    }
    switch (outlook_of(f->grove, c, f->level + 1)) {
    case OUTLOOK_IMPOSSIBLE:
        return "cannot be called";
    case OUTLOOK_SHUT:
        return s && s->state && target_breaker(s->state, w->env.now_ms) == BREAKER_CLOSED
                   ? "cooling down"
                   : "open";
    case OUTLOOK_SATURATED:
        return "saturated";
    default:
        return NULL;
    }
}

static void put_share(struct json_writer *out, uint32_t ppm)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%u.%04u", ppm / 10000, ppm % 10000);

    while (n > 1 && text[n - 1] == '0') {
        n--;
    }
    n -= text[n - 1] == '.';
    json_name(out, "share");
    json_put_raw(out, (struct str){text, (size_t)n});
}

static void put_measures(struct frame *f, const struct route_node *c)
{
    struct walk *w = f->grove->walk;
    struct json_writer *out = w->env.explain;
    enum outlook o = outlook_of(f->grove, c, f->level + 1);
    uint64_t us, price;

    json_field_str(out, "health",
                   o == OUTLOOK_IMPOSSIBLE ? STR_LIT("impossible")
                                           : health_text(f->grove, c, f->level + 1));
    if (o == OUTLOOK_IMPOSSIBLE) {
        return;
    }
    us = measure_of(f->grove, c, MEASURE_LATENCY, f->level + 1);
    price = measure_of(f->grove, c, MEASURE_PRICE, f->level + 1);
    json_field_z(out, "limits", o == OUTLOOK_SATURATED ? "saturated" : "ok");
    if (us > 0 && us < UINT64_MAX) {
        json_field_u64(out, "latency_ms", (us + 999) / 1000);
    }
    json_field_u64(out, "in_flight", measure_of(f->grove, c, MEASURE_IN_FLIGHT, f->level + 1));
    if (price < UINT64_MAX) {
        json_field_u64(out, "price_nanousd", price);
    }
}

/* known: one of those that the strategy chooses among. */
static void put_target(struct frame *f, uint32_t child, bool known, bool chosen)
{
    struct json_writer *out = f->grove->walk->env.explain;
    const struct route_node *c = f->node->children[child];
    const char *reason = chosen ? NULL : passed_over(f, child, known);

    json_object_begin(out);
    json_field_str(out, "target", place_path(f->grove, c));
    if (c->name.ptr) {
        json_field_str(out, "name", c->name);
    }
    if (f->node->strategy->mode == ROUTE_SPLIT) {
        put_share(out, c->share_ppm);
    } else {
        json_field_u64(out, "weight", c->weight);
    }
    if (f->node->strategy->mode == ROUTE_PRIORITY) {
        json_field_u64(out, "priority", c->priority);
    }
    put_measures(f, c);
    if (reason) {
        json_field_z(out, "passed_over", reason);
    }
    json_object_end(out);
}

static void put_order(struct frame *f, int32_t chosen)
{
    struct walk *w = f->grove->walk;
    struct json_writer *out = w->env.explain;
    struct frame all = *f; /* as if none had been tried */
    int32_t child;

    json_name(out, "order");
    json_array_begin(out);
    all.marks = arena_zalloc(w->env.arena, f->node->n_children + 1);
    while (all.marks && (child = frame_next_in_order(&all)) >= 0) {
        all.marks[child] |= MARK_TRIED;
        f->scores = all.scores; /* the order that is shown is the one that holds */
        put_target(f, (uint32_t)child, true, child == chosen);
    }
    for (uint32_t i = 0; all.marks && i < f->node->n_children; i++) {
        if (!(all.marks[i] & MARK_TRIED)) {
            put_target(f, i, false, false);
        }
    }
    json_array_end(out);
}

void explain_decision(struct walk *w, struct frame *f, int32_t chosen)
{
    struct json_writer *out = w->env.explain;
    enum route_mode mode = f->node->strategy->mode;

    if (!out || w->quiet) {
        return;
    }
    json_object_begin(out);
    json_field_str(out, "node", place_path(f->grove, f->node));
    json_field_z(out, "mode", route_mode_name(mode));
    if (mode == ROUTE_CONDITIONAL) {
        put_conditions(w, f);
    }
    put_order(f, chosen);
    if (chosen < 0) {
        json_name(out, "chosen");
        json_put_null(out);
    } else {
        const struct route_node *c = f->node->children[chosen];
        json_field_str(out, "chosen", place_path(f->grove, c));
        if (mode == ROUTE_SPLIT) {
            struct str arm =
                c->name.ptr ? c->name : arena_printf(w->env.arena, "%u", (unsigned)chosen);
            json_field_str(out, "assignment", arm);
        }
    }
    json_object_end(out);
}

void explain_dead_end(struct walk *w)
{
    struct grove *g = w->root;
    const struct route_node *n = g->tree->root;

    for (unsigned level = 1; w->env.explain && !w->quiet && level <= WALK_MAX_LEVELS; level++) {
        struct frame f;
        uint32_t first, other;
        size_t pos = 0;
        struct spot *s = grove_spot(g, n);
        while (s && !n->strategy && s->inner) {
            g = s->inner;
            n = g->tree->root;
            s = grove_spot(g, n);
        }
        if (!s || !n->strategy || !frame_init(&f, g, n, level)) {
            return;
        }
        explain_decision(w, &f, -1);
        if (!candidate_next(g, n, &pos, &first) || candidate_next(g, n, &pos, &other)) {
            return; /* it ends here, or in several places */
        }
        n = n->children[first];
    }
}
