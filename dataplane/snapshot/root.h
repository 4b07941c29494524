/* The inside of a root, shared by index.c (reads) and builder.c (writes). Nobody else includes
 * this. */
#ifndef DATAPLANE_SNAPSHOT_ROOT_H
#define DATAPLANE_SNAPSHOT_ROOT_H

#include "dataplane/snapshot/entity.h"
#include "dataplane/snapshot/shard.h"

/* Sets 0..15 are the primaries, by kind; then the look-ups. */
enum root_set {
    SET_KEY_BY_SECRET = SNAPSHOT_KINDS,
    SET_PROVIDER_BY_ID,
    SET_PROVIDER_BY_NAME,
    SET_MODEL_BY_NAME,
    SET_CATALOGUE_BY_MODEL,
    SET_CONFIG_BY_NAME,
    SET_PROMPT_BY_NAME,
    SET_GROUP_BY_NAME,
    SET_BOOK_BY_ORGANIZATION,
    SET_ISSUER_BY_ISS,
    SET_COUNT
};

struct data_key {
    struct uuid id;
    uint8_t key[32];
};

struct snapshot {
    _Atomic uint32_t refs;
    uint64_t version;
    struct set *sets[SET_COUNT]; /* NULL: empty */
    struct quota_index *quotas;  /* NULL: there are none */
    struct zones *zones;         /* those of the quotas; shared with the roots before and behind */
    uint8_t root_hash[32];
    struct data_key *data_keys;
    size_t n_data_keys;
    struct uuid *
        blocked; /* organizations and workspaces bound by a feature that this build lacks; sorted */
    size_t n_blocked;
};

/* Where an entity or a question belongs: shard and hash within it. */
struct place {
    unsigned shard;
    uint32_t hash;
};

struct place place_of_id(const struct uuid *id);
struct place place_of_secret(const uint8_t secret_sha256[static 32]);
struct place place_of_provider(const struct uuid *id);
/* scope: the workspace, or the organization of what all its workspaces share. One scope lies in one
 * shard. */
struct place place_of_name(const struct uuid *scope, struct str name);

struct scoped_name {
    const struct uuid *organization, *workspace; /* workspace nil: the organization's own */
    struct str name;
};

bool match_id(const struct entity *e, const void *uuid);
bool match_secret(const struct entity *e, const void *secret);
bool match_provider_name(const struct entity *e, const void *scoped_name);
bool match_model_name(const struct entity *e, const void *scoped_name);
struct place place_of_catalogue(const struct uuid *organization, struct str provider,
                                struct str model);
bool match_document_name(const struct entity *e, const void *scoped_name);
bool match_group_name(const struct entity *e, const void *scoped_name);
struct place place_of_organization(const struct uuid *organization);
struct place place_of_issuer(struct str iss);
const struct entity *root_find_id(const struct snapshot *s, unsigned kind, const struct uuid *id);
/* The workspace's own first, then what its organization shares. */
const struct entity *root_find_named(const struct set *set, entity_match_fn match,
                                     const struct uuid *organization, const struct uuid *workspace,
                                     struct str name);
bool match_catalogue(const struct entity *e, const void *catalogue_entry);

const uint8_t *root_data_key(const void *snapshot, const struct uuid *id);
bool root_is_blocked(const struct snapshot *s, const struct uuid *scope);
void root_hash_compute(struct snapshot *s);

#endif
