/* Between the files of snapshot/: entities and how they are put into the state. */
#ifndef CONTROLPLANE_SNAPSHOT_INTERNAL_H
#define CONTROLPLANE_SNAPSHOT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/map.h"
#include "controlplane/snapshot/state.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/data_planes_channel.h"

/* Immutable once made; counted. */
struct entity {
    atomic_uint refs;
    struct {
        uint32_t kind;
        struct uuid id;
    } key; /* 20 bytes without padding: the map's key */
    struct uuid organization_id, workspace_id;
    uint64_t version; /* of its last change; 0: before the log */
    bool deleted;     /* a tombstone, without body */
    uint8_t shard, hash[32];
    size_t len;
    uint8_t body[];
};

struct entity *entity_new(unsigned kind, const struct uuid *id, const struct uuid *organization,
                          const struct uuid *workspace, struct str body);
struct entity *entity_tombstone(unsigned kind, const struct uuid *id,
                                const struct uuid *organization, const struct uuid *workspace);
struct entity *entity_ref(struct entity *e);
void entity_unref(struct entity *e); /* accepts NULL */

/* A growing list of entities, owning a reference on each. */
struct entity_list {
    struct entity **items;
    size_t n, cap;
};
void entity_list_add(struct entity_list *l, struct entity *e); /* takes over the reference */
void entity_list_release(struct entity_list *l);

/* The data key of snapshots and what is derived from it. */
struct build_key {
    struct uuid id;
    uint8_t key[32], nonce_key[32];
};
void build_key_init(struct build_key *k, const struct uuid *id, const uint8_t key[static 32]);
/* What is sealed in a row, opened: the provider's credential, and of each version of a config its
 * secrets (a JSON object). ptr NULL: none, or (where the row has one) one that could not be opened.
 */
struct build_secrets {
    struct str credential;
    const struct str *versions; /* as many as the row has */
};
/* Row to message, pure: the same row and key give the same bytes in every instance. */
struct entity *build_entity(const struct config_row *row, const struct build_secrets *plain,
                            const struct build_key *k);

struct group {
    struct uuid id;
    bool serves_all, dirty;
    struct group_serves *serves; /* those of this group */
    size_t n_serves;
    uint64_t
        reset_version; /* what it serves was changed at this version: deltas from before are void */
    uint8_t hashes[STATE_HASHES][32];
    uint8_t root[32];
    struct run *full; /* cached run of everything, of version full->to, which may be a little old */
    size_t full_behind; /* changes since */
};

struct log_entry {
    uint64_t version;
    struct entity *e;
};

struct state {
    struct state_config config;
    struct build_key key;
    pthread_mutex_t *lock; /* over all below; pointed at, so that const readers may take it */
    struct map *entities;  /* key -> struct entity *, tombstones too */
    struct log_entry *log; /* by version */
    size_t log_n, log_cap;
    uint64_t version, horizon;
    struct group **groups;
    size_t n_groups;
};

bool group_sees(const struct group *g, const struct entity *e);
/* Lock held: puts entities (references stay the list's) of a delta, moves to `version`. */
void state_apply(struct state *s, const struct entity_list *changes, uint64_t version);
/* Lock held: forgets all and takes these. */
void state_replace(struct state *s, const struct entity_list *all, uint64_t version,
                   uint64_t horizon);
/* Lock held: true when the groups differ from what stands. */
bool state_set_groups(struct state *s, const struct group_serves *rows, size_t n);

#endif
