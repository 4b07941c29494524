/* The published state: every entity that some data plane needs, serialized, in memory, with what
 * changed when; and per group of data planes the hashes of what that group sees. Filled by one
 * consistent read, advanced by the log of changes (collect.c). Thread-safe; everything but
 * state_load and state_refresh is quick and touches no database.
 *
 * Hashes are as dataplane/snapshot/index.h has them: entity = SHA-256(kind u32le | id | body),
 * shard = XOR of its entities, shard of an entity = first byte of SHA-256(id), root = SHA-256 over
 * all shards of kinds 0..15 in order. */
#ifndef CONTROLPLANE_SNAPSHOT_STATE_H
#define CONTROLPLANE_SNAPSHOT_STATE_H

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/uuid.h"

#define STATE_KINDS 16
#define STATE_SHARDS 256
#define STATE_HASHES (STATE_KINDS * STATE_SHARDS)
#define STATE_PART_BYTES (1u << 20)

struct state;
struct run;
struct db_pool;
struct seal_keys;
struct references;

struct state_config {
    struct db_pool *pool;
    const struct seal_keys *keys;
    struct references *references; /* what ref:NAME in credentials stands for; NULL: none */
    unsigned log_max;              /* changes kept for deltas; 0: 200,000 */
    unsigned part_bytes;           /* 0: STATE_PART_BYTES */
    /* From so many entities on, what was put together for one new plane is given to the next ones
     * too, for a while: they ask for the changes since. 0: 20,000 */
    unsigned full_kept_from;
};

/* Reads everything (blocks); the snapshot key is made on first start. NULL with *err set. */
struct state *state_load(const struct state_config *c, struct error *err);
void state_free(struct state *s); /* accepts NULL; runs must be unreferenced before */
/* Reads what changed since (blocks; one thread at a time). *ret_changed: version or groups are new.
 */
bool state_refresh(struct state *s, bool *ret_changed, struct error *err);

uint64_t state_version(const struct state *s);
/* The data key inside snapshots, encrypted for one plane: crypto_seal under wrap_key with the id as
 * aad. */
#define STATE_WRAPPED_LEN 60
void state_wrap_key(const struct state *s, const uint8_t wrap_key[static 32], struct uuid *ret_id,
                    uint8_t ret_sealed[static STATE_WRAPPED_LEN]);
bool state_group_exists(const struct state *s, const struct uuid *group);
/* Whether the group serves the whole organization (workspace nil), the workspace of it, or (NULL)
 * any part of it. */
bool state_serves(const struct state *s, const struct uuid *group, const struct uuid *organization,
                  const struct uuid *workspace);
/* Version and root hash that the group should have now; false when there is no such group. */
bool state_root(const struct state *s, const struct uuid *group, uint64_t *ret_version,
                uint8_t ret_root[static 32]);

/* What brings a plane that has `have` (0: nothing) to the current version: a delta, or everything
 * when `have` is 0, behind the horizon or from the future. With shard_hashes (STATE_HASHES of 32
 * bytes, what the plane holds), the shards that differ are given whole. NULL: no such group. The
 * run does not change any more; any thread may read it. */
struct run *state_run(struct state *s, const struct uuid *group, uint64_t have,
                      const uint8_t *shard_hashes);
struct run *run_ref(struct run *r);
void run_unref(struct run *r); /* accepts NULL */
uint64_t run_version(const struct run *r);
uint32_t run_parts(const struct run *r); /* at least 1 */
/* Appends the serialized SnapshotPart. key_id and sealed (from state_wrap_key) go into part 0. */
bool run_part(const struct run *r, uint32_t part, const struct uuid *key_id, const uint8_t *sealed,
              struct buffer *out);

#endif
