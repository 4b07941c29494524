/* One entity of a snapshot: the body as it came, and what requests read of it, decoded once.
 * Counted, immutable after its build. One allocation holds all (a provider has an arena besides);
 * texts point into the body. */
#ifndef DATAPLANE_SNAPSHOT_ENTITY_H
#define DATAPLANE_SNAPSHOT_ENTITY_H

#include <stdatomic.h>

#include "common/base/arena.h"
#include "dataplane/snapshot/index.h"

/* proto/snapshot.proto, enum Kind */
enum entity_kind {
    ENTITY_UNKNOWN = 0,
    ENTITY_ORGANIZATION,
    ENTITY_WORKSPACE,
    ENTITY_KEY,
    ENTITY_PROVIDER,
    ENTITY_MODEL,
    ENTITY_CATALOGUE,
    ENTITY_CONFIG,
    ENTITY_PROMPT,
    ENTITY_BUDGET,
    ENTITY_LIMIT,
    ENTITY_PRICE_BOOK,
    ENTITY_PRICE_GROUP,
    ENTITY_ISSUER,
    ENTITY_TEAM,
    ENTITY_KIND_COUNT
};

#define ENTITY_BODY_MAX (4u << 20)

/* A row of the catalogue that differs from the installed one. */
struct catalogue_entry {
    struct uuid organization_id; /* nil: everybody's */
    struct str provider, model, entry_json;
};

struct entity {
    _Atomic uint32_t refs;
    uint32_t added_at; /* the builder's: place + 1 in its list of what it added */
    uint32_t body_len;
    uint8_t kind;
    bool own_needs; /* the body itself names a feature that this build lacks */
    uint16_t n_secrets;
    struct uuid id;
    const char *body;
    union {
        void *decoded; /* NULL for kinds without look-up */
        struct snap_key *key;
        struct snap_provider *provider;
        struct snap_model *model;
        struct snap_organization *organization;
        struct catalogue_entry *catalogue;
        struct snap_document *document; /* a routing config, a prompt */
    };
    union {
        const uint8_t **secrets; /* a key's: 32 bytes each, in the body */
        struct arena *memory;    /* what decoding made besides (settings, secrets, trees); owned */
    };
    struct uuid data_key_id; /* a provider's, or one that a document misses: nil when plain */
};

/* Finds the plain data key; NULL when it is not here. */
typedef const uint8_t *(*data_key_fn)(const void *arg, const struct uuid *id);

/* Reads the body. NULL: it is no message of its kind (err names kind and id, never content). `keys`
 * opens credentials. */
struct entity *entity_new(unsigned kind, const struct uuid *id, struct str body, data_key_fn keys,
                          const void *keys_arg, struct error *err);
void entity_ref(struct entity *e);
void entity_unref(struct entity *e); /* accepts NULL */
/* SHA-256(kind u32le | id | body) */
void entity_hash(const struct entity *e, uint8_t out[static 32]);
const char *entity_kind_name(unsigned kind);
/* True when the text names a feature that this build has. */
bool entity_feature_known(struct str name);

#endif
