/* Standalone mode: weir.yaml becomes the very same snapshot messages that a control plane would
 * send (one organization, one workspace, both named "default"), and goes through the same builder.
 * Ids are hashes of kind and name, so that a reload keeps them. Key secrets are hashed here;
 * provider credentials stand plain inside (Credential.data_key_id empty). */
#ifndef DATAPLANE_STANDALONE_STANDALONE_H
#define DATAPLANE_STANDALONE_STANDALONE_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "dataplane/snapshot/index.h"

struct yaml_node;

/* The file's `settings` map for options_load_settings; lives until released. */
struct standalone_settings {
    struct arena *arena;
    const struct yaml_node *node; /* NULL: the file has none */
};

/* Reads and checks the file; may block on disk. One reference to the caller in *ret; ret and
 * ret_settings may each be NULL when not wanted (`weir-proxy check`). False: err has line, column
 * and `param`, outputs are untouched. The version is a number made of the file's content, so a
 * reload of the same text gives the same version. */
bool standalone_load(const char *path, struct snapshot **ret,
                     struct standalone_settings *ret_settings, struct error *err);
/* Same for a text in memory. */
bool standalone_parse(struct str text, struct snapshot **ret,
                      struct standalone_settings *ret_settings, struct error *err);
void standalone_settings_release(struct standalone_settings *s); /* accepts a zeroed one */

/* Who is but a name there, and has an id all the same. */
#define STANDALONE_USER 1001u
#define STANDALONE_SERVICE_ACCOUNT 1002u

/* The id that an object of weir.yaml has: a kind of proto/snapshot.proto, or one of the above. */
struct uuid standalone_id(unsigned kind, struct str name);

#endif
