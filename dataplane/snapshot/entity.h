/* One entity of a snapshot: the body as it came, and what requests read of it, decoded once.
 * Counted, immutable after its build. One allocation holds all (what is made besides has an arena);
 * texts point into the body. */
#ifndef DATAPLANE_SNAPSHOT_ENTITY_H
#define DATAPLANE_SNAPSHOT_ENTITY_H

#include <stdatomic.h>

#include "common/base/arena.h"
#include "dataplane/snapshot/index.h"

struct zones;

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

/* A price book, with its published version compiled. */
struct book_entry {
    struct uuid organization_id;
    uint64_t version;              /* 0: none is published */
    const struct price_book *book; /* NULL: none is published, or it cannot be compiled */
};

/* A row of the catalogue that differs from the installed one. */
struct catalogue_entry {
    struct uuid organization_id; /* nil: everybody's */
    struct str provider, model, entry_json;
};

/* What every entity has. Of keys there may be millions: theirs is this and the body behind it, and
 * what requests read of a key is decoded when they ask (key_entity.h). */
struct entity {
    _Atomic uint32_t refs;
    uint32_t added_at; /* the builder's: place + 1 in its list of what it added */
    uint32_t body_len;
    uint8_t kind;
    bool own_needs; /* the body itself names a feature that this build lacks */
    struct uuid id;
};

/* Every other kind. */
struct entity_more {
    struct entity head;
    const char *body;
    union {
        void *decoded; /* NULL for kinds without look-up */
        struct snap_organization *organization;
        struct snap_workspace *workspace;
        struct snap_provider *provider;
        struct snap_model *model;
        struct catalogue_entry *catalogue;
        struct snap_document *document; /* a routing config, a prompt */
        struct snap_quota *quota;       /* a budget, a limit */
        struct book_entry *book;
        struct snap_price_group *group;
        struct snap_issuer *issuer;
        struct snap_team *team;
    };
    struct arena *memory;    /* what decoding made besides (settings, secrets, trees); owned */
    struct uuid data_key_id; /* a provider's, or one that a document misses: nil when plain */
};

/* Not of a key. */
static inline struct entity_more *entity_more(const struct entity *e)
{
    return (struct entity_more *)(uintptr_t)e;
}

static inline struct str entity_body(const struct entity *e)
{
    return (struct str){e->kind == ENTITY_KEY ? (const char *)(e + 1) : entity_more(e)->body,
                        e->body_len};
}

/* Finds the plain data key; NULL when it is not here. */
typedef const uint8_t *(*data_key_fn)(const void *arg, const struct uuid *id);

/* What decoding may ask for. */
struct entity_source {
    data_key_fn data_key; /* opens credentials; NULL: they stay closed */
    const void *arg;
    struct zones *zones; /* NULL: zones other than UTC are unknown */
};

/* Reads the body. NULL: it is no message of its kind (err names kind and id, never content). */
struct entity *entity_new(unsigned kind, const struct uuid *id, struct str body,
                          const struct entity_source *from, struct error *err);
void entity_ref(struct entity *e);
void entity_unref(struct entity *e); /* accepts NULL */
/* SHA-256(kind u32le | id | body) */
void entity_hash(const struct entity *e, uint8_t out[static 32]);
const char *entity_kind_name(unsigned kind);
/* True when the text names a feature that this build has. */
bool entity_feature_known(struct str name);

/* For the files that read one kind each. */
struct wire;
struct wire_field;
/* An entity other than a key's, with a copy of the body and `decoded` zeroed bytes. */
struct entity_more *entity_begin(unsigned kind, const struct uuid *id, struct str body,
                                 size_t decoded);
/* Its arena, made when it is first asked for. */
struct arena *entity_memory(struct entity_more *e);
/* What came out of reading: the entity, or (e freed) NULL and the reason. */
struct entity *entity_settle(struct entity_more *e, const struct wire *w, bool ids_fit,
                             struct error *err);
/* A feature's name under `needs`: *ret becomes true when this build lacks it. */
void entity_take_need(struct wire *w, const struct wire_field *f, bool *ret);
/* Sets the error, without content. Always false. */
bool entity_wrong(struct error *err, unsigned kind, const struct uuid *id, const char *what);

#endif
