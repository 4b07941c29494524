/* weir import: what other gateways are configured by, turned into a manifest. Each importer reads a
 * tree (YAML or JSON alike) and adds providers, models and configs to one struct import, and notes
 * each thing that it could not carry: nothing is dropped silently. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/json.h"

struct map;
struct yaml_node;

enum import_status {
    IMPORT_NOT_MAPPED = 0, /* it is not in the manifest */
    IMPORT_APPROXIMATE,    /* it is, and does not mean quite the same */
    IMPORT_TO_DO,          /* something that the user has to make or look at */
    IMPORT_STATUS_COUNT
};
const char *import_status_name(enum import_status s); /* "not_mapped" */

struct import_note {
    enum import_status status;
    const char *path, *reason;
};

struct import {
    struct arena *arena;
    const char *default_name; /* of a config that its file does not name: the file's, without end */
    struct buffer providers, models, configs; /* each the inside of a JSON list */
    size_t n_providers, n_models, n_configs;
    struct map *taken; /* "c NAME", "m NAME", "p NAME": names in use; n PATH: notes */
    struct import_note *notes;
    size_t n_notes, cap_notes;
    size_t n_of[IMPORT_STATUS_COUNT];
    bool failed; /* out of memory */
};

void import_init(struct import *im, struct arena *a, const char *default_name);
void import_release(struct import *im);

/* The same path, status and reason is noted once. */
void import_note(struct import *im, enum import_status status, const char *path, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));
/* Notes each member of `map` that is not in `known` (blank-separated) as not mapped. */
void import_note_rest(struct import *im, const struct yaml_node *map, const char *path,
                      const char *known);

/* A name as manifests take it, made of `wanted`, not yet used in that section ('c', 'm', 'p'), and
 * claimed. */
const char *import_name(struct import *im, char section, const char *wanted);
bool import_claim(struct import *im, char section, const char *name); /* false: it is taken */

/* Each adds one object (JSON text) to its section. */
void import_add_provider(struct import *im, struct str json);
void import_add_model(struct import *im, struct str json);
/* Adds a config after making sure that it compiles: what the compiler refuses is taken out of the
 * document and noted (path: where the document came from), until nothing is refused; false when
 * nothing is left of it. `wanted`: its name; *ret_name the one that it got. */
bool import_add_config(struct import *im, const char *wanted, struct str document, const char *path,
                       const char **ret_name);
/* A model whose requests follow a config. */
void import_add_routed_model(struct import *im, const char *name, const char *config);

/* The manifest, as JSON. */
void import_manifest(const struct import *im, struct buffer *ret);
/* {"source", "providers", "models", "configs", "not_mapped", "approximate", "to_do", "notes": [{
 * "status", "path", "reason"}]} */
void import_report(const struct import *im, const char *source, struct buffer *ret);

/* The importers. False: *err says why the file is none of theirs. */
bool import_litellm(struct import *im, struct yaml_node *root, struct error *err);
bool import_cloudflare(struct import *im, struct yaml_node *root, struct error *err);
bool import_portkey(struct import *im, struct yaml_node *root, struct error *err);

#endif
