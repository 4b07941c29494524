/* Checks that parts follow each other, and feeds them to a builder. */
#include "dataplane/snapshot/run.h"

#include "common/base/mem.h"
#include "common/crypto.h"
#include "proto/snapshot.pb-c.h"

struct snapshot_run {
    struct snapshot *base;
    struct snapshot_builder *builder; /* made with the first part */
    bool has_wrap_key, complete;
    uint8_t wrap_key[32];
    uint64_t from_version, to_version;
    uint32_t next_part;
    bool has_hash;
    uint8_t root_hash[32];
    uint8_t cleared[SNAPSHOT_KINDS][SNAPSHOT_SHARDS / 8];
};

struct snapshot_run *snapshot_run_new(struct snapshot *base, const uint8_t *wrap_key)
{
    struct snapshot_run *r = mem_alloc(sizeof(*r));
    r->base = base ? snapshot_ref(base) : NULL;
    if (wrap_key) {
        r->has_wrap_key = true;
        memcpy(r->wrap_key, wrap_key, sizeof(r->wrap_key));
    }
    return r;
}

void snapshot_run_free(struct snapshot_run *r)
{
    if (r) {
        snapshot_builder_free(r->builder);
        snapshot_unref(r->base);
        mem_free_secret(r, sizeof(*r));
    }
}

static bool begin(struct snapshot_run *r, const Weir__SnapshotPart *p, struct error *err)
{
    uint64_t have = r->base ? snapshot_version(r->base) : 0;
    if (p->from_version != 0 && p->from_version != have) {
        return error_set(err, ERR_CONFLICT, "snapshot delta starts at version %llu, not at %llu",
                         (unsigned long long)p->from_version, (unsigned long long)have);
    }
    if (p->to_version == 0 || p->to_version < p->from_version) {
        return error_set(err, ERR_INVALID_FIELD, "snapshot part leads to version %llu",
                         (unsigned long long)p->to_version);
    }
    r->from_version = p->from_version;
    r->to_version = p->to_version;
    r->builder = snapshot_builder_new(p->from_version ? r->base : NULL);
    return true;
}

static bool take_keys(struct snapshot_run *r, const Weir__SnapshotPart *p, struct error *err)
{
    for (size_t i = 0; r->has_wrap_key && i < p->n_keys; i++) {
        const Weir__WrappedKey *k = p->keys[i];
        struct uuid id;
        uint8_t key[CRYPTO_KEY_LEN];
        if (k->id.len != sizeof(id.b) || k->sealed.len != CRYPTO_SEALED_LEN(sizeof(key)) ||
            !crypto_open(r->wrap_key, (struct str){(const char *)k->id.data, k->id.len},
                         k->sealed.data, k->sealed.len, key)) {
            return error_set(err, ERR_INVALID_FIELD,
                             "data key %zu of the snapshot cannot be opened", i);
        }
        memcpy(id.b, k->id.data, sizeof(id.b));
        snapshot_builder_data_key(r->builder, &id, key);
        explicit_bzero(key, sizeof(key));
    }
    return true;
}

/* A shard may be named again in later parts: only the first time empties it. */
static bool clear_shards(struct snapshot_run *r, const Weir__SnapshotPart *p, struct error *err)
{
    if (p->n_resend_kind != p->n_resend_shard) {
        return error_set(err, ERR_INVALID_FIELD, "snapshot part names %zu kinds but %zu shards",
                         p->n_resend_kind, p->n_resend_shard);
    }
    for (size_t i = 0; i < p->n_resend_kind; i++) {
        uint32_t kind = p->resend_kind[i], shard = p->resend_shard[i];
        if (kind >= SNAPSHOT_KINDS || shard >= SNAPSHOT_SHARDS ||
            r->cleared[kind][shard / 8] & (1u << shard % 8)) {
            continue;
        }
        r->cleared[kind][shard / 8] |= (uint8_t)(1u << shard % 8);
        snapshot_builder_clear_shard(r->builder, kind, shard);
    }
    return true;
}

static bool take_changes(struct snapshot_run *r, const Weir__SnapshotPart *p, struct error *err)
{
    for (size_t i = 0; i < p->n_changes; i++) {
        const Weir__Change *c = p->changes[i];
        struct uuid id;
        if (c->id.len != sizeof(id.b)) {
            return error_set(err, ERR_INVALID_FIELD,
                             "change %zu of the snapshot has an id of %zu bytes", i, c->id.len);
        }
        memcpy(id.b, c->id.data, sizeof(id.b));
        if (c->deleted) {
            snapshot_builder_delete(r->builder, c->kind, &id);
        } else if (!snapshot_builder_put(r->builder, c->kind, &id,
                                         (struct str){(const char *)c->body.data, c->body.len},
                                         err)) {
            return false;
        }
    }
    return true;
}

bool snapshot_run_part(struct snapshot_run *r, struct str part, struct error *err)
{
    Weir__SnapshotPart *p = weir__snapshot_part__unpack(NULL, part.len, (const uint8_t *)part.ptr);
    bool ok = false;
    if (!p) {
        return error_set(err, ERR_INVALID_FIELD, "snapshot part of %zu bytes cannot be read",
                         part.len);
    }
    if (r->complete || p->part != r->next_part) {
        (void)error_set(err, ERR_CONFLICT, "snapshot part %u came where part %u belongs", p->part,
                        r->next_part);
        goto out;
    }
    if (!r->builder && !begin(r, p, err)) {
        goto out;
    }
    if (p->from_version != r->from_version || p->to_version != r->to_version) {
        (void)error_set(err, ERR_CONFLICT, "snapshot part belongs to another run");
        goto out;
    }
    ok = take_keys(r, p, err) && clear_shards(r, p, err) && take_changes(r, p, err);
    r->next_part++;
    r->complete = ok && p->last;
    if (p->last && p->root_hash.len == sizeof(r->root_hash)) {
        r->has_hash = true;
        memcpy(r->root_hash, p->root_hash.data, sizeof(r->root_hash));
    }
out:
    weir__snapshot_part__free_unpacked(p, NULL);
    return ok;
}

bool snapshot_run_complete(const struct snapshot_run *r)
{
    return r->complete;
}

uint64_t snapshot_run_version(const struct snapshot_run *r)
{
    return r->to_version;
}

uint32_t snapshot_run_next_part(const struct snapshot_run *r)
{
    return r->next_part;
}

bool snapshot_run_is_full(const struct snapshot_run *r)
{
    return r->builder && r->from_version == 0;
}

struct snapshot *snapshot_run_finish(struct snapshot_run *r, bool *ret_diverged, struct error *err)
{
    struct snapshot *s = NULL;
    uint8_t hash[32];
    if (!r->complete) {
        (void)error_set(err, ERR_CONFLICT, "snapshot run is not complete");
    } else {
        s = snapshot_builder_finish(r->builder, r->to_version, err);
        r->builder = NULL;
    }
    if (s) {
        snapshot_root_hash(s, hash);
        *ret_diverged = r->has_hash && memcmp(hash, r->root_hash, sizeof(hash)) != 0;
    }
    snapshot_run_free(r);
    return s;
}
