/* Between the files that turn rows into messages. */
#ifndef CONTROLPLANE_SNAPSHOT_BUILD_INSIDE_H
#define CONTROLPLANE_SNAPSHOT_BUILD_INSIDE_H

#include "controlplane/snapshot/internal.h"
#include "proto/snapshot.pb-c.h"

static inline ProtobufCBinaryData build_id(const struct uuid *u)
{
    return uuid_is_nil(u) ? (ProtobufCBinaryData){0, NULL}
                          : (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)u->b};
}

/* Texts of the arena end in NUL; an absent one is the empty text. */
static inline char *build_text(struct str s)
{
    return (char *)(uintptr_t)(s.ptr ? s.ptr : "");
}

/* NULL: out of memory. */
char **build_texts(const struct str *list, size_t n, struct arena *a);
struct entity *build_pack(const struct config_row *row, const ProtobufCMessage *m, struct arena *a);

struct entity *build_virtual_key(const struct config_row *row, struct arena *a);
/* Budgets, limits, teams, price groups, issuers; NULL for other kinds. */
struct entity *build_governance(const struct config_row *row, struct arena *a);

#endif
