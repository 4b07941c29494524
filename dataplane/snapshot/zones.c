/* See zones.h. */
#include "dataplane/snapshot/zones.h"

#include <stdatomic.h>

#include "common/base/map.h"
#include "common/base/mem.h"

struct zones {
    _Atomic uint32_t refs;
    struct arena *memory;
    struct map *by_name;
};

struct zones *zones_new(void)
{
    struct zones *z = mem_alloc(sizeof(*z));
    atomic_init(&z->refs, 1);
    z->memory = arena_new(0);
    z->by_name = map_new();
    return z;
}

struct zones *zones_ref(struct zones *z)
{
    atomic_fetch_add_explicit(&z->refs, 1, memory_order_relaxed);
    return z;
}

void zones_unref(struct zones *z)
{
    if (z && atomic_fetch_sub_explicit(&z->refs, 1, memory_order_acq_rel) == 1) {
        map_free(z->by_name);
        arena_free(z->memory);
        mem_free(z);
    }
}

bool zones_find(struct zones *z, struct str name, const struct zone **ret)
{
    struct error ignored = ERROR_INIT;
    const struct zone *found = NULL;
    if (name.len == 0 || str_eqz(name, "UTC")) {
        *ret = NULL;
        return true;
    }
    if (!z) {
        return false;
    }
    found = map_get(z->by_name, name);
    if (!found && zone_load(name, z->memory, &found, &ignored)) {
        struct str kept = arena_str(z->memory, name);
        if (kept.ptr) {
            (void)map_put(z->by_name, kept, (void *)(uintptr_t)found);
        }
    }
    if (found) {
        *ret = found;
    }
    return found != NULL;
}
