/* JSON as a tree of yaml_node, so that what reads YAML reads both: numbers keep their spelling, and
 * no text of JSON is refused for what YAML's scanner makes of it. Without lines. */
#ifndef CLI_JSON_TREE_H
#define CLI_JSON_TREE_H

#include "common/base/arena.h"
#include "common/base/error.h"

struct yaml_node;

/* NULL with *err set (line and column in the text) when it is not one JSON value. */
struct yaml_node *json_tree_parse(struct str text, struct arena *a, struct error *err);
/* Takes the node at a path ("targets[0].retry") out of the tree; false when it is not there. */
bool json_tree_remove(struct yaml_node *root, const char *path);
/* "" when absent or no scalar. NUL-terminated. */
const char *json_tree_text(const struct yaml_node *map, const char *name);
/* The number in thousandths, rounded; false when absent or none. */
bool json_tree_milli(const struct yaml_node *map, const char *name, int64_t *ret);
/* A list or map in `map`; NULL otherwise. */
struct yaml_node *json_tree_list(const struct yaml_node *map, const char *name);
struct yaml_node *json_tree_map(const struct yaml_node *map, const char *name);

#endif
