/* Linear probing with shifting back on removal, as in common/base/map.c, but with the keys inside.
 */
#include "dataplane/report/open_table.h"

#include "common/base/mem.h"

#define FIRST_CAP 64u

static size_t home(const struct open_table *t, const struct uuid *id)
{
    uint64_t h;
    memcpy(&h, id->b + 8, sizeof(h));
    h *= 0x9e3779b97f4a7c15ull; /* spreads ids that differ in few bits */
    return (size_t)(h >> 32) & (t->cap - 1);
}

void open_table_release(struct open_table *t)
{
    mem_free(t->entries);
    *t = (struct open_table){0};
}

struct open_entry *open_table_find(const struct open_table *t, const struct uuid *id)
{
    if (t->count == 0) {
        return NULL;
    }
    for (size_t i = home(t, id); t->entries[i].used; i = (i + 1) & (t->cap - 1)) {
        if (memcmp(t->entries[i].id.b, id->b, sizeof(id->b)) == 0) {
            return &t->entries[i];
        }
    }
    return NULL;
}

static struct open_entry *place(struct open_table *t, const struct uuid *id)
{
    size_t i = home(t, id);
    while (t->entries[i].used) {
        i = (i + 1) & (t->cap - 1);
    }
    return &t->entries[i];
}

struct open_entry *open_table_put(struct open_table *t, const struct uuid *id)
{
    if ((t->count + 1) * 2 > t->cap) {
        struct open_table grown = {.cap = t->cap ? t->cap * 2 : FIRST_CAP, .count = t->count};
        grown.entries = mem_alloc(grown.cap * sizeof(*grown.entries));
        for (size_t i = 0; i < t->cap; i++) {
            if (t->entries[i].used) {
                *place(&grown, &t->entries[i].id) = t->entries[i];
            }
        }
        mem_free(t->entries);
        *t = grown;
    }
    struct open_entry *e = place(t, id);
    *e = (struct open_entry){.id = *id, .used = true};
    t->count++;
    return e;
}

void open_table_remove(struct open_table *t, struct open_entry *e)
{
    size_t mask = t->cap - 1, i = (size_t)(e - t->entries);
    for (size_t j = (i + 1) & mask; t->entries[j].used; j = (j + 1) & mask) {
        if (((j - home(t, &t->entries[j].id)) & mask) >= ((j - i) & mask)) {
            t->entries[i] = t->entries[j];
            i = j;
        }
    }
    t->entries[i].used = false;
    t->count--;
}
