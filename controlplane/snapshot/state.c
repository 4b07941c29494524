/* The published state and the hashes of each group's view of it: see state.h. */
#include "controlplane/snapshot/internal.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/crypto.h"

static struct str key_of(const struct entity *e)
{
    return (struct str){(const char *)&e->key, sizeof(e->key)};
}

bool group_sees(const struct group *g, const struct entity *e)
{
    if (g->serves_all || uuid_is_nil(&e->organization_id)) {
        return true; /* what belongs to no organization is everybody's: the catalogue */
    }
    for (size_t i = 0; i < g->n_serves; i++) {
        const struct group_serves *x = &g->serves[i];
        if (uuid_eq(&x->organization_id, &e->organization_id) &&
            (uuid_is_nil(&x->workspace_id) || uuid_is_nil(&e->workspace_id) ||
             uuid_eq(&x->workspace_id, &e->workspace_id))) {
            return true;
        }
    }
    return false;
}

/* XOR: the same call adds and takes away. */
static void toggle(struct group *g, const struct entity *e)
{
    uint8_t *h = g->hashes[e->key.kind * STATE_SHARDS + e->shard];
    for (int i = 0; i < 32; i++) {
        h[i] ^= e->hash[i];
    }
    g->dirty = true;
}

static void group_finish(struct group *g)
{
    if (g->dirty) {
        crypto_sha256(g->hashes, sizeof(g->hashes), g->root);
        g->dirty = false;
    }
}

static void group_recount(struct state *s, struct group *g)
{
    size_t pos = 0;
    struct str key;
    void *value;
    memset(g->hashes, 0, sizeof(g->hashes));
    g->dirty = true;
    while (map_next(s->entities, &pos, &key, &value)) {
        const struct entity *e = value;
        if (!e->deleted && group_sees(g, e)) {
            toggle(g, e);
        }
    }
    group_finish(g);
    g->reset_version = s->version;
    run_unref(g->full);
    g->full = NULL;
}

static void group_free(struct group *g)
{
    if (g) {
        run_unref(g->full);
        mem_free(g->serves);
        mem_free(g);
    }
}

static struct group *find_group(const struct state *s, const struct uuid *id)
{
    for (size_t i = 0; i < s->n_groups; i++) {
        if (uuid_eq(&s->groups[i]->id, id)) {
            return s->groups[i];
        }
    }
    return NULL;
}

static struct group *group_of_rows(const struct group_serves *rows, size_t n)
{
    struct group *g = mem_alloc(sizeof(*g));
    g->id = rows[0].group_id;
    g->serves_all = rows[0].serves_all;
    g->dirty = true;
    g->serves = mem_alloc(n * sizeof(*rows));
    for (size_t i = 0; i < n; i++) {
        if (!uuid_is_nil(&rows[i].organization_id)) {
            g->serves[g->n_serves++] = rows[i];
        }
    }
    return g;
}

static bool same_group(const struct group *a, const struct group *b)
{
    if (a->serves_all != b->serves_all || a->n_serves != b->n_serves) {
        return false;
    }
    for (size_t i = 0; i < a->n_serves; i++) {
        if (!uuid_eq(&a->serves[i].organization_id, &b->serves[i].organization_id) ||
            !uuid_eq(&a->serves[i].workspace_id, &b->serves[i].workspace_id)) {
            return false;
        }
    }
    return true;
}

bool state_set_groups(struct state *s, const struct group_serves *rows, size_t n)
{
    struct group **groups = mem_alloc((n + 1) * sizeof(struct group *));
    size_t n_groups = 0;
    bool changed = false;
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && uuid_eq(&rows[k].group_id, &rows[i].group_id); k++) {
        }
        struct group *g = group_of_rows(rows + i, k - i);
        for (size_t m = 0; m < s->n_groups; m++) {
            struct group *old = s->groups[m];
            if (old && uuid_eq(&old->id, &g->id) && same_group(old, g)) {
                group_free(g);
                g = old;
                s->groups[m] = NULL;
                break;
            }
        }
        groups[n_groups++] = g;
    }
    for (size_t m = 0; m < s->n_groups; m++) {
        changed = changed || s->groups[m];
        group_free(s->groups[m]);
    }
    mem_free(s->groups);
    s->groups = groups;
    s->n_groups = n_groups;
    for (size_t i = 0; i < n_groups; i++) {
        if (groups[i]->dirty) {
            changed = true;
            group_recount(s, groups[i]);
        }
    }
    return changed;
}

