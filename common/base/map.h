/* Hash map from byte strings to pointers (open addressing, SipHash with a per-process key, so a
 * peer cannot choose collisions). Keys are not copied: they must outlive the entry. One thread. */
#ifndef COMMON_BASE_MAP_H
#define COMMON_BASE_MAP_H

#include "common/base/str.h"

struct map;

struct map *map_new(void);
void map_free(struct map *m); /* values are the caller's */
void *map_get(const struct map *m, struct str key);
/* Returns the value that stood there, or NULL. */
void *map_put(struct map *m, struct str key, void *value);
void *map_remove(struct map *m, struct str key);
size_t map_count(const struct map *m);
/* Start with *pos = 0; false at the end. The map must not change between calls. */
bool map_next(const struct map *m, size_t *pos, struct str *ret_key, void **ret_value);
/* The keyed hash itself, for other tables. */
uint64_t map_hash(const void *p, size_t n);

#endif
