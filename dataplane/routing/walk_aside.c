/* Calls beside the one whose answer is waited for: the hedge's second target and the mirror's
 * copies. Both go to targets in good health only: they are extra load, and no probes. */
#include "dataplane/routing/walk_inside.h"

#define WHOLE_PPM 1000000u

/* 0: not known. */
static uint64_t hedge_after(const struct walk *w, const struct route_strategy *st)
{
    uint64_t p95_us;

    if (st->hedge_after_ms) {
        return st->hedge_after_ms;
    }
    p95_us = target_p95_us(grove_spot(w->grove, w->leaf)->state);
    return p95_us / 1000 + (p95_us % 1000 > 0);
}

static struct frame *innermost_hedge(struct walk *w)
{
    for (unsigned i = w->n_frames; i-- > 0;) {
        if (w->frames[i].node->strategy->mode == ROUTE_HEDGE) {
            return &w->frames[i];
        }
    }
    return NULL;
}

void aside_hedge(struct walk *w, struct walk_step *step)
{
    struct frame *f = innermost_hedge(w);
    uint64_t after_ms = f ? hedge_after(w, f->node->strategy) : 0;
    struct walk_place *place = after_ms ? arena_alloc(w->env.arena, sizeof(*place)) : NULL;
    bool dry = w->dry;

    w->hedge_frame = NULL;
    w->dry = true; /* it may never be sent: no turn is taken for it */
    for (uint32_t i = 0; place && i < f->node->n_children; i++) {
        if (!(f->marks[i] & MARK_TRIED) &&
            choose_aside(f->grove, f->node->children[i], f->level + 1, place)) {
            w->hedge_frame = f;
            w->hedge_child = i;
            step->hedge = place->leaf;
            step->hedge_state = place->state;
            step->hedge_place = place;
            step->hedge_after_ms = after_ms;
            break;
        }
    }
    w->dry = dry;
}

static bool sampled(struct walk *w, uint32_t ppm)
{
    return ppm >= WHOLE_PPM || (ppm > 0 && w->env.random(w->env.arg, WHOLE_PPM) < ppm);
}

void aside_mirrors(struct walk *w, struct walk_step *step)
{
    const struct route_node **leaves;
    struct walk_place *places;
    size_t most = 0, n = 0;

    for (unsigned i = 0; i < w->n_frames; i++) {
        const struct route_node *node = w->frames[i].node;
        most += node->strategy->mode == ROUTE_MIRROR ? node->n_children : 0;
    }
    leaves = most > 1 ? arena_alloc(w->env.arena, most * sizeof(*leaves)) : NULL;
    places = leaves ? arena_alloc(w->env.arena, most * sizeof(*places)) : NULL;
    for (unsigned i = 0; places && i < w->n_frames; i++) {
        const struct frame *f = &w->frames[i];
        if (f->node->strategy->mode != ROUTE_MIRROR || !sampled(w, f->node->strategy->mirror_ppm)) {
            continue;
        }
        for (size_t k = 1; k < f->node->n_children; k++) {
            if (choose_aside(f->grove, f->node->children[k], f->level + 1, &places[n])) {
                leaves[n] = places[n].leaf;
                n++;
            }
        }
    }
    step->mirrors = n ? leaves : NULL;
    step->mirror_places = n ? places : NULL;
    step->n_mirrors = n;
}