/* Puts one entity in place of what stood there; takes no reference of the caller's. */
static void put(struct state *s, struct entity *e)
{
    struct entity *old = map_remove(s->entities, key_of(e));
    if (e->deleted && old) {
        /* A tombstone read from the log knows no workspace. */
        e->organization_id = old->organization_id;
        e->workspace_id = old->workspace_id;
    }
    for (size_t i = 0; i < s->n_groups; i++) {
        struct group *g = s->groups[i];
        if (old && !old->deleted && group_sees(g, old)) {
            toggle(g, old);
        }
        if (!e->deleted && group_sees(g, e)) {
            toggle(g, e);
        }
    }
    (void)map_put(s->entities, key_of(e), entity_ref(e));
    entity_unref(old);
    if (s->log_n == s->log_cap) {
        s->log_cap = s->log_cap ? s->log_cap * 2 : 256;
        s->log = mem_realloc(s->log, s->log_cap * sizeof(*s->log));
    }
    s->log[s->log_n++] = (struct log_entry){e->version, entity_ref(e)};
}

/* A workspace or organization that goes takes along what stood in it, whether the log named that or
 * not. */
static void put_orphans(struct state *s, const struct entity *parent)
{
    size_t pos = 0;
    struct str key;
    void *value;
    struct entity_list gone = {0};
    while (map_next(s->entities, &pos, &key, &value)) {
        const struct entity *e = value;
        const struct uuid *owner =
            parent->key.kind == CONFIG_WORKSPACE ? &e->workspace_id : &e->organization_id;
        if (!e->deleted && uuid_eq(owner, &parent->key.id)) {
            struct entity *t =
                entity_tombstone(e->key.kind, &e->key.id, &e->organization_id, &e->workspace_id);
            t->version = parent->version;
            entity_list_add(&gone, t);
        }
    }
    for (size_t i = 0; i < gone.n; i++) {
        put(s, gone.items[i]);
    }
    entity_list_release(&gone);
}

/* Keeps the log within its ceiling: drops the older half, and tombstones that only it needed. */
static void trim_log(struct state *s)
{
    size_t n = s->log_n / 2;
    if (s->log_n <= s->config.log_max) {
        return;
    }
    while (n < s->log_n && s->log[n].version == s->log[n - 1].version) {
        n++;
    }
    s->horizon = s->log[n - 1].version;
    for (size_t i = 0; i < n; i++) {
        struct entity *e = s->log[i].e;
        if (e->deleted && map_get(s->entities, key_of(e)) == e) {
            (void)map_remove(s->entities, key_of(e));
            entity_unref(e);
        }
        entity_unref(e);
    }
    memmove(s->log, s->log + n, (s->log_n - n) * sizeof(*s->log));
    s->log_n -= n;
}

/* Making everything anew for each plane that comes while changes go on costs a walk over all; a
 * plane that gets what was made a little before asks for the changes since. Where there is little
 * it is made anew; and a run must be younger than what voids deltas, or that plane would get it
 * again and again. */
static bool full_is_of_use(const struct state *s, const struct group *g)
{
    size_t all = map_count(s->entities);
    uint64_t version = run_version(g->full);
    return all >= s->config.full_kept_from && g->full_behind <= all / 16 && version >= s->horizon &&
           (g->reset_version == 0 || version > g->reset_version);
}

static void finish(struct state *s, uint64_t version, size_t n_changes)
{
    s->version = version;
    for (size_t i = 0; i < s->n_groups; i++) {
        struct group *g = s->groups[i];
        group_finish(g);
        g->full_behind += n_changes;
        if (g->full && !full_is_of_use(s, g)) {
            run_unref(g->full);
            g->full = NULL;
        }
    }
}

void state_apply(struct state *s, const struct entity_list *changes, uint64_t version)
{
    if (version == s->version) {
        return;
    }
    for (size_t i = 0; i < changes->n; i++) {
        struct entity *e = changes->items[i];
        put(s, e);
        if (e->deleted && (e->key.kind == CONFIG_WORKSPACE || e->key.kind == CONFIG_ORGANIZATION)) {
            put_orphans(s, e);
        }
    }
    trim_log(s);
    finish(s, version, changes->n);
}

