/* See walk.h. The walk goes down by choices until a leaf, and after a failure up to the innermost
 * node that goes on. Before each descent it is known how good the best leaf is that can be reached
 * (outlook), so a descent never ends in nothing, but for one case: a half-open breaker that gave
 * its probe to another request meanwhile; then the leaf is passed over and the choice made again.
 */
#include "dataplane/routing/walk_inside.h"

struct walk *walk_new(const struct route_tree *t, const struct walk_env *env)
{
    struct walk *w = arena_alloc(env->arena, sizeof(*w));

    if (!w) {
        return NULL;
    }
    /* the frames need no clearing: they are filled as they are pushed */
    memset(w, 0, offsetof(struct walk, frames));
    memset((char *)w + offsetof(struct walk, n_frames), 0,
           sizeof(*w) - offsetof(struct walk, n_frames));
    w->env = *env;
    w->env.max_tries = env->max_tries ? env->max_tries : WALK_MAX_TRIES;
    w->dry = env->explain != NULL;
    w->step = w->round = 1;
    w->root = grove_new(w, t, NULL, NULL);
    return w->root ? w : NULL;
}

struct walk_env *walk_environment(struct walk *w)
{
    return &w->env;
}

/* ---- down ---- */

struct landing {
    struct grove *grove;
    const struct route_node *leaf;
};

/* The child of the top frame that is good enough, taken. */
static const struct route_node *step_down(struct walk *w, enum outlook needed)
{
    struct frame *f = &w->frames[w->n_frames - 1];
    int32_t child = frame_choose(f, needed);

    explain_decision(w, f, child);
    if (child < 0) {
        return NULL;
    }
    f->at = (uint32_t)child;
    return f->node->children[child];
}

static bool descend(struct walk *w, struct grove *g, const struct route_node *n,
                    enum outlook needed, struct landing *ret)
{
    while (n) {
        if (n->strategy) {
            if (w->n_frames == WALK_MAX_LEVELS ||
                !frame_init(&w->frames[w->n_frames], g, n, w->n_frames + 1)) {
                return false;
            }
            w->n_frames++;
            n = step_down(w, needed);
            continue;
        }
        struct spot *s = grove_spot(g, n);
        if (!s || !s->inner) {
            *ret = (struct landing){g, n};
            return s && s->state;
        }
        g = s->inner;
        n = g->tree->root;
    }
    return false;
}

/* False: its breaker gave the probe to another request. */
static bool admit(struct walk *w, const struct landing *at, bool forced, bool *ret_probe)
{
    struct spot *s = grove_spot(at->grove, at->leaf);

    *ret_probe = false;
    if (w->dry ||
        target_admits(s->state, place_breaker(at->grove, at->leaf), w->env.now_ms, ret_probe)) {
        return true;
    }
    *ret_probe = false;
    if (!forced) {
        s->refused_at = w->step;
        w->round++;
    }
    return forced;
}

/* Takes the leaf that was found as the one at hand. */
static bool land(struct walk *w, const struct landing *at)
{
    const struct route_settings *settings = place_settings(at->grove, at->leaf);

    if (!settings) {
        walk_fail(w, WALK_NO_ROOM);
        return false;
    }
    w->n_arms = 0;
    for (unsigned i = 0; i < w->n_frames; i++) {
        struct frame *f = &w->frames[i];
        const struct route_node *c = f->node->children[f->at];
        f->marks[f->at] |= MARK_TRIED;
        if (f->node->strategy->mode == ROUTE_SPLIT) {
            w->arms[w->n_arms++] =
                c->name.ptr ? c->name : arena_printf(w->env.arena, "%u", (unsigned)f->at);
        }
    }
    w->grove = at->grove;
    w->leaf = at->leaf;
    w->settings = settings;
    w->retries = 0;
    return true;
}

/* ---- up ---- */

/* The best that a failure may go on to. */
static enum outlook elsewhere(struct walk *w, const struct walk_failure *f)
{
    enum outlook best = OUTLOOK_IMPOSSIBLE;

    for (unsigned i = w->n_frames; best < OUTLOOK_USABLE && i-- > 0;) {
        if (frame_covers(&w->frames[i], f)) {
            enum outlook o = frame_outlook(&w->frames[i]);
            best = o > best ? o : best;
        }
    }
    return best;
}

/* Another child of the frame at that place; those above it are left. */
static bool go_on_at(struct walk *w, unsigned i, bool *ret_probe)
{
    struct frame *f = &w->frames[i];
    enum outlook o;

    /* what is shut would only add to an outage */
    while ((o = frame_outlook(f)) >= OUTLOOK_SATURATED) {
        struct landing at;
        w->n_frames = i + 1;
        if (!descend(w, f->grove, step_down(w, o), o, &at)) {
            return false;
        }
        if (admit(w, &at, false, ret_probe)) {
            f->gone_on++;
            return land(w, &at);
        }
    }
    return false;
}

static bool go_on(struct walk *w, const struct walk_failure *f, bool *ret_probe)
{
    for (unsigned i = w->n_frames; i-- > 0;) {
        if (frame_covers(&w->frames[i], f) && go_on_at(w, i, ret_probe)) {
            return true;
        }
    }
    return false;
}

