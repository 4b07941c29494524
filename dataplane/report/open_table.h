/* The writer's opens that still wait for their event: id -> where the open stands and what room it
 * keeps. Open addressing over the ids' random bytes, which this process drew itself. One thread;
 * grows, never shrinks. */
#ifndef DATAPLANE_REPORT_OPEN_TABLE_H
#define DATAPLANE_REPORT_OPEN_TABLE_H

#include "common/base/uuid.h"

struct segment;

struct open_entry {
    struct uuid id;
    bool used;
    size_t reserve;          /* bytes that are kept for the event, as a whole record */
    struct segment *segment; /* NULL: its segment was dropped */
    uint64_t off;
};

struct open_table {
    struct open_entry *entries;
    size_t cap, count;
};

void open_table_release(struct open_table *t);
struct open_entry *open_table_find(const struct open_table *t, const struct uuid *id);
/* The id must not be there. Valid until the next put or remove. */
struct open_entry *open_table_put(struct open_table *t, const struct uuid *id);
void open_table_remove(struct open_table *t, struct open_entry *e);

#endif
