/* YAML into a small tree with positions (libyaml is included in yaml.c only). Duplicate keys,
 * anchors and aliases, tags, multiple documents, and texts over max_bytes are refused; scalars stay
 * texts, with the quoting noted, and yaml_bool / yaml_u64 apply YAML 1.2's core rules (so `no` is
 * text). JSON is accepted, being YAML. */
#ifndef COMMON_YAML_H
#define COMMON_YAML_H

#include "common/base/arena.h"
#include "common/base/error.h"

enum yaml_kind { YAML_SCALAR = 0, YAML_MAP, YAML_SEQ };

struct yaml_node {
    enum yaml_kind kind;
    int line, column;         /* 1-based */
    bool quoted;              /* scalar was quoted: always text */
    struct str text;          /* scalar, NUL-terminated in the arena */
    size_t n;                 /* children */
    struct yaml_node **items; /* values of a seq or map */
    struct yaml_node **names; /* keys of a map, same order; NULL for a seq */
};

/* Tree in the arena. False: err has line, column and what is wrong. An empty document gives an
 * empty map. */
bool yaml_parse(struct str text, size_t max_bytes, struct arena *a, struct yaml_node **ret,
                struct error *err);
bool yaml_parse_file(const char *path, size_t max_bytes, struct arena *a, struct yaml_node **ret,
                     struct error *err);
struct yaml_node *yaml_get(const struct yaml_node *map, const char *name); /* NULL when absent */
bool yaml_bool(const struct yaml_node *n, bool *ret);                      /* true/false only */
bool yaml_u64(const struct yaml_node *n, uint64_t *ret);
bool yaml_is_null(const struct yaml_node *n); /* ~, null, empty, unquoted */

#endif
