/* The snapshot's builder with arbitrary bodies: what it takes gives the same root, hash for hash,
 * whether it came by many deltas or at once; what it refuses leaves the base as it was; a run of
 * parts with arbitrary bytes is refused or applied, never trusted.
 *
 * The input is a list of steps: op, number of the entity, length (16 bits, little-endian), body. */
#include "common/base/mem.h"
#include "dataplane/snapshot/index.h"
#include "dataplane/snapshot/run.h"

#include <stdlib.h>

#define STEPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void hash_of(const struct snapshot *s, uint8_t out[32])
{
    snapshot_root_hash(s, out);
}

static bool copy_entity(void *arg, unsigned kind, const struct uuid *id, struct str body)
{
    must(snapshot_builder_put(arg, kind, id, body, NULL));
    return true;
}

/* All of it, put into an empty root, gives the same. */
static void rebuild(const struct snapshot *s)
{
    uint8_t one[32], two[32];
    struct error err = ERROR_INIT;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    must(snapshot_each_entity(s, copy_entity, b));
    struct snapshot *again = snapshot_builder_finish(b, snapshot_version(s), &err);
    must(again != NULL);
    hash_of(s, one);
    hash_of(again, two);
    must(memcmp(one, two, 32) == 0);
    for (unsigned kind = 0; kind < SNAPSHOT_KINDS; kind++)
        must(snapshot_count(s, kind) == snapshot_count(again, kind));
    snapshot_unref(again);
}

struct seen {
    const struct snapshot *root;
    struct uuid organization, workspace;
    struct str last;
};

static bool on_model(void *arg, const struct snap_model *m)
{
    struct seen *seen = arg;
    must(!seen->last.ptr || str_cmp(seen->last, m->name) < 0);
    must(snapshot_model(seen->root, &seen->organization, &seen->workspace, m->name) == m);
    for (size_t i = 0; i < m->n_targets; i++) {
        const struct snap_provider *p = snapshot_provider(seen->root, &m->targets[i].provider_id);
        must(!p || p->disabled || p->base_url_invalid || p->host.len > 0);
    }
    seen->last = m->name;
    return true;
}

/* What requests ask of it. */
static void look(const struct snapshot *s, struct str body)
{
    struct seen seen = {.root = s};
    uint8_t secret[32] = {0};
    size_t n = body.len < sizeof(secret) ? body.len : sizeof(secret);
    for (unsigned i = 0; i < 4; i++) {
        memset(seen.organization.b, (int)(i & 1), sizeof(seen.organization.b));
        memset(seen.workspace.b, (int)(i >> 1), sizeof(seen.workspace.b));
        seen.last = STR_NONE;
        snapshot_each_model(s, &seen.organization, &seen.workspace, on_model, &seen);
        (void)snapshot_provider_named(s, &seen.organization, &seen.workspace, body);
    }
    if (n > 0)
        memcpy(secret, body.ptr, n);
    struct arena *a = arena_new(0);
    (void)snapshot_key(s, secret, a);
    arena_free(a);
}

/* Frees b. The new root, or the old one when it was refused. */
static struct snapshot *finish(struct snapshot *base, struct snapshot_builder *b)
{
    uint8_t before[32], after[32];
    struct error err = ERROR_INIT;
    if (base)
        hash_of(base, before);
    struct snapshot *next = snapshot_builder_finish(b, base ? snapshot_version(base) + 1 : 1, &err);
    if (base) {
        hash_of(base, after);
        must(memcmp(before, after, 32) == 0);
    }
    if (!next) {
        must(err.code != ERR_NONE);
        return base;
    }
    rebuild(next);
    snapshot_unref(base);
    return next;
}

static void run_part(struct snapshot *base, struct str part)
{
    struct error err = ERROR_INIT;
    bool diverged = false;
    struct snapshot_run *r = snapshot_run_new(base, NULL);
    if (!snapshot_run_part(r, part, &err) || !snapshot_run_complete(r)) {
        snapshot_run_free(r);
        return;
    }
    struct snapshot *next = snapshot_run_finish(r, &diverged, &err);
    if (next) {
        rebuild(next);
        look(next, part);
    }
    snapshot_unref(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snapshot *base = NULL;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    for (unsigned steps = 0; size >= 4 && steps < STEPS_MAX; steps++) {
        unsigned op = data[0];
        struct uuid id = {{0}};
        size_t len = data[2] | (size_t)data[3] << 8;
        memset(id.b, data[1] & 1, sizeof(id.b));
        id.b[15] = data[1];
        data += 4;
        size -= 4;
        len = len < size ? len : size;
        char *copy = mem_dup(data, len);
        struct str body = {copy, len};
        if (op < 0xc0) {
            struct error err = ERROR_INIT;
            must(snapshot_builder_put(b, op % 7, &id, body, &err) || err.code != ERR_NONE);
        } else if (op < 0xd0) {
            snapshot_builder_delete(b, op % 7, &id);
        } else if (op < 0xd8) {
            snapshot_builder_clear_shard(b, op % 7, id.b[15]);
        } else if (op < 0xf0) {
            base = finish(base, b);
            if (base)
                look(base, body);
            b = snapshot_builder_new(base);
        } else {
            run_part(base, body);
        }
        mem_free(copy);
        data += len;
        size -= len;
    }
    base = finish(base, b);
    snapshot_unref(base);
    return 0;
}
