/* A leaf over all trees: its path, and the settings that hold for it where trees stand in the
 * places of leaves (the inner one's own, else the outer leaf's). */
#include "dataplane/routing/walk_inside.h"

const struct route_breaker *place_breaker(const struct grove *g, const struct route_node *leaf)
{
    const struct route_breaker *own = &leaf->settings->breaker;

    for (const struct grove *at = g; at->outer && !leaf->settings->breaker.set; at = at->parent) {
        leaf = at->outer;
    }
    return leaf->settings->breaker.set ? &leaf->settings->breaker : own;
}

/* ---- merging ---- */

static void put_members(struct json_writer *w, struct json_value object, struct json_value besides,
                        bool outer)
{
    struct json_value name, value;

    for (size_t pos = 0; json_next(object, &pos, &name, &value);) {
        struct json_value n, v;
        bool there = outer && json_text_eq(name, STR_LIT("model"));
        for (size_t at = 0; outer && !there && json_next(besides, &at, &n, &v);) {
            there = str_eq(n.raw, name.raw);
        }
        if (there) {
            continue;
        }
        /* the name as it stands, with its quotes and escapes */
        buffer_append_z(w->out, w->out->len > 1 ? "," : "");
        buffer_append_str(w->out, name.raw);
        buffer_append_z(w->out, ":");
        buffer_append_str(w->out, value.raw);
    }
}

/* The members of both objects; the inner one's win. `model` of the outer one is the alias's own
 * name: not what its target is called. */
static struct str merge(struct arena *a, struct str inner, struct str outer)
{
    struct json_value in = {.type = JSON_OBJECT, .raw = inner.ptr ? inner : STR_LIT("{}")};
    struct json_value out = {.type = JSON_OBJECT, .raw = outer};
    struct buffer b;
    struct json_writer w;
    struct str text = STR_NONE;

    if (!outer.ptr) {
        return inner;
    }
    buffer_init(&b, in.raw.len + outer.len + 8);
    json_writer_init(&w, &b);
    buffer_append_z(&b, "{");
    put_members(&w, in, out, false);
    put_members(&w, out, in, true);
    buffer_append_z(&b, "}");
    if (!b.failed) {
        text = b.len > 2 || inner.ptr ? arena_str(a, buffer_str(&b)) : STR_NONE;
    }
    buffer_release(&b);
    return text;
}

/* s: the inner settings, a copy; o: the outer leaf's. */
static void settle(struct arena *a, struct route_settings *s, const struct route_settings *o)
{
    if (!s->retry.set) {
        s->retry = o->retry;
    }
    if (!s->cache.set) {
        s->cache = o->cache;
    }
    if (!s->breaker.set) {
        s->breaker = o->breaker;
    }
    if (!s->request_timeout_ms) {
        s->request_timeout_ms = o->request_timeout_ms;
    }
    if (s->n_drop_paths == 0) {
        s->drop_paths = o->drop_paths;
        s->n_drop_paths = o->n_drop_paths;
    }
    if (s->n_forward_headers == 0) {
        s->forward_headers = o->forward_headers;
        s->n_forward_headers = o->n_forward_headers;
    }
    if (!s->custom_host.ptr) {
        s->custom_host = o->custom_host;
    }
    s->override_json = merge(a, s->override_json, o->override_json);
    s->default_json = merge(a, s->default_json, o->default_json);
    s->strict_openai = s->strict_openai && o->strict_openai;
    s->passthrough = s->passthrough || o->passthrough;
}

const struct route_settings *place_settings(const struct grove *g, const struct route_node *leaf)
{
    struct route_settings *s;

    if (!g->outer) {
        return leaf->settings;
    }
    s = arena_alloc(g->walk->env.arena, sizeof(*s));
    if (!s) {
        return NULL;
    }
    *s = *leaf->settings;
    for (; g->outer; g = g->parent) {
        settle(g->walk->env.arena, s, g->outer->settings);
    }
    return s;
}

/* ---- paths ---- */

/* Without the leading "config": what a tree in a leaf's place adds to the leaf's path. */
static struct str path_below(const struct route_node *n)
{
    static const struct str head = STR_LIT("config");
    return str_starts(n->path, head) ? str_slice(n->path, head.len, n->path.len) : n->path;
}

struct str place_path(const struct grove *g, const struct route_node *n)
{
    if (!g->outer) {
        return n->path;
    }
    struct str above = place_path(g->parent, g->outer), below = path_below(n);
    return arena_printf(g->walk->env.arena, "%.*s%.*s", STR_ARG(above), STR_ARG(below));
}

bool place_of(struct grove *g, const struct route_node *leaf, struct walk_place *ret)
{
    const struct route_settings *settings = place_settings(g, leaf);
    const struct spot *s = grove_spot(g, leaf);

    if (!settings || !s) {
        return false;
    }
    *ret = (struct walk_place){.leaf = leaf,
                               .tree = g->tree,
                               .outer = g->outer,
                               .state = s->state,
                               .settings = settings,
                               .option = place_path(g, leaf)};
    return true;
}