static void clear(struct state *s)
{
    size_t pos = 0;
    struct str key;
    void *value;
    while (map_next(s->entities, &pos, &key, &value)) {
        entity_unref(value);
    }
    map_free(s->entities);
    s->entities = NULL;
    for (size_t i = 0; i < s->log_n; i++) {
        entity_unref(s->log[i].e);
    }
    mem_free(s->log);
    s->log = NULL;
    s->log_n = s->log_cap = 0;
}

static int log_order(const void *a, const void *b)
{
    uint64_t x = ((const struct log_entry *)a)->version, y = ((const struct log_entry *)b)->version;
    return x < y ? -1 : x > y;
}

void state_replace(struct state *s, const struct entity_list *all, uint64_t version,
                   uint64_t horizon)
{
    clear(s);
    s->entities = map_new();
    for (size_t i = 0; i < all->n; i++) {
        struct entity *e = all->items[i];
        (void)map_put(s->entities, key_of(e), entity_ref(e));
        if (e->version > 0) {
            if (s->log_n == s->log_cap) {
                s->log_cap = s->log_cap ? s->log_cap * 2 : 256;
                s->log = mem_realloc(s->log, s->log_cap * sizeof(*s->log));
            }
            s->log[s->log_n++] = (struct log_entry){e->version, entity_ref(e)};
        }
    }
    if (s->log_n > 0) {
        qsort(s->log, s->log_n, sizeof(*s->log), log_order);
    }
    s->horizon = horizon;
    bool first = s->version == 0;
    for (size_t i = 0; i < s->n_groups; i++) {
        group_recount(s, s->groups[i]);
        s->groups[i]->reset_version = first ? 0 : version;
    }
    finish(s, version, 0);
}

void state_free(struct state *s)
{
    if (!s) {
        return;
    }
    clear(s);
    for (size_t i = 0; i < s->n_groups; i++) {
        group_free(s->groups[i]);
    }
    mem_free(s->groups);
    pthread_mutex_destroy(s->lock);
    mem_free(s->lock);
    mem_free_secret(s, sizeof(*s));
}

uint64_t state_version(const struct state *s)
{
    pthread_mutex_lock(s->lock);
    uint64_t v = s->version;
    pthread_mutex_unlock(s->lock);
    return v;
}

void state_wrap_key(const struct state *s, const uint8_t wrap_key[static 32], struct uuid *ret_id,
                    uint8_t ret_sealed[static STATE_WRAPPED_LEN])
{
    /* The key is set before the state is shared and never changes. */
    *ret_id = s->key.id;
    crypto_seal(wrap_key, NULL, (struct str){(const char *)s->key.id.b, 16}, s->key.key, 32,
                ret_sealed);
}

bool state_group_exists(const struct state *s, const struct uuid *group)
{
    pthread_mutex_lock(s->lock);
    bool found = find_group(s, group) != NULL;
    pthread_mutex_unlock(s->lock);
    return found;
}

bool state_serves(const struct state *s, const struct uuid *group, const struct uuid *organization,
                  const struct uuid *workspace)
{
    pthread_mutex_lock(s->lock);
    const struct group *g = find_group(s, group);
    bool yes = g && g->serves_all;
    for (size_t i = 0; g && !yes && i < g->n_serves; i++) {
        const struct group_serves *x = &g->serves[i];
        yes = uuid_eq(&x->organization_id, organization) &&
              (!workspace || uuid_is_nil(&x->workspace_id) || uuid_eq(&x->workspace_id, workspace));
    }
    pthread_mutex_unlock(s->lock);
    return yes;
}

bool state_root(const struct state *s, const struct uuid *group, uint64_t *ret_version,
                uint8_t ret_root[static 32])
{
    pthread_mutex_lock(s->lock);
    const struct group *g = find_group(s, group);
    if (g) {
        *ret_version = s->version;
        memcpy(ret_root, g->root, 32);
    }
    pthread_mutex_unlock(s->lock);
    return g != NULL;
}
