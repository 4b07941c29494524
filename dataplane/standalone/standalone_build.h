/* What the files of standalone/ share while a snapshot is built out of a manifest. */
#ifndef DATAPLANE_STANDALONE_STANDALONE_BUILD_H
#define DATAPLANE_STANDALONE_STANDALONE_BUILD_H

#include "common/base/buffer.h"
#include "common/rules/manifest.h"
#include "dataplane/standalone/standalone.h"
#include "proto/snapshot.pb-c.h"

#define STANDALONE_SCOPE_NAME "default" /* of the organization and the workspace */

/* What is being built: ids that recur, and the packed bytes of the message at hand. */
struct build {
    struct snapshot_builder *builder;
    struct arena *arena;
    struct uuid organization, workspace;
    struct buffer bytes;
    struct map *secrets; /* secret -> struct manifest_key */
    struct map *configs; /* name -> struct manifest_document */
};

static inline ProtobufCBinaryData bytes_of(const void *p, size_t n)
{
    return (ProtobufCBinaryData){.len = n, .data = (uint8_t *)(uintptr_t)p};
}

/* standalone.c */
char *standalone_text(struct build *b, struct str s); /* with NUL, in the arena */
char **standalone_texts(struct build *b, const struct str *items, size_t n);
bool standalone_put(struct build *b, unsigned kind, const struct uuid *id,
                    const ProtobufCMessage *m, struct error *err);
/* Always false: names the node that is wrong, `field` (may be NULL) of item i in the list. */
bool standalone_wrong_at(const struct yaml_node *root, const char *list, size_t i,
                         const char *field, struct error *err);

/* standalone_keys.c */
bool standalone_put_key(struct build *b, const struct yaml_node *root, const struct manifest *m,
                        size_t i, struct error *err);
bool standalone_put_teams(struct build *b, const struct yaml_node *root, const struct manifest *m,
                          struct error *err);
bool standalone_has_team(const struct manifest *m, struct str name);
bool standalone_has_account(const struct manifest *m, struct str name);

/* standalone_quotas.c: budgets and limits */
bool standalone_put_quotas(struct build *b, const struct yaml_node *root, const struct manifest *m,
                           struct error *err);

/* standalone_issuers.c */
bool standalone_put_issuers(struct build *b, const struct manifest *m, struct error *err);

#endif
