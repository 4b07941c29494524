/* Runs: what is sent to a plane, as an immutable list of entities cut into parts of bounded size. A
 * run shares its entities with the state by references, so it goes on unchanged while the state
 * moves. */
#include "controlplane/snapshot/internal.h"

#include "common/base/mem.h"
#include "proto/snapshot.pb-c.h"

#define CHANGE_OVERHEAD 40 /* about, of one Change around its body */

struct run {
    atomic_uint refs;
    uint64_t from, to;
    struct entity_list entities;
    size_t *starts; /* of each part, and the end */
    uint32_t n_parts;
    uint32_t *resend_kind, *resend_shard;
    size_t n_resend;
    uint8_t root[32];
};

struct run *run_ref(struct run *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void run_unref(struct run *r)
{
    if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) {
        entity_list_release(&r->entities);
        mem_free(r->starts);
        mem_free(r->resend_kind);
        mem_free(r->resend_shard);
        mem_free(r);
    }
}

uint64_t run_version(const struct run *r)
{
    return r->to;
}

uint32_t run_parts(const struct run *r)
{
    return r->n_parts;
}

static void add_live(struct run *r, const struct state *s, const struct group *g,
                     const bool *shards)
{
    size_t pos = 0;
    struct str key;
    void *value;
    while (map_next(s->entities, &pos, &key, &value)) {
        struct entity *e = value;
        if (!e->deleted && group_sees(g, e) &&
            (!shards || shards[e->key.kind * STATE_SHARDS + e->shard])) {
            entity_list_add(&r->entities, entity_ref(e));
        }
    }
}

/* What changed behind `have`: of each entity its latest state, once. */
static void add_changes(struct run *r, const struct state *s, const struct group *g, uint64_t have)
{
    size_t low = 0, high = s->log_n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->log[mid].version <= have) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < s->log_n; low++) {
        struct entity *e = s->log[low].e;
        if (group_sees(g, e) &&
            map_get(s->entities, (struct str){(char *)&e->key, sizeof(e->key)}) == e) {
            entity_list_add(&r->entities, entity_ref(e));
        }
    }
}

static void add_shards(struct run *r, const struct state *s, const struct group *g,
                       const uint8_t *theirs)
{
    bool *differ = mem_alloc(STATE_HASHES * sizeof(bool));
    r->resend_kind = mem_alloc(STATE_HASHES * sizeof(uint32_t));
    r->resend_shard = mem_alloc(STATE_HASHES * sizeof(uint32_t));
    for (uint32_t i = 0; i < STATE_HASHES; i++) {
        if (memcmp(theirs + (size_t)i * 32, g->hashes[i], 32) != 0) {
            differ[i] = true;
            r->resend_kind[r->n_resend] = i / STATE_SHARDS;
            r->resend_shard[r->n_resend++] = i % STATE_SHARDS;
        }
    }
    add_live(r, s, g, differ);
    mem_free(differ);
}

static void cut(struct run *r, size_t part_bytes)
{
    size_t cap = 8, n = 0, bytes = 0;
    r->starts = mem_alloc(cap * sizeof(*r->starts));
    r->starts[n++] = 0;
    for (size_t i = 0; i < r->entities.n; i++) {
        size_t more = r->entities.items[i]->len + CHANGE_OVERHEAD;
        if (bytes > 0 && bytes + more > part_bytes) {
            if (n + 2 > cap) {
                cap *= 2;
                r->starts = mem_realloc(r->starts, cap * sizeof(*r->starts));
            }
            r->starts[n++] = i;
            bytes = 0;
        }
        bytes += more;
    }
    r->starts[n] = r->entities.n;
    r->n_parts = (uint32_t)n;
}

struct run *state_run(struct state *s, const struct uuid *group, uint64_t have,
                      const uint8_t *shard_hashes)
{
    struct run *r = NULL;
    struct group *g = NULL;
    pthread_mutex_lock(s->lock);
    for (size_t i = 0; i < s->n_groups && !g; i++) {
        g = uuid_eq(&s->groups[i]->id, group) ? s->groups[i] : NULL;
    }
    bool everything = g && !shard_hashes &&
                      (have == 0 || have < s->horizon || have > s->version ||
                       (g->reset_version > 0 && have <= g->reset_version));
    if (everything && g->full) {
        r = run_ref(g->full);
    } else if (g) {
        r = mem_alloc(sizeof(*r));
        atomic_init(&r->refs, 1);
        r->from = everything ? 0 : have;
        r->to = s->version;
        memcpy(r->root, g->root, 32);
        if (shard_hashes) {
            add_shards(r, s, g, shard_hashes);
        } else if (everything) {
            add_live(r, s, g, NULL);
        } else {
            add_changes(r, s, g, have);
        }
        cut(r, s->config.part_bytes);
        if (everything) {
            g->full = run_ref(r);
            g->full_behind = 0;
        }
    }
    pthread_mutex_unlock(s->lock);
    return r;
}

static bool pack(const Weir__SnapshotPart *m, struct buffer *out)
{
    size_t n = weir__snapshot_part__get_packed_size(m);
    if (!buffer_reserve(out, n)) {
        return false;
    }
    weir__snapshot_part__pack(m, (uint8_t *)out->ptr + out->len);
    out->len += n;
    return true;
}

bool run_part(const struct run *r, uint32_t part, const struct uuid *key_id, const uint8_t *sealed,
              struct buffer *out)
{
    if (part >= r->n_parts) {
        return false;
    }
    size_t from = r->starts[part], n = r->starts[part + 1] - from;
    Weir__SnapshotPart m = WEIR__SNAPSHOT_PART__INIT;
    Weir__WrappedKey key = WEIR__WRAPPED_KEY__INIT, *keys = &key;
    Weir__Change *changes = mem_alloc((n + 1) * sizeof(*changes));
    Weir__Change **list = mem_alloc((n + 1) * sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        struct entity *e = r->entities.items[from + i];
        weir__change__init(&changes[i]);
        changes[i].kind = e->key.kind;
        changes[i].id = (ProtobufCBinaryData){16, e->key.id.b};
        changes[i].deleted = e->deleted;
        changes[i].body = (ProtobufCBinaryData){e->deleted ? 0 : e->len, e->body};
        list[i] = &changes[i];
    }
    m.from_version = r->from;
    m.to_version = r->to;
    m.part = part;
    m.n_changes = n;
    m.changes = list;
    if (part == 0) {
        key.id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)key_id->b};
        key.sealed = (ProtobufCBinaryData){STATE_WRAPPED_LEN, (uint8_t *)(uintptr_t)sealed};
        m.n_keys = 1;
        m.keys = &keys;
        m.n_resend_kind = m.n_resend_shard = r->n_resend;
        m.resend_kind = r->resend_kind;
        m.resend_shard = r->resend_shard;
    }
    if (part + 1 == r->n_parts) {
        m.last = true;
        m.root_hash = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)r->root};
    }
    bool ok = pack(&m, out);
    mem_free(list);
    mem_free(changes);
    return ok;
}