static bool may_go_on(struct walk *w)
{
    const struct route_retry *r = &w->settings->retry;

    if (w->tries >= w->env.max_tries) {
        return false;
    }
    if (w->retries < r->attempts && triggers_any(&r->on)) {
        return true;
    }
    for (unsigned i = w->n_frames; i-- > 0;) {
        struct frame *f = &w->frames[i];
        const struct route_strategy *st = f->node->strategy;
        if (f->gone_on < st->failover && triggers_any(&st->on) &&
            frame_outlook(f) >= OUTLOOK_SATURATED) {
            return true;
        }
    }
    return false;
}

/* ---- steps ---- */

static enum walk_verdict end(struct walk *w, struct walk_step *ret)
{
    w->over = true;
    *ret = (struct walk_step){.reason = w->tries ? WALK_REASON_NONE : w->reason};
    if (!w->tries && ret->reason == WALK_REASON_NONE) {
        ret->reason = WALK_NO_TARGET;
    }
    return WALK_END;
}

static enum walk_verdict take(struct walk *w, struct walk_step *step)
{
    step->leaf = w->leaf;
    step->tree = w->grove->tree;
    step->outer = w->grove->outer;
    step->state = grove_spot(w->grove, w->leaf)->state;
    step->settings = w->settings;
    w->tries++;
    step->may_go_on = may_go_on(w);
    aside_hedge(w, step);
    if (w->tries == 1) {
        aside_mirrors(w, step);
    }
    return WALK_TRY;
}

enum walk_verdict walk_first(struct walk *w, struct walk_step *ret)
{
    const struct route_node *root = w->root->tree->root;
    enum outlook o;

    *ret = (struct walk_step){0};
    while (!w->leaf && (o = outlook_of(w->root, root, 1)) > OUTLOOK_IMPOSSIBLE) {
        struct landing at;
        w->n_frames = 0;
        if (!descend(w, w->root, root, o, &at)) {
            break;
        }
        if (admit(w, &at, o == OUTLOOK_SHUT, &ret->probe)) {
            return land(w, &at) ? take(w, ret) : end(w, ret);
        }
    }
    explain_dead_end(w);
    return end(w, ret);
}

static void note_hedge(struct walk *w, const struct walk_failure *f)
{
    for (unsigned i = 0; f->hedge_started && i < w->n_frames; i++) {
        if (w->hedge_frame == &w->frames[i]) {
            w->frames[i].marks[w->hedge_child] |= MARK_TRIED;
            w->frames[i].gone_on++;
        }
    }
    w->hedge_frame = NULL;
}

enum walk_verdict walk_next(struct walk *w, const struct walk_failure *f, struct walk_step *ret)
{
    *ret = (struct walk_step){0};
    if (w->over || !w->leaf || w->tries >= w->env.max_tries) {
        return end(w, ret);
    }
    w->step++;
    w->round++;
    note_hedge(w, f);
    if (retry_take(w, f, elsewhere(w, f) == OUTLOOK_USABLE, ret) || go_on(w, f, &ret->probe)) {
        return take(w, ret);
    }
    return end(w, ret);
}

/* ---- what is told ---- */

struct str walk_option(const struct walk *w)
{
    return w->leaf ? place_path(w->grove, w->leaf) : STR_LIT("");
}

struct str walk_assignment(const struct walk *w)
{
    struct str all = w->n_arms ? w->arms[0] : STR_LIT("");

    for (unsigned i = 1; i < w->n_arms && all.ptr; i++) {
        all = arena_printf(w->env.arena, "%.*s/%.*s", STR_ARG(all), STR_ARG(w->arms[i]));
    }
    return all.ptr ? all : STR_LIT("");
}

/* Frames whose marks may be written without a trace. */
static bool own_marks(struct walk *w)
{
    for (unsigned i = 0; i < w->n_frames; i++) {
        size_t n = w->frames[i].node->n_children;
        uint8_t *marks = arena_alloc(w->env.arena, n + 1);
        if (!marks) {
            return false;
        }
        memcpy(marks, w->frames[i].marks, n);
        w->frames[i].marks = marks;
    }
    return true;
}

size_t walk_explain_order(struct walk *w, const struct walk_place **ret)
{
    static const struct walk_failure failure = {.kinds = ROUTE_FAIL_ANY | ROUTE_FAIL_SERVER,
                                                .status = 503};
    struct walk_place *list = arena_alloc(w->env.arena, w->env.max_tries * sizeof(*list));
    struct walk *saved = arena_alloc(w->env.arena, sizeof(*saved));
    size_t n = 0;
    bool probe, more = list && saved && w->leaf && !w->over;

    *ret = list;
    if (!more) {
        return 0;
    }
    *saved = *w;
    w->dry = w->quiet = true;
    more = own_marks(w);
    while (more && n < w->env.max_tries && place_of(w->grove, w->leaf, &list[n])) {
        n++;
        w->step++;
        w->round++;
        more = go_on(w, &failure, &probe);
    }
    saved->step = w->step + 1; /* what is known of nodes is newer than it was */
    saved->round = w->round + 1;
    saved->n_leaves = w->n_leaves;
    *w = *saved;
    return n;
}
