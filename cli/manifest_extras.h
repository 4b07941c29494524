/* What the control plane keeps and a standalone proxy does not: fields that `weir export` writes
 * and common/rules/manifest.h refuses, and names of providers that are there already. Both are
 * taken out of the tree before it is parsed. */
#ifndef CLI_MANIFEST_EXTRAS_H
#define CLI_MANIFEST_EXTRAS_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/json.h"

struct yaml_node;

enum {
    EXTRAS_TOP = 0,
    EXTRAS_PROVIDERS,
    EXTRAS_MODELS,
    EXTRAS_KEYS,
    EXTRAS_CONFIGS,
    EXTRAS_PROMPTS,
    EXTRAS_SECTIONS
};

struct manifest_extras {
    bool has[EXTRAS_SECTIONS]; /* is the section in the file? */
    struct yaml_node *
        *maps[EXTRAS_SECTIONS]; /* one per item (the top: one), holding what was taken out of it */
    size_t n[EXTRAS_SECTIONS];
    size_t n_stubs; /* providers put at the end of the tree's, because something names them and the
                       file has none such */
};

/* Changes the tree at root, in the arena. False: no memory. */
bool manifest_extras_take(struct yaml_node *root, struct arena *a, struct manifest_extras *ret,
                          struct error *err);
/* The fields of item i of a section, into an open object. */
void manifest_extras_put(const struct manifest_extras *e, unsigned section, size_t i,
                         struct json_writer *w);
/* A field of the top, NULL when absent. */
const struct yaml_node *manifest_extras_top(const struct manifest_extras *e, const char *name);

#endif
